/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_HEALTH_H
#define KOOP_CLUSTER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How a node has been answering, as one caller saw it.  Advice: a DOWN node
 * is skipped while enough others remain, but quorums do not shrink.  Pure:
 * time is an argument.  No lock: the caller has one.
 *
 *      HEALTHY --failure--> SUSPECT --failures, for a while--> DOWN
 *         ^---2 successes-----'  ^-----------success-----------'
 *
 * A DOWN node is probed, seldom and then more seldom.  Latencies of the last
 * successes give the p95 after which a request is hedged.
 */

#define HEALTH_WINDOW 64        /* latencies kept */
#define HEALTH_DOWN_FAILURES 3  /* in a row, and ... */
#define HEALTH_DOWN_MS 300      /* ... the first so long ago: DOWN */
#define HEALTH_PROBE_MIN_MS 250 /* between probes of a DOWN node, at first */
#define HEALTH_PROBE_MAX_MS 5000

enum health_state { HEALTH_HEALTHY, HEALTH_SUSPECT, HEALTH_DOWN };

struct health {
	enum health_state state;
	uint32_t failures;  /* in a row */
	uint32_t successes; /* in a row */
	uint64_t failed_since_ms;
	uint64_t probe_at_ms;
	uint32_t probe_gap_ms;
	uint32_t latency_count;
	uint32_t latency_next;
	uint32_t latency_us[HEALTH_WINDOW];
};

/* A success whose time says nothing: the p95 stays as it is. */
#define HEALTH_UNTIMED UINT64_MAX

/* All-zero is HEALTHY and knows nothing. */
void health_success(struct health *health, uint64_t now_ms,
    uint64_t latency_us);
void health_failure(struct health *health, uint64_t now_ms);
/* May a request go there?  Always, unless DOWN; then once for each time that
 * a probe is due (and this call counts as that probe). */
bool health_may_try(struct health *health, uint64_t now_ms);
/* 95th percentile of the window in microseconds; fallback_us below 8 values. */
uint64_t health_p95_us(const struct health *health, uint64_t fallback_us);

#endif
