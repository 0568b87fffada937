/* SPDX-License-Identifier: MIT */

/* koop-gw(8): the S3 gateway. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cli.h"
#include "base/daemon.h"
#include "base/error.h"
#include "client/clientoptions.h"
#include "codec/stripe.h"
#include "http/address.h"
#include "http/httpd.h"
#include "s3/gateway.h"

/* Between two looks at what is over in the session cache. */
#define TICK_MS 60000
#define REGION_MAX 63

static const char *listen_address = "127.0.0.1:9001";
static const char *session_cache;
static const char *region = "us-east-1";
static uint64_t inline_limit = 8 * 1024;
static uint64_t cell_bytes = 64 * 1024;
static uint64_t max_connections = 1024;
static uint64_t max_per_client;
static uint64_t idle_timeout_ms = 60 * 1000;
static const char *access_log = "off";
static struct daemon_options common = DAEMON_DEFAULTS;
static struct clientoptions cluster;
static bool check_only;

static const struct cli_option options[] = {
	{ 'a', "listen", CLI_STRING, &listen_address, "IP:PORT",
	    "loopback address to serve at (default 127.0.0.1:9001)", 0, 0,
	    CLI_ENV_CONF, NULL },
	CLIENTOPTIONS_TOPOLOGY(cluster),
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 's', "session-cache", CLI_URL, &session_cache, "sqlite:PATH",
	    "cache of uploads (default none)", 0, 0, CLI_ENV_CONF,
	    "REDIS_URL" },
	{ 0, "region", CLI_STRING, &region, "NAME",
	    "region to answer with (default us-east-1)", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "inline-limit", CLI_SIZE, &inline_limit, "SIZE",
	    "largest object inside a record, 0: none (default 8K)", 0,
	    64 * 1024, CLI_ENV_CONF, NULL },
	{ 'c', "cell-size", CLI_SIZE, &cell_bytes, "SIZE",
	    "bytes of a cell (default 64K)", STRIPE_CELL_MIN, STRIPE_CELL_MAX,
	    CLI_ENV_CONF, NULL },
	{ 0, "max-connections", CLI_NUMBER, &max_connections, "N",
	    "client connections at once (default 1024)", 1, 65536, CLI_ENV_CONF,
	    NULL },
	{ 0, "max-connections-per-client", CLI_NUMBER, &max_per_client, "N",
	    "of those, from one address; 0, the default: all", 0, 65536,
	    CLI_ENV_CONF, NULL },
	{ 0, "idle-timeout", CLI_DURATION, &idle_timeout_ms, "TIME",
	    "close a connection idle so long (default 60s)", 1000, 3600000,
	    CLI_ENV_CONF, NULL },
	DAEMON_OPTION_DURABILITY(common),
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	{ 0, "access-log", CLI_FILE, &access_log, "PATH",
	    "a line for each request, -: standard output (default off)", 0, 0,
	    CLI_ENV_CONF, NULL },
	DAEMON_OPTION_READY_FD(common),
	DAEMON_OPTION_LOG_LEVEL(common),
	DAEMON_OPTION_LOG_FORMAT(common),
	{ 'n', "check", CLI_SWITCH, &check_only, NULL,
	    "check the configuration and exit", 0, 0, 0, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-gw",
	.operands = "",
	.summary = "serve S3 over a cluster of storage nodes",
	.options = options,
};

static int
parse_listen(struct httpd_options *out, char ip[static ADDRESS_IP_BYTES],
    struct error *err)
{
	if (address_parse(ip, &out->port, bytes_str(listen_address), err) < 0)
		return error_wrap(err, "%s %s",
		    cli_origin(&listen_address, "--listen"), listen_address);
	if (!address_is_loopback(ip))
		return error_set(err, ERRC_CONFIG,
		    "%s %s: not a loopback address: this version has no "
		    "credentials, so it serves this machine only; use "
		    "127.0.0.1:PORT behind a proxy that checks its clients",
		    cli_origin(&listen_address, "--listen"), listen_address);
	out->ip = ip;
	return 0;
}

static int
check_options(struct error *err)
{
	size_t n = strlen(region);

	if (!cluster.topology)
		return error_set(err, ERRC_CONFIG,
		    "topology: not set: give --topology or KOOP_TOPOLOGY, or "
		    "run in the folder of a koop.conf");
	if (!cluster.commit_log)
		return error_set(err, ERRC_CONFIG,
		    "commit log: not set: give --commit-log or "
		    "KOOP_COMMIT_LOG, or run in the folder of a koop.conf");
	if (n == 0 || n > REGION_MAX ||
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") < n)
		return error_set(err, ERRC_CONFIG,
		    "%s %s: only a-z, 0-9 and -, at most %d",
		    cli_origin(&region, "--region"), region, REGION_MAX);
	daemon_setup(&common);
	return 0;
}

struct serving {
	struct gateway *gw;
	struct httpd *httpd;
};

static int
reload(void *ctx, struct error *err)
{
	struct serving *serving = ctx;

	httpd_set_limits(serving->httpd, (unsigned)max_per_client,
	    (unsigned)idle_timeout_ms);
	return gateway_reload(serving->gw, err);
}

static void
log_status(void *ctx)
{
	struct serving *serving = ctx;

	gateway_log_status(serving->gw, httpd_connections(serving->httpd));
}

static void
tick(void *ctx)
{
	struct serving *serving = ctx;

	gateway_tick(serving->gw);
}

static void
serve(struct serving *serving)
{
	static const char *const live[] = { "idle-timeout",
		"max-connections-per-client", NULL };

	daemon_serve(&(struct daemon_service){
	    .layer = "s3",
	    .cli = &cli,
	    .options = &common,
	    .live = live,
	    .ctx = serving,
	    .reload = reload,
	    .log_status = log_status,
	    .tick = tick,
	    .tick_ms = TICK_MS,
	});
}

static int
run(const struct httpd_options *http, struct error *err)
{
	struct gateway_options options_gw = {
		.topology_url = cluster.topology,
		.commit_log_url = cluster.commit_log,
		.session_url = session_cache,
		.region = region,
		.inline_limit = inline_limit,
		.cell_bytes = (uint32_t)cell_bytes,
		.tcp_congestion = cluster.tcp_congestion,
		.durability_os = common.durability_os,
		.access_log = strcmp(access_log, "off") == 0 || check_only ?
		    NULL :
		    access_log,
	};
	struct httpd_service service;
	char address[ADDRESS_BYTES];
	struct gateway *gw = NULL;
	struct httpd *httpd = NULL;
	int rc = gateway_open(&gw, &options_gw, err);

	if (rc < 0)
		return rc;
	if (check_only) {
		printf("koop-gw: the configuration is good\n");
		goto out;
	}
	service = gateway_service(gw);
	rc = httpd_start(&httpd, http, &service, err);
	if (rc < 0)
		goto out;
	address_print(address, http->ip, httpd_port(httpd));
	rc = daemon_ready(&common, "s3", address, err);
	if (rc == 0)
		serve(&(struct serving){ gw, httpd });
out:
	httpd_stop(httpd);
	gateway_close(gw);
	return rc;
}

int
main(int argc, char *argv[])
{
	char ip[ADDRESS_IP_BYTES];
	struct httpd_options http = { 0 };
	struct error err;

	cli_parse(&cli, argc, argv);
	if (check_options(&err) < 0 || parse_listen(&http, ip, &err) < 0)
		return cli_fail(&cli, &err);
	http.max_connections = (unsigned)max_connections;
	http.max_per_client = (unsigned)max_per_client;
	http.idle_timeout_ms = (unsigned)idle_timeout_ms;
	http.tcp_congestion = cluster.tcp_congestion;
	http.server = "Koop";
	daemon_begin();
	httpd_tune_process();
	if (run(&http, &err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
