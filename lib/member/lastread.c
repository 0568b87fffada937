/* SPDX-License-Identifier: MIT */
#include "member/lastread.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

/*
 * A count-min sketch of times: each id has two cells, both of which are set
 * by a read; the lower one is the answer, since the other may have been
 * raised by a neighbour.
 */
struct lastread {
	uint64_t start_ms;
	_Atomic uint32_t
	    cell[LASTREAD_CELLS]; /* seconds, rounded up; 0: never */
};

int
lastread_new(struct lastread **out, uint64_t start_ms, struct error *err)
{
	struct lastread *touch = calloc(1, sizeof(*touch));

	assert(start_ms / 1000 < UINT32_MAX);
	if (touch == NULL)
		return error_set(err, ERRC_NOMEM, "reads: no memory");
	touch->start_ms = start_ms;
	*out = touch;
	return 0;
}

void
lastread_free(struct lastread *touch)
{
	free(touch);
}

/* The last eight bytes of an id are random but for two bits at the top. */
static void
cells_of(struct reqid id, uint32_t out[2])
{
	uint64_t h = load_le64(id.b + 8);

	out[0] = (uint32_t)(h >> 40) % LASTREAD_CELLS;
	out[1] = (uint32_t)(h >> 16) % LASTREAD_CELLS;
}

void
lastread_note(struct lastread *touch, struct reqid id, uint64_t now_ms)
{
	uint32_t now = (uint32_t)(now_ms / 1000 + 1);
	uint32_t at[2];

	assert(now_ms >= touch->start_ms);
	cells_of(id, at);
	atomic_store_explicit(&touch->cell[at[0]], now, memory_order_relaxed);
	atomic_store_explicit(&touch->cell[at[1]], now, memory_order_relaxed);
}

uint64_t
lastread_of(const struct lastread *touch, struct reqid id)
{
	uint32_t at[2];
	uint64_t a, b;

	cells_of(id, at);
	a = atomic_load_explicit(&touch->cell[at[0]], memory_order_relaxed);
	b = atomic_load_explicit(&touch->cell[at[1]], memory_order_relaxed);
	a = KOOP_MIN(a, b) * 1000;
	a = KOOP_MAX(a, touch->start_ms);
	/* Later than the truth is fine, earlier never. */
	assert(a >= touch->start_ms);
	return a;
}
