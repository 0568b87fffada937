/* SPDX-License-Identifier: MIT */
#include "client/nodenotice.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/finisher.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "http/httpc_request.h"
#include "wire/nodecall.h"

#define NOTICE_MS 1000
#define ANSWER_MAX 4096

struct notice {
	struct nodeclient *nc;
	struct peer peer;
	const char *method;
	char target[128];
};

static void
run_notice(void *arg)
{
	struct notice *notice = arg;
	struct nodecall_request request = {
		.method = notice->method,
		.target = notice->target,
	};
	struct httpc_response response = { 0 };
	uint64_t deadline = nodeclient_now(notice->nc) + NOTICE_MS;

	if (nodecall_exchange(nodeclient_peers(notice->nc), &notice->peer,
		&request, &response, ANSWER_MAX, deadline, NULL) == 0)
		httpc_response_fini(&response);
	free(notice);
}

static struct notice *
make_notice(struct nodeclient *nc, const struct placement *place,
    uint32_t machine, const char *method)
{
	struct notice *notice = calloc(1, sizeof(*notice));

	if (notice == NULL)
		return NULL;
	assert(machine < place->set->n);
	notice->nc = nc;
	notice->method = method;
	notice->peer = nodeclient_peer(place, machine);
	return notice;
}

static void
give_notice(struct nodeclient *nc, struct notice *notice)
{
	static const struct finisher_job fns = {
		.run = run_notice,
		.drop = free,
	};

	if (!finisher_run(nodeclient_finisher(nc), &fns, notice))
		free(notice);
}

void
nodenotice_repair(struct nodeclient *nc, const struct placement *place,
    struct reqid id, uint32_t shard)
{
	struct notice *notice = make_notice(nc, place,
	    placement_machine(place, shard), "POST");
	char hex[REQID_HEX + 1];

	if (notice == NULL)
		return;
	assert(shard < place->set->n);
	reqid_format(hex, id);
	snprintf(notice->target, sizeof(notice->target),
	    "/repair/%u?requestId=%s&shard=%u", place->partition, hex, shard);
	give_notice(nc, notice);
}

void
nodenotice_lease(struct nodeclient *nc, const struct placement *place,
    struct reqid id)
{
	char hex[REQID_HEX + 1];

	reqid_format(hex, id);
	for (uint32_t i = 0; i < place->set->n; i++) {
		struct notice *notice = make_notice(nc, place, i, "PUT");

		if (notice == NULL)
			return;
		snprintf(notice->target, sizeof(notice->target),
		    "/lease/%u?requestId=%s", place->partition, hex);
		give_notice(nc, notice);
	}
}
