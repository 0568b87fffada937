/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

/* A line is one write(2) of at most this, so that lines of several processes
 * on one pipe do not mix. */
#define LINE_BYTES 4096
#define TEXT_BYTES 1800

static _Atomic enum log_level log_level = LOG_INFO;
static atomic_bool log_json;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void
log_setup(enum log_level level, int json)
{
	assert(level <= LOG_DEBUG);
	log_level = level;
	log_json = json != 0;
}

bool
log_takes(enum log_level level)
{
	assert(level <= LOG_DEBUG);
	return level <= log_level;
}

bool
log_is_json(void)
{
	return log_json;
}

struct line {
	char p[LINE_BYTES];
	size_t n;
};

static void
line_add(struct line *line, const char *s)
{
	size_t n = strlen(s);

	/* One byte stays free for the newline. */
	assert(line->n <= sizeof(line->p) - 1);
	if (n > sizeof(line->p) - 1 - line->n)
		n = sizeof(line->p) - 1 - line->n;
	memcpy(line->p + line->n, s, n);
	line->n += n;
}

/*
 * Control bytes become visible, so that nothing in a message can forge a line
 * or drive a terminal; in JSON they become \u00NN.
 */
static void
line_add_escaped(struct line *line, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		char text[8] = { *s, '\0' };

		if (c < 0x20 || c == 0x7f)
			snprintf(text, sizeof(text),
			    log_json ? "\\u%04x" : "\\x%02x", c);
		else if (log_json && (c == '"' || c == '\\'))
			snprintf(text, sizeof(text), "\\%c", c);
		line_add(line, text);
	}
}

static void
line_print(struct line *line, enum log_level level, const char *layer,
    const char *text)
{
	char when[32];

	assert(level < nitems(level_names));
	clock_iso8601(when, clock_real_ms(&clock_system));
	if (log_json) {
		line_add(line, "{\"time\":\"");
		line_add(line, when);
		line_add(line, "\",\"level\":\"");
		line_add(line, level_names[level]);
		line_add(line, "\",\"layer\":\"");
		line_add_escaped(line, layer);
		line_add(line, "\",\"text\":\"");
		line_add_escaped(line, text);
		line_add(line, "\"}");
	} else {
		line_add(line, when);
		line_add(line, " ");
		line_add(line, level_names[level]);
		line_add(line, strlen(level_names[level]) < 5 ? "  " : " ");
		line_add(line, layer);
		line_add(line, ": ");
		line_add_escaped(line, text);
	}
}

void
log_line(enum log_level level, const char *layer, const char *fmt, ...)
{
	struct line line = { .n = 0 };
	char text[TEXT_BYTES];
	va_list args;

	if (level > log_level)
		return;
	va_start(args, fmt);
	error_format(text, log_json ? TEXT_BYTES / 3 : TEXT_BYTES, fmt, args);
	va_end(args);
	line_print(&line, level, layer, text);
	assert(line.n < sizeof(line.p));
	line.p[line.n++] = '\n';
	/* There is nobody to tell that the log cannot be written. */
	if (write(STDERR_FILENO, line.p, line.n) == -1)
		return;
}
