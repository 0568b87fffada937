/* SPDX-License-Identifier: MIT */
#include "client/pipebucket.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "client/buckets.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "client/pipestat.h"
#include "cluster/jsontext.h"
#include "cluster/placement.h"
#include "commit/objectname.h"

#define LINE_MAX_BYTES 512
#define LIST_MAX (64u << 20)
#define SETTINGS_MAX (64u << 10)
#define SETTINGS_DEPTH 16

int
pipebucket_check(const char *name, struct error *err)
{
	struct bytes bucket, rest;
	int rc;

	rc = objectname_prefix(bytes_str(name), &bucket, &rest, err);
	if (rc == 0 && strchr(name, '/') != NULL)
		return error_set(err, ERRC_USAGE,
		    "%s: a bucket, and no key, is wanted", name);
	return rc;
}

static int
print_outcome(int out, const char *name, enum outcome outcome,
    struct error *err)
{
	char line[LINE_MAX_BYTES];
	int n;

	n = snprintf(line, sizeof(line), "bucket v=1 name=%s outcome=%s\n",
	    name, outcome_name(outcome));
	assert(n > 0 && (size_t)n < sizeof(line));
	return io_write_full(out, line, (size_t)n, err);
}

/* Making a bucket that is made, or removing one that is gone, decides
 * nothing: what may yet take effect may be tried again. */
static int
retry(int rc, struct error *err)
{
	if (rc != -ERRC_UNAVAILABLE)
		return rc;
	/* The text stays: it cannot be printed into itself. */
	if (err != NULL)
		err->code = ERRC_RETRY;
	return -ERRC_RETRY;
}

int
pipebucket_make(struct nodeclient *nc, const char *name, int out,
    struct error *err)
{
	enum outcome outcome = OUTCOME_IGNORED;
	int rc;

	rc = bucket_create(nc, bytes_str(name), BUCKET_OWNER, &outcome,
	    nodeclient_now(nc) + NODECLIENT_WRITE_MS, err);
	if (rc < 0)
		return retry(rc, err);
	rc = print_outcome(out, name, outcome, err);
	if (rc < 0)
		return rc;
	switch (outcome) {
	case OUTCOME_DONE:
	case OUTCOME_EXISTS:
		return 0;
	case OUTCOME_NOT_OWNER:
		return error_set(err, ERRC_DENIED, "it belongs to another");
	case OUTCOME_ABORTED:
		return error_set(err, ERRC_RETRY, "it is being deleted");
	default:
		return error_set(err, ERRC_RETRY, "not made: %s",
		    outcome_name(outcome));
	}
}

int
pipebucket_remove(struct nodeclient *nc, const char *name, int out,
    struct error *err)
{
	enum outcome outcome = OUTCOME_IGNORED;
	int rc;

	rc = bucket_delete(nc, bytes_str(name), &outcome,
	    nodeclient_now(nc) + NODECLIENT_WRITE_MS, err);
	if (rc < 0)
		return retry(rc, err);
	rc = print_outcome(out, name, outcome, err);
	if (rc < 0)
		return rc;
	switch (outcome) {
	case OUTCOME_DONE:
		return 0;
	case OUTCOME_NO_SUCH_BUCKET:
		return error_set(err, ERRC_NOTFOUND, "no such bucket");
	case OUTCOME_SEALED:
		return error_set(err, ERRC_MISMATCH,
		    "it is not empty: koop-list %s | koop-rm deletes what is "
		    "in it",
		    name);
	default:
		return error_set(err, ERRC_RETRY,
		    "another attempt to delete it is going on");
	}
}

struct listing {
	struct nodeclient *nc;
	struct buf text;
};

static int
add_bucket(void *arg, struct bytes name, const struct bucket_info *info)
{
	struct listing *l = arg;

	if (info->state != NODEPROTO_DELETED)
		pipestat_print_bucket(l->nc, name, info, &l->text);
	return 0;
}

int
pipebucket_list(struct nodeclient *nc, int out, struct error *err)
{
	struct listing l = { .nc = nc, .text = buf_make(LIST_MAX) };
	int rc;

	rc = metaread_buckets(nc, add_bucket, &l,
	    nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc == 0 && buf_failed(&l.text))
		rc = error_set(err, ERRC_NOMEM, "list: out of memory");
	if (rc == 0 && l.text.n > 0)
		rc = io_write_full(out, l.text.p, l.text.n, err);
	buf_fini(&l.text);
	return rc;
}

/* Settings. */

/* Those that there are, with their values; protocol.md 5, "Versions". */
static const struct setting {
	const char *name;
	const char *values[3]; /* NULL-ended */
} known[] = {
	{ "versioning", { "Enabled", "Suspended" } },
};

int
pipebucket_check_setting(const char *setting, const char *value,
    struct error *err)
{
	for (size_t i = 0; i < nitems(known); i++) {
		if (strcmp(known[i].name, setting) != 0)
			continue;
		for (const char *const *v = known[i].values; *v != NULL; v++) {
			if (value == NULL || strcmp(*v, value) == 0)
				return 0;
		}
		return error_set(err, ERRC_USAGE,
		    "%s: want %s or %s, not %.64s", setting, known[i].values[0],
		    known[i].values[1], value);
	}
	return error_set(err, ERRC_USAGE, "%.64s: no such setting", setting);
}

static int
print_setting(int out, struct bytes settings, const char *setting,
    struct error *err)
{
	struct bytes value = settings;
	struct buf line = buf_make(SETTINGS_MAX);
	json_t *json = NULL;
	int rc = 0;

	if (setting != NULL)
		rc = jsontext_load(&json, settings, SETTINGS_MAX,
		    SETTINGS_DEPTH, err);
	if (rc == 0 && setting != NULL &&
	    !jsontext_string(json, setting, &value))
		rc = error_set(err, ERRC_NOTFOUND, "%s: never set", setting);
	buf_add(&line, value.p, value.n);
	buf_addch(&line, '\n');
	if (rc == 0 && buf_failed(&line))
		rc = error_set(err, ERRC_NOMEM, "out of memory");
	if (rc == 0)
		rc = io_write_full(out, line.p, line.n, err);
	json_decref(json);
	buf_fini(&line);
	return rc;
}

int
pipebucket_get(struct nodeclient *nc, const char *name, const char *setting,
    int out, struct error *err)
{
	struct placement home = placement_home(nodeclient_topology(nc),
	    bytes_str(name));
	struct buf settings = buf_make(SETTINGS_MAX);
	struct bucket_info info;
	int rc;

	rc = metaread_settings(nc, home.partition, bytes_str(name), &info,
	    &settings, nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	if (rc == 0 && info.state == NODEPROTO_DELETED)
		rc = error_set(err, ERRC_NOTFOUND, "no such bucket");
	if (rc == 0)
		rc = print_setting(out, buf_bytes(&settings), setting, err);
	buf_fini(&settings);
	return rc;
}

int
pipebucket_set(struct nodeclient *nc, const char *name, const char *setting,
    const char *value, int out, struct error *err)
{
	struct bucketconfig_text edit = { setting, value };
	enum outcome outcome = OUTCOME_IGNORED;
	int rc;

	rc = pipebucket_check_setting(setting, value, err);
	if (rc < 0)
		return rc;
	rc = bucket_configure(nc, bytes_str(name), bucketconfig_set_text, &edit,
	    &outcome, nodeclient_now(nc) + NODECLIENT_WRITE_MS, err);
	if (rc < 0)
		return retry(rc, err);
	rc = print_outcome(out, name, outcome, err);
	if (rc == 0 && outcome == OUTCOME_NO_SUCH_BUCKET)
		rc = error_set(err, ERRC_NOTFOUND, "no such bucket");
	else if (rc == 0 && outcome != OUTCOME_DONE)
		rc = error_set(err, ERRC_RETRY, "not set: %s",
		    outcome_name(outcome));
	return rc;
}
