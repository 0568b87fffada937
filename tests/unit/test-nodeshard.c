/* SPDX-License-Identifier: MIT */

/*
 * Shards over the API of a node: what an abort that comes while one is sent
 * leaves, and what a reader keeps.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/httpc.h"
#include "http/httpc_request.h"
#include "node/nodeserver.h"
#include "nodeworld.h"
#include "store/shardfile.h"
#include "tap.h"
#include "upkeep/gc.h"
#include "wire/nodeproto.h"

#define P 1
#define SIZE 60000
#define GRACE_MS (3600ull * 1000)

static struct nodeworld w;
static struct nodeserver *server;
static struct shardtest blob;
static unsigned hooked;

static void
begin(bool synced)
{
	struct nodeserver_options options = { .ip = "127.0.0.1" };

	if (synced)
		nodeworld_open_synced(&w);
	else
		nodeworld_open(&w);
	nodeworld_blob(&blob, SIZE, 1);
	hooked = 0;
	if (nodeserver_start(&server, &w.core, NULL, &options, NULL) != 0)
		abort();
}

static void
end(void)
{
	w.on_read = w.on_sync = NULL;
	nodeserver_stop(server);
	shardtest_free(&blob);
	nodeworld_close(&w);
}

/* A request about the blob; the status. */
static int
ask(const char *method, struct bytes body)
{
	struct httpc_addr addr = {
		.ip = "127.0.0.1",
		.port = nodeserver_port(server),
	};
	struct httpc_header header = { NODEPROTO_TO, w.core.to };
	struct httpc_response response = { 0 };
	struct error err = { 0 };
	char target[200];
	char id[REQID_HEX + 1];
	int status;

	reqid_format(id, blob.id);
	(void)snprintf(target, sizeof(target),
	    "/store/%d/b/k?requestId=%s&shard=%u", P, id, nodeworld_shard(P));
	if (httpc_request(w.core.pool, &addr, method, target, &header, 1, body,
		&response, 1u << 20, clock_mono_ms(&clock_system) + 20000,
		&err) != 0) {
		printf("# %s\n", err.text);
		return -1;
	}
	status = response.status;
	httpc_response_fini(&response);
	return status;
}

static int
put(void)
{
	return ask("PUT", buf_bytes(&blob.file[nodeworld_shard(P)]));
}

/* The upload is aborted, and what that leaves collected at once. */
static void
abort_it(struct nodeworld *world)
{
	struct record abort_ = nodeworld_record(RECORD_ABORT, "k", blob.id);

	if (hooked++ > 0)
		return;
	nodeworld_apply(world, P, &abort_);
	nodeworld_all_stable(world);
	gc_collect(&world->core);
}

static void
a_shard_is_stored_and_served(void)
{
	begin(false);
	CHECK(put() == 200);
	CHECK(nodeworld_has(&w, P, blob.id));
	CHECK(ask("GET", BYTES_NONE) == 200);
	CHECK(put() == 200);
	end();
}

static void
one_whose_id_was_aborted_before_is_gone(void)
{
	begin(false);
	abort_it(&w);
	CHECK(put() == 410);
	CHECK(!nodeworld_has(&w, P, blob.id));
	end();
}

/* The abort comes while the folder is synced: the file was there, so that the
 * collector may have taken it, and 200 would be said of nothing. */
static void
one_that_is_aborted_while_it_becomes_durable_is_never_a_200(void)
{
	begin(true);
	w.on_sync = abort_it;
	CHECK(put() == 410);
	CHECK(hooked > 0);
	CHECK(!nodeworld_has(&w, P, blob.id));
	end();
}

/* The same without a collector in between: the file goes by the row that the
 * abort made, or by that of the late shard. */
static void
abort_only(struct nodeworld *world)
{
	struct record abort_ = nodeworld_record(RECORD_ABORT, "k", blob.id);

	if (hooked++ == 0)
		nodeworld_apply(world, P, &abort_);
}

static void
what_a_late_shard_leaves_is_collected(void)
{
	begin(true);
	w.on_sync = abort_only;
	CHECK(put() == 410);
	w.on_sync = NULL;
	CHECK(nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_garbage(&w) > 0);
	nodeworld_all_stable(&w);
	w.clock.now_ms += 2 * GRACE_MS;
	gc_collect(&w.core);
	CHECK(!nodeworld_has(&w, P, blob.id));
	CHECK(nodeworld_garbage(&w) == 0);
	end();
}

static void
a_read_of_a_shard_renews_its_grace(void)
{
	struct record r;

	begin(false);
	CHECK(put() == 200);
	r = nodeworld_put("k", &blob);
	nodeworld_apply(&w, P, &r);
	r = nodeworld_record(RECORD_DELETE, "k", nodeworld_id(50));
	nodeworld_apply(&w, P, &r);
	nodeworld_all_stable(&w);
	w.clock.now_ms += GRACE_MS - 2000;
	CHECK(ask("GET", BYTES_NONE) == 200);
	w.clock.now_ms += GRACE_MS - 2000;
	gc_collect(&w.core);
	CHECK(ask("GET", BYTES_NONE) == 200);
	w.clock.now_ms += GRACE_MS + 2000;
	gc_collect(&w.core);
	CHECK(ask("GET", BYTES_NONE) == 404);
	end();
}

int
main(void)
{
	RUN(a_shard_is_stored_and_served);
	RUN(one_whose_id_was_aborted_before_is_gone);
	RUN(one_that_is_aborted_while_it_becomes_durable_is_never_a_200);
	RUN(what_a_late_shard_leaves_is_collected);
	RUN(a_read_of_a_shard_renews_its_grace);
	return tap_done();
}
