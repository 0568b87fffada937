/* SPDX-License-Identifier: MIT */

#include "s3/s3sink.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/blobwrite.h"
#include "client/nodeclient.h"
#include "client/nodewatch.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "s3/s3shared.h"
#include "s3/s3commit.h"
#include "s3/s3req.h"

struct s3sink {
	struct s3req *r;
	struct gateway *gw;
	struct s3sink_options options;
	struct geometry geometry;
	struct blobwrite *w;
	struct blobwrite_result result;
	char etag[33];
	bool finished, committed;
	bool counted; /* in gw->writes */
};

/* What is kept for the record holds no connections. */
static bool
stays_inline(const struct gateway *gw, const struct s3sink_options *o)
{
	return !o->part && o->known && o->size <= gw->inline_limit;
}

static bool
take_place(struct s3sink *s)
{
	unsigned writes;

	if (stays_inline(s->gw, &s->options))
		return true;
	writes = atomic_load(&s->gw->writes);
	while (writes < S3SHARED_WRITES_MAX && !s->counted)
		s->counted = atomic_compare_exchange_weak(&s->gw->writes,
		    &writes, writes + 1);
	return s->counted;
}

static struct s3sink *
sink_new(struct s3req *r, const struct s3sink_options *options)
{
	const struct erasure_set *set = r->place.set;
	struct s3sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	assert(set != NULL && set->n > set->data_shards);
	s->r = r;
	s->gw = r->gw;
	s->options = *options;
	s->geometry = (struct geometry){
		.data_shards = set->data_shards,
		.parity_shards = set->n - set->data_shards,
		.cell_bytes = r->gw->cell_bytes,
	};
	return s;
}

int
s3sink_open(struct s3sink **out, struct s3req *r,
    const struct s3sink_options *options, struct error *err)
{
	struct s3sink *s = sink_new(r, options);
	struct blobwrite_options bo;
	int rc;

	if (!s)
		return error_set(err, ERRC_NOMEM, "store: out of memory");
	/* Before the body travels; and small content, which no node could
	 * refuse, would eat what is kept for deletes (protocol.md 8, "Room").
	 */
	rc = nodewatch_room(s->gw->watch, r->place.set->number, err);
	if (rc < 0)
		goto out;
	if (!take_place(s)) {
		rc = error_set(err, ERRC_NOMEM,
		    "store: %d writes are under way, and no more are taken",
		    S3SHARED_WRITES_MAX);
		goto out;
	}
	bo = (struct blobwrite_options){
		.place = &r->place,
		.bucket = s3req_bucket(r),
		.key = s3req_key(r),
		.id = r->id,
		.geometry = s->geometry,
		.size = options->known ? options->size : BLOBWRITE_UNKNOWN,
		/* The parts of a manifest are blobs, never inline. */
		.inline_limit = options->part ? 0 : s->gw->inline_limit,
		.md5 = true,
		.client_fd = options->client_fd,
	};
	rc = blobwrite_open(&s->w, s->gw->nc, &bo, err);
	if (rc == 0) {
		*out = s;
		s = NULL;
	}
out:
	s3sink_close(s);
	return rc;
}

void
s3sink_close(struct s3sink *s)
{
	if (!s)
		return;
	if (s->w && !s->committed)
		blobwrite_abort(s->w);
	blobwrite_close(s->w);
	if (s->counted)
		atomic_fetch_sub(&s->gw->writes, 1);
	free(s);
}

int
s3sink_write(struct s3sink *s, const void *p, size_t n, struct error *err)
{
	return blobwrite_write(s->w, p, n, err);
}

int
s3sink_finish(struct s3sink *s, struct error *err)
{
	int rc = blobwrite_finish(s->w, &s->result, err);

	if (rc < 0)
		return rc;
	assert(s->result.totals.has_md5);
	hex_encode(s->etag, s->result.totals.md5, 16);
	s->finished = true;
	return 0;
}

const struct blob_totals *
s3sink_totals(const struct s3sink *s)
{
	assert(s->finished);
	return &s->result.totals;
}

const char *
s3sink_etag(const struct s3sink *s)
{
	assert(s->finished);
	return s->etag;
}

static void
fill_blob(struct record_blob *blob, const struct s3sink *s)
{
	const struct blob_totals *t = &s->result.totals;

	*blob = (struct record_blob){
		.size = t->size,
		.crc64nvme = t->crc64nvme,
		.data_shards = s->geometry.data_shards,
		.parity_shards = s->geometry.parity_shards,
		.cell_bytes = s->geometry.cell_bytes,
		.set = s->r->place.set->number,
		.is_inline = s->result.is_inline,
	};
	if (blob->is_inline)
		return;
	blob->durable = s->result.durable;
	blob->shard_count = t->shards;
	memcpy(blob->shard_crc64, t->shard_crc64, sizeof(blob->shard_crc64));
}

enum s3error
s3sink_commit(struct s3sink *s, struct s3made *made)
{
	const struct s3sink_options *o = &s->options;
	struct record record = {
		.type = o->part ? RECORD_PART : RECORD_PUT,
		.request_id = s->r->id,
		.etag = bytes_str(s->etag),
		.headers = bytes_str(o->headers ? o->headers : "{}"),
		.meta = bytes_str(o->meta ? o->meta : "{}"),
		.if_match = o->if_match,
		.if_none_match = o->if_none_match,
		.has_upload = o->part,
		.upload_id = o->upload,
		.part_number = o->number,
	};
	char *text = NULL;
	enum s3error e;

	assert(s->finished && !s->committed);
	fill_blob(&record.blob, s);
	if (s->result.is_inline) {
		assert(s->result.bytes.n == record.blob.size);
		text = malloc(BASE64_BYTES(s->result.bytes.n));
		if (!text)
			return S3E_SLOW_DOWN;
		base64_encode(text, s->result.bytes.p, s->result.bytes.n);
		record.blob.inline_base64 = bytes_str(text);
	}
	/* From here on the log says what becomes of the blob: also after a
	 * failure the record may be there, so nothing is aborted. */
	s->committed = true;
	e = s3commit(s->r, &record, made);
	free(text);
	return e;
}
