/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPC_PARTS_H
#define KOOP_HTTP_HTTPC_PARTS_H

#include <pthread.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/httpc.h"
#include "http/httpres.h"

/*
 * What the files of the client share: httpc.c (the interface of a call),
 * httpc_io.c (bytes of a call), httpc_pool.c (connections), httpc_request.c
 * (one blocking exchange).
 */

#define HTTPC_IN_BYTES (8 * 1024) /* read beside the caller's memory */
#define HTTPC_ADDRS_MAX 4096
#define HTTPC_INTERIM_MAX 16 /* answers 1xx before the final one */

struct httpc_idle {
	int fd;
	uint64_t since_ms;
};

/* The connections to one address; never freed before the pool. */
struct httpc_node {
	struct httpc_node *next;
	struct httpc_addr addr;
	unsigned open;    /* idle ones included */
	unsigned waiting; /* httpc_pool_wait() */
	unsigned idle_count;
	struct httpc_idle idle[]; /* oldest first */
};

struct httpc_pool {
	struct httpc_options options; /* with the defaults filled in */
	char *tcp_congestion;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t freed; /* an address has room again */
	struct httpc_node *nodes;
	unsigned node_count;
	unsigned idle_count; /* of all nodes */
	bool reaping;        /* the reaper runs */
	bool stopping;
	pthread_cond_t kept; /* for the reaper: idle_count, stopping */
	pthread_t reaper;
};

struct httpc_call {
	struct httpc_pool *pool;
	struct httpc_node *node;
	int fd;
	enum httpc_state state;
	struct error error;
	bool changed; /* since httpc_poll returned last */

	bool connecting;
	bool reused; /* the connection was kept from before */
	bool retried;
	bool repeatable; /* the method is */
	bool is_head;
	bool got_bytes;  /* of an answer */
	bool body_taken; /* bytes of the caller went into the socket */
	bool stale;      /* failed as a kept connection fails */
	bool send_dead;  /* the socket takes no more */

	/* Out: the head, then the queue, a ring. */
	struct buf head;
	size_t head_sent;
	uint64_t body_length;
	uint64_t body_given; /* by httpc_send */
	bool finished;
	bool blocked; /* the socket took less than we had */
	unsigned out_first;
	unsigned out_count;
	size_t queued; /* bytes of the caller in the ring */
	struct iovec out[HTTPC_IOV_MAX];
	bool out_frame[HTTPC_IOV_MAX]; /* the bytes are ours, in frame[] */
	char frame[HTTPC_IOV_MAX][24];

	/* In: a small buffer, then the caller's memory. */
	char *in;
	size_t in_room;
	size_t in_n;
	size_t in_at; /* first byte not yet used */
	char *answer; /* the head's bytes, which answer_head points into */
	unsigned interims;
	bool keep;
	struct httpres res;
	uint64_t left; /* of a body with a length */
	struct httpres_chunks chunks;
	struct iovec into[HTTPC_IOV_MAX];
	int into_count;
	int into_at;
	size_t into_room;
	size_t received;
};

/* httpc_pool.c.  Take a kept connection (*fd) or leave to open one (-1). */
KOOP_MUST int httpc_pool_take(struct httpc_pool *pool,
    const struct httpc_addr *addr, bool fresh, struct httpc_node **node,
    int *fd, struct error *err);
/* fd -1: the connection is closed already. */
void httpc_pool_give(struct httpc_pool *pool, struct httpc_node *node, int fd);
/* A socket that is connecting; *done says that it is through already. */
KOOP_MUST int httpc_pool_connect(struct httpc_pool *pool,
    const struct httpc_addr *addr, int *out, bool *done, struct error *err);

/* httpc_io.c */
void httpc_io_connect(struct httpc_call *call); /* start, or fail the call */
void httpc_io_fail(struct httpc_call *call, enum errc code, const char *fmt,
    ...) KOOP_PRINTF(3, 4);
bool httpc_io_request_out(const struct httpc_call *call);
void httpc_io_write(struct httpc_call *call);
void httpc_io_read(struct httpc_call *call);
void httpc_io_deliver(struct httpc_call *call);
void httpc_io_ready(struct httpc_call *call, short revents);
/* What poll(2) should wait for; 0: nothing. */
short httpc_io_events(const struct httpc_call *call);

#endif
