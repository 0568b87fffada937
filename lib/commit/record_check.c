/* SPDX-License-Identifier: MIT */
#include "commit/record_form.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "cluster/jsontext.h"
#include "cluster/topology.h"

/*
 * The limits of koop-record(5), once, for who builds and for who parses.
 * Nothing here looks at the inline text: no CRC of the record covers it, so a
 * node with a damaged copy would otherwise decide otherwise than its peers.
 */

#define IF_MATCH_MAX 128
#define CELL_MIN 4096u
#define CELL_MAX (1u << 20)

static bool
plain(struct bytes text, const char *others)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = (char)text.p[i];
		bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') ||
		    (c != '\0' && strchr(others, c) != NULL);

		if (!good)
			return false;
	}
	return true;
}

static bool
text_good(struct bytes text, size_t min, size_t max)
{
	assert(min <= max);
	return text.n >= min && text.n <= max && utf8_valid(text.p, text.n) &&
	    (text.n == 0 || memchr(text.p, '\0', text.n) == NULL);
}

static bool
cluster_good(const char cluster[RECORD_CLUSTER_HEX + 1])
{
	for (size_t i = 0; i < RECORD_CLUSTER_HEX; i++) {
		char c = cluster[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return cluster[RECORD_CLUSTER_HEX] == '\0';
}

static const char *
check_blob(const struct record_blob *blob)
{
	uint32_t shards;

	if (blob->size > JSONTEXT_INTEGER_MAX)
		return "size is too large";
	if (blob->data_shards < 1 || blob->data_shards > RECORD_SHARDS_MAX ||
	    blob->parity_shards > RECORD_SHARDS_MAX)
		return "bad dataShards or parityShards";
	shards = blob->data_shards + blob->parity_shards;
	if (shards > RECORD_SHARDS_MAX)
		return "too many shards";
	if (blob->cell_bytes < CELL_MIN || blob->cell_bytes > CELL_MAX)
		return "bad cellSize";
	if (blob->set > TOPOLOGY_NUMBER_MAX)
		return "bad set";
	if (blob->is_inline)
		return blob->shard_count != 0 || blob->durable != 0 ||
			blob->size > RECORD_BYTES_MAX ?
		    "an inline object has no shards, and fits its record" :
		    NULL;
	if (blob->shard_count != shards)
		return "shardCrc64 must have one CRC a shard";
	if (shards < 32 && blob->durable >> shards != 0)
		return "durable names a shard that there is not";
	return NULL;
}

static const char *
check_parts(const struct record *record)
{
	uint32_t last = 0;

	if (record->part_count < 1 || record->part_count > RECORD_PARTS_MAX)
		return "parts must be 1 to 10000";
	for (size_t i = 0; i < record->part_count; i++) {
		if (record->parts[i].number <= last ||
		    record->parts[i].number > RECORD_PARTS_MAX)
			return "part numbers must rise from 1 to 10000";
		last = record->parts[i].number;
	}
	assert(last >= record->part_count);
	return NULL;
}

static const char *
check_genesis(const struct record *record)
{
	if (record->partition > TOPOLOGY_NUMBER_MAX)
		return "bad partition";
	if (record->generation < 1 || record->generation > JSONTEXT_INTEGER_MAX)
		return "bad generation";
	if (record->base_seq > JSONTEXT_INTEGER_MAX)
		return "bad baseSeq";
	if (record->partition_count < 1 ||
	    record->partition_count > TOPOLOGY_PARTITIONS_MAX)
		return "bad partitions";
	return NULL;
}

bool
record_settings(const json_t *settings, enum record_versioning *versioning)
{
	const json_t *state = json_object_get(settings, "versioning");

	if (!json_is_object(settings))
		return false;
	/* Apply itself acts on this one: a state that some nodes take and
	 * others do not would give them different rows. */
	*versioning = VERSIONING_NEVER;
	if (state == NULL)
		return true;
	if (!json_is_string(state))
		return false;
	if (strcmp(json_string_value(state), "Enabled") == 0)
		*versioning = VERSIONING_ENABLED;
	else if (strcmp(json_string_value(state), "Suspended") == 0)
		*versioning = VERSIONING_SUSPENDED;
	return *versioning != VERSIONING_NEVER;
}

/* The numbers and texts of what came with level 2. */
static const char *
check_settings(const struct record *record, uint32_t form)
{
	if (record->revision > JSONTEXT_INTEGER_MAX ||
	    record->if_revision > JSONTEXT_INTEGER_MAX ||
	    record->new_epoch > JSONTEXT_INTEGER_MAX)
		return "a number is over 2^53";
	if ((form & FORM_CONFIG) != 0 &&
	    record->settings.n > RECORD_SETTINGS_MAX)
		return "settings are too long";
	if ((form & FORM_CONFIG) != 0 &&
	    (record->home ?
		    record->revision != 0 || record->ruling != 0 :
		    record->revision == 0 || record->ruling > record->revision))
		return "home, and nobody else, gives revision and ruling";
	if ((form & FORM_LEVEL) != 0 &&
	    (record->level < 1 || record->level > RECORD_LEVEL_MAX))
		return "bad level";
	if ((form & FORM_EPOCH) != 0 && record->new_epoch < 1)
		return "bad newEpoch";
	if ((form & FORM_VERSION) != 0 && record->has_version) {
		if (record->if_match.p != NULL)
			return "version and ifMatch exclude each other";
		if (!record->version.is_null &&
		    (record->version.seq < 1 ||
			record->version.seq > VERSIONID_SEQ_MAX))
			return "bad version";
	}
	return NULL;
}

static const char *
check_names(const struct record *record, uint32_t form)
{
	if ((form & FORM_BUCKET) != 0 &&
	    !text_good(record->bucket, 1, RECORD_BUCKET_MAX))
		return "bad bucket";
	if ((form & FORM_KEY) != 0 &&
	    !text_good(record->key, 1, RECORD_KEY_MAX))
		return "bad key";
	if ((form & FORM_OWNER) != 0 &&
	    !text_good(record->owner, 0, RECORD_OWNER_MAX))
		return "bad owner";
	if ((form & FORM_ETAG) != 0 &&
	    (record->etag.n < 1 || record->etag.n > RECORD_ETAG_MAX ||
		!plain(record->etag, "-")))
		return "bad etag";
	if ((form & FORM_HEADERS) != 0 &&
	    (record->headers.n > RECORD_JSON_MAX ||
		record->meta.n > RECORD_JSON_MAX))
		return "headers or meta are too long";
	if ((form & FORM_IF_MATCH) != 0 && record->if_match.p != NULL &&
	    !text_good(record->if_match, 1, IF_MATCH_MAX))
		return "bad ifMatch";
	return NULL;
}

const char *
record_check(const struct record *record)
{
	const char *wrong;
	uint32_t form;

	assert(record->type < RECORD_TYPE_MAX);
	form = record_form[record->type];
	if (form == FORM_ABORT)
		form |= (record->bucket.n > 0 ? FORM_BUCKET | FORM_KEY : 0) |
		    (record->has_upload ? FORM_UPLOAD : 0);
	if (!cluster_good(record->cluster))
		return "bad cluster";
	if (record->sender.n > RECORD_SENDER_MAX ||
	    !plain(record->sender, "._-"))
		return "bad sender";
	if (record->epoch > JSONTEXT_INTEGER_MAX ||
	    record->incarnation > JSONTEXT_INTEGER_MAX ||
	    record->attempt > JSONTEXT_INTEGER_MAX)
		return "a number is over 2^53";
	wrong = check_names(record, form);
	if (wrong == NULL)
		wrong = check_settings(record, form);
	if (wrong == NULL && (form & FORM_UPLOAD) != 0 && !record->has_upload)
		wrong = "bad uploadId";
	if (wrong == NULL && (form & FORM_NUMBER) != 0 &&
	    (record->part_number < 1 || record->part_number > RECORD_PARTS_MAX))
		wrong = "bad partNumber";
	if (wrong == NULL && (form & FORM_BLOB) != 0)
		wrong = check_blob(&record->blob);
	if (wrong == NULL && (form & FORM_PARTS) != 0)
		wrong = check_parts(record);
	if (wrong == NULL && (form & FORM_GENESIS) != 0)
		wrong = check_genesis(record);
	if (wrong == NULL && record->type == RECORD_ABORT &&
	    record->has_upload && record->bucket.n == 0)
		wrong = "the abort of an upload names bucket and key";
	return wrong;
}
