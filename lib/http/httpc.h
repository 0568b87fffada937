/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPC_H
#define KOOP_HTTP_HTTPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "http/address.h"

/*
 * A small strict HTTP/1.1 client for the hot path between gateway and nodes:
 * non-blocking sockets, many calls polled by one thread, bodies straight from
 * and into the caller's memory, and a bounded pool of kept connections.
 *
 * A pool is shared by threads.  A call belongs to one thread at a time.  A
 * server that breaks the protocol in any way fails the call (ERRC_PROTOCOL);
 * one that is not there or goes away fails it with ERRC_UNAVAILABLE.
 *
 * A kept connection that turns out closed before a byte of the answer came is
 * replaced once by a fresh one, if nothing of the caller's body was taken and
 * the method may be repeated (not POST; but see httpc_open_whole).
 * http/httpc_request.h has whole exchanges, blocking.
 */

#define HTTPC_IOV_MAX 64 /* iovecs that wait in one call, either way */
#define HTTPC_HEAD_MAX (32 * 1024) /* of an answer */
#define HTTPC_HEADERS_MAX 100
#define HTTPC_WHOLE_MAX (512 * 1024) /* a body that is copied */

struct clock;
struct error;
struct httpc_pool;
struct httpc_call;

struct httpc_addr {
	char ip[ADDRESS_IP_BYTES];
	uint16_t port;
};

struct httpc_header {
	const char *name;
	const char *value;
};

/* Zero chooses what stands in brackets. */
struct httpc_options {
	unsigned max_idle; /* [32] kept for each address */
	unsigned max_open; /* [256] for each address, idle ones included */
	unsigned idle_ms;  /* [30 s] a kept connection's life */
	const char *tcp_congestion; /* [the system's] */
	const struct clock *clock;  /* [clock_system] */
};

KOOP_MUST int httpc_pool_new(struct httpc_pool **out,
    const struct httpc_options *options, struct error *err);
void httpc_pool_free(struct httpc_pool *pool); /* no call may be left */
/* Forget the addresses for which keep() says no: idle connections are closed
 * at once, those in use when their call is over. */
typedef bool httpc_keep_fn(void *arg, const struct httpc_addr *addr);
void httpc_pool_keep(struct httpc_pool *pool, httpc_keep_fn *keep, void *arg);
unsigned httpc_pool_connections(struct httpc_pool *pool); /* open ones */
/* Wait until an address has room for one more connection; ERRC_UNAVAILABLE
 * at the deadline. */
KOOP_MUST int httpc_pool_wait(struct httpc_pool *pool,
    const struct httpc_addr *addr, uint64_t deadline_mono_ms,
    struct error *err);

#define HTTPC_CHUNKED UINT64_MAX
#define HTTPC_NO_BODY (UINT64_MAX - 1) /* 0 sends "Content-Length: 0" */

enum httpc_state {
	HTTPC_SENDING, /* connecting, or the request is not yet out */
	HTTPC_WAITING, /* for the answer's headers */
	HTTPC_BODY,    /* status and headers are known, body to come */
	HTTPC_DONE,    /* everything came */
	HTTPC_FAILED,  /* httpc_error() says why */
};

/* Start a request; never blocks.  Host, Content-Length and Transfer-Encoding
 * are added here.  ERRC_RETRY: the address is at its cap of connections (see
 * httpc_pool_wait).  A connect that fails at once is told by the state. */
KOOP_MUST int httpc_open(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count,
    uint64_t body_length, struct error *err);
/* The same over a connection of its own, which none was kept before. */
KOOP_MUST int httpc_open_fresh(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count,
    uint64_t body_length, struct error *err);
/* A PUT or POST with its whole body at once, copied (HTTPC_WHOLE_MAX): it goes
 * out again when a kept connection turns out closed, a POST, too. */
KOOP_MUST int httpc_open_whole(struct httpc_call **out, struct httpc_pool *pool,
    const struct httpc_addr *addr, const char *method, const char *target,
    const struct httpc_header *headers, size_t header_count, struct bytes body,
    struct error *err);
/* Queue bytes of the body, sent by httpc_poll; the memory stays the caller's
 * and must not change until httpc_queued() is 0.  -ERRC_RETRY: no room for so
 * many iovecs now (see httpc_send_room); -ERRC_USAGE: more than body_length.
 * After an early answer, or a failure, the bytes are dropped. */
KOOP_MUST int httpc_send(struct httpc_call *call, const struct iovec *iov,
    int count);
int httpc_send_room(const struct httpc_call *call); /* iovecs */
void httpc_finish(struct httpc_call *call); /* a chunked body ends here */
size_t httpc_queued(const struct httpc_call *call); /* bytes not yet sent */

/* Where the body goes.  When it is full, reading stops until more is given;
 * replaces what was given before.  May be called before the answer came. */
void httpc_recv_into(struct httpc_call *call, const struct iovec *iov,
    int count);
/* Bytes placed since the last httpc_recv_into. */
size_t httpc_received(const struct httpc_call *call);

enum httpc_state httpc_state(const struct httpc_call *call);
int httpc_status(const struct httpc_call *call); /* 0 before HTTPC_BODY */
const char *httpc_response_header(const struct httpc_call *call,
    const char *name);
/* UINT64_MAX: chunked.  0 for HEAD, whatever the header says. */
uint64_t httpc_body_length(const struct httpc_call *call);
const struct error *httpc_error(const struct httpc_call *call);
/* Failed as a kept connection fails that the server has closed: the request,
 * with its body, deserves a fresh one. */
bool httpc_is_stale(const struct httpc_call *call);

enum httpc_event {
	HTTPC_TIMEOUT,  /* the deadline passed and nothing happened */
	HTTPC_PROGRESS, /* bytes moved or a state changed: look at the calls */
	HTTPC_CLIENT_GONE, /* wake->client_fd hung up */
	HTTPC_WOKEN,       /* wake->event_fd is readable */
};

struct httpc_wake {
	int client_fd; /* -1: none */
	int event_fd;  /* -1: none */
};

/* Move bytes of all calls (NULLs are skipped) until one progressed.  Calls that
 * want nothing (done, failed, no room to receive, nothing to send) are not
 * waited for.  wake may be NULL.  Negative: poll(2) failed, or n > 256. */
KOOP_MUST int httpc_poll(struct httpc_call *calls[], size_t n,
    const struct httpc_wake *wake, uint64_t deadline_mono_ms);

/* Keeps the connection after a clean end, else cuts it.  NULL is fine. */
void httpc_close(struct httpc_call *call);

#endif
