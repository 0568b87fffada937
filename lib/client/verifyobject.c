/* SPDX-License-Identifier: MIT */
#include "client/verifyobject.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/blobread.h"
#include "client/nodeclient.h"
#include "client/nodenotice.h"
#include "client/objectblobs.h"
#include "client/shardcheck.h"
#include "cluster/jsontext.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define NAME_BYTES (OBJECTNAME_BUCKET_MAX + 1 + OBJECTNAME_KEY_MAX)
/* Looks at one object that changes all the time; the last is believed to be
 * of one that is gone. */
#define LOOKS_MAX 5
/* Shards that a line names; how many there are it says always. */
#define NAMED_MAX 64
#define READ_BYTES (1u << 20)
/* A shard that is absent so soon after the commit may be on its way. */
#define YOUNG_MS 60000

/* What one look came to, and the shards that are not good. */
struct verify_look {
	enum verifyobject_state state;
	uint32_t count[4]; /* by shardcheck_state */
	struct buf named;
	uint32_t named_count;
};

/* Can it be read all the same?  A shard with one bad cell has good ones. */
static int
blob_readable(struct nodeclient *nc, const struct blob_ref *ref, bool *out,
    struct error *err)
{
	struct blobread *blob = NULL;
	uint8_t *memory = malloc(READ_BYTES);
	ssize_t n = 1;
	int rc = memory == NULL ?
	    error_set(err, ERRC_NOMEM, "verify: out of memory") :
	    blobread_open(&blob, nc, ref, err);

	assert(ref->size <= STRIPE_SIZE_MAX);
	while (rc == 0 && n > 0) {
		n = blobread_read(blob, memory, READ_BYTES, -1, err);
		if (n < 0)
			rc = (int)n;
	}
	*out = rc == 0;
	blobread_close(blob);
	free(memory);
	return rc == -ERRC_UNAVAILABLE ? 0 : rc;
}

/*
 * As many good shards as there are data shards make it readable for sure.
 * Nobody calls it lost while nodes that are down may hold what is needed.
 */
static int
judge_blob(struct nodeclient *nc, const struct shardcheck_blob *blob,
    const struct shardcheck *check, enum verifyobject_state *out,
    struct error *err)
{
	const uint32_t *count = check->count;
	uint32_t need = blob->is_inline ? 1 : blob->ref.geometry.data_shards;
	bool readable = count[SHARDCHECK_GOOD] >= need;
	bool hurt = count[SHARDCHECK_ABSENT] + count[SHARDCHECK_BAD] > 0;
	int rc = 0;

	assert(need >= 1);
	if (!readable && !blob->is_inline)
		rc = blob_readable(nc, &blob->ref, &readable, err);
	if (rc < 0)
		return rc;
	if (readable && hurt)
		*out = VERIFYOBJECT_DAMAGED;
	else if (readable)
		*out = count[SHARDCHECK_UNREACHED] > 0 ?
		    VERIFYOBJECT_UNCHECKED :
		    VERIFYOBJECT_WHOLE;
	else if (count[SHARDCHECK_GOOD] + count[SHARDCHECK_BAD] +
		    count[SHARDCHECK_UNREACHED] >=
		need &&
	    count[SHARDCHECK_UNREACHED] > 0)
		*out = VERIFYOBJECT_UNCHECKED;
	else
		*out = VERIFYOBJECT_LOST;
	return 0;
}

static void
name_json(struct buf *out, const struct shardcheck *check,
    const struct shardcheck_shard *s, uint32_t part)
{
	char address[ADDRESS_BYTES];

	assert(s->machine < check->set->n);
	machine_address(address, &check->set->machine[s->machine]);
	buf_printf(out,
	    "%s{\"part\":%" PRIu32 ",\"shard\":%" PRIu32 ",\"set\":%" PRIu32
	    ",\"machine\":%" PRIu32 ",\"address\":\"%s\",\"state\":\"%s\","
	    "\"why\":",
	    out->n > 0 ? "," : "", part, s->shard, check->set->number,
	    s->machine, address, shardcheck_word(s->state));
	jsontext_quote(out, bytes_str(s->why));
	buf_addch(out, '}');
}

/* "absent:1/5:2": the state, the node as koop status names it, the shard. */
static void
name_text(struct buf *out, const struct shardcheck *check,
    const struct shardcheck_shard *s)
{
	assert(s->state != SHARDCHECK_GOOD);
	buf_printf(out, "%s%s:%" PRIu32 "/%" PRIu32 ":%" PRIu32,
	    out->n > 0 ? "," : "", shardcheck_word(s->state),
	    check->set->number, s->machine, s->shard);
}

static void
take_check(struct verifyobject *v, struct verify_look *look,
    const struct shardcheck_blob *blob, const struct shardcheck *check,
    uint32_t part)
{
	struct placement place = {
		.partition = blob->ref.partition,
		.set = check->set,
	};

	for (unsigned i = 0; i < nitems(look->count); i++)
		look->count[i] += check->count[i];
	for (uint32_t i = 0; i < check->n; i++) {
		const struct shardcheck_shard *s = &check->shard[i];

		if (s->state == SHARDCHECK_GOOD)
			continue;
		/* protocol.md 7.3: its node is told, and repairs it. */
		if (s->state == SHARDCHECK_BAD && !blob->is_inline)
			nodenotice_repair(v->nc, &place, blob->ref.id,
			    s->shard);
		if (look->named_count++ >= NAMED_MAX)
			continue;
		if (v->json)
			name_json(&look->named, check, s, part);
		else
			name_text(&look->named, check, s);
	}
}

/* All pieces, once.  The worst of them is what the object is. */
static int
verify_look_once(struct verifyobject *v, const struct objectblobs *blobs,
    struct verify_look *look, struct error *err)
{
	int rc = 0;

	look->state = VERIFYOBJECT_WHOLE;
	look->named_count = 0;
	memset(look->count, 0, sizeof(look->count));
	buf_clear(&look->named);
	for (uint32_t i = 0; i < objectblobs_pieces(blobs) && rc == 0; i++) {
		enum verifyobject_state state = VERIFYOBJECT_WHOLE;
		struct shardcheck_blob blob;
		struct shardcheck check;

		objectblobs_piece(blobs, i, &blob);
		rc = shardcheck_run(&check, v->nc, &blob, true, err);
		if (rc < 0)
			break;
		v->shards += check.n;
		v->bytes += check.read_bytes;
		rc = judge_blob(v->nc, &blob, &check, &state, err);
		take_check(v, look, &blob, &check, i + 1);
		look->state = KOOP_MAX(look->state, state);
	}
	return rc;
}

static void
print_version(struct buf *line, const struct object_info *info, bool json)
{
	char version[VERSIONID_TEXT + 1];

	/* Else there is one, and to name it would announce more. */
	if (info->versioning == NODEPROTO_NEVER)
		return;
	versionid_format(version, &info->version);
	buf_printf(line, json ? ",\"version\":\"%s\"" : " version=%s", version);
}

static void
print_look(const struct verifyobject *v, const struct objectblobs *blobs,
    const struct verify_look *look, struct buf *line)
{
	static const char *const words[] = { "whole", "damaged", "unchecked",
		"lost", "gone", "mended" };
	struct buf name = buf_make(NAME_BYTES + 1);
	char text[3 * NAME_BYTES + 1];
	const uint32_t *count = look->count;

	assert((size_t)look->state < nitems(words));
	buf_add(&name, v->bucket.p, v->bucket.n);
	buf_addch(&name, '/');
	buf_add(&name, v->key.p, v->key.n);
	buf_addstr(line, v->json ? "{\"key\":" : "object v=1 name=");
	if (v->json) {
		jsontext_quote(line, buf_bytes(&name));
	} else {
		percent_encode(text, name.p, name.n, true);
		buf_addstr(line, text);
	}
	print_version(line, &blobs->info, v->json);
	buf_printf(line,
	    v->json ? ",\"state\":\"%s\",\"size\":%" PRIu64 ",\"present\":%u,"
		      "\"absent\":%u,\"damaged\":%u,\"down\":%u,\"shards\":[" :
		      " state=%s size=%" PRIu64
		      " present=%u absent=%u damaged=%u down=%u shards=",
	    words[look->state], blobs->info.size, count[SHARDCHECK_GOOD],
	    count[SHARDCHECK_ABSENT], count[SHARDCHECK_BAD],
	    count[SHARDCHECK_UNREACHED]);
	buf_add(line, look->named.p, look->named.n);
	buf_addstr(line, v->json ? "]}\n" : "\n");
	if (buf_failed(&name) || buf_failed(&look->named))
		line->failed = true;
	buf_fini(&name);
}

/* Is what was not whole and is so now worth a word? */
static bool
was_hurt(const struct verifyobject *v, const struct objectblobs *blobs,
    const struct verify_look *look)
{
	uint64_t now = clock_real_ms(nodeclient_clock(v->nc));

	assert(look->state <= VERIFYOBJECT_LOST);
	return look->count[SHARDCHECK_BAD] > 0 ||
	    (look->count[SHARDCHECK_ABSENT] > 0 &&
		now > blobs->info.modified_ms + YOUNG_MS);
}

/* The first look of two at one record is kept: a node that it told of damage
 * may have repaired it before the second. */
static int
verify_look_again(struct verifyobject *v, const struct objectblobs *blobs,
    struct verify_look look[static 2], unsigned same, struct buf *line,
    struct error *err)
{
	int rc = verify_look_once(v, blobs, &look[same], err);

	assert(same <= 1);
	if (rc < 0 || look[same].state != VERIFYOBJECT_WHOLE)
		return rc;
	v->state = VERIFYOBJECT_WHOLE;
	if (same == 1 && was_hurt(v, blobs, &look[0])) {
		v->state = look[0].state = VERIFYOBJECT_MENDED;
		print_look(v, blobs, &look[0], line);
	}
	return 1;
}

/* A bad shard is out of the way by the second look, and absent until it is
 * rebuilt: the first says why. */
static const struct verify_look *
telling_look(const struct verify_look look[static 2])
{
	assert(look[1].state != VERIFYOBJECT_WHOLE);
	if (look[0].state == look[1].state &&
	    look[0].count[SHARDCHECK_BAD] > look[1].count[SHARDCHECK_BAD])
		return &look[0];
	return &look[1];
}

/*
 * Read the record, look, and read it again: only if it is the same twice, and
 * both looks find it so, there is something to tell.
 */
static int
verify_again(struct verifyobject *v, struct verify_look look[static 2],
    struct buf *line, struct error *err)
{
	struct reqid before = { { 0 } };
	unsigned same = 0;
	int rc = 0;

	assert(v->state == VERIFYOBJECT_GONE);
	for (unsigned i = 0; i < LOOKS_MAX && rc == 0; i++) {
		struct objectblobs blobs;

		rc = objectblobs_read(&blobs, v->nc, v->bucket, v->key,
		    v->version, NULL, err);
		if (rc == 0 && !reqid_equal(before, blobs.info.id))
			same = 0;
		if (rc == 0 && same == 2) {
			v->state = look[1].state;
			print_look(v, &blobs, telling_look(look), line);
			rc = 1;
		} else if (rc == 0) {
			rc = verify_look_again(v, &blobs, look, same, line,
			    err);
			same++;
		} else if (rc == -ERRC_NOTFOUND && i > 0) {
			rc = 1; /* it went meanwhile */
		}
		before = blobs.info.id;
		objectblobs_fini(&blobs);
	}
	return rc < 0 ? rc : 0;
}

int
verifyobject_run(struct verifyobject *v, struct buf *line, struct error *err)
{
	struct verify_look look[2] = {
		{ .named = buf_make(NAMED_MAX * 512) },
		{ .named = buf_make(NAMED_MAX * 512) },
	};
	int rc;

	assert(v->bucket.n > 0 && v->key.n > 0);
	v->state = VERIFYOBJECT_GONE;
	v->shards = v->bytes = 0;
	rc = verify_again(v, look, line, err);
	if (rc == 0 && buf_failed(line))
		rc = error_set(err, ERRC_NOMEM, "verify: out of memory");
	buf_fini(&look[0].named);
	buf_fini(&look[1].named);
	return rc;
}
