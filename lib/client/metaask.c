/* SPDX-License-Identifier: MIT */
#include "client/metaask.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "client/metaask_positions.h"
#include "client/clientstats.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "cluster/quorum.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "wire/nodecall.h"
#include "wire/nodeline.h"

#define PIECE_BYTES (16u << 10)
/* While there are too few answers, look again so often. */
#define AGAIN_MS 50

struct question {
	struct nodecall call;
	struct buf body;
};

struct asking {
	const struct metaask *ask;
	metaask_fn *fn;
	void *arg;
	uint32_t next; /* in the order */
	bool enough;   /* says fn */
	size_t count;
	struct question question[TOPOLOGY_MACHINES_MAX];
};

const char *
metaask_header(void *arg, const char *name)
{
	return httpc_response_header(arg, name);
}

/* Room for the next piece of the body; what came was counted before. */
static bool
receive_more(struct question *q, size_t max)
{
	size_t room = KOOP_MIN(PIECE_BYTES, max + 1 - q->body.n);
	struct iovec iov = { 0 };

	iov.iov_base = buf_reserve(&q->body, room);
	iov.iov_len = room;
	if (iov.iov_base == NULL)
		return false;
	httpc_recv_into(q->call.http, &iov, 1);
	return true;
}

static void
open_question(struct asking *a)
{
	const struct metaask *ask = a->ask;
	struct peer peer = nodeclient_peer(ask->place, ask->order[a->next++]);
	struct question *q = &a->question[a->count];
	struct nodecall_request request = {
		.method = ask->method,
		.target = ask->target,
		.ranged = ask->first_bytes > 0,
		.to = KOOP_MAX(ask->first_bytes, 1) - 1,
		.body = ask->body,
	};

	if (nodecall_open(&q->call, nodeclient_peers(ask->nc), &peer, &request,
		NULL) < 0)
		return;
	q->body = buf_make(ask->body_max + 1);
	if (!receive_more(q, ask->body_max)) {
		nodecall_close(&q->call);
		buf_fini(&q->body);
		return;
	}
	a->count++;
	assert(a->count <= TOPOLOGY_MACHINES_MAX);
}

static void
close_question(struct asking *a, size_t i)
{
	assert(i < a->count);
	nodecall_close(&a->question[i].call);
	buf_fini(&a->question[i].body);
	a->question[i] = a->question[--a->count];
}

static uint32_t
in_time(const struct asking *a)
{
	uint32_t n = 0;

	for (size_t i = 0; i < a->count; i++)
		n += !a->question[i].call.late;
	return n;
}

/* Who is past its p95 gets a companion.  Returns when to look again. */
static uint64_t
mark_late(struct asking *a, uint64_t deadline)
{
	uint64_t now = nodeclient_now(a->ask->nc);
	uint64_t next = deadline;

	for (size_t i = 0; i < a->count; i++) {
		struct nodecall *call = &a->question[i].call;
		uint64_t due;

		if (call->late)
			continue;
		due = nodecall_due(call, call->opened_ms);
		/* The caller opens another one before it waits. */
		call->late = now >= due;
		if (call->late)
			clientstats_add(&nodeclient_stats(a->ask->nc)
					     ->hedged_rows,
			    1);
		next = KOOP_MIN(next, due);
	}
	return next;
}

static int
give_answer(struct asking *a, struct question *q)
{
	struct metaanswer answer = {
		.machine = q->call.peer.index,
		.status = httpc_status(q->call.http),
		.call = q->call.http,
		.body = buf_bytes(&q->body),
	};

	answer.has_position = nodeproto_position_parse(&answer.at,
				  metaask_header, q->call.http, NULL) == 0;
	return a->fn(a->arg, &answer);
}

/* 1: enough. */
static int
look_at(struct asking *a, size_t i)
{
	struct question *q = &a->question[i];
	enum httpc_state state = nodecall_state(&q->call);
	int rc = 0;

	assert(i < a->count);
	if (state == HTTPC_SENDING || state == HTTPC_WAITING)
		return 0;
	if (state == HTTPC_FAILED) {
		close_question(a, i);
		return 0;
	}
	q->body.n += httpc_received(q->call.http);
	if (q->body.n <= a->ask->body_max && state == HTTPC_BODY &&
	    receive_more(q, a->ask->body_max))
		return 0;
	if (state == HTTPC_DONE && q->body.n <= a->ask->body_max)
		rc = give_answer(a, q);
	close_question(a, i);
	return rc;
}

static bool
goes_on(const struct asking *a)
{
	return !a->enough && (a->count > 0 || a->next < a->ask->order_count);
}

/* One look at all askings that go on; the calls of all in one poll. */
static int
ask_round(struct asking *a, size_t n, uint64_t deadline, struct error *err)
{
	struct httpc_call *calls[METAASK_TASKS_MAX * TOPOLOGY_MACHINES_MAX];
	uint64_t until = deadline;
	size_t count = 0;

	for (size_t j = 0; j < n; j++) {
		uint64_t next;

		if (!goes_on(&a[j]))
			continue;
		while (in_time(&a[j]) < a[j].ask->width &&
		    a[j].next < a[j].ask->order_count)
			open_question(&a[j]);
		next = mark_late(&a[j], deadline);
		until = KOOP_MIN(until, next);
		for (size_t i = 0; i < a[j].count; i++)
			calls[count++] = a[j].question[i].call.http;
	}
	assert(count <= nitems(calls));
	if (count == 0)
		return 0;
	if (httpc_poll(calls, count, NULL, until) < 0)
		return error_errno(err, ERRC_IO, "poll");
	for (size_t j = 0; j < n; j++) {
		for (size_t i = a[j].count; i-- > 0 && !a[j].enough;)
			a[j].enough = look_at(&a[j], i) > 0;
	}
	return 0;
}

static bool
any_goes_on(const struct asking *a, size_t n)
{
	size_t j = 0;

	while (j < n && !goes_on(&a[j]))
		j++;
	return j < n;
}

/* At most METAASK_TASKS_MAX tasks. */
static int
run_some(struct metaask_task *tasks, size_t n, uint64_t deadline,
    struct error *err)
{
	struct asking *a = calloc(n, sizeof(*a));
	const struct nodeclient *nc = tasks[0].ask->nc;
	int rc = 0;

	assert(n > 0 && n <= METAASK_TASKS_MAX);
	if (a == NULL)
		return error_set(err, ERRC_NOMEM, "read: out of memory");
	for (size_t j = 0; j < n; j++) {
		a[j].ask = tasks[j].ask;
		a[j].fn = tasks[j].fn;
		a[j].arg = tasks[j].arg;
		assert(a[j].ask->width > 0);
		assert(a[j].ask->order_count <= TOPOLOGY_MACHINES_MAX);
	}
	while (rc == 0 && any_goes_on(a, n)) {
		if (nodeclient_now(nc) >= deadline)
			rc = error_set(err, ERRC_UNAVAILABLE,
			    "too few nodes answered in time");
		else
			rc = ask_round(a, n, deadline, err);
	}
	for (size_t j = 0; j < n; j++) {
		tasks[j].enough = a[j].enough;
		/* Those that did not answer in their time may be stopped. */
		while (a[j].count > 0)
			close_question(&a[j], a[j].count - 1);
	}
	free(a);
	return rc;
}

int
metaask_run_all(struct metaask_task *tasks, size_t count, uint64_t deadline,
    struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i += METAASK_TASKS_MAX)
		rc = run_some(tasks + i, KOOP_MIN(count - i, METAASK_TASKS_MAX),
		    deadline, err);
	return rc;
}

int
metaask_run(const struct metaask *ask, metaask_fn *fn, void *arg,
    uint64_t deadline, struct error *err)
{
	struct metaask_task task = { .ask = ask, .fn = fn, .arg = arg };
	int rc = run_some(&task, 1, deadline, err);

	return rc < 0 ? rc : task.enough;
}

void
metaask_order(struct metaask *ask, uint32_t first)
{
	uint32_t n = ask->place->set->n;
	uint32_t start = (uint32_t)(random_u64(nodeclient_random(ask->nc)) % n);
	uint32_t usable = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (nodeclient_usable(ask->nc, ask->place, i))
			usable |= 1u << i;
	}
	ask->order_count = 0;
	assert(n <= nitems(ask->order));
	/* Four classes: usable and first, usable, first, the rest. */
	for (unsigned class = 0; class < 4; class ++) {
		for (uint32_t i = 0; i < n; i++) {
			uint32_t m = (start + i) % n;
			unsigned its = ((usable >> m & 1) != 0 ? 0u : 2u) +
			    ((first >> m & 1) != 0 ? 0u : 1u);

			if (its == class)
				ask->order[ask->order_count++] = m;
		}
	}
}

/* The rule of one partition's metadata. */

static uint32_t
known_positions(struct nodeclient *nc, const struct placement *place,
    uint64_t *known)
{
	uint32_t n = place->set->n;

	for (uint32_t i = 0; i < n; i++) {
		struct positions_member member = { place->set->number, i };
		uint64_t applied = positions_applied(nodeclient_positions(nc),
		    member, place->partition);

		known[i] = KOOP_MAX(known[i], applied);
	}
	return n;
}

/* known has what the answers told; more comes from the positions. */
static int
hold(struct nodeclient *nc, const struct placement *place, uint64_t *known,
    uint64_t seq, uint64_t deadline, struct error *err)
{
	struct nodeline_at at = { .partition = place->partition, .seq = seq };

	/* protocol.md 7.2: it is in the log, so that it will come; to give it
	 * earlier would let a later read see less. */
	return metaask_hold_all(nc, place, &at, 1, known, deadline, err);
}

struct reading {
	const struct metaone *one;
	uint64_t end;  /* short cut: what the node must have applied */
	uint32_t need; /* quorum: so many voting answers */
	uint32_t answers;
	uint64_t known[TOPOLOGY_MACHINES_MAX]; /* applied, as answered */
	uint64_t best; /* highest applied among the answers */
	uint64_t seq;  /* to be held for */
	uint64_t epoch;
};

/* Take the answer if it is the most advanced so far: by what the machine has
 * applied, never by the row's seq (protocol.md 7.1).  Where a delete is applied
 * and its tombstone gone there is no row, and the older row of who lags would
 * bring the object back (why: S4). */
static bool
consider(struct reading *r, const struct metaanswer *answer)
{
	uint64_t seq = answer->at.row_seq;

	if (r->answers > 0 && answer->at.applied <= r->best)
		return true;
	if (r->one->take(r->one->arg, answer, &seq) < 0)
		return false;
	r->best = answer->at.applied;
	r->seq = r->one->whole_partition ? r->best : seq;
	return true;
}

/* One machine may answer alone if it has applied the log's end, as read after
 * the request came; metaask_one() then holds its answer as any other, since
 * the readers beside it may ask quorums (protocol.md 7.2; why: S2). */
static int
take_single(void *arg, const struct metaanswer *answer)
{
	struct reading *r = arg;

	if (!answer->has_position || !answer->at.voting)
		return 0;
	r->epoch = KOOP_MAX(r->epoch, answer->at.epoch);
	if (answer->at.applied < r->end)
		return 0;
	r->answers = 0;
	if (!consider(r, answer))
		return 0;
	r->known[answer->machine] = answer->at.applied;
	return 1;
}

/* r voting machines, a constant of the set and not of who answered: fewer may
 * all lag behind a write that was acknowledged (protocol.md 1; why: S1, S3). */
static int
take_quorum(void *arg, const struct metaanswer *answer)
{
	struct reading *r = arg;

	if (!answer->has_position || !answer->at.voting)
		return 0;
	r->epoch = KOOP_MAX(r->epoch, answer->at.epoch);
	if (!consider(r, answer))
		return 0;
	r->known[answer->machine] = answer->at.applied;
	return ++r->answers >= r->need;
}

static void
fill_ask(const struct metaone *one, struct metaask *ask)
{
	ask->nc = one->nc;
	ask->place = one->place;
	ask->method = one->method;
	ask->target = one->target;
	ask->first_bytes = one->first_bytes;
	ask->body_max = one->body_max;
}

/* Machines that the shared page knows to be at the end. */
static uint32_t
machines_at(struct nodeclient *nc, const struct placement *place, uint64_t end)
{
	uint64_t known[TOPOLOGY_MACHINES_MAX] = { 0 };
	uint32_t n = known_positions(nc, place, known);
	uint32_t mask = 0;

	for (uint32_t i = 0; i < n; i++)
		mask |= (uint32_t)(known[i] >= end) << i;
	return mask;
}

/* The short cut.  1: done; 0: did not work out. */
static int
read_single(struct reading *r, uint64_t end, uint64_t deadline,
    struct error *err)
{
	const struct metaone *one = r->one;
	struct positions *positions = nodeclient_positions(one->nc);
	struct metaask ask = { .width = 1 };
	uint32_t bell = positions_bell(positions);
	uint32_t at_end = machines_at(one->nc, one->place, end);
	uint32_t preferred;

	if (at_end == 0) {
		positions_wait(positions, bell, AGAIN_MS);
		at_end = machines_at(one->nc, one->place, end);
	}
	if (at_end == 0)
		return 0;
	r->end = end;
	fill_ask(one, &ask);
	preferred = at_end & placement_inline_holders(one->place);
	if (!one->prefer_holders || preferred == 0)
		preferred = at_end;
	metaask_order(&ask, preferred);
	return metaask_run(&ask, take_single, r, deadline, err);
}

static int
read_quorum(struct reading *r, uint64_t deadline, struct error *err)
{
	const struct metaone *one = r->one;
	const struct erasure_set *set = one->place->set;
	struct metaask ask = { 0 };

	r->answers = 0;
	r->need = quorum_read(set->n, set->data_shards, set->write_quorum);
	fill_ask(one, &ask);
	ask.width = r->need;
	metaask_order(&ask,
	    one->prefer_holders ? placement_inline_holders(one->place) : 0);
	return metaask_run(&ask, take_quorum, r, deadline, err);
}

/* An epoch that we do not know voids the read (protocol.md 7.3): the machines
 * that we asked may have lost the partition to a set that has gone on without
 * them (why: S15).  Ask with the new topology. */
static int
check_epoch(const struct reading *r, uint64_t deadline, struct error *err)
{
	struct nodeclient *nc = r->one->nc;
	int rc;

	if (r->epoch <= nodeclient_topology(nc)->epoch)
		return 0;
	rc = nodeclient_reach(nc, r->epoch, deadline, err);
	if (rc < 0)
		return rc;
	return error_set(err, ERRC_UNAVAILABLE,
	    "the topology has changed: epoch %llu",
	    (unsigned long long)r->epoch);
}

int
metaask_one(const struct metaone *one, uint64_t deadline, struct error *err)
{
	struct positions *positions = nodeclient_positions(one->nc);
	struct commitlog_end end = { .partition = one->place->partition };
	bool shared = positions_shared(positions) &&
	    commitlog_ends(nodeclient_log(one->nc), &end, 1, deadline, NULL) ==
		0;
	struct clientstats *stats = nodeclient_stats(one->nc);
	bool alone;
	uint64_t half;

	half = nodeclient_now(one->nc);
	half += (KOOP_MAX(deadline, half) - half) / 2;
	for (;;) {
		struct reading r = { .one = one };
		uint32_t bell = positions_bell(positions);
		int rc = 0;

		if (shared)
			rc = read_single(&r, end.seq, half, err);
		alone = rc > 0;
		if (rc <= 0)
			rc = read_quorum(&r, deadline, err);
		if (rc > 0)
			clientstats_add(alone ? &stats->reads_of_one :
						&stats->reads_of_quorum,
			    1);
		if (rc > 0) {
			rc = check_epoch(&r, deadline, err);
			if (rc < 0)
				return rc;
			return hold(one->nc, one->place, r.known, r.seq,
			    deadline, err);
		}
		if (rc < 0 || nodeclient_now(one->nc) >= deadline)
			return error_set(err, ERRC_UNAVAILABLE,
			    "partition %u: too few nodes with a vote answered",
			    one->place->partition);
		positions_wait(positions, bell, AGAIN_MS);
	}
}
