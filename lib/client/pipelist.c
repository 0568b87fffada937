/* SPDX-License-Identifier: MIT */
#include "client/pipelist.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/jsontext.h"
#include "commit/objectname.h"

#define PAGE_KEYS 1000
/* A page of the longest keys, all of it escapes. */
#define PAGE_BYTES (16u << 20)
#define VERSION_BYTES 64
#define NAME_BYTES (OBJECTNAME_BUCKET_MAX + 1 + OBJECTNAME_KEY_MAX + 1)

struct pipelist {
	const struct pipelist_options *options;
	struct buf page; /* what was printed of this one */
	struct buf name; /* of the line at hand */
	struct buf *last;
	uint64_t left;
	struct error *err;
};

static void
print_version(struct pipelist *l, const struct list_entry *entry)
{
	buf_addstr(&l->page, ",\"version\":");
	jsontext_quote(&l->page, bytes_str(entry->version));
	buf_printf(&l->page, ",\"latest\":%s%s",
	    entry->latest ? "true" : "false",
	    entry->marker ? ",\"marker\":true" : "");
}

static void
print_json(struct pipelist *l, const struct list_entry *entry)
{
	char time[32];

	buf_addstr(&l->page, entry->is_prefix ? "{\"prefix\":" : "{\"key\":");
	jsontext_quote(&l->page, buf_bytes(&l->name));
	if (!entry->is_prefix) {
		if (l->options->versions)
			print_version(l, entry);
		if (!entry->marker) {
			buf_printf(&l->page,
			    ",\"size\":%" PRIu64 ",\"etag\":", entry->size);
			jsontext_quote(&l->page, bytes_str(entry->etag));
		}
		clock_iso8601(time, entry->modified_ms);
		buf_printf(&l->page, ",\"modified\":\"%s\"", time);
	}
	buf_addstr(&l->page, "}\n");
}

static int
print_name(struct pipelist *l, char end)
{
	/* Whoever reads lines would take it for two names. */
	if (end == '\n' && memchr(l->name.p, '\n', l->name.n) != NULL)
		return error_set(l->err, ERRC_CORRUPT,
		    "a name holds a line end: use -0, or no --lines");
	buf_add(&l->page, l->name.p, l->name.n);
	buf_addch(&l->page, end);
	return 0;
}

static int
print_entry(void *arg, const struct list_entry *entry)
{
	struct pipelist *l = arg;
	int rc = 0;

	assert(l->left > 0);
	buf_clear(&l->name);
	buf_add(&l->name, l->options->bucket.p, l->options->bucket.n);
	buf_addch(&l->name, '/');
	buf_add(&l->name, entry->key.p, entry->key.n);
	if (l->options->form == PIPELIST_JSON)
		print_json(l, entry);
	else
		rc = print_name(l,
		    l->options->form == PIPELIST_LINES ? '\n' : '\0');
	if (rc == 0 && (buf_failed(&l->page) || buf_failed(&l->name)))
		rc = error_set(l->err, ERRC_NOMEM, "list: out of memory");
	if (rc == 0)
		l->left--;
	return rc;
}

/* What was printed before a failure is good, and goes out. */
static int
flush_page(struct pipelist *l, int out, int rc)
{
	struct error failed;

	if (l->page.n == 0)
		return rc;
	if (io_write_full(out, l->page.p, l->page.n, &failed) < 0)
		return error_set(l->err, failed.code, "%s", failed.text);
	buf_clear(l->last);
	buf_add(l->last, l->name.p, l->name.n);
	return rc;
}

static int
list_page(struct nodeclient *nc, struct pipelist *l, int out,
    struct list_query *q, struct list_end *end)
{
	int rc;

	q->max = (uint32_t)KOOP_MIN(l->left, (uint64_t)PAGE_KEYS);
	buf_clear(&l->page);
	rc = (l->options->versions ? metaread_versions : metaread_list)(nc, q,
	    print_entry, l, end, nodeclient_now(nc) + NODECLIENT_READ_MS,
	    l->err);
	return flush_page(l, out, rc);
}

int
pipelist_run(struct nodeclient *nc, int out,
    const struct pipelist_options *options, struct buf *last, struct error *err)
{
	struct pipelist l = {
		.options = options,
		.page = buf_make(PAGE_BYTES),
		.name = buf_make(NAME_BYTES),
		.last = last,
		.left = options->limit,
		.err = err,
	};
	struct buf next = buf_make(NAME_BYTES);
	struct list_query q = {
		.bucket = options->bucket,
		.prefix = options->prefix,
		.delimiter = options->delimiter,
		.start_after = options->after,
		.upload_after = options->after_version,
	};
	struct buf next_version = buf_make(VERSION_BYTES);
	struct buf after_version = buf_make(VERSION_BYTES);
	struct list_end end = {
		.next = &next,
		.next_upload = &next_version,
		.truncated = true,
	};
	struct buf after = buf_make(NAME_BYTES);
	struct bucket_info info;
	int rc;

	assert(last != NULL && last->max >= NAME_BYTES);
	rc = metaread_home(nc, options->bucket, &info,
	    nodeclient_now(nc) + NODECLIENT_READ_MS, err);
	/* Of this bucket, and of none that has the name after it. */
	if (rc == 0)
		q.incarnation = info.incarnation;
	while (rc == 0 && end.truncated && l.left > 0) {
		rc = list_page(nc, &l, out, &q, &end);
		/* The query borrows what the next page's end would clear. */
		buf_clear(&after);
		buf_add(&after, next.p, next.n);
		q.start_after = buf_bytes(&after);
		buf_clear(&after_version);
		buf_add(&after_version, next_version.p, next_version.n);
		q.upload_after = buf_bytes(&after_version);
	}
	buf_fini(&after_version);
	buf_fini(&next_version);
	buf_fini(&after);
	buf_fini(&next);
	buf_fini(&l.name);
	buf_fini(&l.page);
	return rc;
}
