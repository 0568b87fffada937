/* SPDX-License-Identifier: MIT */

/* Waiting for shards that are being sent, and no longer waiting for them. */

#include <assert.h>

#include "base/error.h"
#include "client/finisher.h"
#include "client/nodeclient.h"
#include "client/shardsend.h"

#define FLUSH_MS 100
/* A poll that waits for answers looks up so often. */
#define SLICE_MS 100

static_assert(STRIPE_SHARDS_MAX <= FINISHER_CALLS_MAX, "one blob's calls fit");

int
shardsend_flush(struct shardsend *s, int client_fd, struct error *err)
{
	struct nodeclient *nc = shardsend_client(s);
	uint64_t until = nodeclient_now(nc) + FLUSH_MS;
	int rc = 0;

	while (rc == 0 && !shardsend_idle(s) && nodeclient_now(nc) < until)
		rc = shardsend_poll(s, client_fd, until, err);
	return rc;
}

int
shardsend_wait(struct shardsend *s, uint64_t others_ms, bool all, int client_fd,
    struct error *err)
{
	struct nodeclient *nc = shardsend_client(s);
	uint64_t others = UINT64_MAX; /* until when; MAX: not enough yet */

	for (;;) {
		uint64_t now = nodeclient_now(nc);
		uint32_t durable = shardsend_durable(s);
		uint32_t wanted = all ? shardsend_live(s) :
					shardsend_healthy(s);
		int rc;

		assert((durable & ~shardsend_live(s)) == 0);
		/* protocol.md 6.2: with w durable, 20 ms for healthy others:
		 * losing n - m machines at once is then usually survived. */
		if ((uint32_t)__builtin_popcount(durable) >=
		    shardsend_quorum(s)) {
			if (others == UINT64_MAX)
				others = now + others_ms;
			if ((wanted & ~durable) == 0 || now >= others)
				return 0;
		}
		rc = shardsend_poll(s, client_fd,
		    KOOP_MIN(others, now + SLICE_MS), err);
		/* What is durable stays so, whatever fails afterwards. */
		if (rc < 0)
			return others == UINT64_MAX ? rc : 0;
	}
}

static size_t
leave_calls(void *arg, struct httpc_call *out[])
{
	return shardsend_calls(arg, out);
}

static void
leave_moved(void *arg)
{
	shardsend_moved(arg);
}

static bool
leave_done(const void *arg)
{
	return shardsend_done(arg);
}

static void
leave_free(void *arg)
{
	shardsend_free(arg);
}

void
shardsend_leave(struct shardsend *s)
{
	static const struct finisher_send fns = {
		.calls = leave_calls,
		.moved = leave_moved,
		.done = leave_done,
		.free = leave_free,
	};

	finisher_send(nodeclient_finisher(shardsend_client(s)), &fns, s);
}
