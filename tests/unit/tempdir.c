/* SPDX-License-Identifier: MIT */
#include "tempdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[TEMPDIR_BYTES - 8];
static pid_t owner;

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

/* A child that a test forked is not the owner. */
static void
remove_all(void)
{
	if (getpid() == owner)
		(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
tempdir_make(char out[static TEMPDIR_BYTES])
{
	const char *tmp = getenv("TMPDIR");

	if (owner == 0) {
		/* Tests put paths into small buffers, and bats' own folder
		 * may have a long name. */
		if (tmp == NULL || strlen(tmp) + 13 > sizeof(root))
			tmp = "/tmp";
		snprintf(root, sizeof(root), "%s/unit.XXXXXX", tmp);
		if (mkdtemp(root) != NULL) {
			owner = getpid();
			atexit(remove_all);
		}
	}
	snprintf(out, TEMPDIR_BYTES, "%s/XXXXXX", root);
	if (owner == 0 || mkdtemp(out) == NULL) {
		printf("Bail out! no temporary folder: %s\n", out);
		exit(1);
	}
}
