/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_LOGTEST_H
#define KOOP_TESTS_UNIT_LOGTEST_H

/* What the tests of the commit log share: a folder of logs of one backend. */

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

/* Does the log under test have outages, gaps and appends of unknown fate? */
static bool hostile;

/* A new log's URL. */
static inline void
fresh(void)
{
	made++;
	if (strcmp(scheme, "sqlite:") == 0)
		snprintf(url, sizeof(url), "sqlite:%s/%d.db", folder, made);
	else
		snprintf(url, sizeof(url), "mem:%d%s", made,
		    strcmp(scheme, "mem:") == 0 ? "" : scheme + 4);
}

/* A create may be interrupted; the next one goes on with it. */
static inline int
create(const struct commitlog_genesis *of,
    const struct commitlog_options *options, struct error *err)
{
	int rc = commitlog_create(url, of, options, err);

	if (hostile && rc == -ERRC_UNAVAILABLE)
		rc = commitlog_create(url, of, options, err);
	return rc;
}

static inline struct commitlog *
make(void)
{
	struct commitlog *log = NULL;
	struct error err = { 0 };

	fresh();
	if (create(&genesis, NULL, &err) < 0 ||
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

/* One item until it is in: what is surely not in is tried again, what may be
 * is looked for. */
static inline int
append_item(struct commitlog *log, struct commitlog_item *item,
    uint64_t after_seq, struct error *err)
{
	int rc;

	do {
		rc = commitlog_append(log, item, 1, LATER, err);
		CHECK((rc == 0) == (item->fate == COMMITLOG_IN));
		CHECK(rc == -(int)item->code);
	} while (hostile && item->fate == COMMITLOG_NOT_IN &&
	    rc == -ERRC_UNAVAILABLE);
	while (hostile && item->fate == COMMITLOG_UNKNOWN && rc < 0)
		rc = commitlog_find(log, item->partition, item->request_id,
		    after_seq, &item->seq, &item->time_ms, LATER, err);
	return rc;
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
	int rc = append_item(log, &item, 0, err);

	if (rc == 0 && seq != NULL)
		*seq = item.seq;
	return rc;
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
