/* SPDX-License-Identifier: MIT */
#include "commit/record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cluster/jsontext.h"
#include "commit/record_form.h"

/* The view, the JSON and the text that it points into. */
struct record_owner {
	struct record record; /* first: record_free() gets its address */
	json_t *json;
	struct record_part *parts;
	char text[]; /* the covered bytes and a brace */
};

void
record_free(struct record *record)
{
	struct record_owner *owner = (struct record_owner *)record;

	_Static_assert(offsetof(struct record_owner, record) == 0, "first");
	if (owner == NULL)
		return;
	json_decref(owner->json);
	free(owner->parts);
	free(owner);
}

/*
 * The text of a member of the outermost object, as it was sent.  The text is
 * known to be good JSON.  A name that is written with escapes is not found.
 */
static bool
raw_member(struct bytes text, const char *name, struct bytes *out)
{
	size_t name_bytes = strlen(name);
	size_t key = 0; /* where the last string of depth 1 began */
	size_t from = 0;
	unsigned depth = 0;
	bool found = false;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '"') {
			size_t start = ++i;

			while (text.p[i] != '"')
				i += text.p[i] == '\\' ? 2 : 1;
			assert(i < text.n);
			if (depth == 1 && !found)
				key = i - start == name_bytes &&
					memcmp(text.p + start, name,
					    name_bytes) == 0 ?
				    start :
				    0;
		} else if (c == '{' || c == '[') {
			if (depth++ == 1 && found)
				from = i;
		} else if (c == '}' || c == ']') {
			assert(depth > 0);
			if (--depth == 1 && found) {
				assert(from > 0 && from < i);
				*out = bytes_of(text.p + from, i + 1 - from);
				return true;
			}
		} else if (c == ':' && depth == 1) {
			found = key != 0;
		}
	}
	return false;
}

static bool
take_json(const struct record_owner *owner, struct bytes text, const char *name,
    struct bytes *out)
{
	json_t *object = json_object_get(owner->json, name);
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return false;
	json_object_foreach(object, key, value)
	{
		if (!json_is_string(value))
			return false;
	}
	assert(text.n > 0 && text.p[0] == '{');
	return raw_member(text, name, out);
}

static bool
record_take_id(const json_t *json, const char *name, struct reqid *out)
{
	struct bytes text;

	return jsontext_string(json, name, &text) &&
	    reqid_parse(out, (const char *)text.p, text.n);
}

static bool
record_take_u32(const json_t *json, const char *name, uint32_t *out)
{
	uint64_t value;

	if (!jsontext_integer(json, name, 0, UINT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool
record_take_number(const json_t *json, const char *name, uint64_t *out)
{
	return jsontext_integer(json, name, 0, JSONTEXT_INTEGER_MAX, out);
}

static bool
take_crc64(const json_t *value, uint64_t *out)
{
	return json_is_string(value) &&
	    hex_parse_u64(out, json_string_value(value),
		json_string_length(value));
}

static bool
take_shards(const json_t *json, struct record_blob *blob)
{
	const json_t *crcs = json_object_get(json, "shardCrc64");
	const json_t *durable = json_object_get(json, "durable");
	size_t count = json_array_size(crcs);
	int64_t last = -1;

	if (!json_is_array(crcs) || !json_is_array(durable) ||
	    count > RECORD_SHARDS_MAX ||
	    json_array_size(durable) > RECORD_SHARDS_MAX)
		return false;
	blob->shard_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		if (!take_crc64(json_array_get(crcs, i), &blob->shard_crc64[i]))
			return false;
	}
	for (size_t i = 0; i < json_array_size(durable); i++) {
		const json_t *item = json_array_get(durable, i);
		json_int_t shard = json_integer_value(item);

		if (!json_is_integer(item) || shard <= last ||
		    shard >= RECORD_SHARDS_MAX)
			return false;
		assert(shard >= 0 && shard < RECORD_SHARDS_MAX);
		blob->durable |= UINT32_C(1) << shard;
		last = shard;
	}
	return true;
}

static bool
take_blob(const json_t *json, struct record_blob *blob, struct bytes inlined)
{
	const json_t *text = json_object_get(json, "inline");

	/* What json has there is empty: the text was left out before. */
	blob->is_inline = text != NULL;
	blob->inline_base64 = inlined;
	if (text != NULL && inlined.p == NULL)
		return false;
	return record_take_number(json, "size", &blob->size) &&
	    take_crc64(json_object_get(json, "crc64nvme"), &blob->crc64nvme) &&
	    record_take_u32(json, "dataShards", &blob->data_shards) &&
	    record_take_u32(json, "parityShards", &blob->parity_shards) &&
	    record_take_u32(json, "cellSize", &blob->cell_bytes) &&
	    record_take_u32(json, "set", &blob->set) && take_shards(json, blob);
}

static int
take_parts(struct record_owner *owner)
{
	const json_t *parts = json_object_get(owner->json, "parts");
	size_t count = json_array_size(parts);

	if (!json_is_array(parts) || count < 1 || count > RECORD_PARTS_MAX)
		return 0;
	assert(owner->parts == NULL);
	owner->parts = calloc(count, sizeof(*owner->parts));
	if (owner->parts == NULL)
		return -ERRC_NOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(parts, i);
		const json_t *number = json_array_get(pair, 0);
		const json_t *md5 = json_array_get(pair, 1);
		json_int_t value = json_integer_value(number);

		if (json_array_size(pair) != 2 || !json_is_integer(number) ||
		    !json_is_string(md5) || value < 1 ||
		    value > RECORD_PARTS_MAX ||
		    !hex_decode(owner->parts[i].md5, 16, json_string_value(md5),
			json_string_length(md5)))
			return 0;
		owner->parts[i].number = (uint32_t)value;
	}
	owner->record.parts = owner->parts;
	owner->record.part_count = count;
	return 1;
}

static bool
take_genesis(const json_t *json, struct record *record)
{
	struct bytes chain;

	return record_take_u32(json, "partition", &record->partition) &&
	    record_take_number(json, "generation", &record->generation) &&
	    record_take_number(json, "baseSeq", &record->base_seq) &&
	    jsontext_string(json, "chain", &chain) &&
	    hex_decode(record->chain, RECORD_CHAIN_BYTES, (const char *)chain.p,
		chain.n) &&
	    record_take_u32(json, "partitions", &record->partition_count);
}

static bool
take_names(const json_t *json, struct record *record, uint32_t form)
{
	const json_t *home = json_object_get(json, "home");

	if ((form & FORM_BUCKET) != 0 &&
	    (!jsontext_string(json, "bucket", &record->bucket) ||
		!record_take_number(json, "incarnation", &record->incarnation)))
		return false;
	if ((form & FORM_ATTEMPT) != 0 &&
	    !record_take_number(json, "attempt", &record->attempt))
		return false;
	if ((form & FORM_HOME) != 0 && !json_is_boolean(home))
		return false;
	record->home = json_is_true(home);
	if ((form & FORM_KEY) != 0 &&
	    !jsontext_string(json, "key", &record->key))
		return false;
	if ((form & FORM_OWNER) != 0 &&
	    !jsontext_string(json, "owner", &record->owner))
		return false;
	if ((form & FORM_UPLOAD) != 0) {
		record->has_upload = record_take_id(json, "uploadId",
		    &record->upload_id);
		if (!record->has_upload)
			return false;
	}
	if ((form & FORM_ETAG) != 0 &&
	    !jsontext_string(json, "etag", &record->etag))
		return false;
	return (form & FORM_NUMBER) == 0 ||
	    record_take_u32(json, "partNumber", &record->part_number);
}

/* A member that stands for a word of `need` is only read with that word. */
static bool
take_needed(const json_t *json, struct record *record, uint32_t form,
    uint32_t needs)
{
	struct bytes text;

	if ((form & FORM_SEEN) != 0 &&
	    (needs & RECORD_NEED_BIT(REVISION)) != 0 &&
	    (!record_take_number(json, "revision", &record->revision) ||
		record->revision == 0))
		return false;
	if ((form & FORM_VERSION) == 0 ||
	    (needs & RECORD_NEED_BIT(VERSION)) == 0)
		return true;
	record->has_version = true;
	return jsontext_string(json, "version", &text) &&
	    versionid_parse(&record->version, text);
}

/* What came with the second level, and the level itself. */
static bool
take_config(const json_t *json, struct record *record, struct bytes text,
    uint32_t form)
{
	uint64_t level;

	if ((form & FORM_CONFIG) != 0 &&
	    (!record_take_number(json, "revision", &record->revision) ||
		!record_take_number(json, "ifRevision", &record->if_revision) ||
		!record_take_number(json, "ruling", &record->ruling) ||
		!record_settings(json_object_get(json, "settings"),
		    &record->versioning) ||
		!raw_member(text, "settings", &record->settings)))
		return false;
	if ((form & FORM_EPOCH) != 0 &&
	    !record_take_number(json, "newEpoch", &record->new_epoch))
		return false;
	if ((form & FORM_LEVEL) == 0)
		return true;
	if (!jsontext_integer(json, "level", 1, RECORD_LEVEL_MAX, &level))
		return false;
	assert(level >= 1 && level <= RECORD_LEVEL_MAX);
	record->level = (unsigned)level;
	return true;
}

/* Conditions may be absent; there, they must be understood. */
static bool
take_conditions(const json_t *json, struct record *record, uint32_t form)
{
	struct bytes star;

	if ((form & FORM_IF_MATCH) != 0 &&
	    json_object_get(json, "ifMatch") != NULL &&
	    !jsontext_string(json, "ifMatch", &record->if_match))
		return false;
	if ((form & FORM_IF_NONE_MATCH) == 0 ||
	    json_object_get(json, "ifNoneMatch") == NULL)
		return true;
	record->if_none_match = true;
	return jsontext_string(json, "ifNoneMatch", &star) &&
	    bytes_is(star, "*");
}

/* 1 when all members of the type are there, 0 when not; or -ERRC_NOMEM. */
static int
take_members(struct record_owner *owner, struct bytes text,
    struct bytes inlined, uint32_t needs)
{
	struct record *record = &owner->record;
	uint32_t form = record_form[record->type];
	const json_t *json = owner->json;

	assert(record->type < RECORD_TYPE_MAX);
	if (form == FORM_ABORT)
		form = (json_object_get(json, "bucket") != NULL ?
			       FORM_BUCKET | FORM_KEY :
			       0) |
		    (json_object_get(json, "uploadId") != NULL ? FORM_UPLOAD :
								 0);
	if (!take_names(json, record, form) ||
	    !take_needed(json, record, form, needs) ||
	    !take_config(json, record, text, form) ||
	    !take_conditions(json, record, form))
		return 0;
	if ((form & FORM_BLOB) != 0 && !take_blob(json, &record->blob, inlined))
		return 0;
	if ((form & FORM_HEADERS) != 0 &&
	    (!take_json(owner, text, "headers", &record->headers) ||
		!take_json(owner, text, "meta", &record->meta)))
		return 0;
	if ((form & FORM_GENESIS) != 0 && !take_genesis(json, record))
		return 0;
	return (form & FORM_PARTS) != 0 ? take_parts(owner) : 1;
}

static bool
take_common(const json_t *json, struct record *record)
{
	return record_take_number(json, "epoch", &record->epoch) &&
	    record_take_id(json, "requestId", &record->request_id) &&
	    jsontext_string(json, "sender", &record->sender);
}

static bool
parse_type(struct bytes name, enum record_type *out)
{
	for (int i = 0; i < RECORD_TYPE_MAX; i++) {
		if (bytes_is(name, record_type_name((enum record_type)i))) {
			*out = (enum record_type)i;
			return record_type_level(*out) <= record_level();
		}
	}
	return false;
}

/* The words of `need`: 1 with *needs, 0 when it is no such list, -1 with
 * *unknown when a word is not known. */
static int
take_needs(const json_t *json, uint32_t *needs, struct bytes *unknown)
{
	const json_t *list = json_object_get(json, "need");

	*needs = 0;
	if (list == NULL)
		return 1;
	if (!json_is_array(list) || json_array_size(list) > RECORD_NEEDS_MAX)
		return 0;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_array_get(list, i)))
			return 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *word = json_array_get(list, i);
		enum record_need need;

		*unknown = bytes_of(json_string_value(word),
		    json_string_length(word));
		if (!record_need_known(*unknown, &need))
			return -1;
		assert(need < RECORD_NEED_MAX);
		*needs |= UINT32_C(1) << need;
	}
	return 1;
}

static int
ignored(struct error *err, const char *why)
{
	error_set(err, ERRC_CORRUPT, "record: %s", why);
	return RECORD_IGNORED;
}

/* A later program wrote it: the partition halts rather than guess what it
 * means, or nodes would come to different rows (koop-record(5), "Levels"). */
static int
too_old(struct error *err, const char *what, struct bytes name)
{
	error_set(err, ERRC_CORRUPT,
	    "record: %s \"%.*s\": this program, of level %u, is too old for "
	    "it; install the newer one on this node",
	    what, (int)KOOP_MIN(name.n, 64), (const char *)name.p,
	    record_level());
	return RECORD_UNKNOWN;
}

/*
 * Whose it is comes before what it says: a line of another cluster stops
 * nothing, whatever its version.  Members that break the format are ignored,
 * as on every node; a later format gets another v.
 */
static int
parse_json(struct record_owner *owner, struct bytes text, struct bytes inlined,
    const char *wanted, struct error *err)
{
	struct record *record = &owner->record;
	struct bytes cluster, type, word;
	const char *wrong;
	uint32_t needs;
	uint64_t v;
	int rc;

	if (!json_is_object(owner->json) ||
	    !jsontext_string(owner->json, "cluster", &cluster) ||
	    cluster.n != RECORD_CLUSTER_HEX ||
	    !record_take_number(owner->json, "v", &v) ||
	    !jsontext_string(owner->json, "type", &type))
		return ignored(err, "has no cluster, v and type");
	if (wanted != NULL && !bytes_is(cluster, wanted))
		return ignored(err, "is of another cluster");
	assert(cluster.n < sizeof(record->cluster));
	memcpy(record->cluster, cluster.p, cluster.n);
	if (v != RECORD_VERSION)
		return too_old(err, "a later version, type", type);
	if (!parse_type(type, &record->type))
		return too_old(err, "type", type);
	rc = take_needs(owner->json, &needs, &word);
	if (rc < 0)
		return too_old(err, "need", word);
	if (rc == 0 || !take_common(owner->json, record))
		return ignored(err,
		    "has no epoch, requestId or sender, or a "
		    "bad need");
	rc = take_members(owner, text, inlined, needs);
	if (rc < 0)
		return error_set(err, ERRC_NOMEM, "record: out of memory");
	if (rc == 0)
		return ignored(err, "lacks a member, or has a bad one");
	wrong = record_check(record);
	if (wrong != NULL)
		return ignored(err, wrong);
	/* What writers may use from here on is not known here. */
	if (record->level > record_level())
		return too_old(err, "a level above this one, type", type);
	return RECORD_OK;
}

/*
 * {"v":N,"type":" is how records begin.  Damage in the last bytes of one must
 * not make it a line that is ignored, here and nowhere else.
 */
static bool
begins_like_record(struct bytes line)
{
	static const char begin[] = "{\"v\":";
	static const char then[] = ",\"type\":\"";
	size_t at = sizeof(begin) - 1;

	if (!bytes_has_prefix(line, bytes_str(begin)))
		return false;
	while (at < line.n && line.p[at] >= '0' && line.p[at] <= '9')
		at++;
	assert(at <= line.n);
	return bytes_has_prefix(bytes_of(line.p + at, line.n - at),
	    bytes_str(then));
}

static int
check_crc(struct bytes line, struct bytes part[2], struct error *err)
{
	char crc[9];

	if (line.n > RECORD_BYTES_MAX)
		return ignored(err, "is longer than 512 KiB");
	if (!record_covered(line, part)) {
		if (!begins_like_record(line))
			return ignored(err, "has no crc32c at its end");
		error_set(err, ERRC_CORRUPT, "record: its end is damaged");
		return RECORD_BAD_CRC;
	}
	assert(part[0].n + part[1].n + RECORD_TAIL_BYTES <= line.n);
	/* One spelling only, so that no other bytes pass for this record. */
	snprintf(crc, sizeof(crc), "%08x", record_crc(part));
	if (memcmp(line.p + line.n - 10, crc, 8) != 0) {
		error_set(err, ERRC_CORRUPT, "record: its CRC is wrong");
		return RECORD_BAD_CRC;
	}
	if (memchr(part[0].p, '\n', part[0].n) != NULL)
		return ignored(err, "is more than one line");
	return RECORD_OK;
}

int
record_parse(struct record **out, struct bytes line, const char *cluster,
    struct error *err)
{
	struct record_owner *owner;
	struct bytes inlined = BYTES_NONE;
	struct bytes part[2];
	struct bytes text;
	int rc;

	rc = check_crc(line, part, err);
	if (rc != RECORD_OK)
		return rc;
	text.n = part[0].n + part[1].n + 1;
	owner = calloc(1, sizeof(*owner) + text.n + 1);
	if (owner == NULL)
		return error_set(err, ERRC_NOMEM, "record: out of memory");
	memcpy(owner->text, part[0].p, part[0].n);
	if (part[1].n > 0) {
		memcpy(owner->text + part[0].n, part[1].p, part[1].n);
		inlined.p = part[0].p + part[0].n;
		assert(part[1].p >= inlined.p && part[1].p < line.p + line.n);
		inlined.n = (size_t)(part[1].p - inlined.p);
	}
	owner->text[text.n - 1] = '}';
	text.p = (const uint8_t *)owner->text;

	rc = jsontext_load(&owner->json, text, RECORD_BYTES_MAX,
	    RECORD_DEPTH_MAX, err);
	if (rc == 0)
		rc = parse_json(owner, text, inlined, cluster, err);
	else if (rc != -ERRC_NOMEM)
		rc = RECORD_IGNORED;
	assert(rc <= 0 || rc == RECORD_IGNORED || rc == RECORD_UNKNOWN);
	if (rc == RECORD_OK)
		*out = &owner->record;
	else
		record_free(&owner->record);
	return rc;
}
