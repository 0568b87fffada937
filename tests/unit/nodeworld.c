/* SPDX-License-Identifier: MIT */
#include "nodeworld.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apply/apply.h"
#include "base/error.h"
#include "base/file.h"
#include "cluster/topology_source.h"
#include "codec/crc.h"
#include "commit/commitlog.h"
#include "commit/positions.h"
#include "http/httpc.h"
#include "http/httpd.h"
#include "http/range.h"
#include "member/checks.h"
#include "member/inventory.h"
#include "member/lastread.h"
#include "member/pending.h"
#include "member/room.h"
#include "member/uploadlist.h"
#include "member/watermark.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "store/shardpath.h"
#include "store/shardstore.h"
#include "wire/peers.h"

static struct nodeworld *the_world; /* file_ops has no argument */
static unsigned number;

/* A fixture that cannot be made is no result of a test. */
static void
must(int rc, const char *what, const struct error *err)
{
	if (rc >= 0)
		return;
	printf("# world: %s: %s\n", what, err != NULL ? err->text : "");
	abort();
}

/* Peers. */

static bool
want_whole(const struct nodeworld *w)
{
	return w->whole.n > 0;
}

static void
serve(struct world_peer *peer, struct httpd_request *req)
{
	struct nodeworld *w = peer->world;
	uint32_t partition = (uint32_t)(httpd_path(req)[7] - '0');
	uint32_t shard = (peer->index + WORLD_MACHINES - partition) %
	    WORLD_MACHINES;
	struct range range = { 0 };
	struct bytes from = w->whole;
	uint8_t *copy;

	if (!want_whole(w))
		from = buf_bytes(&w->blob->file[shard]);
	copy = malloc(from.n);
	if (copy == NULL)
		abort();
	memcpy(copy, from.p, from.n);
	if (peer->mode == PEER_CORRUPT)
		for (size_t i = want_whole(w) ? 0 : 1000; i < from.n;
		     i += WORLD_CELL)
			copy[i] ^= 1;
	if (range_parse(&range, httpd_header(req, "Range"), from.n) == RANGE_OK)
		httpd_reply(req, 206, copy + range.first,
		    range.last - range.first + 1);
	else
		httpd_reply(req, 200, copy, from.n);
	free(copy);
}

const char *nodeworld_log = "";
char nodeworld_positions[256];

static void
on_begin(void *ctx, struct httpd_request *req)
{
	struct world_peer *peer = ctx;
	struct nodeworld *w = peer->world;

	peer->gets++;
	if (w->on_serve != NULL)
		w->on_serve(w);
	if (strcmp(httpd_path(req), "/applied") == 0 && peer->mode == PEER_OK) {
		httpd_reply(req, 200, nodeworld_positions,
		    strlen(nodeworld_positions));
		return;
	}
	if (strncmp(httpd_path(req), "/store/", 7) != 0 ||
	    peer->mode == PEER_MISSING || (w->blob == NULL && !want_whole(w)))
		httpd_reply(req, 404, "", 0);
	else
		serve(peer, req);
}

static int
on_body(void *ctx, struct httpd_request *req, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)req;
	(void)p;
	(void)n;
	return -1;
}

static void
on_end(void *ctx, struct httpd_request *req)
{
	(void)ctx;
	(void)req;
}

static void
on_done(void *ctx, struct httpd_request *req, bool completed)
{
	(void)ctx;
	(void)req;
	(void)completed;
}

static void
start_peers(struct nodeworld *w, struct buf *json)
{
	struct error err = { 0 };

	buf_printf(json,
	    "{\"erasure_sets\":[{\"number\":1,\"n\":%d,\"m\":3,"
	    "\"write_quorum\":%d,\"machines\":[",
	    WORLD_MACHINES, WORLD_QUORUM);
	for (uint32_t i = 0; i < WORLD_MACHINES; i++) {
		struct world_peer *peer = &w->peer[i];
		struct httpd_options options = { .drain_ms = 2000 };
		struct httpd_service service = {
			.ctx = peer,
			.begin = on_begin,
			.body = on_body,
			.end = on_end,
			.done = on_done,
		};

		peer->world = w;
		peer->index = i;
		must(httpd_start(&peer->httpd, &options, &service, &err),
		    "peer", &err);
		buf_printf(json, "%s{\"ip\":\"127.0.0.1\",\"port\":%u}",
		    i > 0 ? "," : "", httpd_port(peer->httpd));
	}
	buf_addstr(json,
	    "]}],\"partition_spread\":[{\"erasure_set\":1,"
	    "\"partitions\":[0,1,2,3]}]}");
}

/* The core. */

static ssize_t
hooked_pread(int fd, void *p, size_t n, off_t at)
{
	if (the_world->on_read != NULL)
		the_world->on_read(the_world);
	return pread(fd, p, n, at);
}

static int
hooked_fsync(int fd)
{
	if (the_world->on_sync != NULL)
		the_world->on_sync(the_world);
	return fsync(fd);
}

static void
open_cluster(struct nodeworld *w)
{
	static const uint32_t partitions[WORLD_PARTITIONS] = { 0, 1, 2, 3 };
	struct commitlog_genesis genesis = {
		.cluster = WORLD_CLUSTER,
		.partitions = partitions,
		.count = WORLD_PARTITIONS,
	};
	struct commitlog_options options = { .clock = &w->clock.clock };
	struct nodecore *core = &w->core;
	struct topology_snapshot *snapshot;
	struct buf json = buf_make(1 << 16);
	struct error err = { 0 };

	snprintf(w->url, sizeof(w->url), "mem:world-%u%s", number++,
	    nodeworld_log);
	start_peers(w, &json);
	must(topology_mem_set(w->url, buf_bytes(&json), &err), "topology",
	    &err);
	must(topology_source_open(&core->topology, w->url, &err), "topology",
	    &err);
	snapshot = topology_source_get(core->topology);
	core->set = topology_snapshot_topology(snapshot)->sets[0];
	topology_snapshot_drop(snapshot);
	must(commitlog_create(w->url, &genesis, &options, &err), "log", &err);
	must(commitlog_open(&core->log, w->url, &options, &err), "log", &err);
	must(positions_open(&core->positions, core->log, &err), "positions",
	    &err);
	must(watermark_new(&core->wm, partitions, WORLD_PARTITIONS, core->clock,
		 &err),
	    "watermark", &err);
	buf_fini(&json);
}

/* The disk has as much room as the test says. */
static int
world_statvfs(int fd, struct statvfs *out)
{
	(void)fd;
	*out = (struct statvfs){
		.f_frsize = 1,
		.f_blocks = 1u << 30,
		.f_bavail = the_world->free_bytes,
	};
	return 0;
}

static void
open_disk(struct nodeworld *w, bool synced)
{
	static struct file_ops ops;
	struct nodecore *core = &w->core;
	struct shardstore_options options = {
		.dir = w->dir,
		.want = {
			.cluster = WORLD_CLUSTER,
			.set = 1,
			.mode = SUPERBLOCK_INIT,
		},
		.clock = core->clock,
		.ops = &ops,
		.durability_os = !synced,
		.readers = 1,
	};
	struct error err = { 0 };

	ops = file_system;
	ops.pread = hooked_pread;
	ops.fsync = hooked_fsync;
	tempdir_make(w->dir);
	must(shardstore_open(&core->store, &options, &err), "store", &err);
	core->meta = shardstore_meta(core->store);
	core->files = shardstore_files(core->store);
	core->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->free_bytes = 1u << 30;
	must(room_new(&core->room, core->dirfd, WORLD_RESERVE, world_statvfs,
		 &err),
	    "room", &err);
	must(uploadlist_open(&core->uploads, core->dirfd, core->clock, &err),
	    "uploads", &err);
}

static void
make_partitions(struct nodeworld *w)
{
	struct nodecore *core = &w->core;
	struct error err = { 0 };

	must(shardmeta_begin(core->meta, &err), "begin", &err);
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++) {
		struct partition_row row = {
			.partition = p,
			.generation = 1,
			.base_seq = 1,
			.applied = 1,
			.epoch = 1,
			.t_ms = WORLD_T0,
		};

		must(shardmeta_add_partition(core->meta, &row, &err),
		    "partition", &err);
		w->seq[p] = 1;
	}
	must(shardmeta_commit(core->meta, &err), "commit", &err);
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++) {
		struct record bucket = nodeworld_record(RECORD_CREATE_BUCKET,
		    NULL, nodeworld_id((uint8_t)(250 + p)));

		bucket.owner = bytes_str("me");
		nodeworld_apply(w, p, &bucket);
		nodeworld_vote(w, p, true);
	}
}

static void
open_world(struct nodeworld *w, bool synced)
{
	struct nodecore *core = &w->core;
	struct httpc_options pool = {
		.max_idle = 1,
		.max_open = 64,
		.clock = &clock_system,
	};
	struct peers_options peers = {
		.cluster = core->cluster,
		.clock = &clock_system,
	};
	struct error err = { 0 };

	*w = (struct nodeworld){ 0 };
	the_world = w;
	clock_manual_init(&w->clock, WORLD_T0);
	core->clock = &w->clock.clock;
	core->random = &random_system;
	core->start_boot_ms = WORLD_T0;
	core->upload_timeout_ms = 60000;
	core->orphan_age_ms = 24ull * 3600 * 1000;
	core->orphan_step_ms = 3600ull * 1000;
	core->gc_grace_ms = 3600ull * 1000;
	snprintf(core->cluster, sizeof(core->cluster), WORLD_CLUSTER);
	snprintf(core->sender, sizeof(core->sender), WORLD_CLUSTER);
	nodeproto_to_print(core->to, core->cluster, 1, 0);
	core->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	core->repair_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	open_cluster(w);
	open_disk(w, synced);
	must(lastread_new(&core->lastread, WORLD_T0, &err), "reads", &err);
	must(pending_new(&core->pending, &err), "pending", &err);
	must(checks_new(&core->checks, &err), "checks", &err);
	must(httpc_pool_new(&core->pool, &pool, &err), "pool", &err);
	peers.pool = core->pool;
	must(peers_new(&core->peers, &peers, &err), "peers", &err);
	/* So that what a test did not read counts as read long ago. */
	w->clock.now_ms += 1000;
}

void
nodeworld_open(struct nodeworld *w)
{
	open_world(w, false);
	make_partitions(w);
}

void
nodeworld_open_synced(struct nodeworld *w)
{
	open_world(w, true);
	make_partitions(w);
}

void
nodeworld_open_new(struct nodeworld *w)
{
	open_world(w, false);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
nodeworld_close(struct nodeworld *w)
{
	struct nodecore *core = &w->core;

	peers_free(core->peers);
	httpc_pool_free(core->pool);
	for (uint32_t i = 0; i < WORLD_MACHINES; i++)
		httpd_stop(w->peer[i].httpd);
	uploadlist_close(core->uploads);
	room_free(core->room);
	checks_free(core->checks);
	pending_free(core->pending);
	lastread_free(core->lastread);
	shardstore_close(core->store);
	positions_close(core->positions);
	commitlog_close(core->log);
	watermark_free(core->wm);
	topology_source_close(core->topology);
	topology_mem_clear();
	close(core->dirfd);
	close(core->stop_fd);
	close(core->repair_fd);
	nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Positions. */

void
nodeworld_vote(struct nodeworld *w, uint32_t partition, bool voting)
{
	watermark_set(w->core.wm, partition, w->seq[partition], voting);
	watermark_publish(w->core.wm);
}

void
nodeworld_applied(struct nodeworld *w, uint32_t partition, uint64_t seq,
    uint32_t machines)
{
	for (uint32_t i = 0; i < machines; i++)
		positions_publish(w->core.positions,
		    (struct positions_member){ 1, i }, partition, seq);
}

void
nodeworld_all_stable(struct nodeworld *w)
{
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
		nodeworld_applied(w, p, w->seq[p], WORLD_QUORUM);
}

/* Records. */

struct reqid
nodeworld_id(uint8_t last)
{
	struct reqid id = { .b = { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80 } };

	for (unsigned i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(WORLD_T0 >> (40 - 8 * i));
	/* What the sketch of reads goes by must differ, too. */
	id.b[10] = (uint8_t)(last * 37);
	id.b[12] = (uint8_t)(last * 101);
	id.b[14] = (uint8_t)(last + 7);
	id.b[15] = last;
	return id;
}

struct record
nodeworld_record(enum record_type type, const char *key, struct reqid id)
{
	return (struct record){
		.type = type,
		.cluster = WORLD_CLUSTER,
		.epoch = 1,
		.request_id = id,
		.sender = bytes_str("test"),
		.bucket = bytes_str("b"),
		.key = key != NULL ? bytes_str(key) : BYTES_NONE,
		.incarnation = 1,
	};
}

struct record
nodeworld_put(const char *key, const struct shardtest *blob)
{
	struct record r = nodeworld_record(RECORD_PUT, key, blob->id);

	r.etag = bytes_str("00000000000000000000000000000000");
	r.blob = (struct record_blob){
		.size = blob->size,
		.crc64nvme = blob->totals.crc64nvme,
		.data_shards = blob->g.data_shards,
		.parity_shards = blob->g.parity_shards,
		.cell_bytes = blob->g.cell_bytes,
		.set = 1,
		.durable = (1u << WORLD_MACHINES) - 1,
		.shard_count = WORLD_MACHINES,
	};
	memcpy(r.blob.shard_crc64, blob->totals.shard_crc64,
	    WORLD_MACHINES * sizeof(r.blob.shard_crc64[0]));
	return r;
}

struct record
nodeworld_inline(const char *key, struct reqid id, const char *base64,
    struct bytes content)
{
	struct record r = nodeworld_record(RECORD_PUT, key, id);

	r.etag = bytes_str("00000000000000000000000000000000");
	r.blob = (struct record_blob){
		.size = content.n,
		.crc64nvme = crc64_nvme(0, content.p, content.n),
		.data_shards = 3,
		.parity_shards = 2,
		.cell_bytes = WORLD_CELL,
		.set = 1,
		.is_inline = true,
		.inline_base64 = bytes_str(base64),
	};
	return r;
}

static int
tell_blob(void *ctx, const struct apply_blob *blob, struct error *err)
{
	struct nodeworld *w = ctx;

	return inventory_take(&w->core, blob, err);
}

static int
tell_garbage(void *ctx, const struct garbage_row *row, struct error *err)
{
	struct nodeworld *w = ctx;

	return inventory_drop(&w->core, row, err);
}

void
nodeworld_apply(struct nodeworld *w, uint32_t partition,
    const struct record *record)
{
	struct apply_effects effects = {
		.ctx = w,
		.blob = tell_blob,
		.garbage = tell_garbage,
	};
	struct buf line = buf_make(RECORD_BYTES_MAX);
	struct apply_input in = {
		.partition = partition,
		.seq = w->seq[partition] + 1,
		.time_ms = w->clock.now_ms,
	};
	struct record *parsed = NULL;
	struct apply_result result;
	struct error err = { 0 };

	must(record_build(&line, record, &err), "record", &err);
	in.line = buf_bytes(&line);
	if (record_parse(&parsed, in.line, WORLD_CLUSTER, &err) != RECORD_OK)
		must(-1, "record", &err);
	in.record = parsed;
	must(shardmeta_begin(w->core.meta, &err), "begin", &err);
	must(apply_entry(shardmeta_rowset(w->core.meta), &effects, &in, &result,
		 &err),
	    "apply", &err);
	must(shardmeta_commit(w->core.meta, &err), "commit", &err);
	w->seq[partition]++;
	if (result.outcome != OUTCOME_DONE && record->type != RECORD_ABORT)
		printf("# world: outcome %d\n", (int)result.outcome);
	record_free(parsed);
	buf_fini(&line);
}

/* Shards. */

void
nodeworld_blob(struct shardtest *out, size_t size, uint8_t last)
{
	const struct geometry g = { 3, 2, WORLD_CELL };

	shardtest_make_as(out, g, size, nodeworld_id(last));
}

uint32_t
nodeworld_shard(uint32_t partition)
{
	return (WORLD_MACHINES - partition) % WORLD_MACHINES;
}

struct shardfile_upload *
nodeworld_begin(struct nodeworld *w, uint32_t partition,
    const struct shardtest *blob, size_t bytes)
{
	uint32_t shard = nodeworld_shard(partition);
	struct shardfile_upload *upload = NULL;
	struct error err = { 0 };

	must(shardfile_begin(&upload, w->core.files, blob->id, shard, &err),
	    "upload", &err);
	must(shardfile_write(upload, blob->file[shard].p,
		 KOOP_MIN(bytes, blob->file[shard].n), &err),
	    "upload", &err);
	return upload;
}

void
nodeworld_store(struct nodeworld *w, uint32_t partition,
    const struct shardtest *blob)
{
	struct error err = { 0 };
	bool existed;

	must(shardfile_finish(nodeworld_begin(w, partition, blob, SIZE_MAX),
		 &existed, &err),
	    "upload", &err);
}

void
nodeworld_path(char out[128], const struct nodeworld *w, uint32_t partition,
    struct reqid id)
{
	char name[SHARDPATH_NAME_MAX + 1];
	char folder[16];

	shardpath_dir(folder, shardpath_fanout(id));
	shardpath_name(name, id, nodeworld_shard(partition));
	snprintf(out, 128, "%s/%s/%s", w->dir, folder, name);
}

bool
nodeworld_has(struct nodeworld *w, uint32_t partition, struct reqid id)
{
	return shardfile_exists(w->core.files, id, nodeworld_shard(partition));
}

void
nodeworld_damage(struct nodeworld *w, uint32_t partition, struct reqid id)
{
	const off_t at = FRAME_BEGIN_BYTES + FRAME_HEADER_BYTES + 100;
	char path[128];
	uint8_t byte;
	int fd;

	nodeworld_path(path, w, partition, id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1 || pread(fd, &byte, 1, at) != 1)
		abort();
	byte ^= 1;
	if (pwrite(fd, &byte, 1, at) != 1)
		abort();
	close(fd);
}

uint64_t
nodeworld_quarantined(struct nodeworld *w)
{
	struct error err = { 0 };
	uint64_t count = 0;

	must(shardfile_quarantined(w->core.files, &count, &err), "quarantine",
	    &err);
	return count;
}

/* Rows. */

uint64_t
nodeworld_garbage(struct nodeworld *w)
{
	struct shardmeta_counts counts;

	shardmeta_counts(w->core.meta, &counts);
	return counts.garbage;
}

uint64_t
nodeworld_repairs(struct nodeworld *w)
{
	struct shardmeta_counts counts;

	shardmeta_counts(w->core.meta, &counts);
	return counts.repairs;
}

bool
nodeworld_queued(struct nodeworld *w, struct reqid id)
{
	struct metaquery *read = NULL;
	struct error err = { 0 };
	struct repair_row row;
	int rc;

	must(metaquery_begin(&read, w->core.meta, &err), "read", &err);
	rc = metaquery_repair(read, id, &row, &err);
	metaquery_end(read);
	return rc == 0;
}
