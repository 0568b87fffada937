/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_MEMROW_H
#define KOOP_STORE_MEMROW_H

#include <stdint.h>

#include "base/compiler.h"
#include "store/rows.h"

/*
 * A row of any kind, with memory of its own: what store/rowset_mem.c keeps.
 * For that file only.
 */

struct buf;
struct error;

/* A version is kept as an object, told apart by its kind. */
enum kind { BUCKET, OBJECT, VERSION, UPLOAD, PART, DECIDED, KINDS };

struct row {
	enum kind kind;
	union {
		struct bucket_row bucket;
		struct object_row object;
		struct upload_row upload;
		struct part_row part;
		struct decided_row decided;
	} u;
	char *strings;
};

void memrow_free(struct row *row); /* NULL is fine */
/* NULL: out of memory. */
struct row *memrow_copy(const struct row *from, struct error *err);
uint32_t memrow_partition(const struct row *row);
/* Order of two rows of one kind: by partition, then by key. */
int memrow_compare(const struct row *a, const struct row *b);
KOOP_MUST int memrow_hash(uint8_t out[static 32], const struct row *row,
    struct buf *scratch, struct error *err);

#endif
