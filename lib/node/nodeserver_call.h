/* SPDX-License-Identifier: MIT */
#ifndef KOOP_NODE_NODESERVER_CALL_H
#define KOOP_NODE_NODESERVER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "http/httpd.h"
#include "http/httpreq.h"
#include "node/nodemetric.h"
#include "wire/nodeproto_info.h"

/*
 * One request, as the parts of the server see it.  Belongs to the thread of
 * its connection.  Not for other modules.
 */

#define NODESERVER_MAGIC 0x6b6e7331u
/* Longest wait that a client may ask for. */
#define NODESERVER_TIMEOUT_MAX_MS 60000
#define NODESERVER_TIMEOUT_MS 5000

struct applier;
struct bucket_row;
struct error;
struct nodecore;
struct nodeline_bucket;
struct nodeserver;
struct partition_row;
struct shardfile_upload;
struct metaquery;

struct nodeserver_call {
	uint32_t magic;
	enum nodeop op;
	struct nodecore *core;
	struct applier *applier;
	struct nodeserver *server;
	struct httpd_request *req;
	struct httpreq_query query;
	const char *rest;   /* of the path, after /ROUTE/ */
	uint32_t partition; /* routes of one partition */
	size_t index;       /* its place in the watermark */
	bool voted;         /* it had a vote when its row was read, or before */
	struct nodeproto_store store; /* /store only */
	struct reqid id;
	bool has_id; /* requestId= */
	/* The client's request that it is for: hexadecimal, or "" */
	char client[REQID_HEX + 1];
	uint64_t began_us;
	int status; /* refused with, or 0 */
	/* POST of a query that is too long for a target */
	void (*form_fn)(struct nodeserver_call *call);
	struct buf form;
	/* PUT */
	struct shardfile_upload *upload;
	uint32_t shard;
	/* Room for the body: all that was taken of it, and given back. */
	uint64_t taken, given, got;
	bool admitted; /* counts among the bodies */
};

/* Answer with a text for people.  A negative code becomes its HTTP status. */
void nodeserver_refuse(struct nodeserver_call *call, int status,
    const char *fmt, ...) KOOP_PRINTF(3, 4);
void nodeserver_error(struct nodeserver_call *call, const struct error *err);
/* ERRC_FULL: 507 with the node's name and what is free. */
void nodeserver_full(struct nodeserver_call *call, const struct error *err);
void nodeserver_put_header(void *call, const char *name, const char *value);

/* A query parameter as a number; false when it is there and wrong. */
KOOP_MUST bool nodeserver_number(const struct nodeserver_call *call,
    const char *name, uint64_t *out, uint64_t max);
/* The deadline that timeout= asks for. */
KOOP_MUST bool nodeserver_deadline(const struct nodeserver_call *call,
    uint64_t *out);
/* Begin a read transaction and read the partition's row; answers itself and
 * returns NULL when that fails. */
struct metaquery *nodeserver_read(struct nodeserver_call *call,
    struct partition_row *row);
/* The headers of a partition's position. */
void nodeserver_position(struct nodeserver_call *call,
    const struct partition_row *row);
/* True when this node has a vote in the partition; else the answer is given:
 * 503. */
bool nodeserver_votes(struct nodeserver_call *call,
    const struct partition_row *row);
/* Wait for the positions of at=; false when the answer is given. */
bool nodeserver_wait_at(struct nodeserver_call *call);
/* All partitions vote; false when the answer (503) is given. */
bool nodeserver_all_vote(struct nodeserver_call *call);

/* A place among the bodies that arrive at once; false when the answer (503) is
 * given.  Given back at the end, whatever was answered. */
bool nodeserver_admit_body(struct nodeserver_call *call);
void nodeserver_body_gone(struct nodeserver_call *call);

/* nodeserver_shard.c */
void nodeserver_put_begin(struct nodeserver_call *call);
int nodeserver_put_body(struct nodeserver_call *call, const uint8_t *p,
    size_t n);
void nodeserver_put_end(struct nodeserver_call *call);
void nodeserver_put_done(struct nodeserver_call *call);
void nodeserver_get_blob(struct nodeserver_call *call);
void nodeserver_delete(struct nodeserver_call *call);
/* Send a shard file, or the Range of it that was asked for; takes fd. */
void nodeserver_send_shard(struct nodeserver_call *call, int fd,
    uint64_t bytes);

/* nodeserver_meta.c */
void nodeserver_get(struct nodeserver_call *call);
void nodeserver_bucket(struct nodeserver_call *call);
void nodeserver_bucket_line(struct nodeline_bucket *out,
    const struct bucket_row *row);
void nodeserver_parts(struct nodeserver_call *call);

/* nodeserver_page.c */
void nodeserver_list(struct nodeserver_call *call);
void nodeserver_uploads(struct nodeserver_call *call);
void nodeserver_versions(struct nodeserver_call *call);
void nodeserver_buckets(struct nodeserver_call *call);

/* nodeserver_applied.c */
void nodeserver_applied(struct nodeserver_call *call);
void nodeserver_stream(struct nodeserver_call *call);

/* nodeserver_snapshot.c */
void nodeserver_snapshot(struct nodeserver_call *call);

/* nodeserver_admin.c */
void nodeserver_lease(struct nodeserver_call *call);
void nodeserver_repair(struct nodeserver_call *call);
void nodeserver_oplog(struct nodeserver_call *call);
void nodeserver_health(struct nodeserver_call *call);
/* What was counted of requests. */
const struct nodemetric *nodeserver_counted(const struct nodeserver *server);

/* nodeserver_metric.c */
void nodeserver_metrics(struct nodeserver_call *call);

#endif
