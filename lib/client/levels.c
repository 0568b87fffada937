/* SPDX-License-Identifier: MIT */
#include "client/levels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "client/committer.h"
#include "client/metaread.h"
#include "client/nodeclient.h"
#include "cluster/jsontext.h"
#include "cluster/placement.h"
#include "commit/record.h"
#include "http/httpc_request.h"
#include "wire/nodecall.h"

#define HEALTH_BYTES (4u << 20)
#define MEMBER_MS 2000

/* What /health says; a program of before there were levels says nothing. */
static int
parse_knows(struct bytes body, unsigned *knows, struct error *err)
{
	json_t *json = NULL;
	uint64_t level = 1;
	bool good = true;
	int rc = jsontext_load(&json, body, HEALTH_BYTES, 8, err);

	if (rc < 0)
		return rc;
	if (json_object_get(json, "level") != NULL)
		good = jsontext_integer(json, "level", 1, RECORD_LEVEL_MAX,
		    &level);
	json_decref(json);
	if (!good)
		return error_set(err, ERRC_PROTOCOL, "health: bad level");
	*knows = (unsigned)level;
	return 0;
}

static int
ask_member(struct nodeclient *nc, const struct peer *peer, unsigned *knows,
    uint64_t deadline, struct error *err)
{
	struct nodecall_request request = {
		.method = "GET",
		.target = "/health",
		.untimed = true,
	};
	uint64_t until = KOOP_MIN(deadline, nodeclient_now(nc) + MEMBER_MS);
	struct httpc_response response = { 0 };
	int rc;

	rc = nodecall_exchange(nodeclient_peers(nc), peer, &request, &response,
	    HEALTH_BYTES, until, err);
	if (rc == 0)
		rc = parse_knows(buf_bytes(&response.body), knows, err);
	httpc_response_fini(&response);
	return rc;
}

int
levels_members(struct nodeclient *nc, levels_member_fn *fn, void *arg,
    uint64_t deadline, struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	int rc = 0;

	(void)err;
	for (size_t i = 0; i < t->set_count && rc == 0; i++) {
		for (uint32_t j = 0; j < t->sets[i].n && rc == 0; j++) {
			struct peer peer = peers_machine(&t->sets[i], j);
			struct error why = { 0 };
			unsigned knows = 0;

			if (ask_member(nc, &peer, &knows, deadline, &why) < 0)
				knows = 0;
			rc = fn(arg, &peer, knows, why.text);
		}
	}
	return rc;
}

/* The position of a partition comes with any answer; of a bucket that is not
 * there as well. */
static int
read_level(struct nodeclient *nc, uint32_t partition, unsigned *level,
    uint64_t deadline, struct error *err)
{
	struct bucket_info info = { 0 };
	int rc = metaread_bucket(nc, partition, bytes_str("level"), &info,
	    deadline, err);

	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	assert(info.level >= 1);
	*level = KOOP_MIN(*level, info.level);
	return 0;
}

int
levels_now(struct nodeclient *nc, unsigned *level, uint64_t deadline,
    struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	unsigned lowest = RECORD_LEVEL_MAX;
	int rc = 0;

	for (size_t i = 0; i < t->partition_count && rc == 0; i++)
		rc = read_level(nc, t->partitions[i], &lowest, deadline, err);
	if (rc == 0)
		*level = lowest;
	return rc;
}

struct checking {
	unsigned level;
	struct error *err;
};

static int
check_member(void *arg, const struct peer *peer, unsigned knows,
    const char *reason)
{
	struct checking *c = arg;

	if (knows >= c->level)
		return 0;
	if (knows == 0)
		return error_set(c->err, ERRC_UNAVAILABLE,
		    "set %u machine %u (%s:%u): does not answer: %s: what it "
		    "knows must be known first",
		    peer->set, peer->index, peer->machine.ip,
		    peer->machine.port, reason);
	return error_set(c->err, ERRC_MISMATCH,
	    "set %u machine %u (%s:%u): its program knows level %u only and "
	    "would halt: install the newer one there first",
	    peer->set, peer->index, peer->machine.ip, peer->machine.port,
	    knows);
}

/* The record to every partition, one by one applied by all that vote. */
static int
tell_all(struct nodeclient *nc, struct record *record, uint64_t deadline,
    struct error *err)
{
	const struct topology *t = nodeclient_topology(nc);
	struct committer_item *items = calloc(t->partition_count,
	    sizeof(*items));
	int rc;

	if (items == NULL)
		return error_set(err, ERRC_NOMEM, "level: out of memory");
	for (size_t i = 0; i < t->partition_count; i++) {
		items[i].partition = t->partitions[i];
		items[i].record = record;
	}
	rc = committer_commit_all(nc, items, t->partition_count, deadline, err);
	for (size_t i = 0; rc == 0 && i < t->partition_count; i++)
		if (items[i].outcome != OUTCOME_DONE)
			rc = error_set(err, ERRC_UNAVAILABLE,
			    "partition %u: not raised: %s", items[i].partition,
			    outcome_name(items[i].outcome));
	free(items);
	return rc;
}

int
levels_raise(struct nodeclient *nc, unsigned level, uint64_t deadline,
    struct error *err)
{
	struct checking checking = { .level = level, .err = err };
	struct record record = {
		.type = RECORD_RAISE_LEVEL,
		.request_id = reqid_new(nodeclient_clock(nc),
		    nodeclient_random(nc)),
		.level = level,
	};
	int rc;

	if (level < 1 || level > record_level())
		return error_set(err, ERRC_USAGE,
		    "level %u: this program knows 1 to %u", level,
		    record_level());
	rc = levels_members(nc, check_member, &checking, deadline, err);
	return rc < 0 ? rc : tell_all(nc, &record, deadline, err);
}

int
levels_raise_epoch(struct nodeclient *nc, uint64_t epoch, uint64_t deadline,
    struct error *err)
{
	struct record record = {
		.type = RECORD_RAISE_EPOCH,
		.request_id = reqid_new(nodeclient_clock(nc),
		    nodeclient_random(nc)),
		.new_epoch = epoch,
	};
	unsigned need = record_type_level(RECORD_RAISE_EPOCH);
	unsigned level = 0;
	int rc = levels_now(nc, &level, deadline, err);

	if (rc < 0)
		return rc;
	if (KOOP_MIN(level, record_level()) < need)
		return error_set(err, ERRC_UNAVAILABLE,
		    "an epoch needs level %u, and the cluster is at level %u",
		    need, level);
	return tell_all(nc, &record, deadline, err);
}
