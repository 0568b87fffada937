/* SPDX-License-Identifier: MIT */
#ifndef KOOP_SHARD_ENCODE_WRITER_H
#define KOOP_SHARD_ENCODE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "shard/encoder.h"

/*
 * Writes encoded stripes on a thread of its own, for encode.c: for a pipe,
 * writing costs as much as reading and encoding together.
 *
 * Stripes that are pushed, and their cells, stay the caller's and must not
 * change until encode_writer_wait() of their ticket returns.
 */

struct error;
struct encode_writer;

/* Writes count stripes; returns 0 or fails as any function. */
typedef int encode_sink_fn(void *arg, struct encoded_stripe *stripe,
    size_t count, struct error *err);

#define ENCODE_WRITER_PENDING 2

/* Without threaded, and when no thread can be made, stripes are written while
 * they are pushed. */
KOOP_MUST int encode_writer_new(struct encode_writer **out, bool threaded,
    encode_sink_fn *sink, void *arg, struct error *err);
void encode_writer_free(struct encode_writer *w);

/* Returns the ticket, never 0; waits while ENCODE_WRITER_PENDING are queued. */
uint64_t encode_writer_push(struct encode_writer *w,
    struct encoded_stripe *stripe, size_t count);
/* Wait for a ticket and all before.  Fails as the sink did, also when that
 * was earlier; after a failure nothing more is written. */
KOOP_MUST int encode_writer_wait(struct encode_writer *w, uint64_t ticket,
    struct error *err);

#endif
