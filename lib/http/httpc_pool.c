/* SPDX-License-Identifier: MIT */

/*
 * Kept connections, by address.  Every open connection is counted from before
 * its connect until after its close, so that a node never has more than
 * max_open of ours.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wait.h"
#include "http/address.h"
#include "http/httpc_parts.h"

#define REAP_MS 1000
#define REAPER_STACK_BYTES (128u << 10)

static void stop_reaper(struct httpc_pool *pool);

int
httpc_pool_new(struct httpc_pool **out, const struct httpc_options *options,
    struct error *err)
{
	struct httpc_pool *pool = calloc(1, sizeof(*pool));
	struct httpc_options *o;

	if (pool == NULL)
		return error_set(err, ERRC_NOMEM, "connections: no memory");
	o = &pool->options;
	*o = *options;
	if (o->max_idle == 0)
		o->max_idle = 32;
	if (o->max_open == 0)
		o->max_open = 256;
	if (o->idle_ms == 0)
		o->idle_ms = 30 * 1000;
	if (o->clock == NULL)
		o->clock = &clock_system;
	if (o->tcp_congestion != NULL && o->tcp_congestion[0] != '\0') {
		pool->tcp_congestion = strdup(o->tcp_congestion);
		if (pool->tcp_congestion == NULL) {
			free(pool);
			return error_set(err, ERRC_NOMEM,
			    "connections: no memory");
		}
	}
	pthread_mutex_init(&pool->lock, NULL);
	wait_mono_init(&pool->freed);
	wait_mono_init(&pool->kept);
	*out = pool;
	return 0;
}

void
httpc_pool_free(struct httpc_pool *pool)
{
	if (pool == NULL)
		return;
	stop_reaper(pool);
	while (pool->nodes != NULL) {
		struct httpc_node *node = pool->nodes;

		pool->nodes = node->next;
		for (unsigned i = 0; i < node->idle_count; i++)
			close(node->idle[i].fd);
		free(node);
	}
	pthread_cond_destroy(&pool->kept);
	pthread_cond_destroy(&pool->freed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->tcp_congestion);
	free(pool);
}

unsigned
httpc_pool_connections(struct httpc_pool *pool)
{
	unsigned open = 0;

	pthread_mutex_lock(&pool->lock);
	for (const struct httpc_node *node = pool->nodes; node != NULL;
	     node = node->next) {
		assert(node->idle_count <= node->open);
		open += node->open;
	}
	pthread_mutex_unlock(&pool->lock);
	return open;
}

static int
find_node_locked(struct httpc_pool *pool, const struct httpc_addr *addr,
    struct httpc_node **out, struct error *err)
{
	struct httpc_node *node;

	for (node = pool->nodes; node != NULL; node = node->next)
		if (node->addr.port == addr->port &&
		    strcmp(node->addr.ip, addr->ip) == 0)
			break;
	if (node == NULL) {
		if (pool->node_count == HTTPC_ADDRS_MAX)
			return error_set(err, ERRC_UNAVAILABLE,
			    "connections: more than %d addresses",
			    HTTPC_ADDRS_MAX);
		node = calloc(1,
		    sizeof(*node) +
			pool->options.max_idle * sizeof(node->idle[0]));
		if (node == NULL)
			return error_set(err, ERRC_NOMEM,
			    "connections: no memory");
		node->addr = *addr;
		node->next = pool->nodes;
		pool->nodes = node;
		pool->node_count++;
	}
	*out = node;
	return 0;
}

/* Every connection that is open is counted, and those that are kept are open.
 */
static void
check_node_locked(const struct httpc_pool *pool, const struct httpc_node *node)
{
	assert(node->idle_count <= node->open);
	assert(node->idle_count <= pool->options.max_idle);
	assert(node->open <= pool->options.max_open);
	assert(node->idle_count <= pool->idle_count);
}

/* A kept connection must be silent: bytes would be the answer to nothing, and
 * the end means that the server closed it. */
static bool
is_alive(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == -1 && errno == EAGAIN;
}

static void
close_idle_locked(struct httpc_pool *pool, struct httpc_node *node, unsigned i)
{
	assert(i < node->idle_count && pool->idle_count > 0);
	close(node->idle[i].fd);
	node->idle_count--;
	pool->idle_count--;
	memmove(&node->idle[i], &node->idle[i + 1],
	    (node->idle_count - i) * sizeof(node->idle[0]));
	assert(node->open > node->idle_count);
	node->open--;
	pthread_cond_broadcast(&pool->freed);
}

static void
close_old_locked(struct httpc_pool *pool, struct httpc_node *node)
{
	uint64_t now = clock_mono_ms(pool->options.clock);

	while (node->idle_count > 0 &&
	    now - node->idle[0].since_ms > pool->options.idle_ms)
		close_idle_locked(pool, node, 0);
}

void
httpc_pool_keep(struct httpc_pool *pool, httpc_keep_fn *keep, void *arg)
{
	struct httpc_node **at = &pool->nodes;

	pthread_mutex_lock(&pool->lock);
	while (*at != NULL) {
		struct httpc_node *node = *at;

		if (keep(arg, &node->addr)) {
			at = &node->next;
			continue;
		}
		while (node->idle_count > 0)
			close_idle_locked(pool, node, 0);
		/* A call that goes on, or one that waits for a place, has it:
		 * then it goes at the next change. */
		if (node->open > 0 || node->waiting > 0) {
			at = &node->next;
			continue;
		}
		assert(node->idle_count == 0 && pool->node_count > 0);
		*at = node->next;
		pool->node_count--;
		free(node);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Who has closed, or was kept for too long. */
static void
reap_locked(struct httpc_pool *pool)
{
	for (struct httpc_node *node = pool->nodes; node != NULL;
	     node = node->next) {
		close_old_locked(pool, node);
		for (unsigned i = node->idle_count; i-- > 0;)
			if (!is_alive(node->idle[i].fd))
				close_idle_locked(pool, node, i);
	}
}

/*
 * A program that is idle calls nobody, and so would keep what its servers have
 * closed (CLOSE_WAIT) for ever.  Sleeps while nothing is kept, which is so
 * idle_ms after the last call.
 */
static void *
reaper_main(void *arg)
{
	struct httpc_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		if (pool->idle_count == 0) {
			pthread_cond_wait(&pool->kept, &pool->lock);
			continue;
		}
		wait_mono_until(&pool->kept, &pool->lock,
		    clock_mono_ms(&clock_system) + REAP_MS);
		reap_locked(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void
stop_reaper(struct httpc_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_signal(&pool->kept);
	pthread_mutex_unlock(&pool->lock);
	if (pool->reaping)
		pthread_join(pool->reaper, NULL);
}

static void
keep_idle_locked(struct httpc_pool *pool, struct httpc_node *node, int fd)
{
	pthread_attr_t attr;

	assert(node->idle_count < pool->options.max_idle);
	node->idle[node->idle_count++] = (struct httpc_idle){
		.fd = fd,
		.since_ms = clock_mono_ms(pool->options.clock),
	};
	if (pool->idle_count++ > 0)
		return;
	if (pool->reaping) {
		pthread_cond_signal(&pool->kept);
		return;
	}
	/* Without one the next call closes them. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, REAPER_STACK_BYTES);
	pool->reaping = pthread_create(&pool->reaper, &attr, reaper_main,
			    pool) == 0;
	pthread_attr_destroy(&attr);
}

int
httpc_pool_take(struct httpc_pool *pool, const struct httpc_addr *addr,
    bool fresh, struct httpc_node **out, int *fd, struct error *err)
{
	struct httpc_node *node;
	int rc;

	pthread_mutex_lock(&pool->lock);
	rc = find_node_locked(pool, addr, &node, err);
	if (rc < 0)
		goto out;
	check_node_locked(pool, node);
	close_old_locked(pool, node);
	/* One that must be fresh may need the place of a kept one. */
	if (fresh && node->idle_count > 0 &&
	    node->open >= pool->options.max_open)
		close_idle_locked(pool, node, 0);
	*fd = -1;
	while (!fresh && node->idle_count > 0 && *fd == -1) {
		unsigned last = node->idle_count - 1;

		if (is_alive(node->idle[last].fd)) {
			*fd = node->idle[last].fd;
			node->idle_count--;
			pool->idle_count--;
		} else {
			close_idle_locked(pool, node, last);
		}
	}
	if (*fd == -1) {
		if (node->open >= pool->options.max_open) {
			rc = error_set(err, ERRC_RETRY,
			    "%s:%u: all %u connections are busy", addr->ip,
			    (unsigned)addr->port, pool->options.max_open);
			goto out;
		}
		node->open++;
	}
	check_node_locked(pool, node);
	assert(node->open > node->idle_count); /* this one */
	*out = node;
out:
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void
httpc_pool_give(struct httpc_pool *pool, struct httpc_node *node, int fd)
{
	pthread_mutex_lock(&pool->lock);
	/* It was counted when it was taken. */
	assert(node->open > node->idle_count);
	close_old_locked(pool, node);
	if (fd != -1 && node->idle_count == pool->options.max_idle) {
		close(fd);
		fd = -1;
	}
	if (fd != -1)
		keep_idle_locked(pool, node, fd);
	else
		node->open--;
	check_node_locked(pool, node);
	pthread_cond_broadcast(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}

int
httpc_pool_wait(struct httpc_pool *pool, const struct httpc_addr *addr,
    uint64_t deadline_mono_ms, struct error *err)
{
	struct httpc_node *node;
	int rc;

	pthread_mutex_lock(&pool->lock);
	rc = find_node_locked(pool, addr, &node, err);
	if (rc < 0)
		goto out;
	node->waiting++;
	while (rc == 0 && node->open >= pool->options.max_open &&
	    node->idle_count == 0) {
		if (!wait_mono_until(&pool->freed, &pool->lock,
			deadline_mono_ms))
			rc = error_set(err, ERRC_UNAVAILABLE,
			    "%s:%u: all %u connections stayed busy", addr->ip,
			    (unsigned)addr->port, pool->options.max_open);
	}
	assert(node->waiting > 0);
	node->waiting--;
out:
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static int
make_socket(struct httpc_pool *pool, int family, struct error *err)
{
	int yes = 1;
	int fd;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return error_errno(err, ERRC_UNAVAILABLE, "socket");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (pool->tcp_congestion != NULL &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, pool->tcp_congestion,
		(socklen_t)strlen(pool->tcp_congestion)) == -1) {
		int rc = error_errno(err, ERRC_CONFIG,
		    "TCP congestion control \"%s\"", pool->tcp_congestion);

		close(fd);
		return rc;
	}
	return fd;
}

int
httpc_pool_connect(struct httpc_pool *pool, const struct httpc_addr *addr,
    int *out, bool *done, struct error *err)
{
	union address_socket to;
	socklen_t len;
	int fd;
	int rc;

	len = address_to_socket(&to, addr->ip, addr->port);
	if (len == 0)
		return error_set(err, ERRC_CONFIG, "not an IP address");
	fd = make_socket(pool, to.any.sa_family, err);
	if (fd < 0)
		return fd;
	do {
		rc = connect(fd, &to.any, len);
	} while (rc == -1 && errno == EINTR);
	if (rc == -1 && errno != EINPROGRESS) {
		rc = error_errno(err, ERRC_UNAVAILABLE, "connect");
		close(fd);
		return rc;
	}
	*done = rc == 0;
	*out = fd;
	return 0;
}
