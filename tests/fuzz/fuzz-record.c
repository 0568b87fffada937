/* SPDX-License-Identifier: MIT */

/*
 * A line of the log: as it is, and as the members of a record whose CRC is
 * right, so that the parser behind the CRC is reached, too.  What parses can
 * be built again, and parses to the same bytes.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/crc.h"
#include "commit/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
rebuild(const struct record *record)
{
	struct buf one = buf_make(RECORD_BYTES_MAX * 8);
	struct buf two = buf_make(RECORD_BYTES_MAX * 8);
	struct buf bytes = buf_make(RECORD_BYTES_MAX);
	struct record *again = NULL;

	if (record->blob.is_inline &&
	    record_inline(&bytes, record->blob.inline_base64, record->blob.size,
		record->blob.crc64nvme, NULL) == 0)
		assert(bytes.n == record->blob.size);
	/* It may be longer than it was: escapes have many spellings. */
	if (record_build(&one, record, NULL) == 0) {
		if (record_parse(&again, buf_bytes(&one), record->cluster,
			NULL) != RECORD_OK)
			assert(false);
		if (record_build(&two, again, NULL) < 0)
			assert(false);
		assert(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
		record_free(again);
	}
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&bytes);
}

static void
try_line(struct bytes line)
{
	static const char cluster[] = "0123456789abcdef0123456789abcdef";
	struct buf stripped = buf_make(RECORD_BYTES_MAX * 2);
	struct record *record = NULL;
	uint8_t one[RECORD_CHAIN_BYTES] = { 0 };
	uint8_t two[RECORD_CHAIN_BYTES] = { 0 };
	int verdict;

	record_strip(&stripped, line);
	if (record_hash(one, one, line, NULL) < 0 ||
	    record_hash(two, two, buf_bytes(&stripped), NULL) < 0)
		abort();
	assert(memcmp(one, two, sizeof(one)) == 0);
	verdict = record_parse(&record, line, cluster, NULL);
	assert(verdict >= RECORD_OK && verdict <= RECORD_UNKNOWN);
	if (verdict == RECORD_OK) {
		rebuild(record);
		record_free(record);
	}
	verdict = record_parse(&record, line, NULL, NULL);
	if (verdict == RECORD_OK)
		record_free(record);
	buf_fini(&stripped);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf line = buf_make(RECORD_BYTES_MAX * 2);
	struct bytes part[2];

	try_line(bytes_of(data, size));
	/* The same with a good CRC: over what would be covered. */
	buf_add(&line, data, size);
	buf_addstr(&line, ",\"crc32c\":\"00000000\"}");
	if (!buf_failed(&line) && record_covered(buf_bytes(&line), part)) {
		uint32_t crc = crc32c(0, part[0].p, part[0].n);
		struct buf good = buf_make(RECORD_BYTES_MAX * 2);

		crc = crc32c(crc, part[1].p, part[1].n);
		buf_add(&good, line.p, line.n - 10);
		buf_printf(&good, "%08x\"}", crc);
		try_line(buf_bytes(&good));
		buf_fini(&good);
	}
	buf_fini(&line);
	return 0;
}
