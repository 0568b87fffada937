/* SPDX-License-Identifier: MIT */
#include "node/nodeserver_call.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "codec/digest.h"
#include "member/nodecore.h"
#include "store/metaquery_all.h"

/*
 * GET /snapshot/PARTITION: every replicated row at one seq, one JSON object a
 * line, "row" first, then {"end":true,"sha256":"..."} over all bytes before
 * that line.  Names and texts are base64.  The dump goes to a file without a
 * name, so that a slow reader holds no read transaction and no memory.
 */

#define SNAPSHOT_FORMAT 2 /* of whom a reader knows another, it refuses */
#define FLUSH_BYTES 65536
#define BUF_BYTES (FLUSH_BYTES + (1u << 20))

struct dump {
	int fd;
	uint64_t bytes;
	struct buf text;
	struct digest digest;
	struct error *err;
};

static void
add_text(struct buf *out, const char *member, struct bytes text)
{
	char *p;

	buf_printf(out, ",\"%s\":\"", member);
	p = buf_reserve(out, BASE64_BYTES(text.n));
	if (p == NULL)
		return;
	assert(text.p != NULL || text.n == 0);
	base64_encode(p, text.p, text.n);
	out->n += BASE64_BYTES(text.n) - 1;
	buf_addch(out, '"');
}

static void
add_hex(struct buf *out, const char *member, const uint8_t *p, size_t n)
{
	char hex[2 * ROW_HASH_BYTES + 1];

	assert(n <= ROW_HASH_BYTES);
	hex_encode(hex, p, n);
	buf_printf(out, ",\"%s\":\"%s\"", member, hex);
}

static void
add_number(struct buf *out, const char *member, uint64_t n)
{
	buf_printf(out, ",\"%s\":%" PRIu64, member, n);
}

static void
add_id(struct buf *out, const char *member, struct reqid id)
{
	add_hex(out, member, id.b, sizeof(id.b));
}

static void
add_blob(struct buf *out, const struct blob_info *blob)
{
	uint8_t packed[ROW_BLOB_BYTES];
	size_t n = blobinfo_pack(packed, blob);

	assert(n <= sizeof(packed));
	add_text(out, "blob", bytes_of(packed, n));
}

static void
dump_partition(struct buf *out, const struct partition_row *row)
{
	/* Positions are told only of what is durable here. */
	assert(row->applied >= row->base_seq);
	buf_addstr(out, "{\"row\":\"partition\"");
	add_number(out, "format", SNAPSHOT_FORMAT);
	add_number(out, "partition", row->partition);
	add_number(out, "generation", row->generation);
	add_number(out, "baseSeq", row->base_seq);
	add_number(out, "applied", row->applied);
	add_number(out, "t", row->t_ms);
	add_number(out, "epoch", row->epoch);
	add_number(out, "level", row->level);
	add_hex(out, "hash", row->hash, sizeof(row->hash));
	add_hex(out, "digest", row->digest, sizeof(row->digest));
}

static void
dump_bucket(struct buf *out, const struct bucket_row *row)
{
	buf_addstr(out, "{\"row\":\"bucket\"");
	add_text(out, "name", row->name);
	add_number(out, "incarnation", row->incarnation);
	add_number(out, "state", row->state);
	add_number(out, "attempt", row->attempt);
	add_number(out, "finished", row->finished);
	add_number(out, "sealedEmpty", row->sealed_empty);
	add_number(out, "home", row->home);
	add_text(out, "owner", row->owner);
	add_number(out, "created", row->created_ms);
	add_number(out, "sealedAt", row->sealed_ms);
	add_number(out, "seq", row->seq);
	add_number(out, "revision", row->revision);
	add_number(out, "ruling", row->ruling);
	add_number(out, "versioning", row->versioning);
	add_text(out, "settings", row->settings);
}

/* The newest version of a key, or an older one. */
static void
dump_object(struct buf *out, const char *kind, const struct object_row *row)
{
	assert(row->seq > 0 && row->seq <= row->changed);
	buf_printf(out, "{\"row\":\"%s\"", kind);
	add_text(out, "bucket", row->bucket);
	add_text(out, "key", row->key);
	add_number(out, "seq", row->seq);
	add_number(out, "changed", row->changed);
	add_number(out, "null", row->is_null);
	add_number(out, "incarnation", row->incarnation);
	add_number(out, "kind", row->kind);
	add_id(out, "id", row->id);
	add_number(out, "size", row->size);
	add_number(out, "modified", row->modified_ms);
	add_text(out, "etag", bytes_str(row->etag));
	add_blob(out, &row->blob);
	add_text(out, "headers", row->headers);
	add_text(out, "meta", row->meta);
}

static void
dump_upload(struct buf *out, const struct upload_row *row)
{
	buf_addstr(out, "{\"row\":\"upload\"");
	add_id(out, "id", row->id);
	add_text(out, "bucket", row->bucket);
	add_text(out, "key", row->key);
	add_number(out, "incarnation", row->incarnation);
	add_text(out, "owner", row->owner);
	add_text(out, "headers", row->headers);
	add_text(out, "meta", row->meta);
	add_number(out, "initiated", row->initiated_ms);
	add_number(out, "seq", row->seq);
	add_number(out, "state", row->state);
	add_number(out, "finished", row->finished_ms);
	add_number(out, "live", row->live);
	add_number(out, "dying", row->dying);
	add_number(out, "outcome", row->outcome);
	add_hex(out, "listHash", row->list_hash, sizeof(row->list_hash));
}

static void
dump_part(struct buf *out, const struct part_row *row)
{
	assert(row->number > 0);
	buf_addstr(out, "{\"row\":\"part\"");
	add_id(out, "upload", row->upload);
	add_number(out, "number", row->number);
	add_id(out, "id", row->id);
	add_number(out, "seq", row->seq);
	add_number(out, "size", row->size);
	add_number(out, "modified", row->modified_ms);
	add_text(out, "etag", bytes_str(row->etag));
	add_blob(out, &row->blob);
}

static void
dump_decided(struct buf *out, const struct decided_row *row)
{
	assert(row->seq > 0);
	buf_addstr(out, "{\"row\":\"decided\"");
	add_id(out, "id", row->id);
	add_number(out, "seq", row->seq);
	add_number(out, "outcome", row->outcome);
	add_number(out, "live", row->live);
}

static int
dump_flush(struct dump *dump)
{
	int rc;

	if (buf_failed(&dump->text))
		return error_set(dump->err, ERRC_NOMEM, "snapshot: no memory");
	assert(dump->fd != -1);
	rc = io_write_full(dump->fd, dump->text.p, dump->text.n, dump->err);
	dump->bytes += dump->text.n;
	buf_clear(&dump->text);
	return rc;
}

static int
dump_row(void *arg, const struct snapshot_row *row)
{
	struct dump *dump = arg;
	struct buf *out = &dump->text;
	size_t from = out->n;

	if (row->partition != NULL)
		dump_partition(out, row->partition);
	else if (row->bucket != NULL)
		dump_bucket(out, row->bucket);
	else if (row->object != NULL)
		dump_object(out, "object", row->object);
	else if (row->version != NULL)
		dump_object(out, "version", row->version);
	else if (row->upload != NULL)
		dump_upload(out, row->upload);
	else if (row->part != NULL)
		dump_part(out, row->part);
	else
		dump_decided(out, row->decided);
	buf_addstr(out, "}\n");
	if (!buf_failed(out))
		digest_update(&dump->digest, out->p + from, out->n - from);
	return out->n >= FLUSH_BYTES || buf_failed(out) ? dump_flush(dump) : 0;
}

static int
dump_end(struct dump *dump)
{
	uint8_t sum[DIGEST_SHA256_BYTES];
	char hex[2 * DIGEST_SHA256_BYTES + 1];

	digest_final(&dump->digest, sum);
	hex_encode(hex, sum, sizeof(sum));
	buf_printf(&dump->text, "{\"end\":true,\"sha256\":\"%s\"}\n", hex);
	return dump_flush(dump);
}

/* Every row, of one moment; *row is the partition's. */
static int
dump_rows(struct nodeserver_call *call, struct dump *dump,
    struct partition_row *row)
{
	struct metaquery *read = NULL;
	int rc = metaquery_begin_dump(&read, call->core->meta, dump->err);

	if (rc == 0)
		rc = metaquery_partition(read, call->partition, row, dump->err);
	if (rc == 0)
		rc = metaquery_snapshot(read, call->partition, dump_row, dump,
		    dump->err);
	metaquery_end(read);
	if (rc == -ERRC_NOTFOUND)
		rc = error_set(dump->err, ERRC_UNAVAILABLE,
		    "partition %u: nothing applied yet", call->partition);
	assert(rc != 0 || row->partition == call->partition);
	return rc != 0 ? rc : dump_end(dump);
}

void
nodeserver_snapshot(struct nodeserver_call *call)
{
	struct error err = { 0 };
	struct dump dump = { .err = &err, .text = buf_make(BUF_BYTES) };
	struct partition_row row;
	int rc;

	dump.fd = openat(call->core->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
	    0600);
	if (dump.fd == -1)
		rc = error_errno(&err, ERRC_CANTCREATE, "snapshot");
	else
		rc = digest_init(&dump.digest, DIGEST_SHA256, &err);
	if (rc == 0)
		rc = dump_rows(call, &dump, &row);
	if (rc == 0) {
		nodeserver_position(call, &row);
		assert(dump.text.n == 0 && dump.bytes > 0);
		httpd_reply_fd(call->req, 200, dump.fd, 0, dump.bytes);
		dump.fd = -1;
	} else {
		nodeserver_error(call, &err);
	}
	digest_fini(&dump.digest);
	buf_fini(&dump.text);
	if (dump.fd != -1)
		close(dump.fd);
}
