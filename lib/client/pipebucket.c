/* SPDX-License-Identifier: MIT */
#include "client/pipebucket.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "client/buckets.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "client/pipestat.h"
#include "commit/objectname.h"

#define LINE_MAX_BYTES 512
#define LIST_MAX (64u << 20)

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
	return error_set(err, ERRC_RETRY, "%s", err != NULL ? err->text : "");
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

int
pipebucket_get(struct nodeclient *nc, const char *name, int out,
    struct error *err)
{
	struct buf text = buf_make(LIST_MAX);
	int rc;

	rc = pipestat_bucket(nc, bytes_str(name), &text, err);
	if (rc == 0)
		rc = io_write_full(out, text.p, text.n, err);
	buf_fini(&text);
	return rc;
}
