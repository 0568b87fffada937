/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPD_H
#define KOOP_HTTP_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * An HTTP/1.1 server: one thread for each connection (over libmicrohttpd,
 * which this header hides).  Handlers are straight-line code and may block.
 *
 * Every request passes httpreq_gate() first; what the gate refuses is answered
 * (service.reject) and its connection closed.  Headers, bodies and replies that
 * crawl are cut by a thread of the server's own.  When the limit of connections
 * is near, idle ones go first.
 *
 * Callbacks of one request run one after another in the thread of its
 * connection; those of different requests run at the same time.  A struct
 * httpd_request lives from the first callback to the return of done().
 */

struct error;
struct httpd;
struct httpd_request;

struct httpd_service {
	void *ctx;
	/*
	 * The headers passed the gate.  A reply given here refuses the
	 * request: a body is not read, "100 Continue" is not sent and the
	 * connection closes (it stays open when there is no body).
	 */
	void (*begin)(void *ctx, struct httpd_request *req);
	/*
	 * A piece of the body of a PUT or POST; may block.  Negative ends the
	 * request: a reply given by httpd_reply() just before is sent, and the
	 * connection closes.  Only httpd_reply() may be used here.
	 */
	int (*body)(void *ctx, struct httpd_request *req, const uint8_t *p,
	    size_t n);
	/* The whole body came; must reply (otherwise the answer is a 500). */
	void (*end)(void *ctx, struct httpd_request *req);
	/* The last call, for each begin(): completed says whether the whole
	 * reply went out.  A stream's free_fn ran before. */
	void (*done)(void *ctx, struct httpd_request *req, bool completed);
	/* Optional: reply to what the gate refuses (no begin, no done).  Only
	 * httpd_reply_header and httpd_reply may be used. */
	void (*reject)(void *ctx, struct httpd_request *req, int status,
	    const char *reason);
};

/* Zero chooses what stands in brackets. */
struct httpd_options {
	const char *ip;             /* ["127.0.0.1"] */
	uint16_t port;              /* 0: a free one */
	unsigned max_connections;   /* [1024]; above: 503 and close */
	unsigned max_per_client;    /* [no limit]; above: the same */
	unsigned header_timeout_ms; /* [10 s] for all headers */
	unsigned idle_timeout_ms; /* [60 s] between requests, or no progress */
	unsigned body_grace_ms;   /* [30 s], then a body and a reply ... */
	unsigned min_rate; /* ... move [1024] bytes a second, or are cut */
	/* A body may be silent so long [idle_timeout_ms]; when it is given,
	 * min_rate is for replies only, and a peer that vanished is found by
	 * TCP: for callers that judge their own clients. */
	unsigned body_idle_ms;
	unsigned drain_ms;          /* [10 s] for httpd_stop */
	uint64_t max_body;          /* [no limit]; above: 413 */
	size_t connection_memory;   /* [64 KiB] */
	const char *tcp_congestion; /* [the system's] */
	const char *server;         /* [none] the Server header */
};

KOOP_MUST int httpd_start(struct httpd **out,
    const struct httpd_options *options, const struct httpd_service *service,
    struct error *err);
/* Other limits for connections from now on, those that are open too. */
void httpd_set_limits(struct httpd *httpd, unsigned max_per_client,
    unsigned idle_timeout_ms);
uint16_t httpd_port(const struct httpd *httpd);
/* Connections open now.  A handler may run before httpd_start() has returned:
 * it asks by its request. */
unsigned httpd_connections(struct httpd *httpd);
unsigned httpd_request_connections(const struct httpd_request *req);
/* No new connections; idle ones close; waits drain_ms for requests under way,
 * then cuts them, and frees.  NULL is fine. */
void httpd_stop(struct httpd *httpd);

/*
 * What a daemon should set before its first thread: malloc keeps what it
 * frees (fixed mmap threshold of 128 KiB, large trim threshold) and the soft
 * limit of descriptors is raised to the hard one.
 */
void httpd_tune_process(void);

/* The request.  Pointers live until done() returns. */
const char *httpd_method(const struct httpd_request *req);
const char *httpd_target(const struct httpd_request *req); /* raw */
const char *httpd_path(const struct httpd_request *req);   /* raw, before '?' */
const char *httpd_query(const struct httpd_request *req);  /* raw or "" */
/* Value of the first header of that name (any case), or NULL. */
const char *httpd_header(struct httpd_request *req, const char *name);
typedef void httpd_header_fn(void *arg, const char *name, const char *value);
void httpd_headers(struct httpd_request *req, httpd_header_fn *fn, void *arg);
/* Bytes of the body; -1 if chunked, 0 if there is none. */
int64_t httpd_content_length(const struct httpd_request *req);
bool httpd_has_content_length(struct httpd_request *req);
bool httpd_chunked(const struct httpd_request *req);
int httpd_client_fd(const struct httpd_request *req);
const char *httpd_peer(struct httpd_request *req); /* "192.0.2.1:40000" */
void httpd_set_user(struct httpd_request *req, void *user);
/* What was replied; 0: nothing yet. */
int httpd_status(const struct httpd_request *req);
void *httpd_user(const struct httpd_request *req);

/*
 * The reply: headers, then exactly one of the three.  A header must be a token
 * with a value free of control bytes; these are asserted, so check what comes
 * from outside.  Content-Length is made by the server.
 */
void httpd_reply_header(struct httpd_request *req, const char *name,
    const char *value);
void httpd_reply_close(struct httpd_request *req); /* close afterwards */
/* Bytes that the reader of a stream is given room for [256 KiB]. */
void httpd_reply_block(struct httpd_request *req, size_t bytes);
bool httpd_replied(const struct httpd_request *req);

/* The bytes are copied. */
void httpd_reply(struct httpd_request *req, int status, const void *p,
    size_t n);
/* Part of a file by sendfile; the descriptor is taken. */
void httpd_reply_fd(struct httpd_request *req, int status, int fd,
    uint64_t offset, uint64_t length);

/* Give 1 to max bytes of the body from pos on; 0 at the end of a body of
 * unknown length; negative cuts the connection.  May block. */
typedef ssize_t httpd_reader_fn(void *arg, uint64_t pos, uint8_t *p,
    size_t max);
#define HTTPD_CHUNKED UINT64_MAX
/* free_fn (may be NULL) is called once, whatever happens.  For HEAD the
 * length is told and the reader never called. */
void httpd_reply_stream(struct httpd_request *req, int status, uint64_t length,
    httpd_reader_fn *reader, void (*free_fn)(void *arg), void *arg);

#endif
