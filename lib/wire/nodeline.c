/* SPDX-License-Identifier: MIT */
#include "wire/nodeline.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"
#include "cluster/jsontext.h"

/* jansson recurses at brackets: a line of ours has two levels. */
#define DEPTH_MAX 4

static const char *const state_names[] = { "none", "open", "sealed",
	"deleted" };

/* Print. */

static void
nodeline_add_name(struct buf *out, const char *member, const char *p, size_t n)
{
	char text[3 * NODEPROTO_KEY_MAX + 1];

	if (n > NODEPROTO_KEY_MAX)
		n = NODEPROTO_KEY_MAX;
	assert(3 * n < sizeof(text));
	percent_encode(text, p, n, false);
	buf_printf(out, "\"%s\":\"%s\"", member, text);
}

static void
nodeline_add_id(struct buf *out, const char *member, struct reqid id)
{
	char hex[REQID_HEX + 1];

	reqid_format(hex, id);
	buf_printf(out, "\"%s\":\"%s\"", member, hex);
}

static void
add_end(struct buf *out, bool truncated)
{
	buf_printf(out, "{\"end\":true,\"truncated\":%s",
	    truncated ? "true" : "false");
}

static void
add_key_end(struct buf *out, const struct nodeline_key *line)
{
	add_end(out, line->truncated);
	buf_addch(out, ',');
	nodeline_add_name(out, "next", line->name, line->name_bytes);
	if (!reqid_is_zero(line->upload)) {
		buf_addch(out, ',');
		nodeline_add_id(out, "nextUploadId", line->upload);
	}
	buf_addstr(out, "}\n");
}

/* A prefix or an end; false when the line is an item. */
static bool
add_common(struct buf *out, const struct nodeline_key *line)
{
	assert(line->kind <= NODELINE_END);
	assert(line->name_bytes <= NODEPROTO_KEY_MAX);
	if (line->kind == NODELINE_END) {
		add_key_end(out, line);
	} else if (line->kind == NODELINE_PREFIX) {
		buf_addch(out, '{');
		nodeline_add_name(out, "prefix", line->name, line->name_bytes);
		buf_addstr(out, "}\n");
	}
	return line->kind != NODELINE_ITEM;
}

void
nodeline_list_print(struct buf *out, const struct nodeline_key *line)
{
	if (add_common(out, line))
		return;
	buf_addch(out, '{');
	nodeline_add_name(out, "key", line->name, line->name_bytes);
	buf_printf(out,
	    ",\"size\":%" PRIu64 ",\"etag\":\"%s\",\"modified\":%" PRIu64
	    ",\"seq\":%" PRIu64 "}\n",
	    line->size, line->etag, line->modified_ms, line->seq);
}

void
nodeline_version_print(struct buf *out, const struct nodeline_key *line)
{
	char name[VERSIONID_TEXT + 1];

	if (add_common(out, line))
		return;
	assert(!line->version.is_null);
	versionid_format(name, &line->version);
	buf_addch(out, '{');
	nodeline_add_name(out, "key", line->name, line->name_bytes);
	buf_printf(out,
	    ",\"version\":\"%s\",\"null\":%s,\"marker\":%s,\"latest\":%s", name,
	    line->is_null ? "true" : "false", line->marker ? "true" : "false",
	    line->latest ? "true" : "false");
	buf_printf(out,
	    ",\"size\":%" PRIu64 ",\"etag\":\"%s\",\"modified\":%" PRIu64
	    ",\"seq\":%" PRIu64 "}\n",
	    line->size, line->etag, line->modified_ms, line->seq);
}

void
nodeline_upload_print(struct buf *out, const struct nodeline_key *line)
{
	if (add_common(out, line))
		return;
	buf_addch(out, '{');
	nodeline_add_name(out, "key", line->name, line->name_bytes);
	buf_addch(out, ',');
	nodeline_add_id(out, "uploadId", line->upload);
	buf_printf(out, ",\"initiated\":%" PRIu64 "}\n", line->modified_ms);
}

void
nodeline_part_print(struct buf *out, const struct nodeline_part *line)
{
	assert(line->kind != NODELINE_PREFIX); /* parts have none */
	if (line->kind == NODELINE_END) {
		add_end(out, line->truncated);
		buf_printf(out, ",\"next\":%" PRIu32 "}\n", line->part);
		return;
	}
	buf_printf(out,
	    "{\"part\":%" PRIu32 ",\"size\":%" PRIu64
	    ",\"etag\":\"%s\",\"modified\":%" PRIu64 ",",
	    line->part, line->size, line->etag, line->modified_ms);
	nodeline_add_id(out, "requestId", line->id);
	buf_addstr(out, "}\n");
}

void
nodeline_manifest_print(struct buf *out, const struct nodeline_part *line)
{
	char text[32];

	assert(line->kind != NODELINE_PREFIX);
	if (line->kind == NODELINE_END) {
		add_end(out, line->truncated);
		buf_addstr(out, "}\n");
		return;
	}
	assert(line->shard_crc64_count <= nitems(line->shard_crc64));
	buf_printf(out, "{\"part\":%" PRIu32 ",", line->part);
	nodeline_add_id(out, "requestId", line->id);
	nodeproto_geometry_print(text, &line->geometry);
	buf_printf(out,
	    ",\"size\":%" PRIu64 ",\"etag\":\"%s\",\"geometry\":\"%s\""
	    ",\"set\":%" PRIu32 ",",
	    line->size, line->etag, text, line->set);
	hex_u64(text, line->crc64nvme);
	buf_printf(out, "\"crc64nvme\":\"%s\",\"shardCrc64\":[", text);
	for (uint32_t i = 0; i < line->shard_crc64_count; i++) {
		hex_u64(text, line->shard_crc64[i]);
		buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", text);
	}
	buf_addstr(out, "]}\n");
}

void
nodeline_bucket_print(struct buf *out, const struct nodeline_bucket *line)
{
	assert(line->kind != NODELINE_PREFIX);
	if (line->kind == NODELINE_END) {
		add_end(out, false);
		buf_addstr(out, "}\n");
		return;
	}
	assert(line->state < nitems(state_names));
	buf_addch(out, '{');
	nodeline_add_name(out, "name", line->name, strlen(line->name));
	buf_printf(out, ",\"incarnation\":%" PRIu64 ",\"state\":\"%s\",",
	    line->incarnation, state_names[line->state]);
	nodeline_add_name(out, "owner", line->owner, strlen(line->owner));
	buf_printf(out,
	    ",\"created\":%" PRIu64 ",\"attempt\":%" PRIu64
	    ",\"sealedAt\":%" PRIu64 ",\"revision\":%" PRIu64
	    ",\"ruling\":%" PRIu64 ",\"versioning\":\"%s\"",
	    line->created_ms, line->attempt, line->sealed_ms, line->revision,
	    line->ruling, nodeproto_versioning_name(line->versioning));
	if (line->settings.n > 0) {
		buf_addstr(out, ",\"settings\":");
		jsontext_quote(out, line->settings);
	}
	buf_addstr(out, "}\n");
}

void
nodeline_ack_print(struct buf *out, const struct nodeline_ack *line)
{
	char hex[REQID_HEX + 1];

	switch (line->kind) {
	case NODELINE_POSITION:
		buf_printf(out, "position %" PRIu32 " %" PRIu64 "\n",
		    line->partition, line->seq);
		break;
	case NODELINE_VOTING:
		buf_printf(out, "voting %" PRIu32 " %d\n", line->partition,
		    line->voting);
		break;
	case NODELINE_OUTCOME:
		reqid_format(hex, line->id);
		buf_printf(out, "%" PRIu32 " %" PRIu64 " %s %s\n",
		    line->partition, line->seq, outcome_name(line->outcome),
		    hex);
		break;
	case NODELINE_TIME:
		buf_printf(out, "time %" PRIu64 "\n", line->time_ms);
		break;
	case NODELINE_PING:
		buf_addstr(out, "ping\n");
		break;
	}
}

void
nodeline_applied_print(struct buf *out, const struct nodeline_ack *line)
{
	buf_printf(out, "{\"partition\":%" PRIu32 ",\"seq\":%" PRIu64 ",",
	    line->partition, line->seq);
	nodeline_add_id(out, "requestId", line->id);
	buf_printf(out, ",\"outcome\":\"%s\"}\n", outcome_name(line->outcome));
}

void
nodeline_at_print(struct buf *out, const struct nodeline_at *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s%" PRIu32 ":%" PRIu64, i > 0 ? "," : "",
		    at[i].partition, at[i].seq);
}

/* Parse. */

static int
bad_line(struct error *err, const char *what)
{
	return error_set(err, ERRC_PROTOCOL, "answer: bad line: %s", what);
}

static int
nodeline_load(json_t **out, struct bytes line, size_t max, struct error *err)
{
	json_error_t jerr;

	if (line.n > max || !jsontext_shallow(line, DEPTH_MAX))
		return bad_line(err, "too long or too deep");
	*out = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES,
	    &jerr);
	if (*out == NULL || !json_is_object(*out)) {
		json_decref(*out);
		return bad_line(err, "no JSON object");
	}
	return 0;
}

static bool
take_u64(uint64_t *out, const json_t *object, const char *member, uint64_t max)
{
	const json_t *v = json_object_get(object, member);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static bool
nodeline_take_u32(uint32_t *out, const json_t *object, const char *member)
{
	uint64_t n;

	if (!take_u64(&n, object, member, UINT32_MAX))
		return false;
	*out = (uint32_t)n;
	return true;
}

/* A percent-encoded name into room bytes, NUL included. */
static bool
nodeline_take_name(char *out, size_t *out_n, size_t room, const json_t *object,
    const char *member)
{
	char text[3 * NODEPROTO_KEY_MAX + 1];
	const json_t *v = json_object_get(object, member);
	size_t n;

	if (!json_is_string(v) || json_string_length(v) >= sizeof(text) ||
	    !percent_decode(text, &n, json_string_value(v),
		json_string_length(v), false) ||
	    n >= room)
		return false;
	assert(n < room);
	memcpy(out, text, n);
	out[n] = '\0';
	*out_n = n;
	return true;
}

static bool
nodeline_take_id(struct reqid *out, const json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);

	return json_is_string(v) &&
	    reqid_parse(out, json_string_value(v), json_string_length(v));
}

static bool
take_etag(char *out, const json_t *object)
{
	const json_t *v = json_object_get(object, "etag");

	if (!json_is_string(v) || json_string_length(v) > NODEPROTO_ETAG_MAX)
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

static bool
take_crc(uint64_t *out, const json_t *v)
{
	return json_is_string(v) &&
	    hex_parse_u64(out, json_string_value(v), json_string_length(v));
}

/* The kind of line, and for an end whether there is more. */
static enum nodeline_kind
take_kind(const json_t *object, bool *truncated)
{
	*truncated = json_is_true(json_object_get(object, "truncated"));
	if (json_is_true(json_object_get(object, "end")))
		return NODELINE_END;
	if (json_object_get(object, "prefix") != NULL)
		return NODELINE_PREFIX;
	return NODELINE_ITEM;
}

/* What list and uploads have in common; false when it is wrong. */
static bool
take_key(struct nodeline_key *out, const json_t *object)
{
	static const char *const member[] = { "key", "prefix", "next" };

	*out = (struct nodeline_key){ 0 };
	out->kind = take_kind(object, &out->truncated);
	assert(out->kind < nitems(member));
	if (!nodeline_take_name(out->name, &out->name_bytes, sizeof(out->name),
		object, member[out->kind]))
		return false;
	if (out->kind == NODELINE_END &&
	    json_object_get(object, "nextUploadId") != NULL)
		return nodeline_take_id(&out->upload, object, "nextUploadId");
	return true;
}

typedef bool take_fn(void *out, const json_t *object);

/* A line that is a JSON object. */
static int
nodeline_parse(void *out, take_fn *take, const char *what, struct bytes line,
    struct error *err)
{
	json_t *object = NULL;
	bool good;
	int rc = nodeline_load(&object, line, NODELINE_MAX, err);

	if (rc != 0)
		return rc;
	good = take(out, object);
	json_decref(object);
	return good ? 0 : bad_line(err, what);
}

static bool
nodeline_take_list(void *line, const json_t *object)
{
	struct nodeline_key *out = line;

	return take_key(out, object) &&
	    (out->kind != NODELINE_ITEM ||
		(take_u64(&out->size, object, "size", INT64_MAX) &&
		    take_u64(&out->modified_ms, object, "modified",
			INT64_MAX) &&
		    take_u64(&out->seq, object, "seq", INT64_MAX) &&
		    take_etag(out->etag, object)));
}

int
nodeline_list_parse(struct nodeline_key *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, nodeline_take_list, "list", line, err);
}

static bool
take_flag(bool *out, const json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);

	*out = json_is_true(v);
	return json_is_boolean(v);
}

static bool
take_version_name(struct versionid *out, const json_t *object)
{
	const json_t *v = json_object_get(object, "version");

	return json_is_string(v) &&
	    versionid_parse(out,
		bytes_of(json_string_value(v), json_string_length(v))) &&
	    !out->is_null;
}

static bool
take_version(void *line, const json_t *object)
{
	struct nodeline_key *out = line;

	return nodeline_take_list(line, object) &&
	    (out->kind != NODELINE_ITEM ||
		(take_version_name(&out->version, object) &&
		    take_flag(&out->is_null, object, "null") &&
		    take_flag(&out->marker, object, "marker") &&
		    take_flag(&out->latest, object, "latest")));
}

int
nodeline_version_parse(struct nodeline_key *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, take_version, "versions", line, err);
}

static bool
take_upload(void *line, const json_t *object)
{
	struct nodeline_key *out = line;

	return take_key(out, object) &&
	    (out->kind != NODELINE_ITEM ||
		(nodeline_take_id(&out->upload, object, "uploadId") &&
		    take_u64(&out->modified_ms, object, "initiated",
			INT64_MAX)));
}

int
nodeline_upload_parse(struct nodeline_key *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, take_upload, "uploads", line, err);
}

static bool
take_part(void *line, const json_t *object)
{
	struct nodeline_part *out = line;

	*out = (struct nodeline_part){ 0 };
	out->kind = take_kind(object, &out->truncated);
	if (out->kind == NODELINE_END)
		return nodeline_take_u32(&out->part, object, "next");
	return nodeline_take_u32(&out->part, object, "part") &&
	    take_u64(&out->size, object, "size", INT64_MAX) &&
	    take_u64(&out->modified_ms, object, "modified", INT64_MAX) &&
	    take_etag(out->etag, object) &&
	    nodeline_take_id(&out->id, object, "requestId");
}

int
nodeline_part_parse(struct nodeline_part *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, take_part, "parts", line, err);
}

static bool
take_crc_list(struct nodeline_part *out, const json_t *list)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > nitems(out->shard_crc64))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!take_crc(&out->shard_crc64[i], json_array_get(list, i)))
			return false;
	assert(n <= nitems(out->shard_crc64));
	out->shard_crc64_count = (uint32_t)n;
	return n == out->geometry.data_shards + out->geometry.parity_shards;
}

static bool
take_manifest(void *line, const json_t *object)
{
	const char *geometry = json_string_value(
	    json_object_get(object, "geometry"));
	struct nodeline_part *out = line;

	*out = (struct nodeline_part){ 0 };
	out->kind = take_kind(object, &out->truncated);
	if (out->kind == NODELINE_END)
		return true;
	return nodeline_take_u32(&out->part, object, "part") &&
	    take_u64(&out->size, object, "size", INT64_MAX) &&
	    take_etag(out->etag, object) &&
	    nodeline_take_id(&out->id, object, "requestId") &&
	    nodeline_take_u32(&out->set, object, "set") && geometry != NULL &&
	    nodeproto_geometry_parse(&out->geometry, geometry, NULL) == 0 &&
	    take_crc(&out->crc64nvme, json_object_get(object, "crc64nvme")) &&
	    take_crc_list(out, json_object_get(object, "shardCrc64"));
}

int
nodeline_manifest_parse(struct nodeline_part *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, take_manifest, "manifest", line, err);
}

static bool
take_bucket(void *line, const json_t *object)
{
	const char *state = json_string_value(json_object_get(object, "state"));
	struct nodeline_bucket *out = line;
	bool truncated;
	size_t n;

	*out = (struct nodeline_bucket){ 0 };
	out->kind = take_kind(object, &truncated);
	if (out->kind == NODELINE_END)
		return true;
	for (out->state = NODEPROTO_OPEN; state != NULL; out->state++) {
		if (out->state > NODEPROTO_DELETED)
			return false;
		if (strcmp(state, state_names[out->state]) == 0)
			break;
	}
	/* A program of level 1 knows no settings. */
	if (json_object_get(object, "revision") != NULL &&
	    (!take_u64(&out->revision, object, "revision", INT64_MAX) ||
		!take_u64(&out->ruling, object, "ruling", INT64_MAX) ||
		!nodeproto_versioning_parse(&out->versioning,
		    json_string_value(json_object_get(object, "versioning")))))
		return false;
	return state != NULL &&
	    nodeline_take_name(out->name, &n, sizeof(out->name), object,
		"name") &&
	    nodeline_take_name(out->owner, &n, sizeof(out->owner), object,
		"owner") &&
	    take_u64(&out->incarnation, object, "incarnation", INT64_MAX) &&
	    take_u64(&out->created_ms, object, "created", INT64_MAX) &&
	    take_u64(&out->attempt, object, "attempt", INT64_MAX) &&
	    take_u64(&out->sealed_ms, object, "sealedAt", INT64_MAX);
}

int
nodeline_bucket_parse(struct nodeline_bucket *out, struct bytes line,
    struct error *err)
{
	json_t *object = NULL;
	bool good;
	int rc = nodeline_load(&object, line, NODELINE_BUCKET_MAX, err);

	if (rc != 0)
		return rc;
	good = take_bucket(out, object);
	json_decref(object);
	return good ? 0 : bad_line(err, "bucket");
}

int
nodeline_bucket_settings(struct buf *out, struct bytes line, struct error *err)
{
	json_t *object = NULL;
	const json_t *settings;
	int rc = nodeline_load(&object, line, NODELINE_BUCKET_MAX, err);

	if (rc != 0)
		return rc;
	settings = json_object_get(object, "settings");
	if (settings == NULL)
		buf_addstr(out, "{}");
	else if (json_is_string(settings))
		buf_add(out, json_string_value(settings),
		    json_string_length(settings));
	else
		rc = bad_line(err, "settings");
	json_decref(object);
	if (rc == 0 && buf_failed(out))
		rc = error_set(err, ERRC_NOMEM, "settings: no memory");
	return rc;
}

/* Split at single spaces into at most max words; 0 when there are more. */
static size_t
split(struct bytes word[], size_t max, struct bytes line)
{
	size_t n = 0;
	size_t start = 0;

	for (size_t i = 0; i <= line.n; i++) {
		if (i < line.n && line.p[i] != ' ')
			continue;
		if (n == max)
			return 0;
		assert(start <= i);
		word[n++] = bytes_of(line.p + start, i - start);
		start = i + 1;
	}
	return n;
}

static bool
word_number(uint64_t *out, struct bytes word, uint64_t max)
{
	return number_parse(out, (const char *)word.p, word.n, 0, max);
}

static bool
word_outcome(struct nodeline_ack *out, struct bytes name, struct bytes id)
{
	return outcome_parse(&out->outcome, (const char *)name.p, name.n) &&
	    reqid_parse(&out->id, (const char *)id.p, id.n);
}

int
nodeline_ack_parse(struct nodeline_ack *out, struct bytes line,
    struct error *err)
{
	struct bytes word[4];
	size_t n = split(word, nitems(word), line);
	uint64_t partition = 0;
	uint64_t seq = 0;
	bool good = false;

	*out = (struct nodeline_ack){ 0 };
	if (n == 1 && bytes_is(word[0], "ping")) {
		out->kind = NODELINE_PING;
		return 0;
	}
	if (n == 2 && bytes_is(word[0], "time")) {
		out->kind = NODELINE_TIME;
		good = word_number(&out->time_ms, word[1], INT64_MAX);
	} else if (n == 3 && bytes_is(word[0], "position")) {
		out->kind = NODELINE_POSITION;
		good = word_number(&partition, word[1], UINT32_MAX) &&
		    word_number(&seq, word[2], INT64_MAX);
	} else if (n == 3 && bytes_is(word[0], "voting")) {
		out->kind = NODELINE_VOTING;
		good = word_number(&partition, word[1], UINT32_MAX) &&
		    word_number(&seq, word[2], 1);
		out->voting = seq == 1;
		seq = 0;
	} else if (n == 4) {
		out->kind = NODELINE_OUTCOME;
		good = word_number(&partition, word[0], UINT32_MAX) &&
		    word_number(&seq, word[1], INT64_MAX) &&
		    word_outcome(out, word[2], word[3]);
	}
	assert(partition <= UINT32_MAX && seq <= INT64_MAX);
	out->partition = (uint32_t)partition;
	out->seq = seq;
	return good ? 0 : bad_line(err, "acknowledgement");
}

static bool
take_applied(void *line, const json_t *object)
{
	const char *name = json_string_value(
	    json_object_get(object, "outcome"));
	struct nodeline_ack *out = line;

	*out = (struct nodeline_ack){ .kind = NODELINE_OUTCOME };
	return nodeline_take_u32(&out->partition, object, "partition") &&
	    take_u64(&out->seq, object, "seq", INT64_MAX) &&
	    nodeline_take_id(&out->id, object, "requestId") && name != NULL &&
	    outcome_parse(&out->outcome, name, strlen(name));
}

int
nodeline_applied_parse(struct nodeline_ack *out, struct bytes line,
    struct error *err)
{
	return nodeline_parse(out, take_applied, "applied", line, err);
}

static bool
at_item(struct nodeline_at *out, const char *text, size_t len)
{
	size_t colon = strcspn(text, ":");
	uint64_t partition;

	if (colon >= len ||
	    !number_parse(&partition, text, colon, 0, UINT32_MAX) ||
	    !number_parse(&out->seq, text + colon + 1, len - colon - 1, 0,
		INT64_MAX))
		return false;
	out->partition = (uint32_t)partition;
	return true;
}

int
nodeline_at_parse(struct nodeline_at **out, size_t *count, const char *text,
    struct error *err)
{
	struct nodeline_at *at;
	size_t max = 1;
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++)
		max += *p == ',';
	if (max > NODELINE_AT_MAX)
		return error_set(err, ERRC_USAGE, "at: too many positions");
	at = calloc(max, sizeof(*at));
	if (at == NULL)
		return error_set(err, ERRC_NOMEM, "at: no memory");
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		assert(n < max);
		if (!at_item(&at[n++], text, len)) {
			free(at);
			return error_set(err, ERRC_USAGE,
			    "at: not PARTITION:SEQ,...");
		}
		text += len;
		text += *text == ',';
	}
	*out = at;
	*count = n;
	return 0;
}
