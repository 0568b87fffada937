/* SPDX-License-Identifier: MIT */
#include "apply/apply.h"

#include <assert.h>
#include <string.h>

#include "apply/apply_step.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

/*
 * An entry is applied in this order, which is part of the format: another
 * order would give other outcomes.
 *
 *      T moves -> ignored? -> decided before? -> stale epoch? -> expired?
 *      -> what its type says -> decided row -> chain hash -> sweep
 */

/* The id is not decided, so no row refers to it and none ever will. */
static int
abort_blob(struct apply *a)
{
	struct reqid id = a->record->request_id;

	assert(a->record->type == RECORD_ABORT && !a->record->has_upload);
	a->outcome = OUTCOME_ABORTED;
	return apply_tell_garbage(a, id, GARBAGE_BLOB, GARBAGE_ABORTED, a->seq);
}

static int
step(struct apply *a)
{
	switch (a->record->type) {
	case RECORD_CREATE_BUCKET:
		return apply_create_bucket(a);
	case RECORD_SEAL_BUCKET:
		return apply_seal_bucket(a);
	case RECORD_UNSEAL_BUCKET:
		return apply_unseal_bucket(a);
	case RECORD_DELETE_BUCKET:
		return apply_delete_bucket(a);
	case RECORD_BUCKET_CONFIG:
		return apply_configure_bucket(a);
	case RECORD_PUT:
		return apply_put(a);
	case RECORD_DELETE:
		return apply_delete(a);
	case RECORD_ABORT:
		return a->record->has_upload ? apply_abort_upload(a) :
					       abort_blob(a);
	case RECORD_INITIATE:
		return apply_initiate(a);
	case RECORD_PART:
		return apply_part(a);
	case RECORD_COMPLETE:
		return apply_complete(a);
	case RECORD_NOOP:
		return 0;
	case RECORD_RAISE_EPOCH: /* from here on older ones are stale */
		a->partition->epoch = KOOP_MAX(a->partition->epoch,
		    a->record->new_epoch);
		return 0;
	case RECORD_RAISE_LEVEL: /* from here on writers may use it */
		a->partition->level = KOOP_MAX(a->partition->level,
		    a->record->level);
		return 0;
	case RECORD_GENESIS: /* in the middle of a log it means nothing */
	case RECORD_TYPE_MAX:
		break;
	}
	a->outcome = OUTCOME_IGNORED;
	return 0;
}

/* Has the record a blob of its own, which is litter if it has no effect? */
static bool
names_blob(const struct record *r)
{
	return r->type == RECORD_PUT || r->type == RECORD_PART ||
	    (r->type == RECORD_ABORT && !r->has_upload);
}

static int
decide(struct apply *a, bool *duplicate)
{
	const struct record *r = a->record;
	struct decided_row row = {
		.partition = a->partition->partition,
		.id = r->request_id,
		.seq = a->seq,
	};
	struct decided_row first;
	int rc;

	/* The first record that names an id decides (protocol.md 5): a late
	 * copy of a record must find what the first came to. */
	rc = a->ops->decided_get(a->rows, row.partition, row.id, &first,
	    a->err);
	if (rc == 0) {
		assert(first.seq < a->seq);
		a->outcome = (enum outcome)first.outcome;
		*duplicate = true;
		return 0;
	}
	if (rc != -ERRC_NOTFOUND)
		return rc;

	a->outcome = OUTCOME_DONE;
	/* Written by who did not know of a change of the sets: it must come
	 * again (protocol.md 8, "Topology"), so nothing is decided. */
	if (r->epoch < a->partition->epoch)
		a->outcome = OUTCOME_STALE_EPOCH;
	else if (reqid_time_ms(row.id) + APPLY_EXPIRE_MS < a->partition->t_ms)
		a->outcome = OUTCOME_EXPIRED;
	else if ((rc = step(a)) < 0)
		return rc;
	if (!outcome_decides(a->outcome))
		return 0;

	row.outcome = a->outcome;
	row.live = a->live;
	rc = a->ops->decided_put(a->rows, &row, NULL, a->err);
	if (rc < 0 || a->live || !names_blob(r) ||
	    a->outcome == OUTCOME_ABORTED)
		return rc;
	return apply_tell_garbage(a, row.id, GARBAGE_BLOB, GARBAGE_REFUSED,
	    a->seq);
}

/* Kept without inline text: peers that hold the object have the bytes. */
static int
add_oplog(struct apply *a, const struct apply_input *in)
{
	struct buf stripped = buf_make(RECORD_BYTES_MAX);
	struct oplog_row row = {
		.partition = in->partition,
		.seq = in->seq,
		.time_ms = in->time_ms,
		.outcome = a->outcome,
		.line = in->line,
	};
	int rc;

	memcpy(row.hash, a->partition->hash, sizeof(row.hash));
	if (a->record != NULL) {
		row.id = a->record->request_id;
		if (a->record->blob.inline_base64.n > 0) {
			record_strip(&stripped, in->line);
			row.line = buf_bytes(&stripped);
		}
	}
	if (buf_failed(&stripped))
		rc = error_set(a->err, ERRC_NOMEM, "oplog: out of memory");
	else
		rc = a->ops->oplog_add(a->rows, &row, a->err);
	buf_fini(&stripped);
	return rc;
}

/* Never back, and one mad stamp of the log does no harm. */
static void
move_time(struct partition_row *partition, uint64_t time_ms)
{
	uint64_t most = partition->t_ms + APPLY_STEP_MS;

	if (time_ms > partition->t_ms)
		partition->t_ms = KOOP_MIN(time_ms, most);
}

int
apply_entry(struct rowset *rows, const struct apply_effects *effects,
    const struct apply_input *in, struct apply_result *result,
    struct error *err)
{
	struct apply a = {
		.rows = rows,
		.ops = rows->ops,
		.effects = effects,
		.seq = in->seq,
		.outcome = OUTCOME_IGNORED,
		.err = err,
	};
	bool duplicate = false;
	int rc;

	assert(in->verdict == RECORD_OK || in->verdict == RECORD_IGNORED);
	assert((in->verdict == RECORD_OK) == (in->record != NULL));
	a.record = in->record;
	rc = a.ops->partition(rows, in->partition, &a.partition, err);
	if (rc < 0)
		return rc;
	if (in->seq != a.partition->applied + 1)
		return error_set(err, ERRC_USAGE,
		    "partition %u: record %llu comes after %llu", in->partition,
		    (unsigned long long)in->seq,
		    (unsigned long long)a.partition->applied);

	move_time(a.partition, in->time_ms);
	if (a.record != NULL && (rc = decide(&a, &duplicate)) < 0)
		return rc;
	if (a.outcome == OUTCOME_IGNORED)
		a.partition->ignored++;
	rc = record_hash(a.partition->hash, a.partition->hash, in->line, err);
	if (rc < 0)
		return rc;
	if ((rc = add_oplog(&a, in)) < 0)
		return rc;
	assert(a.partition->applied < in->seq);
	a.partition->applied = in->seq;
	a.partition->halted = 0;
	if ((rc = apply_sweep(&a)) < 0)
		return rc;

	*result = (struct apply_result){
		.outcome = a.outcome,
		.applied = in->seq,
		.time_ms = a.partition->t_ms,
		.duplicate = duplicate,
	};
	if (a.record != NULL)
		result->id = a.record->request_id;
	memcpy(result->hash, a.partition->hash, sizeof(result->hash));
	return 0;
}

int
apply_halt(struct rowset *rows, uint32_t partition, uint64_t seq,
    struct error *err)
{
	struct partition_row *row;
	int rc = rows->ops->partition(rows, partition, &row, err);

	if (rc < 0)
		return rc;
	assert(seq > row->applied);
	row->halted = seq;
	return 0;
}

void
apply_genesis(struct partition_row *out, const struct record *genesis,
    uint32_t partition, uint64_t time_ms)
{
	assert(genesis->type == RECORD_GENESIS);
	*out = (struct partition_row){
		.partition = partition,
		.generation = genesis->generation,
		.base_seq = genesis->base_seq,
		.applied = genesis->base_seq,
		.t_ms = time_ms,
		.epoch = genesis->epoch,
		.level = KOOP_MAX(genesis->level, 1u),
	};
	memcpy(out->hash, genesis->chain, sizeof(out->hash));
}

int
apply_regenesis(struct rowset *rows, uint32_t partition,
    const struct record *genesis, struct error *err)
{
	struct partition_row *row;
	int rc = rows->ops->partition(rows, partition, &row, err);

	if (rc < 0)
		return rc;
	assert(genesis->type == RECORD_GENESIS);
	if (genesis->generation < row->generation)
		return error_set(err, ERRC_CORRUPT,
		    "partition %u: the log is of generation %llu, this node "
		    "of %llu",
		    partition, (unsigned long long)genesis->generation,
		    (unsigned long long)row->generation);
	if (genesis->generation == row->generation)
		return 0;
	if (genesis->base_seq != row->applied ||
	    memcmp(genesis->chain, row->hash, sizeof(row->hash)) != 0)
		return error_set(err, ERRC_MISMATCH,
		    "partition %u: generation %llu begins at %llu, this node "
		    "is at %llu: install a snapshot of a peer",
		    partition, (unsigned long long)genesis->generation,
		    (unsigned long long)genesis->base_seq,
		    (unsigned long long)row->applied);
	row->generation = genesis->generation;
	row->base_seq = genesis->base_seq;
	row->epoch = KOOP_MAX(row->epoch, genesis->epoch);
	row->level = KOOP_MAX(row->level, genesis->level);
	return 0;
}
