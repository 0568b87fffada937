/* SPDX-License-Identifier: MIT */
#include "client/buckets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/bucketcache.h"
#include "client/clientstats.h"
#include "client/committer.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/record.h"

/* Whoever meets an attempt that is undecided for so long takes it back. */
#define ATTEMPT_MS 5000
/* An attempt that seems to be made so far in the future: a clock is wrong. */
#define CLOCK_WRONG_MS 60000
/* Times that a state may change under our eyes. */
#define TRIES_MAX 8

/* One bucket record and where it goes. */
static struct record
bucket_record(struct nodeclient *nc, enum record_type type, struct bytes name,
    uint64_t incarnation, uint64_t attempt)
{
	return (struct record){
		.type = type,
		.request_id = reqid_new(nodeclient_clock(nc),
		    nodeclient_random(nc)),
		.bucket = name,
		.incarnation = incarnation,
		.attempt = attempt,
	};
}

static void
forget_everywhere(struct nodeclient *nc, struct bytes name)
{
	const struct topology *t = nodeclient_topology(nc);

	for (size_t i = 0; i < t->partition_count; i++)
		bucket_forget(nc, t->partitions[i], name);
}

/* Append at home and learn what it came to there: that decides. */
static int
commit_home(struct nodeclient *nc, struct record *record, enum outcome *out,
    uint64_t *seq, uint64_t deadline, struct error *err)
{
	struct placement home = placement_home(nodeclient_topology(nc),
	    record->bucket);

	record->home = true;
	return committer_commit(nc, home.partition, record, out, seq, deadline,
	    err);
}

/*
 * The same record to every other partition, in one append.  *all tells
 * whether each came to `want`; NULL if nobody cares.
 */
static int
commit_others(struct nodeclient *nc, struct record *record, enum outcome want,
    bool *all, uint64_t deadline, struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	struct placement home = placement_home(t, record->bucket);
	struct committer_item *items;
	size_t n = 0;
	int rc = 0;

	items = calloc(t->partition_count, sizeof(*items));
	if (items == NULL)
		return error_set(err, ERRC_NOMEM, "bucket: out of memory");
	record->home = false;
	for (size_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i] == home.partition)
			continue;
		items[n].partition = t->partitions[i];
		items[n++].record = record;
	}
	assert(n + 1 == t->partition_count);
	if (n > 0)
		rc = committer_commit_all(nc, items, n, deadline, err);
	if (rc == 0 && all != NULL) {
		*all = true;
		for (size_t i = 0; i < n; i++)
			*all &= items[i].outcome == want;
	}
	free(items);
	return rc;
}

/* What home decided is told to the others.  Their outcome changes nothing:
 * who meets a partition that was not told tells it. */
static void
buckets_obey(struct nodeclient *nc, struct record *record, uint64_t deadline)
{
	int rc;

	/* One of the two that end an attempt, whichever came first there. */
	assert(record->type == RECORD_UNSEAL_BUCKET ||
	    record->type == RECORD_DELETE_BUCKET);
	rc = commit_others(nc, record, OUTCOME_DONE, NULL, deadline, NULL);
	(void)rc;
	forget_everywhere(nc, record->bucket);
}

/*
 * Take an attempt back.  If its Delete came first at home, that stands.
 * *deleted: which it was.
 */
static int
take_back(struct nodeclient *nc, struct bytes name, uint64_t incarnation,
    uint64_t attempt, bool *deleted, uint64_t deadline, struct error *err)
{
	struct record record = bucket_record(nc, RECORD_UNSEAL_BUCKET, name,
	    incarnation, attempt);
	enum outcome outcome;
	int rc;

	rc = commit_home(nc, &record, &outcome, NULL, deadline, err);
	if (rc < 0)
		return rc;
	*deleted = outcome == OUTCOME_NO_SUCH_BUCKET;
	/* Home decided nothing (an id too old, a stale epoch): its Delete may
	 * still come first, so the others must not hear of an Unseal. */
	if (!*deleted && outcome != OUTCOME_DONE)
		return error_set(err, ERRC_UNAVAILABLE,
		    "bucket: the attempt to delete it could not be taken "
		    "back: %s",
		    outcome_name(outcome));
	if (*deleted)
		record = bucket_record(nc, RECORD_DELETE_BUCKET, name,
		    incarnation, attempt);
	buckets_obey(nc, &record, deadline);
	return 0;
}

static bool
is_old(struct nodeclient *nc, const struct bucket_info *info)
{
	uint64_t now = clock_real_ms(nodeclient_clock(nc));

	if (info->sealed_at_ms > now)
		return info->sealed_at_ms - now > CLOCK_WRONG_MS;
	return now - info->sealed_at_ms >= ATTEMPT_MS;
}

/*
 * The bucket's row at home, past any attempt that has lain there too long.
 * ERRC_NOTFOUND.  A fresh attempt is the caller's to judge (state SEALED).
 */
static int
settled_home(struct nodeclient *nc, struct bytes name, struct bucket_info *info,
    uint64_t deadline, struct error *err)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		bool deleted;
		int rc;

		rc = metaread_home(nc, name, info, deadline, err);
		if (rc < 0 || info->state != NODEPROTO_SEALED ||
		    !is_old(nc, info))
			return rc;
		rc = take_back(nc, name, info->incarnation, info->attempt,
		    &deleted, deadline, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ERRC_UNAVAILABLE,
	    "bucket: attempts to delete it come one after another");
}

/* Making one. */

static void
create_elsewhere(struct nodeclient *nc, struct bytes name, const char *owner,
    uint64_t incarnation, struct reqid id, uint64_t deadline)
{
	struct record record = bucket_record(nc, RECORD_CREATE_BUCKET, name,
	    incarnation, 0);
	int rc;

	record.owner = bytes_str(owner);
	record.request_id = id;
	/* Home has it, so it exists; bucket_ensure() does what fails here. */
	rc = commit_others(nc, &record, OUTCOME_DONE, NULL, deadline, NULL);
	(void)rc;
}

int
bucket_create(struct nodeclient *nc, struct bytes name, const char *owner,
    enum outcome *out, uint64_t deadline, struct error *err)
{
	struct bucket_info info = { 0 };
	struct record record;
	uint64_t incarnation;
	enum outcome outcome;
	int rc;

	rc = settled_home(nc, name, &info, deadline, err);
	if (rc == 0 && info.state == NODEPROTO_SEALED) {
		*out = strcmp(info.owner, owner) == 0 ? OUTCOME_ABORTED :
							OUTCOME_NOT_OWNER;
		return 0;
	}
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	/* Minted now: the answer told how late it is there. */
	record = bucket_record(nc, RECORD_CREATE_BUCKET, name, 0, 0);
	record.owner = bytes_str(owner);
	rc = commit_home(nc, &record, &outcome, &incarnation, deadline, err);
	if (rc < 0)
		return rc;
	if (outcome == OUTCOME_EXISTS) {
		/* protocol.md 5: roll forward what another began, by its
		 * incarnation.  If that one was killed half-way, the remaining
		 * partitions would refuse what they have not heard of. */
		rc = metaread_home(nc, name, &info, deadline, err);
		if (rc < 0)
			return rc == -ERRC_NOTFOUND ?
			    error_set(err, ERRC_UNAVAILABLE,
				"bucket: deleted at the same time") :
			    rc;
		incarnation = info.incarnation;
	}
	if (outcome == OUTCOME_DONE || outcome == OUTCOME_EXISTS)
		create_elsewhere(nc, name, owner, incarnation,
		    record.request_id, deadline);
	*out = outcome;
	return 0;
}

/* Deleting one. */

/* Seal the others and let home decide.  The attempt's Seal is there. */
static int
finish_attempt(struct nodeclient *nc, struct bytes name, uint64_t incarnation,
    uint64_t attempt, enum outcome *out, uint64_t deadline, struct error *err)
{
	struct record record = bucket_record(nc, RECORD_SEAL_BUCKET, name,
	    incarnation, attempt);
	bool empty = false;
	bool deleted = false;
	enum outcome outcome;
	int rc;

	assert(attempt > 0);
	rc = commit_others(nc, &record, OUTCOME_SEALED_EMPTY, &empty, deadline,
	    err);
	if (rc < 0)
		return rc;
	/* protocol.md 5: empty everywhere, and each at its own seal, before
	 * Delete is appended.  One that was looked at before its seal may have
	 * taken an object since, which Delete would destroy (why: S11a). */
	if (!empty) {
		rc = take_back(nc, name, incarnation, attempt, &deleted,
		    deadline, err);
		*out = OUTCOME_SEALED;
		return rc;
	}
	record = bucket_record(nc, RECORD_DELETE_BUCKET, name, incarnation,
	    attempt);
	rc = commit_home(nc, &record, &outcome, NULL, deadline, err);
	if (rc < 0)
		return rc;
	if (outcome == OUTCOME_DONE) {
		buckets_obey(nc, &record, deadline);
		*out = OUTCOME_DONE;
		return 0;
	}
	/* Unseal was first, or home is not empty after all. */
	rc = take_back(nc, name, incarnation, attempt, &deleted, deadline, err);
	*out = outcome == OUTCOME_SEALED ? OUTCOME_SEALED : OUTCOME_ABORTED;
	return rc;
}

int
bucket_delete(struct nodeclient *nc, struct bytes name, enum outcome *out,
    uint64_t deadline, struct error *err)
{
	struct bucket_info info = { 0 };
	struct record record;
	enum outcome outcome;
	uint64_t attempt;
	bool deleted;
	int rc;

	rc = settled_home(nc, name, &info, deadline, err);
	if (rc == -ERRC_NOTFOUND) {
		*out = OUTCOME_NO_SUCH_BUCKET;
		return 0;
	}
	if (rc < 0)
		return rc;
	record = bucket_record(nc, RECORD_SEAL_BUCKET, name, info.incarnation,
	    0);
	rc = commit_home(nc, &record, &outcome, &attempt, deadline, err);
	if (rc < 0)
		return rc;
	if (outcome == OUTCOME_SEALED_EMPTY)
		return finish_attempt(nc, name, info.incarnation, attempt, out,
		    deadline, err);
	*out = outcome;
	if (outcome == OUTCOME_SEALED)
		rc = take_back(nc, name, info.incarnation, attempt, &deleted,
		    deadline, err);
	else if (outcome != OUTCOME_NO_SUCH_BUCKET)
		*out = OUTCOME_ABORTED;
	return rc;
}

/* Changing its settings. */

/* Home has decided: the others are told, and those that never heard of the
 * bucket of that, too. */
static int
configure_others(struct nodeclient *nc, struct bytes name, uint64_t revision,
    uint64_t deadline, struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	struct placement home = placement_home(t, name);
	uint32_t *partitions = calloc(t->partition_count, sizeof(*partitions));
	bool *behind = calloc(t->partition_count, sizeof(*behind));
	size_t n = 0;
	int rc = 0;

	assert(revision > 0);
	if (partitions == NULL || behind == NULL)
		rc = error_set(err, ERRC_NOMEM, "bucket: out of memory");
	for (size_t i = 0; rc == 0 && i < t->partition_count; i++)
		if (t->partitions[i] != home.partition)
			partitions[n++] = t->partitions[i];
	assert(rc < 0 || n + 1 == t->partition_count);
	if (rc == 0 && n > 0)
		rc = bucketconfig_tell(nc, name, partitions, n, behind,
		    deadline, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct placement place;
		struct bucket_seen seen;

		if (!behind[i])
			continue;
		rc = placement_partition(t, partitions[i], &place, err);
		if (rc == 0)
			rc = bucket_see(nc, &place, name, revision, &seen,
			    deadline, err);
	}
	free(partitions);
	free(behind);
	return rc;
}

int
bucket_configure(struct nodeclient *nc, struct bytes name,
    bucketconfig_edit_fn *edit, void *arg, enum outcome *out, uint64_t deadline,
    struct error *err)
{
	uint64_t revision = 0;
	int rc = bucketconfig_decide(nc, name, edit, arg, out, &revision,
	    deadline, err);

	if (rc < 0 || *out != OUTCOME_DONE)
		return rc;
	forget_everywhere(nc, name);
	rc = configure_others(nc, name, revision, deadline, err);
	forget_everywhere(nc, name);
	return rc;
}

int
bucket_spread(struct nodeclient *nc, struct bytes name, uint64_t revision,
    uint64_t deadline, struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	int rc = 0;

	assert(revision > 0);
	for (size_t i = 0; rc == 0 && i < t->partition_count; i++) {
		struct placement place;
		struct bucket_seen seen;

		rc = placement_partition(t, t->partitions[i], &place, err);
		if (rc == 0)
			rc = bucket_see(nc, &place, name, revision, &seen,
			    deadline, err);
	}
	return rc;
}

/* Using one. */

void
bucket_forget(struct nodeclient *nc, uint32_t partition, struct bytes bucket)
{
	bucketcache_drop(nodeclient_buckets(nc), partition, bucket);
}

/*
 * The partition does not have the bucket open, home does (info): tell it what
 * home decided.  A seal there belongs to an attempt that is over at home,
 * because home is sealed first.
 */
static int
roll_forward(struct nodeclient *nc, uint32_t partition, struct bytes bucket,
    const struct bucket_info *here, const struct bucket_info *home,
    uint64_t deadline, struct error *err)
{
	bool unseal = here->state == NODEPROTO_SEALED &&
	    here->incarnation == home->incarnation;
	struct record record = bucket_record(nc,
	    unseal ? RECORD_UNSEAL_BUCKET : RECORD_CREATE_BUCKET, bucket,
	    home->incarnation, unseal ? here->attempt : 0);
	enum outcome outcome;

	/* A Create of what is there open would change nothing, for ever. */
	assert(here->state != NODEPROTO_OPEN ||
	    here->incarnation != home->incarnation);
	if (!unseal)
		record.owner = bytes_str(home->owner);
	/* What it came to is read again: others may be at it, too. */
	return committer_commit(nc, partition, &record, &outcome, NULL,
	    deadline, err);
}

/* Tell the partition what it has yet to hear of, the bucket itself first. */
static int
bring_up(struct nodeclient *nc, uint32_t partition, struct bytes bucket,
    const struct bucket_info *here, const struct bucket_info *home,
    uint64_t deadline, struct error *err)
{
	/* Only what home has open: protocol.md 5, or a deleted bucket is there
	 * again in one partition, and takes objects (why: S11b). */
	assert(home->state == NODEPROTO_OPEN);
	if (here->state == NODEPROTO_OPEN &&
	    here->incarnation == home->incarnation)
		return bucketconfig_tell(nc, bucket, &partition, 1, NULL,
		    deadline, err);
	return roll_forward(nc, partition, bucket, here, home, deadline, err);
}

/* *at: the partition's seq that it was seen at. */
static int
ensure(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, uint64_t revision, struct bucket_seen *out,
    uint64_t *at, uint64_t deadline, struct error *err)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		struct bucket_info here = { 0 };
		struct bucket_info home = { 0 };
		int rc;

		rc = metaread_bucket(nc, place->partition, bucket, &here,
		    deadline, err);
		if (rc == 0 && here.state == NODEPROTO_OPEN &&
		    here.revision >= revision) {
			*out = (struct bucket_seen){ here.incarnation,
				here.revision, here.versioning };
			*at = here.at;
			return 0;
		}
		if (rc < 0 && rc != -ERRC_NOTFOUND)
			return rc;
		rc = settled_home(nc, bucket, &home, deadline, err);
		if (rc < 0)
			return rc;
		/* protocol.md 5: a write into a sealed bucket is a 409; told to
		 * this partition, Unseal would let in what home's Delete then
		 * destroys. */
		if (home.state == NODEPROTO_SEALED)
			return error_set(err, ERRC_MISMATCH,
			    "bucket: it is being deleted");
		/* Home's settings hold, now that they were seen. */
		revision = KOOP_MAX(revision, home.revision);
		rc = bring_up(nc, place->partition, bucket, &here, &home,
		    deadline, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ERRC_UNAVAILABLE,
	    "bucket: it is made and deleted again and again");
}

int
bucket_see(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, uint64_t revision, struct bucket_seen *out,
    uint64_t deadline, struct error *err)
{
	struct bucketcache *cache = nodeclient_buckets(nc);
	struct clientstats *stats = nodeclient_stats(nc);
	uint64_t at = 0;
	int rc = 0;

	/* Who follows the log and cannot says so; it does not guess. */
	if (bucketcache_followed(cache))
		rc = bucketcache_wait(cache, nodeclient_clock(nc), deadline,
		    err);
	if (rc < 0)
		return rc;
	if (bucketcache_get(cache, place->partition, bucket, nodeclient_now(nc),
		out) &&
	    out->revision >= revision) {
		clientstats_add(&stats->bucket_hits, 1);
		return 0;
	}
	clientstats_add(&stats->bucket_misses, 1);
	rc = ensure(nc, place, bucket, revision, out, &at, deadline, err);
	assert(rc < 0 || out->revision >= revision);
	if (rc == 0)
		bucketcache_put(cache, place->partition, bucket, at, out);
	return rc;
}

int
bucket_ensure(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, uint64_t *incarnation, uint64_t deadline,
    struct error *err)
{
	struct bucket_seen seen;
	int rc = bucket_see(nc, place, bucket, 0, &seen, deadline, err);

	if (rc == 0)
		*incarnation = seen.incarnation;
	return rc;
}

/* The record says what its writer saw; false: it is another bucket by now. */
static bool
take_seen(struct record *record, const struct bucket_seen *seen)
{
	static const enum record_versioning of[] = {
		[NODEPROTO_NEVER] = VERSIONING_NEVER,
		[NODEPROTO_ENABLED] = VERSIONING_ENABLED,
		[NODEPROTO_SUSPENDED] = VERSIONING_SUSPENDED,
	};

	assert(seen->versioning < nitems(of));
	record->revision = seen->revision;
	record->versioning = of[seen->versioning];
	return seen->incarnation == record->incarnation;
}

static bool
is_behind(const struct committer_item *item)
{
	return item->code == ERRC_OK &&
	    (item->outcome == OUTCOME_NOT_YET_HERE ||
		item->outcome == OUTCOME_STALE_REVISION);
}

/*
 * The writer says what it sees of the bucket in the record's partition.  When
 * it cannot be asked the item fails; of any other trouble the body is here and
 * what it was read for is over: apply says so in the order of the log.
 */
static void
look_first(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline, struct error *err)
{
	struct placement place;
	struct bucket_seen seen;
	int rc;

	item->code = ERRC_OK;
	if (item->record->revision != 0)
		return;
	rc = placement_partition(nodeclient_topology(nc), item->partition,
	    &place, err);
	if (rc == 0)
		rc = bucket_see(nc, &place, item->record->bucket, 0, &seen,
		    deadline, err);
	if (rc == 0)
		(void)take_seen(item->record, &seen);
	else if (rc == -ERRC_UNAVAILABLE || rc == -ERRC_NOMEM)
		item->code = (enum errc) - rc;
}

/*
 * Its partition has yet to hear of the bucket or of its settings: tell it; or
 * it knows newer ones: see them.  False: it cannot be, or it is another bucket
 * by now; not a 404 even then, as a late copy of the record could yet be taken
 * (protocol.md 5: what decides nothing is never a 4xx).
 */
static bool
look_again(struct nodeclient *nc, struct committer_item *item,
    uint64_t deadline)
{
	struct placement place;
	struct bucket_seen seen;

	assert(is_behind(item));
	assert(item->seq > 0);
	/* That decided nothing, and all know it: the next one may. */
	item->after_seq = item->seq;
	return placement_partition(nodeclient_topology(nc), item->partition,
		   &place, NULL) == 0 &&
	    bucket_see(nc, &place, item->record->bucket, item->record->revision,
		&seen, deadline, NULL) == 0 &&
	    take_seen(item->record, &seen);
}

/* Commit those that are chosen, in one go. */
static int
commit_some(struct nodeclient *nc, struct committer_item *items, size_t n,
    const bool *chosen, uint64_t deadline, struct error *err)
{
	struct committer_item *some = calloc(n, sizeof(*some));
	size_t back = 0;
	size_t m = 0;
	int rc = 0;

	if (some == NULL)
		return error_set(err, ERRC_NOMEM, "commit: out of memory");
	for (size_t i = 0; i < n; i++) {
		if (chosen[i])
			some[m++] = items[i];
	}
	if (m > 0)
		rc = committer_commit_all(nc, some, m, deadline, err);
	for (size_t i = 0; i < n; i++) {
		if (!chosen[i])
			continue;
		/* An outcome is its own record's. */
		assert(some[back].record == items[i].record);
		items[i] = some[back++];
	}
	assert(back == m);
	free(some);
	return rc;
}

/* What decided nothing to the end may yet do so: unknown. */
static void
judge_outcome(struct nodeclient *nc, struct committer_item *item,
    struct error *err)
{
	if (item->code != ERRC_OK || item->outcome == OUTCOME_DONE)
		return;
	bucket_forget(nc, item->partition, item->record->bucket);
	/* protocol.md 5: what decides nothing is never a 4xx: a late copy of
	 * the record may yet be taken, behind a client who was told that it was
	 * not (why: S10). */
	if (outcome_decides(item->outcome))
		return;
	item->code = ERRC_UNAVAILABLE;
	(void)error_set(err, ERRC_UNAVAILABLE,
	    "partition %u: the record was not taken: %s", item->partition,
	    outcome_name(item->outcome));
}

/* First the records as they are, then once more those that were behind. */
static int
commit_twice(struct nodeclient *nc, struct committer_item *items, size_t n,
    bool *chosen, uint64_t deadline, struct error *err)
{
	int rc;

	for (size_t i = 0; i < n; i++) {
		assert(items[i].record->incarnation > 0);
		look_first(nc, &items[i], deadline, err);
		chosen[i] = items[i].code == ERRC_OK;
	}
	rc = commit_some(nc, items, n, chosen, deadline, err);
	if (rc == -ERRC_NOMEM)
		return rc;
	for (size_t i = 0; i < n; i++) {
		chosen[i] = false;
		if (!is_behind(&items[i]))
			continue;
		bucket_forget(nc, items[i].partition, items[i].record->bucket);
		chosen[i] = look_again(nc, &items[i], deadline);
	}
	rc = commit_some(nc, items, n, chosen, deadline, err);
	return rc == -ERRC_NOMEM ? rc : 0;
}

int
bucket_commit_all(struct nodeclient *nc, struct committer_item *items, size_t n,
    uint64_t deadline, struct error *err)
{
	bool *chosen = calloc(n, sizeof(*chosen));
	int rc;

	if (chosen == NULL)
		rc = error_set(err, ERRC_NOMEM, "commit: out of memory");
	else
		rc = commit_twice(nc, items, n, chosen, deadline, err);
	free(chosen);
	for (size_t i = 0; i < n; i++) {
		if (rc < 0)
			items[i].code = (enum errc) - rc;
		else
			judge_outcome(nc, &items[i], err);
		assert(items[i].code != ERRC_OK ||
		    outcome_decides(items[i].outcome));
	}
	/* err has the reason of one of them. */
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = -(int)items[i].code;
	return rc;
}

int
bucket_commit(struct nodeclient *nc, const struct placement *place,
    struct record *record, enum outcome *out, uint64_t *seq, uint64_t deadline,
    struct error *err)
{
	struct committer_item item = {
		.partition = place->partition,
		.record = record,
	};
	int rc = bucket_commit_all(nc, &item, 1, deadline, err);

	if (rc < 0)
		return rc;
	assert(outcome_decides(item.outcome));
	*out = item.outcome;
	if (seq != NULL)
		*seq = item.seq;
	return 0;
}
