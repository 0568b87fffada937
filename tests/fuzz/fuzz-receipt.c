/* SPDX-License-Identifier: MIT */
#include "shard/receipt.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line that parses prints, and that line parses to the same again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[RECEIPT_LINE_MAX], again[RECEIPT_LINE_MAX];
	struct receipt one, two;
	struct error err;
	size_t n;

	if (receipt_parse(&one, bytes_of(data, size), &err) < 0)
		return 0;
	n = one.kind == RECEIPT_END ? receipt_print_end(line, &one.end) :
				      receipt_print_shard(line, &one.shard);
	assert(n > 0 && line[n - 1] == '\n');
	assert(receipt_parse(&two, bytes_of(line, n - 1), &err) == 0);
	assert(two.kind == one.kind);
	if (two.kind == RECEIPT_END)
		assert(receipt_print_end(again, &two.end) == n);
	else
		assert(receipt_print_shard(again, &two.shard) == n);
	assert(memcmp(line, again, n) == 0);
	return 0;
}
