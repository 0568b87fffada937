/* SPDX-License-Identifier: MIT */
#include "client/piperm.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "client/buckets.h"
#include "client/committer.h"
#include "client/namelist.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/objectname.h"
#include "commit/record.h"
#include "commit/versionid.h"
#include "wire/nodetime.h"

#define BATCH_MAX 256
#define NAME_BYTES (OBJECTNAME_BUCKET_MAX + 1 + OBJECTNAME_KEY_MAX)

struct target {
	char name[NAME_BYTES];
	struct bytes bucket, key; /* in name */
	struct record record;
	bool has_version;
	struct versionid version;
	bool asked; /* its record is in the batch */
	enum outcome outcome;
	uint64_t seq;
	uint32_t partition;
};

struct piperm {
	struct nodeclient *nc;
	const struct piperm_options *options;
	int out;
	struct target *targets; /* BATCH_MAX */
	size_t count;
	uint64_t absent;
	struct error *err;
};

static int
piperm_open(struct piperm *p, struct nodeclient *nc, int out,
    const struct piperm_options *options, struct error *err)
{
	*p = (struct piperm){ .nc = nc,
		.options = options,
		.out = out,
		.err = err };
	p->targets = calloc(BATCH_MAX, sizeof(*p->targets));
	if (p->targets == NULL)
		return error_set(err, ERRC_NOMEM, "delete: out of memory");
	return 0;
}

static int
add_target(struct piperm *p, struct bytes name, struct error *err)
{
	struct target *t = &p->targets[p->count];
	struct bytes bucket, key;
	int rc;

	assert(p->count < BATCH_MAX);
	rc = objectname_split(name, &bucket, &key, err);
	if (rc < 0)
		return rc;
	assert(name.n <= sizeof(t->name));
	*t = (struct target){ .outcome = OUTCOME_IGNORED };
	memcpy(t->name, name.p, name.n);
	t->bucket = bytes_of(t->name, bucket.n);
	t->key = bytes_of(t->name + bucket.n + 1, key.n);
	p->count++;
	return 0;
}

/* The record of one, once its partition is known to hold the bucket. */
static int
prepare(struct piperm *p, struct target *t, uint64_t deadline)
{
	struct placement place = placement_of(nodeclient_topology(p->nc),
	    t->bucket, t->key);
	int rc;

	t->partition = place.partition;
	t->record = (struct record){
		.type = RECORD_DELETE,
		.request_id = reqid_new(nodeclient_clock(p->nc),
		    nodeclient_random(p->nc)),
		.bucket = t->bucket,
		.key = t->key,
		/* A delete takes what is not there for done, unless asked. */
		.if_match = p->options->force || t->has_version ?
		    BYTES_NONE :
		    bytes_str("*"),
		.has_version = t->has_version,
		.version = t->version,
	};
	rc = bucket_ensure(p->nc, &place, t->bucket, &t->record.incarnation,
	    deadline, p->err);
	if (rc == -ERRC_NOTFOUND) {
		t->outcome = OUTCOME_NO_SUCH_BUCKET;
		return 0;
	}
	if (rc == -ERRC_MISMATCH)
		return error_set(p->err, ERRC_RETRY,
		    "bucket \"%.*s\" is being deleted", (int)t->bucket.n,
		    (const char *)t->bucket.p);
	t->asked = rc == 0;
	nodetime_freshen(&t->record.request_id, nodeclient_clock(p->nc),
	    nodeclient_random(p->nc));
	return rc;
}

/* All of the batch in one append. */
static int
append_batch(struct piperm *p, uint64_t deadline)
{
	struct committer_item items[BATCH_MAX] = { 0 };
	struct target *target_of[BATCH_MAX];
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < p->count; i++) {
		struct target *t = &p->targets[i];

		if (!t->asked)
			continue;
		items[n].partition = t->partition;
		items[n].record = &t->record;
		target_of[n++] = t;
	}
	if (n == 0)
		return 0;
	rc = committer_commit_all(p->nc, items, n, deadline, p->err);
	for (size_t i = 0; i < n && rc == 0; i++) {
		target_of[i]->outcome = items[i].outcome;
		target_of[i]->seq = items[i].seq;
	}
	return rc;
}

/* Its partition did not know what the home partition knows, and decided
 * nothing: roll the bucket forward and ask anew, as for a single one. */
static int
ask_again(struct piperm *p, struct target *t, uint64_t deadline)
{
	struct placement place;
	int rc;

	if (!t->asked || t->outcome == OUTCOME_DONE)
		return 0;
	bucket_forget(p->nc, t->partition, t->bucket);
	if (outcome_decides(t->outcome))
		return 0;
	rc = prepare(p, t, deadline);
	if (rc < 0 || !t->asked)
		return rc;
	place = placement_of(nodeclient_topology(p->nc), t->bucket, t->key);
	return bucket_commit(p->nc, &place, &t->record, &t->outcome, &t->seq,
	    deadline, p->err);
}

static const char *
refusal(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_NO_SUCH_KEY:
		return "no such object";
	case OUTCOME_NO_SUCH_BUCKET:
		return "no such bucket";
	case OUTCOME_SEALED:
		return "the bucket is being deleted";
	default:
		return outcome_name(outcome);
	}
}

/* The line of one, and what is to be said about it. */
static void
report(struct piperm *p, const struct target *t, struct buf *lines)
{
	char name[3 * NAME_BYTES + 1];
	struct buf text = buf_make(NAME_BYTES + 256);
	size_t n = t->bucket.n + 1 + t->key.n;

	percent_encode(name, t->name, n, true);
	buf_printf(lines,
	    "delete v=1 partition=%" PRIu32 " seq=%" PRIu64
	    " name=%s outcome=%s\n",
	    t->partition, t->seq, name, outcome_name(t->outcome));
	if (t->outcome == OUTCOME_DONE)
		return;
	p->absent++;
	buf_printf(&text, "%s: %s", name, refusal(t->outcome));
	p->options->complain(p->options->arg, buf_cstr(&text));
	buf_fini(&text);
}

static int
run_batch(struct piperm *p)
{
	uint64_t deadline = nodeclient_now(p->nc) + NODECLIENT_WRITE_MS;
	struct buf lines = buf_make(BATCH_MAX * (3 * NAME_BYTES + 256));
	int rc = 0;

	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = prepare(p, &p->targets[i], deadline);
	if (rc == 0)
		rc = append_batch(p, deadline);
	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = ask_again(p, &p->targets[i], deadline);
	for (size_t i = 0; i < p->count && rc == 0; i++)
		report(p, &p->targets[i], &lines);
	p->count = 0;
	/* Deleting twice is what deleting once is. */
	if (rc == -ERRC_UNAVAILABLE)
		rc = error_set(p->err, ERRC_RETRY, "%s",
		    p->err != NULL ? p->err->text : "");
	if (rc == 0 && buf_failed(&lines))
		rc = error_set(p->err, ERRC_NOMEM, "delete: out of memory");
	if (rc == 0 && lines.n > 0)
		rc = io_write_full(p->out, lines.p, lines.n, p->err);
	buf_fini(&lines);
	return rc;
}

static int
piperm_close(struct piperm *p, int rc)
{
	free(p->targets);
	if (rc == 0 && p->absent > 0)
		return error_set(p->err, ERRC_NOTFOUND, "not deleted: %" PRIu64,
		    p->absent);
	return rc;
}

int
piperm_names(struct nodeclient *nc, char *const names[], size_t count, int out,
    const struct piperm_options *options, struct error *err)
{
	struct piperm p;
	int rc;

	for (size_t i = 0; i < count; i++) {
		struct bytes bucket, key;

		rc = objectname_split(bytes_str(names[i]), &bucket, &key, err);
		if (rc < 0)
			return rc;
	}
	rc = piperm_open(&p, nc, out, options, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = add_target(&p, bytes_str(names[i]), err);
		if (rc == 0 && (p.count == BATCH_MAX || i + 1 == count))
			rc = run_batch(&p);
	}
	return piperm_close(&p, rc);
}

/* Lists. */

static int
take_name(void *arg, struct bytes name, const struct versionid *version)
{
	struct piperm *p = arg;
	int rc = add_target(p, name, p->err);

	if (rc < 0)
		return rc;
	if (version != NULL) {
		p->targets[p->count - 1].has_version = true;
		p->targets[p->count - 1].version = *version;
	}
	return p->count == BATCH_MAX ? run_batch(p) : 0;
}

/* As many in one append as have come. */
static int
take_pause(void *arg)
{
	struct piperm *p = arg;

	return p->count > 0 ? run_batch(p) : 0;
}

int
piperm_list(struct nodeclient *nc, int in, int out,
    const struct piperm_options *options, struct error *err)
{
	struct piperm p;
	const struct namelist_taker taker = { take_name, take_pause, &p };
	struct error why = { 0 };
	int rc = piperm_open(&p, nc, out, options, &why);

	if (rc == 0)
		rc = namelist_read(in, options->null_ended, &taker, &why);
	if (rc == -ERRC_CORRUPT)
		rc = error_set(err, ERRC_CORRUPT,
		    "%s: nothing from here on is deleted", why.text);
	else if (rc < 0 && err != NULL)
		*err = why;
	p.err = err;
	return piperm_close(&p, rc);
}
