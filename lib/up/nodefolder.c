/* SPDX-License-Identifier: MIT */
#include "up/nodefolder.h"

#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "store/superblock.h"
#include "up/layout.h"

/* Nothing that a node would have put there: an unmounted disk leaves an empty
 * folder, and an interrupted replacement a beginning that it takes up again. */
static bool
is_bare(const char *path)
{
	static const char *const begun[] = { ".", "..", "lost+found", "lock",
		"shards", "quarantine", "superblock.tmp" };
	DIR *stream = opendir(path);
	const struct dirent *entry;
	bool bare = true;

	assert(path[0] == '/');
	if (stream == NULL)
		return true;
	while (bare && (entry = readdir(stream)) != NULL) {
		bare = false;
		for (size_t i = 0; i < nitems(begun); i++)
			bare = bare || strcmp(entry->d_name, begun[i]) == 0;
	}
	closedir(stream);
	return bare;
}

/* It could be read: whose is it? */
static enum nodefolder_state
judge_owner(const struct nodefolder *f, const struct superblock *s,
    char why[static NODEFOLDER_WHY_BYTES])
{
	assert(s->cluster[0] != '\0');
	if (f->cluster != NULL && strcmp(s->cluster, f->cluster) != 0)
		snprintf(why, NODEFOLDER_WHY_BYTES,
		    "its folder belongs to another cluster (%s); move it away "
		    "and bring back its own, or make a new one with: "
		    "koop up --data %s --replace-node %u",
		    s->cluster, f->data, f->number);
	else if (s->set != f->set || s->index != f->index)
		snprintf(why, NODEFOLDER_WHY_BYTES,
		    "its folder is that of node-%u.%u; move each to its own "
		    "name in %s",
		    s->set, s->index, f->data);
	return why[0] == '\0' ? NODEFOLDER_GOOD : NODEFOLDER_WRONG;
}

enum nodefolder_state
nodefolder_look(const struct nodefolder *f,
    char why[static NODEFOLDER_WHY_BYTES])
{
	char path[2 * LAYOUT_DIR_BYTES];
	struct superblock s = { 0 };
	enum nodefolder_state state;
	struct error err;
	int rc;

	assert(f->data[0] == '/');
	why[0] = '\0';
	snprintf(path, sizeof(path), "%s/node-%u.%u", f->data, f->set,
	    f->index);
	rc = superblock_read(&s, path, &err);
	if (rc == 0) {
		state = judge_owner(f, &s, why);
		superblock_fini(&s);
		return state;
	}
	if (rc == -ERRC_NOTFOUND && is_bare(path)) {
		snprintf(why, NODEFOLDER_WHY_BYTES,
		    "its folder is lost; mount its disk, or make a new one "
		    "with: koop up --data %s --replace-node %u",
		    f->data, f->number);
		return NODEFOLDER_LOST;
	}
	if (rc == -ERRC_IO)
		snprintf(why, NODEFOLDER_WHY_BYTES,
		    "its folder cannot be read (%.300s); mend that, or move it "
		    "away and run: koop up --data %s --replace-node %u",
		    err.text, f->data, f->number);
	else
		snprintf(why, NODEFOLDER_WHY_BYTES,
		    "its folder has %s; bring it back from a copy, or move "
		    "the folder away and run: koop up --data %s "
		    "--replace-node %u",
		    rc == -ERRC_NOTFOUND   ? "lost its superblock" :
			rc == -ERRC_CONFIG ? "a superblock of a later "
					     "version of Koop" :
					     "a damaged superblock",
		    f->data, f->number);
	return NODEFOLDER_WRONG;
}
