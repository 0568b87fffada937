/* SPDX-License-Identifier: MIT */
#include "modelbucket.h"

#include <stdio.h>
#include <string.h>

#include "model.h"

#define HOME 0
#define AWAY 1
#define STEPS_MAX 48
#define OVER 9
#define ROWS_KEY 16
#define UPLOAD_ID model_id(MODEL_T0, 5000)

struct actor {
	uint8_t kind, pc;
	uint8_t incarnation, attempt;
	uint8_t sealed; /* the incarnation that was sealed there */
	bool full;      /* not every partition was empty */
	bool acked;     /* its object, and nobody deleted it */
};

struct state {
	struct model part[2];
	struct actor actor[MODELBUCKET_ACTORS];
	uint16_t ids;
	uint32_t ended; /* bit: attempt that AWAY was told is over */
};

struct run {
	struct modelbucket *model;
	unsigned actors;
	struct model_seen seen;
	struct model_seen rows; /* states of the partitions alone */
	char path[STEPS_MAX][24];
	unsigned depth;
};

static bool
without(const struct run *run, enum modelbucket_rule rule)
{
	return (run->model->removed & rule) != 0;
}

/* Taking rules away from apply: what the records find is spoilt, or they do
 * not come at all.  True: the outcome is known without applying. */
static bool
spoil(const struct run *run, struct state *s, unsigned at,
    const struct record *r, enum outcome *out)
{
	struct model_bucket b = model_bucket(&s->part[at], "b");

	if (at == HOME)
		return false;
	if (r->type == RECORD_CREATE_BUCKET &&
	    without(run, MODELBUCKET_NO_REPLACE) && b.incarnation != 0 &&
	    b.state != BUCKET_DELETED) {
		*out = OUTCOME_EXISTS;
		return true;
	}
	if (r->type == RECORD_SEAL_BUCKET && b.incarnation < r->incarnation &&
	    without(run, MODELBUCKET_ABSENT_EMPTY)) {
		*out = OUTCOME_SEALED_EMPTY;
		return true;
	}
	if (r->type == RECORD_SEAL_BUCKET && b.incarnation == r->incarnation &&
	    b.state == BUCKET_OPEN && without(run, MODELBUCKET_NO_SEAL)) {
		uint64_t seq;

		*out = model_object(&s->part[at], "k", &seq) != 0 ?
		    OUTCOME_SEALED :
		    OUTCOME_SEALED_EMPTY;
		return true;
	}
	if (r->type == RECORD_UNSEAL_BUCKET &&
	    without(run, MODELBUCKET_ATTEMPT_OPEN) && b.attempt != r->attempt) {
		*out = OUTCOME_DONE;
		return true;
	}
	return false;
}

/* As if a partition kept nothing of a bucket that is deleted: a Create that
 * comes late makes it anew. */
static void
reopen(struct model *part)
{
	struct rowset *rows = rowset_mem_rows(part->mem);
	struct bucket_row old;
	struct bucket_row row;

	if (rows->ops->bucket_get(rows, part->partition, bytes_str("b"), &old,
		NULL) < 0 ||
	    old.state != BUCKET_DELETED)
		return;
	row = old;
	row.state = BUCKET_OPEN;
	row.attempt = 0;
	rowset_mem_spoil(part->mem, true);
	if (rows->ops->bucket_put(rows, &row, &old, NULL) < 0)
		printf("# bucket_put failed\n");
	rowset_mem_spoil(part->mem, false);
}

static enum outcome
append(const struct run *run, struct state *s, unsigned at,
    enum record_type type, uint64_t incarnation, uint64_t attempt)
{
	uint16_t id = ++s->ids;
	struct record r = model_record(type, model_id(MODEL_T0, id), id);
	enum outcome outcome;

	r.home = at == HOME;
	r.incarnation = incarnation;
	r.attempt = attempt;
	if (at == HOME && type == RECORD_CREATE_BUCKET)
		r.incarnation = 0;
	if (at == HOME && type == RECORD_SEAL_BUCKET)
		r.attempt = 0;
	if (!spoil(run, s, at, &r, &outcome))
		outcome = model_apply(&s->part[at], &r).outcome;
	if (at == AWAY && type == RECORD_UNSEAL_BUCKET &&
	    outcome == OUTCOME_DONE)
		s->ended |= 1u << attempt;
	if (at == AWAY && type == RECORD_CREATE_BUCKET &&
	    outcome == OUTCOME_NO_SUCH_BUCKET &&
	    without(run, MODELBUCKET_FORGET))
		reopen(&s->part[at]);
	return outcome;
}

/* What home decided of an attempt is what the others are told. */
static void
obey(const struct run *run, struct state *s, const struct actor *a)
{
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	bool deleted = home.incarnation > a->incarnation ||
	    (home.state == BUCKET_DELETED && home.attempt == a->attempt);

	if (without(run, MODELBUCKET_NO_OBEY) && a->kind == 'D')
		deleted = !a->full;
	append(run, s, AWAY,
	    deleted ? RECORD_DELETE_BUCKET : RECORD_UNSEAL_BUCKET,
	    a->incarnation, a->attempt);
}

static void
step_create(const struct run *run, struct state *s, struct actor *a)
{
	enum outcome outcome;

	if (a->pc == 0) {
		outcome = append(run, s, HOME, RECORD_CREATE_BUCKET, 0, 0);
		a->incarnation = (uint8_t)model_bucket(&s->part[HOME], "b")
				     .incarnation;
		a->pc = outcome == OUTCOME_DONE || outcome == OUTCOME_EXISTS ?
		    1 :
		    OVER;
	} else {
		append(run, s, AWAY, RECORD_CREATE_BUCKET, a->incarnation, 0);
		a->pc = OVER;
	}
}

static void
step_delete(const struct run *run, struct state *s, struct actor *a)
{
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	enum outcome outcome;

	switch (a->pc) {
	case 0:
		a->incarnation = (uint8_t)home.incarnation;
		a->pc = home.state == BUCKET_OPEN ? 1 : OVER;
		if (home.state == BUCKET_SEALED &&
		    without(run, MODELBUCKET_UNSEAL_THERE))
			append(run, s, AWAY, RECORD_UNSEAL_BUCKET,
			    home.incarnation, home.attempt);
		break;
	case 1:
		outcome = append(run, s, HOME, RECORD_SEAL_BUCKET,
		    a->incarnation, 0);
		a->attempt = (uint8_t)s->part[HOME].applied;
		a->full = outcome == OUTCOME_SEALED;
		a->pc = outcome == OUTCOME_SEALED ||
			outcome == OUTCOME_SEALED_EMPTY ?
		    2 :
		    OVER;
		break;
	case 2:
		outcome = append(run, s, AWAY, RECORD_SEAL_BUCKET,
		    a->incarnation, a->attempt);
		a->full = a->full || outcome != OUTCOME_SEALED_EMPTY;
		if (without(run, MODELBUCKET_NO_LOOK))
			a->full = false;
		a->pc = 3;
		break;
	case 3:
		append(run, s, HOME,
		    a->full ? RECORD_UNSEAL_BUCKET : RECORD_DELETE_BUCKET,
		    a->incarnation, a->attempt);
		a->pc = 4;
		break;
	default:
		obey(run, s, a);
		a->pc = OVER;
		break;
	}
}

/* Whoever meets an attempt that is not decided for long. */
static void
step_unseal(const struct run *run, struct state *s, struct actor *a)
{
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	struct model_bucket away = model_bucket(&s->part[AWAY], "b");

	if (a->pc == 0) {
		if (home.state != BUCKET_SEALED)
			home = away;
		a->incarnation = (uint8_t)home.incarnation;
		a->attempt = (uint8_t)home.attempt;
		a->pc = without(run, MODELBUCKET_UNSEAL_THERE) ? 2 : 1;
	} else if (a->pc == 1) {
		append(run, s, HOME, RECORD_UNSEAL_BUCKET, a->incarnation,
		    a->attempt);
		a->pc = 2;
	} else {
		if (without(run, MODELBUCKET_UNSEAL_THERE))
			append(run, s, AWAY, RECORD_UNSEAL_BUCKET,
			    a->incarnation, a->attempt);
		else
			obey(run, s, a);
		a->pc = OVER;
	}
}

/*
 * Before the body: is the bucket there, and in the object's partition?  If
 * not, home is asked, and the partition told what home decided: a seal there
 * whose bucket is open at home belongs to an attempt that is over.
 */
static void
step_ensure(const struct run *run, struct state *s, struct actor *a,
    unsigned at)
{
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	struct model_bucket b = model_bucket(&s->part[at], "b");

	if (a->pc == 0 && b.state == BUCKET_OPEN) {
		a->incarnation = (uint8_t)b.incarnation;
		a->pc = 3;
	} else if (a->pc == 0) {
		a->attempt = b.state == BUCKET_SEALED ? (uint8_t)b.attempt : 0;
		a->sealed = (uint8_t)(a->attempt != 0 ? b.incarnation : 0);
		a->pc = 1;
	} else if (a->pc == 1) {
		a->incarnation = (uint8_t)home.incarnation;
		a->pc = home.state == BUCKET_OPEN ? 2 : OVER;
	} else {
		if (a->sealed == a->incarnation)
			append(run, s, at, RECORD_UNSEAL_BUCKET, a->incarnation,
			    a->attempt);
		else
			append(run, s, at, RECORD_CREATE_BUCKET, a->incarnation,
			    0);
		a->pc = 3;
	}
}

static void
step_put(const struct run *run, struct state *s, struct actor *a)
{
	unsigned at = a->kind == 'H' ? HOME : AWAY;

	if (a->pc < 3) {
		step_ensure(run, s, a, at);
		return;
	}
	a->acked = append(run, s, at, RECORD_PUT, a->incarnation, 0) ==
	    OUTCOME_DONE;
	a->pc = OVER;
}

static void
upload_record(struct state *s, struct actor *a, enum record_type type)
{
	static const uint8_t md5[16] = { [15] = 7 };
	struct record_part part = { .number = 1 };
	struct record r;
	struct reqid id = model_id(MODEL_T0, ++s->ids);

	if (type == RECORD_INITIATE)
		id = UPLOAD_ID;
	r = model_record(type, id, 7);
	r.incarnation = a->incarnation;
	r.upload_id = UPLOAD_ID;
	r.has_upload = type != RECORD_INITIATE;
	r.part_number = 1;
	memcpy(part.md5, md5, sizeof(md5));
	r.parts = &part;
	r.part_count = 1;
	if (type == RECORD_COMPLETE)
		r.etag = bytes_str("00000000000000000000000000000009-1");
	if (model_apply(&s->part[AWAY], &r).outcome != OUTCOME_DONE)
		a->pc = OVER;
	else if (type == RECORD_COMPLETE)
		a->acked = true;
}

static void
step_upload(const struct run *run, struct state *s, struct actor *a)
{
	if (a->pc < 3) {
		step_ensure(run, s, a, AWAY);
		return;
	}
	a->pc++;
	if (a->pc == 4)
		upload_record(s, a, RECORD_INITIATE);
	else if (a->pc == 5)
		upload_record(s, a, RECORD_PART);
	else
		upload_record(s, a, RECORD_COMPLETE);
	if (a->pc == 6)
		a->pc = OVER;
}

static void
step_remove(const struct run *run, struct state *s, struct actor *a)
{
	append(run, s, AWAY, RECORD_DELETE, a->incarnation, 0);
	for (unsigned i = 0; i < run->actors; i++)
		if (s->actor[i].kind == 'P')
			s->actor[i].acked = false;
	a->pc = OVER;
}

static bool
may_step(const struct run *run, struct state *s, unsigned who)
{
	struct actor *a = &s->actor[who];
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	struct model_bucket away = model_bucket(&s->part[AWAY], "b");

	if (a->pc == OVER)
		return false;
	if (a->pc > 0 || a->kind == 'C')
		return true;
	if (a->kind == 'R')
		return home.state == BUCKET_DELETED;
	if (a->kind == 'U')
		return home.state == BUCKET_SEALED ||
		    away.state == BUCKET_SEALED;
	if (a->kind == 'D')
		return home.found && home.state != BUCKET_DELETED;
	if (a->kind != 'X')
		return home.found;
	for (unsigned i = 0; i < run->actors; i++) {
		if (s->actor[i].kind == 'P' && s->actor[i].acked) {
			a->incarnation = s->actor[i].incarnation;
			return true;
		}
	}
	return false;
}

static void
step(const struct run *run, struct state *s, unsigned who)
{
	struct actor *a = &s->actor[who];

	switch (a->kind) {
	case 'C':
	case 'R':
		step_create(run, s, a);
		break;
	case 'D':
		step_delete(run, s, a);
		break;
	case 'U':
		step_unseal(run, s, a);
		break;
	case 'X':
		step_remove(run, s, a);
		break;
	case 'M':
		step_upload(run, s, a);
		break;
	default:
		step_put(run, s, a);
		break;
	}
}

static uint8_t
upload_state(struct model *part)
{
	struct rowset *rows = rowset_mem_rows(part->mem);
	struct upload_row row;

	if (rows->ops->upload_get(rows, part->partition, UPLOAD_ID, &row,
		NULL) < 0)
		return 0;
	return (uint8_t)row.state;
}

static const char *
check(const struct run *run, struct state *s)
{
	struct model_bucket home = model_bucket(&s->part[HOME], "b");
	struct model_bucket away = model_bucket(&s->part[AWAY], "b");
	uint64_t seq;

	if (home.state == BUCKET_DELETED && away.state == BUCKET_DELETED &&
	    upload_state(&s->part[AWAY]) == UPLOAD_OPEN)
		return "an upload outlived its bucket";
	if (away.state == BUCKET_SEALED && (s->ended >> away.attempt & 1) != 0)
		return "an attempt that is over holds the bucket";
	for (unsigned i = 0; i < run->actors; i++) {
		const struct actor *a = &s->actor[i];
		struct model_bucket *b = a->kind == 'H' ? &home : &away;

		if (!a->acked)
			continue;
		if (home.incarnation != a->incarnation ||
		    home.state == BUCKET_DELETED)
			return "an acknowledged object is in no bucket";
		if (b->incarnation != a->incarnation ||
		    b->state == BUCKET_DELETED ||
		    model_object(&s->part[a->kind == 'H' ? HOME : AWAY], "k",
			&seq) == 0)
			return "an acknowledged object is gone";
	}
	return NULL;
}

/* What a client can do if all others stopped: it must be able to put. */
static const char *
check_way_out(const struct run *run, const struct state *from)
{
	struct state s = *from;
	struct model_bucket b;
	const char *wrong = NULL;
	uint64_t incarnation;

	model_copy(&s.part[HOME], &from->part[HOME]);
	model_copy(&s.part[AWAY], &from->part[AWAY]);
	b = model_bucket(&s.part[HOME], "b");
	if (b.state == BUCKET_SEALED)
		append(run, &s, HOME, RECORD_UNSEAL_BUCKET, b.incarnation,
		    b.attempt);
	append(run, &s, HOME, RECORD_CREATE_BUCKET, 0, 0);
	incarnation = model_bucket(&s.part[HOME], "b").incarnation;
	b = model_bucket(&s.part[AWAY], "b");
	if (b.incarnation == incarnation && b.state == BUCKET_SEALED) {
		append(run, &s, HOME, RECORD_UNSEAL_BUCKET, incarnation,
		    b.attempt);
		append(run, &s, AWAY, RECORD_UNSEAL_BUCKET, incarnation,
		    b.attempt);
	} else if (b.incarnation < incarnation) {
		append(run, &s, AWAY, RECORD_CREATE_BUCKET, incarnation, 0);
	}
	if (append(run, &s, HOME, RECORD_PUT, incarnation, 0) != OUTCOME_DONE)
		wrong = "dead end: home takes no object";
	if (append(run, &s, AWAY, RECORD_PUT, incarnation, 0) != OUTCOME_DONE)
		wrong = "dead end: the other partition takes no object";
	if (!model_digest_good(&s.part[AWAY]))
		wrong = "the digest is not that of the rows";
	model_fini(&s.part[HOME]);
	model_fini(&s.part[AWAY]);
	return wrong;
}

/* Names of seqs do not matter, so how many records there were is left out. */
static size_t
rows_key(struct state *s, uint8_t key[static ROWS_KEY])
{
	uint64_t seq;
	size_t at = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct model_bucket b = model_bucket(&s->part[i], "b");

		key[at++] = (uint8_t)b.state;
		key[at++] = (uint8_t)b.incarnation;
		key[at++] = (uint8_t)b.attempt;
		key[at++] = (uint8_t)b.finished;
		key[at++] = b.empty;
		key[at++] = model_object(&s->part[i], "k", &seq) != 0;
	}
	key[at++] = upload_state(&s->part[AWAY]);
	return at;
}

static bool
is_new(struct run *run, struct state *s)
{
	uint8_t key[ROWS_KEY + sizeof(s->ended) + sizeof(s->actor)] = { 0 };
	size_t at = rows_key(s, key);

	memcpy(key + at, &s->ended, sizeof(s->ended));
	at += sizeof(s->ended);
	memcpy(key + at, s->actor, sizeof(s->actor));
	return model_seen_add(&run->seen, key, at + sizeof(s->actor));
}

static bool
has_new_rows(struct run *run, struct state *s)
{
	uint8_t key[ROWS_KEY] = { 0 };
	size_t at = rows_key(s, key);

	return model_seen_add(&run->rows, key, at);
}

static void
tell(struct run *run, const char *wrong)
{
	char *out = run->model->trace;
	size_t room = sizeof(run->model->trace);
	size_t at = (size_t)snprintf(out, room, "%s:", wrong);

	for (unsigned i = 0; i < run->depth && at + 24 < room; i++)
		at += (size_t)snprintf(out + at, room - at, " %s",
		    run->path[i]);
}

static bool visit(struct run *run, struct state *s);

static bool
visit_after(struct run *run, const struct state *s, unsigned who)
{
	struct state next = *s;
	const char *wrong;
	bool good;

	model_copy(&next.part[HOME], &s->part[HOME]);
	model_copy(&next.part[AWAY], &s->part[AWAY]);
	snprintf(run->path[run->depth], sizeof(run->path[0]), "%c%u.%u",
	    s->actor[who].kind, who, s->actor[who].pc);
	run->depth++;
	step(run, &next, who);
	wrong = check(run, &next);
	if (wrong != NULL)
		tell(run, wrong);
	good = wrong == NULL && visit(run, &next);
	run->depth--;
	model_fini(&next.part[HOME]);
	model_fini(&next.part[AWAY]);
	return good;
}

static bool
visit(struct run *run, struct state *s)
{
	const char *wrong;

	if (!is_new(run, s))
		return true;
	wrong = has_new_rows(run, s) ? check_way_out(run, s) : NULL;
	if (wrong != NULL) {
		tell(run, wrong);
		return false;
	}
	for (unsigned i = 0; i < run->actors; i++)
		if (may_step(run, s, i) && !visit_after(run, s, i))
			return false;
	return true;
}

bool
modelbucket_explore(struct modelbucket *model)
{
	struct run run = {
		.model = model,
		.actors = (unsigned)strlen(model->actors),
	};
	struct state s;
	bool good;

	memset(&s, 0, sizeof(s));
	model->trace[0] = '\0';
	model_seen_init(&run.seen);
	model_seen_init(&run.rows);
	model_init(&s.part[HOME], HOME);
	model_init(&s.part[AWAY], AWAY);
	for (unsigned i = 0; i < run.actors; i++)
		s.actor[i].kind = (uint8_t)model->actors[i];
	if (model->ready) {
		append(&run, &s, HOME, RECORD_CREATE_BUCKET, 0, 0);
		append(&run, &s, AWAY, RECORD_CREATE_BUCKET, 1, 0);
	}
	good = visit(&run, &s);
	model->states = run.seen.count;
	model_fini(&s.part[HOME]);
	model_fini(&s.part[AWAY]);
	model_seen_fini(&run.seen);
	model_seen_fini(&run.rows);
	return good;
}
