/* SPDX-License-Identifier: MIT */
#include "cluster/topology.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "cluster/quorum.h"
#include "http/address.h"

void
topology_free(struct topology *topology)
{
	if (topology == NULL)
		return;
	free(topology->sets);
	free(topology->partitions);
	free(topology->partition_set);
	free(topology);
}

const struct erasure_set *
topology_set(const struct topology *topology, uint32_t number)
{
	for (size_t i = 0; i < topology->set_count; i++) {
		if (topology->sets[i].number == number)
			return &topology->sets[i];
	}
	return NULL;
}

bool
topology_find_machine(const struct topology *topology, const char *ip,
    uint16_t port, const struct erasure_set **set, uint32_t *index)
{
	char wanted[ADDRESS_IP_BYTES];

	if (!address_ip(wanted, bytes_str(ip)))
		return false;
	for (size_t i = 0; i < topology->set_count; i++) {
		const struct erasure_set *in = &topology->sets[i];

		for (uint32_t j = 0; j < in->n; j++) {
			if (in->machine[j].port == port &&
			    strcmp(in->machine[j].ip, wanted) == 0) {
				*set = in;
				*index = j;
				return true;
			}
		}
	}
	return false;
}

size_t
topology_search(const uint32_t *sorted, size_t count, uint32_t partition)
{
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle] < partition)
			low = middle + 1;
		else
			high = middle;
	}
	assert(low <= count && (low == 0 || sorted[low - 1] < partition));
	return low < count && sorted[low] == partition ? low : SIZE_MAX;
}

void
machine_address(char out[static ADDRESS_BYTES], const struct machine *machine)
{
	address_print(out, machine->ip, machine->port);
}

static void
print_set(const struct erasure_set *set, struct buf *out)
{
	assert(quorum_valid(set->n, set->data_shards, set->write_quorum));
	buf_printf(out,
	    "{\"number\":%u,\"n\":%u,\"m\":%u,\"write_quorum\":%u,"
	    "\"machines\":[\n",
	    set->number, set->n, set->data_shards, set->write_quorum);
	for (uint32_t i = 0; i < set->n; i++)
		buf_printf(out, "  {\"ip\":\"%s\",\"port\":%u}%s",
		    set->machine[i].ip, set->machine[i].port,
		    i + 1 < set->n ? ",\n" : "]}");
}

static void
print_spread(const struct topology *topology, size_t set, struct buf *out)
{
	const char *separator = "";

	assert(set < topology->set_count);
	buf_printf(out, "{\"erasure_set\":%u,\"partitions\":[",
	    topology->sets[set].number);
	for (size_t i = 0; i < topology->partition_count; i++) {
		if (topology->partition_set[i] != set)
			continue;
		buf_printf(out, "%s%u", separator, topology->partitions[i]);
		separator = ",";
	}
	buf_addstr(out, "]}");
}

void
topology_print(const struct topology *topology, struct buf *out)
{
	assert(topology->epoch >= 1 && topology->set_count >= 1);
	buf_printf(out, "{\"epoch\":%llu,\n\"erasure_sets\":[\n",
	    (unsigned long long)topology->epoch);
	for (size_t i = 0; i < topology->set_count; i++) {
		buf_addstr(out, i > 0 ? ",\n " : " ");
		print_set(&topology->sets[i], out);
	}
	buf_addstr(out, "],\n\"partition_spread\":[\n");
	for (size_t i = 0; i < topology->set_count; i++) {
		buf_addstr(out, i > 0 ? ",\n " : " ");
		print_spread(topology, i, out);
	}
	buf_addstr(out, "]}\n");
}

/* Machines on the host that has most of them. */
static uint32_t
most_on_one_host(const struct erasure_set *set, const char **host)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t same = 0;

		for (uint32_t j = 0; j < set->n; j++)
			same += strcmp(set->machine[i].ip,
				    set->machine[j].ip) == 0;
		if (same > most) {
			most = same;
			*host = set->machine[i].ip;
		}
	}
	assert(most >= 1 && most <= set->n);
	return most;
}

static size_t
warn_of_set(const struct topology *topology, const struct erasure_set *set,
    struct buf *out)
{
	uint32_t parity = set->n - set->data_shards;
	const char *host = "";
	uint32_t together = most_on_one_host(set, &host);
	size_t warnings = 0;

	assert(set->data_shards < set->n);
	if (set->data_shards <= parity) {
		buf_printf(out,
		    "erasure set %u: %u data and %u parity shards: losing %u "
		    "machines stops reads, although the shards would suffice\n",
		    set->number, set->data_shards, parity, parity);
		warnings++;
	}
	if (together > parity) {
		buf_printf(out,
		    "erasure set %u: %u of its machines are on host %s: losing "
		    "that host stops reads (at most %u would be safe)\n",
		    set->number, together, host, parity);
		warnings++;
	}
	for (uint32_t i = 0; i < set->n; i++) {
		const struct machine *machine = &set->machine[i];
		const struct erasure_set *first = NULL;
		uint32_t index;

		if (topology_find_machine(topology, machine->ip, machine->port,
			&first, &index) &&
		    first != set) {
			buf_printf(out,
			    "erasure set %u: machine %s port %u is in set %u, "
			    "too: a node serves one set only\n",
			    set->number, machine->ip, machine->port,
			    first->number);
			warnings++;
		}
	}
	return warnings;
}

size_t
topology_warnings(const struct topology *topology, struct buf *out)
{
	size_t warnings = 0;

	for (size_t i = 0; i < topology->set_count; i++) {
		const struct erasure_set *set = &topology->sets[i];
		bool used = false;

		warnings += warn_of_set(topology, set, out);
		for (size_t j = 0; j < topology->partition_count; j++)
			used = used || topology->partition_set[j] == i;
		if (!used) {
			buf_printf(out,
			    "erasure set %u: has no partitions: nothing will "
			    "be stored there\n",
			    set->number);
			warnings++;
		}
	}
	return warnings;
}

static int
check_options(const struct topology_options *options, uint32_t w,
    struct error *err)
{
	uint32_t data = options->data_shards;
	uint32_t n;

	if (data < 1 || options->parity_shards < 1 ||
	    data > TOPOLOGY_MACHINES_MAX ||
	    options->parity_shards > TOPOLOGY_MACHINES_MAX ||
	    data + options->parity_shards > TOPOLOGY_MACHINES_MAX)
		return error_set(err, ERRC_USAGE,
		    "%u data and %u parity shards: at least 1 of each, and "
		    "together at most %d",
		    data, options->parity_shards, TOPOLOGY_MACHINES_MAX);
	n = data + options->parity_shards;
	if (options->nodes == 0 || options->nodes % n != 0 ||
	    options->nodes / n > TOPOLOGY_SETS_MAX)
		return error_set(err, ERRC_USAGE,
		    "%u nodes: must be a multiple of %u data + %u parity "
		    "shards = %u, and at most %u",
		    options->nodes, data, options->parity_shards, n,
		    n * TOPOLOGY_SETS_MAX);
	if (!quorum_valid(n, data, w))
		return error_set(err, ERRC_USAGE,
		    "write quorum %u: must be %u to %u for %u data and %u "
		    "parity shards",
		    w, quorum_default_write(data, n), n, data,
		    options->parity_shards);
	if (options->partitions < options->nodes / n ||
	    options->partitions > TOPOLOGY_PARTITIONS_MAX)
		return error_set(err, ERRC_USAGE,
		    "%u partitions: must be %u (one an erasure set) to %d",
		    options->partitions, options->nodes / n,
		    TOPOLOGY_PARTITIONS_MAX);
	if (options->node_port == 0 ||
	    options->node_port + (uint64_t)options->nodes - 1 > UINT16_MAX)
		return error_set(err, ERRC_USAGE,
		    "node port %u: %u ports from there on do not exist",
		    options->node_port, options->nodes);
	return 0;
}

static void
make_fill(struct topology *topology, const struct topology_options *options,
    const char *ip, uint32_t w)
{
	uint32_t n = options->data_shards + options->parity_shards;

	topology->epoch = options->epoch != 0 ? options->epoch : 1;
	for (uint32_t i = 0; i < options->nodes; i++) {
		struct erasure_set *set = &topology->sets[i / n];
		struct machine *machine = &set->machine[i % n];

		set->number = i / n + 1;
		set->n = n;
		set->data_shards = options->data_shards;
		set->write_quorum = w;
		memcpy(machine->ip, ip, sizeof(machine->ip));
		machine->port = (uint16_t)(options->node_port + i);
	}
	/*
	 * Runs of neighbours, not every set_count'th: shard j is on machine
	 * (j + partition) mod n, so partitions of one set that are equal
	 * modulo n would put all parity on the same machines.
	 */
	for (uint32_t i = 0; i < options->partitions; i++) {
		uint64_t set = (uint64_t)i * topology->set_count;

		topology->partitions[i] = i;
		topology->partition_set[i] = (uint32_t)(set /
		    options->partitions);
		assert(topology->partition_set[i] < topology->set_count);
	}
}

int
topology_make(struct topology **out, const struct topology_options *options,
    struct error *err)
{
	uint32_t n = options->data_shards + options->parity_shards;
	uint32_t w = options->write_quorum;
	struct topology *topology;
	char ip[ADDRESS_IP_BYTES] = { 0 };
	int rc;

	if (w == 0)
		w = quorum_default_write(options->data_shards, n);
	rc = check_options(options, w, err);
	if (rc < 0)
		return rc;
	if (!address_ip(ip, bytes_str(options->host)))
		return error_set(err, ERRC_USAGE,
		    "host \"%s\": not an IP address", options->host);

	topology = calloc(1, sizeof(*topology));
	if (topology == NULL)
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	topology->set_count = options->nodes / n;
	topology->partition_count = options->partitions;
	topology->sets = calloc(topology->set_count, sizeof(*topology->sets));
	topology->partitions = calloc(options->partitions, sizeof(uint32_t));
	topology->partition_set = calloc(options->partitions, sizeof(uint32_t));
	if (topology->sets == NULL || topology->partitions == NULL ||
	    topology->partition_set == NULL) {
		topology_free(topology);
		return error_set(err, ERRC_NOMEM, "topology: out of memory");
	}
	assert(quorum_valid(n, options->data_shards, w));
	make_fill(topology, options, ip, w);
	*out = topology;
	return 0;
}
