/* SPDX-License-Identifier: MIT */
#include "apply/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "model.h"
#include "tap.h"

/*
 * Nodes that read one real log at their own pace, forget tombstones when they
 * like, and come back from old copies of their rows, have equal outcomes and
 * equal hashes H and D at equal seq (promise 2 of protocol.md, S12).  The
 * records are any of any kind, many of them again, some no records at all.
 */

enum { NODES = 9, PARTITIONS = 2, RECORDS = 240, SEQS = RECORDS + 1 };

enum fault {
	NO_FAULT = 0,
	OWN_CLOCK = 1 << 0,   /* one node takes its own time for the log's */
	SKIPS = 1 << 1,       /* one node skips a record */
	FLIPPED_ROW = 1 << 2, /* one node's row is damaged: H is right */
	REORDERS = 1 << 3,    /* one node takes two records the other way */
};

struct truth {
	bool known;
	enum outcome outcome;
	uint8_t hash[ROW_HASH_BYTES], digest[ROW_HASH_BYTES];
};

struct node {
	unsigned number;
	struct model rows[PARTITIONS], backup[PARTITIONS];
	struct commitlog_reader *reader;
	struct buf held; /* a record that comes after the next one */
	uint64_t held_ms;
};

struct world {
	uint64_t random;
	unsigned fault;
	struct clock_manual clock;
	struct commitlog *log;
	struct node node[NODES];
	struct truth truth[PARTITIONS][SEQS];
	struct buf line[RECORDS];
	uint32_t line_partition[RECORDS];
	struct reqid line_id[RECORDS];
	unsigned lines;
	struct reqid upload; /* the last one */
	const char *wrong;
};

struct delivery {
	struct world *world;
	struct node *node;
};

static uint32_t
any(struct world *w, uint32_t below)
{
	return model_random(&w->random, below);
}

static void
open_reader(struct world *w, struct node *node)
{
	struct commitlog_position at[PARTITIONS];
	struct error err;

	commitlog_reader_close(node->reader);
	node->reader = NULL;
	for (uint32_t p = 0; p < PARTITIONS; p++)
		at[p] = (struct commitlog_position){ p,
			node->rows[p].applied + 1 };
	if (commitlog_reader_open(&node->reader, w->log, at, PARTITIONS,
		UINT64_MAX, &err) < 0)
		w->wrong = "a reader cannot be opened";
}

static void
world_init(struct world *w, uint64_t seed, unsigned fault)
{
	static const uint32_t partitions[] = { 0, 1 };
	struct commitlog_genesis genesis = {
		.partitions = partitions,
		.count = PARTITIONS,
	};
	struct commitlog_options options = { .clock = &w->clock.clock };
	char url[64];
	struct error err;

	memset(w, 0, sizeof(*w));
	w->random = seed;
	w->fault = fault;
	clock_manual_init(&w->clock, MODEL_T0);
	w->upload = model_id(MODEL_T0, 1);
	memset(genesis.cluster, 'c', 32);
	/* Every other one as an engine would be. */
	snprintf(url, sizeof(url), "mem:replicas-%u-%llu%s", fault,
	    (unsigned long long)seed, seed % 2 == 0 ? "?shared=no" : "");
	if (commitlog_create(url, &genesis, &options, &err) < 0 ||
	    commitlog_open(&w->log, url, &options, &err) < 0) {
		w->wrong = "the log cannot be made";
		return;
	}
	for (unsigned i = 0; i < NODES; i++) {
		struct node *node = &w->node[i];

		node->number = i;
		node->held = buf_make(RECORD_BYTES_MAX);
		for (uint32_t p = 0; p < PARTITIONS; p++) {
			model_init(&node->rows[p], p);
			model_copy(&node->backup[p], &node->rows[p]);
		}
		open_reader(w, node);
	}
}

static void
world_fini(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		commitlog_reader_close(w->node[i].reader);
		buf_fini(&w->node[i].held);
		for (uint32_t p = 0; p < PARTITIONS; p++) {
			model_fini(&w->node[i].rows[p]);
			model_fini(&w->node[i].backup[p]);
		}
	}
	for (unsigned i = 0; i < w->lines; i++)
		buf_fini(&w->line[i]);
	commitlog_close(w->log);
}

static struct reqid
any_id(struct world *w)
{
	if (w->lines == 0)
		return model_id(MODEL_T0, 1);
	return w->line_id[any(w, w->lines)];
}

static struct node *
ahead(struct world *w, uint32_t p)
{
	struct node *best = &w->node[0];

	for (unsigned i = 1; i < NODES; i++)
		if (w->node[i].rows[p].applied > best->rows[p].applied)
			best = &w->node[i];
	return best;
}

/* Mostly such that it may do something where the log is now. */
static struct record
any_record(struct world *w, uint32_t p)
{
	static const char *const keys[] = { "k", "k", "k", "l" };
	static const uint8_t kinds[] = { RECORD_CREATE_BUCKET,
		RECORD_CREATE_BUCKET, RECORD_CREATE_BUCKET, RECORD_SEAL_BUCKET,
		RECORD_UNSEAL_BUCKET, RECORD_UNSEAL_BUCKET,
		RECORD_DELETE_BUCKET, RECORD_PUT, RECORD_PUT, RECORD_PUT,
		RECORD_PUT, RECORD_PUT, RECORD_PUT, RECORD_PUT, RECORD_DELETE,
		RECORD_DELETE, RECORD_DELETE, RECORD_ABORT, RECORD_ABORT,
		RECORD_INITIATE, RECORD_INITIATE, RECORD_PART, RECORD_PART,
		RECORD_PART, RECORD_COMPLETE, RECORD_COMPLETE, RECORD_NOOP };
	struct model_bucket b = model_bucket(&ahead(w, p)->rows[p], "b");
	uint32_t value = 1 + any(w, 3);
	struct record r = model_record((enum record_type)
					   kinds[any(w, nitems(kinds))],
	    model_id(clock_real_ms(&w->clock.clock), w->lines), value);

	if ((!b.found || b.state == BUCKET_DELETED) && any(w, 2) == 0)
		r.type = RECORD_CREATE_BUCKET;
	r.key = bytes_str(keys[any(w, nitems(keys))]);
	r.home = p == 0;
	r.incarnation = b.incarnation;
	r.attempt = b.attempt;
	if (any(w, 8) == 0)
		r.attempt = r.incarnation + any(w, 20);
	if (any(w, 8) == 0 || b.state == BUCKET_DELETED)
		r.incarnation += 1 + any(w, 2);
	if (r.type == RECORD_SEAL_BUCKET && p != 0)
		r.attempt = w->lines;
	r.if_none_match = any(w, 6) == 0;
	if (any(w, 6) == 0)
		r.if_match = model_etag(1 + any(w, 3));
	r.upload_id = r.type == RECORD_PART || any(w, 2) == 0 ? w->upload :
								any_id(w);
	if (r.type == RECORD_INITIATE)
		w->upload = r.request_id;
	r.has_upload = r.type == RECORD_PART || r.type == RECORD_COMPLETE ||
	    (r.type == RECORD_ABORT && any(w, 2) == 0);
	r.part_number = 1;
	if (r.type == RECORD_ABORT && !r.has_upload)
		r.request_id = any_id(w);
	return r;
}

/* A new record, an old one again, or something else. */
static void
append(struct world *w)
{
	struct record_part part = { .number = 1 };
	struct commitlog_item item = { .partition = any(w, PARTITIONS) };
	unsigned what = any(w, 10);
	struct record r = any_record(w, item.partition);
	unsigned old = 0;
	struct error err;

	part.md5[15] = (uint8_t)(1 + any(w, 3));
	r.parts = &part;
	r.part_count = 1;
	w->line_id[w->lines] = r.request_id;
	w->line_partition[w->lines] = item.partition;
	if (what == 0 && w->lines > 0) {
		old = any(w, w->lines);
		item.partition = w->line_partition[old];
		w->line_partition[w->lines] = item.partition;
		w->line_id[w->lines] = w->line_id[old];
		w->line[w->lines] = buf_make(RECORD_BYTES_MAX);
		buf_add(&w->line[w->lines], w->line[old].p, w->line[old].n);
	} else if (what == 1) {
		w->line[w->lines] = buf_make(RECORD_BYTES_MAX);
		buf_addstr(&w->line[w->lines], "a line from somebody else");
	} else {
		w->line[w->lines] = model_line(&r);
	}
	item.request_id = w->line_id[w->lines];
	item.line = buf_bytes(&w->line[w->lines++]);
	if (commitlog_append(w->log, &item, 1, UINT64_MAX, &err) < 0) {
		w->wrong = "append";
		printf("# %s\n", err.text);
	}
	w->clock.now_ms += any(w, 8) == 0 ? 5 * MODEL_HOUR : 10;
}

static void
compare(struct world *w, struct node *node, uint32_t p, enum outcome outcome)
{
	const struct partition_row *row = model_partition(&node->rows[p]);
	struct truth *truth = &w->truth[p][row->applied];

	if (!truth->known) {
		truth->known = true;
		truth->outcome = outcome;
		memcpy(truth->hash, row->hash, sizeof(row->hash));
		memcpy(truth->digest, row->digest, sizeof(row->digest));
	} else if (memcmp(truth->hash, row->hash, sizeof(row->hash)) != 0) {
		w->wrong = "H differs at an equal seq";
	} else if (memcmp(truth->digest, row->digest, sizeof(row->digest))) {
		w->wrong = "D differs at an equal seq";
	} else if (truth->outcome != outcome) {
		w->wrong = "an outcome differs";
	}
}

static void
damage(struct model *m)
{
	struct rowset *rows = rowset_mem_rows(m->mem);
	struct object_row old;
	struct object_row row;

	if (rows->ops->object_get(rows, m->partition, bytes_str("b"),
		bytes_str("k"), &old, NULL) < 0 ||
	    old.kind == OBJECT_TOMBSTONE)
		return;
	row = old;
	row.size ^= 1;
	rowset_mem_spoil(m->mem, true);
	if (rows->ops->object_put(rows, &row, &old, NULL) < 0)
		printf("# object_put failed\n");
	rowset_mem_spoil(m->mem, false);
}

static void
apply_one(struct world *w, struct node *node, uint32_t p, uint64_t time_ms,
    struct bytes line)
{
	struct model *m = &node->rows[p];
	struct model_result result = model_apply_line(m, time_ms, line);

	if (result.broken)
		w->wrong = "the rows contradict each other";
	else
		compare(w, node, p, result.outcome);
}

static int
deliver(void *arg, const struct commitlog_entry *entry)
{
	struct delivery *d = arg;
	struct world *w = d->world;
	struct node *node = d->node;
	bool odd = node->number == 4;
	uint64_t seq = node->rows[entry->partition].applied + 1;
	uint64_t time_ms = entry->time_ms;

	if (w->wrong != NULL)
		return 0;
	if (odd && (w->fault & OWN_CLOCK) != 0)
		time_ms += 1;
	if (odd && (w->fault & SKIPS) != 0 && seq == 20)
		return apply_one(w, node, entry->partition, time_ms,
			   bytes_str("x")),
		       0;
	if (odd && (w->fault & FLIPPED_ROW) != 0 && seq % 8 == 0)
		damage(&node->rows[entry->partition]);
	if (odd && (w->fault & REORDERS) != 0 && entry->partition == 0 &&
	    node->held.n == 0 && seq > 10) {
		buf_add(&node->held, entry->line.p, entry->line.n);
		node->held_ms = time_ms;
		return 0;
	}
	if (seq > entry->seq)
		w->wrong = "a record came twice";
	apply_one(w, node, entry->partition, time_ms, entry->line);
	if (node->held.n > 0 && entry->partition == 0) {
		apply_one(w, node, 0, node->held_ms, buf_bytes(&node->held));
		buf_clear(&node->held);
	}
	return 0;
}

static void
catch_up(struct world *w, struct node *node, size_t most)
{
	struct delivery d = { w, node };
	struct error err;

	if (commitlog_reader_next(node->reader, most, SIZE_MAX, deliver, &d,
		UINT64_MAX, &err) < 0)
		w->wrong = "the log cannot be read";
}

/* Back to an older copy of all rows, as from a backup. */
static void
lose_tail(struct world *w, struct node *node)
{
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		model_fini(&node->rows[p]);
		model_copy(&node->rows[p], &node->backup[p]);
	}
	buf_clear(&node->held);
	open_reader(w, node);
}

static void
back_up(struct node *node)
{
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		model_fini(&node->backup[p]);
		model_copy(&node->backup[p], &node->rows[p]);
	}
}

static void
finish(struct world *w)
{
	struct error err;

	for (unsigned i = 0; i < NODES && w->wrong == NULL; i++) {
		catch_up(w, &w->node[i], SIZE_MAX);
		for (uint32_t p = 0; p < PARTITIONS; p++) {
			struct model *m = &w->node[i].rows[p];

			struct commitlog_span end = { .partition = p };

			if (commitlog_stored(w->log, &end, 1, UINT64_MAX,
				&err) < 0 ||
			    end.last != m->applied)
				w->wrong = "a node is not at the log's end";
			if (!model_digest_good(m) && w->wrong == NULL)
				w->wrong = "the digest is not that of the rows";
			if (!model_equal(m, &w->node[0].rows[p]) &&
			    w->wrong == NULL)
				w->wrong = "two nodes differ at the end";
		}
	}
}

static bool
run(uint64_t seed, unsigned fault)
{
	struct world *w = malloc(sizeof(*w));
	const char *wrong = "out of memory";

	if (w == NULL)
		return false;
	world_init(w, seed, fault);
	while (w->wrong == NULL && w->lines < RECORDS) {
		struct node *node = &w->node[any(w, NODES)];
		uint32_t what = any(w, 40);

		if (what < 16)
			append(w);
		else if (what < 34)
			catch_up(w, node, 1 + any(w, 12));
		else if (what < 37)
			rowset_mem_drop_tombstones(
			    node->rows[any(w, PARTITIONS)].mem);
		else if (what < 39)
			back_up(node);
		else
			lose_tail(w, node);
	}
	if (w->wrong == NULL)
		finish(w);
	wrong = w->wrong;
	if (wrong != NULL)
		printf("# seed %llu: %s\n", (unsigned long long)seed, wrong);
	world_fini(w);
	free(w);
	return wrong == NULL;
}

static bool
caught(unsigned fault)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		if (!run(seed, fault))
			return true;
	return false;
}

static void
nodes_at_an_equal_seq_are_equal(void)
{
	for (uint64_t seed = 1; seed <= 16; seed++)
		CHECK(run(seed, NO_FAULT));
}

static void
S12_a_node_that_takes_its_own_time_is_found(void)
{
	CHECK(caught(OWN_CLOCK));
}

static void
S12_a_skipped_record_is_found(void)
{
	CHECK(caught(SKIPS));
}

static void
S12_records_in_another_order_are_found(void)
{
	CHECK(caught(REORDERS));
}

static void
S12b_a_damaged_row_under_the_right_H_is_found(void)
{
	CHECK(caught(FLIPPED_ROW));
}

int
main(void)
{
	RUN(nodes_at_an_equal_seq_are_equal);
	RUN(S12_a_node_that_takes_its_own_time_is_found);
	RUN(S12_a_skipped_record_is_found);
	RUN(S12_records_in_another_order_are_found);
	RUN(S12b_a_damaged_row_under_the_right_H_is_found);
	return tap_done();
}
