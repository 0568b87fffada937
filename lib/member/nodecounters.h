/* SPDX-License-Identifier: MIT */
#ifndef KOOP_MEMBER_NODECOUNTERS_H
#define KOOP_MEMBER_NODECOUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/metric.h"

/*
 * What the threads of a node count, for its /metrics.  Meanings and what to do
 * about each are in koop-metrics(5).
 */

/*      field              name of the metric                 help */
#define NODECOUNTERS(X)                                                   \
	X(shard_puts, "koop_node_shard_puts_total",                       \
	    "Shards stored for clients.")                                 \
	X(shard_refused, "koop_node_shard_refused_total",                 \
	    "Shard uploads that failed or were refused.")                 \
	X(shard_gets, "koop_node_shard_gets_total",                       \
	    "Shards, or pieces of shards, sent.")                         \
	X(read_bytes, "koop_node_read_bytes_total",                       \
	    "Bytes of shards that were asked for.")                       \
	X(meta_reads, "koop_node_meta_reads_total",                       \
	    "Answers about rows of the metadata.")                        \
	X(records, "koop_node_records_applied_total", "Records applied.") \
	X(batches, "koop_node_apply_batches_total",                       \
	    "Transactions that applied records.")                         \
	X(apply_failures, "koop_node_apply_failures_total",               \
	    "Times that applying stopped and was tried again.")           \
	X(ignored, "koop_node_records_ignored_total",                     \
	    "Entries of the log that were no record of this cluster.")    \
	X(repaired, "koop_node_repaired_total",                           \
	    "Blobs of the repair queue that are whole here again.")       \
	X(repaired_bytes, "koop_node_repaired_bytes_total",               \
	    "Bytes of shards that were rebuilt.")                         \
	X(repair_failures, "koop_node_repair_failures_total",             \
	    "Rebuilding a shard that failed; it is tried again.")         \
	X(alarms, "koop_node_alarms_total",                               \
	    "Shards gone that the record lists as durable here.")         \
	X(collected, "koop_node_garbage_collected_total",                 \
	    "Rows of garbage collected, with their shards.")              \
	X(orphans, "koop_node_orphans_aborted_total",                     \
	    "Uploads without a record that this node aborted.")

struct nodecounters {
#define X(field, name, help) _Atomic uint64_t field;
	NODECOUNTERS(X)
#undef X
	_Atomic uint64_t unplaced; /* gauge: shards nobody can name */
	/* One transaction that applies records, its commit included; and how
	 * old a record is, by its time in the log, once it is applied. */
	struct metric_histogram apply, apply_delay;
};

#endif
