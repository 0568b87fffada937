/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef error_set
#undef error_errno
#undef error_wrap
#undef error_no_cluster

struct code {
	const char *name;
	int exit_status;
	int http_status;
	const char *text;
};

static const struct code codes[ERRC_MAX] = {
	[ERRC_OK] = { "OK", 0, 200, "no error" },
#define X(name, exitcode, http, text) \
	[ERRC_##name] = { #name, exitcode, http, text },
	ERRC_MAP(X)
#undef X
};

static const struct code *
error_code_of(enum errc code)
{
	if ((int)code < 0 || code >= ERRC_MAX)
		return &codes[ERRC_IO];
	return &codes[code];
}

/* A message that was cut in the middle of a character would be no UTF-8. */
static void
cut_partial_utf8(char *text, size_t len)
{
	size_t i = len;
	unsigned char lead;
	size_t more;

	while (i > 0 && len - i < 3 && ((unsigned char)text[i - 1] >> 6) == 2)
		i--;
	assert(len - i <= 3 && text[len] == '\0');
	if (i == 0)
		return;
	lead = (unsigned char)text[i - 1];
	more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0;
	if (len - i < more)
		text[i - 1] = '\0';
}

/* The first bytes of a text that is too long, before its end is kept. */
#define FRONT_BYTES 150

/*
 * The text in room bytes, its NUL among them.  What makes a message too long
 * is a name, and the reason stands behind it: the middle is left out.
 */
static void
shorten(char *out, size_t room, const char *text, size_t len)
{
	static const char gap[] = "...";
	size_t front = KOOP_MIN((size_t)FRONT_BYTES, room / 3);
	size_t back;

	assert(room > 2 * sizeof(gap));
	if (len < room) {
		memcpy(out, text, len);
		out[len] = '\0';
		return;
	}
	memcpy(out, text, front);
	out[front] = '\0';
	cut_partial_utf8(out, front);
	front = strlen(out);
	back = room - front - sizeof(gap);
	assert(front + back < len);
	text += len - back;
	/* Not from the middle of a character on. */
	for (int i = 0; i < 3 && ((unsigned char)*text >> 6) == 2; i++)
		text++;
	snprintf(out + front, room - front, "%s%s", gap, text);
}

void
error_format(char *out, size_t room, const char *fmt, va_list args)
{
	va_list again;
	char *all;
	int n;

	va_copy(again, args);
	n = vsnprintf(out, room, fmt, args);
	if (n < 0)
		out[0] = '\0';
	if (n >= 0 && (size_t)n >= room) {
		cut_partial_utf8(out, room - 1);
		all = malloc((size_t)n + 1);
		/* Without memory the begin has to do. */
		if (all != NULL &&
		    vsnprintf(all, (size_t)n + 1, fmt, again) == n)
			shorten(out, room, all, (size_t)n);
		free(all);
	}
	va_end(again);
}

void
error_vset(struct error *err, enum errc code, const char *fmt, va_list args)
{
	error_format(err->text, sizeof(err->text), fmt, args);
	err->code = code;
	if (err->text[0] == '\0')
		snprintf(err->text, sizeof(err->text), "%s",
		    error_code_of(code)->text);
}

int(error_set)(struct error *err, enum errc code, const char *fmt, ...)
{
	va_list args;

	if (err != NULL) {
		va_start(args, fmt);
		error_vset(err, code, fmt, args);
		va_end(args);
	}
	return -(int)code;
}

int(error_errno)(struct error *err, enum errc code, const char *fmt, ...)
{
	int number = errno;
	char buffer[128];
	const char *reason;
	va_list args;
	size_t n;

	if (err != NULL) {
		reason = strerror_r(number, buffer, sizeof(buffer));
		n = strlen(reason) + 2;
		assert(n < sizeof(err->text) / 2);
		va_start(args, fmt);
		error_format(err->text, sizeof(err->text) - n, fmt, args);
		va_end(args);
		err->code = code;
		n = strlen(err->text);
		snprintf(err->text + n, sizeof(err->text) - n, ": %s", reason);
	}
	errno = number;
	return -(int)code;
}

int(error_wrap)(struct error *err, const char *fmt, ...)
{
	char context[sizeof(err->text) / 2];
	char old[sizeof(err->text)];
	va_list args;
	size_t n;

	if (err == NULL)
		return -ERRC_IO;
	va_start(args, fmt);
	error_format(context, sizeof(context), fmt, args);
	va_end(args);
	memcpy(old, err->text, sizeof(old));
	n = (size_t)snprintf(err->text, sizeof(err->text), "%s: ", context);
	assert(n < sizeof(err->text));
	shorten(err->text + n, sizeof(err->text) - n, old, strlen(old));
	return -(int)err->code;
}

int(error_no_cluster)(struct error *err, const char *fmt, ...)
{
	char reason[sizeof(err->text) / 2];
	va_list args;

	va_start(args, fmt);
	error_format(reason, sizeof(reason), fmt, args);
	va_end(args);
	return error_failed((error_set)(err, ERRC_UNAVAILABLE,
	    "no cluster: %s; start one with koop up, or name one: "
	    "eval \"$(koop env)\", --config FILE, or --topology and "
	    "--commit-log",
	    reason));
}

int
error_exit_status(enum errc code)
{
	return error_code_of(code)->exit_status;
}

int
error_http_status(enum errc code)
{
	return error_code_of(code)->http_status;
}
