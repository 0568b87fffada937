/* SPDX-License-Identifier: MIT */

/* koop-node(8): a storage node. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/cli.h"
#include "base/daemon.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/number.h"
#include "client/clientoptions.h"
#include "http/address.h"
#include "http/httpd.h"
#include "node/node.h"

#define HOUR_MS (3600ull * 1000)
#define DAY_MS (24 * HOUR_MS)
#define STATUS_MAX 4096

static const char *listen_address, *place;
static const char *data_dir;
static bool init, replace, check_only, dump_faults;
static uint64_t max_connections = 512;
static uint64_t body_timeout_ms; /* 0: node/nodeserver.h */
static uint64_t upload_timeout_ms = 60 * 1000;
static uint64_t orphan_age_ms = DAY_MS;
static uint64_t orphan_step_ms = HOUR_MS;
static uint64_t gc_grace_ms = HOUR_MS;
static uint64_t reserve;
static struct daemon_options common = DAEMON_DEFAULTS;
static struct clientoptions cluster;

static const struct cli_option options[] = {
	CLIENTOPTIONS_TOPOLOGY(cluster),
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 'd', "data-dir", CLI_DIR, &data_dir, "DIR",
	    "where shards and metadata are kept", 0, 0, CLI_ENV_CONF, NULL },
	{ 'a', "listen", CLI_STRING, &listen_address, "IP:PORT",
	    "loopback address to serve at (default the topology's)", 0, 0,
	    CLI_ENV_CONF, NULL },
	{ 0, "node", CLI_STRING, &place, "SET/INDEX",
	    "which machine this is (default the one at --listen)", 0, 0,
	    CLI_ENV_CONF, NULL },
	{ 0, "init", CLI_SWITCH, &init, NULL,
	    "make an empty data directory ours", 0, 0, 0, NULL },
	{ 0, "replace", CLI_SWITCH, &replace, NULL,
	    "the same, for a machine whose disk was lost", 0, 0, 0, NULL },
	DAEMON_OPTION_DURABILITY(common),
	{ 0, "max-connections", CLI_NUMBER, &max_connections, "N",
	    "connections at once (default 512)", 1, 65536, CLI_ENV_CONF, NULL },
	{ 0, "body-timeout", CLI_DURATION, &body_timeout_ms, "TIME",
	    "cut a shard silent so long (default 17m and a bit for each data "
	    "shard)",
	    1, DAY_MS, CLI_ENV_CONF, NULL },
	{ 0, "upload-timeout", CLI_DURATION, &upload_timeout_ms, "TIME",
	    "an upload silent so long has ended (default 60s)", 1, DAY_MS,
	    CLI_ENV_CONF, NULL },
	{ 0, "orphan-age", CLI_DURATION, &orphan_age_ms, "TIME",
	    "abort an upload without a record after (default 24h)", 1,
	    366 * DAY_MS, CLI_ENV_CONF, NULL },
	{ 0, "orphan-step", CLI_DURATION, &orphan_step_ms, "TIME",
	    "the node of shard J waits J times that more (default 1h)", 0,
	    DAY_MS, CLI_ENV_CONF, NULL },
	{ 0, "gc-grace", CLI_DURATION, &gc_grace_ms, "TIME",
	    "keep garbage so long after its last read (default 1h)", 1,
	    366 * DAY_MS, CLI_ENV_CONF, NULL },
	{ 0, "reserve", CLI_SIZE, &reserve, "SIZE",
	    "disk space kept for records (default 64M, or 1 % if more)",
	    1 << 20, 1ull << 50, CLI_ENV_CONF, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	DAEMON_OPTION_READY_FD(common),
	DAEMON_OPTION_LOG_LEVEL(common),
	DAEMON_OPTION_LOG_FORMAT(common),
	{ 'n', "check", CLI_SWITCH, &check_only, NULL,
	    "check configuration and data directory, and exit", 0, 0, 0, NULL },
	{ 0, "dump-faults", CLI_SWITCH, &dump_faults, NULL,
	    "list the fault points of this build, and exit", 0, 0, 0, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-node",
	.operands = "",
	.summary = "keep shards and metadata of one machine of a cluster",
	.options = options,
};

static int
parse_listen(struct machine *out, struct error *err)
{
	if (address_parse(out->ip, &out->port, bytes_str(listen_address), err) <
	    0)
		return error_wrap(err, "%s %s",
		    cli_origin(&listen_address, "--listen"), listen_address);
	return 0;
}

static int
parse_place(struct node_options *out, struct error *err)
{
	size_t slash = strcspn(place, "/");
	uint64_t set, index;

	if (place[slash] == '\0' ||
	    !number_parse(&set, place, slash, 0, TOPOLOGY_NUMBER_MAX) ||
	    !number_parse(&index, place + slash + 1, strlen(place + slash + 1),
		0, TOPOLOGY_MACHINES_MAX - 1))
		return error_set(err, ERRC_CONFIG,
		    "%s %s: not of the form SET/INDEX",
		    cli_origin(&place, "--node"), place);
	out->has_place = true;
	out->set_number = (uint32_t)set;
	out->index = (uint32_t)index;
	return 0;
}

static int
check_options(struct error *err)
{
	if (cluster.topology == NULL)
		return error_set(err, ERRC_CONFIG,
		    "topology: not set: give --topology or KOOP_TOPOLOGY");
	if (cluster.commit_log == NULL)
		return error_set(err, ERRC_CONFIG,
		    "commit log: not set: give --commit-log or "
		    "KOOP_COMMIT_LOG");
	if (data_dir == NULL)
		return error_set(err, ERRC_CONFIG,
		    "data directory: not set: give --data-dir or "
		    "KOOP_DATA_DIR");
	if (listen_address == NULL && place == NULL)
		return error_set(err, ERRC_CONFIG,
		    "which machine is this: give --listen or --node");
	daemon_setup(&common);
	return 0;
}

static int
collect(struct node_options *out, struct error *err)
{
	int rc = check_options(err);

	*out = (struct node_options){
		.topology_url = cluster.topology,
		.commit_log_url = cluster.commit_log,
		.data_dir = data_dir,
		.mode = init ? SUPERBLOCK_INIT :
		    replace  ? SUPERBLOCK_REPLACE :
			       SUPERBLOCK_OPEN,
		.durability_os = common.durability_os,
		.tcp_congestion = cluster.tcp_congestion,
		.max_connections = (unsigned)max_connections,
		.body_timeout_ms = body_timeout_ms,
		.upload_timeout_ms = upload_timeout_ms,
		.orphan_age_ms = orphan_age_ms,
		.orphan_step_ms = orphan_step_ms,
		.gc_grace_ms = gc_grace_ms,
		.reserve = reserve,
	};
	if (rc == 0 && listen_address != NULL)
		rc = parse_listen(&out->listen, err);
	if (rc == 0 && place != NULL)
		rc = parse_place(out, err);
	return rc;
}

static void
log_status(void *ctx)
{
	struct buf line = buf_make(STATUS_MAX);

	node_status(ctx, &line);
	log_info("node", "%s", buf_cstr(&line));
	buf_fini(&line);
}

static int
reload(void *ctx, struct error *err)
{
	return node_reload(ctx, err);
}

static void
serve(struct node *node)
{
	daemon_serve(&(struct daemon_service){
	    .layer = "node",
	    .cli = &cli,
	    .options = &common,
	    .ctx = node,
	    .reload = reload,
	    .log_status = log_status,
	});
}

static int
run(const struct node_options *o, struct error *err)
{
	struct node *node = NULL;
	char address[ADDRESS_BYTES];
	int rc = node_open(&node, o, err);

	if (rc < 0)
		return rc;
	if (check_only) {
		printf("koop-node: the configuration is good\n");
		goto out;
	}
	rc = node_start(node, err);
	if (rc < 0)
		goto out;
	node_address(node, address);
	rc = daemon_ready(&common, "node", address, err);
	if (rc == 0)
		serve(node);
out:
	node_close(node);
	return rc;
}

static int
print_faults(void)
{
#ifdef KOOP_FAULTS
	for (int i = 0; i < FAULT_MAX; i++)
		puts(fault_name((enum fault_point)i));
#endif
	return cli_finish(&cli);
}

int
main(int argc, char *argv[])
{
	struct node_options o;
	struct error err;

	cli_parse(&cli, argc, argv);
	if (dump_faults)
		return print_faults();
	if (init && replace)
		return cli_usage(&cli,
		    "--init and --replace exclude each "
		    "other");
	if (collect(&o, &err) < 0)
		return cli_fail(&cli, &err);
	daemon_begin();
	httpd_tune_process();
	if (run(&o, &err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
