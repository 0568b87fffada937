/* SPDX-License-Identifier: MIT */

/* koop-node(8): a storage node. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/number.h"
#include "base/ready.h"
#include "base/signals.h"
#include "http/httpd.h"
#include "node/node.h"

#define HOUR_MS (3600ull * 1000)
#define DAY_MS (24 * HOUR_MS)
#define STATUS_MAX 4096

static const char *listen_address, *place;
static const char *topology, *commit_log, *data_dir;
static bool init, replace, check_only, dump_faults;
static uint64_t ready_fd = UINT64_MAX;
static uint64_t max_connections = 512;
static uint64_t upload_timeout_ms = 60 * 1000;
static uint64_t orphan_age_ms = DAY_MS;
static uint64_t orphan_step_ms = HOUR_MS;
static uint64_t gc_grace_ms = HOUR_MS;
static const char *durability = "full";
static const char *tcp_congestion;
static const char *log_level = "info";
static const char *log_format = "text";

static const struct cli_option options[] = {
	{ 't', "topology", CLI_URL, &topology, "URL",
	    "the machines and partitions: file:PATH", 0, 0, CLI_ENV_CONF,
	    "ETCD_URL" },
	{ 'l', "commit-log", CLI_URL, &commit_log, "URL",
	    "the commit log: sqlite:PATH", 0, 0, CLI_ENV_CONF,
	    "KAFKA_BOOTSTRAP_SERVERS" },
	{ 'd', "data-dir", CLI_DIR, &data_dir, "DIR",
	    "where shards and metadata are kept", 0, 0, CLI_ENV, NULL },
	{ 'a', "listen", CLI_STRING, &listen_address, "IP:PORT",
	    "loopback address to serve at (default the topology's)", 0, 0,
	    CLI_ENV, NULL },
	{ 0, "node", CLI_STRING, &place, "SET/INDEX",
	    "which machine this is (default the one at --listen)", 0, 0,
	    CLI_ENV, NULL },
	{ 0, "init", CLI_SWITCH, &init, NULL,
	    "make an empty data directory ours", 0, 0, 0, NULL },
	{ 0, "replace", CLI_SWITCH, &replace, NULL,
	    "the same, for a machine whose disk was lost", 0, 0, 0, NULL },
	{ 0, "durability", CLI_STRING, &durability, "LEVEL",
	    "full (default), or os: no syncs, for tests", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "max-connections", CLI_NUMBER, &max_connections, "N",
	    "connections at once (default 512)", 1, 65536, CLI_ENV, NULL },
	{ 0, "upload-timeout", CLI_DURATION, &upload_timeout_ms, "TIME",
	    "an upload silent so long has ended (default 60s)", 1, DAY_MS,
	    CLI_ENV, NULL },
	{ 0, "orphan-age", CLI_DURATION, &orphan_age_ms, "TIME",
	    "abort an upload without a record after (default 24h)", 1,
	    366 * DAY_MS, CLI_ENV, NULL },
	{ 0, "orphan-step", CLI_DURATION, &orphan_step_ms, "TIME",
	    "the node of shard J waits J times that more (default 1h)", 0,
	    DAY_MS, CLI_ENV, NULL },
	{ 0, "gc-grace", CLI_DURATION, &gc_grace_ms, "TIME",
	    "keep garbage so long after its last read (default 1h)", 1,
	    366 * DAY_MS, CLI_ENV, NULL },
	{ 0, "tcp-congestion", CLI_STRING, &tcp_congestion, "NAME",
	    "TCP congestion control (default the system's)", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "ready-fd", CLI_NUMBER, &ready_fd, "N",
	    "write \"ready IP:PORT\" there once it serves", 0, 1023, 0, NULL },
	{ 0, "log-level", CLI_STRING, &log_level, "LEVEL",
	    "error, warn, info (default) or debug", 0, 0, CLI_ENV_CONF, NULL },
	{ 0, "log-format", CLI_STRING, &log_format, "FORMAT",
	    "text (default) or json", 0, 0, CLI_ENV_CONF, NULL },
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
bad_listen(struct error *err)
{
	return error_set(err, ERRC_CONFIG,
	    "--listen %s: not of the form IP:PORT", listen_address);
}

/* "IP:PORT" or "[IP]:PORT", the IP as inet_ntop(3) writes it. */
static int
parse_listen(struct machine *out, struct error *err)
{
	const char *start = listen_address;
	const char *colon = strrchr(listen_address, ':');
	char ip[INET6_ADDRSTRLEN];
	uint8_t address[16];
	uint64_t port;
	int family;
	size_t n;

	if (colon == NULL ||
	    !number_parse(&port, colon + 1, strlen(colon + 1), 0, 65535))
		return bad_listen(err);
	n = (size_t)(colon - start);
	family = memchr(start, ':', n) != NULL ? AF_INET6 : AF_INET;
	if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
		start++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(ip))
		return bad_listen(err);
	memcpy(ip, start, n);
	ip[n] = '\0';
	if (inet_pton(family, ip, address) != 1 ||
	    inet_ntop(family, address, out->ip, sizeof(out->ip)) == NULL)
		return bad_listen(err);
	out->port = (uint16_t)port;
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
		    "--node %s: not of the form SET/INDEX", place);
	out->has_place = true;
	out->set_number = (uint32_t)set;
	out->index = (uint32_t)index;
	return 0;
}

static int
setup_log(struct error *err)
{
	static const char *const levels[] = { "error", "warn", "info",
		"debug" };
	bool json = strcmp(log_format, "json") == 0;

	if (!json && strcmp(log_format, "text") != 0)
		return error_set(err, ERRC_CONFIG,
		    "--log-format %s: neither text nor json", log_format);
	for (size_t i = 0; i < nitems(levels); i++) {
		if (strcmp(log_level, levels[i]) != 0)
			continue;
		log_setup((enum log_level)i, json);
		return 0;
	}
	return error_set(err, ERRC_CONFIG,
	    "--log-level %s: not error, warn, info or debug", log_level);
}

static int
check_options(struct error *err)
{
	if (topology == NULL)
		return error_set(err, ERRC_CONFIG,
		    "topology: not set: give --topology or KOOP_TOPOLOGY");
	if (commit_log == NULL)
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
	if (strcmp(durability, "full") != 0 && strcmp(durability, "os") != 0)
		return error_set(err, ERRC_CONFIG,
		    "--durability %s: neither full nor os", durability);
	return setup_log(err);
}

static int
collect(struct node_options *out, struct error *err)
{
	int rc = check_options(err);

	*out = (struct node_options){
		.topology_url = topology,
		.commit_log_url = commit_log,
		.data_dir = data_dir,
		.mode = init ? SUPERBLOCK_INIT :
		    replace  ? SUPERBLOCK_REPLACE :
			       SUPERBLOCK_OPEN,
		.durability_os = strcmp(durability, "os") == 0,
		.tcp_congestion = tcp_congestion,
		.max_connections = (unsigned)max_connections,
		.upload_timeout_ms = upload_timeout_ms,
		.orphan_age_ms = orphan_age_ms,
		.orphan_step_ms = orphan_step_ms,
		.gc_grace_ms = gc_grace_ms,
	};
	if (rc == 0 && listen_address != NULL)
		rc = parse_listen(&out->listen, err);
	if (rc == 0 && place != NULL)
		rc = parse_place(out, err);
	return rc;
}

static void
log_status(struct node *node)
{
	struct buf line = buf_make(STATUS_MAX);

	node_status(node, &line);
	log_info("node", "%s", buf_cstr(&line));
	buf_fini(&line);
}

/* Until a signal ends it. */
static void
serve(struct node *node)
{
	struct error err;

	for (;;) {
		switch (signals_wait(-1)) {
		case SIGTERM:
		case SIGINT:
			log_info("node", "stopping");
			return;
		case SIGHUP:
			if (node_reload(node, &err) < 0)
				log_error("node", "reload: %s", err.text);
			else
				log_info("node", "reloaded");
			break;
		case SIGUSR1:
			log_status(node);
			break;
		default:
			break;
		}
	}
}

static int
run(const struct node_options *o, struct error *err)
{
	struct node *node = NULL;
	char address[56];
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
	log_info("node", "serving at %s", address);
	rc = ready_tell(ready_fd == UINT64_MAX ? -1 : (int)ready_fd, address,
	    err);
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
	fault_setup();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signals_block();
	httpd_tune_process();
	if (run(&o, &err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
