/* SPDX-License-Identifier: MIT */
#include "client/pipelocate.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "client/objectblobs.h"
#include "client/shardcheck.h"
#include "cluster/placement.h"
#include "cluster/topology.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define NAME_BYTES (OBJECTNAME_BUCKET_MAX + 1 + OBJECTNAME_KEY_MAX)

/* The name as every line has it, percent-encoded but for slashes. */
static void
encode_name(char out[static 3 * NAME_BYTES + 1], struct bytes bucket,
    struct bytes key)
{
	size_t n;

	assert(bucket.n <= OBJECTNAME_BUCKET_MAX);
	assert(key.n <= OBJECTNAME_KEY_MAX);
	percent_encode(out, (const char *)bucket.p, bucket.n, true);
	n = strlen(out);
	out[n++] = '/';
	percent_encode(out + n, (const char *)key.p, key.n, true);
}

static void
print_place(struct buf *out, const struct topology *topology,
    const struct placement *place, struct bytes bucket, const char *name)
{
	const struct erasure_set *set = place->set;

	buf_printf(out,
	    "object v=1 name=%s partition=%" PRIu32 " home=%" PRIu32
	    " epoch=%" PRIu64 " set=%" PRIu32
	    " data_shards=%u parity_shards=%u write_quorum=%u",
	    name, place->partition, placement_home(topology, bucket).partition,
	    topology->epoch, set->number, set->data_shards,
	    set->n - set->data_shards, set->write_quorum);
}

static void
print_shard(struct buf *out, const struct erasure_set *set, const char *name,
    uint32_t shard, uint32_t machine)
{
	char address[ADDRESS_BYTES];

	assert(machine < set->n);
	machine_address(address, &set->machine[machine]);
	buf_printf(out,
	    "shard v=1 name=%s index=%" PRIu32 " kind=%s set=%" PRIu32
	    " machine=%" PRIu32 " address=%s",
	    name, shard, shard < set->data_shards ? "data" : "parity",
	    set->number, machine, address);
}

static void
print_copy(struct buf *out, const struct erasure_set *set, const char *name,
    uint32_t copy, uint32_t machine)
{
	char address[ADDRESS_BYTES];

	assert(machine < set->n);
	machine_address(address, &set->machine[machine]);
	buf_printf(out,
	    "copy v=1 name=%s index=%" PRIu32 " set=%" PRIu32
	    " machine=%" PRIu32 " address=%s",
	    name, copy, set->number, machine, address);
}

void
pipelocate_placement(const struct topology *topology, struct bytes bucket,
    struct bytes key, struct buf *out)
{
	struct placement place = placement_of(topology, bucket, key);
	char name[3 * NAME_BYTES + 1];

	encode_name(name, bucket, key);
	print_place(out, topology, &place, bucket, name);
	buf_addch(out, '\n');
	for (uint32_t shard = 0; shard < place.set->n; shard++) {
		uint32_t machine = placement_machine(&place, shard);

		print_shard(out, place.set, name, shard, machine);
		buf_printf(out, " keeps_small=%s\n",
		    placement_inline_holder(&place, machine) ? "yes" : "no");
	}
}

/* One blob, or the copies of inline bytes. */
static int
print_piece(struct nodeclient *nc, const struct objectblobs *blobs, uint32_t i,
    const char *name, bool verify, struct pipelocate_tally *tally,
    struct buf *out, struct error *err)
{
	struct shardcheck_blob blob;
	struct shardcheck check;
	int rc;

	objectblobs_piece(blobs, i, &blob);
	rc = verify ? shardcheck_run(&check, nc, &blob, false, err) :
		      shardcheck_place(&check, nc, &blob, err);
	if (rc < 0)
		return rc;
	for (uint32_t j = 0; j < check.n; j++) {
		const struct shardcheck_shard *s = &check.shard[j];

		if (blob.is_inline)
			print_copy(out, check.set, name, s->shard, s->machine);
		else
			print_shard(out, check.set, name, s->shard, s->machine);
		if (!blob.is_inline)
			buf_printf(out, " part=%" PRIu32, i + 1);
		if (verify)
			buf_printf(out, " state=%s bytes=%" PRIu64,
			    shardcheck_word(s->state), s->bytes);
		buf_addch(out, '\n');
	}
	if (verify) {
		tally->lacking += check.count[SHARDCHECK_ABSENT] +
		    check.count[SHARDCHECK_BAD];
		tally->down += check.count[SHARDCHECK_UNREACHED];
	}
	return 0;
}

static void
print_object_line(struct nodeclient *nc, const struct objectblobs *blobs,
    const char *name, struct buf *out)
{
	const struct object_info *info = &blobs->info;
	char version[VERSIONID_TEXT + 1];

	assert(info->found);
	print_place(out, nodeclient_topology(nc), &blobs->place, blobs->bucket,
	    name);
	buf_printf(out, " kind=%s size=%" PRIu64 " parts=%" PRIu32,
	    objectblobs_kind(blobs), info->size,
	    info->kind == NODEPROTO_MULTIPART ? blobs->count : 1);
	/* Else there is one, and to name it would announce more. */
	if (info->versioning != NODEPROTO_NEVER) {
		versionid_format(version, &info->version);
		buf_printf(out, " version=%s", version);
	}
	buf_addch(out, '\n');
}

int
pipelocate_object(struct nodeclient *nc, struct bytes bucket, struct bytes key,
    const struct versionid *version, bool verify,
    struct pipelocate_tally *tally, struct buf *out, struct error *err)
{
	char name[3 * NAME_BYTES + 1];
	struct objectblobs blobs;
	int rc;

	assert(tally != NULL && out != NULL);
	encode_name(name, bucket, key);
	rc = objectblobs_read(&blobs, nc, bucket, key, version, NULL, err);
	if (rc == 0)
		print_object_line(nc, &blobs, name, out);
	for (uint32_t i = 0; rc == 0 && i < objectblobs_pieces(&blobs); i++)
		rc = print_piece(nc, &blobs, i, name, verify, tally, out, err);
	if (rc == 0 && buf_failed(out))
		rc = error_set(err, ERRC_NOMEM, "out of memory");
	objectblobs_fini(&blobs);
	return rc;
}
