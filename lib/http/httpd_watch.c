/* SPDX-License-Identifier: MIT */

/*
 * The thread that cuts connections which crawl, and lets refused ones end
 * well.
 *
 * It looks at every connection a few times in the shortest timeout.  To cut is
 * to shut the socket down: the connection's thread then finds its end.  The
 * descriptor is valid as long as the connection is in the list, since
 * libmicrohttpd closes it after conn_closed().
 *
 * A socket that is closed while bytes of the client are unread sends a reset,
 * and a reset makes the client lose the reply that it has not read yet.  So a
 * connection that was answered before its body was read stays half open (as a
 * duplicate) until the client closes, while what it sends is thrown away.
 */

#include <assert.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/httpd_parts.h"

#define LINGER_MS 2000

void
httpd_watch_wake(struct httpd *httpd)
{
	uint64_t one = 1;
	ssize_t n = write(httpd->wake_fd, &one, sizeof(one));

	(void)n; /* a full counter wakes as well */
}

static void
cut(struct httpd_conn *conn)
{
	(void)shutdown(conn->fd, SHUT_RDWR);
}

static void
tcp_counts(int fd, uint64_t *received, uint64_t *acked)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	memset(&info, 0, sizeof(info));
	(void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n);
	*received = info.tcpi_bytes_received;
	*acked = info.tcpi_bytes_acked;
}

static bool
is_slow(uint64_t bytes, uint64_t ms, unsigned rate)
{
	return bytes < ms * rate / 1000;
}

/* Between two requests; a byte of the next one starts the headers' time. */
static bool
idle_too_long(struct httpd_conn *conn, uint64_t age)
{
	const struct httpd_options *o = &conn->httpd->options;
	uint64_t received;
	uint64_t acked;

	if (atomic_load(&conn->httpd->draining))
		return true;
	tcp_counts(conn->fd, &received, &acked);
	if (!conn->woke && received != conn->seen_received) {
		conn->woke = true;
		conn->mark_ms = age;
	}
	if (conn->woke && age - conn->mark_ms > o->header_timeout_ms)
		return true;
	return age > atomic_load(&conn->httpd->idle_timeout_ms);
}

static bool
body_too_slow(struct httpd_conn *conn, uint64_t age)
{
	const struct httpd_options *o = &conn->httpd->options;
	uint64_t waited = age + atomic_load(&conn->waited_ms);

	if (o->body_idle_ms > 0)
		return age > o->body_idle_ms;
	if (age > atomic_load(&conn->httpd->idle_timeout_ms))
		return true;
	return waited > o->body_grace_ms &&
	    is_slow(atomic_load(&conn->body_bytes), waited, o->min_rate);
}

/* In windows of the idle timeout, which begin anew whenever the client has
 * taken all that we have sent: then it is us who are slow.  But a file is
 * always ready, unless it shrank, and sendfile would wait for it to grow again.
 */
static bool
reply_too_slow(struct httpd_conn *conn, uint64_t now)
{
	const struct httpd_options *o = &conn->httpd->options;
	uint64_t received;
	uint64_t acked;
	int queued = 0;
	bool slow;

	tcp_counts(conn->fd, &received, &acked);
	(void)ioctl(conn->fd, SIOCOUTQ, &queued);
	if (queued == 0 && !atomic_load(&conn->by_file)) {
		conn->mark_ms = now;
		conn->mark_acked = acked;
		return false;
	}
	if (now - conn->mark_ms < atomic_load(&conn->httpd->idle_timeout_ms))
		return false;
	slow = is_slow(acked - conn->mark_acked, now - conn->mark_ms,
	    o->min_rate);
	conn->mark_ms = now;
	conn->mark_acked = acked;
	return slow;
}

static bool
too_slow(struct httpd_conn *conn, uint64_t now)
{
	int phase = atomic_load(&conn->phase);
	uint64_t since = atomic_load(&conn->since_ms);
	uint64_t age = now > since ? now - since : 0;

	if (conn->seen_since_ms != since) {
		conn->seen_since_ms = since;
		conn->woke = false;
		conn->mark_ms = now;
		tcp_counts(conn->fd, &conn->seen_received, &conn->mark_acked);
	}
	switch (phase) {
	case HTTPD_PHASE_IDLE:
		return idle_too_long(conn, age);
	case HTTPD_PHASE_HEADERS:
		return age > conn->httpd->options.header_timeout_ms;
	case HTTPD_PHASE_BODY:
		return body_too_slow(conn, age);
	case HTTPD_PHASE_REPLY:
		return reply_too_slow(conn, now);
	default:
		return false;
	}
}

void
httpd_watch_linger_locked(struct httpd *httpd, int fd)
{
	struct httpd_linger *linger;
	int copy;

	if (httpd->linger_count == HTTPD_LINGER_MAX || httpd->stopping)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy == -1)
		return;
	(void)shutdown(copy, SHUT_WR);
	linger = &httpd->lingers[httpd->linger_count++];
	linger->fd = copy;
	linger->until_ms = clock_mono_ms(&clock_system) + LINGER_MS;
	assert(httpd->linger_count <= HTTPD_LINGER_MAX);
	httpd_watch_wake(httpd);
}

/* Throw away what came; true when the client has closed, or must not stay. */
static bool
lingered(struct httpd_linger *linger, uint64_t now)
{
	char trash[16384];
	ssize_t n = 0;

	if (now >= linger->until_ms)
		return true;
	for (int i = 0; i < 64; i++) {
		n = recv(linger->fd, trash, sizeof(trash), MSG_DONTWAIT);
		if (n <= 0)
			break;
	}
	return n == 0;
}

static void
sweep_lingers_locked(struct httpd *httpd, uint64_t now)
{
	for (unsigned i = 0; i < httpd->linger_count;) {
		if (!lingered(&httpd->lingers[i], now)) {
			i++;
			continue;
		}
		assert(httpd->linger_count > 0);
		close(httpd->lingers[i].fd);
		httpd->lingers[i] = httpd->lingers[--httpd->linger_count];
	}
}

static int
tick_ms(const struct httpd *httpd)
{
	const struct httpd_options *o = &httpd->options;
	unsigned idle_ms = atomic_load(&httpd->idle_timeout_ms);
	unsigned ms = KOOP_MIN(o->header_timeout_ms, idle_ms) / 8;

	ms = KOOP_MIN(ms, o->body_grace_ms / 8);
	if (o->body_idle_ms > 0)
		ms = KOOP_MIN(ms, o->body_idle_ms / 8);
	if (atomic_load(&httpd->draining))
		ms = 20;
	return (int)KOOP_MIN(KOOP_MAX(ms, 10u), 1000u);
}

/* Descriptors to wait for: ours, and those that linger. */
static nfds_t
fill_poll(struct httpd *httpd, struct pollfd *fds)
{
	nfds_t n = 1;

	fds[0] = (struct pollfd){ .fd = httpd->wake_fd, .events = POLLIN };
	pthread_mutex_lock(&httpd->lock);
	for (unsigned i = 0; i < httpd->linger_count; i++)
		fds[n++] = (struct pollfd){
			.fd = httpd->lingers[i].fd,
			.events = POLLIN,
		};
	pthread_mutex_unlock(&httpd->lock);
	assert(n <= 1 + HTTPD_LINGER_MAX);
	return n;
}

static bool
sweep(struct httpd *httpd)
{
	uint64_t now;
	bool go_on;

	pthread_mutex_lock(&httpd->lock);
	now = clock_mono_ms(&clock_system);
	for (struct httpd_conn *c = httpd->conns; c != NULL; c = c->next)
		if (too_slow(c, now))
			cut(c);
	sweep_lingers_locked(httpd, now);
	go_on = !httpd->stopping;
	pthread_mutex_unlock(&httpd->lock);
	return go_on;
}

void *
httpd_watch(void *arg)
{
	struct pollfd fds[1 + HTTPD_LINGER_MAX];
	struct httpd *httpd = arg;
	uint64_t count;

	do {
		nfds_t n = fill_poll(httpd, fds);

		(void)poll(fds, n, tick_ms(httpd));
		while (read(httpd->wake_fd, &count, sizeof(count)) > 0)
			continue;
	} while (sweep(httpd));
	for (unsigned i = 0; i < httpd->linger_count; i++)
		close(httpd->lingers[i].fd);
	return NULL;
}
