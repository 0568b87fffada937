/* SPDX-License-Identifier: MIT */
#include "client/recordfate.h"

#include <assert.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "client/committer.h"
#include "client/nodeclient.h"
#include "commit/commitlog.h"
#include "commit/commitlog_reader.h"
#include "commit/record.h"

/* Is the record at item->seq one of the same object?  What cannot be read has
 * no effect, and so hides nothing. */
static int
check_name(const struct record *mine, struct bytes line, const char *cluster,
    struct error *err)
{
	struct record *there = NULL;
	int verdict = record_parse(&there, line, cluster, NULL);
	int rc = 0;

	assert(mine->bucket.n > 0);
	if (verdict == RECORD_OK &&
	    (!bytes_equal(there->bucket, mine->bucket) ||
		!bytes_equal(there->key, mine->key)))
		rc = error_set(err, ERRC_MISMATCH,
		    "the id of these receipts is that of \"%.*s/%.*s\" "
		    "already: store the stream with koop-shard-put --new-id",
		    (int)there->bucket.n, (const char *)there->bucket.p,
		    (int)KOOP_MIN(there->key.n, (size_t)200),
		    (const char *)there->key.p);
	record_free(there);
	return verdict < 0 ?
	    error_set(err, ERRC_NOMEM, "record: out of memory") :
	    rc;
}

static int
look_at_record(struct nodeclient *nc, const struct committer_item *item,
    uint64_t deadline, struct error *err)
{
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct commitlog_entry entry;
	int rc = commitlog_get(nodeclient_log(nc), item->partition, item->seq,
	    &entry, &line, deadline, err);

	if (rc == 0)
		rc = check_name(item->record, entry.line,
		    nodeclient_cluster(nc), err);
	buf_fini(&line);
	return rc;
}

int
recordfate_find(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline, struct error *err)
{
	for (;;) {
		int rc = commitlog_find(nodeclient_log(nc), item->partition,
		    item->record->request_id, item->after_seq, &item->seq,
		    &item->time_ms, deadline, err);

		if (rc == -ERRC_NOTFOUND)
			return 0;
		if (rc == 0)
			rc = look_at_record(nc, item, deadline, err);
		if (rc == 0)
			rc = committer_wait(nc, item, deadline, err);
		if (rc < 0)
			return rc;
		if (outcome_decides(item->outcome))
			return 1;
		assert(item->seq > item->after_seq);
		item->after_seq = item->seq;
	}
}
