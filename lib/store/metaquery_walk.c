/* SPDX-License-Identifier: MIT */
#include "store/metaquery_walk.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "store/shardmeta_in.h"

static int
keep_object(struct metaquery_place *place, const struct object_row *row,
    struct error *err)
{
	if (row->bucket.n > sizeof(place->bucket) ||
	    row->key.n > sizeof(place->key))
		return sql_corrupt(err, "object");
	place->bucket_bytes = row->bucket.n;
	place->key_bytes = row->key.n;
	if (row->bucket.n > 0)
		memcpy(place->bucket, row->bucket.p, row->bucket.n);
	if (row->key.n > 0)
		memcpy(place->key, row->key.p, row->key.n);
	return 0;
}

struct page {
	struct metaquery_place *place;
	metaquery_snapshot_fn *fn;
	void *arg;
	uint32_t partition;
	size_t left;
};

static int
walk_object(struct page *page, sqlite3_stmt *stmt, struct error *err)
{
	bool newest = page->place->table == WALK_OBJECTS;
	struct object_row object;
	struct snapshot_row row = {
		.object = newest ? &object : NULL,
		.version = newest ? NULL : &object,
	};
	int rc = sql_row_object(stmt, page->partition, &object, err);

	assert(page->left > 0);
	if (rc == 0)
		rc = page->fn(page->arg, &row);
	if (rc != 0)
		return rc;
	page->place->seq = object.seq;
	return keep_object(page->place, &object, err);
}

static int
walk_part(struct page *page, sqlite3_stmt *stmt, struct error *err)
{
	struct part_row part;
	struct snapshot_row row = { .part = &part };
	int rc = sql_row_part(stmt, page->partition, &part, err);

	assert(page->left > 0);
	if (rc == 0)
		rc = page->fn(page->arg, &row);
	if (rc != 0)
		return rc;
	page->place->upload = part.upload;
	page->place->number = part.number;
	return 0;
}

static sqlite3_stmt *
walk_stmt(struct metaquery *read, const struct metaquery_place *place,
    uint64_t slot, struct error *err)
{
	static const enum sql_id walks[] = {
		[WALK_OBJECTS] = SQL_OBJECT_WALK,
		[WALK_VERSIONS] = SQL_VERSION_WALK,
		[WALK_PARTS] = SQL_PART_WALK,
	};
	sqlite3_stmt *stmt;

	assert(slot > 0);
	assert(place->table < WALK_OVER);
	stmt = sql_stmt(&read->sql, walks[place->table], err);
	if (stmt == NULL)
		return NULL;
	sql_int(stmt, 1, slot);
	if (place->table != WALK_PARTS) {
		sql_blob(stmt, 2, bytes_of(place->bucket, place->bucket_bytes));
		sql_blob(stmt, 3, bytes_of(place->key, place->key_bytes));
		if (place->table == WALK_VERSIONS)
			sql_int(stmt, 4, place->seq);
	} else {
		sql_id(stmt, 2, place->upload);
		sql_int(stmt, 3, place->number);
	}
	return stmt;
}

/* 1: the page is full, or fn ended it; 0: the table is over. */
static int
walk_table(struct metaquery *read, struct page *page, uint64_t slot,
    struct error *err)
{
	/* Bindings borrow: the place that moves on may not be theirs. */
	const struct metaquery_place from = *page->place;
	sqlite3_stmt *stmt = walk_stmt(read, &from, slot, err);
	int rc;

	if (stmt == NULL)
		return -ERRC_IO;
	while ((rc = sql_step(&read->sql, stmt, err)) > 0) {
		if (page->left == 0)
			break;
		rc = page->place->table == WALK_PARTS ?
		    walk_part(page, stmt, err) :
		    walk_object(page, stmt, err);
		if (rc != 0)
			break;
		page->left--;
	}
	sqlite3_reset(stmt);
	return rc;
}

int
metaquery_walk(struct metaquery *read, uint32_t partition,
    struct metaquery_place *place, size_t max, metaquery_snapshot_fn *fn,
    void *arg, struct error *err)
{
	struct page page = { place, fn, arg, partition, max };
	struct partition_row row;
	int rc = metaquery_partition(read, partition, &row, err);

	assert(max > 0);
	while (rc == 0 && place->table != WALK_OVER) {
		rc = walk_table(read, &page, row.slot, err);
		if (rc != 0)
			break;
		place->table++;
		place->bucket_bytes = place->key_bytes = 0;
	}
	return rc < 0 ? rc : 0;
}
