/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_LOGTEST_H
#define KOOP_TESTS_UNIT_LOGTEST_H

/* What the tests of the commit log share: a folder of logs of one backend, and
 * a reader that checks what it is given. */

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "commit/commitlog.h"
#include "tap.h"
#include "tempdir.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define LATER (clock_mono_ms(&clock_system) + 60000)

static const uint32_t partitions[] = { 0, 1, 5 };
static char folder[TEMPDIR_BYTES];
static const char *scheme; /* of the backend under test */
static char url[512];
static int made;

static struct commitlog_genesis genesis = {
	.cluster = CLUSTER,
	.partitions = partitions,
	.count = 3,
};

/* A new log's URL. */
static inline void
fresh(void)
{
	made++;
	if (strcmp(scheme, "sqlite:") == 0)
		snprintf(url, sizeof(url), "sqlite:%s/%d.db", folder, made);
	else
		snprintf(url, sizeof(url), "mem:%d", made);
}

static inline struct commitlog *
make(void)
{
	struct commitlog *log = NULL;
	struct error err = { 0 };

	fresh();
	if (commitlog_create(url, &genesis, NULL, &err) < 0 ||
	    commitlog_open(&log, url, NULL, &err) < 0) {
		printf("# %s\n", err.text);
		exit(1);
	}
	return log;
}

static inline struct reqid
new_id(void)
{
	return reqid_new(&clock_system, &random_system);
}

static inline int
append(struct commitlog *log, uint32_t partition, const char *line,
    uint64_t *seq, struct error *err)
{
	struct commitlog_item item = {
		.partition = partition,
		.request_id = new_id(),
		.line = bytes_str(line),
	};
	int rc = commitlog_append(log, &item, 1, LATER, err);

	if (rc == 0 && seq != NULL)
		*seq = item.seq;
	return rc;
}

/* What a reader saw. */
struct seen {
	uint64_t last[6]; /* by partition */
	uint64_t time_ms;
	int count;
	int stop_at; /* stop before the so-manyeth; -1: never */
	int stop_with;
};

static inline int
see(void *arg, const struct commitlog_entry *entry)
{
	struct seen *seen = arg;

	if (seen->count == seen->stop_at)
		return seen->stop_with;
	CHECK(entry->partition <= 5);
	if (seen->last[entry->partition] != 0)
		CHECK(entry->seq == seen->last[entry->partition] + 1);
	seen->last[entry->partition] = entry->seq;
	CHECK(entry->time_ms >= seen->time_ms);
	seen->time_ms = entry->time_ms;
	seen->count++;
	return 0;
}

static inline void
make_folder(void)
{
	tempdir_make(folder);
}

static inline void
remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	(void)rmdir(folder);
}

#endif
