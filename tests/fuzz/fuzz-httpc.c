/* SPDX-License-Identifier: MIT */

/*
 * What a server says to the client: the head, and the frames of a chunked
 * body.  The input is parsed whole and byte by byte; both must agree.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "http/httpres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int error;
	bool done;
	uint64_t bytes;
	uint64_t sum;
};

static struct outcome
read_chunks(const char *p, size_t n, size_t step)
{
	struct httpres_chunks chunks = { 0 };
	struct outcome out = { 0, false, 0, 0 };
	size_t at = 0;

	while (at < n && out.error == 0 && !chunks.done) {
		size_t piece = step < n - at ? step : n - at;

		if (chunks.left > 0) {
			piece = piece < chunks.left ? piece :
						      (size_t)chunks.left;
			for (size_t i = 0; i < piece; i++)
				out.sum = out.sum * 31 + (uint8_t)p[at + i];
			httpres_chunk_took(&chunks, piece);
			out.bytes += piece;
			at += piece;
		} else {
			ssize_t used = httpres_chunk_step(&chunks, p + at,
			    piece, NULL);

			if (used < 0)
				out.error = (int)used;
			else
				at += (size_t)used;
			assert(used < 0 || (size_t)used <= piece);
		}
	}
	out.done = chunks.done;
	return out;
}

static void
check_chunks(const char *p, size_t n)
{
	struct outcome whole = read_chunks(p, n, n + 1);
	struct outcome bytewise = read_chunks(p, n, 1);

	assert(whole.error == bytewise.error);
	assert(whole.done == bytewise.done);
	assert(whole.bytes == bytewise.bytes && whole.sum == bytewise.sum);
	assert(whole.bytes <= n);
}

/* The head must not depend on how much of it was seen before. */
static void
check_prefixes(const char *p, size_t n, ssize_t used)
{
	static struct httpres res;
	char *part = malloc(n + 1);

	for (size_t i = 0; part != NULL && used > 0 && i < (size_t)used; i++) {
		memcpy(part, p, i);
		assert(httpres_parse(&res, part, i, NULL) == 0);
	}
	free(part);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct httpres res;
	struct error err;
	char *head;
	ssize_t used;

	head = malloc(size + 1);
	if (head == NULL)
		return 0;
	memcpy(head, data, size);
	used = httpres_parse(&res, head, size, &err);
	assert(used <= (ssize_t)size);
	if (used > 0) {
		assert(res.status >= 100 && res.status <= 599);
		assert(!res.chunked || !res.has_length);
		assert(res.count <= HTTPRES_HEADERS_MAX);
		for (size_t i = 0; i < res.count; i++)
			assert(httpres_get(&res, res.header[i].name) != NULL);
		check_chunks((const char *)data + used, size - (size_t)used);
		if (size < 600)
			check_prefixes((const char *)data, size, used);
	} else if (used < 0) {
		assert(err.code == ERRC_PROTOCOL);
	}
	check_chunks((const char *)data, size);
	free(head);
	return 0;
}
