/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_TAP_H
#define KOOP_TESTS_UNIT_TAP_H

/*
 * A test is a function without arguments whose name is a sentence; it fails
 * when a CHECK in it fails, and goes on, so that one run shows all of them.
 *
 *      static void
 *      an_empty_view_equals_an_empty_view(void)
 *      {
 *              CHECK(bytes_equal(BYTES_NONE, BYTES_NONE));
 *      }
 *
 *      int
 *      main(void)
 *      {
 *              RUN(an_empty_view_equals_an_empty_view);
 *              return tap_done();
 *      }
 *
 * CHECK may be used by several threads.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;
static atomic_int tap_bad; /* CHECKs that failed in this test */

#define CHECK(cond)                                                      \
	((cond) ? (void)0 :                                              \
		  (void)(atomic_fetch_add(&tap_bad, 1),                  \
		      printf("# %s:%d: CHECK(%s)\n", __FILE__, __LINE__, \
			  #cond)))

/* The same, and leave the test: for what the rest of it rests on. */
#define REQUIRE(cond)                                                        \
	do {                                                                 \
		if (!(cond)) {                                               \
			atomic_fetch_add(&tap_bad, 1);                       \
			printf("# %s:%d: REQUIRE(%s)\n", __FILE__, __LINE__, \
			    #cond);                                          \
			return;                                              \
		}                                                            \
	} while (0)

/* Two strings, shown when they differ. */
#define CHECK_STR(got, want) \
	tap_check_str((got), (want), #got, __FILE__, __LINE__)

static inline void
tap_check_str(const char *got, const char *want, const char *what,
    const char *file, int line)
{
	if (got != NULL && strcmp(got, want) == 0)
		return;
	atomic_fetch_add(&tap_bad, 1);
	printf("# %s:%d: %s is \"%s\", not \"%s\"\n", file, line, what,
	    got != NULL ? got : "(null)", want);
}

#define RUN(test) tap_run(#test, test)

static inline void
tap_run(const char *name, void (*test)(void))
{
	atomic_store(&tap_bad, 0);
	test();
	tap_count++;
	tap_failed += atomic_load(&tap_bad) != 0;
	printf("%s %d - ", atomic_load(&tap_bad) ? "not ok" : "ok", tap_count);
	for (const char *c = name; *c != '\0'; c++)
		putchar(*c == '_' ? ' ' : *c);
	putchar('\n');
	fflush(stdout);
}

/* What main() returns. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0 || tap_count == 0;
}

#endif
