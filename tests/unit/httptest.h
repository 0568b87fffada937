/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_HTTPTEST_H
#define KOOP_TESTS_UNIT_HTTPTEST_H

/*
 * A service that the tests of server and client share: bytes whose contents
 * follow from their position, so that both ends check them without a copy.
 *
 *      GET /hello              "hello\n"
 *      GET /echo-target?...    the raw target
 *      GET /header/NAME        what came in that header
 *      GET /bytes?n=N          N bytes; chunked=1; cut=K: broken after K;
 *                              block=B: bytes for one reader call
 *      GET /file?first=&n=     a part of a file of FILE_BYTES, by sendfile
 *      GET /wait               blocks until the client is gone, or ms=5000
 * passed GET /silent             no reply at all PUT /sink               checks
 * the body, answers with its length PUT /echo               answers with the
 * body (1 MiB at most) PUT /refuse             403 before the body PUT
 * /refuse-mid?n=N     409 after N bytes of the body
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/httpd.h"

#define FILE_BYTES 3000000

struct httptest {
	struct httpd *httpd;
	int file;
	atomic_int begun;
	atomic_int done;
	atomic_int incomplete;
	atomic_int streams; /* readers that are not freed */
	atomic_int gone;    /* clients that /wait saw hang up */
	atomic_int waiting;
};

void httptest_fill(uint8_t *p, uint64_t pos, size_t n);
bool httptest_check(const uint8_t *p, uint64_t pos, size_t n);
bool httptest_start(struct httptest *test, const struct httpd_options *options);
void httptest_stop(struct httptest *test);

#endif
