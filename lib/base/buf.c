/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

struct buf
buf_make(size_t max)
{
	/* One byte more than max is ever asked for: the NUL. */
	assert(max < SIZE_MAX / 4);
	return (struct buf){ .max = max };
}

/* The NUL has its byte, and there is never more room than max asks for. */
static void
buf_check(const struct buf *b)
{
	assert(b->n <= b->max && b->room <= b->max + 1);
	assert(b->p != NULL ? b->n < b->room : b->n + b->room == 0);
}

void
buf_fini(struct buf *b)
{
	buf_check(b);
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t room;
	char *p;

	if (b->failed)
		return NULL;
	buf_check(b);
	if (n > b->max - b->n) {
		b->failed = true;
		return NULL;
	}
	if (b->p != NULL && b->n + n < b->room)
		return b->p + b->n;
	room = KOOP_MAX(b->room * 2, (size_t)FIRST_ROOM);
	room = KOOP_MIN(room, b->max + 1);
	room = KOOP_MAX(room, b->n + n + 1);
	p = realloc(b->p, room);
	if (p == NULL) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->room = room;
	assert(b->n + n < b->room);
	b->p[b->n] = '\0';
	return b->p + b->n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0)
		return;
	to = buf_reserve(b, n);
	if (to == NULL)
		return;
	memcpy(to, p, n);
	b->n += n;
	assert(b->n < b->room);
	b->p[b->n] = '\0';
}

void
buf_addstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addch(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_list again;
	char *to;
	int n;

	if (b->failed)
		return;
	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (to == NULL) {
		b->failed = true;
	} else {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
		assert(b->n < b->room && b->p[b->n] == '\0');
	}
	va_end(again);
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n);
	b->p[b->n] = '\0';
}

const char *
buf_cstr(const struct buf *b)
{
	buf_check(b);
	if (b->p == NULL)
		return "";
	b->p[b->n] = '\0';
	return b->p;
}

struct bytes
buf_bytes(const struct buf *b)
{
	buf_check(b);
	return bytes_of(b->p, b->n);
}

char *
buf_take(struct buf *b, size_t *n)
{
	char *p;

	if (b->failed || (b->p == NULL && buf_reserve(b, 0) == NULL))
		return NULL;
	assert(b->n < b->room);
	b->p[b->n] = '\0';
	p = b->p;
	if (n != NULL)
		*n = b->n;
	*b = (struct buf){ .max = b->max };
	return p;
}
