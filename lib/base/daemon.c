/* SPDX-License-Identifier: MIT */
#include "base/daemon.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/ready.h"
#include "base/signals.h"

#define LIVE_MAX 16

void
daemon_setup(struct daemon_options *options)
{
	int level = cli_word_index(DAEMON_LOG_LEVELS, options->log_level);
	int json = cli_word_index(DAEMON_LOG_FORMATS, options->log_format);

	/* cli_parse() has refused all others. */
	assert(level >= LOG_ERROR && level <= LOG_DEBUG && json >= 0);
	log_setup((enum log_level)level, json);
	options->durability_os = strcmp(options->durability, "os") == 0;
}

void
daemon_begin(void)
{
	fault_setup();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signals_block();
}

int
daemon_ready(const struct daemon_options *options, const char *layer,
    const char *address, struct error *err)
{
	int fd = options->ready_fd == UINT64_MAX ? -1 : (int)options->ready_fd;

	assert(fd >= -1 && fd <= 1023); /* DAEMON_OPTION_READY_FD */
	log_info(layer, "serving at %s", address);
	return ready_tell(fd, address, err);
}

/* The settings that may change in a daemon that runs. */
static void
list_live(const char *out[static LIVE_MAX],
    const struct daemon_service *service)
{
	size_t n = 0;

	out[n++] = "log-level";
	out[n++] = "log-format";
	for (size_t i = 0; service->live != NULL && service->live[i] != NULL;
	     i++) {
		assert(n < LIVE_MAX - 1);
		out[n++] = service->live[i];
	}
	out[n] = NULL;
}

static void
reload(const struct daemon_service *service)
{
	const char *live[LIVE_MAX];
	struct cli_reload found;
	struct error err;
	int rc;

	list_live(live, service);
	rc = cli_reload(service->cli, live, &found, &err);
	if (rc < 0)
		log_error(service->layer, "reload: %s; nothing of it is used",
		    err.text);
	daemon_setup(service->options);
	if (service->reload(service->ctx, &err) < 0) {
		log_error(service->layer, "reload: %s", err.text);
		rc = -(int)err.code;
	}
	if (rc < 0)
		return;
	if (found.file == NULL)
		log_info(service->layer,
		    "reloaded the topology; there is no "
		    "koop.conf");
	else
		log_info(service->layer, "reloaded the topology and %s: %s%s%s",
		    found.file,
		    found.changed[0] != '\0' ? found.changed : "no change",
		    found.pending[0] != '\0' ? "; needs a restart: " : "",
		    found.pending);
}

void
daemon_serve(const struct daemon_service *service)
{
	int wait_ms = service->tick != NULL ? service->tick_ms : -1;

	assert(wait_ms == -1 || wait_ms > 0); /* at 0 it would spin */
	for (;;) {
		switch (signals_wait(wait_ms)) {
		case SIGTERM:
		case SIGINT:
			log_info(service->layer, "stopping");
			return;
		case SIGHUP:
			reload(service);
			break;
		case SIGUSR1:
			service->log_status(service->ctx);
			break;
		case 0:
			assert(service->tick != NULL);
			service->tick(service->ctx);
			break;
		default:
			break;
		}
	}
}
