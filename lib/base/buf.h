/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_BUF_H
#define KOOP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * A growing byte buffer with a mandatory maximum.  The first failure (out of
 * memory, or past the maximum) sticks: later appends do nothing, and
 * buf_failed() says so once at the end.  The contents are always NUL-ended
 * one byte past n, so buf_cstr() is safe when they are text.
 */

struct buf {
	char *p;
	size_t n;
	size_t room;
	size_t max;
	bool failed;
};

/* An empty buffer that will never hold more than max bytes; no allocation. */
struct buf buf_make(size_t max);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps memory, forgets the failure */
bool buf_failed(const struct buf *b);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_addstr(struct buf *b, const char *s);
void buf_addch(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) KOOP_PRINTF(2, 3);
/* Make room for n more bytes and return where they go; NULL on failure.  The
 * caller then adds to b->n what it wrote. */
KOOP_MUST char *buf_reserve(struct buf *b, size_t n);
/* Drop the first n bytes. */
void buf_consume(struct buf *b, size_t n);
const char *buf_cstr(const struct buf *b); /* "" when empty */
struct bytes buf_bytes(const struct buf *b);
/* The memory moves to the caller (free()); the buffer is empty after. */
KOOP_MUST char *buf_take(struct buf *b, size_t *n);

#endif
