/* SPDX-License-Identifier: MIT */
#include "client/bucketconfig.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/committer.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/jsontext.h"
#include "cluster/placement.h"
#include "commit/record.h"

/* Times that somebody else's settings may come first. */
#define TRIES_MAX 8

/* What home has: its row, and the settings in text. */
static int
read_home(struct nodeclient *nc, struct bytes name, struct bucket_info *info,
    struct buf *text, uint64_t deadline, struct error *err)
{
	struct placement home = placement_home(nodeclient_topology(nc), name);
	int rc = metaread_settings(nc, home.partition, name, info, text,
	    deadline, err);

	if (rc == 0 && info->state == NODEPROTO_DELETED)
		return error_set(err, ERRC_NOTFOUND, "no such bucket");
	return rc;
}

/* An older program among the members would halt at the record: koop-record(5),
 * "Levels". */
static int
check_level(const struct bucket_info *info, struct error *err)
{
	unsigned need = record_type_level(RECORD_BUCKET_CONFIG);
	unsigned level = KOOP_MIN(info->level, record_level());

	if (level >= need)
		return 0;
	return error_set(err, ERRC_UNAVAILABLE,
	    "bucket: settings need level %u, and the cluster is at level %u: "
	    "install this version everywhere, then koop-log level %u",
	    need, level, need);
}

/* Versions that were made must not lose their names: apply would refuse it, as
 * it refuses those who saw older settings, so it is told apart here. */
static int
check_versioning(const struct bucket_info *info, const struct buf *text,
    struct error *err)
{
	json_t *json = NULL;
	bool says;
	int rc = jsontext_load(&json, buf_bytes(text), RECORD_SETTINGS_MAX,
	    RECORD_DEPTH_MAX, err);

	if (rc < 0)
		return rc;
	says = json_object_get(json, "versioning") != NULL;
	json_decref(json);
	if (says || info->versioning == NODEPROTO_NEVER)
		return 0;
	return error_set(err, ERRC_USAGE,
	    "bucket: versioning can be suspended, not given up");
}

static struct record
config_record(struct nodeclient *nc, struct bytes name,
    const struct bucket_info *info, const struct buf *text)
{
	return (struct record){
		.type = RECORD_BUCKET_CONFIG,
		.request_id = reqid_new(nodeclient_clock(nc),
		    nodeclient_random(nc)),
		.bucket = name,
		.incarnation = info->incarnation,
		.settings = buf_bytes(text),
	};
}

static int
decide_once(struct nodeclient *nc, struct bytes name,
    bucketconfig_edit_fn *edit, void *arg, struct buf text[2],
    enum outcome *out, uint64_t *revision, uint64_t deadline, struct error *err)
{
	struct placement home = placement_home(nodeclient_topology(nc), name);
	struct bucket_info info = { 0 };
	struct record record;
	int rc;

	buf_clear(&text[0]);
	buf_clear(&text[1]);
	rc = read_home(nc, name, &info, &text[0], deadline, err);
	if (rc == -ERRC_NOTFOUND) {
		*out = OUTCOME_NO_SUCH_BUCKET;
		return 0;
	}
	if (rc == 0)
		rc = check_level(&info, err);
	if (rc == 0)
		rc = edit(arg, buf_bytes(&text[0]), &text[1], err);
	if (rc < 0)
		return rc;
	if (buf_failed(&text[1]))
		return error_set(err, ERRC_USAGE,
		    "bucket: settings of more than %u bytes",
		    RECORD_SETTINGS_MAX);
	rc = check_versioning(&info, &text[1], err);
	if (rc < 0)
		return rc;
	record = config_record(nc, name, &info, &text[1]);
	record.home = true;
	/* Home numbers them: the record's seq there is the revision. */
	assert(record.revision == 0);
	/* Whose edit began with other settings must not undo them. */
	record.if_revision = info.revision;
	return committer_commit(nc, home.partition, &record, out, revision,
	    deadline, err);
}

int
bucketconfig_set_text(void *arg, struct bytes settings, struct buf *out,
    struct error *err)
{
	const struct bucketconfig_text *set = arg;
	json_t *json = NULL;
	char *text = NULL;
	int rc;

	assert(set->setting != NULL && set->value != NULL);
	rc = jsontext_load(&json, settings, RECORD_SETTINGS_MAX,
	    RECORD_DEPTH_MAX, err);
	if (rc < 0)
		return rc;
	if (json_object_set_new(json, set->setting, json_string(set->value)) ==
	    0)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL)
		return error_set(err, ERRC_NOMEM, "bucket: out of memory");
	/* Too long a text shows in the buffer, to who made it. */
	buf_addstr(out, text);
	free(text);
	return 0;
}

int
bucketconfig_decide(struct nodeclient *nc, struct bytes name,
    bucketconfig_edit_fn *edit, void *arg, enum outcome *out,
    uint64_t *revision, uint64_t deadline, struct error *err)
{
	struct buf text[2] = { buf_make(RECORD_SETTINGS_MAX + 1),
		buf_make(RECORD_SETTINGS_MAX + 1) };
	int rc = 0;

	*out = OUTCOME_PRECONDITION_FAILED;
	for (unsigned i = 0;
	     rc == 0 && i < TRIES_MAX && *out == OUTCOME_PRECONDITION_FAILED;
	     i++)
		rc = decide_once(nc, name, edit, arg, text, out, revision,
		    deadline, err);
	buf_fini(&text[0]);
	buf_fini(&text[1]);
	/* 0 would say that none were ever set, and nobody would be told. */
	assert(rc < 0 || *out != OUTCOME_DONE || *revision > 0);
	if (rc < 0 || *out == OUTCOME_DONE || *out == OUTCOME_NO_SUCH_BUCKET)
		return rc;
	return error_set(err, ERRC_UNAVAILABLE,
	    "bucket: its settings were not taken: %s", outcome_name(*out));
}

static int
tell_all(struct nodeclient *nc, struct record *record,
    const uint32_t *partitions, size_t count, bool *behind, uint64_t deadline,
    struct error *err)
{
	struct committer_item *items = calloc(count, sizeof(*items));
	int rc;

	/* What home decided, under its number: protocol.md 5, buckets. */
	assert(record->revision > 0 && !record->home);
	if (items == NULL)
		return error_set(err, ERRC_NOMEM, "bucket: out of memory");
	for (size_t i = 0; i < count; i++) {
		items[i].partition = partitions[i];
		items[i].record = record;
	}
	rc = committer_commit_all(nc, items, count, deadline, err);
	for (size_t i = 0; rc == 0 && behind != NULL && i < count; i++)
		behind[i] = items[i].outcome == OUTCOME_NOT_YET_HERE;
	free(items);
	return rc;
}

int
bucketconfig_tell(struct nodeclient *nc, struct bytes name,
    const uint32_t *partitions, size_t count, bool *behind, uint64_t deadline,
    struct error *err)
{
	struct buf text = buf_make(RECORD_SETTINGS_MAX + 1);
	struct bucket_info info = { 0 };
	struct record record;
	int rc = read_home(nc, name, &info, &text, deadline, err);

	assert(count > 0);
	/* Home has none: a record of revision 0 would tell nothing. */
	if (rc == 0 && info.revision > 0) {
		record = config_record(nc, name, &info, &text);
		record.revision = info.revision;
		record.ruling = info.ruling;
		rc = tell_all(nc, &record, partitions, count, behind, deadline,
		    err);
	}
	buf_fini(&text);
	return rc;
}
