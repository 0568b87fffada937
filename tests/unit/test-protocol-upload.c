/* SPDX-License-Identifier: MIT */
#include "apply/apply.h"

#include <string.h>

#include "model.h"
#include "tap.h"

/*
 * Uploads and conditional writes of one key (protocol-why.md S16, S17): the
 * events come in every order, through the real apply and beside it through a
 * few lines that say what each ought to come to.
 *
 * Events:  i  INITIATE
 *          1  part 1        2  part 1 again, other bytes      3  part 2
 *          c  COMPLETE of 1 and 3      s  COMPLETE of 2 alone
 *          r  c again, with another request id
 *          a  ABORT of the upload
 *          p  PUT           d  DELETE
 *          n N  PUT, If-None-Match: *
 *          m M  PUT, If-Match: the ETag of p
 */

enum rule {
	ALL_RULES = 0,
	COMPLETE_TWICE = 1 << 0, /* a finished upload's row is forgotten */
	LATE_PARTS = 1 << 1,     /* parts come into a finished upload */
	LOOK_FIRST = 1 << 2,     /* conditions are decided by the gateway */
};

enum { DEPTH = 8, EVENTS = 14 };

static const char letters[] = "i123csrapdnNmM";

enum { NONE, OPEN, COMPLETED, ABORTED };

struct ideal {
	int upload;
	char slot[2];   /* which event's blob is part 1, 2; 0: none */
	char completed; /* the list that completed it: c or s */
	char version;   /* the event that made the key's version; 0: none */
	uint16_t made;  /* bit: the blob of that event took effect */
	uint16_t dead;  /* bit: it must be garbage, now or after the sweep */
};

struct search {
	const char *events;
	unsigned depth, removed;
	char path[DEPTH + 1];
	const char *wrong;
	size_t states;
};

static unsigned
number_of(char event)
{
	return (unsigned)(strchr(letters, event) - letters);
}

static struct reqid
id_of(char event)
{
	return model_id(MODEL_T0, 1 + number_of(event));
}

static uint32_t
value_of(char event)
{
	return 1 + number_of(event);
}

static void
kill_blob(struct ideal *ideal, char event)
{
	if (event != '\0')
		ideal->dead |= (uint16_t)(1u << number_of(event));
}

/* The version goes; a multipart one takes its parts along. */
static void
kill_version(struct ideal *ideal)
{
	char old = ideal->version;

	ideal->version = '\0';
	if (old != '\0' && strchr("csr", old) != NULL) {
		kill_blob(ideal, ideal->slot[0]);
		kill_blob(ideal, ideal->slot[1]);
		ideal->slot[0] = ideal->slot[1] = '\0';
		return;
	}
	kill_blob(ideal, old);
}

static enum outcome
ideal_part(struct ideal *ideal, char event)
{
	char *slot = &ideal->slot[event == '3'];

	if (ideal->upload != OPEN) {
		kill_blob(ideal, event);
		return OUTCOME_NO_SUCH_UPLOAD;
	}
	kill_blob(ideal, *slot);
	*slot = event;
	return OUTCOME_DONE;
}

static enum outcome
ideal_complete(struct ideal *ideal, char event)
{
	char list = event == 's' ? 's' : 'c';

	if (ideal->upload == COMPLETED)
		return ideal->completed == list ? OUTCOME_DONE :
						  OUTCOME_NO_SUCH_UPLOAD;
	if (ideal->upload != OPEN)
		return OUTCOME_NO_SUCH_UPLOAD;
	if (list == 'c' && (ideal->slot[0] != '1' || ideal->slot[1] != '3'))
		return OUTCOME_INVALID_PART;
	if (list == 's' && ideal->slot[0] != '2')
		return OUTCOME_INVALID_PART;
	kill_version(ideal);
	if (list == 's') {
		kill_blob(ideal, ideal->slot[1]);
		ideal->slot[1] = '\0';
	}
	ideal->upload = COMPLETED;
	ideal->completed = list;
	ideal->version = event;
	return OUTCOME_DONE;
}

static enum outcome
ideal_put(struct ideal *ideal, char event)
{
	enum outcome outcome = OUTCOME_DONE;

	if ((event == 'n' || event == 'N') && ideal->version != '\0')
		outcome = OUTCOME_PRECONDITION_FAILED;
	if ((event == 'm' || event == 'M') && ideal->version != 'p')
		outcome = ideal->version == '\0' ? OUTCOME_NO_SUCH_KEY :
						   OUTCOME_PRECONDITION_FAILED;
	if (outcome != OUTCOME_DONE) {
		kill_blob(ideal, event);
		return outcome;
	}
	kill_version(ideal);
	ideal->version = event;
	return OUTCOME_DONE;
}

static enum outcome
ideal_event(struct ideal *ideal, char event)
{
	switch (event) {
	case 'i':
		ideal->upload = OPEN;
		return OUTCOME_DONE;
	case '1':
	case '2':
	case '3':
		return ideal_part(ideal, event);
	case 'c':
	case 'r':
	case 's':
		return ideal_complete(ideal, event);
	case 'a':
		if (ideal->upload != OPEN)
			return OUTCOME_NO_SUCH_UPLOAD;
		ideal->upload = ABORTED;
		kill_blob(ideal, ideal->slot[0]);
		kill_blob(ideal, ideal->slot[1]);
		ideal->slot[0] = ideal->slot[1] = '\0';
		return OUTCOME_DONE;
	case 'd':
		kill_version(ideal);
		return OUTCOME_DONE;
	default:
		return ideal_put(ideal, event);
	}
}

static enum record_type
type_of(char event)
{
	switch (event) {
	case 'i':
		return RECORD_INITIATE;
	case '1':
	case '2':
	case '3':
		return RECORD_PART;
	case 'c':
	case 'r':
	case 's':
		return RECORD_COMPLETE;
	case 'a':
		return RECORD_ABORT;
	case 'd':
		return RECORD_DELETE;
	default:
		return RECORD_PUT;
	}
}

/* The ETags of model_etag() as the MD5 that a list has. */
static void
list_part(struct record_part *part, uint32_t number, char event)
{
	*part = (struct record_part){ .number = number };
	part->md5[15] = (uint8_t)value_of(event);
}

static struct model_result
apply_event(const struct search *search, struct model *m, char event)
{
	struct record_part parts[2];
	struct record r = model_record(type_of(event), id_of(event),
	    value_of(event));

	r.upload_id = id_of('i');
	r.has_upload = strchr("123csra", event) != NULL;
	r.part_number = event == '3' ? 2 : 1;
	r.parts = parts;
	r.part_count = event == 's' ? 1 : 2;
	list_part(&parts[0], 1, event == 's' ? '2' : '1');
	list_part(&parts[1], 2, '3');
	r.if_none_match = event == 'n' || event == 'N';
	if (event == 'm' || event == 'M')
		r.if_match = model_etag(value_of('p'));
	if ((search->removed & LOOK_FIRST) != 0) {
		r.if_none_match = false;
		r.if_match = BYTES_NONE;
	}
	return model_apply(m, &r);
}

/* A finished upload is made to look open again. */
static void
spoil(const struct search *search, struct model *m, char event)
{
	struct rowset *rows = rowset_mem_rows(m->mem);
	struct upload_row old;
	struct upload_row row;
	bool wanted = (strchr("csr", event) != NULL &&
			  (search->removed & COMPLETE_TWICE) != 0) ||
	    (strchr("123", event) != NULL &&
		(search->removed & LATE_PARTS) != 0);

	if (!wanted ||
	    rows->ops->upload_get(rows, m->partition, id_of('i'), &old, NULL) <
		0)
		return;
	row = old;
	row.state = UPLOAD_OPEN;
	rowset_mem_spoil(m->mem, true);
	if (rows->ops->upload_put(rows, &row, &old, NULL) < 0)
		printf("# upload_put failed\n");
	rowset_mem_spoil(m->mem, false);
}

static uint16_t
garbage_of(const struct model_result *result)
{
	uint16_t found = 0;

	for (size_t i = 0; i < result->garbage_count; i++)
		for (const char *e = letters; *e != '\0'; e++)
			if (result->garbage[i].kind == GARBAGE_BLOB &&
			    reqid_equal(result->garbage[i].id, id_of(*e)))
				found |= (uint16_t)(1u << number_of(*e));
	return found;
}

static const char *
check(const struct search *search, struct model *m, const struct ideal *ideal,
    uint16_t garbage)
{
	uint64_t seq;
	uint32_t want = 0;
	char slots[3] = { 0 };
	unsigned n = 0;

	if (ideal->version != '\0')
		want = value_of(ideal->version);
	if (model_object(m, "k", &seq) != want)
		return "the key has a version that it ought not to have";
	if ((garbage & ~ideal->dead) != 0)
		return "a blob that is needed is garbage";
	for (unsigned i = 0; i < 2; i++)
		if (ideal->slot[i] != '\0')
			slots[n++] = ideal->slot[i];
	for (char *c = slots; *c != '\0' && ideal->version != '\0'; c++)
		if (strchr("csr", ideal->version) != NULL &&
		    !model_refers(m, "k", id_of(*c)))
			return "a version lacks a part";
	if (search->removed == 0 && !model_digest_good(m))
		return "the digest is not that of the rows";
	return NULL;
}

/* What was to be garbage is, once the sweep had its turn. */
static const char *
check_leaks(const struct model *from, const struct ideal *ideal,
    uint16_t garbage)
{
	struct model m;
	struct model_result result;
	struct record r = model_record(RECORD_NOOP, model_id(MODEL_T0, 99), 0);

	model_copy(&m, from);
	result = model_apply(&m, &r);
	garbage |= garbage_of(&result);
	model_fini(&m);
	return garbage != ideal->dead ? "a blob is never collected" : NULL;
}

static bool
visit(struct search *search, const struct model *from,
    const struct ideal *ideal, uint16_t garbage, unsigned depth)
{
	for (const char *e = search->events; *e != '\0'; e++) {
		struct ideal next = *ideal;
		struct model_result result;
		struct model m;
		uint16_t all;
		bool good;

		if (memchr(search->path, *e, depth) != NULL)
			continue;
		search->path[depth] = *e;
		search->path[depth + 1] = '\0';
		search->states++;
		model_copy(&m, from);
		spoil(search, &m, *e);
		result = apply_event(search, &m, *e);
		all = garbage | garbage_of(&result);
		search->wrong = NULL;
		if (result.outcome != ideal_event(&next, *e))
			search->wrong = "another outcome";
		if (result.broken)
			search->wrong = "the rows contradict each other";
		if (search->wrong == NULL)
			search->wrong = check(search, &m, &next, all);
		if (search->wrong == NULL && depth + 1 == search->depth)
			search->wrong = check_leaks(&m, &next, all);
		good = search->wrong == NULL &&
		    (depth + 1 == search->depth ||
			visit(search, &m, &next, all, depth + 1));
		model_fini(&m);
		if (!good)
			return false;
	}
	return true;
}

static bool
explore(struct search *search, const char *first)
{
	struct ideal ideal = { 0 };
	struct record r = model_record(RECORD_CREATE_BUCKET,
	    model_id(MODEL_T0, 100), 0);
	struct model_result result;
	struct model m;
	bool good = true;

	model_init(&m, 0);
	result = model_apply(&m, &r);
	for (; *first != '\0'; first++) {
		result = apply_event(search, &m, *first);
		good = good && result.outcome == ideal_event(&ideal, *first);
	}
	good = good && visit(search, &m, &ideal, 0, 0);
	model_fini(&m);
	return good;
}

static bool
safe(const char *first, const char *events, unsigned depth)
{
	struct search search = { .events = events, .depth = depth };
	bool good = explore(&search, first);

	printf("# %s, then %s: %zu states\n", first, events, search.states);
	if (!good)
		printf("# %s: %s\n", search.path, search.wrong);
	return good;
}

static bool
caught(const char *first, const char *events, unsigned depth, unsigned rule)
{
	struct search search = {
		.events = events,
		.depth = depth,
		.removed = rule,
	};
	bool good = explore(&search, first);

	if (good)
		printf("# %zu states and nothing found\n", search.states);
	else
		printf("# found: %s%s: %s\n", first, search.path, search.wrong);
	return !good && safe(first, events, depth);
}

static void
parts_and_completes_in_any_order(void)
{
	CHECK(safe("i", "123csap", 6));
	CHECK(safe("i13", "crspda", 6));
	CHECK(safe("", "i13cra", 6));
}

static void
conditional_writes_in_any_order(void)
{
	CHECK(safe("", "pdnNmM", 6));
	CHECK(safe("i13", "cpnmd", 5));
}

static void
S16b_a_complete_that_is_applied_again_is_found(void)
{
	CHECK(caught("i13", "cpr", 3, COMPLETE_TWICE));
}

static void
S16f_a_part_into_a_finished_upload_is_found(void)
{
	CHECK(caught("i13", "c2", 2, LATE_PARTS));
	CHECK(caught("i1", "a3", 2, LATE_PARTS));
}

static void
S17_a_condition_that_the_gateway_decides_is_found(void)
{
	CHECK(caught("", "nN", 2, LOOK_FIRST));
	CHECK(caught("p", "mM", 2, LOOK_FIRST));
}

int
main(void)
{
	RUN(parts_and_completes_in_any_order);
	RUN(conditional_writes_in_any_order);
	RUN(S16b_a_complete_that_is_applied_again_is_found);
	RUN(S16f_a_part_into_a_finished_upload_is_found);
	RUN(S17_a_condition_that_the_gateway_decides_is_found);
	return tap_done();
}
