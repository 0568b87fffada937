/* SPDX-License-Identifier: MIT */

/*
 * GET /snapshot: its lines alone give the digest that its first one tells, so
 * that who takes them has every field of every row.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/digest.h"
#include "http/httpc.h"
#include "http/httpc_request.h"
#include "node/nodeserver.h"
#include "nodeworld.h"
#include "store/rowhash.h"
#include "tap.h"
#include "wire/nodeproto.h"

#define P 2
#define TEXT_MAX 4096

static struct nodeworld w;
static struct shardtest blob;

/* Rows of each kind: sealed, versions older and null, uploads, parts. */
static void
make_rows(void)
{
	struct reqid upload = nodeworld_id(30);
	struct record r;

	r = nodeworld_put("k", &blob);
	r.headers = bytes_str("{\"content-type\":\"text/plain\"}");
	r.meta = bytes_str("{\"a\":\"b\"}");
	nodeworld_apply(&w, P, &r);
	r = nodeworld_record(RECORD_BUCKET_CONFIG, NULL, nodeworld_id(31));
	r.revision = 1000;
	r.ruling = 900;
	r.settings = bytes_str("{\"versioning\":\"Enabled\"}");
	nodeworld_apply(&w, P, &r);
	r = nodeworld_put("k", &blob);
	r.request_id = nodeworld_id(32);
	r.revision = 1000;
	nodeworld_apply(&w, P, &r);
	/* Another one comes and goes: the key changed, its version did not. */
	r.request_id = nodeworld_id(35);
	nodeworld_apply(&w, P, &r);
	r = nodeworld_record(RECORD_DELETE, "k", nodeworld_id(36));
	r.has_version = true;
	r.version = versionid_of(w.seq[P], nodeworld_id(35));
	nodeworld_apply(&w, P, &r);
	r = nodeworld_record(RECORD_DELETE, "gone", nodeworld_id(33));
	r.revision = 1000;
	nodeworld_apply(&w, P, &r);
	r = nodeworld_record(RECORD_INITIATE, "film", upload);
	r.owner = bytes_str("me");
	r.meta = bytes_str("{\"c\":\"d\"}");
	nodeworld_apply(&w, P, &r);
	r = nodeworld_put("film", &blob);
	r.type = RECORD_PART;
	r.request_id = nodeworld_id(34);
	r.has_upload = true;
	r.upload_id = upload;
	r.part_number = 7;
	nodeworld_apply(&w, P, &r);
}

/* Members of a line, and what texts they decode to. */
struct line {
	json_t *json;
	uint8_t text[8][TEXT_MAX];
	unsigned texts;
};

static uint64_t
number(const struct line *line, const char *name)
{
	const json_t *value = json_object_get(line->json, name);

	if (!json_is_integer(value))
		printf("# no number %s\n", name);
	CHECK(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static struct bytes
text(struct line *line, const char *name)
{
	const json_t *value = json_object_get(line->json, name);
	uint8_t *to = line->text[line->texts++];
	size_t n = TEXT_MAX;

	if (!json_is_string(value) ||
	    !base64_decode(to, &n, json_string_value(value),
		json_string_length(value))) {
		printf("# no text %s\n", name);
		CHECK(false);
		return BYTES_NONE;
	}
	return bytes_of(to, n);
}

static void
hex(const struct line *line, const char *name, uint8_t *out, size_t n)
{
	const json_t *value = json_object_get(line->json, name);

	CHECK(json_is_string(value) &&
	    hex_decode(out, n, json_string_value(value),
		json_string_length(value)));
}

static int
hash_bucket(uint8_t hash[32], struct line *l, struct buf *scratch)
{
	struct bucket_row row = {
		.partition = P,
		.name = text(l, "name"),
		.incarnation = number(l, "incarnation"),
		.state = (enum bucket_state)number(l, "state"),
		.attempt = number(l, "attempt"),
		.finished = number(l, "finished"),
		.sealed_empty = number(l, "sealedEmpty") != 0,
		.home = number(l, "home") != 0,
		.owner = text(l, "owner"),
		.created_ms = number(l, "created"),
		.sealed_ms = number(l, "sealedAt"),
		.seq = number(l, "seq"),
		.revision = number(l, "revision"),
		.ruling = number(l, "ruling"),
		.versioning = (enum bucket_versioning)number(l, "versioning"),
		.settings = text(l, "settings"),
	};

	return rowhash_bucket(hash, &row, scratch, NULL);
}

static int
hash_object(uint8_t hash[32], struct line *l, bool newest, struct buf *scratch)
{
	struct bytes etag = text(l, "etag");
	struct object_row row = {
		.partition = P,
		.bucket = text(l, "bucket"),
		.key = text(l, "key"),
		.seq = number(l, "seq"),
		.changed = number(l, "changed"),
		.is_null = number(l, "null") != 0,
		.incarnation = number(l, "incarnation"),
		.kind = (enum object_kind)number(l, "kind"),
		.size = number(l, "size"),
		.modified_ms = number(l, "modified"),
		.headers = text(l, "headers"),
		.meta = text(l, "meta"),
	};

	hex(l, "id", row.id.b, sizeof(row.id.b));
	memcpy(row.etag, etag.p, KOOP_MIN(etag.n, sizeof(row.etag) - 1));
	CHECK(blobinfo_unpack(&row.blob, text(l, "blob")));
	return newest ? rowhash_object(hash, &row, scratch, NULL) :
			rowhash_version(hash, &row, scratch, NULL);
}

static int
hash_upload(uint8_t hash[32], struct line *l, struct buf *scratch)
{
	struct upload_row row = {
		.partition = P,
		.bucket = text(l, "bucket"),
		.key = text(l, "key"),
		.incarnation = number(l, "incarnation"),
		.owner = text(l, "owner"),
		.headers = text(l, "headers"),
		.meta = text(l, "meta"),
		.initiated_ms = number(l, "initiated"),
		.seq = number(l, "seq"),
		.state = (enum upload_state)number(l, "state"),
		.finished_ms = number(l, "finished"),
		.live = number(l, "live") != 0,
		.dying = number(l, "dying") != 0,
		.outcome = (uint32_t)number(l, "outcome"),
	};

	hex(l, "id", row.id.b, sizeof(row.id.b));
	hex(l, "listHash", row.list_hash, sizeof(row.list_hash));
	return rowhash_upload(hash, &row, scratch, NULL);
}

static int
hash_part(uint8_t hash[32], struct line *l, struct buf *scratch)
{
	struct bytes etag = text(l, "etag");
	struct part_row row = {
		.partition = P,
		.number = (uint32_t)number(l, "number"),
		.seq = number(l, "seq"),
		.size = number(l, "size"),
		.modified_ms = number(l, "modified"),
	};

	hex(l, "upload", row.upload.b, sizeof(row.upload.b));
	hex(l, "id", row.id.b, sizeof(row.id.b));
	memcpy(row.etag, etag.p, KOOP_MIN(etag.n, sizeof(row.etag) - 1));
	CHECK(blobinfo_unpack(&row.blob, text(l, "blob")));
	return rowhash_part(hash, &row, scratch, NULL);
}

static int
hash_decided(uint8_t hash[32], struct line *l, struct buf *scratch)
{
	struct decided_row row = {
		.partition = P,
		.seq = number(l, "seq"),
		.outcome = (uint32_t)number(l, "outcome"),
		.live = number(l, "live") != 0,
	};

	hex(l, "id", row.id.b, sizeof(row.id.b));
	return rowhash_decided(hash, &row, scratch, NULL);
}

/* What the lines come to. */
struct taken {
	unsigned buckets, objects, versions, uploads, parts, decided;
	uint8_t told[32], sum[32]; /* digests */
	uint64_t applied;
};

static void
take_row(struct taken *taken, struct line *l, const char *kind)
{
	struct buf scratch = buf_make(ROWHASH_ROW_MAX);
	uint8_t hash[32] = { 0 };
	int rc = -1;

	if (strcmp(kind, "bucket") == 0)
		taken->buckets += (rc = hash_bucket(hash, l, &scratch)) == 0;
	else if (strcmp(kind, "object") == 0)
		taken->objects += (rc = hash_object(hash, l, true, &scratch)) ==
		    0;
	else if (strcmp(kind, "version") == 0)
		taken->versions += (rc = hash_object(hash, l, false,
					&scratch)) == 0;
	else if (strcmp(kind, "upload") == 0)
		taken->uploads += (rc = hash_upload(hash, l, &scratch)) == 0;
	else if (strcmp(kind, "part") == 0)
		taken->parts += (rc = hash_part(hash, l, &scratch)) == 0;
	else if (strcmp(kind, "decided") == 0)
		taken->decided += (rc = hash_decided(hash, l, &scratch)) == 0;
	CHECK(rc == 0);
	rowhash_add(taken->sum, hash);
	buf_fini(&scratch);
}

/* All lines up to the last one, which is returned. */
static const char *
take_lines(struct taken *taken, const char *from, const char *end)
{
	static struct line line;
	const char *lf;

	while ((lf = memchr(from, '\n', (size_t)(end - from))) != NULL &&
	    lf + 1 < end) {
		const char *kind;

		line.texts = 0;
		line.json = json_loadb(from, (size_t)(lf - from),
		    JSON_REJECT_DUPLICATES, NULL);
		kind = json_string_value(json_object_get(line.json, "row"));
		CHECK(kind != NULL);
		if (kind != NULL && strcmp(kind, "partition") != 0)
			take_row(taken, &line, kind);
		else if (kind != NULL) {
			CHECK(number(&line, "generation") == 1);
			CHECK(number(&line, "partition") == P);
			taken->applied = number(&line, "applied");
			hex(&line, "digest", taken->told, 32);
		}
		json_decref(line.json);
		from = lf + 1;
	}
	return from;
}

static void
check_snapshot(const char *body, size_t n)
{
	struct taken taken = { 0 };
	const char *last = take_lines(&taken, body, body + n);
	uint8_t sum[32];
	char want[120], text_of[65];

	CHECK(taken.applied == w.seq[P]);
	CHECK(taken.buckets == 1 && taken.objects == 2 && taken.versions == 1);
	CHECK(taken.uploads == 1 && taken.parts == 1 && taken.decided >= 6);
	CHECK(memcmp(taken.sum, taken.told, 32) == 0);
	/* Who got less than all of it can tell. */
	CHECK(digest_sha256(sum, body, (size_t)(last - body), NULL) == 0);
	hex_encode(text_of, sum, 32);
	(void)snprintf(want, sizeof(want), "{\"end\":true,\"sha256\":\"%s\"}\n",
	    text_of);
	CHECK(bytes_is(bytes_of(last, (size_t)(body + n - last)), want));
}

static void
the_lines_of_a_snapshot_give_its_digest(void)
{
	struct nodeserver_options options = { .ip = "127.0.0.1" };
	struct nodeserver *server = NULL;
	struct httpc_header header;
	struct httpc_response response = { 0 };
	struct httpc_addr addr = { .ip = "127.0.0.1" };
	struct error err = { 0 };

	nodeworld_open(&w);
	nodeworld_blob(&blob, 30000, 1);
	make_rows();
	if (nodeserver_start(&server, &w.core, NULL, &options, NULL) != 0)
		abort();
	addr.port = nodeserver_port(server);
	header = (struct httpc_header){ NODEPROTO_TO, w.core.to };
	CHECK(httpc_request(w.core.pool, &addr, "GET", "/snapshot/2", &header,
		  1, BYTES_NONE, &response, 1u << 20,
		  clock_mono_ms(&clock_system) + 20000, &err) == 0);
	CHECK(response.status == 200);
	check_snapshot((const char *)response.body.p, response.body.n);
	httpc_response_fini(&response);
	nodeserver_stop(server);
	shardtest_free(&blob);
	nodeworld_close(&w);
}

int
main(void)
{
	RUN(the_lines_of_a_snapshot_give_its_digest);
	return tap_done();
}
