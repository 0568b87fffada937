/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/io.h"
#include "base/number.h"
#include "base/wait.h"

#define DRAW_MS 100
#define TICK_MS 250
#define STALL_MS 2000
/* Who does not know the total leaves the line to one who may; later anybody
 * takes it when it is free. */
#define PATIENCE_MS 500
#define RETRY_MS 1000
#define BAR_COLUMNS 24
#define LINE_COLUMNS 160
#define THREAD_STACK_BYTES ((size_t)64 * 1024)

/* Set by SIGUSR1, taken by the next update: a handler may do no more. */
static volatile sig_atomic_t progress_asked;

static void
progress_signal(int number)
{
	(void)number;
	progress_asked = 1;
}

/* What is left of standard input, if that is a plain file. */
static uint64_t
progress_input_bytes(void)
{
	struct stat st;
	off_t at;

	if (fstat(STDIN_FILENO, &st) == -1 || !S_ISREG(st.st_mode))
		return 0;
	at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	if (at < 0 || at >= st.st_size)
		return 0;
	return (uint64_t)(st.st_size - at);
}

/* What other programs draw on, they have locked.  Where it cannot be opened
 * (a terminal of another user) nobody can. */
static bool
progress_hold(struct progress *p, uint64_t now_ms)
{
	uint64_t wait_ms = p->tried_ms != 0 ? RETRY_MS :
	    p->total == 0                   ? PATIENCE_MS :
					      0;

	if (p->holds || !p->terminal)
		return true;
	if (now_ms - (p->tried_ms != 0 ? p->tried_ms : p->start_ms) < wait_ms)
		return false;
	p->tried_ms = now_ms;
	if (p->lock_fd < 0)
		p->lock_fd = open("/proc/self/fd/2",
		    O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	p->holds = p->lock_fd < 0 || flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0;
	return p->holds;
}

static void
progress_bar(char out[static BAR_COLUMNS + 1], uint64_t percent)
{
	size_t full = (size_t)(percent * BAR_COLUMNS / 100);

	assert(percent <= 100);
	memset(out, '.', BAR_COLUMNS);
	memset(out, '=', full);
	out[BAR_COLUMNS] = '\0';
}

/* Columns that a line may have: the terminal may be another width by now. */
static size_t
progress_columns(const struct progress *p)
{
	size_t columns = p->terminal ? io_terminal_columns(STDERR_FILENO) : 0;

	/* The last column stays free: some terminals wrap behind it. */
	return columns == 0 ? (size_t)LINE_COLUMNS :
			      KOOP_MIN(columns - 1, (size_t)LINE_COLUMNS);
}

/* What is at the end of the line: how long it takes, or that it stands. */
static void
progress_left(char *out, size_t room, const struct progress *p, double rate,
    uint64_t now_ms)
{
	uint64_t done = p->done, total = p->total;
	/* It may have moved since. */
	uint64_t moved_ms = KOOP_MIN(p->moved_ms, now_ms);
	uint64_t left_s;

	assert(room > 0);
	out[0] = '\0';
	if (now_ms - moved_ms >= STALL_MS) {
		snprintf(out, room, ", stalled");
	} else if (total == 0 || done > total) {
		snprintf(out, room, ", %" PRIu64 " s",
		    (now_ms - p->start_ms) / 1000);
	} else if (done < total && rate >= 1) {
		left_s = (uint64_t)((double)(total - done) / rate) + 1;
		snprintf(out, room, ", %" PRIu64 ":%02" PRIu64 " left",
		    left_s / 60, left_s % 60);
	}
}

static int
progress_text(char *out, size_t room, const struct progress *p, bool with_bar,
    uint64_t now_ms)
{
	uint64_t done = p->done, total = p->total;
	uint64_t took_ms = KOOP_MAX(now_ms - p->start_ms, UINT64_C(1));
	double rate = (double)done * 1000.0 / (double)took_ms;
	char size[16], speed[16], of[16], left[32], bar[BAR_COLUMNS + 1];
	uint64_t percent;

	assert(now_ms >= p->start_ms);
	number_print_size(size, done);
	number_print_size(speed, (uint64_t)rate);
	progress_left(left, sizeof(left), p, rate, now_ms);
	if (total == 0 || done > total)
		return snprintf(out, room, "%s: %s, %s/s%s", p->name, size,
		    speed, left);
	percent = (uint64_t)((double)done * 100.0 / (double)total);
	number_print_size(of, total);
	progress_bar(bar, percent);
	return snprintf(out, room, "%s: %s%s%s%3" PRIu64 "%% %s of %s, %s/s%s",
	    p->name, with_bar ? "[" : "", with_bar ? bar : "",
	    with_bar ? "] " : "", percent, size, of, speed, left);
}

/* Called with the lock held. */
static void
progress_draw_locked(struct progress *p, const char *before, const char *after)
{
	uint64_t now_ms = clock_mono_ms(&clock_system);
	size_t columns = progress_columns(p);
	char text[LINE_COLUMNS + 1];
	char line[sizeof(text) + 40];
	int n;

	n = progress_text(text, sizeof(text), p, true, now_ms);
	if (n > 0 && (size_t)n > columns)
		progress_text(text, sizeof(text), p, false, now_ms);
	text[columns] = '\0';
	n = snprintf(line, sizeof(line), "%s%s%s", before, text, after);
	assert(n >= 0 && (size_t)n < sizeof(line));
	p->drawn_ms = now_ms;
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		p->on = false;
}

static void
progress_erase_locked(struct progress *p)
{
	static const char erase[] = "\r\033[K";

	if (p->on && p->drawn_ms != 0 &&
	    write(STDERR_FILENO, erase, sizeof(erase) - 1) == -1)
		p->on = false;
	p->drawn_ms = 0;
}

/* Draw it now and then while nothing moves, to say so. */
static void *
progress_main(void *arg)
{
	struct progress *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		uint64_t now_ms = clock_mono_ms(&clock_system);

		if (p->on && now_ms - p->drawn_ms >= TICK_MS &&
		    now_ms - p->start_ms >= TICK_MS && progress_hold(p, now_ms))
			progress_draw_locked(p, "\r", "\033[K");
		(void)wait_mono_for(&p->wake, &p->lock, TICK_MS);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the main thread. */
static void
progress_thread(struct progress *p)
{
	pthread_attr_t attr;
	sigset_t all, old;

	assert(!p->threaded);
	if (pthread_attr_init(&attr) != 0)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	p->threaded = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES) ==
		0 &&
	    pthread_create(&p->thread, &attr, progress_main, p) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

enum progress_when
progress_choose(bool quiet, bool forced)
{
	if (quiet)
		return PROGRESS_OFF;
	return forced ? PROGRESS_FORCED : PROGRESS_AUTO;
}

static bool
progress_wanted(const struct progress *p, enum progress_when when)
{
	const char *term = getenv("TERM");

	if (when == PROGRESS_OFF ||
	    (p->terminal && term != NULL && strcmp(term, "dumb") == 0))
		return false;
	return when == PROGRESS_FORCED ||
	    (p->terminal && !isatty(STDOUT_FILENO));
}

void
progress_start(struct progress *p, const char *name, enum progress_when when,
    uint64_t total)
{
	struct sigaction act = { .sa_handler = progress_signal,
		.sa_flags = SA_RESTART };

	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	*p = (struct progress){
		.name = name,
		.total = total != 0 ? total : progress_input_bytes(),
		.start_ms = clock_mono_ms(&clock_system),
		.terminal = isatty(STDERR_FILENO),
		.lock_fd = -1,
	};
	assert(name[0] != '\0');
	p->moved_ms = p->start_ms;
	p->on = progress_wanted(p, when);
	pthread_mutex_init(&p->lock, NULL);
	wait_mono_init(&p->wake);
	if (p->on)
		progress_thread(p);
}

void
progress_add(struct progress *p, uint64_t bytes)
{
	uint64_t now_ms;

	atomic_fetch_add_explicit(&p->done, bytes, memory_order_relaxed);
	if (progress_asked) {
		progress_asked = 0;
		pthread_mutex_lock(&p->lock);
		progress_draw_locked(p, p->holds ? "\r\033[K" : "", "\n");
		pthread_mutex_unlock(&p->lock);
	}
	if (!p->on)
		return;
	now_ms = clock_mono_ms(&clock_system);
	p->moved_ms = now_ms;
	if (now_ms - p->drawn_ms < DRAW_MS)
		return;
	pthread_mutex_lock(&p->lock);
	if (progress_hold(p, now_ms))
		progress_draw_locked(p, "\r", "\033[K");
	pthread_mutex_unlock(&p->lock);
}

void
progress_hide(struct progress *p)
{
	pthread_mutex_lock(&p->lock);
	progress_erase_locked(p);
	pthread_mutex_unlock(&p->lock);
}

void
progress_end(struct progress *p)
{
	if (p->threaded) {
		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_cond_signal(&p->wake);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
		p->threaded = false;
	}
	progress_hide(p);
	p->on = false;
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	p->lock_fd = -1;
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
}
