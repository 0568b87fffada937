/* SPDX-License-Identifier: MIT */
#include "upkeep/repair.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "commit/record.h"
#include "member/idstate.h"
#include "member/nodecore.h"
#include "shard/verify.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"

#define READ_BYTES 65536

/* Read the whole file: 0 good, ERRC_CORRUPT bad. */
static int
verify_file(int fd, struct reqid id, uint32_t shard, struct error *err)
{
	struct frame_verifier verifier;
	uint8_t *p = malloc(READ_BYTES);
	off_t at = 0;
	ssize_t n = 0;
	int rc = 0;

	if (p == NULL)
		return error_set(err, ERRC_NOMEM, "verify: no memory");
	frame_verifier_init(&verifier, id, (uint8_t)shard);
	while (rc == 0 && (n = io_pread_full(fd, p, READ_BYTES, at, err)) > 0) {
		rc = frame_verifier_feed(&verifier, p, (size_t)n, err);
		at += n;
	}
	if (rc == 0 && n < 0)
		/* What cannot be read is an erasure like any other. */
		rc = error_set(err, ERRC_CORRUPT, "shard cannot be read");
	if (rc == 0)
		rc = frame_verifier_finish(&verifier, err);
	free(p);
	return rc;
}

/* 0: it is gone, or was bad and lies in quarantine now. */
static int
look_at_file(struct nodecore *core, struct reqid id, uint32_t shard,
    struct error *err)
{
	char hex[REQID_HEX + 1];
	uint64_t bytes;
	int fd;
	int rc = shardfile_open(core->files, id, shard, &fd, &bytes, err);

	if (rc == 0) {
		rc = verify_file(fd, id, shard, err);
		close(fd);
		if (rc == 0)
			return error_set(err, ERRC_MISMATCH,
			    "the shard is good");
		if (rc != -ERRC_CORRUPT)
			return rc;
		reqid_format(hex, id);
		log_error("node", "shard damaged id=%s shard=%u: %s", hex,
		    shard, err->text);
		return shardfile_quarantine(core->files, id, shard, err);
	}
	/* Without END, with a bad END, or not there. */
	return rc == -ERRC_NOTFOUND ? 0 : rc;
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

/* The record that made it live tells bucket and key; when the oplog has it
 * no more, a search through all rows finds what is missing. */
static int
queue_repair(struct nodecore *core, struct metaquery *read, uint32_t partition,
    uint64_t seq, struct error *err)
{
	struct record *record = NULL;
	struct oplog_row op;
	int rc = metaquery_oplog_at(read, partition, seq, &op, err);

	if (rc == 0 &&
	    record_parse(&record, op.line, core->cluster, err) == RECORD_OK &&
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

static int
check(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err)
{
	uint32_t shard = nodecore_shard(core, partition);
	struct idstate state;
	struct metaquery *read = NULL;
	uint64_t idle_ms;
	int rc = metaquery_begin(&read, core->meta, err);

	if (rc != 0)
		return rc;
	rc = idstate_read(read, partition, id, &state, err);
	if (rc == 0 && !state.live)
		rc = error_set(err, ERRC_NOTFOUND,
		    "no row refers to that id here");
	if (rc == 0 && shardfile_uploading(core->files, id, &idle_ms))
		rc = error_set(err, ERRC_MISMATCH, "it is being uploaded");
	if (rc == 0)
		rc = look_at_file(core, id, shard, err);
	if (rc == 0)
		rc = queue_repair(core, read, partition, state.seq, err);
	metaquery_end(read);
	return rc;
}

int
repair_check(struct nodecore *core, uint32_t partition, struct reqid id,
    struct error *err)
{
	struct error why = { 0 };
	int rc = check(core, partition, id, &why);

	/* What is found is logged, whether or not the caller wants it. */
	if (err != NULL)
		*err = why;
	return rc;
}
