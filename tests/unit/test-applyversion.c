/* SPDX-License-Identifier: MIT */

/*
 * apply: settings of buckets, versions of keys, and what raises a partition's
 * epoch and level; beside a model of S3's rules that knows nothing of rows.
 */

#include <stdlib.h>
#include <string.h>

#include "applyworld.h"
#include "base/error.h"
#include "tap.h"

#define ENABLED "{\"versioning\":\"Enabled\"}"
#define SUSPENDED "{\"versioning\":\"Suspended\"}"

static struct bucket_row
bucket(struct world *w)
{
	struct bucket_row row = { 0 };

	(void)!w->rows->ops->bucket_get(w->rows, 0, bytes_str("b"), &row, NULL);
	return row;
}

static struct object_row
newest(struct world *w)
{
	struct object_row row = { 0 };

	(void)!w->rows->ops->object_get(w->rows, 0, bytes_str("b"),
	    bytes_str("k"), &row, NULL);
	return row;
}

/* At any place but home. */
static enum outcome
configure(struct world *w, const char *settings, uint64_t revision,
    uint64_t ruling)
{
	struct record r = world_bucket(w, RECORD_BUCKET_CONFIG, 1, 0, false);

	r.settings = bytes_str(settings);
	r.revision = revision;
	r.ruling = ruling;
	return world_do(w, &r);
}

static enum outcome
put(struct world *w, const char *etag)
{
	struct record r = world_put(w, "k", etag);

	r.revision = bucket(w).revision;
	return world_do(w, &r);
}

static enum outcome delete (struct world *w) {
	struct record r = world_record(w, RECORD_DELETE);

	r.revision = bucket(w).revision;
	return world_do(w, &r);
}

/* Does a row refer to what that record made? */
static bool
is_live(struct world *w, struct reqid id)
{
	struct decided_row row = { 0 };

	CHECK(w->rows->ops->decided_get(w->rows, 0, id, &row, NULL) == 0);
	return row.live;
}

static enum outcome
delete_version(struct world *w, struct versionid version)
{
	struct record r = world_record(w, RECORD_DELETE);

	r.has_version = true;
	r.version = version;
	return world_do(w, &r);
}

static struct versionid
name_of(const struct object_row *row)
{
	return versionid_of(row->seq, row->id);
}

static void
home_gives_settings_a_revision_and_takes_none_that_saw_older_ones(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	r = world_bucket(&w, RECORD_CREATE_BUCKET, 0, 0, true);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_bucket(&w, RECORD_BUCKET_CONFIG, 2, 0, true);
	r.settings = bytes_str("{ \"cors\":[],\"versioning\":\"Enabled\"}");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(bucket(&w).revision == 3 && bucket(&w).ruling == 3);
	CHECK(bucket(&w).versioning == BUCKET_ENABLED);
	CHECK(bytes_is(bucket(&w).settings,
	    "{ \"cors\":[],\"versioning\":\"Enabled\"}"));
	/* Who saw nothing yet. */
	r.request_id = world_id(&w);
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	/* What apply does is the same: no record needs to come again. */
	r.request_id = world_id(&w);
	r.if_revision = 3;
	r.settings = bytes_str(ENABLED);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(bucket(&w).revision == 5 && bucket(&w).ruling == 3);
	/* Versions are not given up. */
	r.request_id = world_id(&w);
	r.if_revision = 5;
	r.settings = bytes_str("{}");
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	CHECK(bucket(&w).revision == 5 && world_digest_good(&w));
	/* A new bucket of that name has none. */
	r = world_bucket(&w, RECORD_SEAL_BUCKET, 2, 0, true);
	CHECK(world_do(&w, &r) == OUTCOME_SEALED_EMPTY);
	r = world_bucket(&w, RECORD_DELETE_BUCKET, 2, w.seq, true);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_bucket(&w, RECORD_CREATE_BUCKET, 0, 0, true);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(bucket(&w).revision == 0 && bucket(&w).settings.n == 0);
	CHECK(bucket(&w).versioning == BUCKET_NEVER);
	world_fini(&w);
}

static void
elsewhere_the_highest_revision_holds_in_any_order(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_NOT_YET_HERE);
	world_make_bucket(&w);
	CHECK(configure(&w, SUSPENDED, 30, 30) == OUTCOME_DONE);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	CHECK(bucket(&w).revision == 30);
	CHECK(bucket(&w).versioning == BUCKET_SUSPENDED);
	CHECK(configure(&w, SUSPENDED, 40, 30) == OUTCOME_DONE);
	CHECK(bucket(&w).revision == 40 && bucket(&w).ruling == 30);
	r = world_bucket(&w, RECORD_BUCKET_CONFIG, 2, 0, false);
	r.revision = 50;
	r.settings = bytes_str("{}");
	CHECK(world_do(&w, &r) == OUTCOME_NOT_YET_HERE);
	CHECK(world_digest_good(&w));
	world_fini(&w);
}

/* "Not yet here" works for settings as for incarnations. */
static void
a_partition_behind_its_settings_decides_nothing(void)
{
	struct world w;
	struct record r;
	struct reqid id;

	world_init(&w);
	world_make_bucket(&w);
	r = world_put(&w, "k", "e1");
	r.revision = 20;
	id = r.request_id;
	CHECK(world_do(&w, &r) == OUTCOME_NOT_YET_HERE);
	CHECK_STR(world_etag(&w, "k"), "");
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	r = world_put(&w, "k", "e1");
	r.request_id = id;
	r.revision = 20;
	CHECK(world_do(&w, &r) == OUTCOME_DONE && !w.result.duplicate);
	CHECK_STR(world_etag(&w, "k"), "e1");
	/* And who saw older ones than rule would name the version wrongly. */
	r = world_put(&w, "k", "e2");
	CHECK(world_do(&w, &r) == OUTCOME_STALE_REVISION);
	r = world_record(&w, RECORD_DELETE);
	CHECK(world_do(&w, &r) == OUTCOME_STALE_REVISION);
	CHECK_STR(world_etag(&w, "k"), "e1");
	/* One that rules nothing is not asked for. */
	CHECK(configure(&w, ENABLED, 30, 20) == OUTCOME_DONE);
	r = world_put(&w, "k", "e3");
	r.revision = 20;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	world_fini(&w);
}

static void
epoch_and_level_only_rise(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	CHECK(world_row(&w)->level == 1);
	r = world_record(&w, RECORD_RAISE_LEVEL);
	r.level = 2;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_record(&w, RECORD_RAISE_LEVEL);
	r.level = 1;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_row(&w)->level == 2);
	r = world_record(&w, RECORD_RAISE_EPOCH);
	r.new_epoch = 3;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_row(&w)->epoch == 3);
	/* Who does not know of it yet writes nothing. */
	r = world_put(&w, "k", "e1");
	CHECK(world_do(&w, &r) == OUTCOME_STALE_EPOCH);
	CHECK_STR(world_etag(&w, "k"), "");
	r.epoch = 3;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_record(&w, RECORD_RAISE_EPOCH);
	r.new_epoch = 2;
	r.epoch = 3;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(world_row(&w)->epoch == 3);
	world_fini(&w);
}

static void
deleting_the_newest_brings_the_next_older_back(void)
{
	struct world w;
	struct object_row one, two;
	uint64_t seq;

	world_init(&w);
	world_make_bucket(&w);
	CHECK(put(&w, "null") == OUTCOME_DONE);
	CHECK(newest(&w).is_null);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	CHECK(put(&w, "one") == OUTCOME_DONE);
	one = newest(&w);
	CHECK(!one.is_null && one.seq == w.seq && one.changed == w.seq);
	CHECK(put(&w, "two") == OUTCOME_DONE);
	two = newest(&w);
	CHECK(w.garbage == 0);
	CHECK(delete_version(&w, name_of(&two)) == OUTCOME_DONE);
	CHECK(w.garbage == 1 && reqid_equal(w.last_garbage.id, two.id));
	CHECK_STR(world_etag(&w, "k"), "one");
	/* Whose it was it stays; that the key changed is told. */
	CHECK(newest(&w).seq == one.seq && newest(&w).changed == w.seq);
	/* Of what is not there nothing changes. */
	seq = newest(&w).changed;
	CHECK(delete_version(&w, name_of(&two)) == OUTCOME_DONE);
	CHECK(newest(&w).changed == seq && w.garbage == 1);
	/* The older one: a reader of it must wait for that, too. */
	CHECK(delete_version(&w, (struct versionid){ .is_null = true }) ==
	    OUTCOME_DONE);
	CHECK(newest(&w).changed == w.seq && w.garbage == 2);
	CHECK_STR(world_etag(&w, "k"), "one");
	CHECK(delete_version(&w, name_of(&one)) == OUTCOME_DONE);
	CHECK(newest(&w).kind == OBJECT_TOMBSTONE);
	CHECK(w.garbage == 3 && world_digest_good(&w));
	world_fini(&w);
}

static void
a_bucket_with_a_delete_marker_is_not_empty(void)
{
	struct world w;
	struct record r;
	struct object_row marker;

	world_init(&w);
	world_make_bucket(&w);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	CHECK(delete (&w) == OUTCOME_DONE);
	marker = newest(&w);
	CHECK(marker.kind == OBJECT_MARKER && marker.seq == w.seq);
	r = world_bucket(&w, RECORD_SEAL_BUCKET, 1, 5, false);
	CHECK(world_do(&w, &r) == OUTCOME_SEALED);
	/* A delete makes a version there, so it is a write. */
	CHECK(delete (&w) == OUTCOME_SEALED);
	/* Its id lives as long as it does, or would be kept for ever. */
	CHECK(is_live(&w, marker.id));
	CHECK(delete_version(&w, name_of(&marker)) == OUTCOME_DONE);
	CHECK(!is_live(&w, marker.id));
	r = world_bucket(&w, RECORD_UNSEAL_BUCKET, 1, 5, false);
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_bucket(&w, RECORD_SEAL_BUCKET, 1, 6, false);
	CHECK(world_do(&w, &r) == OUTCOME_SEALED_EMPTY);
	CHECK(w.garbage == 0 && world_digest_good(&w));
	world_fini(&w);
}

static void
a_delete_marker_is_no_object_to_conditions(void)
{
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	CHECK(put(&w, "e1") == OUTCOME_DONE);
	r = world_put(&w, "k", "e2");
	r.revision = 20;
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_PRECONDITION_FAILED);
	CHECK(delete (&w) == OUTCOME_DONE);
	r = world_put(&w, "k", "e2");
	r.revision = 20;
	r.if_match = bytes_str("*");
	CHECK(world_do(&w, &r) == OUTCOME_NO_SUCH_KEY);
	r = world_put(&w, "k", "e2");
	r.revision = 20;
	r.if_none_match = true;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	world_fini(&w);
}

/* A multipart version that is superseded keeps its parts until it goes. */
static void
an_older_multipart_version_keeps_its_parts(void)
{
	struct record_part list = { .number = 1 };
	struct object_row row;
	struct upload_row upload;
	uint64_t finished;
	struct reqid id;
	struct world w;
	struct record r;

	world_init(&w);
	world_make_bucket(&w);
	CHECK(configure(&w, ENABLED, 20, 20) == OUTCOME_DONE);
	r = world_upload(&w, RECORD_INITIATE, "k", (struct reqid){ { 0 } });
	id = r.request_id;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_upload(&w, RECORD_PART, "k", id);
	r.part_number = 1;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	r = world_upload(&w, RECORD_COMPLETE, "k", id);
	r.parts = &list;
	r.part_count = 1;
	CHECK(world_do(&w, &r) == OUTCOME_STALE_REVISION);
	r.revision = 20;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	row = newest(&w);
	CHECK(put(&w, "e1") == OUTCOME_DONE && w.garbage == 0);
	CHECK(w.rows->ops->upload_get(w.rows, 0, id, &upload, NULL) == 0);
	CHECK(upload.live && !upload.dying);
	finished = upload.finished_ms;
	w.time_ms += 5000;
	CHECK(delete_version(&w, name_of(&row)) == OUTCOME_DONE);
	/* The upload, and by the sweep of the same record its part. */
	CHECK(w.garbage == 2);
	CHECK(w.rows->ops->upload_get(w.rows, 0, id, &upload, NULL) == 0);
	CHECK(!upload.live && world_digest_good(&w));
	/* Its row is kept for a week from its Complete, not from its end. */
	CHECK(upload.finished_ms == finished && finished < w.time_ms);
	world_fini(&w);
}

static uint64_t dice;

static uint32_t
pick(uint32_t n)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(dice >> 33) % n;
}

/* S3's rules, as a list: newest first. */
#define VERSIONS_MAX 512
struct ideal {
	struct {
		struct versionid name;
		bool marker, null;
		char etag[8];
	} version[VERSIONS_MAX];
	unsigned count;
	unsigned garbage;
	enum bucket_versioning state;
};

static void
ideal_remove(struct ideal *ideal, unsigned at)
{
	ideal->garbage += !ideal->version[at].marker;
	memmove(&ideal->version[at], &ideal->version[at + 1],
	    (ideal->count - at - 1) * sizeof(ideal->version[0]));
	ideal->count--;
}

static void
ideal_add(struct ideal *ideal, struct versionid name, const char *etag)
{
	bool null = ideal->state != BUCKET_ENABLED;

	for (unsigned i = 0; null && i < ideal->count; i++)
		if (ideal->version[i].null)
			ideal_remove(ideal, i--);
	/* Without versions a delete leaves nothing. */
	if (etag == NULL && ideal->state == BUCKET_NEVER)
		return;
	memmove(&ideal->version[1], &ideal->version[0],
	    ideal->count++ * sizeof(ideal->version[0]));
	ideal->version[0].name = name;
	ideal->version[0].null = null;
	ideal->version[0].marker = etag == NULL;
	snprintf(ideal->version[0].etag, sizeof(ideal->version[0].etag), "%s",
	    etag == NULL ? "" : etag);
}

static void
ideal_delete(struct ideal *ideal, const struct versionid *name)
{
	for (unsigned i = 0; i < ideal->count; i++)
		if (name->is_null ?
			ideal->version[i].null :
			!memcmp(name, &ideal->version[i].name, sizeof(*name))) {
			ideal_remove(ideal, i);
			return;
		}
}

/* Are the rows of the key what the ideal has? */
static bool
agrees(struct world *w, const struct ideal *ideal)
{
	struct object_row row = newest(w);
	unsigned i = 0;
	int rc = row.kind == 0 || row.kind == OBJECT_TOMBSTONE ? -1 : 0;

	for (; rc == 0 && i < ideal->count; i++) {
		struct versionid name = name_of(&row);

		if (memcmp(&name, &ideal->version[i].name, sizeof(name)) != 0 ||
		    row.is_null != ideal->version[i].null ||
		    (row.kind == OBJECT_MARKER) != ideal->version[i].marker ||
		    strcmp(row.etag, ideal->version[i].etag) != 0)
			return false;
		rc = w->rows->ops->version_next(w->rows, 0, bytes_str("b"),
		    bytes_str("k"), row.seq, &row, NULL);
	}
	return i == ideal->count && rc != 0 && w->garbage == ideal->garbage;
}

static void
step(struct world *w, struct ideal *ideal)
{
	struct versionid name = { .is_null = true };
	char etag[8];
	uint32_t what = pick(100);

	if (what < 5) {
		uint64_t revision = bucket(w).revision + 10;

		ideal->state = pick(2) ? BUCKET_ENABLED : BUCKET_SUSPENDED;
		CHECK(configure(w,
			  ideal->state == BUCKET_ENABLED ? ENABLED : SUSPENDED,
			  revision, revision) == OUTCOME_DONE);
	} else if (what < 50) {
		snprintf(etag, sizeof(etag), "e%u", pick(1000));
		CHECK(put(w, etag) == OUTCOME_DONE);
		ideal_add(ideal, versionid_of(w->seq, w->result.id), etag);
	} else if (what < 65) {
		CHECK(delete (w) == OUTCOME_DONE);
		ideal_add(ideal, versionid_of(w->seq, w->result.id), NULL);
	} else {
		if (ideal->count > 0 && what < 95)
			name = ideal->version[pick(ideal->count)].name;
		CHECK(delete_version(w, name) == OUTCOME_DONE);
		ideal_delete(ideal, &name);
	}
}

static void
versions_are_what_s3_says_in_any_order_of_things(void)
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct ideal ideal = { 0 };
		struct world w;
		bool good = true;

		dice = seed;
		world_init(&w);
		world_make_bucket(&w);
		for (unsigned i = 0; good && i < 300; i++) {
			step(&w, &ideal);
			good = agrees(&w, &ideal) && world_digest_good(&w);
			if (i % 20 == 0)
				rowset_mem_drop_tombstones(w.mem);
		}
		if (!good)
			printf("# seed %u: differs at seq %llu\n", seed,
			    (unsigned long long)w.seq);
		CHECK(good);
		world_fini(&w);
	}
}

int
main(void)
{
	RUN(home_gives_settings_a_revision_and_takes_none_that_saw_older_ones);
	RUN(elsewhere_the_highest_revision_holds_in_any_order);
	RUN(a_partition_behind_its_settings_decides_nothing);
	RUN(epoch_and_level_only_rise);
	RUN(deleting_the_newest_brings_the_next_older_back);
	RUN(a_bucket_with_a_delete_marker_is_not_empty);
	RUN(a_delete_marker_is_no_object_to_conditions);
	RUN(an_older_multipart_version_keeps_its_parts);
	RUN(versions_are_what_s3_says_in_any_order_of_things);
	return tap_done();
}
