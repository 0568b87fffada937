/* SPDX-License-Identifier: MIT */
#include "node/listener.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "commit/positions.h"
#include "http/httpc.h"
#include "http/httpc_request.h"
#include "member/nodecore.h"
#include "wire/nodecall.h"
#include "wire/nodeline.h"

#define ROUND_MS 1000
#define ANSWER_MS 500
#define ANSWER_MAX (1u << 20)

struct listener {
	struct nodecore *core;
	pthread_t thread;
};

/* False: it does not make sense. */
static bool
take_lines(struct nodecore *core, struct positions_member member,
    struct bytes body)
{
	while (body.n > 0) {
		const uint8_t *lf = memchr(body.p, '\n', body.n);
		struct nodeline_ack ack;
		size_t n;

		if (lf == NULL)
			return false;
		n = (size_t)(lf - body.p);
		if (nodeline_ack_parse(&ack, bytes_of(body.p, n), NULL) < 0)
			return false;
		if (ack.kind == NODELINE_POSITION)
			positions_told(core->positions, member, ack.partition,
			    ack.seq);
		body = bytes_of(body.p + n + 1, body.n - n - 1);
	}
	return true;
}

static void
ask_peer(struct nodecore *core, uint32_t index)
{
	struct peer peer = peers_machine(&core->set, index);
	struct positions_member member = { core->set.number, index };
	struct nodecall_request request = {
		.method = "GET",
		.target = "/applied",
	};
	struct httpc_response response = { 0 };
	int rc;

	assert(index < core->set.n && index != core->index);
	rc = nodecall_exchange(core->peers, &peer, &request, &response,
	    ANSWER_MAX, clock_mono_ms(&clock_system) + ANSWER_MS, NULL);
	/* One that does not answer may come back from an older disk: what it
	 * said counts for no garbage any more. */
	if (rc < 0 || response.status != 200 ||
	    !take_lines(core, member,
		bytes_of(response.body.p, response.body.n)))
		positions_forget(core->positions, member);
	httpc_response_fini(&response);
}

void
listener_round(struct nodecore *core)
{
	for (uint32_t i = 0; i < core->set.n; i++) {
		if (i != core->index && !atomic_load(&core->stopping))
			ask_peer(core, i);
	}
}

static void *
listener_main(void *arg)
{
	struct listener *listener = arg;

	pthread_setname_np(pthread_self(), "listener");
	while (!nodecore_sleep(listener->core, ROUND_MS))
		listener_round(listener->core);
	return NULL;
}

int
listener_start(struct listener **out, struct nodecore *core, struct error *err)
{
	struct listener *listener;

	*out = NULL;
	if (positions_shared(core->positions))
		return 0;
	listener = calloc(1, sizeof(*listener));
	if (listener == NULL)
		return error_set(err, ERRC_NOMEM, "listener: no memory");
	listener->core = core;
	if (pthread_create(&listener->thread, NULL, listener_main, listener) !=
	    0) {
		free(listener);
		return error_set(err, ERRC_NOMEM, "listener: no thread");
	}
	*out = listener;
	return 0;
}

void
listener_stop(struct listener *listener)
{
	if (listener == NULL)
		return;
	/* core->stopping is set, and its sleep is over. */
	pthread_join(listener->thread, NULL);
	free(listener);
}
