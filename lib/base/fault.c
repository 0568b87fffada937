/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <assert.h>

static const char *const fault_names[FAULT_MAX] = {
#define X(point, name) [FAULT_##point] = name,
	FAULT_MAP(X)
#undef X
};

const char *
fault_name(enum fault_point point)
{
	assert(point < FAULT_MAX);
	return fault_names[point];
}

#ifndef KOOP_FAULTS

void
fault_setup(void)
{
}

#else

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"

#define FAULT_CLOCK_MAX_MS (UINT64_C(3650) * 24 * 3600 * 1000)

enum fault_action { FAULT_ERROR, FAULT_KILL, FAULT_STOP, FAULT_FAIL };

/* One armed point: written by fault_setup() before there are threads. */
struct fault {
	uint64_t at; /* the hit that acts; 0 is none */
	enum fault_action action;
	_Atomic uint64_t hits;
};

static struct fault faults[FAULT_MAX];
static uint64_t level; /* 0: the program's own; written as the above */

int
fault_hit(enum fault_point point)
{
	struct fault *fault = &faults[point];

	uint64_t hit;

	assert(point < FAULT_MAX);
	if (fault->at == 0)
		return 0;
	hit = atomic_fetch_add(&fault->hits, 1) + 1;
	if (hit > fault->at && fault->action == FAULT_FAIL)
		return EIO;
	if (hit != fault->at)
		return 0;
	/* In one piece: a test reads it, and a kill follows. */
	dprintf(STDERR_FILENO, "fault: %s:%" PRIu64 "\n", fault_name(point),
	    fault->at);
	if (fault->action == FAULT_ERROR || fault->action == FAULT_FAIL)
		return EIO;
	raise(fault->action == FAULT_KILL ? SIGKILL : SIGSTOP);
	return 0;
}

unsigned
fault_level(unsigned own)
{
	assert(own > 0);
	return level > 0 && level < own ? (unsigned)level : own;
}

static bool
fault_parse_action(enum fault_action *out, const char *s, size_t n)
{
	static const char *const names[] = { "error", "kill", "stop", "fail" };

	for (size_t i = 0; i < nitems(names); i++) {
		if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0) {
			*out = (enum fault_action)i;
			return true;
		}
	}
	return false;
}

/* NAME:N[:ACTION], n bytes of it. */
static bool
fault_parse(const char *s, size_t n)
{
	enum fault_action action = FAULT_ERROR;
	const char *colon = memchr(s, ':', n);
	const char *end = s + n;
	const char *rest;
	uint64_t at;

	if (colon == NULL)
		return false;
	rest = memchr(colon + 1, ':', (size_t)(end - colon - 1));
	if (rest != NULL &&
	    !fault_parse_action(&action, rest + 1, (size_t)(end - rest - 1)))
		return false;
	if (rest == NULL)
		rest = end;
	if (!number_parse(&at, colon + 1, (size_t)(rest - colon - 1), 1,
		UINT64_MAX))
		return false;
	for (int i = 0; i < FAULT_MAX; i++) {
		if (strlen(fault_names[i]) == (size_t)(colon - s) &&
		    memcmp(fault_names[i], s, (size_t)(colon - s)) == 0) {
			assert(at >= 1); /* 0 is a point that is not armed */
			faults[i].at = at;
			faults[i].action = action;
			return true;
		}
	}
	return false;
}

static void
fault_clock(const char *s)
{
	uint64_t ms = 0;

	if (s == NULL || *s == '\0')
		return;
	if ((*s != '+' && *s != '-') ||
	    !number_parse_duration(&ms, s + 1, strlen(s + 1), 0,
		FAULT_CLOCK_MAX_MS)) {
		fprintf(stderr, "KOOP_TEST_CLOCK: %s: want +30d or -3d\n", s);
		_Exit(error_exit_status(ERRC_CONFIG));
	}
	assert(ms <= FAULT_CLOCK_MAX_MS);
	clock_shift(*s == '+' ? (int64_t)ms : -(int64_t)ms);
}

/* A test whose fault is misspelt would pass without testing: so a mistake in
 * the variable ends the program, in this build only. */
void
fault_setup(void)
{
	const char *s = getenv("KOOP_TEST_FAULT");
	const char *older = getenv("KOOP_TEST_LEVEL");

	fault_clock(getenv("KOOP_TEST_CLOCK"));
	if (older != NULL &&
	    !number_parse(&level, older, strlen(older), 1, 99)) {
		fprintf(stderr, "KOOP_TEST_LEVEL: %s: want 1 to 99\n", older);
		_Exit(error_exit_status(ERRC_CONFIG));
	}
	while (s != NULL && *s != '\0') {
		size_t n = strcspn(s, ",");

		if (!fault_parse(s, n)) {
			fprintf(stderr,
			    "KOOP_TEST_FAULT: %.*s: want "
			    "NAME:N[:error|kill|stop]\n",
			    (int)n, s);
			_Exit(error_exit_status(ERRC_CONFIG));
		}
		s += n + (s[n] == ',');
	}
}

#endif
