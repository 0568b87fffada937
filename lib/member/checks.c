/* SPDX-License-Identifier: MIT */
#include "member/checks.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"

struct checks {
	pthread_mutex_t lock; /* guards what follows */
	struct reqid id[CHECKS_MAX];
	size_t count;
};

int
checks_new(struct checks **out, struct error *err)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	if (checks == NULL)
		return error_set(err, ERRC_NOMEM, "checks: no memory");
	pthread_mutex_init(&checks->lock, NULL);
	*out = checks;
	return 0;
}

void
checks_free(struct checks *checks)
{
	if (checks == NULL)
		return;
	assert(checks->count == 0);
	pthread_mutex_destroy(&checks->lock);
	free(checks);
}

/* Where it stands, or count. */
static size_t
find(const struct checks *checks, struct reqid id)
{
	size_t at = 0;

	while (at < checks->count && !reqid_equal(checks->id[at], id))
		at++;
	return at;
}

enum checks_turn
checks_enter(struct checks *checks, struct reqid id)
{
	enum checks_turn turn = CHECKS_MINE;

	pthread_mutex_lock(&checks->lock);
	assert(checks->count <= CHECKS_MAX);
	if (find(checks, id) < checks->count)
		turn = CHECKS_ANOTHER;
	else if (checks->count == CHECKS_MAX)
		turn = CHECKS_FULL;
	else
		checks->id[checks->count++] = id;
	pthread_mutex_unlock(&checks->lock);
	return turn;
}

void
checks_leave(struct checks *checks, struct reqid id)
{
	size_t at;

	pthread_mutex_lock(&checks->lock);
	at = find(checks, id);
	assert(at < checks->count);
	checks->id[at] = checks->id[--checks->count];
	pthread_mutex_unlock(&checks->lock);
}
