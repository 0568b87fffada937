/* SPDX-License-Identifier: MIT */

/* koop-log(1): the commit log as lines of JSON; create makes a new one, level
 * and epoch raise what a cluster goes by. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/number.h"
#include "base/random.h"
#include "client/clientoptions.h"
#include "client/levels.h"
#include "client/nodeclient.h"
#include "cluster/jsontext.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "commit/commitlog_from.h"
#include "commit/commitlog_reader.h"
#include "wire/peers.h"

#define BATCH_RECORDS 256
#define BATCH_BYTES (4u << 20)
#define NONE UINT64_MAX
#define LEVEL_MS 30000
#define LOG_MS 5000   /* for one answer of the log */
#define FIND_MS 60000 /* for a time in thousands of partitions */

static const char *cluster;
static const char *commit_log_url;
static bool follow;
static const char *from_text;
static uint64_t limit = NONE;
static uint64_t partition = NONE;
static uint64_t partitions;
static const char *topology_url;

static const struct cli_option options[] = {
	{ 0, "cluster", CLI_STRING, &cluster, "ID",
	    "create: its id, 32 hex digits (default a new one)", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 'l', "commit-log", CLI_URL, &commit_log_url, "sqlite:PATH", "the log",
	    0, 0, CLI_ENV_CONF, NULL },
	{ 'F', "follow", CLI_SWITCH, &follow, NULL,
	    "wait for more; --from is end unless given", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 0, "from", CLI_STRING, &from_text, "WHERE",
	    "start, end, a seq, a time or an age as 10m (default start)", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "limit", CLI_NUMBER, &limit, "N", "stop after N records", 1,
	    INT64_MAX, CLI_FLAG_ONLY, NULL },
	{ 0, "partition", CLI_NUMBER, &partition, "N",
	    "that partition only (default all)", 0, INT32_MAX, CLI_FLAG_ONLY,
	    NULL },
	{ 0, "partitions", CLI_NUMBER, &partitions, "N",
	    "create: how many (default the topology's)", 1,
	    COMMITLOG_PARTITIONS_MAX, CLI_FLAG_ONLY, NULL },
	{ 't', "topology", CLI_URL, &topology_url, "file:PATH",
	    "create: take its partitions", 0, 0, CLI_ENV_CONF, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-log",
	.operands = "[create | level [N] | epoch N]",
	.summary = "print the commit log as lines of JSON, or create one",
	.options = options,
	.operands_max = 2,
	.wants_cluster = true,
};

/* Begin there; --follow alone is about what comes. */
static struct commitlog_from from;

static bool
choose_from(void)
{
	const char *text = from_text != NULL ? from_text :
	    follow                           ? "end" :
					       "start";

	return commitlog_from_parse(&from, text, clock_real_ms(&clock_system));
}

/* Set by the signal handler; looked at between records. */
static volatile sig_atomic_t interrupted;

static void
interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static uint64_t
soon(void)
{
	return clock_mono_ms(&clock_system) + LOG_MS;
}

struct output {
	struct buf line;
	uint64_t left; /* of --limit */
	struct error *err;
};

/* The record as it is, when it is a line of JSON; else its bytes in base64. */
static void
format(struct buf *out, const struct commitlog_entry *entry)
{
	json_t *json = NULL;
	char time[32];
	char *room;

	if (entry->kind == COMMITLOG_EMPTY) {
		buf_printf(out,
		    "{\"partition\":%u,\"seq\":%llu,\"record\":null}\n",
		    entry->partition, (unsigned long long)entry->seq);
		return;
	}
	clock_iso8601(time, entry->time_ms);
	buf_printf(out, "{\"partition\":%u,\"seq\":%llu,\"time\":\"%s\",",
	    entry->partition, (unsigned long long)entry->seq, time);
	if (memchr(entry->line.p, '\n', entry->line.n) == NULL &&
	    jsontext_load(&json, entry->line, COMMITLOG_LINE_MAX, 32, NULL) ==
		0) {
		json_decref(json);
		buf_addstr(out, "\"record\":");
		buf_add(out, entry->line.p, entry->line.n);
		buf_addstr(out, "}\n");
		return;
	}
	buf_addstr(out, "\"base64\":\"");
	room = buf_reserve(out, BASE64_BYTES(entry->line.n));
	if (room != NULL) {
		base64_encode(room, entry->line.p, entry->line.n);
		out->n += BASE64_BYTES(entry->line.n) - 1;
	}
	buf_addstr(out, "\"}\n");
}

static int
print_entry(void *arg, const struct commitlog_entry *entry)
{
	struct output *output = arg;

	if (output->left == 0 || interrupted)
		return 1;
	if (entry->kind == COMMITLOG_TROUBLE)
		return error_set(output->err, entry->trouble->code, "%s",
		    entry->trouble->text);
	buf_clear(&output->line);
	format(&output->line, entry);
	if (buf_failed(&output->line))
		return error_set(output->err, ERRC_NOMEM,
		    "record %llu of partition %u: out of memory",
		    (unsigned long long)entry->seq, entry->partition);
	if (fwrite(output->line.p, 1, output->line.n, stdout) !=
		output->line.n ||
	    (follow && fflush(stdout) != 0))
		return error_errno(output->err, ERRC_IO, "write");
	output->left--;
	return 0;
}

/* Has the reader of our pipe gone?  While we wait, no write would tell. */
static bool
nobody_reads(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

static int
print_all(struct commitlog *log, struct commitlog_reader *reader,
    struct error *err)
{
	struct output output = {
		.line = buf_make(2 * COMMITLOG_LINE_MAX),
		.left = limit,
		.err = err,
	};
	int rc = 0;

	while (!interrupted && output.left > 0 && !nobody_reads()) {
		uint32_t bell = commitlog_bell(log);

		rc = commitlog_reader_next(reader, BATCH_RECORDS, BATCH_BYTES,
		    print_entry, &output, soon(), err);
		if (rc < 0)
			break;
		if (rc == 0 && !follow)
			break;
		if (rc == 0)
			commitlog_wait(log, bell, 1000);
	}
	/* cli_finish() tells of a failed write, with its reason. */
	if (rc == -ERRC_IO && ferror(stdout))
		rc = 0;
	buf_fini(&output.line);
	return rc < 0 ? rc : 0;
}

/* Where each partition that is wanted begins. */
static int
find_positions(struct commitlog *log, struct commitlog_position *positions,
    size_t *count, struct error *err)
{
	const uint32_t *numbers;
	size_t have;

	numbers = commitlog_partitions(log, &have);
	*count = 0;
	for (size_t i = 0; i < have; i++) {
		if (partition == NONE || numbers[i] == partition)
			positions[(*count)++].partition = numbers[i];
	}
	if (*count == 0)
		return error_set(err, ERRC_USAGE,
		    "partition %llu: the commit log has no such one",
		    (unsigned long long)partition);
	return commitlog_from_find(log, &from, positions, *count,
	    clock_mono_ms(&clock_system) + FIND_MS, err);
}

static int
print_log(void)
{
	static struct commitlog_position positions[COMMITLOG_PARTITIONS_MAX];
	struct sigaction action = { .sa_handler = interrupt };
	struct commitlog_reader *reader = NULL;
	struct commitlog *log = NULL;
	struct error err;
	size_t count;
	int rc;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	rc = clientoptions_check_url(commit_log_url, &err);
	if (rc == 0)
		rc = commitlog_open(&log, commit_log_url, NULL, &err);
	if (rc == 0)
		rc = find_positions(log, positions, &count, &err);
	if (rc == 0)
		rc = commitlog_reader_open(&reader, log, positions, count,
		    soon(), &err);
	if (rc == 0)
		rc = print_all(log, reader, &err);
	commitlog_reader_close(reader);
	commitlog_close(log);
	if (rc < 0) {
		fflush(stdout);
		return cli_fail(&cli, &err);
	}
	return cli_finish(&cli);
}

/* The numbers of the partitions to make: from the topology, or 0 .. N - 1. */
static int
choose_partitions(uint32_t *numbers, size_t *count, struct error *err)
{
	struct topology_source *source = NULL;
	struct topology_snapshot *snapshot;
	const struct topology *topology;
	int rc;

	if (partitions != 0) {
		for (uint32_t i = 0; i < partitions; i++)
			numbers[i] = i;
		*count = partitions;
		return 0;
	}
	rc = topology_source_open(&source, topology_url, err);
	if (rc < 0)
		return rc;
	snapshot = topology_source_get(source);
	topology = topology_snapshot_topology(snapshot);
	*count = topology->partition_count;
	memcpy(numbers, topology->partitions, *count * sizeof(*numbers));
	topology_snapshot_drop(snapshot);
	topology_source_close(source);
	return 0;
}

static int
create(void)
{
	static uint32_t numbers[COMMITLOG_PARTITIONS_MAX];
	struct commitlog_genesis genesis = { .partitions = numbers };
	struct commitlog *log = NULL;
	struct error err;
	uint8_t id[16];

	if (cluster == NULL) {
		random_system.fill(&random_system, id, sizeof(id));
		hex_encode(genesis.cluster, id, sizeof(id));
	} else if (strlen(cluster) == 32 &&
	    strspn(cluster, "0123456789abcdef") == 32) {
		memcpy(genesis.cluster, cluster, 33);
	} else {
		return cli_usage(&cli,
		    "--cluster %.64s: must be 32 lower-case hex digits",
		    cluster);
	}
	if (choose_partitions(numbers, &genesis.count, &err) < 0 ||
	    commitlog_create(commit_log_url, &genesis, NULL, &err) < 0 ||
	    commitlog_open(&log, commit_log_url, NULL, &err) < 0)
		return cli_fail(&cli, &err);
	/* One that finished what another began has that one's id. */
	printf("log v=1 cluster=%s partitions=%zu generation=1\n",
	    commitlog_cluster(log), genesis.count);
	commitlog_close(log);
	return cli_finish(&cli);
}

/* The level of a cluster, and what its members know. */

static int
print_member(void *arg, const struct peer *peer, unsigned knows,
    const char *reason)
{
	(void)arg;
	if (knows == 0)
		fprintf(stderr, "koop-log: set %u machine %u: %s\n", peer->set,
		    peer->index, reason);
	printf("member v=1 set=%u machine=%u address=%s:%u knows=%u\n",
	    peer->set, peer->index, peer->machine.ip, peer->machine.port,
	    knows);
	return 0;
}

static int
show_level(struct nodeclient *nc, struct error *err)
{
	uint64_t deadline = nodeclient_now(nc) + LEVEL_MS;
	unsigned level = 0;
	int rc = levels_members(nc, print_member, NULL, deadline, err);

	if (rc == 0)
		rc = levels_now(nc, &level, deadline, err);
	if (rc == 0)
		printf("level v=1 level=%u\n", level);
	return rc;
}

static int
raise_level(struct nodeclient *nc, uint64_t n, struct error *err)
{
	int rc = levels_raise(nc, (unsigned)n, nodeclient_now(nc) + LEVEL_MS,
	    err);

	if (rc == 0)
		printf("level v=1 level=%u\n", (unsigned)n);
	return rc;
}

static int
raise_epoch(struct nodeclient *nc, uint64_t n, struct error *err)
{
	int rc = levels_raise_epoch(nc, n, nodeclient_now(nc) + LEVEL_MS, err);

	if (rc == 0)
		printf("epoch v=1 epoch=%llu\n", (unsigned long long)n);
	return rc;
}

/* level [N] | epoch N */
static int
go_by(const char *verb, const char *text)
{
	struct clientoptions cluster_options = {
		.topology = topology_url,
		.commit_log = commit_log_url,
	};
	bool epoch = strcmp(verb, "epoch") == 0;
	struct nodeclient *nc = NULL;
	struct error err = { 0 };
	uint64_t n = 0;
	int rc;

	if (text == NULL && epoch)
		return cli_usage(&cli, "epoch: which one?");
	if (text != NULL &&
	    !number_parse(&n, text, strlen(text), 1,
		epoch ? UINT64_C(1) << 53 : 99))
		return cli_usage(&cli, "%s %.40s: want a number", verb, text);
	if (clientoptions_check(&cluster_options, &err) < 0)
		return cli_fail(&cli, &err);
	rc = clientoptions_open(&nc, &cluster_options, &err);
	if (rc == 0)
		rc = text == NULL ? show_level(nc, &err) :
		    epoch         ? raise_epoch(nc, n, &err) :
				    raise_level(nc, n, &err);
	nodeclient_close(nc);
	if (rc < 0) {
		fflush(stdout);
		return clientoptions_fail(&cli, &cluster_options, &err);
	}
	return cli_finish(&cli);
}

int
main(int argc, char *argv[])
{
	int first = cli_parse(&cli, argc, argv);

	fault_setup();
	if (first < argc &&
	    (strcmp(argv[first], "level") == 0 ||
		strcmp(argv[first], "epoch") == 0))
		return go_by(argv[first],
		    first + 1 < argc ? argv[first + 1] : NULL);
	if (first < argc && strcmp(argv[first], "create") != 0)
		return cli_usage(&cli,
		    "%s: must be create, level or epoch, or nothing",
		    argv[first]);
	if (first + 1 < argc)
		return cli_usage(&cli, "%s: unexpected operand",
		    argv[first + 1]);
	if (first < argc)
		return create();
	if (!choose_from())
		return cli_usage(&cli,
		    "--from %.64s: want start, end, a seq, a time such as "
		    "2026-03-01T12:00:00Z, or an age such as 10m",
		    from_text);
	if (from.kind == COMMITLOG_FROM_SEQ && partition == NONE)
		return cli_usage(&cli,
		    "--from %s needs --partition: each has positions of its "
		    "own",
		    from_text);
	return print_log();
}
