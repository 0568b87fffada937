/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef error_set
#undef error_errno
#undef error_wrap

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

static void set_text(struct error *err, enum errc code, const char *fmt,
    va_list args) KOOP_PRINTF(3, 0);

static void
set_text(struct error *err, enum errc code, const char *fmt, va_list args)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, args);

	err->code = code;
	if (n < 0)
		snprintf(err->text, sizeof(err->text), "%s",
		    error_code_of(code)->text);
	else if ((size_t)n >= sizeof(err->text))
		cut_partial_utf8(err->text, sizeof(err->text) - 1);
}

int(error_set)(struct error *err, enum errc code, const char *fmt, ...)
{
	va_list args;

	if (err != NULL) {
		va_start(args, fmt);
		set_text(err, code, fmt, args);
		va_end(args);
	}
	return -(int)code;
}

int(error_errno)(struct error *err, enum errc code, const char *fmt, ...)
{
	int number = errno;
	char reason[128];
	size_t n;
	va_list args;

	if (err != NULL) {
		va_start(args, fmt);
		set_text(err, code, fmt, args);
		va_end(args);
		n = strlen(err->text);
		assert(n < sizeof(err->text));
		snprintf(err->text + n, sizeof(err->text) - n, ": %s",
		    strerror_r(number, reason, sizeof(reason)));
	}
	errno = number;
	return -(int)code;
}

int(error_wrap)(struct error *err, const char *fmt, ...)
{
	char context[sizeof(err->text)];
	char old[sizeof(err->text)];
	va_list args;
	size_t n;
	int made;

	if (err == NULL)
		return -ERRC_IO;
	va_start(args, fmt);
	made = vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
	if (made < 0)
		context[0] = '\0';
	memcpy(old, err->text, sizeof(old));
	n = strlen(context);
	made = snprintf(err->text, sizeof(err->text), "%.*s: %s",
	    (int)KOOP_MIN(n, sizeof(err->text) / 2), context, old);
	if (made < 0 || (size_t)made >= sizeof(err->text))
		cut_partial_utf8(err->text, sizeof(err->text) - 1);
	return -(int)err->code;
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
