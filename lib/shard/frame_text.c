/* SPDX-License-Identifier: MIT */

/*
 * The payloads of BEGIN and END: lines of key=value, then LF to the end.
 */

#include "shard/frame.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/number.h"
#include "shard/fields.h"

/* What the code= line says: ISA-L's Cauchy matrix. */
#define CODE_NAME "rs-cauchy"
#define FORMAT "2"

void
frame_begin_print(uint8_t out[static FRAME_BEGIN_PAYLOAD],
    const struct frame_begin *begin)
{
	char text[FRAME_BEGIN_PAYLOAD];
	struct field_text t = { .p = text, .room = sizeof(text) };
	char id[REQID_HEX + 1];

	reqid_format(id, begin->id);
	field_print(&t, "format=" FORMAT "\ncode=%s\n", CODE_NAME);
	field_print(&t, "data_shards=%u\nparity_shards=%u\ncell_size=%u\n",
	    begin->geometry.data_shards, begin->geometry.parity_shards,
	    begin->geometry.cell_bytes);
	field_print(&t, "request_id=%s\n", id);
	if (begin->parts > 1)
		field_print(&t, "part=%u/%u\n", begin->part, begin->parts);
	if (begin->range.size > 0)
		field_print(&t, "range=%" PRIu64 "-%" PRIu64 "/%" PRIu64 "\n",
		    begin->range.first, begin->range.last, begin->range.size);
	if (begin->stored)
		field_print(&t, "stored=1\n");
	assert(t.n < FRAME_BEGIN_PAYLOAD); /* a LF ends the last line */
	memset(out, '\n', FRAME_BEGIN_PAYLOAD);
	memcpy(out, text, t.n);
}

void
frame_end_print(uint8_t out[static FRAME_END_PAYLOAD],
    const struct blob_totals *totals)
{
	char text[FRAME_END_PAYLOAD];
	struct field_text t = { .p = text, .room = sizeof(text) };
	char hex[33];

	assert(totals->shards <= STRIPE_SHARDS_MAX);
	field_print(&t, "size=%" PRIu64 "\nstripes=%" PRIu64 "\n", totals->size,
	    totals->stripes);
	if (totals->has_md5) {
		hex_encode(hex, totals->md5, sizeof(totals->md5));
		field_print(&t, "md5=%s\n", hex);
	}
	hex_u64(hex, totals->crc64nvme);
	field_print(&t, "crc64nvme=%s\nshard_crc64=", hex);
	field_print_list(&t, totals->shard_crc64, totals->shards);
	field_print(&t, "\n");
	assert(t.n < FRAME_END_PAYLOAD);
	memset(out, '\n', FRAME_END_PAYLOAD);
	memcpy(out, text, t.n);
}

/* Give each line to the table, up to the padding. */
static int
frame_text_lines(struct bytes text, struct field *table, size_t n,
    const char *what, struct error *err)
{
	while (text.n > 0 && text.p[0] != '\n') {
		const uint8_t *lf = memchr(text.p, '\n', text.n);
		const uint8_t *eq = memchr(text.p, '=', text.n);
		int rc;

		if (lf == NULL || eq == NULL || eq > lf)
			return error_set(err, ERRC_CORRUPT,
			    "%s: a line that is no key=value", what);
		rc = fields_take(table, n, what,
		    bytes_of(text.p, (size_t)(eq - text.p)),
		    bytes_of(eq + 1, (size_t)(lf - eq - 1)), err);
		if (rc < 0)
			return rc;
		text = bytes_of(lf + 1, text.n - (size_t)(lf + 1 - text.p));
	}
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\n')
			return error_set(err, ERRC_CORRUPT,
			    "%s: text after the padding", what);
	return fields_complete(table, n, what, err);
}

/* "i/k", 1 <= i <= k, into uint32_t[2]. */
static bool
parse_part(const struct field *f, struct bytes v)
{
	const uint8_t *slash = memchr(v.p, '/', v.n);
	uint32_t *part = f->out;
	uint64_t i, k;

	if (slash == NULL ||
	    !number_parse(&k, (const char *)slash + 1,
		v.n - (size_t)(slash + 1 - v.p), 1, FRAME_PARTS_MAX) ||
	    !number_parse(&i, (const char *)v.p, (size_t)(slash - v.p), 1, k))
		return false;
	assert(i >= 1 && i <= k);
	part[0] = (uint32_t)i;
	part[1] = (uint32_t)k;
	return true;
}

/* "first-last/size" as in HTTP's Content-Range, first <= last < size. */
static bool
parse_range(const struct field *f, struct bytes v)
{
	const uint8_t *slash = memchr(v.p, '/', v.n);
	const uint8_t *dash = memchr(v.p, '-', v.n);
	struct frame_range *range = f->out;
	struct frame_range r;

	assert(range->size == 0);
	if (slash == NULL || dash == NULL || dash > slash ||
	    !number_parse(&r.size, (const char *)slash + 1,
		v.n - (size_t)(slash + 1 - v.p), 1, STRIPE_SIZE_MAX) ||
	    !number_parse(&r.last, (const char *)dash + 1,
		(size_t)(slash - dash - 1), 0, r.size - 1) ||
	    !number_parse(&r.first, (const char *)v.p, (size_t)(dash - v.p), 0,
		r.last))
		return false;
	*range = r;
	return true;
}

int
frame_begin_parse(struct frame_begin *out,
    const uint8_t payload[static FRAME_BEGIN_PAYLOAD], struct error *err)
{
	uint64_t data = 0, parity = 0, cell = 0, stored = 0;
	uint32_t part[2] = { 1, 1 };
	struct frame_range range = { 0 };
	struct reqid id;
	struct field table[] = {
		{ .key = "format",
		    field_text,
		    .text = FORMAT,
		    .why = "this program reads format " FORMAT },
		{ .key = "code", field_text, .text = CODE_NAME },
		{ .key = "data_shards", field_number, &data, 1, 32 },
		{ .key = "parity_shards", field_number, &parity, 0, 31 },
		{ .key = "cell_size",
		    field_number,
		    &cell,
		    STRIPE_CELL_MIN,
		    STRIPE_CELL_MAX },
		{ .key = "request_id", field_reqid, &id },
		{ .key = "part", parse_part, part, .optional = true },
		{ .key = "range", parse_range, &range, .optional = true },
		{ .key = "stored",
		    field_number,
		    &stored,
		    1,
		    1,
		    .optional = true },
	};
	struct geometry g;
	int rc;

	rc = frame_text_lines(bytes_of(payload, FRAME_BEGIN_PAYLOAD), table,
	    nitems(table), "BEGIN", err);
	if (rc < 0)
		return rc;
	g = (struct geometry){ (uint32_t)data, (uint32_t)parity,
		(uint32_t)cell };
	if (geometry_check(&g, err) < 0)
		return error_set(err, ERRC_CORRUPT,
		    "BEGIN: %u + %u shards: more than %u", g.data_shards,
		    g.parity_shards, STRIPE_SHARDS_MAX);
	*out = (struct frame_begin){ .geometry = g,
		.id = id,
		.part = part[0],
		.parts = part[1],
		.range = range,
		.stored = stored != 0 };
	return 0;
}

int
frame_end_parse(struct blob_totals *out,
    const uint8_t payload[static FRAME_END_PAYLOAD], struct error *err)
{
	struct blob_totals t = { 0 };
	struct field_list crcs = { .item = t.shard_crc64 };
	struct field table[] = {
		{ .key = "size", field_number, &t.size, 0, STRIPE_SIZE_MAX },
		{ .key = "stripes",
		    field_number,
		    &t.stripes,
		    0,
		    STRIPE_SIZE_MAX },
		{ .key = "md5",
		    field_hex,
		    t.md5,
		    .max = sizeof(t.md5),
		    .optional = true },
		{ .key = "crc64nvme", field_hex64, &t.crc64nvme },
		{ .key = "shard_crc64",
		    field_list,
		    &crcs,
		    .max = STRIPE_SHARDS_MAX },
	};
	int rc;

	rc = frame_text_lines(bytes_of(payload, FRAME_END_PAYLOAD), table,
	    nitems(table), "END", err);
	if (rc < 0)
		return rc;
	t.has_md5 = table[2].seen;
	assert(crcs.n <= STRIPE_SHARDS_MAX);
	t.shards = crcs.n;
	*out = t;
	return 0;
}
