/* SPDX-License-Identifier: MIT */

/* The XML reader, and the aws-chunked parser over the same bytes. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/s3chunked.h"
#include "s3/s3xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
element(void *arg, const char *path, struct bytes text)
{
	size_t *total = arg;

	if (strlen(path) == 0 || text.n > S3XML_TEXT_MAX)
		abort();
	*total += text.n;
	return *total > S3XML_DOC_MAX;
}

static int
take_data(void *arg, const uint8_t *p, size_t n)
{
	size_t *total = arg;

	if (n == 0 || p == NULL)
		abort();
	*total += n;
	return 0;
}

static int
take_trailer(void *arg, const char *name, const char *value)
{
	size_t *total = arg;

	*total += strlen(name) + strlen(value);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct s3chunked c = { .data = take_data, .trailer = take_trailer };
	size_t total = 0;
	size_t half = n / 2;

	if (!s3xml_read(bytes_of(data, n), element, &total))
		total = 0;
	total = 0;
	c.arg = &total;
	/* In two pieces: the cut must not matter, nor may what is given out
	 * be more than what came in. */
	if (s3chunked_feed(&c, data, half) == 0 &&
	    s3chunked_feed(&c, data + half, n - half) == 0)
		(void)s3chunked_finished(&c);
	if (total > n)
		abort();
	return 0;
}
