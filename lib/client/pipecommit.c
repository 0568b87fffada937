/* SPDX-License-Identifier: MIT */
#include "client/pipecommit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "client/buckets.h"
#include "client/committer.h"
#include "client/nodeclient.h"
#include "client/pipemeta.h"
#include "client/recordfate.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "http/httpc_request.h"
#include "http/httpreq.h"
#include "shard/headertext.h"
#include "shard/receipt.h"
#include "wire/nodecall.h"
#include "wire/nodeproto.h"
#include "wire/nodetime.h"

/* A line for each shard and the end, those of headers, and some that are of no
 * use. */
#define INPUT_MAX (256u * RECEIPT_LINE_MAX)

struct pipecommit {
	struct nodeclient *nc;
	struct placement place;
	struct receipt_shard shard[STRIPE_SHARDS_MAX];
	uint32_t shards; /* bit j: a receipt of shard j came */
	uint32_t count;
	uint32_t header_lines;
	struct buf headers; /* of them: shard/headertext.h */
	size_t value_at;    /* in it: where the last one's value begins */
	bool has_end;
	struct receipt_end end;
};

/* All of standard input: a few lines. */
static int
read_input(int in, struct buf *text, struct error *err)
{
	for (;;) {
		char *room = buf_reserve(text, RECEIPT_LINE_MAX);
		ssize_t n;

		if (room == NULL)
			return error_set(err, ERRC_CORRUPT,
			    "standard input: too long for receipts");
		n = io_read_some(in, room, RECEIPT_LINE_MAX, err);
		if (n < 0)
			return error_wrap(err, "standard input");
		if (n == 0)
			return 0;
		text->n += (size_t)n;
	}
}

static int
take_shard(struct pipecommit *p, const struct receipt_shard *shard,
    struct error *err)
{
	if (shard->index >= STRIPE_SHARDS_MAX)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: shard %u: no such shard", shard->index);
	if ((p->shards >> shard->index & 1) != 0)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: two receipts of shard %u", shard->index);
	p->shards |= 1u << shard->index;
	p->shard[shard->index] = *shard;
	p->count++;
	return 0;
}

/* One header, or what continues the last one. */
static int
take_header(struct pipecommit *p, const struct receipt_header *h,
    struct error *err)
{
	struct buf *text = &p->headers;

	p->header_lines++;
	if (h->at == 0) {
		buf_add(text, h->name, h->name_bytes);
		buf_addstr(text, ": ");
		p->value_at = text->n;
	} else if (p->value_at == 0 || text->n - 1 != p->value_at + h->at ||
	    p->value_at < h->name_bytes + 2 ||
	    memcmp(text->p + p->value_at - 2 - h->name_bytes, h->name,
		h->name_bytes) != 0) {
		return error_set(err, ERRC_CORRUPT,
		    "standard input: a header receipt that continues none");
	} else {
		text->n--; /* the LF of what came before */
	}
	buf_add(text, h->value, h->value_bytes);
	buf_addch(text, '\n');
	if (buf_failed(text))
		return error_set(err, ERRC_CORRUPT,
		    "standard input: headers: more than %d bytes",
		    HEADERTEXT_MAX);
	assert(p->value_at <= text->n);
	return 0;
}

static int
take_line(struct pipecommit *p, struct bytes line, struct error *err)
{
	struct receipt receipt;
	int rc;

	rc = receipt_parse(&receipt, line, err);
	if (rc < 0)
		return error_wrap(err, "standard input");
	if (p->has_end)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: a receipt after the end");
	if (receipt.kind == RECEIPT_SHARD)
		return take_shard(p, &receipt.shard, err);
	if (receipt.kind == RECEIPT_HEADER)
		return take_header(p, &receipt.header, err);
	p->end = receipt.end;
	p->has_end = true;
	return 0;
}

static int
read_receipts(struct pipecommit *p, int in, struct error *err)
{
	struct buf text = buf_make(INPUT_MAX);
	struct bytes rest;
	int rc;

	rc = read_input(in, &text, err);
	rest = buf_bytes(&text);
	while (rc == 0 && rest.n > 0) {
		const uint8_t *lf = memchr(rest.p, '\n', rest.n);
		size_t n = lf != NULL ? (size_t)(lf - rest.p) : rest.n;

		/* Without its LF a line may be cut anywhere. */
		if (lf == NULL)
			rc = error_set(err, ERRC_CORRUPT,
			    "standard input: the last line is cut");
		else if (n > 0)
			rc = take_line(p, bytes_of(rest.p, n), err);
		n += lf != NULL;
		rest = bytes_of(rest.p + n, rest.n - n);
	}
	buf_fini(&text);
	if (rc == 0 && !p->has_end)
		rc = error_set(err, ERRC_CORRUPT,
		    "standard input: no end receipt: koop-shard-put failed, "
		    "nothing is committed");
	return rc;
}

/* Do the receipts agree with each other? */
static int
check_shards(const struct pipecommit *p, struct error *err)
{
	const struct receipt_end *end = &p->end;
	uint32_t n = geometry_shards(&end->geometry);

	if (end->shards != p->count)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: %u shard receipts, but the end says %u",
		    p->count, end->shards);
	if (end->headers != p->header_lines)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: %u header receipts, but the end says %u",
		    p->header_lines, end->headers);
	for (uint32_t j = 0; j < STRIPE_SHARDS_MAX; j++) {
		const struct receipt_shard *shard = &p->shard[j];

		if ((p->shards >> j & 1) == 0)
			continue;
		if (j >= n || !reqid_equal(shard->object, end->object) ||
		    shard->set != end->set ||
		    shard->crc64 != end->totals.shard_crc64[j])
			return error_set(err, ERRC_CORRUPT,
			    "standard input: the receipt of shard %u is of "
			    "another object",
			    j);
	}
	return 0;
}

/* Are they of this cluster, and what this cluster would do? */
static int
check_end(struct pipecommit *p, struct error *err)
{
	const struct receipt_end *end = &p->end;
	const struct erasure_set *set;

	if (strcmp(end->cluster, nodeclient_cluster(p->nc)) != 0)
		return error_set(err, ERRC_CONFIG,
		    "standard input: receipts of cluster %s, this one is %s",
		    end->cluster, nodeclient_cluster(p->nc));
	p->place = placement_of(nodeclient_topology(p->nc),
	    bytes_str(end->bucket), bytes_of(end->key, end->key_bytes));
	set = p->place.set;
	if (p->place.partition != end->partition || set->number != end->set ||
	    set->n != geometry_shards(&end->geometry) ||
	    set->data_shards != end->geometry.data_shards)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: partition %u of set %u, but the object "
		    "belongs to partition %u of set %u",
		    end->partition, end->set, p->place.partition, set->number);
	if (!end->totals.has_md5)
		return error_set(err, ERRC_CORRUPT,
		    "standard input: no md5: the object's ETag is its MD5, "
		    "so do not use koop-encode --no-md5");
	if (headertext_check(buf_bytes(&p->headers), err) < 0)
		return error_wrap(err, "standard input");
	return check_shards(p, err);
}

/* Is the shard still (or already) there, durably? */
static bool
shard_is_there(struct pipecommit *p, uint32_t shard, const char *target)
{
	struct peer peer = nodeclient_peer(&p->place,
	    placement_machine(&p->place, shard));
	struct nodecall_request request = {
		.method = "HEAD",
		.target = target,
	};
	struct httpc_response response = { 0 };
	bool there;

	if (nodecall_exchange(nodeclient_peers(p->nc), &peer, &request,
		&response, 4096, nodeclient_now(p->nc) + NODECLIENT_READ_MS / 4,
		NULL) < 0)
		return false;
	there = response.status == 200 &&
	    httpc_response_get(&response, NODEPROTO_SHARD) != NULL;
	httpc_response_fini(&response);
	return there;
}

/* Old receipts: nodes abort an upload without a record after a day, and disks
 * are replaced. */
static void
recheck(struct pipecommit *p)
{
	const struct receipt_end *end = &p->end;
	uint64_t now = clock_real_ms(nodeclient_clock(p->nc));
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	uint32_t there = 0;

	if (end->epoch == nodeclient_topology(p->nc)->epoch &&
	    now >= end->written_ms &&
	    now - end->written_ms <= PIPECOMMIT_RECHECK_MS) {
		buf_fini(&target);
		return;
	}
	nodeproto_target_blob(&target, p->place.partition,
	    bytes_str(end->bucket), bytes_of(end->key, end->key_bytes),
	    end->object);
	for (uint32_t j = 0; j < p->place.set->n; j++) {
		if (!buf_failed(&target) && (p->shards >> j & 1) != 0 &&
		    shard_is_there(p, j, buf_cstr(&target)))
			there |= 1u << j;
	}
	buf_fini(&target);
	p->shards = there;
	p->count = (uint32_t)__builtin_popcount(there);
}

static int
check_quorum(const struct pipecommit *p, struct error *err)
{
	if (p->count >= p->place.set->write_quorum)
		return 0;
	return error_set(err, ERRC_UNAVAILABLE,
	    "%u shards are durable, %u are needed: nothing is committed",
	    p->count, p->place.set->write_quorum);
}

static int
print_commit(const struct pipecommit *p, int out, uint64_t seq,
    enum outcome outcome, const char *etag, struct error *err)
{
	const struct receipt_end *end = &p->end;
	char name[3 * RECEIPT_KEY_MAX + 1];
	char bucket[3 * RECEIPT_BUCKET_MAX + 1];
	char id[REQID_HEX + 1];
	char line[RECEIPT_LINE_MAX];
	int n;

	percent_encode(bucket, end->bucket, strlen(end->bucket), false);
	percent_encode(name, end->key, end->key_bytes, true);
	reqid_format(id, end->object);
	n = snprintf(line, sizeof(line),
	    "commit v=1 cluster=%s partition=%" PRIu32 " seq=%" PRIu64
	    " name=%s/%s object=%s size=%" PRIu64 " etag=%s outcome=%s\n",
	    end->cluster, end->partition, seq, bucket, name, id,
	    end->totals.size, etag, outcome_name(outcome));
	assert(n > 0 && (size_t)n < sizeof(line));
	return io_write_full(out, line, (size_t)n, err);
}

static int
refused(const struct pipecommit *p, const struct pipecommit_options *o,
    enum outcome outcome, struct error *err)
{
	switch (outcome) {
	case OUTCOME_DONE:
		return 0;
	case OUTCOME_NO_SUCH_BUCKET:
		return error_set(err, ERRC_NOTFOUND,
		    "bucket \"%s\" does not exist (any more)", p->end.bucket);
	case OUTCOME_EXPIRED:
		return error_set(err, ERRC_MISMATCH,
		    "the receipts are too old: store the object again%s",
		    nodetime_is_skewed(nodeclient_clock(p->nc)) ?
			" (" NODETIME_WORD
			": the time of the log is ahead of this machine's)" :
			"");
	case OUTCOME_PRECONDITION_FAILED:
		return error_set(err, ERRC_MISMATCH,
		    o->if_none_match ?
			"\"%s/%.*s\" exists (--if-none-match): nothing is "
			"changed" :
			"\"%s/%.*s\" is not what --if-match says: nothing is "
			"changed",
		    p->end.bucket, (int)p->end.key_bytes, p->end.key);
	case OUTCOME_NO_SUCH_KEY:
		return error_set(err, ERRC_MISMATCH,
		    "\"%s/%.*s\" does not exist (--if-match): nothing is "
		    "changed",
		    p->end.bucket, (int)p->end.key_bytes, p->end.key);
	case OUTCOME_ABORTED:
		return error_set(err, ERRC_MISMATCH,
		    "the upload was aborted: store the object again");
	default:
		return error_set(err, ERRC_MISMATCH, "refused: %s",
		    outcome_name(outcome));
	}
}

static struct record
make_record(const struct pipecommit *p, const struct pipecommit_options *o,
    const struct pipemeta *meta, const char *etag)
{
	const struct receipt_end *end = &p->end;
	const struct blob_totals *t = &end->totals;
	struct record record = {
		.type = RECORD_PUT,
		.request_id = end->object,
		.bucket = bytes_str(end->bucket),
		.key = bytes_of(end->key, end->key_bytes),
		.incarnation = end->incarnation,
		.etag = bytes_of(etag, 32),
		.headers = bytes_str(meta->headers),
		.meta = bytes_str(meta->meta),
		.if_match = o->if_match,
		.if_none_match = o->if_none_match,
		.blob = {
			.size = t->size,
			.crc64nvme = t->crc64nvme,
			.data_shards = end->geometry.data_shards,
			.parity_shards = end->geometry.parity_shards,
			.cell_bytes = end->geometry.cell_bytes,
			.set = end->set,
			.durable = p->shards,
			.shard_count = geometry_shards(&end->geometry),
		},
	};

	assert(t->shards <= STRIPE_SHARDS_MAX);
	memcpy(record.blob.shard_crc64, t->shard_crc64,
	    sizeof(record.blob.shard_crc64));
	return record;
}

/* The outcome of the first time, or that of a record which is appended now. */
static int
decide(struct pipecommit *p, struct committer_item *item, struct error *err)
{
	uint64_t deadline = nodeclient_now(p->nc) + NODECLIENT_WRITE_MS;
	int rc = recordfate_find(p->nc, item, deadline, err);

	if (rc != 0)
		return rc;
	recheck(p);
	rc = check_quorum(p, err);
	if (rc < 0)
		return rc;
	item->record->blob.durable = p->shards;
	rc = bucket_commit_all(p->nc, item, 1, deadline, err);
	/* The same id takes effect once at most: repeating it is safe. */
	if (rc == -ERRC_UNAVAILABLE && err != NULL)
		err->code = ERRC_RETRY;
	return rc == -ERRC_UNAVAILABLE ? -ERRC_RETRY : rc;
}

static int
commit(struct pipecommit *p, int out, const struct pipecommit_options *o,
    const struct pipemeta *meta, struct error *err)
{
	char etag[33];
	struct record record;
	struct committer_item item = {
		.partition = p->place.partition,
		.record = &record,
	};
	int rc;

	hex_encode(etag, p->end.totals.md5, sizeof(p->end.totals.md5));
	record = make_record(p, o, meta, etag);
	rc = decide(p, &item, err);
	if (rc < 0)
		return rc;
	assert(outcome_decides(item.outcome));
	rc = print_commit(p, out, item.seq, item.outcome, etag, err);
	return rc < 0 ? rc : refused(p, o, item.outcome, err);
}

int
pipecommit_run(struct nodeclient *nc, int in, int out,
    const struct pipecommit_options *options, struct error *err)
{
	struct pipecommit *p = calloc(1, sizeof(*p));
	struct pipemeta meta = { 0 };
	int rc;

	if (p == NULL)
		return error_set(err, ERRC_NOMEM, "receipts: out of memory");
	p->nc = nc;
	p->headers = buf_make(HEADERTEXT_MAX);
	rc = read_receipts(p, in, err);
	if (rc == 0)
		rc = check_end(p, err);
	if (rc == 0)
		rc = pipemeta_make(&meta, options->headers, options->without,
		    buf_bytes(&p->headers), err);
	if (rc == 0)
		rc = commit(p, out, options, &meta, err);
	pipemeta_fini(&meta);
	buf_fini(&p->headers);
	free(p);
	return rc;
}
