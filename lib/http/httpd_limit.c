/* SPDX-License-Identifier: MIT */
#include "http/httpd_limit.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"

/*
 * Who may have a connection.  When the limit is near, or one client has as
 * many as one may have, idle connections go first: they cost their owner a
 * reconnect, and whoever waits has something to ask.  Only where none is idle
 * a new one is answered 503.
 *
 * A connection that was told to go is not counted any more, though it takes a
 * moment until it is gone; libmicrohttpd's own limit leaves room for those.
 */

/* So long a new connection may be silent before it counts as idle. */
#define SILENT_MS 1000

/* A client is an IPv4 address, or the /64 of an IPv6 one: whoever has one
 * address of that has all of them. */
static void
set_client(struct httpd_conn *conn)
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	if (getpeername(conn->fd, (struct sockaddr *)&addr, &n) == -1)
		return;
	conn->client[0] = (uint8_t)addr.ss_family;
	if (addr.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)&addr;

		memcpy(conn->client + 1, &v4->sin_addr, 4);
	} else if (addr.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)&addr;

		memcpy(conn->client + 1, &v6->sin6_addr, 8);
	}
}

static bool
same_client(const struct httpd_conn *a, const struct httpd_conn *b)
{
	return memcmp(a->client, b->client, sizeof(a->client)) == 0;
}

/* How long it has been idle; 0: it is not.  Between two requests at once;
 * without its first one, or in the middle of headers, after a while. */
static uint64_t
idle_ms(const struct httpd_conn *conn, uint64_t now)
{
	int phase = atomic_load(&conn->phase);
	uint64_t since = atomic_load(&conn->since_ms);
	uint64_t age = now > since ? now - since : 0;
	int unread = 0;

	if (phase == HTTPD_PHASE_HEADERS)
		return age >= SILENT_MS ? age - SILENT_MS + 1 : 0;
	/* The next request may have come this very moment. */
	if (phase != HTTPD_PHASE_IDLE ||
	    (ioctl(conn->fd, FIONREAD, &unread) == 0 && unread > 0))
		return 0;
	return age + 1;
}

/* The longest idle one, of the same client if that is told, is sent away. */
static bool
make_room_locked(struct httpd *httpd, const struct httpd_conn *guest,
    bool of_client)
{
	uint64_t now = clock_mono_ms(&clock_system);
	struct httpd_conn *victim = NULL;
	uint64_t longest = 0;

	for (struct httpd_conn *c = httpd->conns; c != NULL; c = c->next) {
		uint64_t idle;

		if (c == guest || c->leaving ||
		    (of_client && !same_client(c, guest)))
			continue;
		idle = idle_ms(c, now);
		/* New ones come first in the list: of two the older one. */
		if (idle > 0 && idle >= longest) {
			longest = idle;
			victim = c;
		}
	}
	if (victim == NULL)
		return false;
	assert(victim != guest && !victim->leaving);
	victim->leaving = true;
	httpd->leaving_count++;
	assert(httpd->leaving_count <= httpd->conn_count);
	(void)shutdown(victim->fd, SHUT_RDWR);
	return true;
}

static unsigned
of_client_locked(const struct httpd *httpd, const struct httpd_conn *guest)
{
	unsigned count = 0;

	for (const struct httpd_conn *c = httpd->conns; c != NULL; c = c->next)
		count += !c->leaving && same_client(c, guest);
	return count;
}

static const char *
judge_locked(struct httpd *httpd, struct httpd_conn *conn)
{
	const struct httpd_options *o = &httpd->options;
	unsigned near = o->max_connections - o->max_connections / 16;
	unsigned max = atomic_load(&httpd->max_per_client);
	unsigned count;

	if (max > 0 && of_client_locked(httpd, conn) > max &&
	    !make_room_locked(httpd, conn, true))
		return "this client has too many connections";
	assert(httpd->leaving_count <= httpd->conn_count);
	count = httpd->conn_count - httpd->leaving_count;
	if (count > near && make_room_locked(httpd, conn, false))
		count--;
	return count > o->max_connections ? "there are too many connections" :
					    NULL;
}

void
httpd_limit_enter_locked(struct httpd *httpd, struct httpd_conn *conn)
{
	assert(!conn->leaving && conn->refusal == NULL);
	set_client(conn);
	conn->refusal = judge_locked(httpd, conn);
}

void
httpd_limit_leave_locked(struct httpd *httpd, struct httpd_conn *conn)
{
	if (!conn->leaving)
		return;
	assert(httpd->leaving_count > 0);
	httpd->leaving_count--;
}

/* It came when there was no room; its request is there now, and there may be.
 */
const char *
httpd_limit_refusal(struct httpd_conn *conn)
{
	struct httpd *httpd = conn->httpd;

	if (conn->refusal == NULL)
		return NULL;
	pthread_mutex_lock(&httpd->lock);
	conn->refusal = judge_locked(httpd, conn);
	pthread_mutex_unlock(&httpd->lock);
	return conn->refusal;
}
