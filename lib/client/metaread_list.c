/* SPDX-License-Identifier: MIT */
#include "client/metaread.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/metaask.h"
#include "client/metaask_positions.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "http/httpc.h"
#include "http/httpreq.h"

/* Of the query: the positions of all partitions, and three names. */
#define QUERY_MAX (256u << 10)
/* A thousand keys of the longest kind, percent-encoded; many buckets. */
#define PAGE_MAX (32u << 20)
#define AGAIN_MS 50
/* What a node may take to apply up to the page's positions. */
#define NODE_WAIT_MS 2000

/*
 * A page is read from one node of each set, which holds all of the set's
 * partitions, at positions: the log's end of each partition, read after the
 * request came.  The sets' pages are merged.  Then the answer is held until c
 * nodes have applied those positions, and those of every key shown, so that a
 * GET after it finds what the list showed.
 */
struct set_page {
	const struct erasure_set *set;
	struct placement place; /* no partition in it */
	struct metaask ask;
	struct buf query, target; /* of ask */
	bool fetched;             /* its page is in body */
	struct nodeline_at *at;   /* positions of its partitions */
	size_t at_count;
	struct buf body;
	size_t next; /* in the body: the line after this one */
	bool ended;  /* the end line was seen */
	bool more;   /* it said that there is more */
	bool has_line;
	struct nodeline_key line;
	struct nodeline_bucket bucket;
};

enum page_kind { PAGE_LIST, PAGE_UPLOADS, PAGE_VERSIONS, PAGE_BUCKETS };

struct paging {
	struct nodeclient *nc;
	const struct topology *topology;
	enum page_kind kind;
	struct set_page *page; /* one a set */
	size_t count;
	uint64_t deadline;
};

static void
paging_fini(struct paging *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->page[i].at);
		buf_fini(&p->page[i].body);
		buf_fini(&p->page[i].query);
		buf_fini(&p->page[i].target);
	}
	free(p->page);
}

/* Where a page is read (protocol.md 7.5): at the log's end, where that costs
 * nothing, all in one call; else where a few voting nodes of each set are. */
static int
read_positions(struct paging *p, struct error *err)
{
	const struct topology *t = p->topology;
	struct commitlog_end *ends = calloc(t->partition_count, sizeof(*ends));
	bool shared = positions_shared(nodeclient_positions(p->nc));
	int rc = 0;

	if (ends == NULL)
		return error_set(err, ERRC_NOMEM, "list: out of memory");
	for (size_t i = 0; i < t->partition_count; i++)
		ends[i].partition = t->partitions[i];
	if (shared)
		rc = commitlog_ends(nodeclient_log(p->nc), ends,
		    t->partition_count, p->deadline, err);
	for (size_t i = 0; i < t->partition_count && rc == 0; i++) {
		struct set_page *page = &p->page[t->partition_set[i]];

		page->at[page->at_count++] = (struct nodeline_at){
			.partition = ends[i].partition,
			.seq = ends[i].seq,
		};
	}
	for (size_t i = 0; i < p->count && rc == 0 && !shared; i++)
		rc = metaask_read_positions(p->nc, &p->page[i].place,
		    p->page[i].at, p->page[i].at_count, p->deadline, err);
	free(ends);
	return rc;
}

static int
paging_init(struct paging *p, struct nodeclient *nc, enum page_kind kind,
    uint64_t deadline, struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);

	p->nc = nc;
	p->topology = t;
	p->kind = kind;
	p->deadline = deadline;
	p->page = calloc(t->set_count, sizeof(*p->page));
	if (p->page == NULL)
		return error_set(err, ERRC_NOMEM, "list: out of memory");
	p->count = t->set_count;
	for (size_t i = 0; i < p->count; i++) {
		p->page[i].set = &t->sets[i];
		p->page[i].place = (struct placement){
			.set = &t->sets[i],
			.set_index = i,
		};
		p->page[i].query = buf_make(QUERY_MAX);
		p->page[i].target = buf_make(HTTPREQ_TARGET_MAX);
		p->page[i].body = buf_make(PAGE_MAX);
		p->page[i].at = calloc(t->partition_count,
		    sizeof(*p->page[i].at));
		if (p->page[i].at == NULL)
			return error_set(err, ERRC_NOMEM,
			    "list: out of memory");
	}
	return read_positions(p, err);
}

static int
take_page(void *arg, const struct metaanswer *answer)
{
	struct set_page *page = arg;

	if (answer->status != 200)
		return 0;
	buf_clear(&page->body);
	buf_add(&page->body, answer->body.p, answer->body.n);
	return !buf_failed(&page->body);
}

/* Machines that need not wait for the positions. */
static uint32_t
machines_ready(struct paging *p, const struct set_page *page)
{
	const struct positions *positions = nodeclient_positions(p->nc);
	uint32_t ready = 0;

	for (uint32_t m = 0; m < page->set->n; m++) {
		struct positions_member member = { page->set->number, m };
		size_t i = 0;

		while (i < page->at_count &&
		    positions_applied(positions, member,
			page->at[i].partition) >= page->at[i].seq)
			i++;
		ready |= (uint32_t)(i == page->at_count) << m;
	}
	return ready;
}

/* The query goes into the target, or, if it is too long for that, into the
 * body of a POST: there may be thousands of partitions. */
static int
fill_request(const struct paging *p, struct metaask *ask, struct buf *target,
    const struct buf *query, struct error *err)
{
	static const char *const path[] = {
		[PAGE_LIST] = "/list",
		[PAGE_UPLOADS] = "/uploads",
		[PAGE_VERSIONS] = "/versions",
		[PAGE_BUCKETS] = "/buckets",
	};
	bool form;

	buf_addstr(target, path[p->kind]);
	form = target->n + 1 + query->n > HTTPREQ_TARGET_MAX;
	if (form) {
		ask->body = buf_bytes(query);
	} else {
		buf_addch(target, '?');
		buf_add(target, query->p, query->n);
	}
	ask->method = form ? "POST" : "GET";
	ask->target = buf_cstr(target);
	if (buf_failed(query) || buf_failed(target))
		return error_set(err, ERRC_USAGE, "list: query too long");
	return 0;
}

static int
prepare_page(struct paging *p, struct set_page *page, const struct buf *common,
    struct error *err)
{
	page->ask = (struct metaask){
		.nc = p->nc,
		.place = &page->place,
		.body_max = PAGE_MAX - 1,
		.width = 1,
	};
	/* A set without partitions has nothing to say. */
	page->fetched = page->ended = page->at_count == 0;
	buf_add(&page->query, common->p, common->n);
	nodeline_at_print(&page->query, page->at, page->at_count);
	return fill_request(p, &page->ask, &page->target, &page->query, err);
}

/* One try for all that are still missing, side by side. */
static int
fetch_missing(struct paging *p, struct metaask_task *tasks, bool *whole,
    struct error *err)
{
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < p->count; i++) {
		struct set_page *page = &p->page[i];

		if (page->fetched)
			continue;
		metaask_order(&page->ask, machines_ready(p, page));
		tasks[n++] = (struct metaask_task){
			.ask = &page->ask,
			.fn = take_page,
			.arg = page,
		};
	}
	rc = metaask_run_all(tasks, n, p->deadline, err);
	*whole = true;
	for (size_t i = 0; i < n; i++) {
		struct set_page *page = tasks[i].arg;

		page->fetched = tasks[i].enough;
		*whole &= page->fetched;
	}
	return rc;
}

/* The pages of all sets, which are asked at once. */
static int
fetch_pages(struct paging *p, const struct buf *common, struct error *err)
{
	const struct positions *positions = nodeclient_positions(p->nc);
	struct metaask_task *tasks = calloc(p->count, sizeof(*tasks));
	bool whole = false;
	int rc = 0;

	if (tasks == NULL)
		return error_set(err, ERRC_NOMEM, "list: out of memory");
	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = prepare_page(p, &p->page[i], common, err);
	while (rc == 0 && !whole) {
		uint32_t bell = positions_bell(positions);

		rc = fetch_missing(p, tasks, &whole, err);
		if (rc == 0 && !whole)
			positions_wait(positions, bell, AGAIN_MS);
	}
	free(tasks);
	return rc;
}

/* The next line of a set's page, parsed. */
static int
next_line(struct paging *p, struct set_page *page, struct error *err)
{
	struct bytes rest = bytes_of(page->body.p + page->next,
	    page->body.n - page->next);
	const uint8_t *lf = rest.n > 0 ? memchr(rest.p, '\n', rest.n) : NULL;
	enum nodeline_kind kind;
	int rc;

	page->has_line = false;
	if (page->ended)
		return 0;
	if (lf == NULL)
		return error_set(err, ERRC_PROTOCOL,
		    "list: the answer has no end");
	rest.n = (size_t)(lf - rest.p);
	page->next += rest.n + 1;
	if (p->kind == PAGE_LIST)
		rc = nodeline_list_parse(&page->line, rest, err);
	else if (p->kind == PAGE_UPLOADS)
		rc = nodeline_upload_parse(&page->line, rest, err);
	else if (p->kind == PAGE_VERSIONS)
		rc = nodeline_version_parse(&page->line, rest, err);
	else
		rc = nodeline_bucket_parse(&page->bucket, rest, err);
	if (rc < 0)
		return rc;
	kind = p->kind == PAGE_BUCKETS ? page->bucket.kind : page->line.kind;
	page->has_line = kind != NODELINE_END;
	page->ended = kind == NODELINE_END;
	if (page->ended && p->kind != PAGE_BUCKETS)
		page->more = page->line.truncated;
	return 0;
}

static struct bytes
line_name(const struct paging *p, const struct set_page *page)
{
	if (p->kind == PAGE_BUCKETS)
		return bytes_str(page->bucket.name);
	return bytes_of(page->line.name, page->line.name_bytes);
}

static int
compare_lines(const struct paging *p, const struct set_page *a,
    const struct set_page *b)
{
	int order = bytes_compare(line_name(p, a), line_name(p, b));

	if (order == 0 && p->kind == PAGE_UPLOADS)
		order = memcmp(a->line.upload.b, b->line.upload.b,
		    sizeof(a->line.upload.b));
	return order;
}

/* The set whose line comes first; NULL: no more, or a page ended where its
 * set has more, so that what follows cannot be merged. */
static struct set_page *
first_page(struct paging *p)
{
	struct set_page *first = NULL;

	for (size_t i = 0; i < p->count; i++) {
		struct set_page *page = &p->page[i];

		if (!page->has_line && page->more)
			return NULL;
		if (page->has_line &&
		    (first == NULL || compare_lines(p, page, first) < 0))
			first = page;
	}
	return first;
}

/* Every key that is shown raises the position of its partition. */
static void
raise_position(struct paging *p, struct set_page *page, struct bytes bucket)
{
	struct placement place;

	if (page->line.kind != NODELINE_ITEM || page->line.seq == 0)
		return;
	place = placement_of(p->topology, bucket, line_name(p, page));
	for (size_t i = 0; i < page->at_count; i++) {
		if (page->at[i].partition == place.partition)
			page->at[i].seq = KOOP_MAX(page->at[i].seq,
			    page->line.seq);
	}
}

/* What is shown stays (protocol.md 7.2): not before c nodes have it. */
static int
hold_page(struct paging *p, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; i < p->count && rc == 0; i++) {
		const struct set_page *page = &p->page[i];

		rc = metaask_hold_all(p->nc, &page->place, page->at,
		    page->at_count, NULL, p->deadline, err);
	}
	return rc;
}

struct merged {
	struct nodeline_key *line;
	size_t count, room;
	bool truncated;
};

/* Merge the sets' pages into at most max lines.  Equal common prefixes of two
 * sets are one. */
static int
merge_pages(struct paging *p, const struct list_query *q, struct merged *out,
    struct error *err)
{
	struct set_page *page = NULL;
	int rc = 0;

	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = next_line(p, &p->page[i], err);
	while (rc == 0 && (page = first_page(p)) != NULL) {
		const struct nodeline_key *last = out->count > 0 ?
		    &out->line[out->count - 1] :
		    NULL;
		bool again = last != NULL &&
		    page->line.kind == NODELINE_PREFIX &&
		    last->kind == NODELINE_PREFIX &&
		    bytes_equal(bytes_of(last->name, last->name_bytes),
			line_name(p, page));

		if (!again && out->count == out->room)
			break;
		if (!again) {
			raise_position(p, page, q->bucket);
			out->line[out->count++] = page->line;
		}
		rc = next_line(p, page, err);
	}
	out->truncated = page != NULL;
	for (size_t i = 0; i < p->count; i++)
		out->truncated |= p->page[i].more;
	return rc;
}

static void
add_parameter(struct buf *query, const char *name, struct bytes value)
{
	char *room;

	if (value.n == 0)
		return;
	buf_printf(query, "%s=", name);
	room = buf_reserve(query, 3 * value.n + 1);
	if (room == NULL)
		return;
	query->n += percent_encode(room, value.p, value.n, false);
	buf_addch(query, '&');
}

static void
print_query(struct buf *query, enum page_kind kind, const struct list_query *q)
{
	add_parameter(query, "bucket", q->bucket);
	add_parameter(query, "prefix", q->prefix);
	add_parameter(query, "delimiter", q->delimiter);
	add_parameter(query, kind == PAGE_LIST ? "start-after" : "key-marker",
	    q->start_after);
	if (kind == PAGE_UPLOADS)
		add_parameter(query, "upload-id-marker", q->upload_after);
	if (kind == PAGE_VERSIONS)
		add_parameter(query, "version-id-marker", q->upload_after);
	if (q->incarnation != 0)
		buf_printf(query, "incarnation=%" PRIu64 "&", q->incarnation);
	buf_printf(query, "%s=%" PRIu32 "&timeout=%d&at=",
	    kind == PAGE_LIST ? "max-keys" : "max", q->max, NODE_WAIT_MS);
}

/* The name under which S3 shows it. */
static void
show_version(char out[static VERSIONID_TEXT + 1],
    const struct nodeline_key *line)
{
	struct versionid name = line->version;

	if (line->is_null)
		name = (struct versionid){ .is_null = true };
	versionid_format(out, &name);
}

static int
give_merged(const struct merged *m, metaread_list_fn *fn, void *arg)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct nodeline_key *line = &m->line[i];
		struct list_entry entry = {
			.is_prefix = line->kind == NODELINE_PREFIX,
			.key = bytes_of(line->name, line->name_bytes),
			.size = line->size,
			.etag = line->etag,
			.modified_ms = line->modified_ms,
			.upload_id = line->upload,
			.marker = line->marker,
			.latest = line->latest,
		};
		int rc;

		if (line->version.seq != 0)
			show_version(entry.version, line);
		rc = fn(arg, &entry);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
end_page(enum page_kind kind, const struct merged *m, struct list_end *end,
    struct error *err)
{
	const struct nodeline_key *last = m->count > 0 ?
	    &m->line[m->count - 1] :
	    NULL;
	char id[VERSIONID_TEXT + 1];

	_Static_assert(REQID_HEX <= VERSIONID_TEXT, "room for both");
	end->truncated = m->truncated && last != NULL;
	if (end->next != NULL)
		buf_clear(end->next);
	if (end->next_upload != NULL)
		buf_clear(end->next_upload);
	if (last == NULL)
		return 0;
	if (end->next != NULL) {
		buf_add(end->next, last->name, last->name_bytes);
		if (buf_failed(end->next))
			return error_set(err, ERRC_NOMEM,
			    "list: out of memory");
	}
	if (end->next_upload != NULL && last->kind == NODELINE_ITEM &&
	    kind == PAGE_VERSIONS) {
		/* Also of a "null" one: whoever goes on may find it gone. */
		versionid_format(id, &last->version);
		buf_addstr(end->next_upload, id);
	} else if (end->next_upload != NULL && last->kind == NODELINE_ITEM) {
		reqid_format(id, last->upload);
		buf_addstr(end->next_upload, id);
	}
	return 0;
}

static int
read_page(struct nodeclient *nc, enum page_kind kind,
    const struct list_query *q, struct merged *merged, uint64_t deadline,
    struct error *err)
{
	struct buf query = buf_make(QUERY_MAX);
	struct paging paging = { 0 };
	int rc;

	print_query(&query, kind, q);
	rc = paging_init(&paging, nc, kind, deadline, err);
	if (rc == 0 && buf_failed(&query))
		rc = error_set(err, ERRC_USAGE, "list: query too long");
	if (rc == 0)
		rc = fetch_pages(&paging, &query, err);
	if (rc == 0)
		rc = merge_pages(&paging, q, merged, err);
	if (rc == 0)
		rc = hold_page(&paging, err);
	paging_fini(&paging);
	buf_fini(&query);
	return rc;
}

static int
list_keys(struct nodeclient *nc, enum page_kind kind,
    const struct list_query *q, metaread_list_fn *fn, void *arg,
    struct list_end *end, uint64_t deadline, struct error *err)
{
	struct merged merged = { .room = q->max };
	int rc;

	assert(q->max >= 1 && q->max <= 1000);
	merged.line = calloc(merged.room, sizeof(*merged.line));
	if (merged.line == NULL)
		return error_set(err, ERRC_NOMEM, "list: out of memory");
	rc = read_page(nc, kind, q, &merged, deadline, err);
	if (rc == 0)
		rc = end_page(kind, &merged, end, err);
	if (rc == 0)
		rc = give_merged(&merged, fn, arg);
	free(merged.line);
	return rc;
}

int
metaread_list(struct nodeclient *nc, const struct list_query *q,
    metaread_list_fn *fn, void *arg, struct list_end *end, uint64_t deadline,
    struct error *err)
{
	return list_keys(nc, PAGE_LIST, q, fn, arg, end, deadline, err);
}

int
metaread_uploads(struct nodeclient *nc, const struct list_query *q,
    metaread_list_fn *fn, void *arg, struct list_end *end, uint64_t deadline,
    struct error *err)
{
	return list_keys(nc, PAGE_UPLOADS, q, fn, arg, end, deadline, err);
}

int
metaread_versions(struct nodeclient *nc, const struct list_query *q,
    metaread_list_fn *fn, void *arg, struct list_end *end, uint64_t deadline,
    struct error *err)
{
	return list_keys(nc, PAGE_VERSIONS, q, fn, arg, end, deadline, err);
}

static int
bucket_order(const void *a, const void *b)
{
	const struct nodeline_bucket *x = a;
	const struct nodeline_bucket *y = b;

	return strcmp(x->name, y->name);
}

/* A node tells the buckets by partition; people want them by name. */
static int
collect_buckets(struct paging *p, struct nodeline_bucket **all, size_t *count,
    struct error *err)
{
	size_t room = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct set_page *page = &p->page[i];

		for (;;) {
			int rc = next_line(p, page, err);

			if (rc < 0)
				return rc;
			if (!page->has_line)
				break;
			if (*count == room) {
				struct nodeline_bucket *more;

				room = KOOP_MAX(room * 2, 64);
				more = reallocarray(*all, room, sizeof(**all));
				if (more == NULL)
					return error_set(err, ERRC_NOMEM,
					    "buckets: out of memory");
				*all = more;
			}
			(*all)[(*count)++] = page->bucket;
		}
	}
	if (*count > 1)
		qsort(*all, *count, sizeof(**all), bucket_order);
	return 0;
}

static int
give_buckets(const struct nodeline_bucket *all, size_t count,
    metaread_bucket_fn *fn, void *arg)
{
	for (size_t i = 0; i < count; i++) {
		struct bucket_info info = {
			.incarnation = all[i].incarnation,
			.state = all[i].state,
			.created_ms = all[i].created_ms,
			.attempt = all[i].attempt,
			.sealed_at_ms = all[i].sealed_ms,
			.revision = all[i].revision,
			.ruling = all[i].ruling,
			.versioning = all[i].versioning,
		};
		int rc;

		memcpy(info.owner, all[i].owner, sizeof(info.owner));
		rc = fn(arg, bytes_str(all[i].name), &info);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
metaread_buckets(struct nodeclient *nc, metaread_bucket_fn *fn, void *arg,
    uint64_t deadline, struct error *err)
{
	struct buf query = buf_make(QUERY_MAX);
	struct nodeline_bucket *all = NULL;
	struct paging paging = { 0 };
	size_t count = 0;
	int rc;

	buf_printf(&query, "timeout=%d&at=", NODE_WAIT_MS);
	rc = paging_init(&paging, nc, PAGE_BUCKETS, deadline, err);
	if (rc == 0)
		rc = fetch_pages(&paging, &query, err);
	if (rc == 0)
		rc = collect_buckets(&paging, &all, &count, err);
	if (rc == 0)
		rc = hold_page(&paging, err);
	if (rc == 0)
		rc = give_buckets(all, count, fn, arg);
	free(all);
	paging_fini(&paging);
	buf_fini(&query);
	return rc;
}
