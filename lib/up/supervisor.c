/* SPDX-License-Identifier: MIT */
#include "up/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/number.h"
#include "up/control.h"

/* A child that does not end within this after SIGTERM gets SIGKILL. */
#define STOP_DEADLINE_MS 15000
#define CLIENTS_MAX 16
/* How often it is asked whether there is still a folder to serve. */
#define FOLDER_EVERY_MS 1000

/* What a client of the control socket waits for. */
enum wish { WISH_NONE, WISH_READING, WISH_STOPPED, WISH_RUNNING, WISH_DOWN };

struct client {
	int fd;
	enum wish wish;
	unsigned node;
	char line[CONTROL_LINE_MAX];
	size_t n;
};

struct supervisor {
	const struct supervisor_options *o;
	struct client client[CLIENTS_MAX];
	int signal_fd;
	bool going_down, told_ready;
	bool gateways_started;
	bool gone;          /* the data folder */
	struct pollfd *pfd; /* signals, the door, clients, programs */
	uint64_t stop_deadline_ms;
	uint64_t look_at_ms; /* for the data folder, next */
};

static void
say_state(const struct supervisor *s, const struct program *p, const char *what)
{
	char line[640];

	snprintf(line, sizeof(line), "%-10s %-21s %s", p->name, p->address,
	    what);
	s->o->say(s->o->arg, line);
}

static void
client_answer(struct client *c, const char *text)
{
	assert(c->fd != -1 && text[0] != '\0');
	/* The answer of a client that has gone is nobody's loss. */
	(void)!send(c->fd, text, strlen(text), MSG_NOSIGNAL);
	close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static unsigned
running(const struct supervisor *s, bool gateways_only)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->o->count; i++) {
		const struct program *p = &s->o->program[i];
		if (p->pid != 0 && (p->gateway || !gateways_only))
			n++;
	}
	return n;
}

/* Start what is due; returns when the next one is, UINT64_MAX for none. */
static uint64_t
start_due(struct supervisor *s)
{
	uint64_t now = clock_mono_ms(s->o->clock);
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < s->o->count && !s->going_down; i++) {
		struct program *p = &s->o->program[i];
		struct error err;

		if (p->state != PROGRAM_DOWN ||
		    (p->gateway && !s->gateways_started))
			continue;
		if (p->restart_at_ms > now) {
			next = KOOP_MIN(next, p->restart_at_ms);
			continue;
		}
		if (program_start(p, s->o->clock, &err) == 0)
			continue;
		say_state(s, p, err.text);
		p->restart_at_ms = now + PROGRAM_BACKOFF_MAX_MS;
		next = KOOP_MIN(next, p->restart_at_ms);
	}
	assert(next > now); /* or turn() would spin */
	return next;
}

/*
 * A gateway without nodes has nothing to serve: it is started when each
 * node is ready or has failed once, so that one broken disk does not keep
 * the others from serving.
 */
static void
check_gateways(struct supervisor *s)
{
	assert(!s->gateways_started);
	for (unsigned i = 0; i < s->o->count; i++) {
		const struct program *p = &s->o->program[i];
		if (!p->gateway && p->restarts == 0 &&
		    p->state != PROGRAM_READY && p->state != PROGRAM_STOPPED)
			return;
	}
	s->gateways_started = true;
}

static void
check_ready(struct supervisor *s)
{
	if (s->told_ready)
		return;
	for (unsigned i = 0; i < s->o->count; i++) {
		const struct program *p = &s->o->program[i];
		if (p->state != PROGRAM_READY &&
		    (p->gateway || p->restarts == 0))
			return;
	}
	s->told_ready = true;
	s->o->ready(s->o->arg);
}

static void
go_down(struct supervisor *s)
{
	if (s->going_down)
		return;
	s->going_down = true;
	s->stop_deadline_ms = clock_mono_ms(s->o->clock) + STOP_DEADLINE_MS;
	for (unsigned i = 0; i < s->o->count; i++)
		if (s->o->program[i].gateway)
			program_stop(&s->o->program[i]);
}

/* Gateways first: they still answer their clients from living nodes. */
static void
go_on_down(struct supervisor *s)
{
	bool late = clock_mono_ms(s->o->clock) > s->stop_deadline_ms;

	assert(s->going_down);
	for (unsigned i = 0; i < s->o->count; i++) {
		struct program *p = &s->o->program[i];
		if (late && p->pid != 0)
			kill(p->pid, SIGKILL);
		else if (!p->gateway && running(s, true) == 0 &&
		    p->state != PROGRAM_STOPPING && p->state != PROGRAM_STOPPED)
			program_stop(p);
	}
}

/*
 * A cluster whose folder was removed has nothing that it could serve, and
 * nobody could stop it: its socket went with the folder.  The earlier of
 * next and of the next look comes back.
 */
static uint64_t
look_for_folder(struct supervisor *s, uint64_t next)
{
	uint64_t now = clock_mono_ms(s->o->clock);

	if (now >= s->look_at_ms) {
		s->look_at_ms = now + FOLDER_EVERY_MS;
		if (!s->going_down && !s->o->there(s->o->arg)) {
			s->gone = true;
			go_down(s);
		}
	}
	assert(s->look_at_ms > now);
	return KOOP_MIN(next, s->look_at_ms);
}

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < s->o->count; i++) {
			struct program *p = &s->o->program[i];
			bool asked = p->state == PROGRAM_STOPPING;
			char how[64], what[160];

			if (p->pid != pid)
				continue;
			program_ended(p, status, s->o->clock);
			program_describe_end(how, status);
			if (asked)
				snprintf(what, sizeof(what), "stopped");
			else
				snprintf(what, sizeof(what),
				    "%s; is started again (see log/%s.log)",
				    how, p->name);
			say_state(s, p, what);
		}
	}
}

static void
answer_status(const struct supervisor *s, struct client *c)
{
	struct buf b = buf_make(CONTROL_ANSWER_MAX);
	char how[64];

	for (unsigned i = 0; i < s->o->count; i++) {
		const struct program *p = &s->o->program[i];

		snprintf(how, sizeof(how), "-");
		if (p->state == PROGRAM_DOWN && p->restarts > 0)
			program_describe_end(how, p->last_status);
		buf_printf(&b, "%s %s %s %d %u %" PRIu64 " %s\n", p->name,
		    p->address, program_state_name(p->state), (int)p->pid,
		    p->restarts, p->since_ms, how);
	}
	buf_addstr(&b, "ok\n");
	assert(!buf_failed(&b)); /* a line has less than 256 bytes */
	client_answer(c, buf_cstr(&b));
	buf_fini(&b);
}

static void
wish_running(struct client *c, struct program *p)
{
	c->wish = WISH_RUNNING;
	if (p->state == PROGRAM_STOPPING) {
		p->again = true;
	} else if (p->state == PROGRAM_STOPPED || p->state == PROGRAM_DOWN) {
		p->state = PROGRAM_DOWN;
		p->restart_at_ms = 0;
		p->backoff_ms = 0;
	}
}

/* stop N, start N, replace N: false when it is none of these. */
static bool
obey_node(struct supervisor *s, struct client *c)
{
	static const char *const verbs[] = { "stop ", "start ", "replace " };
	char text[CONTROL_LINE_MAX * 3];
	struct error err;
	struct program *p;
	uint64_t number;
	size_t verb = 0, n;

	while (verb < nitems(verbs) &&
	    strncmp(c->line, verbs[verb], strlen(verbs[verb])) != 0)
		verb++;
	if (verb == nitems(verbs))
		return false;
	n = strlen(verbs[verb]);
	if (!number_parse(&number, c->line + n, strlen(c->line + n), 0,
		s->o->count - 1) ||
	    s->o->program[number].gateway) {
		client_answer(c,
		    "error there is no such node; koop status "
		    "lists them, numbered from 0\n");
		return true;
	}
	assert(number < s->o->count);
	c->node = (unsigned)number;
	p = &s->o->program[number];
	if (verb == 2 && s->o->replace(s->o->arg, c->node, &err) < 0) {
		snprintf(text, sizeof(text), "error %.360s\n", err.text);
		client_answer(c, text);
	} else if (verb == 0) {
		c->wish = WISH_STOPPED;
		program_stop(p);
	} else {
		wish_running(c, p);
	}
	return true;
}

/* The words of a client: its wish is set, or the answer given. */
static void
obey(struct supervisor *s, struct client *c)
{
	assert(c->wish == WISH_READING);
	if (strcmp(c->line, "down") == 0) {
		c->wish = WISH_DOWN;
		go_down(s);
	} else if (strcmp(c->line, "status") == 0) {
		answer_status(s, c);
	} else if (!obey_node(s, c)) {
		client_answer(c, "error unknown request\n");
	}
}

/* Another client may have wished the contrary since. */
static const char *
client_outcome(const struct supervisor *s, const struct client *c)
{
	const struct program *p = &s->o->program[c->node];
	bool stops;

	assert(c->node < s->o->count && c->wish != WISH_NONE);
	stops = p->state == PROGRAM_STOPPED ||
	    (p->state == PROGRAM_STOPPING && !p->again);
	if (c->wish == WISH_STOPPED && p->state == PROGRAM_STOPPED)
		return "ok\n";
	if (c->wish == WISH_STOPPED && !stops)
		return "error the node was started again\n";
	if (c->wish == WISH_RUNNING && p->state == PROGRAM_READY)
		return "ok\n";
	if (c->wish == WISH_RUNNING && s->going_down)
		return "error the cluster goes down\n";
	if (c->wish == WISH_RUNNING && stops)
		return "error the node was stopped\n";
	return NULL;
}

/* Answer those whose wish has come true, or cannot. */
static void
answer_clients(struct supervisor *s)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &s->client[i];
		const char *outcome = c->fd == -1 ? NULL : client_outcome(s, c);

		if (outcome != NULL)
			client_answer(c, outcome);
	}
}

/*
 * At the end nobody is just cut off.  Who asked for it reads until we close:
 * that is left to the end of the process, when the folder's lock is free, so
 * that the next cluster can be started at once.
 */
static void
answer_last(struct supervisor *s)
{
	assert(s->going_down && running(s, false) == 0);
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &s->client[i];

		if (c->fd == -1)
			continue;
		if (c->wish == WISH_DOWN)
			(void)!send(c->fd, "ok\n", 3, MSG_NOSIGNAL);
		else
			client_answer(c, CONTROL_GONE "\n");
	}
}

static void
client_read(struct supervisor *s, struct client *c)
{
	assert(c->fd != -1 && c->n < sizeof(c->line) - 1);
	ssize_t n = recv(c->fd, c->line + c->n, sizeof(c->line) - 1 - c->n,
	    MSG_DONTWAIT);
	char *end;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(c->fd);
		*c = (struct client){ .fd = -1 };
		return;
	}
	c->n += (size_t)n;
	c->line[c->n] = '\0';
	if (c->wish != WISH_READING) {
		client_answer(c, "error one request a connection\n");
		return;
	}
	end = strchr(c->line, '\n');
	if (end != NULL) {
		*end = '\0';
		c->n = 0; /* who waits may say nothing more */
		obey(s, c);
	} else if (c->n == sizeof(c->line) - 1) {
		client_answer(c, "error request too long\n");
	}
}

static struct client *
client_room(struct supervisor *s)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (s->client[i].fd == -1) {
			/* Nothing is left of the last one's words. */
			assert(s->client[i].wish == WISH_NONE);
			assert(s->client[i].n == 0);
			return &s->client[i];
		}
	return NULL;
}

static void
client_accept(struct supervisor *s)
{
	struct client *c = client_room(s);
	int fd;

	if (c == NULL)
		return;
	fd = accept4(s->o->control_fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1)
		*c = (struct client){ .fd = fd, .wish = WISH_READING };
}

static void
take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM)
		go_down(s);
}

/* One turn of the loop. */
static void
turn(struct supervisor *s, uint64_t next)
{
	struct pollfd *pfd = s->pfd;
	unsigned count = s->o->count;
	int timeout = -1;

	pfd[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	/* Without room they wait in front of the door, where none is lost. */
	pfd[1] = (struct pollfd){ .fd = client_room(s) != NULL ?
		    s->o->control_fd :
		    -1,
		.events = POLLIN };
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		pfd[2 + i] = (struct pollfd){ .fd = s->client[i].fd,
			.events = POLLIN };
	for (unsigned i = 0; i < count; i++)
		pfd[2 + CLIENTS_MAX + i] = (struct pollfd){
			.fd = s->o->program[i].ready_fd,
			.events = POLLIN
		};
	if (next != UINT64_MAX)
		timeout = clock_left_ms(s->o->clock, next);
	if (poll(pfd, 2 + CLIENTS_MAX + count, timeout) == -1)
		return;

	if (pfd[0].revents != 0)
		take_signal(s);
	reap(s);
	for (unsigned i = 0; i < count; i++) {
		struct program *p = &s->o->program[i];
		if (pfd[2 + CLIENTS_MAX + i].revents != 0 &&
		    p->ready_fd != -1 && program_check_ready(p))
			say_state(s, p, program_state_name(p->state));
	}
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (pfd[2 + i].revents != 0 && s->client[i].fd != -1)
			client_read(s, &s->client[i]);
	if (pfd[1].revents != 0)
		client_accept(s);
}

int
supervisor_run(const struct supervisor_options *options, struct error *err)
{
	struct supervisor s = { .o = options };
	sigset_t mask;

	assert(options->count >= 1);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	s.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signal_fd == -1)
		return error_errno(err, ERRC_NOMEM, "signalfd");
	/* All of them: the gateways come last, and wait for every node. */
	s.pfd = calloc(2 + CLIENTS_MAX + options->count, sizeof(*s.pfd));
	if (s.pfd == NULL) {
		close(s.signal_fd);
		return error_set(err, ERRC_NOMEM, "supervisor: no memory");
	}
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		s.client[i].fd = -1;
	for (unsigned i = 0; i < options->count; i++)
		options->program[i].ready_fd = -1;

	for (;;) {
		uint64_t next;

		if (!s.gateways_started)
			check_gateways(&s);
		next = start_due(&s);
		check_ready(&s);
		next = look_for_folder(&s, next);
		if (s.going_down) {
			go_on_down(&s);
			next = clock_mono_ms(options->clock) + 1000;
		}
		answer_clients(&s);
		if (s.going_down && running(&s, false) == 0)
			break;
		turn(&s, next);
	}
	answer_last(&s);
	close(s.signal_fd);
	free(s.pfd);
	return s.gone ? error_set(err, ERRC_NOTFOUND,
			    "the data folder is gone: the cluster was "
			    "stopped") :
			0;
}
