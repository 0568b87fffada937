/* SPDX-License-Identifier: MIT */
#include "upkeep/repair.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commit/record.h"
#include "member/checks.h"
#include "member/idstate.h"
#include "member/nodecore.h"
#include "member/watermark.h"
#include "shard/verify.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"

#define READ_BYTES 65536

/*
 * A report about a shard, in three steps that never overlap: what the rows say
 * of it (a read), what its bytes are (a file, perhaps a gigabyte), where its
 * repair belongs (a read, then a write).  A read that lasted over the second
 * would keep one of few connections, and the WAL, for as long as a disk takes.
 */

/* Read the whole file: 0 good, ERRC_CORRUPT bad. */
static int
verify_file(struct nodecore *core, int fd, struct reqid id, uint32_t shard,
    struct error *err)
{
	struct frame_verifier verifier;
	uint8_t *p = malloc(READ_BYTES);
	uint64_t at = 0;
	ssize_t n = 0;
	int rc = 0;

	assert(fd >= 0);
	if (p == NULL)
		return error_set(err, ERRC_NOMEM, "verify: no memory");
	frame_verifier_init(&verifier, id, (uint8_t)shard);
	while (rc == 0 && !atomic_load(&core->stopping) &&
	    (n = shardfile_read(core->files, fd, p, READ_BYTES, at, err)) > 0) {
		rc = frame_verifier_feed(&verifier, p, (size_t)n, err);
		at += (uint64_t)n;
	}
	if (rc == 0 && atomic_load(&core->stopping))
		rc = error_set(err, ERRC_RETRY, "interrupted");
	else if (rc == 0 && n < 0)
		/* What cannot be read is an erasure like any other. */
		rc = error_set(err, ERRC_CORRUPT, "shard cannot be read");
	if (rc == 0)
		rc = frame_verifier_finish(&verifier, err);
	free(p);
	return rc;
}

/* The descriptor is bad; is the name, too? */
static int
put_away(struct nodecore *core, struct reqid id, uint32_t shard, int fd,
    enum repair_verdict *out, struct error *err)
{
	struct error why = { 0 };
	char hex[REQID_HEX + 1];
	int rc;

	assert(err != NULL);
	reqid_format(hex, id);
	log_error("node", "shard damaged id=%s shard=%u: %s", hex, shard,
	    err->text);
	rc = shardfile_quarantine(core->files, id, shard, fd, &why);
	if (rc == -ERRC_MISMATCH) {
		*out = REPAIR_GOOD;
		return 0;
	}
	if (rc == -ERRC_RETRY) {
		*out = REPAIR_UPLOADING;
		return 0;
	}
	if (rc == 0 || rc == -ERRC_NOTFOUND)
		return 0;
	return error_set(err, why.code, "%s", why.text);
}

/* *out stays when the shard is gone, or was bad and lies in quarantine. */
static int
look_at_file(struct nodecore *core, struct reqid id, uint32_t shard,
    enum repair_verdict *out, struct error *err)
{
	uint64_t bytes;
	int fd;
	int rc = shardfile_open(core->files, id, shard, &fd, &bytes, err);

	assert(*out == REPAIR_QUEUED);
	/* Without END, with a bad END, or not there. */
	if (rc == -ERRC_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	rc = verify_file(core, fd, id, shard, err);
	if (rc == 0)
		*out = REPAIR_GOOD;
	else if (rc == -ERRC_CORRUPT)
		rc = put_away(core, id, shard, fd, out, err);
	close(fd);
	return rc;
}

static int
queue_from(struct nodecore *core, uint32_t partition, uint64_t seq,
    const struct record *record, struct error *err)
{
	struct repair_row row = {
		.partition = partition,
		.seq = seq,
		.id = record->request_id,
		.whole = record->blob.shard_count == 0,
		.bucket = record->bucket,
		.key = record->key,
		.queued_ms = clock_real_ms(core->clock),
	};
	int rc;

	assert(
	    reqid_is_zero(record->upload_id) == (record->type != RECORD_PART));
	if (record->type == RECORD_PART) {
		row.upload = record->upload_id;
		row.part = record->part_number;
	}
	rc = shardmeta_begin(core->meta, err);
	if (rc != 0)
		return rc;
	rc = shardmeta_repair_put(core->meta, &row, err);
	if (rc != 0) {
		shardmeta_rollback(core->meta);
		return rc;
	}
	return shardmeta_commit(core->meta, err);
}

/* The record that made the blob live, with memory of its own. */
static int
find_record(struct nodecore *core, uint32_t partition, uint64_t seq,
    struct record **out, struct error *err)
{
	struct metaquery *read = NULL;
	struct oplog_row op;
	int rc = metaquery_begin(&read, core->meta, err);

	assert(seq > 0);
	if (rc != 0)
		return rc;
	rc = metaquery_oplog_at(read, partition, seq, &op, err);
	if (rc == 0 &&
	    record_parse(out, op.line, core->cluster, err) != RECORD_OK)
		rc = -ERRC_NOTFOUND;
	metaquery_end(read);
	return rc;
}

/* The record that made it live tells bucket and key; when the oplog has it
 * no more, a search through all rows finds what is missing. */
static int
queue_repair(struct nodecore *core, uint32_t partition, uint64_t seq,
    struct error *err)
{
	struct record *record = NULL;
	int rc = find_record(core, partition, seq, &record, err);

	if (rc == 0 &&
	    (record->type == RECORD_PUT || record->type == RECORD_PART))
		rc = queue_from(core, partition, seq, record, err);
	else
		atomic_store(&core->rescan, true);
	/* The bad file is gone already: nobody would report it again. */
	if (rc != 0)
		atomic_store(&core->rescan, true);
	record_free(record);
	repair_wake(core);
	return rc == -ERRC_NOTFOUND ? 0 : rc;
}

/* ERRC_NOTFOUND: no row refers to it.  What is dead needs no repair. */
static int
read_state(struct nodecore *core, uint32_t partition, struct reqid id,
    struct idstate *out, struct error *err)
{
	struct metaquery *read = NULL;
	int rc = metaquery_begin(&read, core->meta, err);

	if (rc != 0)
		return rc;
	rc = idstate_read(read, partition, id, out, err);
	metaquery_end(read);
	if (rc == 0 && !out->live)
		rc = error_set(err, ERRC_NOTFOUND,
		    "no row refers to that id here");
	return rc;
}

static int
check(struct nodecore *core, uint32_t partition, struct reqid id,
    enum repair_verdict *out, struct error *err)
{
	uint32_t shard = nodecore_shard(core, partition);
	struct idstate state;
	uint64_t idle_ms;
	int rc = read_state(core, partition, id, &state, err);

	assert(watermark_index(core->wm, partition) >= 0);
	if (rc != 0)
		return rc;
	*out = REPAIR_QUEUED;
	/* An upload's file is not whole yet, which is no damage. */
	if (shardfile_uploading(core->files, id, &idle_ms)) {
		*out = REPAIR_UPLOADING;
		return 0;
	}
	rc = look_at_file(core, id, shard, out, err);
	if (rc == 0 && *out == REPAIR_QUEUED)
		rc = queue_repair(core, partition, state.seq, err);
	return rc;
}

/* What is found is logged, whether or not the caller wants it. */
int
repair_check(struct nodecore *core, uint32_t partition, struct reqid id,
    enum repair_verdict *out, struct error *err)
{
	enum repair_verdict verdict = REPAIR_LOOKING;
	struct error why = { 0 };
	int rc = 0;

	switch (checks_enter(core->checks, id)) {
	case CHECKS_MINE:
		rc = check(core, partition, id, &verdict, &why);
		checks_leave(core->checks, id);
		break;
	case CHECKS_ANOTHER:
		break;
	case CHECKS_FULL:
		rc = error_set(&why, ERRC_RETRY,
		    "%d other shards are being looked at", CHECKS_MAX);
		break;
	}
	if (out != NULL)
		*out = verdict;
	if (err != NULL)
		*err = why;
	return rc;
}
