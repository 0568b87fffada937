/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_TOPOLOGY_SOURCE_H
#define KOOP_CLUSTER_TOPOLOGY_SOURCE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "cluster/topology.h"

/*
 * Where the topology comes from, and how it changes while a program runs.
 *
 *      topology_file.c      file:/var/lib/koop/topology.json
 *      topology_mem.c       mem:NAME          (tests; one process)
 *
 * A source holds the newest good topology.  A bad one, or one with a lower
 * epoch, never replaces it.  Readers take a snapshot, which stays as it is
 * until they drop it.  All functions may be called by any thread.
 */

struct error;
struct topology_source;

/* Counted; never changed. */
struct topology_snapshot;

/* ERRC_CONFIG for a URL of another scheme and for a bad topology,
 * ERRC_NOINPUT when it cannot be read.  There is always a topology after. */
KOOP_MUST int topology_source_open(struct topology_source **out,
    const char *url, struct error *err);
void topology_source_close(struct topology_source *source);
const char *topology_source_url(const struct topology_source *source);

/*
 * Look whether it changed, and take the new one.  Costs a stat(2) when it did
 * not, unless force.  *changed (may be NULL) tells whether snapshots taken
 * from now on differ.  On failure, what was there is kept, and err says so;
 * the same bad file is reported once (unless force), then it is 0.
 */
KOOP_MUST int topology_source_reload(struct topology_source *source, bool force,
    bool *changed, struct error *err);

struct topology_snapshot *topology_source_get(struct topology_source *source);
const struct topology *topology_snapshot_topology(
    const struct topology_snapshot *snapshot);
void topology_snapshot_drop(struct topology_snapshot *snapshot);

/* The memory twin: what the next reload of mem:NAME will read (copied). */
KOOP_MUST int topology_mem_set(const char *url, struct bytes json,
    struct error *err);
/* Forget all of mem:, for leak checkers. */
void topology_mem_clear(void);

#endif
