/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODECALL_H
#define KOOP_WIRE_NODECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "http/httpc.h"
#include "wire/peers.h"

/*
 * The one way to call a machine of the cluster: where it listens, who it is
 * told to be (X-Koop-To), which range is wanted, when its answer is late, what
 * its health learns from the outcome, and what happens when a kept connection
 * turns out closed.
 *
 *      nodecall_open      begin; the body follows by httpc_send(c.http, ...)
 *      nodecall_state     what became of it so far
 *      nodecall_due       when another should be asked, too
 *      nodecall_close     the end, whatever it was
 *      nodecall_exchange  all of it, blocking, for small answers
 *
 * Bytes are moved by httpc_poll() over the calls' `http`.  All-zero is a
 * closed call.  One thread at a time.
 *
 * A kept connection that was closed by the machine before it answered is
 * replaced once: by http/httpc.h while no byte of the body went out, here for
 * a small body that was given as a whole, and by the caller who can begin its
 * body anew (nodecall_reopen).
 */

struct error;
struct httpc_response;

#define NODECALL_END UINT64_MAX /* of a range: to the end */

struct nodecall {
	struct httpc_call *http; /* NULL: closed */
	struct peers *peers;
	struct peer peer;
	uint64_t opened_ms;
	uint64_t answered_ms; /* when its status was seen; 0: not yet */
	bool untimed, streams, reopened;
	bool late;    /* nodecall_due() has passed: the caller's mark */
	bool greeted; /* of a stream: health knows that it began */
	bool told;    /* health knows the outcome */
};

struct nodecall_request {
	const char *method;
	const char *target;
	bool ranged; /* the bytes from .. to of the answer, to included */
	uint64_t from, to;
	struct bytes body; /* small and whole: copied */
	/* Of a body that is sent by the caller (then `body` is empty), or
	 * HTTPC_CHUNKED; 0: none. */
	uint64_t body_bytes;
	/* Wait so long for room among the connections to this machine. */
	uint64_t room_ms;
	/* How long it takes says nothing about the machine: it waits for
	 * something, or for the body. */
	bool untimed;
	/* Its answer has no end: well begun is good, until it breaks. */
	bool streams;
};

/* ERRC_RETRY: the machine has all the connections that it may have, after
 * room_ms.  A machine that is not there is told by the state. */
KOOP_MUST int nodecall_open(struct nodecall *out, struct peers *peers,
    const struct peer *peer, const struct nodecall_request *request,
    struct error *err);
/* Health is told once, here or when the call is closed. */
enum httpc_state nodecall_state(struct nodecall *c);
/* The state is FAILED as a kept connection fails that the machine had closed,
 * and it was not reopened before: the machine is as good as ever. */
bool nodecall_is_stale(const struct nodecall *c);
/* Such a call once more, on a fresh connection: the body begins anew. */
KOOP_MUST int nodecall_reopen(struct nodecall *c,
    const struct nodecall_request *request, struct error *err);
/* When it is late, if it last moved then. */
uint64_t nodecall_due(const struct nodecall *c, uint64_t moved_ms);
/* The caller will not wait for it any longer: it is in trouble. */
void nodecall_bad(struct nodecall *c);
/* A late one without an answer is in trouble, too. */
void nodecall_close(struct nodecall *c);

/* ERRC_UNAVAILABLE at the deadline; ERRC_PROTOCOL: more than body_max. */
KOOP_MUST int nodecall_exchange(struct peers *peers, const struct peer *peer,
    const struct nodecall_request *request, struct httpc_response *out,
    size_t body_max, uint64_t deadline_mono_ms, struct error *err);

#endif
