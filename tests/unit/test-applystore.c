/* SPDX-License-Identifier: MIT */

/*
 * apply over SQLite: the same outcomes, H and D as over the memory twin on
 * random records, in batches of any size, with transactions that are rolled
 * back in between.  With an argument N: measure, Put records in batches of N.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "applyworld.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/metaquery_all.h"
#include "store/shardmeta.h"
#include "tap.h"
#include "tempdir.h"

#define RECORDS 3000

static char dir[TEMPDIR_BYTES];

static struct shardmeta *
open_meta(const char *name, bool no_sync)
{
	struct shardmeta_options options = { .no_sync = no_sync };
	struct partition_row row = world_partition();
	struct shardmeta *meta = NULL;
	struct error err;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (shardmeta_open(&meta, path, &options, &err) < 0 ||
	    shardmeta_begin(meta, &err) < 0 ||
	    shardmeta_add_partition(meta, &row, &err) < 0 ||
	    shardmeta_commit(meta, &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
	return meta;
}

static uint64_t state = 1;

static uint32_t
pick(uint32_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % n;
}

struct story {
	struct buf line[RECORDS];
	uint64_t time_ms[RECORDS];
	enum outcome outcome[RECORDS];
	uint8_t hash[RECORDS][32], digest[RECORDS][32];
};

static const char *const keys[] = { "a", "b/1", "b/2", "c", "d" };

struct author {
	struct reqid upload[4];
	const char *upload_key[4];
	struct record_part list[4];
	struct reqid seen[16];
	struct versionid version[32]; /* names of some that were made */
	uint64_t incarnation, attempt;
	uint64_t revision, ruling; /* of the last settings */
};

static struct record
write_upload(struct world *w, struct author *a, uint32_t what)
{
	uint32_t slot = pick(4);
	struct record r;

	if (what == 0 || a->upload_key[slot] == NULL) {
		a->upload_key[slot] = keys[pick(nitems(keys))];
		r = world_upload(w, RECORD_INITIATE, a->upload_key[slot],
		    (struct reqid){ { 0 } });
		a->upload[slot] = r.request_id;
		return r;
	}
	r = world_upload(w,
	    what <= 4     ? RECORD_PART :
		what == 5 ? RECORD_ABORT :
			    RECORD_COMPLETE,
	    a->upload_key[slot], a->upload[slot]);
	r.part_number = 1 + pick(4);
	for (uint32_t i = 0; i < 4; i++)
		a->list[i] = (struct record_part){ .number = i + 1 };
	r.parts = a->list;
	r.part_count = 1 + pick(3);
	return r;
}

/* Settings as home would spread them; versions are never given up again. */
static struct record
write_config(struct world *w, struct author *a)
{
	struct record r = world_bucket(w, RECORD_BUCKET_CONFIG, a->incarnation,
	    0, false);
	bool suspended = pick(2) == 0;

	a->revision += 10;
	if (a->ruling == 0 || pick(2) == 0)
		a->ruling = a->revision;
	r.revision = a->revision;
	r.ruling = a->ruling;
	r.settings = bytes_str(suspended ? "{\"versioning\":\"Suspended\"}" :
					   "{\"versioning\":\"Enabled\"}");
	return r;
}

/* Mostly what a bucket lives through, now and then what comes too late. */
static struct record
write_bucket(struct world *w, struct author *a)
{
	static const enum record_type types[] = { RECORD_CREATE_BUCKET,
		RECORD_SEAL_BUCKET, RECORD_UNSEAL_BUCKET, RECORD_UNSEAL_BUCKET,
		RECORD_UNSEAL_BUCKET, RECORD_DELETE_BUCKET };
	uint32_t what = pick(nitems(types));
	uint64_t incarnation = a->incarnation;

	if (types[what] == RECORD_DELETE_BUCKET && pick(4) != 0)
		what = 2;
	if (types[what] == RECORD_CREATE_BUCKET && pick(3) == 0) {
		incarnation = ++a->incarnation;
		a->revision = a->ruling = 0;
	}
	if (types[what] == RECORD_SEAL_BUCKET)
		a->attempt++;
	if (pick(10) == 0 && incarnation > 1)
		incarnation--;
	return world_bucket(w, types[what], incarnation,
	    types[what] == RECORD_CREATE_BUCKET ? 0 :
						  a->attempt - (pick(9) == 0),
	    false);
}

static struct record
write_record(struct world *w, struct author *a)
{
	static const char *const etags[] = { "e1", "e2", "e3" };
	uint32_t what = pick(100);
	struct record r;

	if (what < 40)
		r = world_put(w, keys[pick(nitems(keys))], etags[pick(3)]);
	else if (what < 50)
		r = world_record(w, RECORD_DELETE);
	else if (what < 54)
		r = world_record(w, RECORD_ABORT);
	else if (what < 95)
		r = write_upload(w, a, pick(8));
	else if (what < 96)
		return write_config(w, a);
	else
		return write_bucket(w, a);
	r.revision = a->revision - (a->revision > 0 && pick(20) == 0) +
	    (pick(60) == 0);
	r.incarnation = a->incarnation - (pick(40) == 0 && a->incarnation > 1) +
	    (pick(60) == 0);
	if (what >= 40 && what < 50)
		r.key = bytes_str(keys[pick(nitems(keys))]);
	if (what >= 40 && what < 50 && pick(2) == 0) {
		r.has_version = true;
		r.version = a->version[pick(32)];
	} else if (what < 50 && pick(4) == 0)
		r.if_match = bytes_str(etags[pick(3)]);
	if (what < 50)
		a->version[pick(32)] = versionid_of(w->seq + 1, r.request_id);
	if (what < 40 && pick(6) == 0)
		r.if_none_match = true;
	if (what < 54 && pick(5) == 0)
		r.request_id = a->seen[pick(16)];
	return r;
}

/* Make the story and tell it to the memory twin. */
static struct story *
make_story(uint64_t seed)
{
	struct story *s = calloc(1, sizeof(*s));
	struct author author = { .incarnation = 1, .attempt = 100 };
	struct world w;

	if (s == NULL)
		abort();
	state = seed;
	world_init(&w);
	for (unsigned i = 0; i < 16; i++)
		author.seen[i] = world_id(&w);
	for (unsigned i = 0; i < 32; i++)
		author.version[i].is_null = true;
	for (unsigned i = 0; i < RECORDS; i++) {
		struct record r;

		w.time_ms += pick(12) * 3600ull * 100;
		r = write_record(&w, &author);
		if (i == 0)
			r = world_bucket(&w, RECORD_CREATE_BUCKET, 1, 0, false);
		author.seen[pick(16)] = r.request_id;
		s->line[i] = buf_make(RECORD_BYTES_MAX);
		s->time_ms[i] = w.time_ms;
		CHECK(record_build(&s->line[i], &r, NULL) == 0);
		CHECK(world_apply_line(&w, &s->line[i], RECORD_OK));
		s->outcome[i] = w.result.outcome;
		memcpy(s->hash[i], world_row(&w)->hash, 32);
		memcpy(s->digest[i], world_row(&w)->digest, 32);
		if (pick(50) == 0)
			rowset_mem_drop_tombstones(w.mem);
		if (i % 100 == 0)
			CHECK(world_digest_good(&w));
	}
	world_fini(&w);
	return s;
}

static void
free_story(struct story *s)
{
	for (unsigned i = 0; i < RECORDS; i++)
		buf_fini(&s->line[i]);
	free(s);
}

/* Records from at on, in one transaction; then compare or roll back. */
static void
apply_batch(struct shardmeta *meta, const struct story *s, unsigned at,
    unsigned n, bool keep)
{
	struct world w;

	CHECK(shardmeta_begin(meta, NULL) == 0);
	world_init_on(&w, shardmeta_rowset(meta));
	w.seq = 1 + at;
	for (unsigned i = at; i < at + n; i++) {
		w.time_ms = s->time_ms[i];
		CHECK(world_apply_line(&w, &s->line[i], RECORD_OK));
		CHECK(w.result.outcome == s->outcome[i]);
		CHECK(memcmp(world_row(&w)->hash, s->hash[i], 32) == 0);
		CHECK(memcmp(world_row(&w)->digest, s->digest[i], 32) == 0);
	}
	if (keep && pick(3) == 0)
		CHECK(shardmeta_tombstones_del(meta, 0, at, 10, NULL) == 0);
	if (keep)
		CHECK(shardmeta_commit(meta, NULL) == 0);
	else
		shardmeta_rollback(meta);
}

static void
check_read(struct shardmeta *meta, const struct story *s)
{
	struct metaquery *read;
	struct partition_row row;
	struct oplog_row entry;
	uint8_t digest[32];

	CHECK(metaquery_begin(&read, meta, NULL) == 0);
	CHECK(metaquery_partition(read, 0, &row, NULL) == 0);
	CHECK(row.applied == RECORDS + 1);
	CHECK(memcmp(row.digest, s->digest[RECORDS - 1], 32) == 0);
	CHECK(metaquery_digest(read, 0, digest, NULL) == 0);
	CHECK(memcmp(digest, row.digest, 32) == 0);
	for (unsigned i = 0; i < RECORDS; i += 97) {
		CHECK(metaquery_oplog_at(read, 0, i + 2, &entry, NULL) == 0);
		CHECK(memcmp(entry.hash, s->hash[i], 32) == 0);
		CHECK(entry.outcome == (uint32_t)s->outcome[i]);
		CHECK(entry.time_ms == s->time_ms[i]);
		CHECK(bytes_equal(entry.line, buf_bytes(&s->line[i])));
	}
	metaquery_end(read);
}

static void
sqlite_and_memory_agree_in_batches_of_any_size(void)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct story *s = make_story(seed);
		char name[32];
		struct shardmeta *meta;
		unsigned at = 0;

		(void)snprintf(name, sizeof(name), "meta%u.db", (unsigned)seed);
		meta = open_meta(name, true);
		while (at < RECORDS) {
			unsigned n = 1 + pick(seed == 1 ? 1 : 200);

			n = KOOP_MIN(n, RECORDS - at);
			/* As a crash before COMMIT would. */
			if (pick(4) == 0)
				apply_batch(meta, s, at, 1 + pick(n), false);
			apply_batch(meta, s, at, n, true);
			at += n;
			if (pick(20) == 0) {
				shardmeta_close(meta);
				meta = open_meta(name, true);
			}
		}
		check_read(meta, s);
		shardmeta_close(meta);
		free_story(s);
	}
}

/* F6: a process that applies is killed, here and there, and its successor
 * goes on where it stands. */
static void
a_killed_process_leaves_a_prefix_of_the_log(void)
{
	struct story *s = make_story(4);
	struct shardmeta *meta = open_meta("killed.db", true);
	unsigned at = 0;

	shardmeta_close(meta);
	for (unsigned round = 0; round < 40 && at < RECORDS; round++) {
		unsigned whole = pick(4);
		unsigned n = 1 + pick(20);
		struct metaquery *read;
		struct partition_row row;
		int status;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			struct world w;

			meta = open_meta("killed.db", true);
			for (unsigned i = 0; i < whole; i++)
				apply_batch(meta, s, at + i * n, n, true);
			(void)!shardmeta_begin(meta, NULL);
			world_init_on(&w, shardmeta_rowset(meta));
			w.seq = 1 + at + whole * n;
			for (unsigned i = 0; i < n; i++) {
				w.time_ms = s->time_ms[w.seq - 1];
				(void)!world_apply_line(&w, &s->line[w.seq - 1],
				    RECORD_OK);
			}
			kill(getpid(), SIGKILL);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		at += whole * n;
		meta = open_meta("killed.db", true);
		CHECK(metaquery_begin(&read, meta, NULL) == 0);
		CHECK(metaquery_partition(read, 0, &row, NULL) == 0);
		CHECK(row.applied == 1 + at);
		CHECK(
		    at == 0 || memcmp(row.digest, s->digest[at - 1], 32) == 0);
		metaquery_end(read);
		shardmeta_close(meta);
		if (at + 4 * 21 > RECORDS)
			break;
	}
	free_story(s);
}

static void
the_story_has_every_outcome_that_matters(void)
{
	struct story *s = make_story(2);
	unsigned count[OUTCOME_MAX] = { 0 };
	static const enum outcome wanted[] = { OUTCOME_DONE, OUTCOME_EXISTS,
		OUTCOME_NO_SUCH_BUCKET, OUTCOME_SEALED,
		OUTCOME_PRECONDITION_FAILED, OUTCOME_NO_SUCH_KEY,
		OUTCOME_NO_SUCH_UPLOAD, OUTCOME_INVALID_PART, OUTCOME_ABORTED,
		OUTCOME_NOT_YET_HERE, OUTCOME_STALE_REVISION };

	for (unsigned i = 0; i < RECORDS; i++)
		count[s->outcome[i]]++;
	for (unsigned i = 0; i < nitems(wanted); i++) {
		CHECK(count[wanted[i]] > 0);
		if (count[wanted[i]] == 0)
			printf("# %s does not occur\n",
			    outcome_name(wanted[i]));
	}
	CHECK(count[OUTCOME_DONE] > 100);
	free_story(s);
}

/* A13: the most parts that an upload has, in one Complete; then the parts are
 * swept a piece a record. */
static void
an_upload_of_ten_thousand_parts_is_completed_and_swept(void)
{
	struct shardmeta *meta = open_meta("parts.db", true);
	struct record_part *list = calloc(ROW_PARTS_MAX, sizeof(*list));
	struct world w;
	struct record r;
	struct reqid upload;
	unsigned records = 0;

	CHECK(shardmeta_begin(meta, NULL) == 0);
	world_init_on(&w, shardmeta_rowset(meta));
	world_make_bucket(&w);
	r = world_upload(&w, RECORD_INITIATE, "film", (struct reqid){ { 0 } });
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	upload = r.request_id;
	for (uint32_t i = 0; i < ROW_PARTS_MAX; i++) {
		r = world_upload(&w, RECORD_PART, "film", upload);
		r.part_number = i + 1;
		list[i].number = i + 1;
		if (world_do(&w, &r) != OUTCOME_DONE)
			break;
	}
	r = world_upload(&w, RECORD_COMPLETE, "film", upload);
	r.parts = list;
	r.part_count = ROW_PARTS_MAX;
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	CHECK(w.garbage == 0);
	r = world_record(&w, RECORD_DELETE);
	r.key = bytes_str("film");
	CHECK(world_do(&w, &r) == OUTCOME_DONE);
	while (world_row(&w)->dying > 0 && records < 1000) {
		r = world_record(&w, RECORD_NOOP);
		CHECK(world_do(&w, &r) == OUTCOME_DONE);
		records++;
	}
	CHECK(records > 10 && records < 1000);
	CHECK(w.garbage == ROW_PARTS_MAX + 1);
	CHECK(shardmeta_commit(meta, NULL) == 0);
	free(list);
	shardmeta_close(meta);
}

/* What apply costs a node: Puts of fresh keys, parsed and applied. */
static void
measure(unsigned batch)
{
	struct shardmeta *meta = open_meta("rate.db", false);
	unsigned total = batch == 1 ? 2000 : 20000;
	struct buf *line = calloc(total, sizeof(*line));
	struct world w;
	uint64_t start;
	uint64_t ms;
	char key[32];

	if (line == NULL)
		abort();
	world_init_on(&w, shardmeta_rowset(meta));
	for (unsigned i = 0; i < total; i++) {
		struct record r;

		(void)snprintf(key, sizeof(key), "bench/%08x", i * 2654435761u);
		r = world_put(&w, key, "0123456789abcdef0123456789abcdef");
		r.headers = bytes_str("{\"content-type\":\"text/plain\"}");
		if (i == 0)
			r = world_bucket(&w, RECORD_CREATE_BUCKET, 1, 0, false);
		line[i] = buf_make(RECORD_BYTES_MAX);
		if (record_build(&line[i], &r, NULL) < 0)
			abort();
	}
	start = clock_mono_ms(&clock_system);
	for (unsigned i = 0; i < total; i++) {
		if (i % batch == 0 && shardmeta_begin(meta, NULL) < 0)
			abort();
		if (!world_apply_line(&w, &line[i], RECORD_OK))
			abort();
		if ((i + 1 == total || i % batch == batch - 1) &&
		    shardmeta_commit(meta, NULL) < 0)
			abort();
	}
	ms = clock_mono_ms(&clock_system) - start;
	printf("# batches of %u: %llu records/s\n", batch,
	    1000ull * total / (ms + 1));
	for (unsigned i = 0; i < total; i++)
		buf_fini(&line[i]);
	free(line);
	shardmeta_close(meta);
}

static void
remove_dir(void)
{
	static const char *const names[] = { "meta1.db", "meta2.db", "meta3.db",
		"rate.db" };
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[256];

	for (unsigned i = 0; i < nitems(names); i++)
		for (unsigned j = 0; j < nitems(ends); j++) {
			(void)snprintf(path, sizeof(path), "%s/%s%s", dir,
			    names[i], ends[j]);
			unlink(path);
		}
	rmdir(dir);
}

int
main(int argc, char *argv[])
{
	tempdir_make(dir);
	if (argc > 1) {
		measure((unsigned)strtoul(argv[1], NULL, 10));
		remove_dir();
		return 0;
	}
	RUN(sqlite_and_memory_agree_in_batches_of_any_size);
	RUN(a_killed_process_leaves_a_prefix_of_the_log);
	RUN(the_story_has_every_outcome_that_matters);
	RUN(an_upload_of_ten_thousand_parts_is_completed_and_swept);
	remove_dir();
	return tap_done();
}
