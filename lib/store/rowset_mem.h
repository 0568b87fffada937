/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_ROWSET_MEM_H
#define KOOP_STORE_ROWSET_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/rowset.h"

/*
 * The memory twin of the rows: plain arrays, searched one by one, for tests
 * and the simulator.  It has no transactions; copy it to come back to a
 * state.  One thread at a time.
 */

struct error;
struct rowset_mem;

KOOP_MUST int rowset_mem_new(struct rowset_mem **out, struct error *err);
void rowset_mem_free(struct rowset_mem *mem);
KOOP_MUST int rowset_mem_copy(struct rowset_mem **out,
    const struct rowset_mem *from, struct error *err);
struct rowset *rowset_mem_rows(struct rowset_mem *mem);

/* A partition that has applied base_seq - 1, and the hash of that. */
KOOP_MUST int rowset_mem_add_partition(struct rowset_mem *mem,
    const struct partition_row *row, struct error *err);
/* Until it is taken back, rows are put unchecked: for tests that take away one
 * of apply's rules and see what breaks. */
void rowset_mem_spoil(struct rowset_mem *mem, bool on);
/* The digest, computed from the rows anew. */
KOOP_MUST int rowset_mem_digest(uint8_t out[static 32], struct rowset_mem *mem,
    uint32_t partition, struct error *err);
/* Forget tombstones, as a collector may at any time; how many there were. */
size_t rowset_mem_drop_tombstones(struct rowset_mem *mem);

#endif
