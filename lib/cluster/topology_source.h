/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_TOPOLOGY_SOURCE_H
#define KOOP_CLUSTER_TOPOLOGY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "cluster/topology.h"

/*
 * Where the topology comes from, and how it changes while a program runs.
 *
 *      topology_file.c      file:/var/lib/koop/topology.json
 *      topology_mem.c       mem:NAME          (tests; one process)
 *
 * A source holds the newest good topology.  A bad one, one with a lower
 * epoch, or one below the floor never replaces it.  Readers take a snapshot,
 * which stays as it is until they drop it (topology_view.h does that for a
 * program).
 *
 * Who runs for long subscribes: the first topology_source_wait() or _reach()
 * starts a thread that looks for changes, so that nobody else does, least of
 * all in the middle of a read.  It sees them within TOPOLOGY_SOURCE_SEEN_MS,
 * and says once in the log what it could not take.  All functions may be
 * called by any thread.
 */

#define TOPOLOGY_SOURCE_SEEN_MS 1000

struct error;
struct topology_source;

/* Counted; never changed. */
struct topology_snapshot;

/*
 * There is always a topology after.  ERRC_CONFIG: a URL of another scheme, a
 * bad topology.  ERRC_NOINPUT: there is none.  ERRC_UNAVAILABLE: it cannot be
 * reached now, and trying again makes sense.
 */
KOOP_MUST int topology_source_open(struct topology_source **out,
    const char *url, struct error *err);
/* Nobody may be in topology_source_wait() or _reach(). */
void topology_source_close(struct topology_source *source);

/* Sleep until there is another than `seen`, or timeout_ms is over; returns the
 * newest version.  From topology_source_wake() on nobody sleeps any more: for
 * who is about to stop. */
uint64_t topology_source_wait(struct topology_source *source, uint64_t seen,
    uint64_t timeout_ms);
void topology_source_wake(struct topology_source *source);

/* Somebody told of a higher epoch: have a look now, and wait for it.
 * ERRC_UNAVAILABLE after timeout_ms: it is not to be seen here yet. */
KOOP_MUST int topology_source_reach(struct topology_source *source,
    uint64_t epoch, uint64_t timeout_ms, struct error *err);
/*
 * An epoch that was seen in the log, on a disk or in an answer: none lower is
 * taken from now on.  ERRC_CONFIG, when the one in use is lower: it is kept,
 * and the caller must not serve by it.
 */
KOOP_MUST int topology_source_floor(struct topology_source *source,
    uint64_t epoch, struct error *err);

/*
 * Look at once (SIGHUP).  Costs a stat(2) when nothing changed, unless force.
 * *changed (may be NULL) tells whether snapshots taken from now on differ.  On
 * failure, what was there is kept, and err says so; the same bad file is
 * reported once (unless force), then it is 0.
 */
KOOP_MUST int topology_source_reload(struct topology_source *source, bool force,
    bool *changed, struct error *err);

struct topology_snapshot *topology_source_get(struct topology_source *source);
const struct topology *topology_snapshot_topology(
    const struct topology_snapshot *snapshot);
uint64_t topology_snapshot_version(const struct topology_snapshot *snapshot);
void topology_snapshot_drop(struct topology_snapshot *snapshot);

/* The memory twin: what mem:NAME is from now on (copied).  Subscribers are
 * told at once. */
KOOP_MUST int topology_mem_set(const char *url, struct bytes json,
    struct error *err);
/* Out of reach (reads are ERRC_UNAVAILABLE), or back again. */
void topology_mem_lost(const char *url, bool lost);
/* How often it was read: nothing but the watcher may ask. */
uint64_t topology_mem_reads(const char *url);
/* Forget all of mem:, for leak checkers. */
void topology_mem_clear(void);

#endif
