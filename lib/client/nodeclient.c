/* SPDX-License-Identifier: MIT */
#include "client/nodeclient.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "client/acks.h"
#include "client/bucketcache.h"
#include "client/clientstats.h"
#include "client/finisher.h"
#include "cluster/placement.h"
#include "cluster/topology_source.h"
#include "cluster/topology_view.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "http/httpc.h"
#include "wire/peers.h"
#include "wire/trace.h"

/* Somebody who told of a higher epoch is not waited for any longer. */
#define REACH_MS 1000
/* The follower looks at its stop flag at least so often. */
#define FOLLOW_MS 60000
#define IDLE_BUFFERS_MAX 64
#define IDLE_BUFFER_BYTES_MAX (128u << 20)
#define CONNECTIONS_MAX 1024 /* for each node */
#define CONNECTIONS_IDLE 64
#define PAGE_BYTES ((size_t)4096)

struct idle_buffer {
	void *p;
	size_t bytes;
};

struct nodeclient {
	const struct clock *clock;
	struct random_source *random;
	char sender[REQID_HEX + 1];
	struct commitlog *log;
	struct positions *positions;
	struct httpc_pool *pool;
	struct peers *peers;
	struct topology_source *source;
	struct topology_view *view;
	struct topology_hold *hold; /* of a command, for its life */
	pthread_t follower;
	bool follows;
	atomic_bool stopping;
	struct acks *acks;
	struct finisher *finisher;
	struct bucketcache *buckets;
	struct clientstats stats;
	atomic_uint fast_readers;
	sem_t fetches;

	/* lock guards what follows. */
	pthread_mutex_t lock;
	struct idle_buffer idle[IDLE_BUFFERS_MAX];
	size_t idle_count;
	size_t idle_bytes;
};

/* Is that where a machine of the newest topology listens? */
static bool
is_machine(void *arg, const struct httpc_addr *addr)
{
	const struct erasure_set *set;
	uint32_t index;

	return topology_find_machine(arg, addr->ip, addr->port, &set, &index);
}

/* Make what hangs on the topology like it.  Called by one thread at a time. */
static int
reconcile(struct nodeclient *nc, struct error *err)
{
	struct topology_hold *hold = topology_view_enter(nc->view);
	const struct topology *topology = topology_view_newest(nc->view);
	int rc;

	rc = acks_reconcile(nc->acks, topology, err);
	peers_keep(nc->peers, topology);
	httpc_pool_keep(nc->pool, is_machine, (void *)(uintptr_t)topology);
	topology_view_leave(nc->view, hold);
	return rc;
}

/* Who runs for long is told of changes; a request asks for none. */
static void *
follow(void *arg)
{
	struct nodeclient *nc = arg;
	uint64_t seen = 0;
	struct error err;

	while (!atomic_load(&nc->stopping)) {
		uint64_t version = topology_source_wait(nc->source, seen,
		    FOLLOW_MS);

		if (version == seen)
			continue;
		seen = version;
		(void)topology_view_adopt(nc->view);
		if (reconcile(nc, &err) < 0)
			log_warn("client", "topology: %s", err.text);
	}
	return NULL;
}

static int
open_parts(struct nodeclient *nc, const struct nodeclient_options *options,
    struct error *err)
{
	struct httpc_options http = {
		.max_idle = CONNECTIONS_IDLE,
		.max_open = CONNECTIONS_MAX,
		.tcp_congestion = options->tcp_congestion,
		.clock = nc->clock,
	};
	struct commitlog_options log = {
		.clock = nc->clock,
		.durability_os = options->durability_os,
		.sender = nc->sender,
	};
	struct peers_options peers = { .clock = nc->clock };
	int rc;

	rc = topology_source_open(&nc->source, options->topology_url, err);
	if (rc < 0)
		return rc;
	rc = topology_view_new(&nc->view, nc->source, err);
	if (rc < 0)
		return rc;
	rc = commitlog_open(&nc->log, options->commit_log_url, &log, err);
	if (rc < 0)
		return rc;
	rc = positions_open(&nc->positions, nc->log, err);
	if (rc < 0)
		return rc;
	rc = httpc_pool_new(&nc->pool, &http, err);
	if (rc < 0)
		return rc;
	peers.pool = nc->pool;
	peers.cluster = nodeclient_cluster(nc);
	rc = peers_new(&nc->peers, &peers, err);
	if (rc < 0)
		return rc;
	rc = bucketcache_new(&nc->buckets, err);
	if (rc < 0)
		return rc;
	return finisher_new(&nc->finisher, nc->clock, err);
}

/* From here on requests hold what they see, and nothing is kept for life. */
static int
start_follower(struct nodeclient *nc, struct error *err)
{
	int rc = pthread_create(&nc->follower, NULL, follow, nc);

	if (rc != 0)
		return error_set(err, ERRC_NOMEM,
		    "topology: cannot start a thread: %s", strerror(rc));
	nc->follows = true;
	topology_view_leave(nc->view, nc->hold);
	nc->hold = NULL;
	return 0;
}

int
nodeclient_open(struct nodeclient **out,
    const struct nodeclient_options *options, struct error *err)
{
	struct acks_options acks = { 0 };
	struct nodeclient *nc;
	int rc;

	assert(options->topology_url != NULL);
	assert(options->commit_log_url != NULL);
	nc = calloc(1, sizeof(*nc));
	if (nc == NULL)
		return error_set(err, ERRC_NOMEM, "cluster: out of memory");
	pthread_mutex_init(&nc->lock, NULL);
	sem_init(&nc->fetches, 0, NODECLIENT_FETCHES);
	nc->clock = options->clock != NULL ? options->clock : &clock_system;
	nc->random = options->random != NULL ? options->random : &random_system;
	reqid_format(nc->sender, reqid_new(nc->clock, nc->random));
	rc = open_parts(nc, options, err);
	if (rc < 0)
		goto out;
	nc->hold = topology_view_enter(nc->view);
	acks.peers = nc->peers;
	acks.topology = nodeclient_topology(nc);
	acks.positions = nc->positions;
	acks.sender = nc->sender;
	acks.clock = nc->clock;
	acks.streams = options->ack_streams;
	rc = acks_open(&nc->acks, &acks, err);
	if (rc == 0 && options->per_request)
		rc = start_follower(nc, err);
out:
	if (rc < 0) {
		nodeclient_close(nc);
		return rc;
	}
	*out = nc;
	return 0;
}

/* The finisher's jobs use the log and the pool, so it goes first. */
void
nodeclient_close(struct nodeclient *nc)
{
	if (nc == NULL)
		return;
	atomic_store(&nc->stopping, true);
	if (nc->follows) {
		topology_source_wake(nc->source);
		pthread_join(nc->follower, NULL);
	}
	finisher_free(nc->finisher);
	acks_close(nc->acks);
	bucketcache_free(nc->buckets);
	peers_free(nc->peers);
	httpc_pool_free(nc->pool);
	positions_close(nc->positions);
	commitlog_close(nc->log);
	if (nc->view != NULL)
		topology_view_leave(nc->view, nc->hold);
	topology_view_free(nc->view);
	topology_source_close(nc->source);
	for (size_t i = 0; i < nc->idle_count; i++)
		free(nc->idle[i].p);
	sem_destroy(&nc->fetches);
	pthread_mutex_destroy(&nc->lock);
	free(nc);
}

/* The follower takes what this finds. */
int
nodeclient_reload(struct nodeclient *nc, struct error *err)
{
	assert(nc->follows);
	return topology_source_reload(nc->source, true, NULL, err);
}

int
nodeclient_reach(struct nodeclient *nc, uint64_t epoch, uint64_t deadline,
    struct error *err)
{
	int left = clock_left_ms(nc->clock, deadline);
	int rc;

	rc = topology_source_reach(nc->source, epoch,
	    (uint64_t)KOOP_MIN(left, REACH_MS), err);
	/* A command has no follower, and its one request may go on. */
	if (rc == 0)
		(void)topology_view_adopt(nc->view);
	return rc;
}

struct topology_hold *
nodeclient_enter(struct nodeclient *nc)
{
	return topology_view_enter(nc->view);
}

void
nodeclient_leave(struct nodeclient *nc, struct topology_hold *hold)
{
	topology_view_leave(nc->view, hold);
}

const struct topology *
nodeclient_topology(struct nodeclient *nc)
{
	return topology_view_newest(nc->view);
}

struct commitlog *
nodeclient_log(struct nodeclient *nc)
{
	return nc->log;
}

struct positions *
nodeclient_positions(struct nodeclient *nc)
{
	return nc->positions;
}

struct peers *
nodeclient_peers(struct nodeclient *nc)
{
	return nc->peers;
}

const struct clock *
nodeclient_clock(const struct nodeclient *nc)
{
	return nc->clock;
}

struct random_source *
nodeclient_random(struct nodeclient *nc)
{
	return nc->random;
}

const char *
nodeclient_cluster(const struct nodeclient *nc)
{
	return commitlog_cluster(nc->log);
}

const char *
nodeclient_sender(const struct nodeclient *nc)
{
	return nc->sender;
}

struct acks *
nodeclient_acks(struct nodeclient *nc)
{
	return nc->acks;
}

struct finisher *
nodeclient_finisher(struct nodeclient *nc)
{
	return nc->finisher;
}

struct bucketcache *
nodeclient_buckets(struct nodeclient *nc)
{
	return nc->buckets;
}

struct clientstats *
nodeclient_stats(struct nodeclient *nc)
{
	return &nc->stats;
}

unsigned
nodeclient_connections(struct nodeclient *nc)
{
	return httpc_pool_connections(nc->pool);
}

uint64_t
nodeclient_now(const struct nodeclient *nc)
{
	return clock_mono_ms(nc->clock);
}

struct peer
nodeclient_peer(const struct placement *place, uint32_t index)
{
	return peers_machine(place->set, index);
}

bool
nodeclient_usable(struct nodeclient *nc, const struct placement *place,
    uint32_t index)
{
	struct peer peer = nodeclient_peer(place, index);

	return peers_usable(nc->peers, &peer);
}

void *
nodeclient_buffer_get(struct nodeclient *nc, size_t bytes)
{
	void *p = NULL;

	pthread_mutex_lock(&nc->lock);
	for (size_t i = nc->idle_count; i-- > 0 && p == NULL;) {
		if (nc->idle[i].bytes != bytes)
			continue;
		p = nc->idle[i].p;
		nc->idle[i] = nc->idle[--nc->idle_count];
		nc->idle_bytes -= bytes;
	}
	pthread_mutex_unlock(&nc->lock);
	if (p != NULL)
		return p;
	/* Whole pages: see encoder_memory() for what that is worth. */
	return aligned_alloc(PAGE_BYTES,
	    (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

void
nodeclient_buffer_put(struct nodeclient *nc, void *p, size_t bytes)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&nc->lock);
	if (nc->idle_count < IDLE_BUFFERS_MAX &&
	    nc->idle_bytes + bytes <= IDLE_BUFFER_BYTES_MAX) {
		nc->idle[nc->idle_count].p = p;
		nc->idle[nc->idle_count++].bytes = bytes;
		nc->idle_bytes += bytes;
		p = NULL;
	}
	pthread_mutex_unlock(&nc->lock);
	free(p);
}

void
nodeclient_fetch_enter(struct nodeclient *nc)
{
	uint64_t began_us;

	if (sem_trywait(&nc->fetches) == 0) {
		trace_fetch(0);
		return;
	}
	began_us = clock_mono_us(nc->clock);
	/* A signal may end the wait early; nothing else does. */
	while (sem_wait(&nc->fetches) == -1)
		assert(errno == EINTR);
	trace_fetch(clock_mono_us(nc->clock) - began_us);
}

void
nodeclient_fetch_leave(struct nodeclient *nc)
{
	sem_post(&nc->fetches);
}

bool
nodeclient_fast_take(struct nodeclient *nc)
{
	unsigned taken = atomic_load(&nc->fast_readers);

	while (taken < NODECLIENT_FAST_READERS) {
		if (atomic_compare_exchange_weak(&nc->fast_readers, &taken,
			taken + 1))
			return true;
	}
	return false;
}

void
nodeclient_fast_give(struct nodeclient *nc)
{
	unsigned before = atomic_fetch_sub(&nc->fast_readers, 1);

	assert(before > 0);
}
