/* SPDX-License-Identifier: MIT */
#include "store/metaquery.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/metaquery_version.h"
#include "store/shardmeta_in.h"

/*
 * Keys of a bucket lie in order within each partition; a list merges the
 * partitions.  Every partition has a cursor, a statement that stands on its
 * lowest key not yet given.  The lowest of all is next.  When it becomes a
 * common prefix, all cursors that stand within it seek past its end, so that
 * a directory costs one step a partition, however much is in it.
 *
 * Of versions every partition has two cursors, for the newest ones and for the
 * older ones.  All versions of a key are of one partition, so among them the
 * seq alone gives the order.
 */

#define KEY_MAX 1024

#define COLUMNS_A "SELECT bucket, key, seq, incarnation, kind, id, size,"
#define COLUMNS_B " modified_ms, etag, blob, headers, meta, changed, is_null"

#define UPLOADS_A "SELECT id, bucket, key, incarnation, owner, headers,"
#define UPLOADS_B                                                    \
	" meta, initiated_ms, seq, state, finished_ms, live, dying," \
	" outcome, list_hash"

enum { OF_OBJECTS, OF_UPLOADS, OF_NEWEST, OF_OLDER, CURSORS };

static const char *const list_sql[CURSORS] = {
	/* Neither tombstones nor delete markers. */
	[OF_OBJECTS] = COLUMNS_A COLUMNS_B
	" FROM object WHERE slot = ? AND bucket = ?"
	" AND key >= ? AND kind < 4 ORDER BY key",
	[OF_NEWEST] = COLUMNS_A COLUMNS_B
	" FROM object WHERE slot = ?1 AND bucket = ?2 AND key >= ?3"
	" AND (key > ?3 OR seq < ?4) AND kind <> 4 ORDER BY key",
	[OF_OLDER] = COLUMNS_A COLUMNS_B
	" FROM version WHERE slot = ?1 AND bucket = ?2 AND key >= ?3"
	" AND (key > ?3 OR seq < ?4) ORDER BY key, seq DESC",
	[OF_UPLOADS] = UPLOADS_A UPLOADS_B
	" FROM upload INDEXED BY upload_open WHERE slot = ?1"
	" AND bucket = ?2 AND state = 1"
	" AND (key > ?3 OR (key = ?3 AND id > ?4)) ORDER BY key, id",
};

struct cursor {
	sqlite3_stmt *stmt;
	uint32_t partition;
	uint64_t slot;
	int of;    /* which of list_sql */
	bool live; /* stands on a row */
	struct bytes key;
	struct reqid id; /* uploads */
	uint64_t seq;    /* versions */
};

struct listing {
	struct metaquery *read;
	const struct list_query *query;
	int of; /* OF_NEWEST: and OF_OLDER */
	struct cursor *cursor;
	size_t count;
	struct buf from; /* where cursors seek to */
	struct reqid from_id;
	uint64_t from_seq;  /* versions of the key from: below it */
	uint64_t after_seq; /* versions of the key after: below it */
	struct error *err;
};

static int
add_cursor(void *arg, const struct partition_row *row)
{
	struct listing *l = arg;
	int last = l->of == OF_NEWEST ? OF_OLDER : l->of;
	const struct list_query *q = l->query;
	struct cursor *grown;

	assert(row->slot > 0);
	if (q->wants != NULL && !q->wants(q->wants_arg, row->partition))
		return 0;
	grown = reallocarray(l->cursor, l->count + 2, sizeof(*grown));
	if (grown == NULL)
		return error_set(l->err, ERRC_NOMEM, "list: out of memory");
	l->cursor = grown;
	for (int of = l->of; of <= last; of++)
		l->cursor[l->count++] = (struct cursor){
			.partition = row->partition,
			.slot = row->slot,
			.of = of,
		};
	return 0;
}

/* Statements are kept with the connection, of each kind one a partition. */
static int
prepare(struct listing *l)
{
	struct metaquery *read = l->read;
	size_t need = CURSORS * l->count;
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
		sqlite3_stmt *
		    *stmt = &read->list[CURSORS * i + (size_t)l->cursor[i].of];

		if (*stmt == NULL) {
			code = sqlite3_prepare_v3(read->sql.db,
			    list_sql[l->cursor[i].of], -1,
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
	c->key = sql_get_blob(c->stmt, c->of == OF_UPLOADS ? 2 : 1);
	if (c->of == OF_UPLOADS && !sql_get_id(c->stmt, 0, &c->id))
		return sql_corrupt(l->err, "upload");
	if (l->of == OF_NEWEST)
		c->seq = sql_get_int(c->stmt, 2);
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
	if (l->of == OF_UPLOADS)
		sql_id(c->stmt, 4, l->from_id);
	else if (l->of == OF_NEWEST)
		sql_int(c->stmt, 4, l->from_seq);
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
	l->from_seq = INT64_MAX;
	if (q->after.n == 0 || bytes_compare(q->after, q->prefix) < 0) {
		buf_add(&l->from, q->prefix.p, q->prefix.n);
		return !buf_failed(&l->from);
	}
	buf_add(&l->from, q->after.p, q->after.n);
	/* The text next above it, unless uploads of that key may follow. */
	if (l->of == OF_OBJECTS)
		buf_addch(&l->from, '\0');
	else if (l->of == OF_NEWEST)
		l->from_seq = l->after_seq; /* 0: none is below */
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
		if (order == 0 && l->of == OF_UPLOADS)
			order = memcmp(c->id.b, best->id.b, sizeof(c->id.b));
		if (order == 0 && l->of == OF_NEWEST)
			order = c->seq > best->seq ? -1 : 1;
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
	l->from_seq = INT64_MAX;
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
	metaquery_versions_fn *versions;
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

	if (l->of == OF_UPLOADS) {
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
	assert(l->of == OF_NEWEST || object.kind <= OBJECT_MULTIPART);
	if (l->of == OF_NEWEST)
		return fn.versions(arg, &object, c->of == OF_NEWEST,
		    BYTES_NONE);
	return fn.objects(arg, &object, BYTES_NONE);
}

static int
call_prefix(struct listing *l, struct bytes prefix, union list_fn fn, void *arg)
{
	if (l->of == OF_UPLOADS)
		return fn.uploads(arg, NULL, prefix);
	if (l->of == OF_NEWEST)
		return fn.versions(arg, NULL, false, prefix);
	return fn.objects(arg, NULL, prefix);
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
		rc = call_prefix(l, buf_bytes(&kept), fn, arg);
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

/* A name is no place in the order of seqs; the version that has it now is. */
static int
find_null(struct listing *l)
{
	const struct list_query *q = l->query;
	struct object_row row;
	int rc = -ERRC_NOTFOUND;

	assert(l->of == OF_NEWEST && q->after_null);
	for (size_t i = 0; i < l->count && rc == -ERRC_NOTFOUND; i += 2)
		rc = metaquery_version_null(l->read, l->cursor[i].partition,
		    q->bucket, q->after, &row, l->err);
	l->after_seq = rc == 0 ? row.seq : INT64_MAX;
	return rc == -ERRC_NOTFOUND ? 0 : rc;
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
	l->after_seq = l->query->after_seq;
	if (rc == 0 && l->query->after_null)
		rc = find_null(l);
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
		.of = OF_UPLOADS,
		.err = err,
	};

	return list(&l, end, (union list_fn){ .uploads = fn }, arg);
}

int
metaquery_versions(struct metaquery *read, const struct list_query *query,
    struct list_end *end, metaquery_versions_fn *fn, void *arg,
    struct error *err)
{
	struct listing l = {
		.read = read,
		.query = query,
		.of = OF_NEWEST,
		.err = err,
	};

	return list(&l, end, (union list_fn){ .versions = fn }, arg);
}
