/* SPDX-License-Identifier: MIT */
#include "scripted.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

/* With its body, as far as that is small and has a length. */
static void
read_request(struct scripted *s, int fd)
{
	const char *length;
	char body[4096];
	size_t n = 0;

	while (n < sizeof(s->last) - 1 && recv(fd, s->last + n, 1, 0) == 1) {
		n++;
		if (n >= 4 && memcmp(s->last + n - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	s->last[n] = '\0';
	length = strstr(s->last, "Content-Length: ");
	n = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
	if (n > 0)
		(void)!recv(fd, body, KOOP_MIN(n, sizeof(body)), MSG_WAITALL);
}

static void *
run_scripts(void *arg)
{
	struct scripted *s = arg;
	char byte;

	for (size_t i = 0; i < s->count; i++) {
		int fd = accept(s->listener, NULL, NULL);

		if (fd == -1)
			break;
		read_request(s, fd);
		s->requests++;
		(void)!write(fd, s->scripts[i].bytes, s->scripts[i].n);
		/* Bytes that are not read make the close a reset. */
		if (s->scripts[i].stays)
			(void)!recv(fd, &byte, 1, MSG_PEEK);
		close(fd);
	}
	return NULL;
}

bool
scripted_start(struct scripted *s, const struct script *scripts, size_t count)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t n = sizeof(addr);

	memset(s, 0, sizeof(*s));
	s->scripts = scripts;
	s->count = count;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&addr, n) == -1 ||
	    listen(s->listener, 10) == -1 ||
	    getsockname(s->listener, (struct sockaddr *)&addr, &n) == -1)
		return false;
	s->port = ntohs(addr.sin_port);
	return pthread_create(&s->thread, NULL, run_scripts, s) == 0;
}

void
scripted_stop(struct scripted *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}
