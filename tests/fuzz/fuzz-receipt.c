/* SPDX-License-Identifier: MIT */
#include "shard/receipt.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
print(char out[static RECEIPT_LINE_MAX], const struct receipt *receipt)
{
	switch (receipt->kind) {
	case RECEIPT_END:
		return receipt_print_end(out, &receipt->end);
	case RECEIPT_HEADER:
		return receipt_print_header(out, &receipt->header);
	case RECEIPT_SHARD:
		break;
	}
	return receipt_print_shard(out, &receipt->shard);
}

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
	n = print(line, &one);
	assert(n > 0 && line[n - 1] == '\n');
	assert(receipt_parse(&two, bytes_of(line, n - 1), &err) == 0);
	assert(two.kind == one.kind);
	assert(print(again, &two) == n);
	assert(memcmp(line, again, n) == 0);
	return 0;
}
