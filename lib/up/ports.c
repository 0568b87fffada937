/* SPDX-License-Identifier: MIT */
#include "up/ports.h"

#include <assert.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"

/* Below Linux' default range for outgoing connections (from 32768). */
#define PORTS_LOW 10000
#define PORTS_HIGH 32000
#define PORTS_TRIES 1000

/* A socket bound to the port, or -1 with errno. */
static int
bind_port(uint16_t port, bool reuse)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int on = 1;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if ((reuse &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ==
		    -1) ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
ports_hold(struct ports *ports, uint16_t port, struct error *err)
{
	int fd;

	assert(port != 0 && ports->count <= PORTS_MAX);
	if (ports->count == PORTS_MAX)
		return error_set(err, ERRC_USAGE, "more than %d ports",
		    PORTS_MAX);
	fd = bind_port(port, true);
	if (fd == -1)
		return error_errno(err, ERRC_UNAVAILABLE,
		    "port %u is taken by another program; stop it or choose "
		    "another with --port or --node-port",
		    port);
	ports->fd[ports->count++] = fd;
	return 0;
}

int
ports_find(struct ports *ports, struct random_source *random, uint16_t *out,
    struct error *err)
{
	for (int i = 0; i < PORTS_TRIES; i++) {
		uint16_t port = (uint16_t)(PORTS_LOW +
		    random_u64(random) % (PORTS_HIGH - PORTS_LOW));
		/* Without SO_REUSEADDR: fails if anybody holds it, too. */
		int probe = bind_port(port, false);

		assert(port >= PORTS_LOW && port < PORTS_HIGH);
		if (probe == -1)
			continue;
		close(probe);
		if (ports_hold(ports, port, NULL) == 0) {
			*out = port;
			return 0;
		}
	}
	return error_set(err, ERRC_UNAVAILABLE,
	    "no free port between %d and %d", PORTS_LOW, PORTS_HIGH);
}

void
ports_fini(struct ports *ports)
{
	assert(ports->count <= PORTS_MAX);
	for (unsigned i = 0; i < ports->count; i++)
		close(ports->fd[i]);
	ports->count = 0;
}
