/* SPDX-License-Identifier: MIT */
#include "node/node.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "http/address.h"
#include "http/httpc.h"
#include "member/checks.h"
#include "member/lastread.h"
#include "member/nodecore.h"
#include "member/pending.h"
#include "member/room.h"
#include "member/uploadlist.h"
#include "member/watermark.h"
#include "node/applier.h"
#include "node/listener.h"
#include "node/nodeserver.h"
#include "store/shardstore.h"
#include "upkeep/bucketusage.h"
#include "upkeep/gc.h"
#include "upkeep/repair.h"
#include "wire/nodeproto.h"
#include "wire/peers.h"

/* Repair reads side by side from as many peers as there are data shards. */
#define POOL_OPEN 4
#define FOLLOW_MS 60000

struct node {
	struct node_options options;
	struct nodecore core;
	struct machine listen;
	struct applier *applier;
	struct repair *repair;
	struct gc *gc;
	struct listener *listener;
	struct nodeserver *server;
	pthread_t follower;
	bool follows;
};

/* Who are we? */

static int
check_listen(const struct machine *listen, struct error *err)
{
	if (address_is_loopback(listen->ip))
		return 0;
	return error_set(err, ERRC_CONFIG,
	    "--listen %s: only loopback addresses are served, because "
	    "requests are not authenticated in this version",
	    listen->ip);
}

/* By --node, or by the address to listen on. */
static int
find_place(struct node *node, const struct topology *topology,
    struct error *err)
{
	const struct node_options *o = &node->options;
	const struct erasure_set *set;
	char text[ADDRESS_BYTES];

	node->listen = o->listen;
	if (o->has_place) {
		set = topology_set(topology, o->set_number);
		if (set == NULL || o->index >= set->n)
			return error_set(err, ERRC_CONFIG,
			    "--node %" PRIu32 "/%" PRIu32
			    ": the topology has no such machine",
			    o->set_number, o->index);
		node->core.index = o->index;
		if (node->listen.ip[0] == '\0')
			node->listen = set->machine[o->index];
	} else if (!topology_find_machine(topology, o->listen.ip,
		       o->listen.port, &set, &node->core.index)) {
		machine_address(text, &o->listen);
		return error_set(err, ERRC_CONFIG,
		    "--listen %s: the topology has no such machine; name it "
		    "with --node SET/INDEX",
		    text);
	}
	node->core.set = *set;
	return check_listen(&node->listen, err);
}

/* Is that partition the set's? */
static bool
is_mine(const struct nodecore *core, const struct topology *topology,
    uint32_t partition)
{
	size_t i = topology_search(topology->partitions,
	    topology->partition_count, partition);

	return i != SIZE_MAX &&
	    topology->sets[topology->partition_set[i]].number ==
	    core->set.number;
}

static void
assign_partitions(struct nodecore *core, const struct topology *topology)
{
	for (size_t i = 0; i < watermark_count(core->wm); i++) {
		bool mine = is_mine(core, topology,
		    watermark_partition(core->wm, i));

		if (mine != watermark_mine(core->wm, i))
			watermark_assign(core->wm, i, mine);
	}
}

/* What a running node cannot follow: it keeps what it has, and says so. */
static const char *
cannot_follow(const struct nodecore *core, const struct topology *topology)
{
	const struct erasure_set *set = topology_set(topology,
	    core->set.number);

	if (set == NULL)
		return "it has no longer the set of this node";
	if (set->n != core->set.n ||
	    set->data_shards != core->set.data_shards ||
	    set->write_quorum != core->set.write_quorum)
		return "the shape of this node's set is another";
	/* Their number is fixed when a cluster is made (protocol.md 1). */
	if (topology->partition_count != watermark_count(core->wm))
		return "the number of partitions is another";
	for (size_t i = 0; i < topology->partition_count; i++) {
		if (watermark_index(core->wm, topology->partitions[i]) < 0)
			return "the partitions have other numbers";
	}
	return NULL;
}

static void
take_topology(struct nodecore *core)
{
	struct topology_snapshot *snapshot = topology_source_get(
	    core->topology);
	const struct topology *topology = topology_snapshot_topology(snapshot);
	const char *why = cannot_follow(core, topology);

	if (why == NULL)
		assign_partitions(core, topology);
	else
		log_error("node", "topology: not followed: %s", why);
	topology_snapshot_drop(snapshot);
}

/* Partitions come and go while the node runs; the addresses of peers are
 * looked up when they are needed. */
static void *
follow(void *arg)
{
	struct node *node = arg;
	struct nodecore *core = &node->core;
	uint64_t seen = 0;

	pthread_setname_np(pthread_self(), "topology");
	while (!atomic_load(&core->stopping)) {
		uint64_t version = topology_source_wait(core->topology, seen,
		    FOLLOW_MS);

		if (version != seen && !atomic_load(&core->stopping))
			take_topology(core);
		seen = version;
	}
	return NULL;
}

static int
open_topology(struct node *node, struct error *err)
{
	struct nodecore *core = &node->core;
	struct topology_snapshot *snapshot;
	const struct topology *topology;
	int rc;

	rc = topology_source_open(&core->topology, node->options.topology_url,
	    err);
	if (rc != 0)
		return rc;
	snapshot = topology_source_get(core->topology);
	topology = topology_snapshot_topology(snapshot);
	rc = find_place(node, topology, err);
	if (rc == 0)
		rc = watermark_new(&core->wm, topology->partitions,
		    topology->partition_count, core->clock, err);
	if (rc == 0)
		assign_partitions(core, topology);
	topology_snapshot_drop(snapshot);
	return rc;
}

/* Every partition of ours must be one of the log's. */
static int
check_partitions(const struct nodecore *core, struct error *err)
{
	size_t count;
	const uint32_t *have = commitlog_partitions(core->log, &count);
	size_t at = 0;

	for (size_t i = 0; i < watermark_count(core->wm); i++) {
		uint32_t p = watermark_partition(core->wm, i);

		if (!watermark_mine(core->wm, i))
			continue;
		while (at < count && have[at] < p)
			at++;
		if (at == count || have[at] != p)
			return error_set(err, ERRC_CONFIG,
			    "commit log: it has no partition %" PRIu32
			    ", which the topology gives to set %" PRIu32,
			    p, core->set.number);
	}
	return 0;
}

static int
open_log(struct node *node, struct error *err)
{
	struct nodecore *core = &node->core;
	struct commitlog_options options = {
		.clock = core->clock,
		.durability_os = node->options.durability_os,
		.sender = core->sender,
	};
	int rc = commitlog_open(&core->log, node->options.commit_log_url,
	    &options, err);

	if (rc == 0)
		rc = positions_open(&core->positions, core->log, err);
	if (rc != 0)
		return rc;
	snprintf(core->cluster, sizeof(core->cluster), "%s",
	    commitlog_cluster(core->log));
	nodeproto_to_print(core->to, core->cluster, core->set.number,
	    core->index);
	return check_partitions(core, err);
}

/* Where the log stands when a disk is replaced: shards of records after that
 * should not go missing. */
static int
replaced_at(const struct nodecore *core, struct buf *out, struct error *err)
{
	size_t all = watermark_count(core->wm);
	struct commitlog_end *ends = calloc(all + 1, sizeof(*ends));
	size_t count = 0;
	int rc;

	if (ends == NULL)
		return error_set(err, ERRC_NOMEM, "superblock: no memory");
	for (size_t i = 0; i < all; i++) {
		if (watermark_mine(core->wm, i))
			ends[count++].partition = watermark_partition(core->wm,
			    i);
	}
	rc = commitlog_ends(core->log, ends, count,
	    nodecore_deadline(core, NODECORE_LOG_MS), err);
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s%" PRIu32 ":%" PRIu64, i > 0 ? "," : "",
		    ends[i].partition, ends[i].seq);
	free(ends);
	if (rc == 0 && buf_failed(out))
		rc = error_set(err, ERRC_NOMEM, "superblock: no memory");
	return rc;
}

static int
open_store(struct node *node, struct error *err)
{
	struct nodecore *core = &node->core;
	const struct node_options *o = &node->options;
	struct buf init_seq = buf_make(SUPERBLOCK_INIT_MAX);
	struct shardstore_options options = {
		.dir = o->data_dir,
		.want = {
			.cluster = core->cluster,
			.set = core->set.number,
			.index = core->index,
			.mode = o->mode,
		},
		.clock = core->clock,
		.durability_os = o->durability_os,
	};
	int rc = 0;

	if (o->mode == SUPERBLOCK_REPLACE) {
		rc = replaced_at(core, &init_seq, err);
		options.want.init_seq = buf_cstr(&init_seq);
	}
	if (rc == 0)
		rc = shardstore_open(&core->store, &options, err);
	buf_fini(&init_seq);
	if (rc != 0)
		return rc;
	core->meta = shardstore_meta(core->store);
	core->files = shardstore_files(core->store);
	memcpy(core->disk, shardstore_superblock(core->store)->disk,
	    sizeof(core->disk));
	core->dirfd = open(o->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (core->dirfd == -1)
		return error_errno(err, ERRC_IO, "open %s", o->data_dir);
	return room_new(&core->room, core->dirfd, o->reserve, NULL, err);
}

static int
open_rest(struct node *node, struct error *err)
{
	struct nodecore *core = &node->core;
	struct httpc_options pool = {
		.max_idle = 1,
		.max_open = POOL_OPEN,
		.tcp_congestion = node->options.tcp_congestion,
		.clock = core->clock,
	};
	struct peers_options peers = {
		.cluster = core->cluster,
		.clock = core->clock,
	};
	int rc;

	core->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	core->repair_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (core->stop_fd == -1 || core->repair_fd == -1)
		return error_errno(err, ERRC_NOMEM, "eventfd");
	if ((rc = lastread_new(&core->lastread, core->start_boot_ms, err)) ||
	    (rc = pending_new(&core->pending, err)) ||
	    (rc = checks_new(&core->checks, err)) ||
	    (rc = uploadlist_open(&core->uploads, core->dirfd, core->clock,
		 err)))
		return rc;
	rc = httpc_pool_new(&core->pool, &pool, err);
	if (rc < 0)
		return rc;
	peers.pool = core->pool;
	return peers_new(&core->peers, &peers, err);
}

int
node_open(struct node **out, const struct node_options *options,
    struct error *err)
{
	struct node *node = calloc(1, sizeof(*node));
	struct nodecore *core;
	int rc;

	if (node == NULL)
		return error_set(err, ERRC_NOMEM, "node: no memory");
	core = &node->core;
	node->options = *options;
	core->clock = options->clock != NULL ? options->clock : &clock_system;
	core->random = &random_system;
	core->dirfd = core->stop_fd = core->repair_fd = -1;
	core->start_boot_ms = clock_boot_ms(core->clock);
	core->upload_timeout_ms = options->upload_timeout_ms;
	core->orphan_age_ms = options->orphan_age_ms;
	core->orphan_step_ms = options->orphan_step_ms;
	core->gc_grace_ms = options->gc_grace_ms;
	reqid_format(core->sender, reqid_new(core->clock, core->random));
	if ((rc = open_topology(node, err)) || (rc = open_log(node, err)) ||
	    (rc = open_store(node, err)) || (rc = open_rest(node, err))) {
		node_close(node);
		return rc;
	}
	*out = node;
	return 0;
}

int
node_start(struct node *node, struct error *err)
{
	struct nodecore *core = &node->core;
	struct nodeserver_options options = {
		.ip = node->listen.ip,
		.port = node->listen.port,
		.max_connections = node->options.max_connections,
		.body_timeout_ms = node->options.body_timeout_ms,
		.tcp_congestion = node->options.tcp_congestion,
	};
	int rc;

	if ((rc = applier_start(&node->applier, core, err)) ||
	    (rc = repair_start(&node->repair, core, err)) ||
	    (rc = gc_start(&node->gc, core, err)) ||
	    (rc = bucketusage_new(&core->usage, core, err)) ||
	    (rc = bucketusage_start(core->usage, err)) ||
	    (rc = listener_start(&node->listener, core, err)))
		return rc;
	rc = nodeserver_start(&node->server, core, node->applier, &options,
	    err);
	if (rc != 0)
		return rc;
	node->listen.port = nodeserver_port(node->server);
	rc = pthread_create(&node->follower, NULL, follow, node);
	if (rc != 0)
		return error_set(err, ERRC_NOMEM,
		    "topology: cannot start a thread: %s", strerror(rc));
	node->follows = true;
	return 0;
}

void
node_address(const struct node *node, char out[static ADDRESS_BYTES])
{
	machine_address(out, &node->listen);
}

int
node_reload(struct node *node, struct error *err)
{
	return topology_source_reload(node->core.topology, true, NULL, err);
}

void
node_status(struct node *node, struct buf *out)
{
	struct nodecore *core = &node->core;
	struct applier_state state;
	uint64_t repairs = repair_count(core);
	size_t voting = 0;
	size_t halted = 0;

	for (size_t i = 0; i < applier_count(node->applier); i++) {
		applier_state(node->applier, i, &state);
		voting += state.voting;
		halted += state.halted;
	}
	buf_printf(out,
	    "node=%" PRIu32 "/%" PRIu32 " partitions=%zu voting=%zu "
	    "halted=%zu repairs=%" PRIu64 " connections=%u log=%s",
	    core->set.number, core->index, applier_count(node->applier), voting,
	    halted, repairs, nodeserver_connections(node->server),
	    atomic_load(&core->log_reachable) ? "ok" : "lost");
}

/* The server first: then nobody asks any more; its waiters are woken. */
void
node_close(struct node *node)
{
	struct nodecore *core;
	uint64_t one = 1;

	if (node == NULL)
		return;
	core = &node->core;
	atomic_store(&core->stopping, true);
	if (core->stop_fd != -1)
		(void)!write(core->stop_fd, &one, sizeof(one));
	if (node->follows) {
		topology_source_wake(core->topology);
		pthread_join(node->follower, NULL);
	}
	if (core->wm != NULL)
		watermark_stop(core->wm);
	nodeserver_stop(node->server);
	listener_stop(node->listener);
	bucketusage_free(core->usage);
	gc_stop(node->gc);
	repair_stop(node->repair);
	applier_stop(node->applier);
	peers_free(core->peers);
	httpc_pool_free(core->pool);
	uploadlist_close(core->uploads);
	checks_free(core->checks);
	pending_free(core->pending);
	room_free(core->room);
	lastread_free(core->lastread);
	if (core->store != NULL)
		shardstore_close(core->store);
	positions_close(core->positions);
	commitlog_close(core->log);
	watermark_free(core->wm);
	if (core->topology != NULL)
		topology_source_close(core->topology);
	if (core->stop_fd != -1)
		close(core->stop_fd);
	if (core->repair_fd != -1)
		close(core->repair_fd);
	if (core->dirfd != -1)
		close(core->dirfd);
	free(node);
}
