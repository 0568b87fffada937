/* SPDX-License-Identifier: MIT */

#include "shard/outfile.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"

int
outfile_open(struct outfile *f, const char *path, struct error *err)
{
	const size_t room = strlen(path) + sizeof(".0123456789abcdef.tmp");
	struct stat st;

	*f = (struct outfile){ .path = path };
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		f->temporary = malloc(room);
		if (f->temporary == NULL)
			return error_set(err, ERRC_NOMEM, "%s: out of memory",
			    path);
		snprintf(f->temporary, room, "%s.%016" PRIx64 ".tmp", path,
		    random_u64(&random_system));
		f->fd = open(f->temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	if (f->fd < 0) {
		int rc = error_errno(err, ERRC_CANTCREATE, "%s", path);

		free(f->temporary);
		*f = (struct outfile){ 0 };
		return rc;
	}
	assert(!f->published);
	f->open = true;
	return 0;
}

/*
 * Bytes, then name: a crash between leaves the temporary file, and whatever
 * had the name before.
 */
int
outfile_publish(struct outfile *f, struct error *err)
{
	int fd = f->fd;

	assert(f->open && !f->published);
	if (f->temporary != NULL && fsync(fd) != 0)
		return error_errno(err, ERRC_IO, "write %s", f->path);
	f->open = false;
	if (close(fd) != 0)
		return error_errno(err, ERRC_IO, "write %s", f->path);
	if (f->temporary != NULL && rename(f->temporary, f->path) != 0)
		return error_errno(err, ERRC_CANTCREATE, "%s", f->path);
	f->published = true;
	return 0;
}

void
outfile_close(struct outfile *f)
{
	if (f->open)
		close(f->fd);
	if (f->temporary != NULL && !f->published)
		unlink(f->temporary);
	free(f->temporary);
	*f = (struct outfile){ 0 };
}

void
outfile_discard(struct outfile *f)
{
	if (f->temporary != NULL && f->published)
		unlink(f->path);
	outfile_close(f);
}
