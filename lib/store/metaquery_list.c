/* SPDX-License-Identifier: MIT */
#include "store/metaquery.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/shardmeta_in.h"

/*
 * Keys of a bucket lie in order within each partition; a list merges the
 * partitions.  Every partition has a cursor, a statement that stands on its
 * lowest key not yet given.  The lowest of all is next.  When it becomes a
 * common prefix, all cursors that stand within it seek past its end, so that
 * a directory costs one step a partition, however much is in it.
 */

#define KEY_MAX 1024

static const char list_objects[] =
    "SELECT bucket, key, seq, incarnation, kind, id, size, modified_ms, etag,"
    " blob, headers, meta FROM object WHERE slot = ? AND bucket = ?"
    " AND key >= ? AND kind <> 4 ORDER BY key";
static const char list_uploads[] =
    "SELECT id, bucket, key, incarnation, owner, headers, meta, initiated_ms,"
    " seq, state, finished_ms, live, dying, outcome, list_hash FROM upload"
    " INDEXED BY upload_open WHERE slot = ?1 AND bucket = ?2 AND state = 1"
    " AND (key > ?3 OR (key = ?3 AND id > ?4)) ORDER BY key, id";

struct cursor {
	sqlite3_stmt *stmt;
	uint32_t partition;
	uint64_t slot;
	bool live; /* stands on a row */
	struct bytes key;
	struct reqid id; /* uploads */
};

struct listing {
	struct metaquery *read;
	const struct list_query *query;
	bool uploads;
	struct cursor *cursor;
	size_t count;
	struct buf from; /* where cursors seek to */
	struct reqid from_id;
	struct error *err;
};

static int
add_cursor(void *arg, const struct partition_row *row)
{
	struct listing *l = arg;
	struct cursor *grown = reallocarray(l->cursor, l->count + 1,
	    sizeof(*grown));

	assert(row->slot > 0);
	if (grown == NULL)
		return error_set(l->err, ERRC_NOMEM, "list: out of memory");
	l->cursor = grown;
	l->cursor[l->count++] = (struct cursor){
		.partition = row->partition,
		.slot = row->slot,
	};
	return 0;
}

/* Statements are kept with the connection: two lists, one after the other. */
static int
prepare(struct listing *l)
{
	struct metaquery *read = l->read;
	size_t need = 2 * l->count;
	int code;

	if (read->list_count < need) {
		sqlite3_stmt **grown = reallocarray(read->list, need,
		    sizeof(sqlite3_stmt *));

		if (grown == NULL)
			return error_set(l->err, ERRC_NOMEM,
			    "list: out of memory");
		memset(grown + read->list_count, 0,
		    (need - read->list_count) * sizeof(sqlite3_stmt *));
		read->list = grown;
		read->list_count = need;
	}
	for (size_t i = 0; i < l->count; i++) {
		sqlite3_stmt **stmt = &read->list[2 * i + l->uploads];

		if (*stmt == NULL) {
			code = sqlite3_prepare_v3(read->sql.db,
			    l->uploads ? list_uploads : list_objects, -1,
			    SQLITE_PREPARE_PERSISTENT, stmt, NULL);
			if (code != SQLITE_OK)
				return sql_error(&read->sql, code, l->err);
		}
		l->cursor[i].stmt = *stmt;
	}
	return 0;
}

static int
step(struct listing *l, struct cursor *c)
{
	int rc = sql_step(&l->read->sql, c->stmt, l->err);

	assert(c->stmt != NULL);
	c->live = rc > 0;
	if (rc <= 0)
		return rc;
	c->key = sql_get_blob(c->stmt, l->uploads ? 2 : 1);
	if (l->uploads && !sql_get_id(c->stmt, 0, &c->id))
		return sql_corrupt(l->err, "upload");
	/* Past the prefix there is nothing more. */
	if (!bytes_has_prefix(c->key, l->query->prefix)) {
		sqlite3_reset(c->stmt);
		c->live = false;
	}
	return 0;
}

static int
seek(struct listing *l, struct cursor *c)
{
	assert(c->stmt != NULL);
	assert(c->slot > 0);
	sqlite3_reset(c->stmt);
	sql_int(c->stmt, 1, c->slot);
	sql_blob(c->stmt, 2, l->query->bucket);
	sql_blob(c->stmt, 3, buf_bytes(&l->from));
	if (l->uploads)
		sql_id(c->stmt, 4, l->from_id);
	return step(l, c);
}

/* The text that comes next after everything that begins with prefix; false
 * when nothing can. */
static bool
after_prefix(struct buf *out, struct bytes prefix)
{
	while (prefix.n > 0 && prefix.p[prefix.n - 1] == 0xff)
		prefix.n--;
	if (prefix.n == 0)
		return false;
	buf_clear(out);
	buf_add(out, prefix.p, prefix.n);
	if (buf_failed(out))
		return false;
	out->p[out->n - 1]++;
	return true;
}

/* The common prefix that a key falls under; empty when none. */
static struct bytes
common_prefix(const struct list_query *q, struct bytes key)
{
	const uint8_t *at;

	if (q->delimiter.n == 0 || key.n == 0 || key.n < q->prefix.n)
		return BYTES_NONE;
	at = memmem(key.p + q->prefix.n, key.n - q->prefix.n, q->delimiter.p,
	    q->delimiter.n);
	if (at == NULL)
		return BYTES_NONE;
	return bytes_of(key.p, (size_t)(at - key.p) + q->delimiter.n);
}

/*
 * Where the page begins: at the prefix, or behind after.  A after that is
 * itself a common prefix (or lies within one that was given) is passed with
 * all that is under it.
 */
static bool
set_start(struct listing *l)
{
	const struct list_query *q = l->query;
	struct bytes under = BYTES_NONE;

	if (bytes_has_prefix(q->after, q->prefix))
		under = common_prefix(q, q->after);
	if (under.n > 0 && under.n == q->after.n)
		return after_prefix(&l->from, under);
	buf_clear(&l->from);
	if (q->after.n == 0 || bytes_compare(q->after, q->prefix) < 0) {
		buf_add(&l->from, q->prefix.p, q->prefix.n);
		return !buf_failed(&l->from);
	}
	buf_add(&l->from, q->after.p, q->after.n);
	/* The text next above it, unless uploads of that key may follow. */
	if (!l->uploads)
		buf_addch(&l->from, '\0');
	else if (reqid_is_zero(q->after_upload))
		memset(l->from_id.b, 0xff, sizeof(l->from_id.b));
	else
		l->from_id = q->after_upload;
	return !buf_failed(&l->from);
}

static struct cursor *
lowest(struct listing *l)
{
	struct cursor *best = NULL;

	for (size_t i = 0; i < l->count; i++) {
		struct cursor *c = &l->cursor[i];
		int order;

		if (!c->live)
			continue;
		order = best == NULL ? -1 : bytes_compare(c->key, best->key);
		if (order == 0 && l->uploads)
			order = memcmp(c->id.b, best->id.b, sizeof(c->id.b));
		if (order < 0)
			best = c;
	}
	return best;
}

/* Move all cursors that stand within the prefix past it. */
static int
skip(struct listing *l, struct bytes prefix)
{
	bool any = after_prefix(&l->from, prefix);
	int rc;

	memset(l->from_id.b, 0, sizeof(l->from_id.b));
	for (size_t i = 0; i < l->count; i++) {
		struct cursor *c = &l->cursor[i];

		if (!c->live || !bytes_has_prefix(c->key, prefix))
			continue;
		c->live = false;
		if (any && (rc = seek(l, c)) < 0)
			return rc;
	}
	return 0;
}

union list_fn {
	metaquery_list_fn *objects;
	metaquery_uploads_fn *uploads;
};

/* Give what the cursor stands on, unless it is of another incarnation: then
 * *given stays false. */
static int
give(struct listing *l, struct cursor *c, union list_fn fn, void *arg,
    bool *given)
{
	struct object_row object;
	struct upload_row upload;
	uint64_t want = l->query->incarnation;
	int rc;

	if (l->uploads) {
		rc = sql_row_upload(c->stmt, c->partition, &upload, l->err);
		if (rc < 0 || (want != 0 && upload.incarnation != want))
			return rc;
		*given = true;
		return fn.uploads(arg, &upload, BYTES_NONE);
	}
	rc = sql_row_object(c->stmt, c->partition, &object, l->err);
	if (rc < 0 || (want != 0 && object.incarnation != want))
		return rc;
	*given = true;
	return fn.objects(arg, &object, BYTES_NONE);
}

static int
give_prefix(struct listing *l, struct bytes prefix, union list_fn fn, void *arg)
{
	struct buf kept = buf_make(KEY_MAX + 1);
	int rc;

	/* The text is the cursor's, which is about to move. */
	buf_add(&kept, prefix.p, prefix.n);
	if (buf_failed(&kept))
		rc = error_set(l->err, ERRC_NOMEM, "list: out of memory");
	else
		rc = l->uploads ? fn.uploads(arg, NULL, buf_bytes(&kept)) :
				  fn.objects(arg, NULL, buf_bytes(&kept));
	if (rc == 0)
		rc = skip(l, buf_bytes(&kept));
	buf_fini(&kept);
	return rc;
}

static int
walk(struct listing *l, struct list_end *end, union list_fn fn, void *arg)
{
	struct cursor *c;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->count; i++)
		rc = seek(l, &l->cursor[i]);
	while (rc == 0 && (c = lowest(l)) != NULL) {
		struct bytes prefix = common_prefix(l->query, c->key);
		bool given = false;

		if (end->count == l->query->max) {
			end->truncated = true;
			return 0;
		}
		if (prefix.n > 0) {
			rc = give_prefix(l, prefix, fn, arg);
			given = true;
		} else {
			rc = give(l, c, fn, arg, &given);
			if (rc == 0)
				rc = step(l, c);
		}
		end->count += given;
	}
	return rc;
}

static int
list(struct listing *l, struct list_end *end, union list_fn fn, void *arg)
{
	int rc;

	*end = (struct list_end){ 0 };
	if (l->query->after.n > KEY_MAX || l->query->prefix.n > KEY_MAX ||
	    l->query->delimiter.n > KEY_MAX)
		return error_set(l->err, ERRC_USAGE, "list: text too long");
	if (l->query->max == 0)
		return 0;
	l->from = buf_make(KEY_MAX + 2);
	rc = metaquery_partitions(l->read, add_cursor, l, l->err);
	if (rc == 0)
		rc = prepare(l);
	if (rc == 0 && set_start(l))
		rc = walk(l, end, fn, arg);
	for (size_t i = 0; i < l->count; i++)
		sqlite3_reset(l->cursor[i].stmt);
	free(l->cursor);
	buf_fini(&l->from);
	return rc;
}

int
metaquery_list(struct metaquery *read, const struct list_query *query,
    struct list_end *end, metaquery_list_fn *fn, void *arg, struct error *err)
{
	struct listing l = { .read = read, .query = query, .err = err };

	return list(&l, end, (union list_fn){ .objects = fn }, arg);
}

int
metaquery_uploads(struct metaquery *read, const struct list_query *query,
    struct list_end *end, metaquery_uploads_fn *fn, void *arg,
    struct error *err)
{
	struct listing l = {
		.read = read,
		.query = query,
		.uploads = true,
		.err = err,
	};

	return list(&l, end, (union list_fn){ .uploads = fn }, arg);
}
