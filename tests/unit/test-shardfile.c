/* SPDX-License-Identifier: MIT */

/* Shard files, through failing and counting twins of the system calls. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "codec/crc.h"
#include "shard/frame.h"
#include "store/shardfile.h"
#include "store/shardpath.h"
#include "tap.h"
#include "tempdir.h"

#define CELL 4096
#define STRIPES 80

static char root[TEMPDIR_BYTES];
static int dirfd_;
static struct shardfiles *files;
static struct clock_manual manual;

/* The twin: counts, and fails the call that is told with the errno told. */
static atomic_uint writes, fsyncs, fdatasyncs;
static unsigned fail_write, fail_open;
static int fail_errno;
static bool fail_fsync, fail_lookup;
static unsigned fail_preads; /* so many from now on */

static int
t_openat(int fd, const char *name, int flags, mode_t mode)
{
	if ((flags & O_CREAT) && fail_open > 0 && --fail_open == 0) {
		errno = fail_errno;
		return -1;
	}
	if (!(flags & O_CREAT) && fail_lookup) {
		errno = fail_errno;
		return -1;
	}
	return openat(fd, name, flags, mode);
}

static ssize_t
t_pread(int fd, void *p, size_t n, off_t at)
{
	errno = EIO;
	if (fail_preads > 0) {
		fail_preads--;
		return -1;
	}
	return pread(fd, p, n, at);
}

static ssize_t
t_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	struct iovec part = iov[0];

	writes++;
	if (fail_write > 0 && --fail_write == 0) {
		errno = fail_errno;
		return -1;
	}
	/* Now and then a short write, as the kernel may. */
	if (writes % 2 == 0 && part.iov_len > 1000) {
		part.iov_len = 1000;
		return pwritev(fd, &part, 1, at);
	}
	return pwritev(fd, iov, count, at);
}

static int
t_fdatasync(int fd)
{
	fdatasyncs++;
	errno = EIO;
	return fail_fsync ? -1 : fdatasync(fd);
}

static int
t_fsync(int fd)
{
	fsyncs++;
	usleep(2000); /* a disk takes a while, so that others gather */
	return fsync(fd);
}

static struct file_ops twin;

static struct reqid
id_of(uint32_t n, uint8_t fanout)
{
	struct reqid id = { { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80 } };

	store_le32(id.b + 11, n);
	id.b[15] = fanout;
	return id;
}

/* The stream of one shard, of 2 + 1. */
static struct buf
stream(struct reqid id, uint8_t shard, unsigned stripes, uint8_t salt)
{
	struct buf out = buf_make(8u << 20);
	struct frame_begin begin = {
		.geometry = { 2, 1, CELL },
		.id = id,
		.part = 1,
		.parts = 1,
	};
	struct blob_totals totals = {
		.size = (uint64_t)stripes * 2 * CELL,
		.stripes = stripes,
		.shards = 3,
	};
	uint8_t head[FRAME_END_BYTES];
	uint8_t cell[CELL];

	frame_begin_encode(head, &begin, shard);
	buf_add(&out, head, FRAME_BEGIN_BYTES);
	for (unsigned i = 0; i < stripes; i++) {
		struct frame frame = {
			.kind = FRAME_CELL,
			.shard = shard,
			.length = CELL,
			.stripe = i,
		};

		memset(cell, (int)(i + salt), CELL);
		frame.payload_crc = crc32c(0, cell, CELL);
		totals.shard_crc64[shard] = crc64_xz(totals.shard_crc64[shard],
		    cell, CELL);
		frame_encode(head, &frame, &id);
		buf_add(&out, head, FRAME_HEADER_BYTES);
		buf_add(&out, cell, CELL);
	}
	frame_end_encode(head, &totals, &id, shard);
	buf_add(&out, head, FRAME_END_BYTES);
	return out;
}

static void
path_of(char out[256], struct reqid id, uint32_t shard)
{
	char name[SHARDPATH_NAME_MAX + 1];
	char dir[16];

	shardpath_dir(dir, shardpath_fanout(id));
	shardpath_name(name, id, shard);
	(void)snprintf(out, 256, "%s/%s/%s", root, dir, name);
}

static bool
there(struct reqid id, uint32_t shard)
{
	char path[256];

	path_of(path, id, shard);
	return access(path, F_OK) == 0;
}

/* A whole upload in pieces of that size. */
static int
put(struct reqid id, uint32_t shard, const struct buf *b, size_t piece,
    bool *existed)
{
	struct shardfile_upload *u;
	struct error err;
	int rc = shardfile_begin(&u, files, id, shard, &err);

	if (rc < 0)
		return rc;
	for (size_t at = 0; at < b->n; at += piece) {
		rc = shardfile_write(u, b->p + at, KOOP_MIN(piece, b->n - at),
		    &err);
		if (rc < 0) {
			shardfile_abort(u);
			return rc;
		}
	}
	return shardfile_finish(u, existed, &err);
}

static void
a_shard_comes_back_as_it_was_sent_whatever_the_pieces(void)
{
	static const size_t pieces[] = { 1, 33, 4096, 32768, 300000, 1u << 30 };

	for (uint32_t i = 0; i < nitems(pieces); i++) {
		struct reqid id = id_of(i, 1);
		struct buf b = stream(id, 1, i == 0 ? 3 : STRIPES, 0);
		char *back = malloc(b.n);
		bool existed = true;
		uint64_t bytes = 0;
		int fd = -1;

		CHECK(put(id, 1, &b, pieces[i], &existed) == 0 && !existed);
		CHECK(shardfile_open(files, id, 1, &fd, &bytes, NULL) == 0);
		CHECK(bytes == b.n);
		CHECK(back != NULL && pread(fd, back, b.n, 0) == (ssize_t)b.n);
		CHECK(back != NULL && memcmp(back, b.p, b.n) == 0);
		CHECK(!shardfile_exists(files, id, 2));
		close(fd);
		free(back);
		buf_fini(&b);
	}
}

static void
the_same_bytes_again_are_fine_and_others_are_refused(void)
{
	struct reqid id = id_of(1, 2);
	struct buf b = stream(id, 0, STRIPES, 0);
	struct buf other = stream(id, 0, STRIPES, 1);
	struct buf shorter = stream(id, 0, 1, 0);
	bool existed = false;

	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && existed);
	CHECK(put(id, 0, &other, 32768, &existed) == -ERRC_MISMATCH);
	CHECK(put(id, 0, &shorter, 32768, &existed) == -ERRC_MISMATCH);
	CHECK(shardfile_exists(files, id, 0));
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && existed);
	buf_fini(&b);
	buf_fini(&other);
	buf_fini(&shorter);
}

static void
what_is_not_whole_is_removed(void)
{
	struct reqid id = id_of(1, 3);
	struct buf b = stream(id, 0, STRIPES, 0);
	bool existed;

	for (unsigned i = 0; i < 40; i++) {
		size_t at = b.n / 40 * i + i;

		b.p[at] = (char)(b.p[at] ^ 4);
		CHECK(put(id, 0, &b, 5000, &existed) == -ERRC_CORRUPT);
		b.p[at] = (char)(b.p[at] ^ 4);
		CHECK(!there(id, 0));
	}
	b.n--;
	CHECK(put(id, 0, &b, 5000, &existed) == -ERRC_CORRUPT);
	CHECK(!there(id, 0));
	/* Another shard's bytes, another blob's. */
	b.n++;
	CHECK(put(id, 1, &b, 5000, &existed) == -ERRC_CORRUPT);
	CHECK(put(id_of(2, 3), 0, &b, 5000, &existed) == -ERRC_CORRUPT);
	buf_fini(&b);
}

static void
what_a_crash_left_is_replaced(void)
{
	struct reqid id = id_of(1, 4);
	struct buf b = stream(id, 0, STRIPES, 0);
	char path[256];
	bool existed = true;
	int fd;

	path_of(path, id, 0);
	for (size_t n = 0; n < b.n; n += b.n / 7) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		CHECK(write(fd, b.p, n) == (ssize_t)n);
		close(fd);
		CHECK(!shardfile_exists(files, id, 0));
		CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
		CHECK(shardfile_exists(files, id, 0));
	}
	/* Torn or swapped: not served. */
	CHECK(truncate(path, (off_t)b.n - 1) == 0);
	CHECK(!shardfile_exists(files, id, 0));
	CHECK(truncate(path, (off_t)b.n + 1) == 0);
	CHECK(!shardfile_exists(files, id, 0));
	buf_fini(&b);
}

static void
an_open_upload_is_seen_and_stands_alone(void)
{
	struct reqid id = id_of(1, 5);
	struct buf b = stream(id, 0, 4, 0);
	struct shardfile_upload *u, *second;
	struct shardfile_counts counts;
	uint64_t idle = 0;
	bool existed;

	CHECK(!shardfile_uploading(files, id, &idle));
	CHECK(shardfile_begin(&u, files, id, 0, NULL) == 0);
	CHECK(shardfile_begin(&second, files, id, 0, NULL) == -ERRC_RETRY);
	CHECK(shardfile_write(u, b.p, b.n, NULL) == 0);
	CHECK(!shardfile_exists(files, id, 0));
	manual.now_ms += 60000;
	CHECK(shardfile_uploading(files, id, &idle) && idle == 60000);
	CHECK(shardfile_counts(files, &counts, NULL) == 0);
	CHECK(counts.uploads == 1 && counts.upload_bytes == b.n);
	CHECK(counts.free_bytes > 0);
	CHECK(shardfile_finish(u, &existed, NULL) == 0);
	CHECK(!shardfile_uploading(files, id, &idle));
	CHECK(shardfile_exists(files, id, 0));
	CHECK(shardfile_unlink(files, id, 0, NULL) == 0);
	CHECK(shardfile_unlink(files, id, 0, NULL) == 0);
	CHECK(!shardfile_exists(files, id, 0));
	buf_fini(&b);
}

/* F12, F14: each write of an upload fails in turn. */
static void
failing_calls_leave_nothing_and_tell_a_full_disk_apart(void)
{
	struct reqid id = id_of(1, 6);
	struct buf b = stream(id, 0, STRIPES, 0);
	bool existed;
	int rc = -1;

	for (unsigned i = 1; i < 20 && rc < 0; i++) {
		fail_write = i;
		fail_errno = i % 2 ? ENOSPC : EIO;
		rc = put(id, 0, &b, 32768, &existed);
		if (rc == 0)
			break;
		CHECK(rc == (i % 2 ? -ERRC_FULL : -ERRC_IO));
		CHECK(!there(id, 0));
	}
	CHECK(rc == 0);
	fail_write = 0;
	fail_open = 1;
	fail_errno = ENOSPC;
	CHECK(put(id_of(2, 6), 0, &b, 32768, &existed) == -ERRC_FULL);
	fail_open = 1;
	fail_errno = EMFILE;
	CHECK(put(id_of(2, 6), 0, &b, 32768, &existed) == -ERRC_IO);
	buf_fini(&b);
}

/* F15 */
static void
a_failed_fsync_ends_the_process(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct reqid id = id_of(9, 7);
		struct buf b = stream(id, 0, 1, 0);
		bool existed;

		(void)!freopen("/dev/null", "w", stderr);
		fail_fsync = true;
		_exit(put(id, 0, &b, 32768, &existed) == 0 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void *
put_one(void *arg)
{
	struct reqid id = id_of((uint32_t)(uintptr_t)arg, 8);
	struct buf b = stream(id, 0, 1, 0);
	bool existed;

	CHECK(put(id, 0, &b, 32768, &existed) == 0);
	buf_fini(&b);
	return NULL;
}

static void
one_fsync_of_a_directory_serves_all_who_wait(void)
{
	pthread_t thread[24];

	fsyncs = 0;
	fdatasyncs = 0;
	for (uintptr_t i = 0; i < nitems(thread); i++)
		CHECK(
		    pthread_create(&thread[i], NULL, put_one, (void *)i) == 0);
	for (unsigned i = 0; i < nitems(thread); i++)
		pthread_join(thread[i], NULL);
	CHECK(fdatasyncs == nitems(thread));
	CHECK(fsyncs >= 1 && fsyncs < nitems(thread));
}

static int
count_entry(void *arg, const struct shardfile_entry *entry)
{
	unsigned *count = arg;

	count[entry->whole ? 0 : 1]++;
	return 0;
}

static int
quarantine(struct reqid id, int *fd)
{
	uint64_t bytes;
	int rc = shardfile_open(files, id, 0, fd, &bytes, NULL);

	return rc < 0 ? rc : shardfile_quarantine(files, id, 0, *fd, NULL);
}

static void
a_scan_finds_all_and_quarantines_what_it_does_not_know(void)
{
	struct reqid id = id_of(1, 9);
	struct buf b = stream(id, 0, 1, 0);
	unsigned count[2] = { 0 };
	uint64_t strange = 0;
	uint64_t lying = 0;
	char path[256];
	bool existed;
	int fd;

	CHECK(put(id, 0, &b, 32768, &existed) == 0);
	path_of(path, id_of(2, 9), 3);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	(void)snprintf(path, sizeof(path), "%s/shards/09/letter.txt", root);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	CHECK(
	    shardfile_scan(files, 9, count_entry, count, &strange, NULL) == 0);
	CHECK(count[0] == 1 && count[1] == 1 && strange == 1);
	CHECK(shardfile_quarantined(files, &lying, NULL) == 0 && lying == 1);
	CHECK(quarantine(id, &fd) == 0);
	CHECK(shardfile_quarantine(files, id, 0, fd, NULL) == -ERRC_NOTFOUND);
	close(fd);
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(quarantine(id, &fd) == 0);
	close(fd);
	CHECK(shardfile_quarantined(files, &lying, NULL) == 0 && lying == 3);
	buf_fini(&b);
}

static int
count_nothing(void *arg, const struct shardfile_entry *entry)
{
	(void)arg;
	(void)entry;
	return 0;
}

static struct shardfile_counts
counts(void)
{
	struct shardfile_counts counts;

	CHECK(shardfile_counts(files, &counts, NULL) == 0);
	return counts;
}

static void
scan_all(void)
{
	uint64_t strange = 0;

	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++)
		CHECK(shardfile_scan(files, i, count_nothing, NULL, &strange,
			  NULL) == 0);
}

static void
shards_and_their_bytes_are_counted_as_they_come_and_go(void)
{
	struct reqid id = id_of(1, 12);
	struct reqid other = id_of(2, 12);
	struct buf b = stream(id, 0, 2, 0);
	struct buf c = stream(other, 0, 3, 0);
	struct shardfile_counts before;
	bool existed;
	int fd;

	/* Nothing is told before each folder was looked at. */
	CHECK(!counts().counted);
	scan_all();
	before = counts();
	CHECK(before.counted);
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(put(other, 0, &c, 32768, &existed) == 0 && !existed);
	CHECK(counts().files == before.files + 2);
	CHECK(counts().file_bytes == before.file_bytes + b.n + c.n);
	/* What was here is not here twice, and a scan finds the same. */
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && existed);
	CHECK(counts().files == before.files + 2);
	scan_all();
	CHECK(counts().files == before.files + 2);
	CHECK(counts().file_bytes == before.file_bytes + b.n + c.n);
	CHECK(shardfile_unlink(files, other, 0, NULL) == 0);
	CHECK(shardfile_unlink(files, other, 0, NULL) == 0);
	CHECK(counts().files == before.files + 1);
	CHECK(counts().file_bytes == before.file_bytes + b.n);
	CHECK(quarantine(id, &fd) == 0);
	close(fd);
	CHECK(counts().files == before.files);
	CHECK(counts().file_bytes == before.file_bytes);
	buf_fini(&b);
	buf_fini(&c);
}

static void
what_the_disk_does_is_measured(void)
{
	const struct shardfile_metrics *m = shardfile_metrics(files);
	uint64_t written = m->written_bytes;
	uint64_t errors = m->errors;
	uint64_t writes_seen = metric_observed(&m->write, NULL);
	uint64_t syncs_seen = metric_observed(&m->sync, NULL);
	struct reqid id = id_of(1, 13);
	struct buf b = stream(id, 0, 2, 0);
	bool existed;

	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(m->written_bytes == written + b.n);
	CHECK(metric_observed(&m->write, NULL) > writes_seen);
	CHECK(metric_observed(&m->sync, NULL) == syncs_seen + 1);
	/* A full disk is no error of the disk. */
	id = id_of(2, 13);
	fail_write = 1;
	fail_errno = ENOSPC;
	CHECK(put(id, 0, &b, 32768, &existed) != 0);
	CHECK(m->errors == errors);
	fail_write = 0;
	buf_fini(&b);
	b = stream(id, 0, 2, 0);
	writes = 0;
	fail_write = 1;
	fail_errno = EIO;
	CHECK(put(id, 0, &b, 32768, &existed) == -ERRC_IO);
	CHECK(m->errors == errors + 1);
	fail_write = 0;
	buf_fini(&b);
}

/* A shard that was acknowledged is not the price of a bad moment. */
static void
a_shard_that_cannot_be_looked_at_is_not_removed(void)
{
	struct reqid id = id_of(1, 10);
	struct buf b = stream(id, 0, STRIPES, 0);
	uint64_t before = 0;
	uint64_t after = 0;
	bool existed = true;

	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(shardfile_quarantined(files, &before, NULL) == 0);
	fail_lookup = true;
	fail_errno = EMFILE;
	CHECK(put(id, 0, &b, 32768, &existed) == -ERRC_IO);
	fail_lookup = false;
	CHECK(shardfile_exists(files, id, 0));
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && existed);
	/* One that cannot be read is an erasure, but its bytes are kept. */
	fail_preads = 1;
	CHECK(!shardfile_exists(files, id, 0));
	fail_preads = 1;
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	CHECK(fail_preads == 0);
	CHECK(shardfile_exists(files, id, 0));
	CHECK(shardfile_quarantined(files, &after, NULL) == 0);
	CHECK(after == before + 1);
	buf_fini(&b);
}

/* What was written is read back before anybody is told. */
static void
a_shard_that_does_not_read_back_is_not_one(void)
{
	struct reqid id = id_of(2, 10);
	struct buf b = stream(id, 0, 2, 0);
	bool existed;

	fail_preads = 1;
	CHECK(put(id, 0, &b, 32768, &existed) == -ERRC_IO);
	CHECK(!there(id, 0));
	CHECK(put(id, 0, &b, 32768, &existed) == 0 && !existed);
	buf_fini(&b);
}

/* Its name says which shard it is, and so does its END. */
static void
another_shard_under_ones_name_is_not_one(void)
{
	struct reqid id = id_of(3, 10);
	struct buf b = stream(id, 1, 2, 0);
	char from[256], to[256];
	bool existed;

	CHECK(put(id, 1, &b, 32768, &existed) == 0);
	path_of(from, id, 1);
	path_of(to, id, 0);
	CHECK(link(from, to) == 0);
	CHECK(shardfile_exists(files, id, 1));
	CHECK(!shardfile_exists(files, id, 0));
	CHECK(shardfile_unlink(files, id, 0, NULL) == 0);
	buf_fini(&b);
}

static void
make_dirs(void)
{
	char path[256];
	char dir[16];

	(void)snprintf(path, sizeof(path), "%s/shards", root);
	CHECK(mkdir(path, 0755) == 0);
	(void)snprintf(path, sizeof(path), "%s/quarantine", root);
	CHECK(mkdir(path, 0755) == 0);
	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++) {
		shardpath_dir(dir, i);
		(void)snprintf(path, sizeof(path), "%s/%s", root, dir);
		CHECK(mkdir(path, 0755) == 0);
	}
}

int
main(void)
{
	struct shardfile_options options = { .ops = &twin };

	tempdir_make(root);
	make_dirs();
	twin = file_system;
	twin.openat = t_openat;
	twin.pread = t_pread;
	twin.pwritev = t_pwritev;
	twin.fdatasync = t_fdatasync;
	twin.fsync = t_fsync;
	clock_manual_init(&manual, 1000000);
	options.clock = &manual.clock;
	dirfd_ = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shardfiles_open(&files, dirfd_, &options, NULL) < 0)
		return 1;
	RUN(a_shard_comes_back_as_it_was_sent_whatever_the_pieces);
	RUN(the_same_bytes_again_are_fine_and_others_are_refused);
	RUN(what_is_not_whole_is_removed);
	RUN(what_a_crash_left_is_replaced);
	RUN(an_open_upload_is_seen_and_stands_alone);
	RUN(failing_calls_leave_nothing_and_tell_a_full_disk_apart);
	RUN(a_failed_fsync_ends_the_process);
	RUN(one_fsync_of_a_directory_serves_all_who_wait);
	RUN(a_scan_finds_all_and_quarantines_what_it_does_not_know);
	RUN(shards_and_their_bytes_are_counted_as_they_come_and_go);
	RUN(what_the_disk_does_is_measured);
	RUN(a_shard_that_cannot_be_looked_at_is_not_removed);
	RUN(a_shard_that_does_not_read_back_is_not_one);
	RUN(another_shard_under_ones_name_is_not_one);
	shardfiles_close(files);
	close(dirfd_);
	return tap_done();
}
