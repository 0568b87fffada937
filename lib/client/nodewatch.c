/* SPDX-License-Identifier: MIT */
#include "client/nodewatch.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/nodeclient.h"
#include "cluster/quorum.h"
#include "http/httpc.h"
#include "wire/nodecall.h"
#include "wire/peers.h"

/* Machines asked at once; each has a buffer for its answer. */
#define BATCH 64
#define FIRST_LOOK_MS 2000
#define TEXT_MAX 4096

struct nodewatch {
	struct nodeclient *nc;
	/* Of its own: what it learns by looking changes nothing for requests,
	 * and takes no connection and no probe from them. */
	struct httpc_pool *pool;
	struct peers *peers;
	int stop_fd;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t looked;
	struct nodewatch_set *sets; /* NULL before the first look */
	size_t count;
};

enum nodehealth_word
nodewatch_judge(const struct nodewatch_set *s)
{
	const struct erasure_set *set = &s->set;
	uint32_t r = quorum_read(set->n, set->data_shards, set->write_quorum);

	assert(s->appliers <= s->voters && s->voters <= s->reachable);
	assert(s->roomy <= s->reachable);
	/* Reads ask r voting nodes (protocol.md 7.1); r >= data_shards, so
	 * there are cells enough, too. */
	if (s->voters < r)
		return NODEHEALTH_DOWN;
	/* A write needs w shards durable and w votes (protocol.md 6). */
	if (s->appliers < set->write_quorum || s->roomy < set->write_quorum)
		return NODEHEALTH_READONLY;
	for (uint32_t i = 0; i < set->n; i++)
		if (s->node[i].reasons != 0)
			return NODEHEALTH_DEGRADED;
	return NODEHEALTH_OK;
}

enum nodehealth_word
nodewatch_worst(const struct nodewatch_set *sets, size_t count)
{
	enum nodehealth_word worst = NODEHEALTH_OK;

	for (size_t i = 0; i < count; i++)
		worst = KOOP_MAX(worst, nodewatch_judge(&sets[i]));
	return worst;
}

/* Looking. */

struct question {
	struct nodewatch_set *set;
	uint32_t index;
	struct nodecall call;
	char *answer; /* NODEHEALTH_BYTES_MAX */
};

struct round {
	struct nodewatch *watch;
	const struct topology *topology;
	struct nodewatch_set *sets;
	/* Of each partition: machines without a vote in it, and those that
	 * cannot count for a write, for that or another reason. */
	uint8_t *mute, *idle;
	struct question question[BATCH];
	size_t asked;
};

static void
ask(struct round *round, struct nodewatch_set *set, uint32_t index)
{
	static const struct nodecall_request brief = {
		.method = "GET",
		.target = "/health?brief",
		.untimed = true,
	};
	struct question *q = &round->question[round->asked];
	struct peer peer = peers_machine(&set->set, index);
	struct iovec iov = { .iov_len = NODEHEALTH_BYTES_MAX };

	assert(round->asked < BATCH);
	q->set = set;
	q->index = index;
	set->node[index].reasons = NODEHEALTH_UNREACHABLE;
	iov.iov_base = q->answer;
	if (nodecall_open(&q->call, round->watch->peers, &peer, &brief, NULL) ==
	    0)
		httpc_recv_into(q->call.http, &iov, 1);
	round->asked++;
}

/* Where the topology has it, if it is this set's; SIZE_MAX otherwise. */
static size_t
find_partition(const struct topology *t, const struct nodewatch_set *set,
    uint32_t partition)
{
	size_t at = topology_search(t->partitions, t->partition_count,
	    partition);

	return at != SIZE_MAX &&
		t->sets[t->partition_set[at]].number == set->set.number ?
	    at :
	    SIZE_MAX;
}

static void
count_partitions(struct round *round, const struct nodewatch_set *set,
    const struct nodehealth *h)
{
	for (size_t i = 0; i < h->mute.count; i++) {
		size_t at = find_partition(round->topology, set,
		    h->mute.partition[i]);

		if (at == SIZE_MAX)
			continue;
		round->mute[at]++;
		round->idle[at]++;
	}
	/* Both lists are in order: who is in both was counted just now. */
	for (size_t i = 0, j = 0; i < h->stuck.count; i++) {
		uint32_t p = h->stuck.partition[i];
		size_t at = find_partition(round->topology, set, p);

		while (j < h->mute.count && h->mute.partition[j] < p)
			j++;
		if (at != SIZE_MAX &&
		    (j == h->mute.count || h->mute.partition[j] != p))
			round->idle[at]++;
	}
}

static void
take_answer(struct round *round, struct question *q)
{
	struct nodewatch_set *set = q->set;
	struct nodewatch_node *node = &set->node[q->index];
	struct nodehealth h;
	bool is_it;

	/* 503 is a node that says it is down: its reasons count. */
	if (nodecall_state(&q->call) != HTTPC_DONE ||
	    (httpc_status(q->call.http) != 200 &&
		httpc_status(q->call.http) != 503) ||
	    nodehealth_parse(&h,
		bytes_of(q->answer, httpc_received(q->call.http)), NULL) != 0)
		return;
	is_it = strcmp(h.cluster, nodeclient_cluster(round->watch->nc)) == 0 &&
	    h.set == set->set.number && h.index == q->index;
	if (is_it) {
		node->reasons = h.reasons;
		node->free_bytes = h.free_bytes;
		node->voting = h.voting;
		node->partitions = h.partitions;
		set->reachable++;
		set->roomy += (h.reasons & NODEHEALTH_DISK_FULL) == 0;
		count_partitions(round, set, &h);
	}
	nodehealth_fini(&h);
}

/* Until each has answered or the time is over; false when stopping. */
static bool
end_batch(struct round *round)
{
	struct nodewatch *watch = round->watch;
	struct httpc_wake wake = { .client_fd = -1,
		.event_fd = watch->stop_fd };
	uint64_t until = nodeclient_now(watch->nc) + NODEWATCH_ANSWER_MS;
	struct httpc_call *calls[BATCH];
	bool open = true;
	int event = HTTPC_PROGRESS;

	for (size_t i = 0; i < round->asked; i++)
		calls[i] = round->question[i].call.http;
	while (open && event == HTTPC_PROGRESS) {
		event = httpc_poll(calls, round->asked, &wake, until);
		open = false;
		for (size_t i = 0; i < round->asked; i++) {
			struct question *q = &round->question[i];
			enum httpc_state state;

			if (calls[i] == NULL)
				continue;
			state = nodecall_state(&q->call);
			if (state != HTTPC_DONE && state != HTTPC_FAILED) {
				open = true;
				continue;
			}
			take_answer(round, q);
			nodecall_close(&q->call);
			calls[i] = NULL;
		}
	}
	for (size_t i = 0; i < round->asked; i++)
		nodecall_close(&round->question[i].call);
	round->asked = 0;
	return event != HTTPC_WOKEN;
}

/* Of each set the partition with the fewest votes: it is as good as that. */
static void
count_voters(struct round *round)
{
	const struct topology *t = round->topology;

	for (size_t i = 0; i < t->set_count; i++)
		round->sets[i].voters = round->sets[i].appliers =
		    round->sets[i].reachable;
	for (size_t i = 0; i < t->partition_count; i++) {
		struct nodewatch_set *set = &round->sets[t->partition_set[i]];

		assert(round->mute[i] <= round->idle[i]);
		assert(round->idle[i] <= set->reachable);
		set->voters = KOOP_MIN(set->voters,
		    set->reachable - round->mute[i]);
		set->appliers = KOOP_MIN(set->appliers,
		    set->reachable - round->idle[i]);
	}
}

/* A machine that the last look saw, too; NULL: none. */
static const struct nodewatch_node *
seen_before(const struct nodewatch *watch, uint32_t set, uint32_t index)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->sets[i].set.number == set &&
		    index < watch->sets[i].set.n)
			return &watch->sets[i].node[index];
	return NULL;
}

/* What a full disk is to the log: one line when it fills up, one when it has
 * room again.  Who does not answer has neither. */
static void
tell_disk(const struct nodewatch_set *s, uint32_t index,
    const struct nodewatch_node *before)
{
	const struct nodewatch_node *node = &s->node[index];
	struct buf text = buf_make(TEXT_MAX);

	assert(
	    node->told_full == ((node->reasons & NODEHEALTH_DISK_FULL) != 0));
	if (node->told_full && (before == NULL || !before->told_full)) {
		nodehealth_add_full(&text, s->set.number, index,
		    node->free_bytes);
		log_warn("client", "%s: it takes no shards", buf_cstr(&text));
	} else if (!node->told_full && before != NULL && before->told_full) {
		log_info("client",
		    "the disk of node %" PRIu32 "/%" PRIu32
		    " has room again (%" PRIu64 " bytes free)",
		    s->set.number, index, node->free_bytes);
	}
	buf_fini(&text);
}

/* By the thread that looks: nobody else changes watch->sets. */
static void
tell_disks(const struct nodewatch *watch, struct nodewatch_set *sets,
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < sets[i].set.n; j++) {
			struct nodewatch_node *node = &sets[i].node[j];
			const struct nodewatch_node *before = seen_before(watch,
			    sets[i].set.number, j);

			if ((node->reasons & NODEHEALTH_UNREACHABLE) != 0) {
				node->told_full = before != NULL &&
				    before->told_full;
				continue;
			}
			node->told_full = (node->reasons &
					      NODEHEALTH_DISK_FULL) != 0;
			tell_disk(&sets[i], j, before);
		}
}

static void
publish(struct nodewatch *watch, struct nodewatch_set *sets, size_t count)
{
	tell_disks(watch, sets, count);
	pthread_mutex_lock(&watch->lock);
	free(watch->sets);
	watch->sets = sets;
	watch->count = count;
	pthread_cond_broadcast(&watch->looked);
	pthread_mutex_unlock(&watch->lock);
}

/* False when stopping. */
static bool
look(struct nodewatch *watch, char *memory)
{
	struct round round = {
		.watch = watch,
		.topology = nodeclient_topology(watch->nc),
	};
	const struct topology *t = round.topology;
	bool going = true;

	round.sets = calloc(t->set_count + 1, sizeof(*round.sets));
	round.mute = calloc(t->partition_count + 1, sizeof(*round.mute));
	round.idle = calloc(t->partition_count + 1, sizeof(*round.idle));
	/* Without memory the last look stands. */
	if (round.sets == NULL || round.mute == NULL || round.idle == NULL)
		goto out;
	for (size_t i = 0; i < BATCH; i++)
		round.question[i].answer = memory + i * NODEHEALTH_BYTES_MAX;
	for (size_t i = 0; i < t->set_count; i++) {
		round.sets[i].set = t->sets[i];
		for (uint32_t j = 0; j < t->sets[i].n && going; j++) {
			ask(&round, &round.sets[i], j);
			if (round.asked == BATCH)
				going = end_batch(&round);
		}
	}
	going = end_batch(&round) && going;
	if (going) {
		count_voters(&round);
		publish(watch, round.sets, t->set_count);
		round.sets = NULL;
	}
out:
	free(round.sets);
	free(round.mute);
	free(round.idle);
	return going;
}

/* A look is what a request is to the topology: one that is followed while it
 * lasts must not go under it (cluster/topology_view.h). */
static bool
look_held(struct nodewatch *watch, char *memory)
{
	struct topology_hold *hold = nodeclient_enter(watch->nc);
	bool going = look(watch, memory);

	nodeclient_leave(watch->nc, hold);
	return going;
}

/* True once stopping. */
static bool
rest(struct nodewatch *watch)
{
	struct httpc_wake wake = { .client_fd = -1,
		.event_fd = watch->stop_fd };

	return httpc_poll(NULL, 0, &wake,
		   nodeclient_now(watch->nc) + NODEWATCH_EVERY_MS) ==
	    HTTPC_WOKEN;
}

static void *
watch_main(void *arg)
{
	struct nodewatch *watch = arg;
	char *memory = malloc((size_t)BATCH * NODEHEALTH_BYTES_MAX);

	pthread_setname_np(pthread_self(), "watch");
	while (memory != NULL && look_held(watch, memory) && !rest(watch))
		continue;
	free(memory);
	return NULL;
}

int
nodewatch_open(struct nodewatch **out, struct nodeclient *nc, struct error *err)
{
	struct httpc_options http = { .max_idle = 1, .max_open = 2 };
	struct nodewatch *watch = calloc(1, sizeof(*watch));
	struct peers_options peers = {
		.cluster = nodeclient_cluster(nc),
		.clock = nodeclient_clock(nc),
	};
	pthread_condattr_t attr;
	int rc;

	if (watch == NULL)
		return error_set(err, ERRC_NOMEM, "watch: no memory");
	watch->nc = nc;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->looked, &attr);
	pthread_condattr_destroy(&attr);
	watch->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = watch->stop_fd == -1 ? error_errno(err, ERRC_NOMEM, "eventfd") :
				    httpc_pool_new(&watch->pool, &http, err);
	peers.pool = watch->pool;
	if (rc == 0)
		rc = peers_new(&watch->peers, &peers, err);
	if (rc == 0 &&
	    pthread_create(&watch->thread, NULL, watch_main, watch) != 0)
		rc = error_set(err, ERRC_NOMEM, "watch: no thread");
	watch->running = rc == 0;
	if (rc != 0) {
		nodewatch_close(watch);
		return rc;
	}
	*out = watch;
	return 0;
}

void
nodewatch_close(struct nodewatch *watch)
{
	uint64_t one = 1;

	if (watch == NULL)
		return;
	if (watch->running) {
		(void)!write(watch->stop_fd, &one, sizeof(one));
		pthread_join(watch->thread, NULL);
	}
	peers_free(watch->peers);
	httpc_pool_free(watch->pool);
	if (watch->stop_fd != -1)
		close(watch->stop_fd);
	free(watch->sets);
	pthread_cond_destroy(&watch->looked);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

int
nodewatch_look(struct nodewatch *watch, struct nodewatch_set **out,
    size_t *count, struct error *err)
{
	struct nodewatch_set *copy = NULL;
	struct timespec until;
	int timed = 0;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FIRST_LOOK_MS / 1000;
	pthread_mutex_lock(&watch->lock);
	while (watch->sets == NULL && timed == 0)
		timed = pthread_cond_timedwait(&watch->looked, &watch->lock,
		    &until);
	if (watch->sets == NULL) {
		rc = error_set(err, ERRC_UNAVAILABLE,
		    "health: the nodes were not asked yet");
	} else {
		copy = malloc((watch->count + 1) * sizeof(*copy));
		if (copy == NULL)
			rc = error_set(err, ERRC_NOMEM, "health: no memory");
		else
			memcpy(copy, watch->sets, watch->count * sizeof(*copy));
	}
	if (rc == 0) {
		*out = copy;
		*count = watch->count;
	}
	pthread_mutex_unlock(&watch->lock);
	return rc;
}

/* More disks are full than can be done without.  Where machines are away, too,
 * it is the write itself that finds out, and trying again may help. */
static int
judge_room(const struct nodewatch_set *s, struct error *err)
{
	struct buf text = buf_make(TEXT_MAX);
	int rc;

	assert(s->roomy <= s->reachable);
	if (s->reachable - s->roomy <= s->set.n - s->set.write_quorum)
		return 0;
	for (uint32_t i = 0; i < s->set.n; i++)
		if ((s->node[i].reasons & NODEHEALTH_DISK_FULL) != 0)
			nodehealth_add_full(&text, s->set.number, i,
			    s->node[i].free_bytes);
	rc = error_set(err, ERRC_FULL, "%s",
	    buf_failed(&text) ? "the disks of too many nodes are full" :
				buf_cstr(&text));
	buf_fini(&text);
	return rc;
}

int
nodewatch_room(struct nodewatch *watch, uint32_t set, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->count && rc == 0; i++)
		if (watch->sets[i].set.number == set)
			rc = judge_room(&watch->sets[i], err);
	pthread_mutex_unlock(&watch->lock);
	return rc;
}
