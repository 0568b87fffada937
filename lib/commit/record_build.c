/* SPDX-License-Identifier: MIT */
#include "commit/record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "cluster/jsontext.h"
#include "commit/record_form.h"

static void
record_add_text(struct buf *out, const char *name, struct bytes text)
{
	buf_printf(out, ",\"%s\":", name);
	jsontext_quote(out, text);
}

static void
record_add_number(struct buf *out, const char *name, uint64_t number)
{
	buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)number);
}

static void
record_add_id(struct buf *out, const char *name, struct reqid id)
{
	char hex[REQID_HEX + 1];

	reqid_format(hex, id);
	buf_printf(out, ",\"%s\":\"%s\"", name, hex);
}

static void
add_blob(struct buf *out, const struct record_blob *blob, struct bytes etag)
{
	const char *separator = "";

	assert(blob->shard_count <= RECORD_SHARDS_MAX);
	assert(!blob->is_inline || blob->shard_count == 0);
	record_add_number(out, "size", blob->size);
	record_add_text(out, "etag", etag);
	buf_printf(out, ",\"crc64nvme\":\"%016llx\"",
	    (unsigned long long)blob->crc64nvme);
	record_add_number(out, "dataShards", blob->data_shards);
	record_add_number(out, "parityShards", blob->parity_shards);
	record_add_number(out, "cellSize", blob->cell_bytes);
	record_add_number(out, "set", blob->set);
	buf_addstr(out, ",\"shardCrc64\":[");
	for (uint32_t i = 0; i < blob->shard_count; i++)
		buf_printf(out, "%s\"%016llx\"", i > 0 ? "," : "",
		    (unsigned long long)blob->shard_crc64[i]);
	buf_addstr(out, "],\"durable\":[");
	for (uint32_t i = 0; i < RECORD_SHARDS_MAX; i++) {
		if ((blob->durable >> i & 1) == 0)
			continue;
		buf_printf(out, "%s%u", separator, i);
		separator = ",";
	}
	buf_addch(out, ']');
}

static void
add_parts(struct buf *out, const struct record *fields)
{
	char hex[33];

	assert(fields->part_count >= 1);
	assert(fields->part_count <= RECORD_PARTS_MAX);
	buf_addstr(out, ",\"parts\":[");
	for (size_t i = 0; i < fields->part_count; i++) {
		hex_encode(hex, fields->parts[i].md5, 16);
		buf_printf(out, "%s[%u,\"%s\"]", i > 0 ? "," : "",
		    fields->parts[i].number, hex);
	}
	buf_addch(out, ']');
}

static void
add_genesis(struct buf *out, const struct record *fields)
{
	char hex[2 * RECORD_CHAIN_BYTES + 1];

	assert(fields->generation >= 1);
	assert(fields->partition_count >= 1);
	record_add_number(out, "partition", fields->partition);
	record_add_number(out, "generation", fields->generation);
	record_add_number(out, "baseSeq", fields->base_seq);
	hex_encode(hex, fields->chain, RECORD_CHAIN_BYTES);
	buf_printf(out, ",\"chain\":\"%s\"", hex);
	record_add_number(out, "partitions", fields->partition_count);
}

static void
add_needs(struct buf *out, uint32_t needs)
{
	const char *separator = "";

	assert(needs >> RECORD_NEED_MAX == 0);
	if (needs == 0)
		return;
	buf_addstr(out, ",\"need\":[");
	for (unsigned i = 0; i < RECORD_NEED_MAX; i++) {
		if ((needs >> i & 1) == 0)
			continue;
		buf_printf(out, "%s\"%s\"", separator,
		    record_need_word((enum record_need)i));
		separator = ",";
	}
	buf_addch(out, ']');
}

static void
add_version(struct buf *out, const struct versionid *version)
{
	char text[VERSIONID_TEXT + 1];

	versionid_format(text, version);
	record_add_text(out, "version", bytes_str(text));
}

static void
add_names(struct buf *out, const struct record *fields, uint32_t form)
{
	assert((form & FORM_BUCKET) == 0 || fields->bucket.n > 0);
	assert((form & FORM_KEY) == 0 || fields->key.n > 0);
	if ((form & FORM_BUCKET) != 0) {
		record_add_text(out, "bucket", fields->bucket);
		record_add_number(out, "incarnation", fields->incarnation);
	}
	if ((form & FORM_CONFIG) != 0 ||
	    ((form & FORM_SEEN) != 0 && fields->revision != 0))
		record_add_number(out, "revision", fields->revision);
	if ((form & FORM_ATTEMPT) != 0)
		record_add_number(out, "attempt", fields->attempt);
	if ((form & FORM_HOME) != 0)
		buf_printf(out, ",\"home\":%s",
		    fields->home ? "true" : "false");
	if ((form & FORM_KEY) != 0)
		record_add_text(out, "key", fields->key);
	if ((form & FORM_UPLOAD) != 0)
		record_add_id(out, "uploadId", fields->upload_id);
	if ((form & FORM_NUMBER) != 0)
		record_add_number(out, "partNumber", fields->part_number);
	if ((form & FORM_VERSION) != 0 && fields->has_version)
		add_version(out, &fields->version);
}

static void
add_json(struct buf *out, const char *name, struct bytes json)
{
	assert(json.n == 0 || memchr(json.p, '\n', json.n) == NULL);
	buf_printf(out, ",\"%s\":", name);
	if (json.n == 0)
		buf_addstr(out, "{}");
	else
		buf_add(out, json.p, json.n);
}

static void
add_members(struct buf *out, const struct record *fields, uint32_t form)
{
	add_names(out, fields, form);
	if ((form & FORM_BLOB) != 0)
		add_blob(out, &fields->blob, fields->etag);
	else if ((form & FORM_ETAG) != 0)
		record_add_text(out, "etag", fields->etag);
	if ((form & FORM_OWNER) != 0)
		record_add_text(out, "owner", fields->owner);
	if ((form & FORM_HEADERS) != 0) {
		add_json(out, "headers", fields->headers);
		add_json(out, "meta", fields->meta);
	}
	if ((form & FORM_PARTS) != 0)
		add_parts(out, fields);
	if ((form & FORM_IF_MATCH) != 0 && fields->if_match.p != NULL)
		record_add_text(out, "ifMatch", fields->if_match);
	if ((form & FORM_IF_NONE_MATCH) != 0 && fields->if_none_match)
		buf_addstr(out, ",\"ifNoneMatch\":\"*\"");
	if ((form & FORM_GENESIS) != 0)
		add_genesis(out, fields);
	if ((form & FORM_CONFIG) != 0) {
		record_add_number(out, "ifRevision", fields->if_revision);
		record_add_number(out, "ruling", fields->ruling);
		add_json(out, "settings", fields->settings);
	}
	if ((form & FORM_EPOCH) != 0)
		record_add_number(out, "newEpoch", fields->new_epoch);
	if ((form & FORM_LEVEL) != 0)
		record_add_number(out, "level", fields->level);
	if ((form & FORM_BLOB) != 0 && fields->blob.is_inline)
		record_add_text(out, "inline", fields->blob.inline_base64);
}

/* headers and meta go into the line as they are, so they are looked at. */
static int
check_json(const char *name, struct bytes text, struct error *err)
{
	json_t *json = NULL;
	const char *key;
	json_t *value;
	int rc;

	if (text.n == 0)
		return 0;
	rc = jsontext_load(&json, text, RECORD_JSON_MAX, 1, err);
	if (rc == -ERRC_NOMEM)
		return rc;
	if (rc < 0 || !json_is_object(json) ||
	    memchr(text.p, '\n', text.n) != NULL) {
		json_decref(json);
		return error_set(err, ERRC_USAGE,
		    "record: %s: not a JSON object on one line", name);
	}
	json_object_foreach(json, key, value)
	{
		if (!json_is_string(value))
			rc = error_set(err, ERRC_USAGE,
			    "record: %s: \"%s\" is not a string", name, key);
	}
	json_decref(json);
	return rc;
}

/* Settings are anybody's JSON, but for what apply must know. */
static int
check_settings(struct bytes text, struct error *err)
{
	enum record_versioning versioning;
	json_t *json = NULL;
	bool good;
	int rc;

	if (text.n == 0)
		return 0;
	rc = jsontext_load(&json, text, RECORD_SETTINGS_MAX, RECORD_DEPTH_MAX,
	    err);
	if (rc == -ERRC_NOMEM)
		return rc;
	good = rc == 0 && record_settings(json, &versioning) &&
	    memchr(text.p, '\n', text.n) == NULL;
	json_decref(json);
	return good ? 0 :
		      error_set(err, ERRC_USAGE,
			  "record: settings: no JSON object on one line, or "
			  "versioning is neither Enabled nor Suspended");
}

/* A full or sloppy inline text would only be found by who reads it. */
static int
check_inline(const struct record *fields, struct error *err)
{
	struct bytes text = fields->blob.inline_base64;

	assert(fields->blob.is_inline);
	if (text.n != BASE64_BYTES(fields->blob.size) - 1)
		return error_set(err, ERRC_USAGE,
		    "record: inline: %zu digits for %llu bytes", text.n,
		    (unsigned long long)fields->blob.size);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\' || text.p[i] < 0x20)
			return error_set(err, ERRC_USAGE,
			    "record: inline: not base64");
	}
	return 0;
}

static int
check_fields(const struct record *fields, struct error *err)
{
	uint32_t form = record_form[fields->type];
	const char *wrong = record_check(fields);
	int rc = 0;

	if (wrong != NULL)
		return error_set(err, ERRC_USAGE, "record: %s: %s",
		    record_type_name(fields->type), wrong);
	if ((form & FORM_HEADERS) != 0) {
		rc = check_json("headers", fields->headers, err);
		if (rc == 0)
			rc = check_json("meta", fields->meta, err);
	}
	if (rc == 0 && (form & FORM_CONFIG) != 0)
		rc = check_settings(fields->settings, err);
	if (rc == 0 && (form & FORM_BLOB) != 0 && fields->blob.is_inline)
		rc = check_inline(fields, err);
	return rc;
}

int
record_build(struct buf *out, const struct record *fields, struct error *err)
{
	uint32_t form = record_form[fields->type];
	size_t start = out->n;
	struct bytes part[2];
	int rc;

	/* Nobody writes what it would not understand (levels, koop-record(5)):
	 * its own node would halt at it. */
	assert(fields->type < RECORD_TYPE_MAX);
	assert(record_type_level(fields->type) <= record_level());
	rc = check_fields(fields, err);
	if (rc < 0)
		return rc;
	if (form == FORM_ABORT)
		form |= (fields->bucket.n > 0 ? FORM_BUCKET | FORM_KEY : 0) |
		    (fields->has_upload ? FORM_UPLOAD : 0);

	buf_printf(out, "{\"v\":%d,\"type\":\"%s\",\"cluster\":\"%s\"",
	    RECORD_VERSION, record_type_name(fields->type), fields->cluster);
	record_add_number(out, "epoch", fields->epoch);
	record_add_id(out, "requestId", fields->request_id);
	record_add_text(out, "sender", fields->sender);
	add_needs(out, record_needs(fields));
	add_members(out, fields, form);
	buf_addstr(out, RECORD_TAIL "00000000\"}");
	if (buf_failed(out) || out->n - start > RECORD_BYTES_MAX)
		return error_set(err, ERRC_USAGE,
		    "record: %s: longer than %u bytes",
		    record_type_name(fields->type), RECORD_BYTES_MAX);

	/* The line is complete but for the digits: now see what they cover. */
	if (!record_covered(bytes_of(out->p + start, out->n - start), part))
		return error_set(err, ERRC_CORRUPT, "record: bad end");
	snprintf(out->p + out->n - 10, 9, "%08x", record_crc(part));
	memcpy(out->p + out->n - 2, "\"}", 2);
	/* It is in the log for ever: one line, and no longer than readers take.
	 */
	assert(out->n - start <= RECORD_BYTES_MAX);
	assert(memchr(out->p + start, '\n', out->n - start) == NULL);
	return 0;
}
