/* SPDX-License-Identifier: MIT */

/* koop-gw(8): the S3 gateway. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/number.h"
#include "base/ready.h"
#include "base/signals.h"
#include "codec/stripe.h"
#include "http/httpd.h"
#include "s3/gateway.h"

/* Between two looks at what is over in the session cache. */
#define TICK_MS 60000
#define REGION_MAX 63

static const char *listen_address = "127.0.0.1:9001";
static const char *topology, *commit_log, *session_cache;
static const char *region = "us-east-1";
static uint64_t inline_limit = 8 * 1024;
static uint64_t cell_bytes = 64 * 1024;
static uint64_t max_connections = 1024;
static uint64_t idle_timeout_ms = 60 * 1000;
static uint64_t ready_fd = UINT64_MAX;
static const char *durability = "full";
static const char *tcp_congestion;
static const char *log_level = "info";
static const char *log_format = "text";
static bool check_only;

static const struct cli_option options[] = {
	{ 'a', "listen", CLI_STRING, &listen_address, "IP:PORT",
	    "loopback address to serve at (default 127.0.0.1:9001)", 0, 0,
	    CLI_ENV, NULL },
	{ 't', "topology", CLI_URL, &topology, "URL",
	    "the machines and partitions: file:PATH", 0, 0, CLI_ENV_CONF,
	    "ETCD_URL" },
	{ 'l', "commit-log", CLI_URL, &commit_log, "URL",
	    "the commit log: sqlite:PATH", 0, 0, CLI_ENV_CONF,
	    "KAFKA_BOOTSTRAP_SERVERS" },
	{ 's', "session-cache", CLI_URL, &session_cache, "URL",
	    "cache of uploads: sqlite:PATH (default none)", 0, 0, CLI_ENV_CONF,
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
	{ 0, "idle-timeout", CLI_DURATION, &idle_timeout_ms, "TIME",
	    "close a connection idle so long (default 60s)", 1000, 3600000,
	    CLI_ENV_CONF, NULL },
	{ 0, "durability", CLI_STRING, &durability, "LEVEL",
	    "full (default), or os: no syncs, for tests", 0, 0, CLI_ENV_CONF,
	    NULL },
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
	    "check the configuration and exit", 0, 0, 0, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-gw",
	.operands = "",
	.summary = "serve S3 over a cluster of storage nodes",
	.options = options,
};

/* "IP:PORT" or "[IP]:PORT". */
static int
parse_listen(struct httpd_options *out, char ip[static INET6_ADDRSTRLEN],
    struct error *err)
{
	const char *colon = strrchr(listen_address, ':');
	const char *start = listen_address;
	struct in_addr v4;
	struct in6_addr v6;
	uint64_t port;
	size_t n;
	bool loopback;

	if (!colon ||
	    !number_parse(&port, colon + 1, strlen(colon + 1), 0, 65535))
		return error_set(err, ERRC_CONFIG,
		    "--listen %s: not of the form IP:PORT", listen_address);
	n = (size_t)(colon - start);
	if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
		start++;
		n -= 2;
	}
	if (n == 0 || n >= INET6_ADDRSTRLEN)
		return error_set(err, ERRC_CONFIG,
		    "--listen %s: not of the form IP:PORT", listen_address);
	memcpy(ip, start, n);
	ip[n] = '\0';
	if (inet_pton(AF_INET, ip, &v4) == 1)
		loopback = ntohl(v4.s_addr) >> 24 == 127;
	else if (inet_pton(AF_INET6, ip, &v6) == 1)
		loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	else
		return error_set(err, ERRC_CONFIG,
		    "--listen %s: not an IP address", listen_address);
	if (!loopback)
		return error_set(err, ERRC_CONFIG,
		    "--listen %s: not a loopback address: this version has no "
		    "credentials, so it serves this machine only; use "
		    "127.0.0.1:PORT behind a proxy that checks its clients",
		    listen_address);
	out->ip = ip;
	out->port = (uint16_t)port;
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
	for (int i = 0; i < 4; i++) {
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
	size_t n = strlen(region);

	if (!topology)
		return error_set(err, ERRC_CONFIG,
		    "topology: not set: give --topology or KOOP_TOPOLOGY, or "
		    "run in the folder of a koop.conf");
	if (!commit_log)
		return error_set(err, ERRC_CONFIG,
		    "commit log: not set: give --commit-log or "
		    "KOOP_COMMIT_LOG, or run in the folder of a koop.conf");
	if (n == 0 || n > REGION_MAX ||
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") < n)
		return error_set(err, ERRC_CONFIG,
		    "--region %s: only a-z, 0-9 and -, at most %d", region,
		    REGION_MAX);
	if (strcmp(durability, "full") != 0 && strcmp(durability, "os") != 0)
		return error_set(err, ERRC_CONFIG,
		    "--durability %s: neither full nor os", durability);
	return setup_log(err);
}

static int
tell_ready(const char *ip, uint16_t port, struct error *err)
{
	char text[INET6_ADDRSTRLEN + 16];
	bool v6 = strchr(ip, ':') != NULL;

	snprintf(text, sizeof(text), v6 ? "[%s]:%u" : "%s:%u", ip, port);
	log_info("s3", "serving at %s", text);
	return ready_tell(ready_fd == UINT64_MAX ? -1 : (int)ready_fd, text,
	    err);
}

/* Until a signal ends it. */
static void
serve(struct gateway *gw)
{
	struct error err;

	for (;;) {
		switch (signals_wait(TICK_MS)) {
		case SIGTERM:
		case SIGINT:
			log_info("s3", "stopping");
			return;
		case SIGHUP:
			if (gateway_reload(gw, &err) < 0)
				log_error("s3", "reload: %s", err.text);
			else
				log_info("s3", "reloaded");
			break;
		case SIGUSR1:
			gateway_log_status(gw);
			break;
		case 0:
			gateway_tick(gw);
			break;
		default:
			break;
		}
	}
}

static int
run(const struct httpd_options *http, struct error *err)
{
	struct gateway_options options_gw = {
		.topology_url = topology,
		.commit_log_url = commit_log,
		.session_url = session_cache,
		.region = region,
		.inline_limit = inline_limit,
		.cell_bytes = (uint32_t)cell_bytes,
		.tcp_congestion = tcp_congestion,
		.durability_os = strcmp(durability, "os") == 0,
	};
	struct httpd_service service;
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
	gateway_set_httpd(gw, httpd);
	rc = tell_ready(http->ip, httpd_port(httpd), err);
	if (rc == 0)
		serve(gw);
out:
	httpd_stop(httpd);
	gateway_close(gw);
	return rc;
}

int
main(int argc, char *argv[])
{
	char ip[INET6_ADDRSTRLEN];
	struct httpd_options http = { 0 };
	struct error err;

	cli_parse(&cli, argc, argv);
	if (check_options(&err) < 0 || parse_listen(&http, ip, &err) < 0)
		return cli_fail(&cli, &err);
	http.max_connections = (unsigned)max_connections;
	http.idle_timeout_ms = (unsigned)idle_timeout_ms;
	http.tcp_congestion = tcp_congestion;
	http.server = "Koop";
	fault_setup();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signals_block();
	httpd_tune_process();
	if (run(&http, &err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
