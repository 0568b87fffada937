/* SPDX-License-Identifier: MIT */
#include "cluster/topology_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "cluster/topology_backend.h"

struct topology_file {
	char *path;
	struct stat seen; /* of the file at the last read */
	bool reported;    /* it was missing, and that has been said */
};

static int
file_open(void **state, const char *rest, topology_ring_fn *ring, void *arg,
    struct error *err)
{
	struct topology_file *file;

	/* It is looked at: files on some file systems do not tell. */
	(void)ring;
	(void)arg;

	/* file:///path is the same as file:/path. */
	if (strncmp(rest, "///", 3) == 0)
		rest += 2;
	if (rest[0] == '\0')
		return error_set(err, ERRC_CONFIG,
		    "topology file:: give a path, as in file:topology.json");
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", rest);
	file->path = strdup(rest);
	if (file->path == NULL) {
		free(file);
		return error_set(err, ERRC_NOMEM, "%s: out of memory", rest);
	}
	*state = file;
	return 0;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * stat before the read: a write in between is then seen as a change by the
 * next call, at the price of reading the same bytes twice.
 */
static int
file_read(void *state, bool force, char **text, size_t *bytes,
    struct error *err)
{
	struct topology_file *file = state;
	struct stat now;

	if (stat(file->path, &now) == -1) {
		if (file->reported && !force)
			return 0;
		file->reported = true;
		/* A file system that fails may come back; a file that is not
		 * there, or not for us, has to be put there. */
		return error_errno(err,
		    errno == ENOENT || errno == EACCES || errno == ENOTDIR ?
			ERRC_NOINPUT :
			ERRC_UNAVAILABLE,
		    "topology %s", file->path);
	}
	file->reported = false;
	if (!force && same_file(&now, &file->seen))
		return 0;
	if (!S_ISREG(now.st_mode))
		return error_set(err, ERRC_CONFIG,
		    "topology %s: not a regular file", file->path);
	file->seen = now;
	return io_read_file(text, bytes, file->path, TOPOLOGY_BYTES_MAX, err);
}

static void
file_close(void *state)
{
	struct topology_file *file = state;

	free(file->path);
	free(file);
}

const struct topology_backend topology_file = {
	.scheme = "file:",
	.look_ms = TOPOLOGY_SOURCE_SEEN_MS / 4,
	.open = file_open,
	.read = file_read,
	.close = file_close,
};
