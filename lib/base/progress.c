/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/number.h"

#define DRAW_MS 100
#define BAR_COLUMNS 24

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

void
progress_start(struct progress *p, const char *name, bool force, uint64_t total)
{
	struct sigaction act = { .sa_handler = progress_signal,
		.sa_flags = SA_RESTART };

	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	*p = (struct progress){
		.name = name,
		.total = total != 0 ? total : progress_input_bytes(),
		.start_ms = clock_mono_ms(&clock_system),
		.on = force ||
		    (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO)),
	};
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

static int
progress_text(char *out, size_t room, const struct progress *p, uint64_t now_ms)
{
	uint64_t took_ms = KOOP_MAX(now_ms - p->start_ms, UINT64_C(1));
	double rate = (double)p->done * 1000.0 / (double)took_ms;
	char done[16], speed[16], total[16], bar[BAR_COLUMNS + 1];
	uint64_t percent;
	uint64_t left_s;

	assert(now_ms >= p->start_ms);
	number_print_size(done, p->done);
	number_print_size(speed, (uint64_t)rate);
	if (p->total == 0 || p->done > p->total)
		return snprintf(out, room, "%s: %s, %s/s, %" PRIu64 " s",
		    p->name, done, speed, took_ms / 1000);
	percent = (uint64_t)((double)p->done * 100.0 / (double)p->total);
	left_s = rate < 1 ? 0 : (uint64_t)((double)(p->total - p->done) / rate);
	number_print_size(total, p->total);
	progress_bar(bar, percent);
	return snprintf(out, room,
	    "%s: [%s] %3" PRIu64 "%% %s of %s, %s/s, %" PRIu64 ":%02" PRIu64
	    " left",
	    p->name, bar, percent, done, total, speed, left_s / 60,
	    left_s % 60);
}

static void
progress_draw(struct progress *p, const char *before, const char *after)
{
	uint64_t now_ms = clock_mono_ms(&clock_system);
	char text[160];
	char line[200];
	int n;

	progress_text(text, sizeof(text), p, now_ms);
	n = snprintf(line, sizeof(line), "%s%s%s", before, text, after);
	p->drawn_ms = now_ms;
	if (n > 0 &&
	    write(STDERR_FILENO, line, KOOP_MIN((size_t)n, sizeof(line) - 1)) ==
		-1)
		p->on = false;
}

void
progress_add(struct progress *p, uint64_t bytes)
{
	p->done += bytes;
	if (progress_asked) {
		progress_asked = 0;
		progress_draw(p, p->on ? "\r\033[K" : "", "\n");
	}
	if (p->on && clock_mono_ms(&clock_system) - p->drawn_ms >= DRAW_MS)
		progress_draw(p, "\r", "\033[K");
}

void
progress_end(struct progress *p)
{
	static const char erase[] = "\r\033[K";

	if (p->on && p->drawn_ms != 0 &&
	    write(STDERR_FILENO, erase, sizeof(erase) - 1) == -1)
		return;
	p->on = false;
}
