/* SPDX-License-Identifier: MIT */
#include "apply/apply.h"

#include <string.h>

#include "model.h"
#include "tap.h"

/*
 * A request id takes effect at most once, whatever comes late or again, and
 * nothing that a live version needs becomes garbage (protocol-why.md S8, S9,
 * S10).  Every sequence of some events is applied by the real apply, and
 * beside it by a few lines that remember all ids for ever.
 *
 * Events:  p q  PUT of ids that are made at the start
 *          f    PUT of an id that is made now
 *          x    PUT of an early id, If-None-Match: *
 *          a    ABORT of p's id         d  DELETE of the key
 *          c    the bucket's Create     t  three days pass
 *          j    a record that the log stamps two years ahead
 *          y    a record whose gateway's clock is two years ahead
 */

enum rule {
	ALL_RULES = 0,
	NO_EXPIRY = 1 << 0,
	FORGET_LIVE = 1 << 1,     /* ids are dropped by age alone */
	ABORT_IS_ENOUGH = 1 << 2, /* to delete shards, whatever came of it */
	RETRY_DECIDES = 1 << 3,   /* not_yet_here decides */
	REFUSAL_FORGOTTEN = 1 << 4,
	GATEWAYS_MOVE_T = 1 << 5,
	NO_CAP = 1 << 6,
};

enum { IDS = 64, DEPTH = 8, EARLY = 1, YEARS = 730 };

struct ending {
	bool decided, effect, garbage;
	enum outcome outcome;
};

/* What ought to be, by memory without end. */
struct ideal {
	bool bucket;
	uint32_t live; /* number of the id that the key has, 0: none */
	struct ending ending[IDS];
	uint32_t made; /* ids that were made on the way */
	uint64_t id_ms[IDS];
};

struct search {
	const char *events;
	unsigned depth, times;
	unsigned removed;
	char path[DEPTH + 1];
	const char *wrong;
	size_t states;
};

static const char letters[] = "pqx";

static uint32_t
number_of(char event)
{
	return EARLY + (uint32_t)(strchr(letters, event) - letters);
}

/* Rules that are taken away before a record is applied, and after. */
static void
spoil_before(const struct search *search, struct model *m,
    const struct record *r, uint64_t *t_ms)
{
	struct rowset *rows = rowset_mem_rows(m->mem);
	struct partition_row *part = model_partition(m);
	struct decided_row row;
	uint64_t id_ms = reqid_time_ms(r->request_id);

	*t_ms = part->t_ms;
	if ((search->removed & NO_EXPIRY) != 0 && id_ms < part->t_ms)
		part->t_ms = id_ms;
	if ((search->removed & GATEWAYS_MOVE_T) != 0 && id_ms > part->t_ms)
		part->t_ms = id_ms;
	if ((search->removed & NO_CAP) != 0 && m->time_ms > part->t_ms)
		part->t_ms = m->time_ms;
	if ((search->removed & FORGET_LIVE) == 0 ||
	    id_ms + APPLY_RETAIN_MS >= *t_ms ||
	    rows->ops->decided_get(rows, m->partition, r->request_id, &row,
		NULL) < 0)
		return;
	if (rows->ops->decided_del(rows, &row, NULL) < 0)
		printf("# decided_del failed\n");
}

static void
spoil_after(const struct search *search, struct model *m,
    const struct record *r, enum outcome outcome, uint64_t t_ms)
{
	struct rowset *rows = rowset_mem_rows(m->mem);
	struct decided_row row = {
		.partition = m->partition,
		.id = r->request_id,
		.seq = m->applied,
		.outcome = OUTCOME_NOT_YET_HERE,
	};
	int rc = 0;

	if ((search->removed & NO_EXPIRY) != 0)
		model_partition(m)->t_ms = t_ms;
	if ((search->removed & RETRY_DECIDES) != 0 &&
	    outcome == OUTCOME_NOT_YET_HERE &&
	    rows->ops->decided_get(rows, m->partition, r->request_id, &row,
		NULL) < 0)
		rc = rows->ops->decided_put(rows, &row, NULL, NULL);
	if ((search->removed & REFUSAL_FORGOTTEN) != 0 &&
	    outcome == OUTCOME_PRECONDITION_FAILED &&
	    rows->ops->decided_get(rows, m->partition, r->request_id, &row,
		NULL) == 0)
		rc = rows->ops->decided_del(rows, &row, NULL);
	if (rc < 0)
		printf("# a decided row could not be changed\n");
}

static void
ideal_die(struct ideal *ideal, uint32_t number)
{
	if (number != 0)
		ideal->ending[number].garbage = true;
}

/* The first record that decides an id, if it does not come too late. */
static enum outcome
ideal_record(struct ideal *ideal, char event, uint32_t number, bool late)
{
	struct ending *ending = &ideal->ending[number];

	if (ending->decided)
		return ending->outcome;
	if (!late && event != 'a' && !ideal->bucket)
		return OUTCOME_NOT_YET_HERE;
	ending->decided = true;
	ending->outcome = OUTCOME_DONE;
	if (late)
		ending->outcome = OUTCOME_EXPIRED;
	else if (event == 'a')
		ending->outcome = OUTCOME_ABORTED;
	else if (event == 'x' && ideal->live != 0)
		ending->outcome = OUTCOME_PRECONDITION_FAILED;
	if (ending->outcome != OUTCOME_DONE) {
		ideal_die(ideal, number);
		return ending->outcome;
	}
	ideal_die(ideal, ideal->live);
	ending->effect = true;
	ideal->live = number;
	return OUTCOME_DONE;
}

static const char *
check(const struct search *search, struct model *m, const struct ideal *ideal,
    const struct model_result *result)
{
	uint64_t seq;
	uint32_t live = model_object(m, "k", &seq);

	if (result->broken)
		return "the rows contradict each other";
	if (live != ideal->live)
		return "the key has a version that it ought not to have";
	for (size_t i = 0; i < result->garbage_count; i++)
		for (uint32_t n = EARLY; n < ideal->made; n++)
			if (reqid_equal(result->garbage[i].id,
				model_id(ideal->id_ms[n], n)) &&
			    (n == live || !ideal->ending[n].garbage))
				return "a blob that is needed is garbage";
	if (search->removed == 0 && !model_digest_good(m))
		return "the digest is not that of the rows";
	return NULL;
}

static const char *
apply_put(const struct search *search, struct model *m, struct ideal *ideal,
    char event, uint32_t number)
{
	uint64_t id_ms = ideal->id_ms[number];
	struct record r = model_record(event == 'a' ? RECORD_ABORT : RECORD_PUT,
	    model_id(id_ms, number), number);
	bool late = id_ms + APPLY_EXPIRE_MS < model_partition(m)->t_ms;
	struct model_result result;
	enum outcome want;
	uint64_t t_ms;

	r.if_none_match = event == 'x';
	want = ideal_record(ideal, event, number, late);
	spoil_before(search, m, &r, &t_ms);
	result = model_apply(m, &r);
	if (result.broken)
		return check(search, m, ideal, &result);
	spoil_after(search, m, &r, result.outcome, t_ms);
	if ((search->removed & ABORT_IS_ENOUGH) != 0 && event == 'a' &&
	    result.garbage_count < MODEL_GARBAGE_MAX)
		result.garbage[result.garbage_count++] = (struct garbage_row){
			.id = r.request_id
		};
	if (event == 'f' && result.outcome == OUTCOME_EXPIRED)
		return "an id that was made now is expired";
	/* After 7 days the first outcome may be forgotten, not the effect. */
	if (result.outcome != want &&
	    !(late && result.outcome == OUTCOME_EXPIRED))
		return "another outcome";
	return check(search, m, ideal, &result);
}

static const char *
apply_noop(const struct search *search, struct model *m,
    const struct ideal *ideal, uint64_t id_ms)
{
	struct record r = model_record(RECORD_NOOP,
	    model_id(id_ms, IDS + (uint32_t)m->applied), 0);
	struct model_result result;
	uint64_t t_ms;

	spoil_before(search, m, &r, &t_ms);
	result = model_apply(m, &r);
	spoil_after(search, m, &r, result.outcome, t_ms);
	return check(search, m, ideal, &result);
}

/* As after so many records that T has followed; the sweep has its turn. */
static const char *
pass_time(const struct search *search, struct model *m,
    const struct ideal *ideal)
{
	const char *wrong = NULL;

	m->time_ms += 3 * MODEL_DAY;
	model_partition(m)->t_ms = m->time_ms;
	for (unsigned i = 0; i < 16 && wrong == NULL; i++)
		wrong = apply_noop(search, m, ideal, m->time_ms);
	return wrong;
}

static const char *
jump(const struct search *search, struct model *m, const struct ideal *ideal)
{
	uint64_t now = m->time_ms;
	const char *wrong;

	m->time_ms += YEARS * MODEL_DAY;
	wrong = apply_noop(search, m, ideal, now);
	m->time_ms = now;
	return wrong;
}

static const char *
apply_event(const struct search *search, struct model *m, struct ideal *ideal,
    char event)
{
	struct model_result result;
	struct record r;

	switch (event) {
	case 'a':
		return apply_put(search, m, ideal, event, number_of('p'));
	case 'f':
		ideal->id_ms[ideal->made] = m->time_ms;
		return apply_put(search, m, ideal, event, ideal->made++);
	case 't':
		return pass_time(search, m, ideal);
	case 'j':
		return jump(search, m, ideal);
	case 'y':
		return apply_noop(search, m, ideal,
		    m->time_ms + YEARS * MODEL_DAY);
	case 'c':
	case 'd':
		r = model_record(event == 'c' ? RECORD_CREATE_BUCKET :
						RECORD_DELETE,
		    model_id(m->time_ms, 2 * IDS + (uint32_t)m->applied), 0);
		if (event == 'd' && ideal->bucket) {
			ideal_die(ideal, ideal->live);
			ideal->live = 0;
		}
		ideal->bucket = ideal->bucket || event == 'c';
		result = model_apply(m, &r);
		return check(search, m, ideal, &result);
	default:
		return apply_put(search, m, ideal, event, number_of(event));
	}
}

static bool
visit(struct search *search, const struct model *from,
    const struct ideal *ideal, unsigned depth)
{
	for (const char *e = search->events; *e != '\0'; e++) {
		struct model m;
		struct ideal next = *ideal;
		unsigned used = 0;
		bool good;

		for (unsigned i = 0; i < depth; i++)
			used += search->path[i] == *e;
		if (used >= (*e == 't' ? 3 : search->times))
			continue;
		search->path[depth] = *e;
		search->path[depth + 1] = '\0';
		search->states++;
		model_copy(&m, from);
		search->wrong = apply_event(search, &m, &next, *e);
		good = search->wrong == NULL &&
		    (depth + 1 == search->depth ||
			visit(search, &m, &next, depth + 1));
		model_fini(&m);
		if (!good)
			return false;
	}
	return true;
}

static bool
explore(struct search *search, bool bucket)
{
	struct ideal ideal = { .made = EARLY + 3 };
	struct model m;
	bool good;

	search->states = 0;
	for (uint32_t n = EARLY; n < ideal.made; n++)
		ideal.id_ms[n] = MODEL_T0;
	model_init(&m, 0);
	good = !bucket || apply_event(search, &m, &ideal, 'c') == NULL;
	good = good && visit(search, &m, &ideal, 0);
	model_fini(&m);
	return good;
}

static bool
safe(const char *events, unsigned depth, unsigned times, bool bucket)
{
	struct search search = {
		.events = events,
		.depth = depth,
		.times = times,
	};
	bool good = explore(&search, bucket);

	printf("# %s: %zu states\n", events, search.states);
	if (!good)
		printf("# %s: %s\n", search.path, search.wrong);
	return good;
}

static bool
caught(const char *events, unsigned depth, bool bucket, unsigned rule)
{
	struct search search = {
		.events = events,
		.depth = depth,
		.times = 2,
		.removed = rule,
	};
	bool good = explore(&search, bucket);

	if (good)
		printf("# %zu states and nothing found\n", search.states);
	else
		printf("# found: %s: %s\n", search.path, search.wrong);
	return !good && safe(events, depth, 2, bucket);
}

static void
an_id_takes_effect_at_most_once(void)
{
	CHECK(safe("pqxad", 5, 2, true));
	CHECK(safe("pqaxdfc", 6, 1, false));
	CHECK(safe("pqatf", 5, 2, true));
}

static void
S8_a_late_abort_of_a_live_blob_is_found(void)
{
	CHECK(caught("pat", 5, true, FORGET_LIVE | NO_EXPIRY));
	CHECK(caught("pa", 3, true, ABORT_IS_ENOUGH));
}

static void
S9_a_duplicate_of_a_forgotten_id_is_found(void)
{
	CHECK(caught("pqt", 6, true, NO_EXPIRY));
}

static void
S9_clocks_of_gateways_and_one_bad_stamp_are_found(void)
{
	CHECK(caught("yf", 3, true, GATEWAYS_MOVE_T));
	CHECK(caught("jf", 3, true, NO_CAP));
}

static void
S10_a_retry_that_its_refusal_decided_is_found(void)
{
	CHECK(caught("pc", 3, false, RETRY_DECIDES));
}

static void
S10_a_refusal_that_takes_effect_later_is_found(void)
{
	CHECK(caught("pxd", 4, true, REFUSAL_FORGOTTEN));
}

int
main(void)
{
	RUN(an_id_takes_effect_at_most_once);
	RUN(S8_a_late_abort_of_a_live_blob_is_found);
	RUN(S9_a_duplicate_of_a_forgotten_id_is_found);
	RUN(S9_clocks_of_gateways_and_one_bad_stamp_are_found);
	RUN(S10_a_retry_that_its_refusal_decided_is_found);
	RUN(S10_a_refusal_that_takes_effect_later_is_found);
	return tap_done();
}
