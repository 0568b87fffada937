/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CODEC_MD5_THREAD_H
#define KOOP_CODEC_MD5_THREAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "codec/digest.h"

/*
 * MD5 on a thread of its own: it is three to ten times slower than all other
 * work on the bytes together, and cannot be split, so it runs beside that.
 *
 * The memory that is pushed stays the caller's and must not change until
 * md5_thread_wait() of its ticket returns.  One thread pushes and waits.
 */

struct error;
struct md5_thread;

/* Pushes that may be waiting; one more makes md5_thread_push() wait. */
#define MD5_THREAD_PENDING 16

/* Fails with ERRC_NOMEM, also when no thread can be made. */
KOOP_MUST int md5_thread_new(struct md5_thread **out, struct error *err);
/* Waits for what was pushed.  NULL is fine. */
void md5_thread_free(struct md5_thread *worker);

/* Hash n more bytes; returns their ticket, which is never 0. */
uint64_t md5_thread_push(struct md5_thread *worker, const void *p, size_t n);
/* Return once the bytes of the ticket, and all before, are no longer needed.
 * Ticket 0 is always done. */
void md5_thread_wait(struct md5_thread *worker, uint64_t ticket);
/* Wait for everything and write the digest; nothing may be pushed after. */
void md5_thread_final(struct md5_thread *worker,
    uint8_t out[static DIGEST_MD5_BYTES]);

#endif
