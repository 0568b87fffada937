/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Eight bytes of size, then the header's value. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range range = { 0, 0 };
	uint64_t total;
	char *value;

	if (size < sizeof(total))
		return 0;
	memcpy(&total, data, sizeof(total));
	value = strndup((const char *)data + 8, size - 8);
	if (value == NULL)
		return 0;
	if (range_parse(&range, value, total) == RANGE_OK) {
		assert(range.first <= range.last);
		assert(range.last < total);
	}
	free(value);
	return 0;
}
