/* SPDX-License-Identifier: MIT */
#include "client/committer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/acks.h"
#include "client/clientstats.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/commitlog.h"
#include "commit/record.h"
#include "wire/nodecall.h"
#include "wire/nodeline.h"
#include "wire/nodeproto.h"

/* Before nodes whose stream is broken are asked directly, and before all
 * others that have not reported are. */
#define REACH_MS 1000 /* for streams that are just beginning */
#define STREAM_MS 100
#define STREAM_ALL_MS 2000
/* One direct question; it is asked again until the deadline. */
#define DIRECT_MS 1000
#define DIRECT_SLICE_MS 50
/* Looking for an ambiguous record. */
#define FIND_PAUSE_MS 50

struct ask {
	struct nodecall call;
	bool by_id;
	char body[NODELINE_MAX];
};

/* The first thing that went wrong, and where its reason goes. */
struct failure {
	int rc;
	struct error *err; /* or NULL */
};

static void
fail_item(struct failure *f, struct committer_item *item, int rc,
    const struct error *why)
{
	assert(rc < 0);
	assert(item->code == ERRC_OK);
	item->code = (enum errc) - rc;
	if (f->rc == 0 && f->err != NULL)
		*f->err = *why;
	if (f->rc == 0)
		f->rc = rc;
}

/* What failed for none in particular failed for all that are left. */
static void
fail_rest(struct failure *f, struct committer_item *items, size_t n, int rc,
    const struct error *why)
{
	for (size_t i = 0; i < n && rc < 0; i++) {
		if (items[i].code == ERRC_OK)
			fail_item(f, &items[i], rc, why);
	}
}

static int
build_lines(struct nodeclient *nc, struct committer_item *items, size_t n,
    struct buf *lines, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct record *record = items[i].record;
		int rc;

		snprintf(record->cluster, sizeof(record->cluster), "%s",
		    nodeclient_cluster(nc));
		record->epoch = nodeclient_topology(nc)->epoch;
		record->sender = bytes_str(nodeclient_sender(nc));
		lines[i] = buf_make(RECORD_BYTES_MAX);
		rc = record_build(&lines[i], record, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * The append was ambiguous: it is in the log, or may still come to be there,
 * or never will.  Only the log can say, and only "yes" is certain.  An earlier
 * record of the id decided nothing: the log is asked for one after it
 * (protocol.md 2), or the first would hide the second for ever.
 */
static int
find_appended(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline, struct error *err)
{
	struct commitlog *log = nodeclient_log(nc);

	for (;;) {
		uint32_t bell = commitlog_bell(log);
		int left;

		if (commitlog_find(log, item->partition,
			item->record->request_id, item->after_seq, &item->seq,
			&item->time_ms, deadline, NULL) == 0) {
			assert(item->seq > item->after_seq);
			return 0;
		}
		left = clock_left_ms(nodeclient_clock(nc), deadline);
		if (left == 0)
			return error_set(err, ERRC_UNAVAILABLE,
			    "commit log: no answer to an append in time: "
			    "the write may yet take effect");
		commitlog_wait(log, bell, KOOP_MIN(left, FIND_PAUSE_MS));
	}
}

/* What became of one item's append. */
static int
take_fate(struct nodeclient *nc, struct committer_item *item,
    const struct commitlog_item *appended, const struct error *why,
    uint64_t deadline, struct error *err)
{
	switch (appended->fate) {
	case COMMITLOG_IN:
		item->seq = appended->seq;
		item->time_ms = appended->time_ms;
		return 0;
	case COMMITLOG_UNKNOWN:
		return find_appended(nc, item, deadline, err);
	case COMMITLOG_NOT_IN:
		break;
	}
	/* Whatever keeps the log from taking it, the client may try again:
	 * but for a record that makes no sense, our own mistake. */
	return error_set(err,
	    appended->code == ERRC_USAGE ? ERRC_USAGE : ERRC_UNAVAILABLE,
	    "partition %u: nothing was written: %.300s", item->partition,
	    why->text);
}

/* Append those that have not failed yet. */
static int
append_lines(struct nodeclient *nc, struct committer_item *items, size_t n,
    const struct buf *lines, uint64_t deadline, struct failure *f)
{
	struct commitlog_item *appended = calloc(n, sizeof(*appended));
	struct error why = { 0 };
	size_t taken = 0;
	size_t m = 0;
	int rc = 0;

	if (appended == NULL)
		return -ERRC_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (items[i].code != ERRC_OK)
			continue;
		appended[m].partition = items[i].partition;
		appended[m].request_id = items[i].record->request_id;
		appended[m++].line = buf_bytes(&lines[i]);
	}
	if (m > 0) {
		uint64_t began_us = clock_mono_us(nodeclient_clock(nc));

		rc = commitlog_append(nodeclient_log(nc), appended, m, deadline,
		    &why);
		metric_observe(&nodeclient_stats(nc)->append,
		    clock_mono_us(nodeclient_clock(nc)) - began_us);
	}
	for (size_t i = 0; i < n; i++) {
		struct error one = { 0 };

		if (items[i].code != ERRC_OK)
			continue;
		/* A fate is its own record's. */
		assert(appended[taken].partition == items[i].partition);
		rc = take_fate(nc, &items[i], &appended[taken++], &why,
		    deadline, &one);
		if (rc < 0)
			fail_item(f, &items[i], rc, &one);
	}
	assert(taken == m);
	free(appended);
	return 0;
}

static void
append_items(struct nodeclient *nc, struct committer_item *items, size_t n,
    uint64_t deadline, struct failure *f)
{
	struct buf *lines = calloc(n, sizeof(*lines));
	struct error why = { 0 };
	int rc;

	if (lines == NULL) {
		rc = error_set(&why, ERRC_NOMEM, "commit: out of memory");
		fail_rest(f, items, n, rc, &why);
		return;
	}
	rc = build_lines(nc, items, n, lines, &why);
	if (rc == 0)
		rc = append_lines(nc, items, n, lines, deadline, f);
	if (rc == 0 && f->rc == 0 && FAULT(WRITE_APPENDED))
		rc = error_set(&why, ERRC_UNAVAILABLE,
		    "injected: appended, outcome not known");
	fail_rest(f, items, n, rc, &why);
	for (size_t i = 0; i < n; i++)
		buf_fini(&lines[i]);
	free(lines);
}

/*
 * Ask one node: what became of it?  By seq, and in the next round by request
 * id: a node that jumped by a snapshot knows what was decided, but not when.
 * That must not answer for an earlier record of the id which decided nothing.
 */
static void
open_ask(struct nodeclient *nc, const struct placement *place,
    const struct committer_item *item, uint32_t machine, uint64_t timeout_ms,
    struct ask *ask)
{
	struct peer peer = nodeclient_peer(place, machine);
	char id[REQID_HEX + 1];
	struct iovec iov = {
		.iov_base = ask->body,
		.iov_len = sizeof(ask->body),
	};
	char target[160];
	/* The node waits for the record, so its time is not its own. */
	struct nodecall_request request = {
		.method = "GET",
		.target = target,
		.untimed = true,
	};

	/* protocol.md 5: by id the first record of it answers, so not for who
	 * wants a later one. */
	assert(!ask->by_id || item->after_seq == 0);
	assert(ask->by_id || item->seq > 0);
	reqid_format(id, item->record->request_id);
	if (ask->by_id)
		snprintf(target, sizeof(target),
		    "/applied/%u?requestId=%s&timeout=%llu", item->partition,
		    id, (unsigned long long)timeout_ms);
	else
		snprintf(target, sizeof(target),
		    "/applied/%u?seq=%llu&timeout=%llu", item->partition,
		    (unsigned long long)item->seq,
		    (unsigned long long)timeout_ms);
	if (nodecall_open(&ask->call, nodeclient_peers(nc), &peer, &request,
		NULL) == 0)
		httpc_recv_into(ask->call.http, &iov, 1);
}

static void
take_answer(struct nodeclient *nc, const struct committer_item *item,
    struct ackwait *wait, uint32_t machine, struct ask *ask)
{
	const char *voting = httpc_response_header(ask->call.http,
	    NODEPROTO_VOTING);
	struct bytes line = { 0 };
	struct nodeline_ack ack;

	if (httpc_status(ask->call.http) != 200 || voting == NULL)
		return;
	assert(httpc_received(ask->call.http) <= sizeof(ask->body));
	line = bytes_of(ask->body, httpc_received(ask->call.http));
	while (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (nodeline_applied_parse(&ack, line, NULL) < 0)
		return;
	/* A node whose log was cut and grew again would answer for another
	 * record at that seq. */
	if (ack.partition != item->partition ||
	    !reqid_equal(ack.id, item->record->request_id))
		return;
	/* A duplicate has the outcome of the first record of its id. */
	if (ask->by_id && ack.seq <= item->seq)
		ack.seq = item->seq;
	acks_report(nodeclient_acks(nc), wait, machine, ack.seq, ack.outcome,
	    strcmp(voting, "1") == 0);
}

/* Ask those machines directly until there is a quorum (the streams go on
 * reporting meanwhile) or each has answered. */
static bool
ask_directly(struct nodeclient *nc, const struct placement *place,
    struct committer_item *item, struct ackwait *wait, uint32_t machines,
    unsigned round)
{
	struct acks *acks = nodeclient_acks(nc);
	struct ask *asks = calloc(TOPOLOGY_MACHINES_MAX, sizeof(*asks));
	struct httpc_call *calls[TOPOLOGY_MACHINES_MAX] = { NULL };
	uint64_t now = nodeclient_now(nc);
	uint64_t until = KOOP_MIN(now + DIRECT_MS, item->deadline);
	bool decided = false;
	bool open = true;

	assert(machines != 0);
	if (asks == NULL)
		return false;
	for (uint32_t i = 0; i < place->set->n; i++) {
		if ((machines >> i & 1) == 0)
			continue;
		asks[i].by_id = round % 2 == 1 && item->after_seq == 0;
		open_ask(nc, place, item, i, until > now ? until - now : 0,
		    &asks[i]);
		calls[i] = asks[i].call.http;
	}
	while (open && !decided && now < until) {
		uint64_t slice = KOOP_MIN(now + DIRECT_SLICE_MS, until);

		if (httpc_poll(calls, place->set->n, NULL, slice) < 0)
			break;
		open = false;
		for (uint32_t i = 0; i < place->set->n; i++) {
			enum httpc_state state;

			if (calls[i] == NULL)
				continue;
			state = nodecall_state(&asks[i].call);
			if (state == HTTPC_DONE)
				take_answer(nc, item, wait, i, &asks[i]);
			else if (state != HTTPC_FAILED) {
				open = true;
				continue;
			}
			nodecall_close(&asks[i].call);
			calls[i] = NULL;
		}
		now = nodeclient_now(nc);
		decided = acks_wait(acks, wait, item->seq, now, &item->outcome);
	}
	for (uint32_t i = 0; i < place->set->n; i++)
		nodecall_close(&asks[i].call);
	free(asks);
	return decided;
}

static int
wait_outcome(struct nodeclient *nc, struct committer_item *item,
    struct ackwait *wait, uint64_t deadline, struct error *err)
{
	struct acks *acks = nodeclient_acks(nc);
	uint64_t began = nodeclient_now(nc);
	struct placement place;
	bool streams = acks_streams(acks) > 0;
	int rc;

	/* It is in the log: only that has an outcome. */
	assert(item->code == ERRC_OK && item->seq > 0);
	rc = placement_partition(nodeclient_topology(nc), item->partition,
	    &place, err);
	if (rc < 0)
		return rc;
	item->deadline = deadline;
	for (unsigned round = 0;; round++) {
		uint64_t now = nodeclient_now(nc);
		uint64_t until = now + (streams ? STREAM_MS : 0);
		uint32_t missing;

		if (acks_wait(acks, wait, item->seq, KOOP_MIN(until, deadline),
			&item->outcome))
			return 0;
		now = nodeclient_now(nc);
		if (now >= deadline)
			return error_set(err, ERRC_UNAVAILABLE,
			    "partition %u: too few nodes have applied record "
			    "%llu in time: it may yet take effect",
			    item->partition, (unsigned long long)item->seq);
		missing = acks_missing(acks, wait, item->seq,
		    !streams || now - began > STREAM_ALL_MS);
		if (missing != 0 &&
		    ask_directly(nc, &place, item, wait, missing, round))
			return 0;
		/* Refused connections answer at once: do not spin. */
		if (missing != 0 && nodeclient_now(nc) < now + STREAM_MS &&
		    acks_wait(acks, wait, item->seq,
			KOOP_MIN(now + STREAM_MS, deadline), &item->outcome))
			return 0;
	}
}

static int
expect_all(struct nodeclient *nc, struct committer_item *items, size_t n,
    struct ackwait **waits, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct placement place;
		int rc;

		assert(waits[i] == NULL);
		rc = placement_partition(nodeclient_topology(nc),
		    items[i].partition, &place, err);
		if (rc == 0)
			rc = acks_expect(nodeclient_acks(nc), place.set,
			    items[i].partition, items[i].record->request_id,
			    &waits[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A record that too few nodes can apply now is not appended at all: a 503 must
 * leave nothing (protocol.md 6). */
static void
check_reachable(struct nodeclient *nc, struct committer_item *items, size_t n,
    struct ackwait *const *waits, uint64_t deadline, struct failure *f)
{
	uint64_t until = KOOP_MIN(deadline, nodeclient_now(nc) + REACH_MS);

	for (size_t i = 0; i < n; i++) {
		struct error why = { 0 };
		int rc;

		if (acks_reachable(nodeclient_acks(nc), waits[i], until))
			continue;
		rc = error_set(&why, ERRC_UNAVAILABLE,
		    "partition %u: too few nodes are there to apply a "
		    "record: nothing was written",
		    items[i].partition);
		fail_item(f, &items[i], rc, &why);
	}
}

/* Those that are in take effect, whatever became of the others. */
static void
wait_all(struct nodeclient *nc, struct committer_item *items, size_t n,
    struct ackwait *const *waits, uint64_t deadline, struct failure *f)
{
	uint64_t began_us = clock_mono_us(nodeclient_clock(nc));

	for (size_t i = 0; i < n; i++) {
		struct error why = { 0 };
		int rc;

		if (items[i].code != ERRC_OK)
			continue;
		rc = wait_outcome(nc, &items[i], waits[i], deadline, &why);
		metric_observe(&nodeclient_stats(nc)->apply,
		    clock_mono_us(nodeclient_clock(nc)) - began_us);
		if (rc < 0)
			fail_item(f, &items[i], rc, &why);
	}
}

int
committer_commit_all(struct nodeclient *nc, struct committer_item *items,
    size_t n, uint64_t deadline, struct error *err)
{
	struct ackwait **waits = calloc(n, sizeof(*waits));
	struct failure f = { .err = err };
	struct error why = { 0 };
	int rc;

	assert(n > 0 && n <= COMMITLOG_ITEMS_MAX);
	for (size_t i = 0; i < n; i++)
		items[i].code = ERRC_OK;
	if (waits == NULL)
		rc = error_set(&why, ERRC_NOMEM, "commit: out of memory");
	else
		rc = expect_all(nc, items, n, waits, &why);
	fail_rest(&f, items, n, rc, &why);
	if (rc == 0) {
		check_reachable(nc, items, n, waits, deadline, &f);
		append_items(nc, items, n, deadline, &f);
		wait_all(nc, items, n, waits, deadline, &f);
	}
	if (f.rc == 0 && FAULT(WRITE_APPLIED)) {
		rc = error_set(&why, ERRC_UNAVAILABLE,
		    "injected: applied, not acknowledged");
		fail_rest(&f, items, n, rc, &why);
	}
	for (size_t i = 0; i < n; i++)
		assert(f.rc < 0 || items[i].code == ERRC_OK);
	for (size_t i = 0; i < n && waits != NULL; i++)
		acks_forget(nodeclient_acks(nc), waits[i]);
	free(waits);
	return f.rc;
}

int
committer_commit(struct nodeclient *nc, uint32_t partition,
    struct record *record, enum outcome *out, uint64_t *seq, uint64_t deadline,
    struct error *err)
{
	struct committer_item item = {
		.partition = partition,
		.record = record,
	};
	int rc;

	rc = committer_commit_all(nc, &item, 1, deadline, err);
	if (rc < 0)
		return rc;
	assert(item.outcome < OUTCOME_MAX);
	*out = item.outcome;
	if (seq != NULL)
		*seq = item.seq;
	return 0;
}

int
committer_wait(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline, struct error *err)
{
	struct ackwait *wait = NULL;
	int rc;

	assert(item->seq > 0);
	item->code = ERRC_OK;
	rc = expect_all(nc, item, 1, &wait, err);
	if (rc == 0)
		rc = wait_outcome(nc, item, wait, deadline, err);
	acks_forget(nodeclient_acks(nc), wait);
	return rc;
}

int
committer_append(struct nodeclient *nc, uint32_t partition,
    struct record *record, uint64_t deadline, struct error *err)
{
	struct committer_item item = {
		.partition = partition,
		.record = record,
	};
	struct failure f = { .err = err };

	append_items(nc, &item, 1, deadline, &f);
	assert(f.rc == -(int)item.code);
	return f.rc;
}
