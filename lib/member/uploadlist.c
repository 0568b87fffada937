/* SPDX-License-Identifier: MIT */
#include "member/uploadlist.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/number.h"

#define NAME "uploads"
#define NAME_NEW "uploads.tmp"
/* RUN SINCE ID SHARD PATH */
#define LINE_MAX_BYTES 4608
#define READ_BYTES 65536

struct uploadlist {
	const struct clock *clock;
	int dirfd;
	char run[17]; /* this program's run: ages of others begin anew */
	uint64_t start_ms;
	pthread_mutex_t lock; /* guards fd and bytes */
	int fd;
	uint64_t bytes;
};

static int
open_file(struct uploadlist *uploads, struct error *err)
{
	struct stat st;

	assert(uploads->dirfd >= 0);
	uploads->fd = openat(uploads->dirfd, NAME,
	    O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (uploads->fd == -1 || fstat(uploads->fd, &st) == -1)
		return error_errno(err, ERRC_IO, "open %s", NAME);
	uploads->bytes = (uint64_t)st.st_size;
	return 0;
}

int
uploadlist_open(struct uploadlist **out, int dirfd, const struct clock *clock,
    struct error *err)
{
	struct uploadlist *uploads = calloc(1, sizeof(*uploads));
	int rc;

	if (uploads == NULL)
		return error_set(err, ERRC_NOMEM, "list of uploads: no memory");
	uploads->clock = clock;
	uploads->dirfd = dirfd;
	uploads->fd = -1;
	uploads->start_ms = clock_boot_ms(clock);
	hex_u64(uploads->run, random_u64(&random_system));
	pthread_mutex_init(&uploads->lock, NULL);
	rc = open_file(uploads, err);
	/* A crash may have left half a line: end it. */
	if (rc == 0 && uploads->bytes > 0) {
		rc = io_write_full(uploads->fd, "\n", 1, err);
		uploads->bytes++;
	}
	if (rc != 0) {
		uploadlist_close(uploads);
		return rc;
	}
	*out = uploads;
	return 0;
}

void
uploadlist_close(struct uploadlist *uploads)
{
	if (uploads == NULL)
		return;
	if (uploads->fd != -1)
		close(uploads->fd);
	pthread_mutex_destroy(&uploads->lock);
	free(uploads);
}

static void
print_entry(struct buf *out, const struct uploadlist *uploads,
    const struct uploadlist_entry *entry)
{
	char id[REQID_HEX + 1];

	assert(entry->shard < 32);
	assert(!reqid_is_zero(entry->id));
	reqid_format(id, entry->id);
	buf_printf(out, "%s %" PRIu64 " %s %" PRIu32 " ", uploads->run,
	    entry->since_ms, id, entry->shard);
	nodeproto_target_object(out, entry->store.partition,
	    bytes_of(entry->store.bucket, entry->store.bucket_bytes),
	    bytes_of(entry->store.key, entry->store.key_bytes));
	buf_addch(out, '\n');
}

int
uploadlist_add(struct uploadlist *uploads, struct reqid id, uint32_t shard,
    const struct nodeproto_store *store, struct error *err)
{
	struct uploadlist_entry entry = { .id = id,
		.shard = shard,
		.store = *store };
	struct buf line = buf_make(LINE_MAX_BYTES);
	int rc;

	assert(shard < 32);
	entry.since_ms = clock_boot_ms(uploads->clock);
	print_entry(&line, uploads, &entry);
	if (buf_failed(&line)) {
		buf_fini(&line);
		return error_set(err, ERRC_NOMEM, "list of uploads: no memory");
	}
	pthread_mutex_lock(&uploads->lock);
	rc = io_write_full(uploads->fd, line.p, line.n, err);
	if (rc == 0)
		uploads->bytes += line.n;
	else if (errno == ENOSPC || errno == EDQUOT)
		rc = error_set(err, ERRC_FULL, "write %s: no space left", NAME);
	/* Half a line would spoil the next one. */
	if (rc != 0 && ftruncate(uploads->fd, (off_t)uploads->bytes) == -1)
		log_error("node", "%s: cannot be cut back: %s", NAME,
		    strerror(errno));
	pthread_mutex_unlock(&uploads->lock);
	buf_fini(&line);
	return rc;
}

uint64_t
uploadlist_bytes(struct uploadlist *uploads)
{
	uint64_t bytes;

	pthread_mutex_lock(&uploads->lock);
	bytes = uploads->bytes;
	pthread_mutex_unlock(&uploads->lock);
	return bytes;
}

/* The next word of a line, NUL-ended; NULL when there is none. */
static char *
next_word(char **at)
{
	char *word = *at;
	size_t n;

	if (word == NULL)
		return NULL;
	n = strcspn(word, " ");
	*at = word[n] == ' ' ? word + n + 1 : NULL;
	word[n] = '\0';
	return n > 0 ? word : NULL;
}

/* False for what is no line of this file: it is dropped. */
static bool
parse_entry(struct uploadlist_entry *out, const struct uploadlist *uploads,
    char *line)
{
	char *run = next_word(&line);
	char *since = next_word(&line);
	char *id = next_word(&line);
	char *shard = next_word(&line);
	uint64_t n;

	if (run == NULL || since == NULL || id == NULL || shard == NULL ||
	    line == NULL || !reqid_parse(&out->id, id, strlen(id)) ||
	    !number_parse(&out->since_ms, since, strlen(since), 0, INT64_MAX) ||
	    !number_parse(&n, shard, strlen(shard), 0, 31) ||
	    nodeproto_store_parse(&out->store, line, NULL) != 0)
		return false;
	out->shard = (uint32_t)n;
	if (strcmp(run, uploads->run) != 0)
		out->since_ms = uploads->start_ms;
	return true;
}

struct visit {
	struct uploadlist *uploads;
	uploadlist_fn *fn;
	void *arg;
	struct buf kept; /* of this piece */
	int out;
	uint64_t written;
};

static int
visit_line(struct visit *visit, char *line, struct error *err)
{
	struct uploadlist_entry entry = { 0 };
	int rc;

	assert(visit->out != -1);
	if (!parse_entry(&entry, visit->uploads, line))
		return 0;
	rc = visit->fn(visit->arg, &entry);
	if (rc <= 0)
		return rc;
	buf_clear(&visit->kept);
	print_entry(&visit->kept, visit->uploads, &entry);
	if (buf_failed(&visit->kept))
		return error_set(err, ERRC_NOMEM, "list of uploads: no memory");
	visit->written += visit->kept.n;
	return io_write_full(visit->out, visit->kept.p, visit->kept.n, err);
}

/* All lines from *at to end; *at is where the next one begins. */
static int
visit_file(struct visit *visit, uint64_t *at, uint64_t end, struct error *err)
{
	struct buf piece = buf_make(READ_BYTES + LINE_MAX_BYTES);
	char *lf;
	char *p;
	ssize_t n;
	int rc = 0;

	assert(*at <= end);
	while (rc == 0 && *at + piece.n < end) {
		p = buf_reserve(&piece, READ_BYTES);
		if (p == NULL) {
			/* A line without an end: not ours. */
			rc = error_set(err, ERRC_CORRUPT, "%s: bad line", NAME);
			break;
		}
		n = io_pread_full(visit->uploads->fd, p,
		    (size_t)KOOP_MIN(READ_BYTES, end - *at - piece.n),
		    (off_t)(*at + piece.n), err);
		if (n <= 0) {
			rc = n < 0 ? (int)n : 0;
			break;
		}
		piece.n += (size_t)n;
		while (
		    rc == 0 && (lf = memchr(piece.p, '\n', piece.n)) != NULL) {
			*lf = '\0';
			rc = visit_line(visit, piece.p, err);
			*at += (size_t)(lf + 1 - piece.p);
			buf_consume(&piece, (size_t)(lf + 1 - piece.p));
		}
	}
	buf_fini(&piece);
	return rc;
}

/* Lines that came while the visit went on, then the new file for the old. */
static int
finish_visit(struct visit *visit, uint64_t at, struct error *err)
{
	struct uploadlist *uploads = visit->uploads;
	char copy[4096];
	ssize_t n;
	int rc = 0;

	assert(visit->out != -1);
	assert(at <= uploads->bytes);
	while ((n = io_pread_full(uploads->fd, copy, sizeof(copy), (off_t)at,
		    err)) > 0) {
		rc = io_write_full(visit->out, copy, (size_t)n, err);
		if (rc != 0)
			return rc;
		at += (uint64_t)n;
		visit->written += (uint64_t)n;
	}
	if (n < 0)
		return (int)n;
	if (renameat(uploads->dirfd, NAME_NEW, uploads->dirfd, NAME) == -1)
		return error_errno(err, ERRC_IO, "rename %s", NAME_NEW);
	/* What is there now is what was kept, and what came meanwhile. */
	assert(lseek(visit->out, 0, SEEK_END) == (off_t)visit->written);
	close(uploads->fd);
	uploads->fd = visit->out;
	visit->out = -1;
	uploads->bytes = visit->written;
	return 0;
}

int
uploadlist_visit(struct uploadlist *uploads, uploadlist_fn *fn, void *arg,
    struct error *err)
{
	struct visit visit = {
		.uploads = uploads,
		.fn = fn,
		.arg = arg,
		.kept = buf_make(LINE_MAX_BYTES),
	};
	uint64_t at = 0;
	int rc;

	visit.out = openat(uploads->dirfd, NAME_NEW,
	    O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (visit.out == -1)
		return error_errno(err, ERRC_IO, "create %s", NAME_NEW);
	/* Appends go on while fn looks at the disk; only this thread changes
	 * fd, so it may be read without the lock. */
	rc = visit_file(&visit, &at, uploadlist_bytes(uploads), err);
	if (rc == 0) {
		pthread_mutex_lock(&uploads->lock);
		rc = finish_visit(&visit, at, err);
		pthread_mutex_unlock(&uploads->lock);
	}
	if (visit.out != -1)
		close(visit.out);
	buf_fini(&visit.kept);
	return rc;
}
