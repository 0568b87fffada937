/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_CLIENTSTATS_H
#define KOOP_CLIENT_CLIENTSTATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/metric.h"

/*
 * What reading and writing by quorum counts on its way, for the metrics of who
 * has a struct nodeclient (nodeclient_stats()).  Only the operator reads it: no
 * decision may depend on it.  Threads: any.
 */

struct clientstats {
	/* Somebody was asked because another was late: for cells, for rows. */
	_Atomic uint64_t hedged_cells, hedged_rows;
	/* Windows of a blob that were rebuilt from parity. */
	_Atomic uint64_t degraded_reads;
	_Atomic uint64_t
	    bad_cells; /* that were damaged: their nodes were told */
	/* Shards without which a write went on; repair makes them. */
	_Atomic uint64_t missed_shards;
	/* Rows were read from one node, or from a read quorum. */
	_Atomic uint64_t reads_of_one, reads_of_quorum;
	_Atomic uint64_t bucket_hits, bucket_misses;
	/* An append of records to the log, and then until a write quorum had
	 * reported each to be applied. */
	struct metric_histogram append, apply;
};

static inline void
clientstats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
