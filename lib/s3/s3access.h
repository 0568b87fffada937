/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3ACCESS_H
#define KOOP_S3_S3ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * A line of the access log, made when a request is over (koop-gw(8), "ACCESS
 * LOG"): a JSON object, or text with key=value.  What clients send (key, user
 * agent) is bounded and escaped, so that a line is one line, and JSON, whatever
 * they sent.  Pure.
 */

#define S3ACCESS_LINE_MAX 16384
/* Bytes of a user agent; the rest is left out. */
#define S3ACCESS_AGENT_MAX 256

struct buf;

struct s3access {
	uint64_t time_ms; /* of the end */
	const char *id;   /* of the request */
	const char *account;
	const char *operation;
	const char *method; /* or NULL: it was no request */
	struct bytes bucket, key;
	int status;        /* as it is counted: 499, if the client left */
	const char *error; /* S3's code, or NULL */
	uint64_t received_bytes, sent_bytes;
	uint64_t queue_us, metadata_us, first_byte_us, whole_us;
	const char *client; /* IP:PORT */
	const char *agent;  /* or NULL */
};

/* Without an LF. */
void s3access_print(struct buf *out, const struct s3access *line, bool json);

#endif
