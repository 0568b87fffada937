/* SPDX-License-Identifier: MIT */
#include "client/metaask_positions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/acks.h"
#include "client/metaask.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "cluster/quorum.h"
#include "commit/positions.h"
#include "wire/nodeline.h"

#define ANSWER_MAX (1u << 20) /* 4096 partitions of about 60 bytes */
#define ASK_MS 1000
/* Streams are quicker than a question; without them one is asked at once, and
 * again after so long. */
#define STREAM_MS 50
#define PAUSE_MS 20

struct reading {
	struct nodeclient *nc;
	const struct placement *place;
	uint32_t machine; /* that answers now */
	uint32_t voting;  /* a partition that it votes in; UINT32_MAX: none */
	/* For a list; else at is NULL. */
	struct nodeline_at *at;
	uint32_t *votes; /* answers that count, of each */
	size_t count;
	uint32_t need;
};

static void
take_line(struct reading *r, const struct nodeline_ack *ack)
{
	struct positions_member member = { r->place->set->number, r->machine };

	if (ack->kind == NODELINE_VOTING)
		r->voting = ack->voting ? ack->partition : UINT32_MAX;
	if (ack->kind != NODELINE_POSITION)
		return;
	positions_told(nodeclient_positions(r->nc), member, ack->partition,
	    ack->seq);
	/* A node without a vote does not know what it once reported. */
	if (r->voting != ack->partition)
		return;
	for (size_t i = 0; r->at != NULL && i < r->count; i++) {
		if (r->at[i].partition != ack->partition)
			continue;
		r->votes[i]++;
		r->at[i].seq = KOOP_MAX(r->at[i].seq, ack->seq);
	}
}

/* False: it does not make sense. */
static bool
take_lines(struct reading *r, struct bytes body)
{
	while (body.n > 0) {
		const uint8_t *lf = memchr(body.p, '\n', body.n);
		struct nodeline_ack ack;
		size_t n;

		if (lf == NULL)
			return false;
		n = (size_t)(lf - body.p);
		if (nodeline_ack_parse(&ack, bytes_of(body.p, n), NULL) < 0)
			return false;
		take_line(r, &ack);
		body = bytes_of(body.p + n + 1, body.n - n - 1);
	}
	return true;
}

static int
take_answer(void *arg, const struct metaanswer *answer)
{
	struct reading *r = arg;
	size_t enough = 0;

	r->machine = answer->machine;
	r->voting = UINT32_MAX;
	if (answer->status != 200 || !take_lines(r, answer->body) ||
	    r->at == NULL)
		return 0;
	for (size_t i = 0; i < r->count; i++)
		enough += r->votes[i] >= r->need;
	return enough == r->count;
}

static int
ask_positions(struct reading *r, uint32_t width, uint64_t deadline,
    struct error *err)
{
	struct metaask ask = {
		.nc = r->nc,
		.place = r->place,
		.method = "GET",
		.target = "/applied",
		.body_max = ANSWER_MAX,
		.width = width,
	};

	metaask_order(&ask, 0);
	return metaask_run(&ask, take_answer, r, deadline, err);
}

int
metaask_read_positions(struct nodeclient *nc, const struct placement *place,
    struct nodeline_at *at, size_t count, uint64_t deadline, struct error *err)
{
	const struct erasure_set *set = place->set;
	struct reading r = {
		.nc = nc,
		.place = place,
		.at = at,
		.count = count,
		.need = quorum_meet_write(set->n, set->write_quorum),
	};
	int rc = 1;

	assert(r.need > 0 && r.need <= set->n);
	r.votes = calloc(count + 1, sizeof(*r.votes));
	if (r.votes == NULL)
		return error_set(err, ERRC_NOMEM, "positions: out of memory");
	for (size_t i = 0; i < count; i++)
		at[i].seq = 0;
	if (count > 0)
		rc = ask_positions(&r, r.need, deadline, err);
	free(r.votes);
	if (rc == 0)
		return error_set(err, ERRC_UNAVAILABLE,
		    "set %u: too few nodes with a vote answered", set->number);
	return rc < 0 ? rc : 0;
}

/* Is it so until then?  The first that is not; count: all are. */
static size_t
wait_for(struct nodeclient *nc, const struct placement *place,
    const struct nodeline_at *at, size_t count, uint64_t *known, uint64_t until)
{
	const struct erasure_set *set = place->set;
	struct positions_hold hold = {
		.set = set->number,
		.n = set->n,
		.count = quorum_stable_read(set->n, set->data_shards,
		    set->write_quorum),
		.known = known,
	};
	size_t i = 0;

	for (; i < count; i++) {
		hold.partition = at[i].partition;
		hold.seq = at[i].seq;
		if (!positions_hold(nodeclient_positions(nc), &hold,
			nodeclient_clock(nc), until))
			break;
	}
	return i;
}

int
metaask_hold_all(struct nodeclient *nc, const struct placement *place,
    const struct nodeline_at *at, size_t count, uint64_t *known,
    uint64_t deadline, struct error *err)
{
	bool shared = positions_shared(nodeclient_positions(nc));
	struct reading r = { .nc = nc, .place = place };
	uint64_t pause = acks_streams(nodeclient_acks(nc)) > 0 ? STREAM_MS : 0;

	assert(known == NULL || count == 1);
	for (;;) {
		uint64_t until = KOOP_MIN(nodeclient_now(nc) + pause, deadline);
		size_t held = wait_for(nc, place, at, count, known,
		    shared ? deadline : until);

		if (held == count)
			return 0;
		if (nodeclient_now(nc) >= deadline)
			return error_set(err, ERRC_UNAVAILABLE,
			    "partition %u: too few nodes have applied record "
			    "%llu in time",
			    at[held].partition,
			    (unsigned long long)at[held].seq);
		/* Nobody rings here for what another machine applies: ask
		 * all, since any c of them will do. */
		if (!shared)
			(void)!ask_positions(&r, place->set->n,
			    KOOP_MIN(deadline, nodeclient_now(nc) + ASK_MS),
			    NULL);
		pause = KOOP_MAX(pause, PAUSE_MS);
	}
}
