/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_BUCKETS_H
#define KOOP_CLIENT_BUCKETS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "client/bucketcache.h"
#include "client/bucketconfig.h"
#include "commit/outcome.h"

/*
 * Buckets over all partitions (protocol.md 5, "Buckets").  The home partition
 * decides that a bucket exists; the seq of its Create there is its
 * incarnation.  Deleting is an attempt, named by the seq of its Seal at home:
 * of Delete(attempt) and Unseal(attempt) the first at home decides, whoever
 * appends it, and all obey.
 *
 * deadline as in committer.h; ERRC_UNAVAILABLE as there.
 */

/* Credentials are not known to this version, so there is one owner, whose name
 * stands in the records of buckets and uploads. */
#define BUCKET_OWNER "koop"

struct committer_item;
struct error;
struct nodeclient;
struct placement;
struct record;

/*
 * OUTCOME_DONE: made.  OUTCOME_EXISTS: the caller owns it already (its
 * remaining partitions are rolled forward).  OUTCOME_NOT_OWNER: another's.
 */
KOOP_MUST int bucket_create(struct nodeclient *nc, struct bytes name,
    const char *owner, enum outcome *out, uint64_t deadline, struct error *err);

/*
 * OUTCOME_DONE: deleted.  OUTCOME_NO_SUCH_BUCKET.  OUTCOME_SEALED: not
 * empty (the seal was taken back).  OUTCOME_ABORTED: another's attempt is
 * going on, or was decided against this one: try again later.
 */
KOOP_MUST int bucket_delete(struct nodeclient *nc, struct bytes name,
    enum outcome *out, uint64_t deadline, struct error *err);

/*
 * Change settings: decided at home, told to all partitions before it is DONE.
 * OUTCOME_NO_SUCH_BUCKET.  They are a JSON object; PutBucketVersioning sets
 * "versioning" to "Enabled" or "Suspended" in it, which then never goes
 * (ERRC_USAGE).  metaread_settings() reads them.  When it fails half-way,
 * whoever meets a partition that was not told tells it.
 */
KOOP_MUST int bucket_configure(struct nodeclient *nc, struct bytes name,
    bucketconfig_edit_fn *edit, void *arg, enum outcome *out, uint64_t deadline,
    struct error *err);

/*
 * Make sure that every partition knows settings of that revision (not 0) at
 * least, before anybody is told that they hold: a bucket_configure() may have
 * stopped after home had decided.
 */
KOOP_MUST int bucket_spread(struct nodeclient *nc, struct bytes name,
    uint64_t revision, uint64_t deadline, struct error *err);

/*
 * Make sure, before a body is read, that the object's partition holds the
 * bucket; finishes a create that stopped half-way, and an attempt to delete
 * that is undecided for 5 s.  Where the log is followed (bucketfollow.h) this
 * costs a question only after a change.  ERRC_NOTFOUND: no such bucket.
 * ERRC_MISMATCH: a deletion is going on (409).
 */
KOOP_MUST int bucket_ensure(struct nodeclient *nc,
    const struct placement *place, struct bytes bucket, uint64_t *incarnation,
    uint64_t deadline, struct error *err);
/* The same, and all that is seen of it there; settings of that revision at
 * least (0: any) are told to the partition when it is behind. */
KOOP_MUST int bucket_see(struct nodeclient *nc, const struct placement *place,
    struct bytes bucket, uint64_t revision, struct bucket_seen *out,
    uint64_t deadline, struct error *err);

/* Forget what the cache says of a bucket in one partition. */
void bucket_forget(struct nodeclient *nc, uint32_t partition,
    struct bytes bucket);

/*
 * committer_commit() of a record that belongs to an object: a refusal drops
 * the cache; not_yet_here rolls the bucket and its settings forward,
 * stale_revision looks at the settings again, and both append once more (those
 * outcomes decided nothing); what still decides nothing is ERRC_UNAVAILABLE.
 * The record's bucket and incarnation must be set; with revision 0 the one
 * that is seen in the partition is taken.
 *
 * revision and versioning of the record are then those that it was applied
 * with: with OUTCOME_DONE a Put, a Complete, or a Delete without version made
 * the version "null" unless versioning is VERSIONING_ENABLED, and else
 * versionid_of(seq, request id; of a Complete: upload id).  Where it is not
 * VERSIONING_NEVER, that Delete made a delete marker; OUTCOME_SEALED is then
 * possible for it, too.  A Complete that came again has the first one's
 * version: look it up.
 */
KOOP_MUST int bucket_commit(struct nodeclient *nc,
    const struct placement *place, struct record *record, enum outcome *out,
    uint64_t *seq, uint64_t deadline, struct error *err);
/* The same of many, as committer_commit_all(): each item has its own code, and
 * an outcome that decides when that is 0. */
KOOP_MUST int bucket_commit_all(struct nodeclient *nc,
    struct committer_item *items, size_t n, uint64_t deadline,
    struct error *err);

#endif
