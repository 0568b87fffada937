/* SPDX-License-Identifier: MIT */

/*
 * DeleteObject and DeleteObjects.  The latter appends all its records in one
 * go, so that a thousand keys cost about as much as one.
 *
 * Without a version a key of a bucket with versions gets a delete marker;
 * with one, that version goes for good.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "client/buckets.h"
#include "client/committer.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "http/httpd.h"
#include "s3/s3shared.h"
#include "s3/s3commit.h"
#include "s3/s3deletelist.h"
#include "s3/s3made.h"
#include "s3/s3ops.h"
#include "s3/s3put.h"
#include "s3/s3version.h"
#include "wire/nodetime.h"

/* One key, or one version of it, on its way out. */
struct target {
	struct placement place;
	struct bytes key;
	struct s3version version;
	const char *if_match; /* "" for none */
	struct record record;
	bool absent;        /* there is no such version: done, no record */
	bool conditional;   /* then what is not there is an error */
	bool gone_marker;   /* the version that goes is a delete marker */
	bool named;         /* the version's name may be shown */
	struct s3made made; /* without a version: the marker */
	enum s3error error;
};

/*
 * A condition on a version: one with a name of its own never changes, so what
 * is read now holds when the record is applied.  "null" may be replaced in
 * between, and apply compares with the newest one, which is it for certain only
 * where there are no others.
 */
static enum s3error
check_condition(struct target *t, const struct object_info *info)
{
	assert(info->found || info->marker);
	if (!t->conditional)
		return S3E_NONE;
	if (t->version.id.is_null) {
		if (info->versioning != NODEPROTO_NEVER)
			return S3E_NOT_IMPLEMENTED;
		t->record.if_match = bytes_str(t->if_match);
		return S3E_NONE;
	}
	return info->found && strcmp(info->etag, t->if_match) == 0 ?
	    S3E_NONE :
	    S3E_PRECONDITION_FAILED;
}

/*
 * Where settings cannot be made yet, an older program among the members would
 * halt at a record that names a version (koop-record(5), "Levels").  There a
 * key has one version, and deleting the key is the same.
 */
static bool
may_name(const struct object_info *info)
{
	return info->versioning != NODEPROTO_NEVER ||
	    KOOP_MIN(info->at.level, record_level()) >=
	    record_type_level(RECORD_BUCKET_CONFIG);
}

/* The version is looked at before it goes: the answer tells whether it was a
 * delete marker, and one that is not there costs no record. */
static enum s3error
look_at(struct s3req *r, struct target *t, uint64_t deadline)
{
	struct object_info info = { 0 };
	struct error err;
	enum s3error e = S3E_NONE;
	int rc = metaread_version(r->gw->nc, &t->place, s3req_bucket(r), t->key,
	    s3version_name(&t->version), &info, NULL, deadline, &err);

	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return s3commit_error(r, rc, &err);
	assert((rc == 0) == info.found);
	t->named = info.versioning != NODEPROTO_NEVER;
	t->gone_marker = info.marker;
	t->absent = !info.found && !info.marker;
	if (info.bucket == NODEPROTO_NONE) {
		e = S3E_NO_SUCH_BUCKET;
	} else if (t->absent) {
		e = t->conditional ? S3E_NO_SUCH_VERSION : S3E_NONE;
	} else {
		t->record.has_version = may_name(&info);
		t->record.version = t->version.id;
		e = check_condition(t, &info);
	}
	nodeproto_info_fini(&info);
	return e;
}

/* The record of one, but for its bucket. */
static void
prepare(struct s3req *r, struct target *t, struct reqid id, uint64_t deadline)
{
	assert(t->error == S3E_NONE);
	t->conditional = t->if_match[0] != '\0';
	t->record = (struct record){
		.type = RECORD_DELETE,
		.request_id = id,
	};
	if (t->version.given)
		t->error = look_at(r, t, deadline);
	else if (t->conditional)
		t->record.if_match = bytes_str(t->if_match);
}

/* What the record came to.  What was not there is deleted, too, unless a
 * condition asked for it. */
static void
settle(struct target *t, enum s3error e)
{
	t->error = e == S3E_NO_SUCH_KEY && !t->conditional ? S3E_NONE : e;
}

static void
object_reply(struct s3req *r, const struct target *t)
{
	char text[VERSIONID_TEXT + 1];

	if (!t->version.given) {
		s3made_headers(r, &t->made);
	} else if (t->named) {
		versionid_format(text, &t->version.id);
		httpd_reply_header(r->http, "x-amz-version-id", text);
		if (t->gone_marker)
			httpd_reply_header(r->http, "x-amz-delete-marker",
			    "true");
	}
	s3req_reply(r, 204);
}

static void
object_end(struct s3req *r)
{
	struct s3put_attributes cond = { 0 };
	struct target t = {
		.place = r->place,
		.key = s3req_key(r),
		.if_match = cond.if_match,
		.error = s3put_conditions(r, &cond),
	};

	assert(r->allowed);
	if (t.error == S3E_NONE && cond.if_none_match)
		t.error = S3E_NOT_IMPLEMENTED;
	if (t.error != S3E_NONE) {
		s3req_fail(r, t.error);
		return;
	}
	if (!s3version_param(&t.version, r))
		return;
	prepare(r, &t, r->id, s3req_read_by(r));
	if (t.error == S3E_NONE && !t.absent)
		settle(&t, s3commit(r, &t.record, &t.made));
	if (t.error != S3E_NONE)
		s3req_fail(r, t.error);
	else
		object_reply(r, &t);
}

/* DeleteObjects. */

struct deletes {
	struct s3deletelist list;
	struct target *targets; /* one for each of the list */
	struct committer_item *items;
	struct target **target_of; /* of each item */
	size_t item_count;
};

static void
deletes_drop(struct s3req *r)
{
	struct deletes *d = r->state;

	if (!d)
		return;
	s3deletelist_fini(&d->list);
	free(d->targets);
	free(d->items);
	free(d->target_of);
	free(d);
}

static struct deletes *
deletes_new(struct s3req *r)
{
	struct deletes *d = calloc(1, sizeof(*d));
	enum s3error e = S3E_SLOW_DOWN;

	r->state = d;
	if (d)
		e = s3deletelist_parse(&d->list, buf_bytes(&r->body));
	if (e == S3E_NONE) {
		d->targets = calloc(d->list.count, sizeof(*d->targets));
		d->items = calloc(d->list.count, sizeof(*d->items));
		d->target_of = calloc(d->list.count, sizeof(*d->target_of));
		if (!d->targets || !d->items || !d->target_of)
			e = S3E_SLOW_DOWN;
	}
	if (e == S3E_NONE)
		return d;
	s3req_fail(r, e);
	return NULL;
}

static enum s3error
judge_target(const struct s3req *r, const struct s3deletelist_item *item)
{
	const char *version = item->version_text;

	return s3req_judge(r, version ? r->row->version_action : r->row->action,
	    s3req_bucket(r), bytes_of(item->key, item->key_n), version,
	    &r->bucket);
}

/* The record of one target.  Its partition must hold the bucket: a lookup in
 * the cache, but for the first key of each partition. */
static void
deletes_prepare(struct s3req *r, struct target *t,
    const struct s3deletelist_item *item, uint64_t deadline)
{
	const struct clock *clock = nodeclient_clock(r->gw->nc);
	struct random_source *random = nodeclient_random(r->gw->nc);
	struct error err;
	int rc;

	*t = (struct target){
		.key = bytes_of(item->key, item->key_n),
		.version = item->version,
		.if_match = item->if_match,
		.error = item->error,
	};
	if (t->error == S3E_NONE)
		t->error = judge_target(r, item);
	if (t->error != S3E_NONE)
		return;
	t->place = placement_of(r->topology, s3req_bucket(r), t->key);
	prepare(r, t, reqid_new(clock, random),
	    KOOP_MIN(deadline, s3req_read_by(r)));
	if (t->error != S3E_NONE || t->absent)
		return;
	t->record.bucket = s3req_bucket(r);
	t->record.key = t->key;
	rc = bucket_ensure(r->gw->nc, &t->place, t->record.bucket,
	    &t->record.incarnation, KOOP_MIN(deadline, s3req_read_by(r)), &err);
	if (rc < 0)
		t->error = s3commit_error(r, rc, &err);
	else
		nodetime_freshen(&t->record.request_id, clock, random);
}

/* A late key is an error of that key: the others are gone, and the client
 * must hear of it. */
static void
deletes_commit(struct s3req *r, struct deletes *d)
{
	struct error err;

	assert(d->item_count <= d->list.count);
	if (d->item_count > 0 &&
	    bucket_commit_all(r->gw->nc, d->items, d->item_count,
		s3req_write_by(r), &err) < 0)
		log_warn("s3", "DeleteObjects: %s request=%s", err.text,
		    r->id_text);
	for (size_t i = 0; i < d->item_count; i++) {
		const struct committer_item *item = &d->items[i];
		struct target *t = d->target_of[i];

		if (item->code == ERRC_OK && item->outcome == OUTCOME_DONE)
			t->made = s3made_of(&t->record, item->seq);
		settle(t,
		    item->code != ERRC_OK ?
			s3error_from_errc(-(int)item->code,
			    S3E_NO_SUCH_BUCKET) :
			s3error_from_outcome(item->outcome));
	}
}

/* S3 repeats the version that was asked for, whatever came of it. */
static void
print_target(struct s3xml *x, const struct target *t,
    const struct s3deletelist_item *item)
{
	bool good = t->error == S3E_NONE;
	char marker[VERSIONID_TEXT + 1];

	s3xml_open(x, good ? "Deleted" : "Error");
	s3xml_text(x, "Key", bytes_of(item->key, item->key_n));
	if (item->version_text)
		s3xml_str(x, "VersionId", item->version_text);
	if (!good) {
		s3xml_str(x, "Code", s3error_code(t->error));
		s3xml_str(x, "Message", s3error_message(t->error));
	} else if (t->made.marker || t->gone_marker) {
		versionid_format(marker,
		    t->made.marker ? &t->made.version : &t->version.id);
		s3xml_bool(x, "DeleteMarker", true);
		s3xml_str(x, "DeleteMarkerVersionId", marker);
	}
	s3xml_close(x);
}

static void
deletes_reply(struct s3req *r, struct deletes *d)
{
	struct buf xml = buf_make(S3REQ_XML_MAX);
	struct s3xml x;

	s3xml_begin(&x, &xml, "DeleteResult", true);
	for (size_t i = 0; i < d->list.count; i++) {
		if (d->targets[i].error != S3E_NONE || !d->list.quiet)
			print_target(&x, &d->targets[i], &d->list.items[i]);
	}
	s3xml_end(&x);
	s3req_reply_xml(r, &xml);
	buf_fini(&xml);
}

/* Did each of them fail for want of an answer?  Then there is nothing to tell,
 * and clients try a 503 again by themselves. */
static bool
nothing_known(const struct deletes *d)
{
	for (size_t i = 0; i < d->list.count; i++) {
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
	uint64_t deadline = s3req_write_by(r);

	if (!d)
		return;
	for (size_t i = 0; i < d->list.count; i++) {
		struct target *t = &d->targets[i];

		deletes_prepare(r, t, &d->list.items[i], deadline);
		if (t->error != S3E_NONE || t->absent)
			continue;
		d->items[d->item_count].partition = t->place.partition;
		d->items[d->item_count].record = &t->record;
		d->target_of[d->item_count++] = t;
	}
	deletes_commit(r, d);
	if (nothing_known(d))
		s3req_fail(r, d->targets[0].error);
	else
		deletes_reply(r, d);
}

const struct s3handler s3delete_object = { .end = object_end };
const struct s3handler s3delete_objects = { .end = objects_end,
	.drop = deletes_drop };
