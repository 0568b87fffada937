/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_COMMITLOG_LOCK_H
#define KOOP_COMMIT_COMMITLOG_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The one lock that appends and checkpoints of a SQLite log are done under: an
 * open-file-description lock on PATH.lock, which the kernel drops when its
 * holder dies.  The file, mapped by all, says who holds it and since when, and
 * has a futex that is rung when it is let go, so that waiting is no polling.
 *
 * A handle is used by one thread at a time; two handles exclude each other,
 * in one process, too.
 */

struct clock;
struct commitlog_lock;
struct error;

/* path is that of the lock file; it is made when it is not there. */
KOOP_MUST int commitlog_lock_open(struct commitlog_lock **out, const char *path,
    const struct clock *clock, struct error *err);
void commitlog_lock_close(struct commitlog_lock *lock);

/* ERRC_RETRY, with the holder's process id, when the time is over. */
KOOP_MUST int commitlog_lock_acquire(struct commitlog_lock *lock,
    uint64_t timeout_ms, struct error *err);
void commitlog_lock_release(struct commitlog_lock *lock);

/* Who holds it, and how long already.  False: nobody, or not known. */
bool commitlog_lock_holder(const char *path, int *pid, uint64_t *held_ms);

/* Sleep while *word is still seen, at most timeout_ms; wake all who do.  Work
 * across processes. */
void commitlog_lock_sleep(_Atomic uint32_t *word, uint32_t seen,
    int timeout_ms);
void commitlog_lock_wake(_Atomic uint32_t *word);

#endif
