/* SPDX-License-Identifier: MIT */
#include "client/pipeverify.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/progress.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "client/verifyobject.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define QUEUE_ITEMS 128
#define PAGE_KEYS 256
#define LINE_BYTES (256u << 10)
#define NEXT_BYTES (OBJECTNAME_KEY_MAX + 64)

struct item {
	char bucket[OBJECTNAME_BUCKET_MAX];
	char key[OBJECTNAME_KEY_MAX];
	size_t bucket_n, key_n;
	bool has_version;
	struct versionid version;
	bool listed; /* found in a list: it may be gone by now */
};

struct pipeverify {
	struct nodeclient *nc;
	struct pipeverify_options options;
	pthread_t thread[PIPEVERIFY_JOBS_MAX];
	uint32_t threads;
	/* Guards all that follows, and the calls of options. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item queue[QUEUE_ITEMS];
	size_t first, count; /* of the queue */
	uint32_t busy;       /* threads that look at an object */
	bool closing;
	struct pipeverify_totals totals;
	struct error failed; /* of a line: nothing more is begun */
};

/* What one came to.  The lock is held. */
static void
account_locked(struct pipeverify *v, const struct item *item,
    const struct verifyobject *one, const struct buf *line, int rc,
    const struct error *err)
{
	if (rc == -ERRC_NOTFOUND && item->listed) {
		v->totals.objects[VERIFYOBJECT_GONE]++;
	} else if (rc < 0) {
		v->totals.missing += rc == -ERRC_NOTFOUND;
		v->totals.failed += rc != -ERRC_NOTFOUND;
		v->options.complain(v->options.arg, err->text);
	} else {
		v->totals.objects[one->state]++;
	}
	v->totals.shards += one->shards;
	v->totals.bytes += one->bytes;
	progress_add(v->options.progress, one->bytes);
	if (rc == 0 && line->n > 0 && v->failed.code == ERRC_OK &&
	    v->options.line(v->options.arg, buf_bytes(line), &v->failed) < 0)
		v->count = 0;
}

static void
verify_item(struct pipeverify *v, const struct item *item, struct buf *line)
{
	struct verifyobject one = {
		.nc = v->nc,
		.bucket = bytes_of(item->bucket, item->bucket_n),
		.key = bytes_of(item->key, item->key_n),
		.version = item->has_version ? &item->version : NULL,
		.json = v->options.json,
	};
	struct error err = { 0 };
	int rc;

	assert(item->bucket_n > 0 && item->key_n > 0);
	buf_clear(line);
	rc = verifyobject_run(&one, line, &err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		(void)!error_wrap(&err, "%.*s/%.*s", (int)item->bucket_n,
		    item->bucket, (int)item->key_n, item->key);
	pthread_mutex_lock(&v->lock);
	account_locked(v, item, &one, line, rc, &err);
	v->busy--;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

/* The next one; false: there will be none. */
static bool
take_item(struct pipeverify *v, struct item *out)
{
	bool took = false;

	pthread_mutex_lock(&v->lock);
	while (v->count == 0 && !v->closing)
		pthread_cond_wait(&v->changed, &v->lock);
	if (!v->closing) {
		assert(v->count > 0);
		*out = v->queue[v->first];
		v->first = (v->first + 1) % QUEUE_ITEMS;
		v->count--;
		v->busy++;
		took = true;
		pthread_cond_broadcast(&v->changed);
	}
	pthread_mutex_unlock(&v->lock);
	return took;
}

static void *
verify_thread(void *arg)
{
	struct pipeverify *v = arg;
	struct buf line = buf_make(LINE_BYTES);
	struct item item;

	while (take_item(v, &item))
		verify_item(v, &item, &line);
	buf_fini(&line);
	return NULL;
}

int
pipeverify_open(struct pipeverify **out, struct nodeclient *nc,
    const struct pipeverify_options *options, struct error *err)
{
	struct pipeverify *v = calloc(1, sizeof(*v));

	assert(options->jobs >= 1 && options->jobs <= PIPEVERIFY_JOBS_MAX);
	if (v == NULL)
		return error_set(err, ERRC_NOMEM, "verify: out of memory");
	v->nc = nc;
	v->options = *options;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->changed, NULL);
	for (; v->threads < options->jobs; v->threads++) {
		if (pthread_create(&v->thread[v->threads], NULL, verify_thread,
			v) == 0)
			continue;
		pipeverify_close(v);
		return error_set(err, ERRC_NOMEM, "verify: no more threads");
	}
	*out = v;
	return 0;
}

void
pipeverify_close(struct pipeverify *v)
{
	if (v == NULL)
		return;
	pthread_mutex_lock(&v->lock);
	v->closing = true;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
	for (uint32_t i = 0; i < v->threads; i++)
		pthread_join(v->thread[i], NULL);
	assert(v->busy == 0);
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static int
failed_locked(const struct pipeverify *v, struct error *err)
{
	if (v->failed.code == ERRC_OK)
		return 0;
	return error_set(err, v->failed.code, "%s", v->failed.text);
}

static int
pipeverify_queue(struct pipeverify *v, const struct item *item,
    struct error *err)
{
	int rc;

	pthread_mutex_lock(&v->lock);
	while (v->count == QUEUE_ITEMS && v->failed.code == ERRC_OK)
		pthread_cond_wait(&v->changed, &v->lock);
	rc = failed_locked(v, err);
	if (rc == 0) {
		assert(v->count < QUEUE_ITEMS);
		v->queue[(v->first + v->count++) % QUEUE_ITEMS] = *item;
		pthread_cond_broadcast(&v->changed);
	}
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static void
fill_item(struct item *out, struct bytes bucket, struct bytes key,
    const struct versionid *version)
{
	assert(bucket.n <= sizeof(out->bucket) && key.n <= sizeof(out->key));
	*out = (struct item){ .bucket_n = bucket.n, .key_n = key.n };
	memcpy(out->bucket, bucket.p, bucket.n);
	memcpy(out->key, key.p, key.n);
	out->has_version = version != NULL;
	if (version != NULL)
		out->version = *version;
}

int
pipeverify_object(struct pipeverify *v, struct bytes bucket, struct bytes key,
    const struct versionid *version, struct error *err)
{
	struct item item;

	fill_item(&item, bucket, key, version);
	return pipeverify_queue(v, &item, err);
}

/* Prefixes. */

struct page {
	struct bytes bucket;
	bool versions;
	struct item *item; /* PAGE_KEYS */
	size_t count;
};

/* Kept, and queued when the page is read: a reader has a deadline, and a queue
 * may stand still for as long as a film takes. */
static int
page_take(void *arg, const struct list_entry *entry)
{
	struct page *page = arg;
	struct versionid version;

	if (entry->is_prefix || entry->marker)
		return 0;
	if (page->count == PAGE_KEYS || entry->key.n > OBJECTNAME_KEY_MAX ||
	    (page->versions &&
		!versionid_parse(&version, bytes_str(entry->version))))
		return -ERRC_PROTOCOL;
	assert(entry->key.n > 0);
	fill_item(&page->item[page->count], page->bucket, entry->key,
	    page->versions ? &version : NULL);
	page->item[page->count++].listed = true;
	return 0;
}

static int
list_pages(struct pipeverify *v, struct page *page, struct list_query *q,
    struct error *err)
{
	struct buf next = buf_make(NEXT_BYTES);
	struct buf next_version = buf_make(NEXT_BYTES);
	struct buf after = buf_make(NEXT_BYTES);
	struct buf after_version = buf_make(NEXT_BYTES);
	struct list_end end = {
		.next = &next,
		.next_upload = &next_version,
		.truncated = true,
	};
	int rc = 0;

	while (rc == 0 && end.truncated) {
		page->count = 0;
		rc = (page->versions ? metaread_versions : metaread_list)(v->nc,
		    q, page_take, page, &end,
		    nodeclient_now(v->nc) + NODECLIENT_READ_MS, err);
		for (size_t i = 0; i < page->count && rc == 0; i++)
			rc = pipeverify_queue(v, &page->item[i], err);
		/* The query borrows what the next page's end would clear. */
		buf_clear(&after);
		buf_add(&after, next.p, next.n);
		q->start_after = buf_bytes(&after);
		buf_clear(&after_version);
		buf_add(&after_version, next_version.p, next_version.n);
		q->upload_after = buf_bytes(&after_version);
	}
	buf_fini(&after_version);
	buf_fini(&after);
	buf_fini(&next_version);
	buf_fini(&next);
	return rc;
}

int
pipeverify_prefix(struct pipeverify *v, struct bytes bucket,
    struct bytes prefix, struct error *err)
{
	struct page page = {
		.bucket = bucket,
		.versions = v->options.versions,
		.item = calloc(PAGE_KEYS, sizeof(*page.item)),
	};
	struct list_query q = {
		.bucket = bucket,
		.prefix = prefix,
		.max = PAGE_KEYS,
	};
	struct bucket_info info;
	int rc;

	assert(bucket.n > 0);
	if (page.item == NULL)
		return error_set(err, ERRC_NOMEM, "verify: out of memory");
	rc = metaread_home(v->nc, bucket, &info,
	    nodeclient_now(v->nc) + NODECLIENT_READ_MS, err);
	/* Of this bucket, and of none that has the name after it. */
	if (rc == 0)
		q.incarnation = info.incarnation;
	if (rc == 0)
		rc = list_pages(v, &page, &q, err);
	free(page.item);
	return rc;
}

int
pipeverify_wait(struct pipeverify *v, struct pipeverify_totals *totals,
    struct error *err)
{
	int rc;

	pthread_mutex_lock(&v->lock);
	while (v->busy > 0 || v->count > 0)
		pthread_cond_wait(&v->changed, &v->lock);
	assert(v->count == 0);
	*totals = v->totals;
	rc = failed_locked(v, err);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

void
pipeverify_print_totals(const struct pipeverify_totals *totals, bool json,
    struct buf *out)
{
	const uint64_t *n = totals->objects;
	uint64_t sum = totals->missing + totals->failed;

	for (unsigned i = 0; i < nitems(totals->objects); i++)
		sum += n[i];
	assert(sum >= totals->failed);
	buf_printf(out,
	    json ? "{\"objects\":%" PRIu64 ",\"whole\":%" PRIu64
		   ",\"damaged\":%" PRIu64 ",\"mended\":%" PRIu64
		   ",\"unchecked\":%" PRIu64 ",\"lost\":%" PRIu64
		   ",\"gone\":%" PRIu64 ",\"missing\":%" PRIu64
		   ",\"failed\":%" PRIu64 ",\"shards\":%" PRIu64
		   ",\"bytes\":%" PRIu64 "}\n" :
		   "end v=1 objects=%" PRIu64 " whole=%" PRIu64
		   " damaged=%" PRIu64 " mended=%" PRIu64 " unchecked=%" PRIu64
		   " lost=%" PRIu64 " gone=%" PRIu64 " missing=%" PRIu64
		   " failed=%" PRIu64 " shards=%" PRIu64 " bytes=%" PRIu64 "\n",
	    sum, n[VERIFYOBJECT_WHOLE], n[VERIFYOBJECT_DAMAGED],
	    n[VERIFYOBJECT_MENDED], n[VERIFYOBJECT_UNCHECKED],
	    n[VERIFYOBJECT_LOST], n[VERIFYOBJECT_GONE], totals->missing,
	    totals->failed, totals->shards, totals->bytes);
}
