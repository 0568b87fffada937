/* SPDX-License-Identifier: MIT */

/*
 * up/program and up/supervisor, with shell scripts for programs: when one is
 * started again, in which order they are stopped, and that nothing can refuse
 * to end.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/signals.h"
#include "tap.h"
#include "tempdir.h"
#include "up/program.h"
#include "up/supervisor.h"

/* What a script says when it serves; $1 is the descriptor. */
#define READY "echo ready here >&$1; eval \"exec $1>&-\"; "
/* Sleeps in small pieces, so that a trap is obeyed at once. */
#define SERVE "while :; do sleep 0.05; done"

static char dir[TEMPDIR_BYTES];

/* Time that flies: the deadlines of the supervisor come in a second. */
static uint64_t
fast_ms(const struct clock *clock)
{
	(void)clock;
	return 20 * clock_mono_ms(&clock_system);
}

static const struct clock fast = { fast_ms, fast_ms, fast_ms, NULL };

static void
make_program(struct program *p, const char *name, bool gateway,
    const char *script)
{
	struct error err;

	*p = (struct program){ .gateway = gateway, .ready_fd = -1 };
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->path, sizeof(p->path), "/bin/sh");
	snprintf(p->folder, sizeof(p->folder), "%s", dir);
	snprintf(p->log_path, sizeof(p->log_path), "%s/%s.log", dir, name);
	CHECK(program_arg(p, &err, "-c") == 0);
	CHECK(program_arg(p, &err, "%s", script) == 0);
}

/* What happened, a character each, as the file "order" has it. */
static void
read_order(char out[static 64])
{
	char path[TEMPDIR_BYTES + 8];
	char *text = NULL;
	size_t n;

	snprintf(path, sizeof(path), "%s/order", dir);
	out[0] = '\0';
	if (io_read_file(&text, &n, path, 63, NULL) == 0)
		snprintf(out, 64, "%s", text);
	free(text);
	unlink(path);
}

static void
what_fails_at_once_is_started_later_and_later(void)
{
	static const uint64_t waits[] = { 0, 50, 100, 200, 400, 800, 1600, 3200,
		5000, 5000 };
	struct clock_manual clock;
	struct program p = { .ready_fd = -1 };

	clock_manual_init(&clock, 1000000);
	for (size_t i = 0; i < nitems(waits); i++) {
		p.state = PROGRAM_STARTING;
		p.started_ms = clock.now_ms;
		program_ended(&p, 256, &clock.clock);
		CHECK(p.state == PROGRAM_DOWN && p.restarts == i + 1);
		CHECK(p.restart_at_ms == clock.now_ms + waits[i]);
		clock.now_ms = p.restart_at_ms;
	}
	/* It served, or lived for long: at once. */
	p.state = PROGRAM_READY;
	p.started_ms = clock.now_ms;
	program_ended(&p, 256, &clock.clock);
	CHECK(p.restart_at_ms == clock.now_ms);
	p.state = PROGRAM_STARTING;
	p.backoff_ms = 800;
	clock.now_ms += PROGRAM_YOUNG_MS;
	program_ended(&p, 256, &clock.clock);
	CHECK(p.restart_at_ms == clock.now_ms);
	/* Who was told to stop stays down. */
	p.state = PROGRAM_STOPPING;
	program_ended(&p, 0, &clock.clock);
	CHECK(p.state == PROGRAM_STOPPED);
}

static void
a_frozen_program_is_woken_to_stop(void)
{
	struct program p;
	struct error err;
	int status = 0;
	pid_t ended = 0;

	make_program(&p, "frozen", false, READY SERVE);
	REQUIRE(program_start(&p, &clock_system, &err) == 0);
	CHECK(program_check_ready(&p));
	CHECK(p.state == PROGRAM_READY);
	kill(p.pid, SIGSTOP);
	CHECK(
	    waitpid(p.pid, &status, WUNTRACED) == p.pid && WIFSTOPPED(status));
	program_stop(&p);
	CHECK(p.state == PROGRAM_STOPPING);
	for (int i = 0; i < 500 && ended == 0; i++) {
		ended = waitpid(p.pid, &status, WNOHANG);
		if (ended == 0)
			usleep(10000);
	}
	CHECK(ended == p.pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGTERM);
	if (ended == 0)
		kill(p.pid, SIGKILL);
}

static void
who_says_something_else_is_not_ready(void)
{
	static const char *const scripts[] = { "echo hello >&$1; " SERVE,
		"exit 3" };

	for (size_t i = 0; i < nitems(scripts); i++) {
		struct program p;
		struct error err;

		make_program(&p, "mute", false, scripts[i]);
		REQUIRE(program_start(&p, &clock_system, &err) == 0);
		CHECK(!program_check_ready(&p));
		CHECK(p.state == PROGRAM_STARTING && p.ready_fd == -1);
		kill(p.pid, SIGKILL);
		CHECK(waitpid(p.pid, NULL, 0) == p.pid);
	}
}

struct world {
	struct supervisor_options options;
	struct program program[2];
	struct program *many; /* instead, if not NULL */
	const char *path;     /* of the control socket */
	bool there;
	unsigned restarts;
};

static void
say(void *arg, const char *line)
{
	struct world *w = arg;

	w->restarts += strstr(line, "is started again") != NULL;
}

static bool
there(void *arg)
{
	return ((struct world *)arg)->there;
}

static void
ask_down(void *arg)
{
	struct world *w = arg;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", w->path);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	CHECK(send(fd, "down\n", 5, 0) == 5);
	close(fd);
}

/* Runs until somebody asks it to end: as soon as all are ready, or never. */
static int
supervise(struct world *w, unsigned count, const struct clock *clock,
    void (*ready)(void *arg), struct error *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int rc;

	w->options = (struct supervisor_options){
		.program = w->many != NULL ? w->many : w->program,
		.count = count,
		.control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
		.clock = clock,
		.say = say,
		.ready = ready,
		.there = there,
		.arg = w,
	};
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control", dir);
	w->path = sun.sun_path;
	CHECK(bind(w->options.control_fd, (struct sockaddr *)&sun,
		  sizeof(sun)) == 0 &&
	    listen(w->options.control_fd, 4) == 0);
	rc = supervisor_run(&w->options, err);
	close(w->options.control_fd);
	unlink(sun.sun_path);
	return rc;
}

static void
gateways_are_stopped_before_nodes(void)
{
	struct world w = { .there = true };
	struct error err;
	char order[64];

	/* The gateway takes its time, to answer its clients. */
	make_program(&w.program[0], "node", false,
	    "trap 'printf n >>order; exit' TERM; " READY SERVE);
	make_program(&w.program[1], "gateway", true,
	    "trap 'sleep 0.3; printf g >>order; exit' TERM; " READY SERVE);
	CHECK(supervise(&w, 2, &clock_system, ask_down, &err) == 0);
	read_order(order);
	CHECK_STR(order, "gn");
	CHECK(w.restarts == 0);
}

static void
gateways_are_started_after_nodes(void)
{
	struct world w = { .there = true };
	struct error err;
	char order[64];

	make_program(&w.program[0], "node", false,
	    "sleep 0.3; printf n >>order; " READY SERVE);
	make_program(&w.program[1], "gateway", true,
	    "printf g >>order; " READY SERVE);
	CHECK(supervise(&w, 2, &clock_system, ask_down, &err) == 0);
	read_order(order);
	CHECK_STR(order, "ng");
}

/* By name: shells have no redirection to a descriptor above 9. */
#define READY_MANY "echo ready here >/proc/self/fd/$1; exec sleep 600"

static void
all_of_many_programs_are_heard(void)
{
	enum { NODES = 300 };
	struct world w = { .there = true };
	struct error err;
	char order[64];

	w.many = calloc(NODES + 1, sizeof(*w.many));
	REQUIRE(w.many != NULL);
	for (unsigned i = 0; i < NODES; i++)
		make_program(&w.many[i], "node", false, READY_MANY);
	make_program(&w.many[NODES], "gateway", true,
	    "printf g >>order; " READY_MANY);
	alarm(60);
	CHECK(supervise(&w, NODES + 1, &clock_system, ask_down, &err) == 0);
	alarm(0);
	read_order(order);
	CHECK_STR(order, "g");
	CHECK(w.restarts == 0);
	free(w.many);
}

static void
what_ignores_its_end_is_killed(void)
{
	struct world w = { .there = true };
	struct error err;

	make_program(&w.program[0], "deaf", false,
	    "trap '' TERM; " READY SERVE);
	alarm(30);
	CHECK(supervise(&w, 1, &fast, ask_down, &err) == 0);
	alarm(0);
	CHECK(w.program[0].pid == 0);
	CHECK(WIFSIGNALED(w.program[0].last_status) &&
	    WTERMSIG(w.program[0].last_status) == SIGKILL);
}

static void
not_ready(void *arg)
{
	(void)arg;
}

static void
without_its_folder_it_ends(void)
{
	struct world w = { .there = false };
	struct error err;

	make_program(&w.program[0], "node", false, READY SERVE);
	alarm(30);
	CHECK(
	    supervise(&w, 1, &clock_system, not_ready, &err) == -ERRC_NOTFOUND);
	alarm(0);
	CHECK(w.program[0].pid == 0);
}

static void
one_that_fails_once_is_started_again(void)
{
	struct world w = { .there = true };
	struct error err;
	char order[64];

	make_program(&w.program[0], "weak", false,
	    "[ -e order ] || { printf 1 >order; exit 3; }; " READY SERVE);
	make_program(&w.program[1], "gateway", true, READY SERVE);
	alarm(30);
	CHECK(supervise(&w, 2, &clock_system, ask_down, &err) == 0);
	alarm(0);
	CHECK(w.restarts == 1);
	read_order(order);
	CHECK_STR(order, "1");
}

static int
talk(const struct world *w, const char *words)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", w->path);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	CHECK(send(fd, words, strlen(words), 0) == (ssize_t)strlen(words));
	return fd;
}

/* All that comes until it hangs up. */
static void
hear(int fd, const char *wanted)
{
	char answer[512] = "";
	ssize_t n = io_read_full(fd, answer, sizeof(answer) - 1, NULL);

	CHECK(n >= 0);
	CHECK_STR(answer, wanted);
	close(fd);
}

#define WAITERS 20 /* more than have a place inside */

/* What the thread beside the supervisor asks of it. */
struct asker {
	struct world *w;
	void (*ask)(struct world *w);
	pthread_t thread;
};

static void *
asker_run(void *arg)
{
	struct asker *asker = arg;

	asker->ask(asker->w);
	ask_down(asker->w);
	return NULL;
}

static struct asker asker;

static void
asker_start(void *arg)
{
	asker.w = arg;
	CHECK(pthread_create(&asker.thread, NULL, asker_run, &asker) == 0);
}

static void
supervise_asked(struct world *w, void (*ask)(struct world *w))
{
	struct error err;

	asker.ask = ask;
	alarm(60);
	CHECK(supervise(w, 2, &clock_system, asker_start, &err) == 0);
	CHECK(pthread_join(asker.thread, NULL) == 0);
	alarm(0);
}

static void
ask_by_many(struct world *w)
{
	int fd[WAITERS];

	hear(talk(w, "stop 1\n"), "ok\n");
	for (int i = 0; i < WAITERS; i++)
		fd[i] = talk(w, "start 1\n");
	CHECK(send(fd[0], "stop 1\n", 7, 0) == 7);
	hear(fd[0], "error one request a connection\n");
	/* Who hangs up makes room. */
	for (int i = 1; i < 6; i++)
		close(fd[i]);
	hear(talk(w, "stop 1\n"), "ok\n");
	for (int i = 6; i < WAITERS; i++)
		hear(fd[i], "error the node was stopped\n");
}

static void
nobody_who_asks_is_cut_off(void)
{
	struct world w = { .there = true };
	char order[64];

	/* The second serves once; who starts it again waits for long. */
	make_program(&w.program[0], "node", false, READY SERVE);
	make_program(&w.program[1], "weak", false,
	    "[ ! -e order ] || { " SERVE "; }; printf 1 >order; " READY SERVE);
	supervise_asked(&w, ask_by_many);
	read_order(order);
	CHECK_STR(order, "1");
}

static void
ask_while_it_stops(struct world *w)
{
	int stop = talk(w, "stop 0\n");
	int start = talk(w, "start 0\n");

	hear(stop, "error the node was started again\n");
	hear(start, "ok\n");
}

static void
one_that_stops_can_be_started(void)
{
	struct world w = { .there = true };
	char order[64];

	make_program(&w.program[0], "slow", false,
	    "trap 'sleep 0.3; exit' TERM; printf s >>order; " READY SERVE);
	make_program(&w.program[1], "node", false, READY SERVE);
	supervise_asked(&w, ask_while_it_stops);
	read_order(order);
	CHECK_STR(order, "ss");
	CHECK(w.restarts == 0);
}

int
main(void)
{
	tempdir_make(dir);
	signals_block();
	RUN(what_fails_at_once_is_started_later_and_later);
	RUN(a_frozen_program_is_woken_to_stop);
	RUN(who_says_something_else_is_not_ready);
	RUN(gateways_are_started_after_nodes);
	RUN(all_of_many_programs_are_heard);
	RUN(gateways_are_stopped_before_nodes);
	RUN(what_ignores_its_end_is_killed);
	RUN(without_its_folder_it_ends);
	RUN(one_that_fails_once_is_started_again);
	RUN(nobody_who_asks_is_cut_off);
	RUN(one_that_stops_can_be_started);
	return tap_done();
}
