/* SPDX-License-Identifier: MIT */
#include "base/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli_parts.h"
#include "base/error.h"
#include "client/clientoptions.h"
#include "tap.h"

static struct daemon_options common = DAEMON_DEFAULTS;
static struct clientoptions cluster;

static const struct cli_option rows[] = {
	CLIENTOPTIONS_TOPOLOGY(cluster),
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	DAEMON_OPTION_DURABILITY(common),
	DAEMON_OPTION_READY_FD(common),
	DAEMON_OPTION_LOG_LEVEL(common),
	DAEMON_OPTION_LOG_FORMAT(common),
};

static void
rows_are_settings_that_programs_share(void)
{
	for (size_t i = 0; i < nitems(rows); i++)
		CHECK((rows[i].source == CLI_FLAG_ONLY) ==
		    (strcmp(rows[i].name, "ready-fd") == 0));
}

static void
a_cluster_is_a_topology_and_a_log(void)
{
	struct clientoptions options = { 0 };
	struct error err;

	CHECK(clientoptions_check(&options, &err) == -ERRC_UNAVAILABLE);
	CHECK(strncmp(err.text, "no cluster: none is named; ", 27) == 0);
	options.topology = "file:t";
	CHECK(clientoptions_check(&options, &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, ": no commit log is named; ") != NULL);
	options.commit_log = "sqlite:l";
	CHECK(clientoptions_check(&options, &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, ": file:t: No such file or directory; "));
	options.topology = "file:/dev/null";
	CHECK(clientoptions_check(&options, &err) == -ERRC_UNAVAILABLE);
	CHECK(strstr(err.text, ": sqlite:l: No such file or directory; "));
	options.commit_log = "sqlite:/dev/null?shared=no";
	CHECK(clientoptions_check(&options, &err) == 0);
}

static void
durability_is_set_up(void)
{
	struct daemon_options o = DAEMON_DEFAULTS;

	daemon_setup(&o);
	CHECK(!o.durability_os);
	o.durability = "os";
	daemon_setup(&o);
	CHECK(o.durability_os);
}

/* Each call sends the signal that comes next, so the order is certain. */
struct calls {
	int reloads, statuses, ticks;
	bool fail;
};

static int
on_reload(void *ctx, struct error *err)
{
	struct calls *calls = ctx;

	calls->reloads++;
	kill(getpid(), SIGUSR1);
	return calls->fail ? error_set(err, ERRC_CONFIG, "no good") : 0;
}

static void
on_status(void *ctx)
{
	struct calls *calls = ctx;

	calls->statuses++;
	if (calls->fail)
		kill(getpid(), SIGTERM);
}

static void
on_tick(void *ctx)
{
	struct calls *calls = ctx;

	calls->ticks++;
	kill(getpid(), SIGINT);
}

/* Serve, and what that logs. */
static void
serve(const struct daemon_service *service, char *log, size_t room)
{
	int saved = dup(STDERR_FILENO);
	int fds[2];
	ssize_t n;

	log[0] = '\0';
	REQUIRE(saved != -1 && pipe2(fds, O_CLOEXEC) == 0);
	dup2(fds[1], STDERR_FILENO);
	daemon_serve(service);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], log, room - 1);
	log[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void
signals_are_obeyed_until_one_ends_it(void)
{
	struct calls calls = { .fail = true };
	struct daemon_service service = {
		.layer = "test",
		.options = &common,
		.ctx = &calls,
		.reload = on_reload,
		.log_status = on_status,
	};
	char log[4096];

	kill(getpid(), SIGHUP);
	serve(&service, log, sizeof(log));
	CHECK(calls.reloads == 1 && calls.statuses == 1 && calls.ticks == 0);
	CHECK(strstr(log, " error test: reload: no good\n") != NULL);
	CHECK(strstr(log, " info  test: stopping\n") != NULL);
}

static void
a_quiet_time_is_a_tick(void)
{
	struct calls calls = { 0 };
	struct daemon_service service = {
		.layer = "test",
		.options = &common,
		.ctx = &calls,
		.reload = on_reload,
		.log_status = on_status,
		.tick = on_tick,
		.tick_ms = 5,
	};
	char log[4096];

	kill(getpid(), SIGHUP);
	serve(&service, log, sizeof(log));
	CHECK(calls.reloads == 1 && calls.statuses == 1 && calls.ticks == 1);
	CHECK(strstr(log, " test: reloaded the topology; there is no koop") !=
	    NULL);
}

static void
it_tells_who_started_it(void)
{
	struct daemon_options o = DAEMON_DEFAULTS;
	char text[64] = "";
	struct error err;
	int fds[2];

	CHECK(daemon_ready(&o, "test", "127.0.0.1:1", &err) == 0);
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	o.ready_fd = (uint64_t)fds[1];
	CHECK(daemon_ready(&o, "test", "127.0.0.1:1", &err) == 0);
	CHECK(read(fds[0], text, sizeof(text) - 1) == 18);
	CHECK_STR(text, "ready 127.0.0.1:1\n");
	close(fds[0]);
}

int
main(void)
{
	daemon_begin();
	RUN(rows_are_settings_that_programs_share);
	RUN(a_cluster_is_a_topology_and_a_log);
	RUN(durability_is_set_up);
	RUN(signals_are_obeyed_until_one_ends_it);
	RUN(a_quiet_time_is_a_tick);
	RUN(it_tells_who_started_it);
	return tap_done();
}
