/* SPDX-License-Identifier: MIT */
#include "cluster/topology.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cluster/jsontext.h"
#include "cluster/quorum.h"
#include "http/address.h"

/*
 * JSON -> struct topology, in two passes: sets with their machines, then the
 * partitions.  Every number is range-checked before it is used as a size.
 */

static int
parse_machine(struct machine *machine, const json_t *json, uint32_t set,
    size_t index, struct error *err)
{
	struct bytes ip;
	uint64_t port;

	if (!jsontext_string(json, "ip", &ip) || ip.n >= sizeof(machine->ip))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: machine %zu: \"ip\" must be an address",
		    set, index);
	/* One spelling of each address, so that comparing text is enough. */
	if (!address_ip(machine->ip, ip))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: machine %zu: \"%.*s\" is not an IP "
		    "address (names are not resolved)",
		    set, index, (int)ip.n, (const char *)ip.p);
	if (!jsontext_integer(json, "port", 1, UINT16_MAX, &port))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: machine %zu: \"port\" must be a number "
		    "from 1 to 65535",
		    set, index);
	machine->port = (uint16_t)port;
	return 0;
}

static int
check_machines(const struct erasure_set *set, struct error *err)
{
	for (uint32_t i = 0; i < set->n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			const struct machine *a = &set->machine[i];
			const struct machine *b = &set->machine[j];

			if (a->port == b->port && strcmp(a->ip, b->ip) == 0)
				return error_set(err, ERRC_CONFIG,
				    "erasure set %u: machine %s port %u is "
				    "there twice (%u and %u)",
				    set->number, a->ip, a->port, j, i);
		}
	}
	return 0;
}

static int
check_quorum(const struct erasure_set *set, struct error *err)
{
	uint32_t n = set->n;
	uint32_t m = set->data_shards;
	uint32_t w = set->write_quorum;

	if (m >= n)
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: m (data shards) is %u, n is %u: m must be "
		    "smaller, or there is no parity",
		    set->number, m, n);
	if (w <= m)
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: write_quorum is %u, m (data shards) is "
		    "%u: it must be larger, or an acknowledged write does not "
		    "survive the loss of one machine",
		    set->number, w, m);
	if (w > n)
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: write_quorum is %u, n is %u: no write "
		    "could ever succeed",
		    set->number, w, n);
	if (!quorum_valid(n, m, w))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: write_quorum is %u, n is %u: it must be "
		    "more than half of n",
		    set->number, w, n);
	return 0;
}

static int
parse_machines(struct erasure_set *set, const json_t *json, struct error *err)
{
	const json_t *machines = json_object_get(json, "machines");
	int rc;

	if (!json_is_array(machines))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: \"machines\" must be a list", set->number);
	if (json_array_size(machines) != set->n)
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: %zu machines, but n is %u", set->number,
		    json_array_size(machines), set->n);
	assert(set->n >= 2 && set->n <= TOPOLOGY_MACHINES_MAX);
	for (uint32_t i = 0; i < set->n; i++) {
		rc = parse_machine(&set->machine[i],
		    json_array_get(machines, i), set->number, i, err);
		if (rc < 0)
			return rc;
	}
	return check_machines(set, err);
}

static int
parse_set(struct erasure_set *set, const json_t *json, size_t index,
    struct error *err)
{
	uint64_t number, n, m, w;
	int rc;

	if (!jsontext_integer(json, "number", 0, TOPOLOGY_NUMBER_MAX, &number))
		return error_set(err, ERRC_CONFIG,
		    "erasure_sets[%zu]: \"number\" must be a number from 0 to "
		    "%d",
		    index, TOPOLOGY_NUMBER_MAX);
	set->number = (uint32_t)number;
	if (!jsontext_integer(json, "n", 2, TOPOLOGY_MACHINES_MAX, &n))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: \"n\" must be a number from 2 to %d",
		    set->number, TOPOLOGY_MACHINES_MAX);
	if (!jsontext_integer(json, "m", 1, TOPOLOGY_MACHINES_MAX, &m))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: \"m\" (data shards) must be a number from "
		    "1 to %d",
		    set->number, TOPOLOGY_MACHINES_MAX);
	set->n = (uint32_t)n;
	set->data_shards = (uint32_t)m;
	w = quorum_default_write(set->data_shards, set->n);
	if (json_object_get(json, "write_quorum") != NULL &&
	    !jsontext_integer(json, "write_quorum", 0, INT32_MAX, &w))
		return error_set(err, ERRC_CONFIG,
		    "erasure set %u: \"write_quorum\" must be a number",
		    set->number);
	set->write_quorum = (uint32_t)w;
	rc = parse_machines(set, json, err);
	return rc < 0 ? rc : check_quorum(set, err);
}

static int
parse_sets(struct topology *topology, const json_t *json, struct error *err)
{
	const json_t *sets = json_object_get(json, "erasure_sets");
	size_t count = json_array_size(sets);
	int rc;

	if (!json_is_array(sets) || count < 1 || count > TOPOLOGY_SETS_MAX)
		return error_set(err, ERRC_CONFIG,
		    "\"erasure_sets\" must be a list of 1 to %d sets",
		    TOPOLOGY_SETS_MAX);
	assert(topology->sets == NULL && topology->set_count == 0);
	topology->sets = calloc(count, sizeof(*topology->sets));
	if (topology->sets == NULL)
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	for (size_t i = 0; i < count; i++) {
		struct erasure_set *set = &topology->sets[i];

		rc = parse_set(set, json_array_get(sets, i), i, err);
		if (rc < 0)
			return rc;
		if (topology_set(topology, set->number) != NULL)
			return error_set(err, ERRC_CONFIG,
			    "erasure set %u: there are two of that number",
			    set->number);
		topology->set_count++;
	}
	return 0;
}

/* A partition and the set that it is spread to, while sorting. */
struct spread {
	uint32_t partition;
	uint32_t set;
};

static int
compare_spread(const void *a, const void *b)
{
	const struct spread *left = a;
	const struct spread *right = b;

	return (left->partition > right->partition) -
	    (left->partition < right->partition);
}

static int
parse_spread(const struct topology *topology, const json_t *json,
    struct spread *spread, size_t *count, struct error *err)
{
	const json_t *partitions = json_object_get(json, "partitions");
	const struct erasure_set *set;
	uint64_t number;

	if (!jsontext_integer(json, "erasure_set", 0, TOPOLOGY_NUMBER_MAX,
		&number))
		return error_set(err, ERRC_CONFIG,
		    "partition_spread: \"erasure_set\" must be the number of a "
		    "set");
	set = topology_set(topology, (uint32_t)number);
	if (set == NULL)
		return error_set(err, ERRC_CONFIG,
		    "partition_spread: erasure set %u does not exist, so its "
		    "partitions would be in none",
		    (uint32_t)number);
	if (!json_is_array(partitions))
		return error_set(err, ERRC_CONFIG,
		    "partition_spread: erasure set %u: \"partitions\" must be "
		    "a list of numbers",
		    set->number);
	for (size_t i = 0; i < json_array_size(partitions); i++) {
		const json_t *item = json_array_get(partitions, i);
		json_int_t value = json_integer_value(item);

		if (!json_is_integer(item) || value < 0 ||
		    value > TOPOLOGY_NUMBER_MAX)
			return error_set(err, ERRC_CONFIG,
			    "partition_spread: erasure set %u: partitions must "
			    "be numbers from 0 to %d",
			    set->number, TOPOLOGY_NUMBER_MAX);
		if (*count == TOPOLOGY_PARTITIONS_MAX)
			return error_set(err, ERRC_CONFIG,
			    "partition_spread: more than %d partitions",
			    TOPOLOGY_PARTITIONS_MAX);
		assert(*count < TOPOLOGY_PARTITIONS_MAX);
		spread[*count].partition = (uint32_t)value;
		spread[*count].set = (uint32_t)(set - topology->sets);
		(*count)++;
	}
	return 0;
}

static int
take_spread(struct topology *topology, struct spread *spread, size_t count,
    struct error *err)
{
	assert(count >= 1 && count <= TOPOLOGY_PARTITIONS_MAX);
	qsort(spread, count, sizeof(*spread), compare_spread);
	for (size_t i = 1; i < count; i++) {
		if (spread[i].partition != spread[i - 1].partition)
			continue;
		return error_set(err, ERRC_CONFIG,
		    "partition %u: is there twice (erasure sets %u and %u)",
		    spread[i].partition,
		    topology->sets[spread[i - 1].set].number,
		    topology->sets[spread[i].set].number);
	}
	topology->partitions = calloc(count, sizeof(uint32_t));
	topology->partition_set = calloc(count, sizeof(uint32_t));
	if (topology->partitions == NULL || topology->partition_set == NULL)
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	for (size_t i = 0; i < count; i++) {
		topology->partitions[i] = spread[i].partition;
		topology->partition_set[i] = spread[i].set;
	}
	topology->partition_count = count;
	return 0;
}

static int
parse_partitions(struct topology *topology, const json_t *json,
    struct error *err)
{
	const json_t *list = json_object_get(json, "partition_spread");
	struct spread *spread;
	size_t count = 0;
	int rc = 0;

	if (!json_is_array(list))
		return error_set(err, ERRC_CONFIG,
		    "\"partition_spread\" must be a list");
	spread = calloc(TOPOLOGY_PARTITIONS_MAX, sizeof(*spread));
	if (spread == NULL)
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	for (size_t i = 0; i < json_array_size(list) && rc == 0; i++)
		rc = parse_spread(topology, json_array_get(list, i), spread,
		    &count, err);
	if (rc == 0 && count == 0)
		rc = error_set(err, ERRC_CONFIG,
		    "partition_spread: there are no partitions");
	if (rc == 0)
		rc = take_spread(topology, spread, count, err);
	free(spread);
	return rc;
}

static int
parse_epoch(struct topology *topology, const json_t *json, struct error *err)
{
	topology->epoch = 1;
	if (json_object_get(json, "epoch") != NULL &&
	    !jsontext_integer(json, "epoch", 1, JSONTEXT_INTEGER_MAX,
		&topology->epoch))
		return error_set(err, ERRC_CONFIG,
		    "\"epoch\" must be a number from 1 to 2^53");
	return 0;
}

int
topology_parse(struct topology **out, struct bytes text, struct error *err)
{
	struct topology *topology = NULL;
	json_t *json = NULL;
	int rc;

	rc = jsontext_load(&json, text, TOPOLOGY_BYTES_MAX, TOPOLOGY_DEPTH_MAX,
	    err);
	/* What is damaged to others is misconfigured here. */
	if (rc == -ERRC_CORRUPT && err != NULL)
		err->code = ERRC_CONFIG;
	if (rc < 0)
		return rc == -ERRC_CORRUPT ? -ERRC_CONFIG : rc;

	topology = calloc(1, sizeof(*topology));
	if (topology == NULL) {
		rc = error_set(err, ERRC_NOMEM, "topology: out of memory");
		goto out;
	}
	rc = parse_epoch(topology, json, err);
	if (rc == 0)
		rc = parse_sets(topology, json, err);
	if (rc == 0)
		rc = parse_partitions(topology, json, err);
	if (rc == 0) {
		assert(topology->epoch >= 1);
		assert(topology->set_count >= 1);
		assert(topology->partition_count >= 1);
		*out = topology;
		topology = NULL;
	}
out:
	topology_free(topology);
	json_decref(json);
	return rc;
}
