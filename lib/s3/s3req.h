/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3REQ_H
#define KOOP_S3_S3REQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/random.h"
#include "client/metaread.h"
#include "cluster/placement.h"
#include "http/httpreq.h"
#include "s3/s3chunked.h"
#include "s3/s3error.h"
#include "s3/s3name.h"
#include "s3/s3op.h"
#include "s3/s3sum.h"
#include "s3/s3xml.h"
#include "wire/trace.h"

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
/* A body that no operation wants is read over up to this. */
#define S3REQ_STRAY_BODY_MAX (64u << 10)

struct error;
struct gateway;
struct httpd_request;
struct s3req;

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
};

struct s3req {
	uint32_t magic;
	struct gateway *gw;
	struct topology_hold *hold; /* what it sees of the topology */
	struct httpd_request *http;
	const struct s3op_row *row; /* of op; NULL for /health and the like */
	enum s3op op;
	bool head;
	int status; /* replied */
	enum s3error error;
	bool broken; /* cut in mid-reply, by a fault of ours */
	struct reqid id;
	char id_text[REQID_HEX + 1];
	struct trace trace; /* the calls to nodes that are made for it */
	struct s3name name;
	struct httpreq_query query;
	/* What the funnel found, once for the whole request. */
	const char *account;
	const struct topology *topology;
	struct placement place;    /* of an object's request */
	struct bucket_info bucket; /* with S3NEED_BUCKET */
	bool allowed;              /* the verdict */
	/* The body. */
	bool framed; /* aws-chunked */
	bool known;  /* its length, in: */
	uint64_t length, got;
	struct s3chunked chunked;
	struct s3sum sum;
	struct buf body;
	uint64_t sent;
	/* When it came, when its reply began, how long look-ups took. */
	uint64_t started_us, replied_us, metadata_us;
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
/* Microseconds, for measuring; the time since began_us was a look-up's. */
uint64_t s3req_now_us(const struct s3req *r);
void s3req_looked_up(struct s3req *r, uint64_t began_us);
/* Has its client hung up?  It is told 499, which nobody hears. */
bool s3req_left(struct s3req *r);
/* Deadlines from now, of reads and of writes. */
uint64_t s3req_read_by(const struct s3req *r);
uint64_t s3req_write_by(const struct s3req *r);
bool s3req_replied(const struct s3req *r);
/* Does the operation need one of those (enum s3need)? */
bool s3req_needs(const struct s3req *r, unsigned needs);

/*
 * May this request also do `action` to bucket/key?  S3E_NONE, or why not.
 * version NULL: the newest.  found: the bucket, if it was looked up.
 */
KOOP_MUST enum s3error s3req_judge(const struct s3req *r, const char *action,
    struct bytes bucket, struct bytes key, const char *version,
    const struct bucket_info *found);

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
