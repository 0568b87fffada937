/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_PAGE_H
#define KOOP_COMMIT_COMMITLOG_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The page that all programs of a machine share beside a SQLite log:
 *
 *      magic  version  count  bytes  boot id  database id   (commitlog_page.c)
 *      bell[2]                       futexes: something happened
 *      partition[count]
 *      end[count]                    the log's end, per partition
 *      member[count][64]             (set, machine) and what it has applied
 *
 * Its invariant: end is never below the applied of any node.  Who finds a row
 * above end raises it before anybody is told of that row; then looks, once
 * more, that the page is still the one that everybody else has.
 *
 * The page of another boot or of another database means nothing, and neither
 * does one that was removed: it is made again, under the log's lock, by
 * whoever finds out.  All functions but commitlog_page_make() may be called by
 * any thread.
 */

struct commitlog_page;
struct error;

struct commitlog_page_options {
	const char *path;
	uint8_t database_id[16];
	const uint32_t *partitions; /* must outlive the page */
	size_t count;
};

/* A handle without a page. */
KOOP_MUST int commitlog_page_new(struct commitlog_page **out,
    const struct commitlog_page_options *options, struct error *err);
void commitlog_page_free(struct commitlog_page *page);

/* Is what we have mapped the file that has the name now?  Costs a stat(2). */
bool commitlog_page_current(struct commitlog_page *page);
/* Map the file that is there.  False: none, or none that means anything. */
bool commitlog_page_attach(struct commitlog_page *page);
/* Under the log's lock: make a new one with these ends (end[count]). */
KOOP_MUST int commitlog_page_make(struct commitlog_page *page,
    const uint64_t *ends, struct error *err);

/* All that follows does nothing, or returns 0, without a page. */

uint64_t commitlog_page_end(struct commitlog_page *page, size_t index);
void commitlog_page_raise(struct commitlog_page *page, size_t index,
    uint64_t seq);
uint64_t commitlog_page_applied(struct commitlog_page *page, size_t index,
    uint32_t set, uint32_t machine);
/* Raises end first, if need be; rings for those who wait for positions. */
void commitlog_page_publish(struct commitlog_page *page, size_t index,
    uint32_t set, uint32_t machine, uint64_t applied);

/*
 * Two bells, each rung for its own: those who apply records must not wake each
 * other by what they have applied.
 */
enum page_bell { PAGE_BELL_POSITIONS, PAGE_BELL_RECORDS };

uint32_t commitlog_page_bell(struct commitlog_page *page, enum page_bell bell);
void commitlog_page_ring(struct commitlog_page *page, enum page_bell bell);
void commitlog_page_sleep(struct commitlog_page *page, enum page_bell bell,
    uint32_t seen, int timeout_ms);

#endif
