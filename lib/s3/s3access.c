/* SPDX-License-Identifier: MIT */

#include "s3/s3access.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cluster/jsontext.h"
#include "commit/objectname.h"

/* As a string of JSON; what is no text becomes '?', and what is too long
 * ends. */
static void
access_quote(struct buf *out, const char *text)
{
	char clean[S3ACCESS_AGENT_MAX];
	size_t n = 0;

	while (text[0] != '\0' && n < sizeof(clean)) {
		size_t length = 1;

		while (length < 4 && text[length - 1] != '\0' &&
		    !utf8_valid(text, length))
			length++;
		if (!utf8_valid(text, length)) {
			clean[n++] = '?';
			text++;
			continue;
		}
		if (length > sizeof(clean) - n)
			break;
		memcpy(clean + n, text, length);
		n += length;
		text += length;
	}
	assert(n <= sizeof(clean));
	jsontext_quote(out, bytes_of(clean, n));
}

static void
access_text(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	if (value != NULL)
		access_quote(out, value);
	else
		buf_addstr(out, "null");
}

static void
access_bytes(struct buf *out, const char *name, struct bytes value)
{
	buf_printf(out, ",\"%s\":", name);
	if (value.n > 0)
		jsontext_quote(out, value);
	else
		buf_addstr(out, "null");
}

/* `between` stands before each name, `is` behind it. */
static void
access_numbers(struct buf *out, const struct s3access *line,
    const char *between, const char *is)
{
	const struct {
		const char *name;
		uint64_t us;
	} times[] = {
		{ "queue_seconds", line->queue_us },
		{ "metadata_seconds", line->metadata_us },
		{ "first_byte_seconds", line->first_byte_us },
		{ "whole_seconds", line->whole_us },
	};

	buf_printf(out, "%sreceived_bytes%s%" PRIu64, between, is,
	    line->received_bytes);
	buf_printf(out, "%ssent_bytes%s%" PRIu64, between, is,
	    line->sent_bytes);
	for (size_t i = 0; i < nitems(times); i++)
		buf_printf(out, "%s%s%s%" PRIu64 ".%06" PRIu64, between,
		    times[i].name, is, times[i].us / 1000000,
		    times[i].us % 1000000);
}

static void
print_json(struct buf *out, const struct s3access *line, const char *when)
{
	buf_printf(out, "{\"time\":\"%s\"", when);
	access_text(out, "request_id", line->id);
	access_text(out, "account", line->account);
	access_text(out, "operation", line->operation);
	access_text(out, "method", line->method);
	access_bytes(out, "bucket", line->bucket);
	access_bytes(out, "key", line->key);
	buf_printf(out, ",\"status\":%d", line->status);
	access_text(out, "error", line->error);
	access_numbers(out, line, ",\"", "\":");
	access_text(out, "client", line->client);
	access_text(out, "user_agent", line->agent);
	buf_addch(out, '}');
}

static void
print_text(struct buf *out, const struct s3access *line, const char *when)
{
	char name[3 * (OBJECTNAME_BUCKET_MAX + OBJECTNAME_KEY_MAX) + 1];

	buf_printf(out, "%s %s %s ", when, line->operation,
	    line->method != NULL ? line->method : "-");
	buf_add(out, name,
	    percent_encode(name, line->bucket.p, line->bucket.n, false));
	buf_addch(out, '/');
	buf_add(out, name,
	    percent_encode(name, line->key.p, line->key.n, true));
	buf_printf(out, " status=%d error=%s request_id=%s account=%s",
	    line->status, line->error != NULL ? line->error : "-", line->id,
	    line->account);
	access_numbers(out, line, " ", "=");
	buf_printf(out, " client=%s user_agent=", line->client);
	access_quote(out, line->agent != NULL ? line->agent : "");
}

void
s3access_print(struct buf *out, const struct s3access *line, bool json)
{
	char when[32];

	assert(line->bucket.n <= OBJECTNAME_BUCKET_MAX);
	assert(line->key.n <= OBJECTNAME_KEY_MAX);
	clock_iso8601(when, line->time_ms);
	if (json)
		print_json(out, line, when);
	else
		print_text(out, line, when);
}
