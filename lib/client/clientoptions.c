/* SPDX-License-Identifier: MIT */
#include "client/clientoptions.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/nodeclient.h"
#include "cluster/topology.h"
#include "cluster/topology_source.h"
#include "http/address.h"

#define NODES_MAX 64 /* that are asked whether anybody is there */
#define ANSWER_MS 1000
#define REFUSE_MS 200

int
clientoptions_check_url(const char *url, struct error *err)
{
	static const char *const schemes[] = { "file:", "sqlite:" };
	char path[PATH_MAX];

	if (url == NULL || url[0] == '\0')
		return error_no_cluster(err, "none is named");
	for (size_t i = 0; i < nitems(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(url, schemes[i], n) != 0)
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(url + n, "?"),
		    url + n);
		if (access(path, F_OK) == -1 && errno == ENOENT)
			return error_no_cluster(err, "%s: %s", url,
			    strerror(ENOENT));
	}
	return 0;
}

int
clientoptions_check(const struct clientoptions *options, struct error *err)
{
	int rc;

	if (options->topology == NULL && options->commit_log != NULL)
		return error_no_cluster(err, "no topology is named");
	if (options->commit_log == NULL && options->topology != NULL)
		return error_no_cluster(err, "no commit log is named");
	rc = clientoptions_check_url(options->topology, err);
	if (rc == 0)
		rc = clientoptions_check_url(options->commit_log, err);
	return rc;
}

/* A socket that is being connected to the node; -1 when that failed. */
static int
begin_connection(const struct machine *machine)
{
	union address_socket to;
	socklen_t len = address_to_socket(&to, machine->ip, machine->port);
	int fd;

	if (len == 0)
		return -1;
	fd = socket(to.any.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, &to.any, len) == -1 &&
	    errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Is one of the connections made before the time is over? */
static bool
any_connected(struct pollfd *fds, nfds_t n)
{
	uint64_t end = clock_mono_ms(&clock_system) + ANSWER_MS;
	uint64_t now;

	while ((now = clock_mono_ms(&clock_system)) < end) {
		bool open = false;

		if (poll(fds, n, (int)(end - now)) == -1 && errno != EINTR)
			break;
		for (nfds_t i = 0; i < n; i++) {
			int failure = 0;
			socklen_t len = sizeof(failure);

			if (fds[i].fd < 0)
				continue;
			if (fds[i].revents == 0) {
				open = true;
				continue;
			}
			if (getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR,
				&failure, &len) == 0 &&
			    failure == 0)
				return true;
			close(fds[i].fd);
			fds[i].fd = -1;
		}
		if (!open)
			break;
	}
	return false;
}

static bool
nobody_there(const struct topology *topology)
{
	struct pollfd fds[NODES_MAX];
	nfds_t n = 0;
	bool answered;

	for (size_t i = 0; i < topology->set_count; i++) {
		const struct erasure_set *set = &topology->sets[i];

		for (uint32_t j = 0; j < set->n && n < NODES_MAX; j++)
			fds[n++] = (struct pollfd){
				.fd = begin_connection(&set->machine[j]),
				.events = POLLOUT,
			};
	}
	assert(n > 0);
	answered = any_connected(fds, n);
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	return !answered;
}

int
clientoptions_fail(const struct cli *cli, const struct clientoptions *options,
    const struct error *err)
{
	struct topology_source *source = NULL;
	struct topology_snapshot *snapshot;
	struct error none = *err;

	if ((err->code == ERRC_UNAVAILABLE ||
		(err->code == ERRC_RETRY && options->nobody)) &&
	    clientoptions_check(options, NULL) == 0 &&
	    topology_source_open(&source, options->topology, NULL) == 0) {
		snapshot = topology_source_get(source);
		if (nobody_there(topology_snapshot_topology(snapshot)))
			(void)error_no_cluster(&none,
			    "none of the nodes of %s answers",
			    options->topology);
		topology_snapshot_drop(snapshot);
		topology_source_close(source);
	}
	return cli_fail(cli, &none);
}

/* Does every node refuse?  One that takes its time may be there. */
static bool
all_refuse(const struct topology *topology)
{
	for (size_t i = 0; i < topology->set_count; i++) {
		const struct erasure_set *set = &topology->sets[i];

		for (uint32_t j = 0; j < set->n; j++) {
			int fd = begin_connection(&set->machine[j]);
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			int failure = 0;
			socklen_t len = sizeof(failure);

			if (fd == -1)
				continue;
			if (poll(&p, 1, REFUSE_MS) == 1)
				(void)!getsockopt(fd, SOL_SOCKET, SO_ERROR,
				    &failure, &len);
			close(fd);
			if (failure == 0)
				return false;
		}
	}
	return true;
}

int
clientoptions_open(struct nodeclient **out, struct clientoptions *options,
    struct error *err)
{
	int rc;

	/* Who may have left one out has asked clientoptions_check(). */
	assert(options->topology != NULL && options->commit_log != NULL);
	rc = nodeclient_open(out,
	    &(struct nodeclient_options){
		.topology_url = options->topology,
		.commit_log_url = options->commit_log,
		.tcp_congestion = options->tcp_congestion,
		.ack_streams = options->ack_streams,
	    },
	    err);
	options->nobody = rc == 0 && all_refuse(nodeclient_topology(*out));
	return rc;
}
