/* SPDX-License-Identifier: MIT */

/*
 * Starting and stopping the server, and the connections it has.
 *
 * libmicrohttpd accepts and runs one thread for each connection.  Of its
 * limits we use only those that we cannot have ourselves: above its limit of
 * connections it closes without a word, so ours is lower and answers 503; it
 * has an idle timeout only, which a byte now and then defeats, so the watcher
 * (httpd_watch.c) does all timeouts.
 */

#include "http/httpd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"
#include "http/address.h"
#include "http/httpd_limit.h"

/* 64 KiB is too little for a deeply nested JSON text in a handler. */
#define STACK_BYTES (256 * 1024)
#define BACKLOG 1024
#define NOTSENT_LOWAT (128 * 1024)

void
httpd_tune_process(void)
{
	struct rlimit limit;

	/* A fixed threshold: glibc's moving one makes buffers of windows move
	 * between brk and mmap, which costs a fault for each page again. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void
httpd_phase_set(struct httpd_conn *conn, enum httpd_phase phase)
{
	uint64_t now = clock_mono_ms(&clock_system);
	uint64_t waited;

	if (atomic_load(&conn->phase) == HTTPD_PHASE_BODY) {
		waited = now - atomic_load(&conn->since_ms);
		atomic_fetch_add(&conn->waited_ms, waited);
	}
	atomic_store(&conn->since_ms, now);
	atomic_store(&conn->phase, (int)phase);
}

/* A body may be silent for hours then: that its peer is gone (power, cable) is
 * seen by TCP's own probes within about a minute and a half. */
static void
probe_peer(int fd)
{
	int yes = 1, idle = 60, between = 10, count = 3;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between,
	    sizeof(between));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void
conn_started(struct httpd *httpd, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info;
	struct httpd_conn *conn;

	*context = NULL;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	conn = calloc(1, sizeof(*conn));
	/* Without a context the first call of the handler closes. */
	if (info == NULL || conn == NULL) {
		free(conn);
		return;
	}
	conn->magic = HTTPD_MAGIC_CONN;
	conn->httpd = httpd;
	conn->fd = info->connect_fd;
	conn->req.conn = conn;
	conn->req.headers = buf_make(HTTPD_REPLY_HEADERS_MAX);
	if (httpd->options.body_idle_ms > 0)
		probe_peer(conn->fd);
	/* A new connection is there to send a request: no idling. */
	httpd_phase_set(conn, HTTPD_PHASE_HEADERS);

	pthread_mutex_lock(&httpd->lock);
	conn->next = httpd->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	httpd->conns = conn;
	httpd->conn_count++;
	assert(conn->prev == NULL);
	httpd_limit_enter_locked(httpd, conn);
	pthread_mutex_unlock(&httpd->lock);
	*context = conn;
}

/* libmicrohttpd has joined the connection's thread, and closes the descriptor
 * after this: no one else uses conn, and the watcher not after the lock. */
static void
conn_closed(struct httpd *httpd, void **context)
{
	struct httpd_conn *conn = *context;

	if (conn == NULL)
		return;
	assert(conn->magic == HTTPD_MAGIC_CONN);
	pthread_mutex_lock(&httpd->lock);
	httpd_limit_leave_locked(httpd, conn);
	if (atomic_load(&conn->linger))
		httpd_watch_linger_locked(httpd, conn->fd);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		httpd->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	assert(httpd->conn_count > 0);
	httpd->conn_count--;
	assert((httpd->conn_count == 0) == (httpd->conns == NULL));
	if (httpd->conn_count == 0)
		pthread_cond_broadcast(&httpd->emptied);
	pthread_mutex_unlock(&httpd->lock);
	httpd_request_fini(&conn->req);
	conn->magic = 0;
	free(conn);
	*context = NULL;
}

static void
notify_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_started(cls, mhd, context);
	else
		conn_closed(cls, context);
}

/* The raw path is wanted: nothing is unescaped. */
static size_t
unescape_nothing(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static int
set_socket_options(int fd, const struct httpd_options *options,
    struct error *err)
{
	int yes = 1;
	int lowat = NOTSENT_LOWAT;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == -1)
		return error_errno(err, ERRC_IO, "listen: SO_REUSEADDR");
	/* Sockets that are accepted inherit these.  Without a low mark a
	 * thousand slow readers hold hundreds of megabytes in the kernel. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat,
	    sizeof(lowat));
	if (options->tcp_congestion != NULL &&
	    options->tcp_congestion[0] != '\0' &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options->tcp_congestion,
		(socklen_t)strlen(options->tcp_congestion)) == -1)
		return error_errno(err, ERRC_CONFIG,
		    "listen: TCP congestion control \"%s\"",
		    options->tcp_congestion);
	return 0;
}

static int
make_listener(struct httpd *httpd, int *out, struct error *err)
{
	const char *ip = httpd->options.ip;
	uint16_t port = httpd->options.port;
	union address_socket addr;
	socklen_t len;
	int fd;
	int rc;

	len = address_to_socket(&addr, ip, port);
	if (len == 0)
		return error_set(err, ERRC_CONFIG,
		    "listen: %s: not an IP address", ip);
	fd = socket(addr.any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return error_errno(err, ERRC_IO, "listen %s", ip);
	rc = set_socket_options(fd, &httpd->options, err);
	if (rc < 0)
		goto out;
	if (bind(fd, &addr.any, len) == -1 || listen(fd, BACKLOG) == -1 ||
	    getsockname(fd, &addr.any, &len) == -1) {
		rc = error_errno(err, ERRC_CONFIG, "listen %s port %u", ip,
		    (unsigned)port);
		goto out;
	}
	httpd->port = ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port :
							     addr.v4.sin_port);
	assert(httpd->port != 0);
	*out = fd;
	fd = -1;
out:
	if (fd != -1)
		close(fd);
	return rc;
}

static void
set_unsigned(unsigned *value, unsigned otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void
set_defaults(struct httpd_options *o)
{
	if (o->ip == NULL)
		o->ip = "127.0.0.1";
	if (o->connection_memory == 0)
		o->connection_memory = 64 * 1024;
	set_unsigned(&o->max_connections, 1024);
	set_unsigned(&o->header_timeout_ms, 10 * 1000);
	set_unsigned(&o->idle_timeout_ms, 60 * 1000);
	set_unsigned(&o->body_grace_ms, 30 * 1000);
	set_unsigned(&o->min_rate, 1024);
	set_unsigned(&o->drain_ms, 10 * 1000);
	assert(o->max_connections > 0 && o->min_rate > 0);
}

/* The watch looks at least once a second, so it sees them soon. */
void
httpd_set_limits(struct httpd *httpd, unsigned max_per_client,
    unsigned idle_timeout_ms)
{
	assert(idle_timeout_ms > 0);
	atomic_store(&httpd->max_per_client, max_per_client);
	atomic_store(&httpd->idle_timeout_ms, idle_timeout_ms);
}

static int
start_daemon(struct httpd *httpd, int listener, struct error *err)
{
	const struct httpd_options *o = &httpd->options;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
	unsigned limit = o->max_connections;

	/* Room for those that our own limit answers. */
	limit += KOOP_MAX(limit / 4, 64u);
	assert(limit > o->max_connections);
	if (strchr(o->ip, ':') != NULL)
		flags |= MHD_USE_IPv6;
	httpd->mhd = MHD_start_daemon(flags, httpd->port, NULL, NULL,
	    httpd_request_handle, httpd, MHD_OPTION_LISTEN_SOCKET, listener,
	    MHD_OPTION_CONNECTION_LIMIT, limit,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->connection_memory,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)8192,
	    MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
	    MHD_OPTION_URI_LOG_CALLBACK, httpd_request_uri, httpd,
	    MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,
	    MHD_OPTION_NOTIFY_CONNECTION, notify_connection, httpd,
	    MHD_OPTION_NOTIFY_COMPLETED, httpd_request_completed, httpd,
	    MHD_OPTION_END);
	if (httpd->mhd == NULL)
		return error_errno(err, ERRC_IO, "listen %s port %u: start",
		    o->ip, (unsigned)httpd->port);
	return 0;
}

static int
init_sync(struct httpd *httpd, struct error *err)
{
	pthread_mutex_init(&httpd->lock, NULL);
	wait_mono_init(&httpd->emptied);
	httpd->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (httpd->wake_fd == -1)
		return error_errno(err, ERRC_IO, "listen: eventfd");
	return 0;
}

int
httpd_start(struct httpd **out, const struct httpd_options *options,
    const struct httpd_service *service, struct error *err)
{
	struct httpd *httpd;
	int listener = -1;
	int rc;

	assert(service->begin != NULL && service->end != NULL);
	httpd = calloc(1, sizeof(*httpd));
	if (httpd == NULL)
		return error_set(err, ERRC_NOMEM, "listen: no memory");
	httpd->service = *service;
	httpd->options = *options;
	set_defaults(&httpd->options);
	atomic_init(&httpd->idle_timeout_ms, httpd->options.idle_timeout_ms);
	atomic_init(&httpd->max_per_client, httpd->options.max_per_client);
	rc = init_sync(httpd, err);
	if (rc < 0)
		goto out;
	rc = make_listener(httpd, &listener, err);
	if (rc < 0)
		goto out;
	if (options->server != NULL) {
		httpd->server = strdup(options->server);
		if (httpd->server == NULL) {
			rc = error_set(err, ERRC_NOMEM, "listen: no memory");
			goto out;
		}
	}
	errno = pthread_create(&httpd->watcher, NULL, httpd_watch, httpd);
	if (errno != 0) {
		rc = error_errno(err, ERRC_IO, "listen: thread");
		goto out;
	}
	httpd->watching = true;
	rc = start_daemon(httpd, listener, err);
	if (rc < 0)
		goto out;
	*out = httpd;
	return 0;
out:
	if (listener != -1)
		close(listener);
	httpd_stop(httpd);
	return rc;
}

uint16_t
httpd_port(const struct httpd *httpd)
{
	return httpd->port;
}

unsigned
httpd_connections(struct httpd *httpd)
{
	unsigned count;

	pthread_mutex_lock(&httpd->lock);
	count = httpd->conn_count;
	pthread_mutex_unlock(&httpd->lock);
	return count;
}

unsigned
httpd_request_connections(const struct httpd_request *req)
{
	assert(req->conn->httpd != NULL);
	return httpd_connections(req->conn->httpd);
}

/* The watcher cuts idle connections as long as draining is set; replies that
 * start now say "Connection: close". */
static void
drain(struct httpd *httpd)
{
	uint64_t until = clock_mono_ms(&clock_system) + httpd->options.drain_ms;
	bool in_time = true;
	int listener;

	listener = MHD_quiesce_daemon(httpd->mhd);
	if (listener != -1)
		close(listener);
	atomic_store(&httpd->draining, true);
	httpd_watch_wake(httpd);
	pthread_mutex_lock(&httpd->lock);
	while (httpd->conn_count > 0 && in_time)
		in_time = wait_mono_until(&httpd->emptied, &httpd->lock, until);
	pthread_mutex_unlock(&httpd->lock);
}

void
httpd_stop(struct httpd *httpd)
{
	if (httpd == NULL)
		return;
	if (httpd->mhd != NULL) {
		drain(httpd);
		MHD_stop_daemon(httpd->mhd);
	}
	if (httpd->watching) {
		pthread_mutex_lock(&httpd->lock);
		httpd->stopping = true;
		pthread_mutex_unlock(&httpd->lock);
		httpd_watch_wake(httpd);
		pthread_join(httpd->watcher, NULL);
	}
	if (httpd->wake_fd != -1)
		close(httpd->wake_fd);
	pthread_cond_destroy(&httpd->emptied);
	pthread_mutex_destroy(&httpd->lock);
	free(httpd->server);
	free(httpd);
}
