/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLIENT_ACKS_H
#define KOOP_CLIENT_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"
#include "commit/outcome.h"

/*
 * Who has applied a record, with what outcome.
 *
 * A gateway keeps one stream a node, GET /applied?sender=ID, with one thread
 * reading it; it tells the positions and votes of that node and then what
 * became of each of the sender's records.  Whoever appends puts a waiter in
 * the table first.  A stream breaks sometimes: acks_missing() says whose
 * report may have been lost, and the committer asks those directly.
 * Commands have no streams and always ask directly.
 *
 * A report counts while its node has a vote in that partition.  Reports of
 * earlier records of the same id (they decided nothing) are told apart by
 * seq.  The lock guards the table and what the streams said; it is never held
 * over I/O.
 */

#define ACKS_MACHINES_MAX 32
#define ACKS_RECONNECT_MIN_MS 50
#define ACKS_RECONNECT_MAX_MS 2000
/* Nodes send a ping at least every 5 s. */
#define ACKS_SILENCE_MS 12000

struct acks;
struct ackwait;
struct clock;
struct erasure_set;
struct error;
struct peers;
struct positions;
struct topology;

struct acks_options {
	struct peers *peers; /* it and the sender outlive the acks */
	const struct topology *topology; /* of the start: acks_reconcile() */
	/* Told what the streams say; outlives the acks, too.  NULL: nobody
	 * wants to know. */
	struct positions *positions;
	const char *sender;
	const struct clock *clock;
	bool streams;
};

KOOP_MUST int acks_open(struct acks **out, const struct acks_options *options,
    struct error *err);
void acks_close(struct acks *acks); /* NULL is fine; no waiter may be left */

/*
 * The topology is another: a machine that is where it was keeps its stream and
 * what that said, one that is new or moved gets a stream, the others' are
 * closed.  Called by one thread at a time.  On failure some streams are
 * missing, which is what a broken stream is.
 */
KOOP_MUST int acks_reconcile(struct acks *acks, const struct topology *topology,
    struct error *err);

/* Before the append; partition's set is where it will be applied. */
KOOP_MUST int acks_expect(struct acks *acks, const struct erasure_set *set,
    uint32_t partition, struct reqid id, struct ackwait **out,
    struct error *err);
void acks_forget(struct acks *acks, struct ackwait *wait);

/*
 * Are write_quorum machines there that could report it: stream up, and a vote?
 * Asked before the append, because a record that too few can apply now would
 * take effect later, behind the back of a client that was told 503.  Waits
 * until then, but not past until; true when there are no streams, which
 * leaves it open.
 */
KOOP_MUST bool acks_reachable(struct acks *acks, const struct ackwait *wait,
    uint64_t until);

/*
 * Have write_quorum voting nodes reported the record at seq alike?  Waits
 * until then, but not past until (monotonic ms).
 */
KOOP_MUST bool acks_wait(struct acks *acks, struct ackwait *wait, uint64_t seq,
    uint64_t until, enum outcome *out);

/* Bit i: machine i has not reported seq, and its stream is not there, or
 * began after the waiter, or, with all, whatever its stream. */
uint32_t acks_missing(struct acks *acks, struct ackwait *wait, uint64_t seq,
    bool all);

/* What a node said about the waiter's id when asked directly. */
void acks_report(struct acks *acks, struct ackwait *wait, uint32_t machine,
    uint64_t seq, enum outcome outcome, bool voting);

/* One line of the stream of a machine, without its LF; what the reading
 * threads do.  ERRC_PROTOCOL when it is no line of an acknowledgement
 * stream. */
struct bytes;
KOOP_MUST int acks_feed(struct acks *acks, uint32_t set_number,
    uint32_t machine, const struct bytes *line, struct error *err);
/* That machine's stream begins (connected) or ended. */
void acks_connected(struct acks *acks, uint32_t set_number, uint32_t machine,
    bool connected);
/* How many streams are up: for metrics and tests. */
unsigned acks_streams(struct acks *acks);

#endif
