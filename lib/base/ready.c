/* SPDX-License-Identifier: MIT */
#include "base/ready.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"

int
ready_tell(int fd, const char *text, struct error *err)
{
	char line[512];
	int n;
	int rc;

	assert(fd >= -1);
	if (fd == -1)
		return 0;
	n = snprintf(line, sizeof(line), "ready %s\n", text);
	if (n < 0 || (size_t)n >= sizeof(line))
		return error_set(err, ERRC_USAGE, "ready: text too long");
	rc = io_write_full(fd, line, (size_t)n, err);
	if (close(fd) == -1 && rc == 0)
		rc = error_errno(err, ERRC_IO, "close");
	if (rc < 0)
		return error_wrap(err, "ready descriptor %d", fd);
	return 0;
}
