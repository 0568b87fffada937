/* SPDX-License-Identifier: MIT */
#include "commit/positiontable.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"

struct row {
	struct positions_member member;
	uint64_t *applied; /* of each partition */
};

struct positiontable {
	size_t count;         /* of partitions */
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t rung;
	uint32_t bell;
	struct row *rows;
	size_t row_count;
};

int
positiontable_new(struct positiontable **out, size_t count, struct error *err)
{
	struct positiontable *table = calloc(1, sizeof(*table));

	assert(count > 0);
	if (table == NULL)
		return error_set(err, ERRC_NOMEM, "positions: out of memory");
	table->count = count;
	pthread_mutex_init(&table->lock, NULL);
	wait_mono_init(&table->rung);
	*out = table;
	return 0;
}

void
positiontable_free(struct positiontable *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->row_count; i++)
		free(table->rows[i].applied);
	free(table->rows);
	pthread_cond_destroy(&table->rung);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

static struct row *
positiontable_find_locked(struct positiontable *table,
    struct positions_member member)
{
	for (size_t i = 0; i < table->row_count; i++) {
		struct row *row = &table->rows[i];

		if (row->member.set == member.set &&
		    row->member.machine == member.machine)
			return row;
	}
	return NULL;
}

/* NULL: no memory. */
static struct row *
add_locked(struct positiontable *table, struct positions_member member)
{
	struct row *rows = reallocarray(table->rows, table->row_count + 1,
	    sizeof(*rows));
	struct row *row;

	if (rows == NULL)
		return NULL;
	table->rows = rows;
	assert(positiontable_find_locked(table, member) == NULL);
	row = &rows[table->row_count];
	row->member = member;
	row->applied = calloc(table->count, sizeof(*row->applied));
	if (row->applied == NULL)
		return NULL;
	table->row_count++;
	return row;
}

static void
ring_locked(struct positiontable *table)
{
	table->bell++;
	pthread_cond_broadcast(&table->rung);
}

void
positiontable_set(struct positiontable *table, struct positions_member member,
    size_t index, uint64_t applied)
{
	struct row *row;

	assert(index < table->count);
	pthread_mutex_lock(&table->lock);
	row = positiontable_find_locked(table, member);
	if (row == NULL)
		row = add_locked(table, member);
	if (row != NULL && row->applied[index] != applied) {
		row->applied[index] = applied;
		ring_locked(table);
	}
	pthread_mutex_unlock(&table->lock);
}

void
positiontable_forget(struct positiontable *table,
    struct positions_member member)
{
	struct row *row;

	pthread_mutex_lock(&table->lock);
	row = positiontable_find_locked(table, member);
	if (row != NULL)
		memset(row->applied, 0, table->count * sizeof(*row->applied));
	pthread_mutex_unlock(&table->lock);
}

uint64_t
positiontable_get(struct positiontable *table, struct positions_member member,
    size_t index)
{
	const struct row *row;
	uint64_t applied;

	assert(index < table->count);
	pthread_mutex_lock(&table->lock);
	row = positiontable_find_locked(table, member);
	applied = row == NULL ? 0 : row->applied[index];
	pthread_mutex_unlock(&table->lock);
	return applied;
}

uint32_t
positiontable_bell(struct positiontable *table)
{
	uint32_t bell;

	pthread_mutex_lock(&table->lock);
	bell = table->bell;
	pthread_mutex_unlock(&table->lock);
	return bell;
}

void
positiontable_wait(struct positiontable *table, uint32_t seen, int timeout_ms)
{
	uint64_t until;

	assert(timeout_ms >= 0);
	until = clock_mono_ms(&clock_system) + (uint64_t)timeout_ms;
	pthread_mutex_lock(&table->lock);
	while (table->bell == seen &&
	    wait_mono_until(&table->rung, &table->lock, until))
		;
	pthread_mutex_unlock(&table->lock);
}
