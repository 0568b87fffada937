/* SPDX-License-Identifier: MIT */

/* up/ports: a port that is held is its program's alone. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "tap.h"
#include "up/ports.h"

/* Listen as a program of ours does (reuse), or as a stranger. */
static int
listen_at(uint16_t port, bool reuse)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	    listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
a_found_port_is_its_programs_alone(void)
{
	struct ports ports = { 0 };
	struct error err;
	uint16_t port = 0;
	int fd;

	CHECK(ports_find(&ports, &random_system, &port, &err) == 0);
	CHECK(port >= 10000 && port < 32000);
	CHECK(listen_at(port, false) == -1);
	/* Again and again: programs are restarted. */
	for (int i = 0; i < 3; i++) {
		fd = listen_at(port, true);
		CHECK(fd != -1);
		close(fd);
	}
	ports_fini(&ports);
	fd = listen_at(port, false);
	CHECK(fd != -1);
	close(fd);
}

static void
two_that_look_at_once_find_different_ports(void)
{
	struct ports one = { 0 }, two = { 0 };
	struct random_seeded a, b;
	struct error err;
	uint16_t first = 0, second = 0;

	/* The same numbers: without holding, they would find the same. */
	random_seeded_init(&a, 7);
	random_seeded_init(&b, 7);
	CHECK(ports_find(&one, &a.source, &first, &err) == 0);
	CHECK(ports_find(&two, &b.source, &second, &err) == 0);
	CHECK(first != second);
	ports_fini(&one);
	ports_fini(&two);
}

static void
a_port_where_somebody_listens_is_refused(void)
{
	struct ports ports = { 0 };
	struct ports other = { 0 };
	struct error err = { 0 };
	uint16_t port = 0;
	int fd;

	CHECK(ports_find(&ports, &random_system, &port, &err) == 0);
	fd = listen_at(port, true);
	CHECK(fd != -1);
	CHECK(ports_hold(&other, port, &err) == -ERRC_UNAVAILABLE);
	CHECK(other.count == 0);
	close(fd);
	CHECK(ports_hold(&other, port, &err) == 0);
	ports_fini(&other);
	ports_fini(&ports);
}

int
main(void)
{
	RUN(a_found_port_is_its_programs_alone);
	RUN(two_that_look_at_once_find_different_ports);
	RUN(a_port_where_somebody_listens_is_refused);
	return tap_done();
}
