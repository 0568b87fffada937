/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_SHARDSEND_H
#define KOOP_CLIENT_SHARDSEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/encoder.h"
#include "shard/frame.h"

/*
 * n shard PUTs at once, fed from a ring of encoded blocks that this owns.
 *
 *      shardsend_new     memory only
 *      shardsend_start   open the n calls, BEGIN first
 *      shardsend_space   memory for the next block; NULL while the ring is
 *                        full: then shardsend_poll
 *      shardsend_push    that block was encoded
 *      shardsend_end     no more; each shard gets its END
 *      shardsend_poll    move bytes
 *
 * Each shard takes the blocks at its own pace.  A block's memory is free
 * again when every live shard has sent it, and md5 has read it (the caller's
 * matter: struct shardblock.ticket).  Used by one thread at a time; may be
 * handed to another (shardsend_leave).
 */

#define SHARDSEND_STRIPES_MAX 8 /* of one block */
#define SHARDSEND_BLOCKS 4
/* Content of one block, if one stripe is not more. */
#define SHARDSEND_BLOCK_BYTES (1536u << 10)
/* A shard that holds up the ring so long, while others go on, is given up. */
#define SHARDSEND_BEHIND_MS 1000
/* A block that was begun so long ago goes out with the stripes that it has. */
#define SHARDSEND_BLOCK_MS 2000
/* No shard moves for so long: the node side is gone. */
#define SHARDSEND_STALL_MS 10000

struct error;
struct httpc_call;
struct nodeclient;
struct placement;
struct shardsend;

struct shardblock {
	uint8_t *data; /* stripes, each with room for a full one */
	uint8_t *parity;
	size_t fill; /* content bytes in data: the caller's */
	uint32_t stripes;
	uint64_t begun_ms; /* when shardsend_space() gave it */
	uint64_t ticket;   /* encoder_wait() before data may change */
	struct encoded_stripe encoded[SHARDSEND_STRIPES_MAX];
};

struct shardsend_options {
	struct nodeclient *nc;
	const struct placement *place;
	struct bytes bucket, key; /* copied */
	struct reqid id;
	struct geometry geometry;
	uint64_t size; /* of the content; UINT64_MAX: not known */
};

/* Stripes of one block for a geometry: 1 to SHARDSEND_STRIPES_MAX. */
uint32_t shardsend_block_stripes(const struct geometry *g);

KOOP_MUST int shardsend_new(struct shardsend **out,
    const struct shardsend_options *options, struct error *err);
/* Cancels what is still open. */
void shardsend_free(struct shardsend *s);

/* Begin all shards whose bit is in shards.  begin has a BEGIN for each. */
KOOP_MUST int shardsend_start(struct shardsend *s, uint32_t shards,
    uint8_t (*begin)[FRAME_BEGIN_BYTES], struct error *err);
bool shardsend_started(const struct shardsend *s);
/* An ended send whose size is known only now: the bodies get a length.
 * Before shardsend_start only. */
void shardsend_set_size(struct shardsend *s, uint64_t size);

struct shardblock *shardsend_space(struct shardsend *s);
/* So many stripes of it are whole: should it be pushed now? */
bool shardsend_due(const struct shardsend *s, const struct shardblock *block,
    uint32_t stripes);
void shardsend_push(struct shardsend *s, struct shardblock *block);
void shardsend_end(struct shardsend *s, uint8_t (*end)[FRAME_END_BYTES]);

/*
 * Move bytes until something happened, or until the time (monotonic ms).
 * ERRC_UNAVAILABLE: fewer than write_quorum shards can still become durable;
 * ERRC_FULL: because disks are full, which are named.
 * ERRC_IO: client_fd (or -1) hung up.
 */
KOOP_MUST int shardsend_poll(struct shardsend *s, int client_fd, uint64_t until,
    struct error *err);
/* Nothing waits to be sent. */
bool shardsend_idle(const struct shardsend *s);
/* For who polls several: the calls, and what to do after they moved. */
size_t shardsend_calls(struct shardsend *s,
    struct httpc_call *out[static STRIPE_SHARDS_MAX]);
void shardsend_moved(struct shardsend *s);

/*
 * shardsend_wait.c.  flush: until nothing waits to be sent, or for FLUSH_MS,
 * for a caller that will not be back soon.
 */
KOOP_MUST int shardsend_flush(struct shardsend *s, int client_fd,
    struct error *err);
/*
 * After shardsend_end(): until write_quorum shards are durable, and others_ms
 * more for those that keep up (all: for those that are behind, too).  Once
 * enough are durable nothing is an error.
 */
KOOP_MUST int shardsend_wait(struct shardsend *s, uint64_t others_ms, bool all,
    int client_fd, struct error *err);
/* Let the finisher send what is merely behind; takes s. */
void shardsend_leave(struct shardsend *s);

uint32_t shardsend_durable(const struct shardsend *s); /* answered 200 */
uint32_t shardsend_live(const struct shardsend *s);    /* not given up */
/* Of the live ones, those that keep up: all of it was queued, or answered. */
uint32_t shardsend_healthy(const struct shardsend *s);
uint32_t shardsend_quorum(const struct shardsend *s); /* write_quorum */
struct nodeclient *shardsend_client(const struct shardsend *s);
/* All live shards have answered. */
bool shardsend_done(const struct shardsend *s);
/* Stop sending those of the mask. */
void shardsend_give_up(struct shardsend *s, uint32_t shards);
/* Fewer than write_quorum are live: why.  ERRC_FULL or ERRC_UNAVAILABLE, as
 * shardsend_poll() says. */
KOOP_MUST int shardsend_shortage(const struct shardsend *s, struct error *err);

#endif
