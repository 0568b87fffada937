/* SPDX-License-Identifier: MIT */
#include "client/shardcheck.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"
#include "client/nodeclient.h"
#include "cluster/placement.h"
#include "codec/crc.h"
#include "http/httpreq.h"
#include "shard/frame.h"
#include "shard/verify.h"
#include "wire/nodeanswer.h"
#include "wire/nodecall.h"
#include "wire/nodeproto.h"

/* A node that sends nothing for so long is not waited for. */
#define SILENT_MS 8000
#define ROOM_MS 4000

struct look {
	struct nodecall call; /* closed: it is over */
	struct shardcheck_shard *out;
	uint64_t moved_ms;
	struct frame_verifier verifier; /* of a shard, every byte */
	uint64_t crc;                   /* of inline bytes */
	uint64_t got;
	uint8_t *buffer;
};

struct check {
	struct nodeclient *nc;
	const struct shardcheck_blob *blob;
	struct placement place;
	bool every_byte;
	struct shardcheck *out;
	uint8_t *memory;
	struct look look[STRIPE_SHARDS_MAX];
};

const char *
shardcheck_word(enum shardcheck_state state)
{
	static const char *const words[] = {
		[SHARDCHECK_GOOD] = "present",
		[SHARDCHECK_ABSENT] = "absent",
		[SHARDCHECK_BAD] = "damaged",
		[SHARDCHECK_UNREACHED] = "down",
	};

	assert((size_t)state < nitems(words));
	return words[state];
}

static int
place_blob(struct placement *place, struct nodeclient *nc,
    const struct shardcheck_blob *blob, struct error *err)
{
	const struct topology *topology = nodeclient_topology(nc);
	const struct blob_ref *ref = &blob->ref;

	place->partition = ref->partition;
	place->set = topology_set(topology, ref->set);
	if (place->set == NULL)
		return error_set(err, ERRC_PROTOCOL,
		    "erasure set %" PRIu32 ": the topology has none", ref->set);
	place->set_index = (size_t)(place->set - topology->sets);
	if (!blob->is_inline &&
	    place->set->n != geometry_shards(&ref->geometry))
		return error_set(err, ERRC_PROTOCOL,
		    "erasure set %" PRIu32
		    ": %u machines, but the blob has %u shards",
		    ref->set, place->set->n, geometry_shards(&ref->geometry));
	return 0;
}

static void
shardcheck_lay_out(struct shardcheck *out, const struct placement *place,
    bool is_inline)
{
	*out = (struct shardcheck){ .set = place->set };
	for (uint32_t i = 0; i < place->set->n; i++) {
		uint32_t machine = placement_machine(place, i);

		if (is_inline && !placement_inline_holder(place, machine))
			continue;
		out->shard[out->n++] = (struct shardcheck_shard){
			.shard = i,
			.machine = machine,
			.state = SHARDCHECK_UNREACHED,
		};
	}
	assert(out->n >= 1 && out->n <= STRIPE_SHARDS_MAX);
	out->count[SHARDCHECK_UNREACHED] = out->n;
}

int
shardcheck_place(struct shardcheck *out, struct nodeclient *nc,
    const struct shardcheck_blob *blob, struct error *err)
{
	struct placement place;
	int rc = place_blob(&place, nc, blob, err);

	assert(blob->ref.bucket.n > 0);
	if (rc == 0)
		shardcheck_lay_out(out, &place, blob->is_inline);
	return rc;
}

/* The end of one, whatever it came to. */
static void
look_over(struct check *c, struct look *l, enum shardcheck_state state,
    const char *why)
{
	struct shardcheck *out = c->out;

	assert(l->out->state == SHARDCHECK_UNREACHED);
	assert(out->count[SHARDCHECK_UNREACHED] > 0);
	out->count[SHARDCHECK_UNREACHED]--;
	out->count[state]++;
	l->out->state = state;
	snprintf(l->out->why, sizeof(l->out->why), "%.*s",
	    (int)sizeof(l->out->why) - 1, why);
	nodecall_close(&l->call);
}

/* Totals of a shard against the record. */
static const char *
compare_totals(const struct check *c, const struct look *l,
    const struct blob_totals *totals)
{
	const struct shardcheck_blob *blob = c->blob;

	if (totals->size != blob->ref.size ||
	    totals->crc64nvme != blob->crc64nvme ||
	    totals->shards != c->place.set->n)
		return "it is of other contents than were committed";
	assert(l->out->shard < totals->shards);
	if (totals->shard_crc64[l->out->shard] !=
	    blob->shard_crc64[l->out->shard])
		return "its CRC-64 is not that of the record";
	return NULL;
}

static void
judge_end(struct check *c, struct look *l)
{
	struct blob_totals totals;
	struct error err;
	const char *why;
	uint8_t shard;

	if (l->got != FRAME_END_BYTES) {
		look_over(c, l, SHARDCHECK_BAD, "it is not as long as it was");
		return;
	}
	if (frame_end_decode(&totals, &shard, l->buffer, &c->blob->ref.id,
		&err) < 0) {
		look_over(c, l, SHARDCHECK_BAD, err.text);
		return;
	}
	why = shard != l->out->shard ? "it is another shard" :
				       compare_totals(c, l, &totals);
	look_over(c, l, why == NULL ? SHARDCHECK_GOOD : SHARDCHECK_BAD,
	    why == NULL ? "" : why);
}

static void
judge_every_byte(struct check *c, struct look *l)
{
	struct error err;
	const char *why;

	l->out->bytes = l->got;
	if (frame_verifier_finish(&l->verifier, &err) < 0) {
		look_over(c, l, SHARDCHECK_BAD, err.text);
		return;
	}
	why = compare_totals(c, l, &l->verifier.totals);
	if (why == NULL &&
	    !geometry_equal(&l->verifier.begin.geometry,
		&c->blob->ref.geometry))
		why = "it is of another geometry than was committed";
	look_over(c, l, why == NULL ? SHARDCHECK_GOOD : SHARDCHECK_BAD,
	    why == NULL ? "" : why);
}

static void
judge_inline(struct check *c, struct look *l)
{
	bool good = l->got == c->blob->ref.size && l->crc == c->blob->crc64nvme;

	assert(c->blob->is_inline);
	l->out->bytes = l->got;
	look_over(c, l, good ? SHARDCHECK_GOOD : SHARDCHECK_BAD,
	    good ? "" : "it is not what was committed");
}

/* What a node that has no good answer says. */
static bool
judge_status(struct check *c, struct look *l)
{
	int status = httpc_status(l->call.http);
	const char *size;

	/* RFC 9110, 15.5.17: how long it is instead. */
	size = httpc_response_header(l->call.http, "Content-Range");
	size = size != NULL ? strchr(size, '/') : NULL;
	if (size != NULL &&
	    !number_parse(&l->out->bytes, size + 1, strlen(size + 1), 0,
		STRIPE_SIZE_MAX))
		l->out->bytes = 0;
	if (status == 206 ||
	    (status == 200 && (c->every_byte || c->blob->is_inline)))
		return true;
	if (status == 404 || status == 410)
		look_over(c, l, SHARDCHECK_ABSENT, "it has none");
	else if (status == 416)
		look_over(c, l, SHARDCHECK_BAD, "it is not as long as it was");
	else
		look_over(c, l, SHARDCHECK_UNREACHED, nodeanswer_text(status));
	return false;
}

/* Bytes that came.  False: it is over. */
static bool
take_bytes(struct check *c, struct look *l)
{
	size_t n = httpc_received(l->call.http);
	struct iovec iov = { l->buffer, SHARDCHECK_BYTES };
	struct error err;

	if (n == 0)
		return true;
	assert(n <= SHARDCHECK_BYTES);
	l->moved_ms = nodeclient_now(c->nc);
	/* END alone stays where it is until it is whole. */
	if (!c->every_byte && !c->blob->is_inline) {
		l->got = n;
		return true;
	}
	l->got += n;
	c->out->read_bytes += n;
	if (c->blob->is_inline) {
		l->crc = crc64_nvme(l->crc, l->buffer, n);
	} else if (frame_verifier_feed(&l->verifier, l->buffer, n, &err) < 0) {
		look_over(c, l, SHARDCHECK_BAD, err.text);
		return false;
	}
	httpc_recv_into(l->call.http, &iov, 1);
	return true;
}

static void
shardcheck_look_at(struct check *c, struct look *l)
{
	enum httpc_state state = nodecall_state(&l->call);
	bool fresh = l->out->bytes == 0 && l->got == 0;

	if (state == HTTPC_FAILED) {
		look_over(c, l, SHARDCHECK_UNREACHED,
		    httpc_error(l->call.http)->text);
		return;
	}
	if (state != HTTPC_BODY && state != HTTPC_DONE)
		return;
	if (fresh && !judge_status(c, l))
		return;
	if (!take_bytes(c, l) || state != HTTPC_DONE)
		return;
	if (c->blob->is_inline)
		judge_inline(c, l);
	else if (c->every_byte)
		judge_every_byte(c, l);
	else
		judge_end(c, l);
}

static void
begin_look(struct check *c, struct look *l, const char *target)
{
	const struct blob_ref *ref = &c->blob->ref;
	struct peer peer = nodeclient_peer(&c->place, l->out->machine);
	struct nodecall_request request = {
		.method = "GET",
		.target = target,
		.room_ms = ROOM_MS,
		/* A whole shard takes as long as it is. */
		.untimed = c->every_byte,
	};
	struct iovec iov = { l->buffer, SHARDCHECK_BYTES };
	struct error err;

	assert(l->call.http == NULL);
	if (!c->every_byte && !c->blob->is_inline) {
		request.ranged = true;
		request.from = stripe_end_offset(&ref->geometry, ref->size);
		request.to = NODECALL_END;
	}
	l->moved_ms = nodeclient_now(c->nc);
	if (!nodeclient_usable(c->nc, &c->place, l->out->machine))
		look_over(c, l, SHARDCHECK_UNREACHED,
		    "it did not answer before");
	else if (nodecall_open(&l->call, nodeclient_peers(c->nc), &peer,
		     &request, &err) < 0)
		look_over(c, l, SHARDCHECK_UNREACHED, err.text);
	else
		httpc_recv_into(l->call.http, &iov, 1);
}

/* Those that said nothing for too long.  Returns when to look again; 0: none
 * is open. */
static uint64_t
give_up_silent(struct check *c)
{
	uint64_t now = nodeclient_now(c->nc), next = 0;

	for (uint32_t i = 0; i < c->out->n; i++) {
		struct look *l = &c->look[i];
		uint64_t due = l->moved_ms + SILENT_MS;

		if (l->call.http == NULL)
			continue;
		if (now >= due) {
			nodecall_bad(&l->call);
			look_over(c, l, SHARDCHECK_UNREACHED,
			    "no answer in time");
			continue;
		}
		next = next == 0 ? due : KOOP_MIN(next, due);
	}
	return next;
}

static int
poll_looks(struct check *c, struct error *err)
{
	struct httpc_call *calls[STRIPE_SHARDS_MAX];
	uint64_t until;

	while ((until = give_up_silent(c)) != 0) {
		for (uint32_t i = 0; i < c->out->n; i++)
			calls[i] = c->look[i].call.http;
		if (httpc_poll(calls, c->out->n, NULL, until) < 0)
			return error_errno(err, ERRC_IO, "poll");
		for (uint32_t i = 0; i < c->out->n; i++)
			if (c->look[i].call.http != NULL)
				shardcheck_look_at(c, &c->look[i]);
	}
	return 0;
}

static int
run_looks(struct check *c, const char *target, struct error *err)
{
	int rc;

	for (uint32_t i = 0; i < c->out->n; i++) {
		struct look *l = &c->look[i];

		l->out = &c->out->shard[i];
		l->buffer = c->memory + (size_t)i * SHARDCHECK_BYTES;
		if (!c->blob->is_inline)
			frame_verifier_init(&l->verifier, c->blob->ref.id,
			    (uint8_t)l->out->shard);
		begin_look(c, l, target);
	}
	rc = poll_looks(c, err);
	for (uint32_t i = 0; i < c->out->n; i++)
		nodecall_close(&c->look[i].call);
	return rc;
}

int
shardcheck_run(struct shardcheck *out, struct nodeclient *nc,
    const struct shardcheck_blob *blob, bool every_byte, struct error *err)
{
	struct buf target = buf_make(HTTPREQ_TARGET_MAX);
	const struct blob_ref *ref = &blob->ref;
	size_t room = (size_t)STRIPE_SHARDS_MAX * SHARDCHECK_BYTES;
	struct check *c;
	int rc;

	assert(blob->is_inline || blob->shard_crc64 != NULL);
	static_assert(SHARDCHECK_BYTES >= FRAME_END_BYTES, "END fits");
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return error_set(err, ERRC_NOMEM, "check: out of memory");
	*c = (struct check){
		.nc = nc,
		.blob = blob,
		.every_byte = every_byte,
		.out = out,
	};
	rc = place_blob(&c->place, nc, blob, err);
	if (rc < 0)
		goto out;
	shardcheck_lay_out(out, &c->place, blob->is_inline);
	c->memory = nodeclient_buffer_get(nc, room);
	nodeproto_target_blob(&target, ref->partition, ref->bucket, ref->key,
	    ref->id);
	if (c->memory == NULL || buf_failed(&target))
		rc = error_set(err, ERRC_NOMEM, "check: out of memory");
	else
		rc = run_looks(c, buf_cstr(&target), err);
out:
	nodeclient_buffer_put(nc, c->memory, room);
	buf_fini(&target);
	free(c);
	return rc;
}
