/* SPDX-License-Identifier: MIT */

/*
 * cat(1) that asks for 1 MiB pipes: what the codec's pipeline is measured
 * against.  Copies standard input to standard output.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)128 * 1024)
#define PIPE_BYTES (1024 * 1024)

int
main(void)
{
	char *buffer = aligned_alloc(4096, BUFFER_BYTES);
	ssize_t got = 0;

	if (buffer == NULL)
		return 71;
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	while ((got = read(STDIN_FILENO, buffer, BUFFER_BYTES)) > 0) {
		for (ssize_t at = 0; at < got;) {
			ssize_t put = write(STDOUT_FILENO, buffer + at,
			    (size_t)(got - at));

			if (put < 0)
				return 74;
			at += put;
		}
	}
	free(buffer);
	return got < 0 ? 74 : 0;
}
