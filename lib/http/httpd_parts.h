/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPD_PARTS_H
#define KOOP_HTTP_HTTPD_PARTS_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "http/httpd.h"
#include "http/httpreq.h"

/*
 * What the files of the server share: httpd.c (start, stop, accept),
 * httpd_request.c (the life of a request), httpd_reply.c (replies),
 * httpd_limit.c (who may connect) and httpd_watch.c (what crawls is cut).
 */

#define HTTPD_MAGIC_CONN 0x6e6e6f63u
#define HTTPD_REPLY_HEADERS_MAX (32 * 1024)
#define HTTPD_DRAIN_BODY_MAX (64 * 1024) /* of a GET, HEAD, DELETE, OPTIONS */
#define HTTPD_CHUNK_MAX (UINT64_C(1) << 40)
#define HTTPD_LINGER_MAX 256
enum httpd_phase {
	HTTPD_PHASE_IDLE, /* nothing of the next request seen */
	HTTPD_PHASE_HEADERS,
	HTTPD_PHASE_BODY,    /* the client, for more of the body */
	HTTPD_PHASE_HANDLER, /* the service */
	HTTPD_PHASE_REPLY,   /* the client, to take the reply */
};

struct httpd_stream {
	httpd_reader_fn *reader;
	void (*free_fn)(void *arg);
	void *arg;
	uint64_t length;
	size_t touched;              /* bytes of the block that have memory */
	struct httpd_request *owner; /* NULL once the request let go of it */
};

struct httpd_request {
	struct httpd_conn *conn;
	struct MHD_Connection *mhd;
	const char *method;
	const char *uri; /* in libmicrohttpd's buffer, until headers end */
	char *target;    /* own copy; path and query are in a second one */
	char *path;
	char *query;
	size_t target_n;
	size_t target_room;
	struct httpreq_body body;
	uint64_t discarded;
	void *user;
	char peer[64];
	bool judged; /* the first call of the handler was made */
	bool begun;
	bool reading; /* pieces of the body are coming */
	bool has_length;
	bool refused; /* the gate said no: no begin, no done */

	/* The reply, until libmicrohttpd has it. */
	bool replied;
	bool close;
	bool written; /* by httpd_reply_raw */
	int status;
	size_t block;
	struct buf headers; /* name NUL value NUL ... */
	struct buf raw;     /* body of a reply in the middle of a body */
	struct MHD_Response *response;
	struct httpd_stream *stream; /* owned by the response */
};

struct httpd_conn {
	uint32_t magic;
	struct httpd *httpd;
	struct httpd_conn *next;
	struct httpd_conn *prev;
	int fd;
	uint8_t client[9];   /* address family and address */
	bool leaving;        /* idle, and sent away; under the server's lock */
	const char *refusal; /* no room for it; NULL: there is */
	atomic_bool by_file; /* the reply goes out by sendfile */
	atomic_bool linger;  /* unread bytes may follow the reply */

	/* Written by the connection's thread, read by the watcher. */
	_Atomic int phase;
	_Atomic uint64_t since_ms;  /* the phase began */
	_Atomic uint64_t waited_ms; /* for the body, before since_ms */
	_Atomic uint64_t body_bytes;

	/* The watcher's own. */
	uint64_t seen_since_ms;
	uint64_t seen_received; /* bytes, when an idle phase was first seen */
	uint64_t mark_ms;       /* start of a window of the reply */
	uint64_t mark_acked;
	bool woke; /* bytes came in the idle phase: headers, slowly */

	struct httpd_request req;
};

struct httpd_linger {
	int fd;
	uint64_t until_ms;
};

struct httpd {
	struct MHD_Daemon *mhd;
	struct httpd_service service;
	struct httpd_options options; /* with the defaults filled in */
	atomic_uint idle_timeout_ms, max_per_client; /* may change */
	uint16_t port;
	char *server;
	atomic_bool draining;
	pthread_t watcher;
	bool watching;
	int wake_fd; /* eventfd: the watcher should look */

	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t emptied; /* the last connection went */
	struct httpd_conn *conns;
	unsigned conn_count, leaving_count;
	bool stopping;
	struct httpd_linger lingers[HTTPD_LINGER_MAX];
	unsigned linger_count;
};

void httpd_phase_set(struct httpd_conn *conn, enum httpd_phase phase);

/* httpd_request.c: the callbacks of libmicrohttpd, and for httpd.c. */
void *httpd_request_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result httpd_request_handle(void *cls, struct MHD_Connection *mhd,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_n, void **con_cls);
void httpd_request_completed(void *cls, struct MHD_Connection *mhd,
    void **con_cls, enum MHD_RequestTerminationCode code);
void httpd_request_fini(struct httpd_request *req);

/* httpd_reply.c: give the reply to libmicrohttpd, or past it, or forget it. */
KOOP_MUST enum MHD_Result httpd_reply_queue(struct httpd_request *req);
void httpd_reply_raw(struct httpd_request *req);
void httpd_reply_forget(struct httpd_request *req);
void httpd_reply_text(struct httpd_request *req, int status, const char *text);

/* httpd_watch.c */
void *httpd_watch(void *httpd);
void httpd_watch_wake(struct httpd *httpd);
/* Its socket stays until the client has read our reply; for a while. */
void httpd_watch_linger_locked(struct httpd *httpd, int fd);

#endif
