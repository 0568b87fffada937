/* SPDX-License-Identifier: MIT */
#include "store/memrow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/rowhash.h"

void
memrow_free(struct row *row)
{
	if (row == NULL)
		return;
	free(row->strings);
	free(row);
}

/* The strings of a row, in the order of its struct. */
static unsigned
row_strings(struct row *row, struct bytes *out[5])
{
	unsigned n = 0;

	if (row->kind == BUCKET) {
		out[n++] = &row->u.bucket.name;
		out[n++] = &row->u.bucket.owner;
		out[n++] = &row->u.bucket.settings;
	} else if (row->kind == OBJECT || row->kind == VERSION) {
		out[n++] = &row->u.object.bucket;
		out[n++] = &row->u.object.key;
		out[n++] = &row->u.object.headers;
		out[n++] = &row->u.object.meta;
	} else if (row->kind == UPLOAD) {
		out[n++] = &row->u.upload.bucket;
		out[n++] = &row->u.upload.key;
		out[n++] = &row->u.upload.owner;
		out[n++] = &row->u.upload.headers;
		out[n++] = &row->u.upload.meta;
	}
	return n;
}

struct row *
memrow_copy(const struct row *from, struct error *err)
{
	struct row *row = malloc(sizeof(*row));
	struct bytes *string[5];
	size_t total = 1;
	size_t at = 0;
	unsigned n;

	if (row == NULL) {
		error_set(err, ERRC_NOMEM, "rows: out of memory");
		return NULL;
	}
	*row = *from;
	n = row_strings(row, string);
	for (unsigned i = 0; i < n; i++)
		total += string[i]->n;
	row->strings = malloc(total);
	if (row->strings == NULL) {
		free(row);
		error_set(err, ERRC_NOMEM, "rows: out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < n; i++) {
		if (string[i]->n > 0)
			memcpy(row->strings + at, string[i]->p, string[i]->n);
		string[i]->p = (const uint8_t *)row->strings + at;
		at += string[i]->n;
	}
	return row;
}

uint32_t
memrow_partition(const struct row *row)
{
	switch (row->kind) {
	case BUCKET:
		return row->u.bucket.partition;
	case OBJECT:
	case VERSION:
		return row->u.object.partition;
	case UPLOAD:
		return row->u.upload.partition;
	case PART:
		return row->u.part.partition;
	case DECIDED:
	case KINDS:
		break;
	}
	return row->u.decided.partition;
}

static int
id_compare(struct reqid a, struct reqid b)
{
	return memcmp(a.b, b.b, sizeof(a.b));
}

static int
number_compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Order of two rows of one kind: by partition, then by key. */
int
memrow_compare(const struct row *a, const struct row *b)
{
	int c = number_compare(memrow_partition(a), memrow_partition(b));

	assert(a->kind == b->kind);
	if (c != 0)
		return c;
	switch (a->kind) {
	case BUCKET:
		return bytes_compare(a->u.bucket.name, b->u.bucket.name);
	case OBJECT:
		c = bytes_compare(a->u.object.bucket, b->u.object.bucket);
		return c != 0 ? c :
				bytes_compare(a->u.object.key, b->u.object.key);
	case VERSION:
		c = bytes_compare(a->u.object.bucket, b->u.object.bucket);
		if (c == 0)
			c = bytes_compare(a->u.object.key, b->u.object.key);
		/* Newest first. */
		return c != 0 ?
		    c :
		    number_compare(b->u.object.seq, a->u.object.seq);
	case UPLOAD:
		return id_compare(a->u.upload.id, b->u.upload.id);
	case PART:
		c = id_compare(a->u.part.upload, b->u.part.upload);
		return c != 0 ?
		    c :
		    number_compare(a->u.part.number, b->u.part.number);
	case DECIDED:
	case KINDS:
		break;
	}
	return id_compare(a->u.decided.id, b->u.decided.id);
}

int
memrow_hash(uint8_t out[static 32], const struct row *row, struct buf *scratch,
    struct error *err)
{
	switch (row->kind) {
	case BUCKET:
		return rowhash_bucket(out, &row->u.bucket, scratch, err);
	case OBJECT:
		return rowhash_object(out, &row->u.object, scratch, err);
	case VERSION:
		return rowhash_version(out, &row->u.object, scratch, err);
	case UPLOAD:
		return rowhash_upload(out, &row->u.upload, scratch, err);
	case PART:
		return rowhash_part(out, &row->u.part, scratch, err);
	case DECIDED:
	case KINDS:
		break;
	}
	return rowhash_decided(out, &row->u.decided, scratch, err);
}
