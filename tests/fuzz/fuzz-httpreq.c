/* SPDX-License-Identifier: MIT */
#include "http/httpreq.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cut the next line off the input. */
static struct bytes
next_line(struct bytes *rest)
{
	const uint8_t *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) :
					   NULL;
	size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
	struct bytes line = bytes_of(rest->p, n);

	rest->p += end != NULL ? n + 1 : n;
	rest->n -= end != NULL ? n + 1 : n;
	return line;
}

static void
check_target(struct bytes target, bool passed)
{
	struct httpreq_query query;
	struct error err;
	struct bytes path = target;
	struct bytes raw = BYTES_NONE;
	char *text = NULL;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < target.n; i++) {
		if (target.p[i] != '?')
			continue;
		path = bytes_of(target.p, i);
		raw = bytes_of(target.p + i + 1, target.n - i - 1);
		break;
	}
	rc = httpreq_decode(&text, &n, path, false, &err);
	if (rc == 0) {
		assert(n == strlen(text) && n <= path.n);
		free(text);
	}
	/* What the gate lets through can be decoded. */
	assert(!passed || rc == 0);
	rc = httpreq_query_parse(&query, raw, &err);
	if (rc == 0) {
		for (size_t i = 0; i < query.count; i++)
			assert(strlen(query.params[i].value) ==
			    query.params[i].value_len);
		(void)httpreq_query_get(&query, "uploadId");
		httpreq_query_fini(&query);
	}
}

/* Lines: method, version, target, then "name:value". */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct httpreq_header headers[HTTPREQ_HEADERS_MAX];
	struct bytes rest = bytes_of(data, size);
	struct httpreq req = { .headers = headers, .max_body = 5ull << 30 };
	struct httpreq_body body = { false, 0 };
	const char *reason = NULL;
	struct bytes line;
	char *method;
	char *version;
	int status;

	line = next_line(&rest);
	method = strndup((const char *)line.p, line.n);
	line = next_line(&rest);
	version = strndup((const char *)line.p, line.n);
	req.method = method;
	req.version = version;
	req.target = next_line(&rest);
	while (rest.n > 0 && req.header_count < HTTPREQ_HEADERS_MAX) {
		const uint8_t *colon;

		line = next_line(&rest);
		colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
		if (colon == NULL)
			continue;
		headers[req.header_count++] = (struct httpreq_header){
			.name = bytes_of(line.p, (size_t)(colon - line.p)),
			.value = bytes_of(colon + 1,
			    line.n - (size_t)(colon - line.p) - 1),
		};
	}
	if (method != NULL && version != NULL) {
		status = httpreq_gate(&req, &body, &reason);
		assert(status == 0 || (status >= 400 && reason != NULL));
		assert(status != 0 || body.length <= req.max_body);
		assert(!body.chunked || body.length == 0);
		check_target(req.target, status == 0);
	}
	free(method);
	free(version);
	return 0;
}
