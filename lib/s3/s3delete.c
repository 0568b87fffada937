/* SPDX-License-Identifier: MIT */

/*
 * DeleteObject and DeleteObjects.  The latter appends all its records in one
 * go, so that a thousand keys cost about as much as one.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "client/buckets.h"
#include "client/committer.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "s3/s3shared.h"
#include "s3/s3commit.h"
#include "s3/s3ops.h"
#include "s3/s3put.h"
#include "wire/nodetime.h"

#define DELETES_MAX 1000

/* What was not there is deleted, too, unless a condition asked for it. */
static enum s3error
deleted(enum s3error e, bool conditional)
{
	return e == S3E_NO_SUCH_KEY && !conditional ? S3E_NONE : e;
}

static bool
version_exists(struct s3req *r)
{
	const char *version = s3req_param(r, "versionId");

	if (!version || strcmp(version, "null") == 0)
		return true;
	s3req_fail(r, S3E_NO_SUCH_VERSION);
	return false;
}

static void
object_end(struct s3req *r)
{
	struct s3put_attributes cond = { 0 };
	struct record record = {
		.type = RECORD_DELETE,
		.request_id = r->id,
	};
	enum s3error e = s3put_conditions(r, &cond);

	if (e == S3E_NONE && cond.if_none_match)
		e = S3E_NOT_IMPLEMENTED;
	if (e != S3E_NONE) {
		s3req_fail(r, e);
		return;
	}
	if (!version_exists(r))
		return;
	if (cond.if_match[0] != '\0')
		record.if_match = bytes_str(cond.if_match);
	e = deleted(s3commit(r, &record, NULL), record.if_match.n > 0);
	if (e != S3E_NONE)
		s3req_fail(r, e);
	else
		s3req_reply(r, 204);
}

/* One key of a DeleteObjects. */
struct target {
	char *key;
	size_t key_n;
	bool other_version;              /* not the null version */
	bool versioned;                  /* a VersionId was given */
	char if_match[S3PUT_ETAG_BYTES]; /* "" for none */
	enum s3error error;
};

struct deletes {
	struct target *targets; /* DELETES_MAX */
	size_t count;
	struct target now; /* the element being read */
	bool quiet, root;
	struct committer_item *items;
	struct record *records;
	size_t *target_of; /* index of an item's target */
	size_t item_count;
};

static int
element_key(struct deletes *d, struct bytes text)
{
	if (d->now.key)
		return -1;
	d->now.key = malloc(text.n + 1);
	if (!d->now.key)
		return -1;
	memcpy(d->now.key, text.p, text.n);
	d->now.key[text.n] = '\0';
	d->now.key_n = text.n;
	if (text.n > S3NAME_KEY_MAX)
		d->now.error = S3E_KEY_TOO_LONG;
	else if (!objectname_key_valid(text))
		return -1;
	return 0;
}

/* A condition that is not understood must not be passed over: the object
 * would be gone. */
static void
element_condition(struct deletes *d, const char *path, struct bytes text)
{
	enum s3error e = S3E_NONE;

	if (strcmp(path, "Delete/Object/ETag") == 0)
		e = s3put_if_match(d->now.if_match, text);
	else if (strcmp(path, "Delete/Object/LastModifiedTime") == 0 ||
	    strcmp(path, "Delete/Object/Size") == 0)
		e = S3E_NOT_IMPLEMENTED;
	if (d->now.error == S3E_NONE)
		d->now.error = e;
}

static int
element(void *arg, const char *path, struct bytes text)
{
	struct deletes *d = arg;

	if (strcmp(path, "Delete/Object/Key") == 0)
		return element_key(d, text);
	element_condition(d, path, text);
	if (strcmp(path, "Delete/Object/VersionId") == 0) {
		d->now.versioned = text.n > 0;
		d->now.other_version = d->now.versioned &&
		    !bytes_is(text, "null");
		return 0;
	}
	if (strcmp(path, "Delete/Object") == 0) {
		if (!d->now.key || d->count == DELETES_MAX)
			return -1;
		if (d->now.other_version && d->now.error == S3E_NONE)
			d->now.error = S3E_NO_SUCH_VERSION;
		d->targets[d->count++] = d->now;
		d->now = (struct target){ 0 };
		return 0;
	}
	if (strcmp(path, "Delete/Quiet") == 0)
		d->quiet = bytes_is(text, "true");
	else if (strcmp(path, "Delete") == 0)
		d->root = true;
	return 0;
}

static void
deletes_drop(struct s3req *r)
{
	struct deletes *d = r->state;

	if (!d)
		return;
	for (size_t i = 0; d->targets && i < d->count; i++)
		free(d->targets[i].key);
	free(d->now.key);
	free(d->targets);
	free(d->items);
	free(d->records);
	free(d->target_of);
	free(d);
}

static struct deletes *
deletes_new(struct s3req *r)
{
	struct deletes *d = calloc(1, sizeof(*d));

	r->state = d;
	if (d) {
		d->targets = calloc(DELETES_MAX, sizeof(*d->targets));
		d->items = calloc(DELETES_MAX, sizeof(*d->items));
		d->records = calloc(DELETES_MAX, sizeof(*d->records));
		d->target_of = calloc(DELETES_MAX, sizeof(*d->target_of));
	}
	if (!d || !d->targets || !d->items || !d->records || !d->target_of) {
		s3req_fail(r, S3E_SLOW_DOWN);
		return NULL;
	}
	return d;
}

static enum s3error
judge_key(const struct s3req *r, const struct target *t)
{
	/* The null version is the only one that a key has. */
	const char *version = t->versioned ? "null" : NULL;

	return s3req_judge(r, version ? r->row->version_action : r->row->action,
	    s3req_bucket(r), bytes_of(t->key, t->key_n), version, &r->bucket);
}

/* One record for each key.  Its partition must hold the bucket: a lookup in
 * the cache, but for the first key of each partition. */
static void
prepare(struct s3req *r, struct deletes *d)
{
	uint64_t deadline = s3req_read_by(r);

	for (size_t i = 0; i < d->count; i++) {
		struct target *t = &d->targets[i];
		struct bytes key = bytes_of(t->key, t->key_n);
		struct record *record = &d->records[d->item_count];
		struct placement place;
		struct error err;
		int rc;

		if (t->error == S3E_NONE)
			t->error = judge_key(r, t);
		if (t->error != S3E_NONE)
			continue;
		place = placement_of(r->topology, s3req_bucket(r), key);
		*record = (struct record){
			.type = RECORD_DELETE,
			.request_id = reqid_new(nodeclient_clock(r->gw->nc),
			    nodeclient_random(r->gw->nc)),
			.bucket = s3req_bucket(r),
			.key = key,
		};
		if (t->if_match[0] != '\0')
			record->if_match = bytes_str(t->if_match);
		rc = bucket_ensure(r->gw->nc, &place, record->bucket,
		    &record->incarnation, deadline, &err);
		if (rc < 0) {
			t->error = s3commit_error(r, rc, &err);
			continue;
		}
		nodetime_freshen(&record->request_id,
		    nodeclient_clock(r->gw->nc), nodeclient_random(r->gw->nc));
		d->items[d->item_count].partition = place.partition;
		d->items[d->item_count].record = record;
		d->target_of[d->item_count++] = i;
	}
}

static void
print_target(struct s3xml *x, const struct deletes *d, const struct target *t)
{
	bool good = t->error == S3E_NONE;

	if (good && d->quiet)
		return;
	s3xml_open(x, good ? "Deleted" : "Error");
	s3xml_text(x, "Key", bytes_of(t->key, t->key_n));
	if (t->versioned && !t->other_version)
		s3xml_str(x, "VersionId", "null");
	if (!good) {
		s3xml_str(x, "Code", s3error_code(t->error));
		s3xml_str(x, "Message", s3error_message(t->error));
	}
	s3xml_close(x);
}

static void
deletes_reply(struct s3req *r, struct deletes *d)
{
	struct buf xml = buf_make(S3REQ_XML_MAX);
	struct s3xml x;

	s3xml_begin(&x, &xml, "DeleteResult", true);
	for (size_t i = 0; i < d->count; i++)
		print_target(&x, d, &d->targets[i]);
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

/* A late key is an error of that key: the others are gone, and the client
 * must hear of it. */
static void
commit_targets(struct s3req *r, struct deletes *d)
{
	struct error err;

	assert(d->item_count <= d->count);
	if (d->item_count > 0 &&
	    bucket_commit_all(r->gw->nc, d->items, d->item_count,
		s3req_write_by(r), &err) < 0)
		log_warn("s3", "DeleteObjects: %s request=%s", err.text,
		    r->id_text);
	for (size_t i = 0; i < d->item_count; i++) {
		const struct committer_item *item = &d->items[i];
		struct target *t = &d->targets[d->target_of[i]];
		enum s3error e = item->code != ERRC_OK ?
		    s3error_from_errc(-(int)item->code, S3E_NO_SUCH_BUCKET) :
		    s3error_from_outcome(item->outcome);

		t->error = deleted(e, t->if_match[0] != '\0');
	}
}

/* Did each of them fail for want of an answer?  Then there is nothing to tell,
 * and clients try a 503 again by themselves. */
static bool
nothing_known(const struct deletes *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->targets[i].error == S3E_NONE ||
		    s3error_status(d->targets[i].error) < 500)
			return false;
	}
	return true;
}

static void
objects_end(struct s3req *r)
{
	struct deletes *d = deletes_new(r);

	if (!d)
		return;
	if (!s3xml_read(buf_bytes(&r->body), element, d) || !d->root ||
	    d->count == 0) {
		s3req_fail(r, S3E_MALFORMED_XML);
		return;
	}
	prepare(r, d);
	commit_targets(r, d);
	if (nothing_known(d))
		s3req_fail(r, d->targets[0].error);
	else
		deletes_reply(r, d);
}

const struct s3handler s3delete_object = { .end = object_end };
const struct s3handler s3delete_objects = { .end = objects_end,
	.drop = deletes_drop };
