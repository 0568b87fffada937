/* SPDX-License-Identifier: MIT */
#include "modelread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/quorum.h"
#include "model.h"

#define STEPS_MAX 96

enum kind {
	APPEND,
	RING,
	RESTORE,
	APPLY,
	LOSE,
	GOAL,
	DROP,
	BEGIN,
	ASK,
	ALONE,
	DECIDE
};
static const char kind_name[][8] = { "append", "ring", "restore", "apply",
	"lose", "goal", "drop", "begin", "ask", "alone", "decide" };

struct step {
	uint8_t kind, who, node, to;
};

struct node {
	uint8_t applied;
	uint8_t high;     /* the most that it ever applied */
	uint8_t reported; /* the same, while it voted */
	bool dropped;     /* it forgot its tombstones */
	bool newer;       /* its last record came after the log was restored */
	struct vote vote;
};

enum phase { IDLE, ASKING, WAITING, OVER };

struct reader {
	uint8_t phase;
	uint8_t least; /* it must not see an older version than this */
	uint8_t end;   /* of the log, for the short cut */
	uint8_t answers, best, best_row, need;
	uint8_t seq, value;
};

struct state {
	uint8_t end, counter, least, lost;
	bool restored;
	uint8_t kept; /* records that the restored log had */
	uint16_t asked[MODELREAD_READERS]; /* bit: node */
	struct node node[MODELREAD_NODES];
	struct reader reader[MODELREAD_READERS];
};

/* What the real rows hold after each record, with tombstones and without. */
struct row {
	uint8_t value, seq, seq_dropped;
	bool refused;
};

struct run {
	struct modelread *model;
	uint32_t r, c;
	uint8_t length;
	struct row row[MODELREAD_RECORDS + 1];
	uint8_t version[MODELREAD_RECORDS + 1]; /* last change, by the script */
	uint8_t value[MODELREAD_RECORDS + 1];
	struct model_seen seen;
	struct step path[STEPS_MAX];
	unsigned depth;
};

static bool
without(const struct run *run, enum modelread_rule rule)
{
	return (run->model->removed & rule) != 0;
}

/* The script, told a second time without any of the library. */
static void
expect(struct run *run, uint8_t at, char op)
{
	bool there = run->value[at - 1] != 0;

	run->version[at] = run->version[at - 1];
	run->value[at] = run->value[at - 1];
	if (op == 'N' && there)
		return;
	if (op == 'D' && !there)
		return;
	run->version[at] = at;
	run->value[at] = op == 'D' ? 0 : at;
}

static void
load(struct run *run)
{
	struct model rows;
	struct model bare;
	struct record record;
	struct model_result result;
	uint64_t seq;

	model_init(&rows, 0);
	record = model_record(RECORD_CREATE_BUCKET, model_id(MODEL_T0, 0), 0);
	record.home = true;
	record.incarnation = 0;
	model_apply(&rows, &record);
	for (uint8_t i = 1; i <= run->length; i++) {
		char op = run->model->log[i - 1];

		record = model_record(op == 'D' ? RECORD_DELETE : RECORD_PUT,
		    model_id(MODEL_T0, i), i);
		record.if_none_match = op == 'N';
		result = model_apply(&rows, &record);
		expect(run, i, op);
		run->row[i].value = (uint8_t)model_object(&rows, "k", &seq);
		run->row[i].seq = (uint8_t)(seq > 1 ? seq - 1 : 0);
		run->row[i].refused = result.outcome != OUTCOME_DONE;
		model_copy(&bare, &rows);
		rowset_mem_drop_tombstones(bare.mem);
		model_object(&bare, "k", &seq);
		run->row[i].seq_dropped = (uint8_t)(seq > 1 ? seq - 1 : 0);
		model_fini(&bare);
	}
	model_fini(&rows);
}

static void
begin(struct run *run, struct modelread *model, struct state *s)
{
	memset(run, 0, sizeof(*run));
	memset(s, 0, sizeof(*s));
	run->model = model;
	run->length = (uint8_t)strlen(model->log);
	run->r = quorum_read(model->n, model->m, model->w);
	run->c = quorum_stable_read(model->n, model->m, model->w);
	if (without(run, MODELREAD_FEW_ANSWERS))
		run->r = KOOP_MIN(run->r, model->n - model->w + 2);
	load(run);
	for (uint32_t i = 0; i < model->n; i++) {
		if (model->poison != 0 &&
		    !without(run, MODELREAD_NO_POISON_CAP))
			vote_poison(&s->node[i].vote, model->poison);
		vote_goal(&s->node[i].vote, 0);
		vote_applied(&s->node[i].vote, 0);
	}
	model->trace[0] = '\0';
	model->states = 0;
	model->complete = true;
}

static bool
voting(const struct run *run, const struct node *node)
{
	return node->vote.counts || without(run, MODELREAD_NO_VOTES);
}

static uint8_t
row_seq(const struct run *run, const struct node *node)
{
	return node->dropped ? run->row[node->applied].seq_dropped :
			       run->row[node->applied].seq;
}

/* Records after the restoration have values of their own. */
static uint8_t
row_value(const struct run *run, const struct node *node)
{
	uint8_t value = run->row[node->applied].value;

	return node->newer ? (uint8_t)(value + MODELREAD_RECORDS) : value;
}

/* Has the node applied what the log does not have? */
static bool
differs(const struct state *s, const struct node *node)
{
	return s->restored && !node->newer && node->applied > s->kept;
}

static bool
known(const struct run *run, const struct state *s, uint8_t seq, uint32_t need)
{
	uint64_t positions[MODELREAD_NODES];

	for (uint32_t i = 0; i < run->model->n; i++)
		positions[i] = s->node[i].high;
	return quorum_reached(positions, run->model->n, seq, need);
}

static bool
reported(const struct run *run, const struct state *s, uint8_t seq,
    uint32_t need)
{
	uint64_t positions[MODELREAD_NODES];

	for (uint32_t i = 0; i < run->model->n; i++)
		positions[i] = s->node[i].reported;
	return quorum_reached(positions, run->model->n, seq, need);
}

/* Which steps there are now. */

static unsigned
add(struct step *out, unsigned n, enum kind kind, unsigned who, unsigned node,
    unsigned to)
{
	out[n] = (struct step){ (uint8_t)kind, (uint8_t)who, (uint8_t)node,
		(uint8_t)to };
	return n + 1;
}

static unsigned
node_steps(const struct run *run, const struct state *s, unsigned i,
    struct step *out, unsigned n)
{
	const struct modelread *model = run->model;
	const struct node *node = &s->node[i];
	uint8_t drop = run->version[node->applied];

	if (node->applied < s->end && node->applied + 1u != model->poison &&
	    !differs(s, node))
		n = add(out, n, APPLY, 0, i, 0);
	for (uint8_t to = 0; s->lost < model->losses && to < node->applied;
	     to++)
		n = add(out, n, LOSE, 0, i, to);
	if (!node->vote.has_goal && without(run, MODELREAD_OLD_END))
		for (uint8_t to = 0; to < s->end; to++)
			n = add(out, n, GOAL, 0, i, to);
	if (!node->vote.has_goal)
		n = add(out, n, GOAL, 0, i, s->end);
	if (!node->dropped && run->row[node->applied].seq != 0 &&
	    run->row[node->applied].value == 0 &&
	    (without(run, MODELREAD_DROP_EARLY) ||
		reported(run, s, drop, model->w)))
		n = add(out, n, DROP, 0, i, 0);
	return n;
}

static unsigned
reader_steps(const struct run *run, const struct state *s, unsigned who,
    struct step *out, unsigned n)
{
	const struct reader *reader = &s->reader[who];
	const struct node *node = s->node;

	if (reader->phase == IDLE)
		return add(out, n, BEGIN, who, 0, 0);
	if (reader->phase != ASKING)
		return n;
	for (unsigned i = 0; i < run->model->n; i++) {
		if (!voting(run, &node[i]))
			continue;
		if (run->model->short_cut && reader->answers == 0 &&
		    node[i].applied >= reader->end)
			n = add(out, n, ALONE, who, i, 0);
		if ((s->asked[who] & (1u << i)) == 0 &&
		    (reader->answers < run->r ||
			without(run, MODELREAD_C_FROM_ANSWERS)))
			n = add(out, n, ASK, who, i, 0);
	}
	if (reader->answers >= run->r)
		n = add(out, n, DECIDE, who, 0, 0);
	return n;
}

static unsigned
steps(const struct run *run, const struct state *s, struct step *out)
{
	unsigned n = 0;

	if (s->end < run->length)
		n = add(out, n, APPEND, 0, 0, 0);
	if (s->counter < s->end)
		n = add(out, n, RING, 0, 0, 0);
	for (uint8_t to = 0; run->model->old_log && !s->restored && to < s->end;
	     to++)
		n = add(out, n, RESTORE, 0, 0, to);
	for (unsigned i = 0; i < run->model->n; i++)
		n = node_steps(run, s, i, out, n);
	for (unsigned i = 0; i < run->model->readers; i++)
		n = reader_steps(run, s, i, out, n);
	return n;
}

/* Taking one, and all that follows from it at once. */

static void
decide(const struct run *run, struct reader *reader, uint8_t seq, uint8_t value,
    bool bare)
{
	reader->phase = WAITING;
	reader->seq = seq;
	reader->value = value;
	reader->need = (uint8_t)run->c;
	if (without(run, MODELREAD_C_FROM_ANSWERS) && reader->answers > 0)
		reader->need = (uint8_t)(run->model->n - reader->answers + 1);
	if (without(run, MODELREAD_FEW_ANSWERS))
		reader->need = (uint8_t)quorum_stable_read(run->model->n,
		    run->model->m, run->model->w);
	if (bare)
		reader->need = 1;
}

static void
take_answer(const struct run *run, struct state *s, const struct step *step)
{
	struct reader *reader = &s->reader[step->who];
	const struct node *node = &s->node[step->node];
	uint8_t seq = row_seq(run, node);

	s->asked[step->who] |= (uint16_t)(1u << step->node);
	reader->answers++;
	if (without(run, MODELREAD_HIGHEST_ROW)) {
		if (seq >= reader->best_row) {
			reader->best_row = seq;
			reader->value = row_value(run, node);
		}
	} else if (reader->answers == 1 || node->applied > reader->best) {
		reader->best = node->applied;
		reader->best_row = seq;
		reader->value = row_value(run, node);
	}
}

static void
take_node(const struct run *run, struct state *s, const struct step *step)
{
	struct node *node = &s->node[step->node];

	if (step->kind == APPLY) {
		if (!without(run, MODELREAD_END_AFTER) &&
		    s->counter < node->applied + 1)
			s->counter = (uint8_t)(node->applied + 1);
		node->applied++;
		node->newer = s->restored && node->applied > s->kept;
		node->dropped = node->dropped &&
		    run->version[node->applied] != node->applied;
	} else if (step->kind == LOSE) {
		s->lost++;
		node->applied = step->to;
		node->newer = node->newer && node->applied > s->kept;
		node->dropped = false;
		vote_reset(&node->vote);
	} else if (step->kind == GOAL) {
		if (differs(s, node) && !without(run, MODELREAD_NO_BAR))
			vote_bar(&node->vote);
		vote_goal(&node->vote, step->to);
	} else {
		node->dropped = true;
	}
	vote_applied(&node->vote, node->applied);
	if (differs(s, node))
		return;
	node->high = KOOP_MAX(node->high, node->applied);
	if (voting(run, node))
		node->reported = KOOP_MAX(node->reported, node->applied);
}

/* All were cut off from the log, and forget what they know of it. */
static void
restore(const struct run *run, struct state *s, uint8_t to)
{
	s->restored = true;
	s->end = s->counter = s->kept = to;
	for (uint32_t i = 0; i < run->model->n; i++) {
		struct node *node = &s->node[i];

		node->high = KOOP_MIN(node->high, to);
		node->reported = KOOP_MIN(node->reported, to);
		vote_reset(&node->vote);
	}
}

static void
take(const struct run *run, struct state *s, const struct step *step)
{
	struct reader *reader = &s->reader[step->who];
	const struct node *node = &s->node[step->node];

	switch (step->kind) {
	case APPEND:
		s->end++;
		if (!run->model->counter)
			s->counter = s->end;
		break;
	case RESTORE:
		restore(run, s, step->to);
		break;
	case RING:
		s->counter = s->end;
		break;
	case BEGIN:
		reader->phase = ASKING;
		reader->least = s->least;
		reader->end = s->counter;
		break;
	case ASK:
		take_answer(run, s, step);
		break;
	case ALONE:
		decide(run, reader, row_seq(run, node), row_value(run, node),
		    without(run, MODELREAD_SHORT_CUT_BARE));
		break;
	case DECIDE:
		decide(run, reader, reader->best_row, reader->value,
		    without(run, MODELREAD_QUORUM_BARE));
		break;
	default:
		take_node(run, s, step);
		break;
	}
}

/* Who saw it knows that the key is at least there in its history. */
static bool
answer(const struct run *run, struct state *s, struct reader *reader)
{
	uint8_t version = reader->least;

	if (run->model->old_log) {
		reader->phase = OVER;
		s->least = KOOP_MAX(s->least, reader->value);
		return reader->value >= version;
	}
	while (version <= s->end && run->value[version] != reader->value)
		version++;
	if (version > s->end)
		return false;
	reader->phase = OVER;
	s->least = KOOP_MAX(s->least, run->version[version]);
	return true;
}

static bool
settle(const struct run *run, struct state *s)
{
	uint32_t need;
	uint8_t version;

	for (uint8_t at = 1; at <= s->end; at++) {
		need = run->model->w;
		version = run->version[at];
		if (s->restored && at > s->kept)
			version = (uint8_t)(version + MODELREAD_RECORDS);
		if (without(run, MODELREAD_ACK_EARLY))
			need--;
		if (without(run, MODELREAD_REFUSE_EARLY) &&
		    run->row[at].refused)
			need = 1;
		if (reported(run, s, at, need))
			s->least = KOOP_MAX(s->least, version);
	}
	for (unsigned i = 0; i < run->model->readers; i++) {
		struct reader *reader = &s->reader[i];

		if (reader->phase == WAITING &&
		    known(run, s, reader->seq, reader->need) &&
		    !answer(run, s, reader))
			return false;
	}
	return true;
}

static void
tell(struct run *run, const char *what)
{
	char *out = run->model->trace;
	size_t room = sizeof(run->model->trace);
	size_t at = (size_t)snprintf(out, room, "%s:", what);

	for (unsigned i = 0; i < run->depth && at + 24 < room; i++) {
		const struct step *step = &run->path[i];

		at += (size_t)snprintf(out + at, room - at, " %s",
		    kind_name[step->kind]);
		if (step->kind >= BEGIN)
			at += (size_t)snprintf(out + at, room - at, " %c",
			    'A' + step->who);
		if (step->kind > RESTORE && step->kind != BEGIN &&
		    step->kind != DECIDE)
			at += (size_t)snprintf(out + at, room - at, " %u",
			    step->node);
	}
}

/* Nothing can happen any more: has everybody got an answer? */
static bool
check_end(struct run *run, const struct state *s)
{
	for (unsigned i = 0; i < run->model->readers && !s->restored; i++) {
		if (s->reader[i].phase != OVER) {
			tell(run, "a reader waits for ever");
			return false;
		}
	}
	return true;
}

/* Nodes are alike, so they are sorted. */
static int
compare_node(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static bool
is_new(struct run *run, const struct state *s)
{
	uint8_t key[MODELREAD_NODES * 8 + 8 + MODELREAD_READERS * 9] = { 0 };
	size_t at = 0;

	for (uint32_t i = 0; i < run->model->n; i++, at += 8) {
		const struct node *node = &s->node[i];

		key[at] = node->applied;
		key[at + 1] = node->high;
		key[at + 2] = node->reported;
		key[at + 3] = (uint8_t)(node->dropped | node->vote.counts << 1 |
		    node->vote.has_goal << 2);
		key[at + 4] = (uint8_t)node->vote.goal;
		for (unsigned r = 0; r < MODELREAD_READERS; r++)
			key[at + 5] |= (uint8_t)((s->asked[r] >> i & 1) << r);
	}
	qsort(key, run->model->n, 8, compare_node);
	key[at++] = s->end;
	key[at++] = s->counter;
	key[at++] = s->least;
	key[at++] = s->lost;
	key[at++] = (uint8_t)(s->restored << 4 | s->kept);
	for (unsigned i = 0; i < run->model->readers; i++) {
		memcpy(key + at, &s->reader[i].phase, 8);
		at += 8;
		key[at++] = s->reader[i].value;
	}
	return model_seen_add(&run->seen, key, at);
}

static bool
visit(struct run *run, const struct state *s)
{
	struct step step[STEPS_MAX];
	struct state next;
	unsigned n;

	if (run->model->state_max != 0 &&
	    run->seen.count >= run->model->state_max) {
		run->model->complete = false;
		return true;
	}
	if (!is_new(run, s))
		return true;
	n = steps(run, s, step);
	if (n == 0)
		return check_end(run, s);
	for (unsigned i = 0; i < n; i++) {
		run->path[run->depth++] = step[i];
		next = *s;
		take(run, &next, &step[i]);
		if (!settle(run, &next)) {
			tell(run, "an older version is read");
			return false;
		}
		if (!visit(run, &next))
			return false;
		run->depth--;
	}
	return true;
}

bool
modelread_explore(struct modelread *model)
{
	struct run run;
	struct state start;
	bool good;

	begin(&run, model, &start);
	model_seen_init(&run.seen);
	good = visit(&run, &start);
	model->states = run.seen.count;
	model_seen_fini(&run.seen);
	return good;
}

static bool
walk(struct run *run, struct state *s, uint64_t *seed)
{
	struct step step[STEPS_MAX];
	unsigned n;
	unsigned i;

	run->depth = 0;
	while ((n = steps(run, s, step)) > 0) {
		i = model_random(seed, n);
		/* Many nodes drown the readers and the log. */
		if (model_random(seed, 2) == 0)
			i = model_random(seed, 2) == 0 ? n - 1 : 0;
		if (run->depth < STEPS_MAX)
			run->path[run->depth++] = step[i];
		take(run, s, &step[i]);
		run->model->states++;
		if (!settle(run, s)) {
			tell(run, "an older version is read");
			return false;
		}
	}
	return check_end(run, s);
}

bool
modelread_swarm(struct modelread *model, uint64_t seed, unsigned runs)
{
	struct run run;
	struct state start;
	struct state s;
	bool good = true;

	begin(&run, model, &start);
	for (unsigned i = 0; i < runs && good; i++) {
		s = start;
		good = walk(&run, &s, &seed);
	}
	return good;
}
