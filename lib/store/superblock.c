/* SPDX-License-Identifier: MIT */
#include "store/superblock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/io.h"
#include "base/number.h"
#include "codec/crc.h"
#include "store/shardpath.h"

#define SUPERBLOCK_BYTES_MAX (SUPERBLOCK_INIT_MAX + 4096)
#define CRC_MARK ",\"crc32c\":"

static bool
is_hex_id(const char *s)
{
	return s != NULL && strlen(s) == REQID_HEX &&
	    strspn(s, "0123456789abcdef") == REQID_HEX;
}

static int
print(struct buf *out, const struct superblock *s, struct error *err)
{
	assert(is_hex_id(s->cluster));
	assert(is_hex_id(s->disk));
	assert(s->index < 32);
	buf_printf(out,
	    "{\"format\":%d,\"cluster\":\"%s\",\"set\":%u,\"index\":%u,"
	    "\"disk\":\"%s\"",
	    SUPERBLOCK_FORMAT, s->cluster, s->set, s->index, s->disk);
	if (s->init_seq != NULL)
		buf_printf(out, ",\"initSeq\":\"%s\"", s->init_seq);
	buf_printf(out, CRC_MARK "\"%08x\"}\n", crc32c(0, out->p, out->n));
	return buf_failed(out) ?
	    error_set(err, ERRC_USAGE, "superblock: too long") :
	    0;
}

static bool
good_crc(const char *line, size_t n)
{
	static const size_t tail = sizeof(CRC_MARK) - 1 + 8 + 4;
	char crc[9];

	/* ,"crc32c":"01234567"} and LF end it; compared as text, so that
	 * there is one way only to write it. */
	if (n <= tail || memcmp(line + n - tail, CRC_MARK "\"", 11) != 0 ||
	    memcmp(line + n - 3, "\"}\n", 3) != 0)
		return false;
	(void)snprintf(crc, sizeof(crc), "%08x", crc32c(0, line, n - tail));
	return memcmp(line + n - 11, crc, 8) == 0;
}

static int
from_json(struct superblock *out, json_t *json, const char *dir,
    struct error *err)
{
	const char *cluster = json_string_value(
	    json_object_get(json, "cluster"));
	const char *disk = json_string_value(json_object_get(json, "disk"));
	const char *init = json_string_value(json_object_get(json, "initSeq"));
	json_int_t format = json_integer_value(json_object_get(json, "format"));
	json_int_t set = json_integer_value(json_object_get(json, "set"));
	json_int_t index = json_integer_value(json_object_get(json, "index"));

	if (format != SUPERBLOCK_FORMAT)
		return error_set(err, ERRC_CONFIG,
		    "data directory \"%s\": format %lld is not known: made by "
		    "a later version of koop",
		    dir, (long long)format);
	if (!is_hex_id(cluster) || !is_hex_id(disk) || set < 0 ||
	    set > UINT32_MAX || index < 0 || index > 31)
		return error_set(err, ERRC_CORRUPT,
		    "data directory \"%s\": superblock makes no sense", dir);
	*out = (struct superblock){
		.set = (uint32_t)set,
		.index = (uint32_t)index,
	};
	memcpy(out->cluster, cluster, REQID_HEX + 1);
	memcpy(out->disk, disk, REQID_HEX + 1);
	if (init != NULL && (out->init_seq = strdup(init)) == NULL)
		return error_set(err, ERRC_NOMEM, "superblock: out of memory");
	return 0;
}

static int
parse(struct superblock *out, const char *line, size_t n, const char *dir,
    struct error *err)
{
	json_t *json;
	int rc;

	assert(n <= SUPERBLOCK_BYTES_MAX);
	if (!good_crc(line, n))
		return error_set(err, ERRC_CORRUPT,
		    "data directory \"%s\": superblock is damaged", dir);
	json = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	if (json == NULL)
		return error_set(err, ERRC_CORRUPT,
		    "data directory \"%s\": superblock is no JSON", dir);
	rc = from_json(out, json, dir, err);
	json_decref(json);
	return rc;
}

static int
read_block(struct superblock *out, int dirfd, const char *dir,
    struct error *err)
{
	char *line = malloc(SUPERBLOCK_BYTES_MAX);
	ssize_t n = 0;
	int fd;
	int rc = 0;

	if (line == NULL)
		return error_set(err, ERRC_NOMEM, "superblock: out of memory");
	fd = openat(dirfd, "superblock", O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		rc = -ERRC_NOTFOUND;
	else if (fd == -1)
		rc = error_errno(err, ERRC_IO, "%s/superblock: open", dir);
	if (rc == 0) {
		n = io_pread_full(fd, line, SUPERBLOCK_BYTES_MAX, 0, err);
		rc = n < 0 ? (int)n : parse(out, line, (size_t)n, dir, err);
	}
	if (fd != -1)
		close(fd);
	free(line);
	return rc;
}

/* What an interrupted --init may have left does not count. */
static bool
is_ours(const char *name)
{
	static const char *const names[] = { ".", "..", "lost+found", "lock",
		"shards", "quarantine", "superblock.tmp" };

	for (size_t i = 0; i < nitems(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int
check_empty(int dirfd, const char *dir, struct error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int rc = 0;

	if (stream == NULL) {
		rc = error_errno(err, ERRC_IO, "data directory \"%s\"", dir);
		if (fd != -1)
			close(fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(stream)) != NULL)
		if (!is_ours(entry->d_name))
			rc = error_set(err, ERRC_CONFIG,
			    "data directory \"%s\" has no superblock, but "
			    "\"%s\" in it: give an empty directory",
			    dir, entry->d_name);
	closedir(stream);
	return rc;
}

static int
make_dir(int dirfd, const char *name, struct error *err)
{
	assert(name[0] != '/');
	if (mkdirat(dirfd, name, 0755) == -1 && errno != EEXIST)
		return error_errno(err, ERRC_CANTCREATE, "mkdir %s", name);
	return 0;
}

static int
sync_dir(int dirfd, const char *name, const struct file_ops *ops,
    struct error *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert(dirfd >= 0);
	if (fd == -1)
		return error_errno(err, ERRC_IO, "open %s", name);
	if (ops->fsync(fd) == -1)
		file_sync_failed(name);
	close(fd);
	return 0;
}

/* The data directory's own name, too, or a power loss takes all that is in
 * it.  One who may not read its parent did not make it either. */
static int
sync_parent(int dirfd, const struct file_ops *ops, struct error *err)
{
	if (faccessat(dirfd, "..", R_OK, AT_EACCESS) == -1 && errno == EACCES)
		return 0;
	return sync_dir(dirfd, "..", ops, err);
}

/* The directories first, durably; the superblock says that they are there. */
static int
make(struct superblock *out, int dirfd, const struct superblock_want *want,
    const struct file_ops *ops, struct error *err)
{
	struct buf line = buf_make(SUPERBLOCK_BYTES_MAX);
	char name[16];
	uint8_t disk[16];
	int rc;

	assert(is_hex_id(want->cluster));
	assert(!want->any_index);
	rc = make_dir(dirfd, "shards", err);
	for (unsigned i = 0; rc == 0 && i < SHARDPATH_FANOUT; i++) {
		shardpath_dir(name, i);
		rc = make_dir(dirfd, name, err);
	}
	if (rc == 0)
		rc = make_dir(dirfd, "quarantine", err);
	if (rc == 0)
		rc = sync_dir(dirfd, "shards", ops, err);
	if (rc == 0)
		rc = sync_parent(dirfd, ops, err);
	if (rc < 0)
		return rc;
	*out = (struct superblock){ .set = want->set, .index = want->index };
	memcpy(out->cluster, want->cluster, REQID_HEX + 1);
	random_system.fill(&random_system, disk, sizeof(disk));
	hex_encode(out->disk, disk, sizeof(disk));
	if (want->init_seq != NULL &&
	    (out->init_seq = strdup(want->init_seq)) == NULL)
		return error_set(err, ERRC_NOMEM, "superblock: out of memory");
	rc = print(&line, out, err);
	if (rc == 0)
		rc = file_publish(ops, dirfd, "superblock", line.p, line.n,
		    err);
	buf_fini(&line);
	return rc;
}

/* Whoever started us: the options of a node are no use to who runs koop up. */
#define UNDER_KOOP_UP "; under koop up, koop status tells the way"

static int
check(const struct superblock *s, const struct superblock_want *want,
    const char *dir, struct error *err)
{
	assert(is_hex_id(s->cluster));
	if (want->cluster != NULL && strcmp(s->cluster, want->cluster) != 0)
		return error_set(err, ERRC_CONFIG,
		    "data directory \"%s\" belongs to cluster %s, not %s; "
		    "by hand, pass another --data-dir" UNDER_KOOP_UP,
		    dir, s->cluster, want->cluster);
	if (!want->any_index &&
	    (s->set != want->set || s->index != want->index))
		return error_set(err, ERRC_CONFIG,
		    "data directory \"%s\" belongs to node %u/%u, not %u/%u; "
		    "by hand, pass --node %u/%u or another "
		    "--data-dir" UNDER_KOOP_UP,
		    dir, s->set, s->index, want->set, want->index, s->set,
		    s->index);
	return 0;
}

/* The lock is the descriptor's: it ends with it, and fork() does not split
 * it.  The text in the file is for the message of who comes second. */
static int
take_lock(int dirfd, const char *dir, int *lockfd, struct error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[24] = "";
	ssize_t n;
	int fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert(dirfd >= 0);
	if (fd == -1)
		return error_errno(err, ERRC_IO, "%s/lock: open", dir);
	if (fcntl(fd, F_OFD_SETLK, &lock) == -1) {
		n = pread(fd, text, sizeof(text) - 1, 0);
		close(fd);
		if (n <= 0 || strspn(text, "0123456789") != (size_t)n)
			text[0] = '\0';
		return error_set(err, ERRC_CONFIG,
		    "data directory \"%s\" is in use by another process%s%s",
		    dir, text[0] != '\0' ? ", pid " : "", text);
	}
	n = snprintf(text, sizeof(text), "%ld", (long)getpid());
	if (ftruncate(fd, 0) == -1 || pwrite(fd, text, (size_t)n, 0) != n) {
		close(fd);
		return error_errno(err, ERRC_IO, "%s/lock: write", dir);
	}
	*lockfd = fd;
	return 0;
}

static int
open_dir(const char *dir, const struct superblock_want *want, int *dirfd,
    struct error *err)
{
	if (want->mode != SUPERBLOCK_OPEN && mkdir(dir, 0755) == -1 &&
	    errno != EEXIST)
		return error_errno(err, ERRC_CANTCREATE,
		    "data directory \"%s\"", dir);
	*dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd == -1)
		return error_errno(err, ERRC_CONFIG,
		    "data directory \"%s\": is its disk mounted? By hand, pass "
		    "--init for a new node, --replace for a new disk of an old "
		    "one" UNDER_KOOP_UP,
		    dir);
	return 0;
}

/* What was made is what the next start will read, or there is no node here. */
static int
read_back(const struct superblock *made, int dirfd, const char *dir,
    struct error *err)
{
	struct superblock again = { 0 };
	int rc = read_block(&again, dirfd, dir, err);

	assert(is_hex_id(made->disk));
	if (rc == 0 &&
	    (strcmp(again.cluster, made->cluster) != 0 ||
		strcmp(again.disk, made->disk) != 0 || again.set != made->set ||
		again.index != made->index))
		rc = error_set(err, ERRC_CORRUPT,
		    "data directory \"%s\": the superblock reads back "
		    "otherwise than it was written",
		    dir);
	superblock_fini(&again);
	return rc;
}

/* Locked: read what is there, or make it. */
static int
settle(struct superblock *out, int dirfd, const char *dir,
    const struct superblock_want *want, const struct file_ops *ops,
    struct error *err)
{
	int rc = read_block(out, dirfd, dir, err);

	assert(dirfd >= 0);
	if (rc == 0)
		return check(out, want, dir, err);
	if (rc != -ERRC_NOTFOUND)
		return rc;
	if (want->cluster == NULL || !is_hex_id(want->cluster) ||
	    want->any_index)
		return error_set(err, ERRC_USAGE,
		    "data directory \"%s\": cluster, set and index are needed "
		    "to make it",
		    dir);
	if (want->init_seq != NULL &&
	    (strlen(want->init_seq) > SUPERBLOCK_INIT_MAX ||
		want->init_seq[strspn(want->init_seq, "0123456789:,")] != '\0'))
		return error_set(err, ERRC_USAGE,
		    "data directory \"%s\": bad positions", dir);
	rc = check_empty(dirfd, dir, err);
	if (rc == 0)
		rc = make(out, dirfd, want, ops, err);
	return rc == 0 ? read_back(out, dirfd, dir, err) : rc;
}

int
superblock_open(struct superblock *out, int *dirfd, int *lockfd,
    const char *dir, const struct superblock_want *want,
    const struct file_ops *ops, struct error *err)
{
	struct superblock block = { 0 };
	int dfd = -1;
	int lfd = -1;
	int rc;

	rc = open_dir(dir, want, &dfd, err);
	if (rc < 0)
		return rc;
	/* An unmounted disk leaves an empty directory: do not even put a lock
	 * file there. */
	if (want->mode == SUPERBLOCK_OPEN &&
	    faccessat(dfd, "superblock", F_OK, 0) == -1 && errno == ENOENT)
		rc = error_set(err, ERRC_CONFIG,
		    "data directory \"%s\" has no superblock: is its disk "
		    "mounted? By hand, pass --init for a new node, --replace "
		    "for a new disk of an old one" UNDER_KOOP_UP,
		    dir);
	if (rc == 0)
		rc = take_lock(dfd, dir, &lfd, err);
	if (rc == 0)
		rc = settle(&block, dfd, dir, want, ops, err);
	if (rc < 0) {
		superblock_fini(&block);
		if (lfd != -1)
			close(lfd);
		close(dfd);
		return rc;
	}
	*out = block;
	*dirfd = dfd;
	*lockfd = lfd;
	return 0;
}

int
superblock_read(struct superblock *out, const char *dir, struct error *err)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (dirfd == -1)
		return error_errno(err,
		    errno == ENOENT ? ERRC_NOTFOUND : ERRC_IO, "%s", dir);
	rc = read_block(out, dirfd, dir, err);
	if (rc == -ERRC_NOTFOUND)
		rc = error_set(err, ERRC_NOTFOUND, "%s: no superblock", dir);
	assert(rc <= 0);
	close(dirfd);
	return rc;
}

void
superblock_fini(struct superblock *superblock)
{
	free(superblock->init_seq);
	*superblock = (struct superblock){ 0 };
}

bool
superblock_is_newer(const struct superblock *superblock, uint32_t partition,
    uint64_t seq)
{
	const char *at = superblock->init_seq;

	while (at != NULL && *at != '\0') {
		size_t n = strcspn(at, ",");
		const char *colon = memchr(at, ':', n);
		uint64_t p;
		uint64_t s;

		if (colon != NULL &&
		    number_parse(&p, at, (size_t)(colon - at), 0, UINT32_MAX) &&
		    number_parse(&s, colon + 1, n - (size_t)(colon - at) - 1, 0,
			UINT64_MAX) &&
		    p == partition)
			return seq > s;
		at += n + (at[n] == ',');
	}
	return true;
}
