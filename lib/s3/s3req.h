/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3REQ_H
#define KOOP_S3_S3REQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/metric.h"
#include "base/random.h"
#include "http/httpreq.h"
#include "s3/s3chunked.h"
#include "s3/s3error.h"
#include "s3/s3name.h"
#include "s3/s3route.h"
#include "s3/s3sum.h"
#include "s3/s3xml.h"

/*
 * One request on its way through the gateway, and what every operation needs
 * of it.  For the files of lib/s3 only; the public face is s3/gateway.h.
 *
 * Exactly one reply is given: s3req_reply*, s3req_fail* and the http layer's
 * own stream (s3get.c).  A fail after a reply does nothing.
 */

#define S3REQ_MAGIC 0x53335251u
#define S3REQ_PUT_MAX (5ull << 30)
#define S3REQ_OBJECT_MAX (5ull << 40)
#define S3REQ_XML_MAX (64u << 20) /* of an answer */
/* Writes at once that hold connections to the nodes, one to each, for as long
 * as their clients take.  A node serves 512: slow writers must leave it room
 * for readers.  Bounds memory, too: a write has a few megabytes. */
#define S3REQ_WRITES_MAX 256
/* A body that no operation wants is read over up to this. */
#define S3REQ_STRAY_BODY_MAX (64u << 10)

struct error;
struct httpd_request;
struct nodeclient;
struct s3req;
struct session;

enum s3metric {
	S3METRIC_BYTES_IN,
	S3METRIC_BYTES_OUT,
	S3METRIC_CONNECTIONS,
	S3METRIC_CUT,
	S3METRIC_2XX,
	S3METRIC_3XX,
	S3METRIC_4XX,
	S3METRIC_5XX,
	S3METRIC_OPS, /* one for each operation from here on */
	S3METRIC_MAX = S3METRIC_OPS + S3OP_MAX,
};

/* Everything but metrics and writes is set when the gateway opens and stays. */
struct gateway {
	struct nodeclient *nc;
	struct session *session; /* may be NULL */
	char *region;
	size_t inline_limit;
	uint32_t cell_bytes;
	_Atomic unsigned writes; /* at most S3REQ_WRITES_MAX */
	struct metric metrics[S3METRIC_MAX];
	char labels[S3OP_MAX][64];
};

/* What an operation does.  All may be NULL but end. */
struct s3handler {
	/* The headers came.  Failing here refuses the body. */
	void (*begin)(struct s3req *r);
	/* Decoded body, as it comes; negative: failed and replied. */
	int (*data)(struct s3req *r, const uint8_t *p, size_t n);
	/* The whole body came, and has the announced length. */
	void (*end)(struct s3req *r);
	/* Always last: release r->state. */
	void (*drop)(struct s3req *r);
	bool document; /* the body is collected in r->body, and checked */
};

struct s3req {
	uint32_t magic;
	struct gateway *gw;
	struct topology_hold *hold; /* what it sees of the topology */
	struct httpd_request *http;
	const struct s3handler *handler;
	enum s3op op;
	bool head;
	int status; /* replied */
	struct reqid id;
	char id_text[REQID_HEX + 1];
	struct s3name name;
	struct httpreq_query query;
	/* The body. */
	bool framed; /* aws-chunked */
	bool known;  /* its length, in: */
	uint64_t length, got;
	struct s3chunked chunked;
	struct s3sum sum;
	struct buf body;
	uint64_t started_ms, sent;
	void *state; /* the operation's */
};

static inline struct bytes
s3req_bucket(const struct s3req *r)
{
	return bytes_of(r->name.bucket, r->name.bucket_n);
}

static inline struct bytes
s3req_key(const struct s3req *r)
{
	return bytes_of(r->name.key, r->name.key_n);
}

const char *s3req_header(struct s3req *r, const char *name);
const char *s3req_param(const struct s3req *r, const char *name);
void s3req_freshen(struct s3req *r); /* wire/nodetime.h; after the lookup */
void s3req_take_id(struct s3req *r, struct reqid id);
/* Deadlines from now, of reads and of writes. */
uint64_t s3req_read_by(const struct s3req *r);
uint64_t s3req_write_by(const struct s3req *r);
bool s3req_replied(const struct s3req *r);

void s3req_fail(struct s3req *r, enum s3error e);
/* With another message; NULL for the usual one. */
void s3req_fail_why(struct s3req *r, enum s3error e, const char *why);
/* With more members in the document: name, value, ..., NULL. */
void s3req_fail_more(struct s3req *r, enum s3error e, const char *const *more);
/* A function of ours failed; notfound is what ERRC_NOTFOUND means here. */
void s3req_fail_errc(struct s3req *r, int rc, const struct error *err,
    enum s3error notfound);

/* The headers of every reply; before a stream of one's own. */
void s3req_common(struct s3req *r, int status);
void s3req_header_etag(struct s3req *r, const char *etag);
/* Just a status, without a body. */
void s3req_reply(struct s3req *r, int status);
/* A document; fails by itself if the buf failed. */
void s3req_reply_xml(struct s3req *r, struct buf *xml);

#endif
