/* SPDX-License-Identifier: MIT */
#include "wire/peers.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cluster/health.h"

#define BUCKETS 256

struct known {
	struct known *next;
	struct peer peer;
	struct health health;
};

struct peers {
	struct httpc_pool *pool;
	const struct clock *clock;
	char cluster[REQID_HEX + 1];

	pthread_mutex_t lock; /* guards what follows */
	struct known *bucket[BUCKETS];
	size_t count;
};

int
peers_new(struct peers **out, const struct peers_options *options,
    struct error *err)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	assert(options->pool != NULL && options->clock != NULL);
	assert(strlen(options->cluster) <= REQID_HEX);
	if (peers == NULL)
		return error_set(err, ERRC_NOMEM, "machines: out of memory");
	peers->pool = options->pool;
	peers->clock = options->clock;
	snprintf(peers->cluster, sizeof(peers->cluster), "%s",
	    options->cluster);
	pthread_mutex_init(&peers->lock, NULL);
	*out = peers;
	return 0;
}

void
peers_free(struct peers *peers)
{
	if (peers == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (peers->bucket[i] != NULL) {
			struct known *known = peers->bucket[i];

			peers->bucket[i] = known->next;
			free(known);
		}
	}
	pthread_mutex_destroy(&peers->lock);
	free(peers);
}

static bool
is_in(const struct topology *topology, const struct peer *peer)
{
	const struct erasure_set *set = topology_set(topology, peer->set);
	const struct machine *machine;

	if (set == NULL || peer->index >= set->n)
		return false;
	machine = &set->machine[peer->index];
	return machine->port == peer->machine.port &&
	    strcmp(machine->ip, peer->machine.ip) == 0;
}

void
peers_keep(struct peers *peers, const struct topology *topology)
{
	pthread_mutex_lock(&peers->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		struct known **at = &peers->bucket[i];

		while (*at != NULL) {
			struct known *known = *at;

			if (is_in(topology, &known->peer)) {
				at = &known->next;
				continue;
			}
			*at = known->next;
			free(known);
			assert(peers->count > 0);
			peers->count--;
		}
	}
	pthread_mutex_unlock(&peers->lock);
}

struct peer
peers_machine(const struct erasure_set *set, uint32_t index)
{
	assert(index < set->n);
	return (struct peer){
		.set = set->number,
		.index = index,
		.machine = set->machine[index],
	};
}

static bool
is_peer(const struct peer *a, const struct peer *b)
{
	return a->set == b->set && a->index == b->index &&
	    a->machine.port == b->machine.port &&
	    strcmp(a->machine.ip, b->machine.ip) == 0;
}

/* NULL: too many, or no memory; then nothing is remembered of it. */
static struct health *
health_locked(struct peers *peers, const struct peer *peer)
{
	struct known **bucket =
	    &peers->bucket[(peer->set * TOPOLOGY_MACHINES_MAX + peer->index) %
		BUCKETS];
	struct known *known = *bucket;

	while (known != NULL && !is_peer(&known->peer, peer))
		known = known->next;
	if (known != NULL)
		return &known->health;
	if (peers->count == PEERS_MAX)
		return NULL;
	known = calloc(1, sizeof(*known));
	if (known == NULL)
		return NULL;
	assert(peers->count < PEERS_MAX);
	known->peer = *peer;
	known->next = *bucket;
	*bucket = known;
	peers->count++;
	return &known->health;
}

bool
peers_usable(struct peers *peers, const struct peer *peer)
{
	uint64_t now = peers_now(peers);
	struct health *health;
	bool usable;

	pthread_mutex_lock(&peers->lock);
	health = health_locked(peers, peer);
	usable = health == NULL || health_may_try(health, now);
	pthread_mutex_unlock(&peers->lock);
	return usable;
}

void
peers_good(struct peers *peers, const struct peer *peer, uint64_t took_ms)
{
	uint64_t now = peers_now(peers);
	struct health *health;

	pthread_mutex_lock(&peers->lock);
	health = health_locked(peers, peer);
	if (health != NULL && took_ms == PEERS_UNTIMED)
		health_success(health, now, HEALTH_UNTIMED);
	else if (health != NULL)
		health_success(health, now, took_ms * 1000);
	pthread_mutex_unlock(&peers->lock);
}

void
peers_bad(struct peers *peers, const struct peer *peer)
{
	uint64_t now = peers_now(peers);
	struct health *health;

	/* Whoever answers with 421 is not the machine that was meant:
	 * protocol.md
	 * 4.  It counts as one that does not answer. */
	pthread_mutex_lock(&peers->lock);
	health = health_locked(peers, peer);
	if (health != NULL)
		health_failure(health, now);
	pthread_mutex_unlock(&peers->lock);
}

uint64_t
peers_hedge_ms(struct peers *peers, const struct peer *peer)
{
	uint64_t ms = PEERS_HEDGE_MIN_MS;
	struct health *health;

	pthread_mutex_lock(&peers->lock);
	health = health_locked(peers, peer);
	if (health != NULL)
		ms = health_p95_us(health, PEERS_HEDGE_MIN_MS * 1000) / 1000;
	pthread_mutex_unlock(&peers->lock);
	/* A node that was always slow must not make others wait for ever. */
	ms = KOOP_MIN(ms, PEERS_HEDGE_MAX_MS);
	ms = KOOP_MAX(ms, PEERS_HEDGE_MIN_MS);
	assert(ms >= PEERS_HEDGE_MIN_MS && ms <= PEERS_HEDGE_MAX_MS);
	return ms;
}

struct httpc_pool *
peers_pool(const struct peers *peers)
{
	return peers->pool;
}

const char *
peers_cluster(const struct peers *peers)
{
	return peers->cluster;
}

const struct clock *
peers_clock(const struct peers *peers)
{
	return peers->clock;
}

uint64_t
peers_now(const struct peers *peers)
{
	return clock_mono_ms(peers->clock);
}
