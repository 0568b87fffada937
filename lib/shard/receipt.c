/* SPDX-License-Identifier: MIT */

#include "shard/receipt.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "shard/fields.h"

#define VERSION "2"
#define OTHER "this program reads receipts of version " VERSION
#define LINE_FIELDS_MAX 64
#define WRITTEN_MAX UINT64_C(9999999999999999) /* ms: 16 digits */

/* The longest line there can be: every byte of the key escaped, numbers of
 * 20 digits, 32 checksums. */
_Static_assert(sizeof("end v=" VERSION
		      " cluster= partition= epoch= set= incarnation= "
		      "name= object= data_shards= parity_shards= cell_size= "
		      "size= stripes= md5= crc64nvme= shard_crc64= shards= "
		      "headers= written=\n") +
	    32 + 10 + 20 + 10 + 20 +
	    (RECEIPT_BUCKET_MAX + 1 + 3 * RECEIPT_KEY_MAX) + 32 + 2 + 2 + 7 +
	    16 + 16 + 32 + 16 + 32 * 17 + 2 + 5 + 16 <=
	RECEIPT_LINE_MAX,
    "a receipt is written with one write that is atomic");
_Static_assert(sizeof("header v=" VERSION " object= name= at= value=\n") + 32 +
	    3 * HEADERTEXT_NAME_MAX + 5 + 3 * RECEIPT_VALUE_MAX <=
	RECEIPT_LINE_MAX,
    "and so is a header's");

size_t
receipt_print_shard(char out[static RECEIPT_LINE_MAX],
    const struct receipt_shard *shard)
{
	struct field_text t = { .p = out, .room = RECEIPT_LINE_MAX };
	char id[REQID_HEX + 1], crc[17];

	reqid_format(id, shard->object);
	hex_u64(crc, shard->crc64);
	field_print(&t,
	    "shard v=" VERSION " object=%s index=%u set=%u machine=%u "
	    "bytes=%" PRIu64 " crc64=%s\n",
	    id, shard->index, shard->set, shard->machine, shard->bytes, crc);
	assert(t.n < RECEIPT_LINE_MAX && out[t.n - 1] == '\n');
	return t.n;
}

size_t
receipt_print_header(char out[static RECEIPT_LINE_MAX],
    const struct receipt_header *header)
{
	struct field_text t = { .p = out, .room = RECEIPT_LINE_MAX };
	char value[3 * RECEIPT_VALUE_MAX + 1];
	char name[3 * HEADERTEXT_NAME_MAX + 1];
	char id[REQID_HEX + 1];

	assert(header->name_bytes >= 1);
	assert(header->name_bytes <= HEADERTEXT_NAME_MAX);
	assert(header->value_bytes <= RECEIPT_VALUE_MAX);
	reqid_format(id, header->object);
	percent_encode(name, header->name, header->name_bytes, false);
	percent_encode(value, header->value, header->value_bytes, true);
	field_print(&t,
	    "header v=" VERSION " object=%s name=%s at=%u value=%s\n", id, name,
	    header->at, value);
	assert(t.n < RECEIPT_LINE_MAX && out[t.n - 1] == '\n');
	return t.n;
}

static void
print_name(struct field_text *t, const struct receipt_end *end)
{
	char name[3 * (RECEIPT_BUCKET_MAX + 1 + RECEIPT_KEY_MAX) + 1];

	assert(end->key_bytes <= RECEIPT_KEY_MAX);
	assert(strlen(end->bucket) <= RECEIPT_BUCKET_MAX);
	percent_encode(name, end->bucket, strlen(end->bucket), false);
	field_print(t, " name=%s", name);
	percent_encode(name, end->key, end->key_bytes, true);
	field_print(t, "/%s", name);
}

static void
print_totals(struct field_text *t, const struct blob_totals *totals)
{
	char hex[33];

	field_print(t, " size=%" PRIu64 " stripes=%" PRIu64, totals->size,
	    totals->stripes);
	if (totals->has_md5) {
		hex_encode(hex, totals->md5, sizeof(totals->md5));
		field_print(t, " md5=%s", hex);
	}
	hex_u64(hex, totals->crc64nvme);
	field_print(t, " crc64nvme=%s shard_crc64=", hex);
	field_print_list(t, totals->shard_crc64, totals->shards);
}

size_t
receipt_print_end(char out[static RECEIPT_LINE_MAX],
    const struct receipt_end *end)
{
	struct field_text t = { .p = out, .room = RECEIPT_LINE_MAX };
	char id[REQID_HEX + 1];

	assert(end->written_ms <= WRITTEN_MAX);
	reqid_format(id, end->object);
	field_print(&t,
	    "end v=" VERSION " cluster=%s partition=%u epoch=%" PRIu64
	    " set=%u incarnation=%" PRIu64,
	    end->cluster, end->partition, end->epoch, end->set,
	    end->incarnation);
	print_name(&t, end);
	field_print(&t,
	    " object=%s data_shards=%u parity_shards=%u cell_size=%u", id,
	    end->geometry.data_shards, end->geometry.parity_shards,
	    end->geometry.cell_bytes);
	print_totals(&t, &end->totals);
	field_print(&t, " shards=%u headers=%u written=%" PRIu64 "\n",
	    end->shards, end->headers, end->written_ms);
	assert(t.n < RECEIPT_LINE_MAX && out[t.n - 1] == '\n');
	return t.n;
}

/* key=value, separated by single spaces, to the end of the line. */
static int
parse_fields(struct bytes rest, struct field *table, size_t n, const char *what,
    struct error *err)
{
	unsigned count = 0;
	int rc;

	while (rest.n > 0) {
		const uint8_t *space, *eq;
		size_t len;

		if (rest.p[0] != ' ' || ++count > LINE_FIELDS_MAX)
			return error_set(err, ERRC_CORRUPT,
			    "receipt: %s: too many words", what);
		rest = bytes_of(rest.p + 1, rest.n - 1);
		space = memchr(rest.p, ' ', rest.n);
		len = space != NULL ? (size_t)(space - rest.p) : rest.n;
		eq = memchr(rest.p, '=', len);
		if (eq == NULL || eq == rest.p)
			return error_set(err, ERRC_CORRUPT,
			    "receipt: %s: a word that is no key=value", what);
		rc = fields_take(table, n, what,
		    bytes_of(rest.p, (size_t)(eq - rest.p)),
		    bytes_of(eq + 1, len - (size_t)(eq + 1 - rest.p)), err);
		if (rc < 0) {
			(void)error_wrap(err, "receipt");
			return rc;
		}
		rest = bytes_of(rest.p + len, rest.n - len);
	}
	rc = fields_complete(table, n, what, err);
	if (rc < 0)
		(void)error_wrap(err, "receipt");
	return rc;
}

static int
parse_shard(struct receipt_shard *out, struct bytes rest, struct error *err)
{
	struct receipt_shard s = { 0 };
	uint64_t index = 0, set = 0, machine = 0;
	struct field table[] = {
		{ .key = "v", field_text, .text = VERSION, .why = OTHER },
		{ .key = "object", field_reqid, &s.object },
		{ .key = "index",
		    field_number,
		    &index,
		    0,
		    STRIPE_SHARDS_MAX - 1 },
		{ .key = "set", field_number, &set, 0, UINT32_MAX },
		{ .key = "machine",
		    field_number,
		    &machine,
		    0,
		    STRIPE_SHARDS_MAX - 1 },
		{ .key = "bytes", field_number, &s.bytes, 0, UINT64_MAX },
		{ .key = "crc64", field_hex64, &s.crc64 },
	};
	int rc = parse_fields(rest, table, nitems(table), "shard", err);

	if (rc < 0)
		return rc;
	s.index = (uint32_t)index;
	s.set = (uint32_t)set;
	s.machine = (uint32_t)machine;
	*out = s;
	return 0;
}

/* A piece of text, percent-encoded. */
struct piece {
	char *p;
	size_t min, max;
	size_t n; /* out */
};

static bool
parse_piece(const struct field *f, struct bytes v)
{
	struct piece *piece = f->out;
	char text[3 * RECEIPT_VALUE_MAX + 1];
	size_t n;

	assert(piece->max <= RECEIPT_VALUE_MAX);
	if (v.n > 3 * piece->max ||
	    !percent_decode(text, &n, (const char *)v.p, v.n, false) ||
	    n < piece->min || n > piece->max)
		return false;
	memcpy(piece->p, text, n);
	piece->n = n;
	return true;
}

static int
parse_header(struct receipt_header *out, struct bytes rest, struct error *err)
{
	struct receipt_header h = { 0 };
	struct piece name = { h.name, 1, sizeof(h.name), 0 };
	struct piece value = { h.value, 0, sizeof(h.value), 0 };
	uint64_t at = 0;
	struct field table[] = {
		{ .key = "v", field_text, .text = VERSION, .why = OTHER },
		{ .key = "object", field_reqid, &h.object },
		{ .key = "name", parse_piece, &name },
		{ .key = "at", field_number, &at, 0, HEADERTEXT_MAX },
		{ .key = "value", parse_piece, &value },
	};
	int rc = parse_fields(rest, table, nitems(table), "header", err);

	if (rc < 0)
		return rc;
	assert(name.n >= 1 && value.n <= RECEIPT_VALUE_MAX);
	h.name_bytes = name.n;
	h.value_bytes = value.n;
	h.at = (uint32_t)at;
	*out = h;
	return 0;
}

/* The bytes of bucket names, which never need escapes. */
static bool
bucket_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/* bucket/key: the bucket ends at the first slash. */
static bool
parse_name(const struct field *f, struct bytes v)
{
	struct receipt_end *end = f->out;
	char key[3 * RECEIPT_KEY_MAX + 1];
	size_t bucket = 0, n;

	while (bucket < v.n && bucket_byte(v.p[bucket]))
		bucket++;
	if (bucket == 0 || bucket > RECEIPT_BUCKET_MAX || bucket == v.n ||
	    v.p[bucket] != '/')
		return false;
	assert(bucket < sizeof(end->bucket));
	memcpy(end->bucket, v.p, bucket);
	end->bucket[bucket] = '\0';
	v = bytes_of(v.p + bucket + 1, v.n - bucket - 1);
	if (v.n == 0 || v.n > 3 * RECEIPT_KEY_MAX ||
	    !percent_decode(key, &n, (const char *)v.p, v.n, false) ||
	    n > RECEIPT_KEY_MAX)
		return false;
	assert(n < sizeof(end->key));
	memcpy(end->key, key, n);
	end->key[n] = '\0';
	end->key_bytes = n;
	return true;
}

static bool
parse_cluster(const struct field *f, struct bytes v)
{
	uint8_t id[16];

	if (!hex_decode(id, sizeof(id), (const char *)v.p, v.n))
		return false;
	hex_encode(f->out, id, sizeof(id));
	return true;
}

/* What the fields say must fit together. */
static int
check_end(const struct receipt_end *e, struct error *err)
{
	int rc = geometry_check(&e->geometry, err);

	if (rc == 0)
		rc = frame_totals_check(&e->totals, &e->geometry, err);
	if (rc < 0) {
		if (err != NULL)
			err->code = ERRC_CORRUPT;
		(void)error_wrap(err, "receipt: end");
		return -ERRC_CORRUPT;
	}
	return 0;
}

static int
parse_end(struct receipt_end *out, struct bytes rest, struct error *err)
{
	struct receipt_end e = { 0 };
	struct blob_totals *t = &e.totals;
	struct field_list crcs = { .item = t->shard_crc64 };
	uint64_t partition = 0, set = 0, data = 0, parity = 0, cell = 0;
	uint64_t shards = 0, headers = 0;
	struct field table[] = {
		{ .key = "v", field_text, .text = VERSION, .why = OTHER },
		{ .key = "cluster", parse_cluster, e.cluster },
		{ .key = "partition", field_number, &partition, 0, UINT32_MAX },
		{ .key = "epoch", field_number, &e.epoch, 0, UINT64_MAX },
		{ .key = "set", field_number, &set, 0, UINT32_MAX },
		{ .key = "incarnation",
		    field_number,
		    &e.incarnation,
		    0,
		    UINT64_MAX },
		{ .key = "name", parse_name, &e },
		{ .key = "object", field_reqid, &e.object },
		{ .key = "data_shards", field_number, &data, 1, 32 },
		{ .key = "parity_shards", field_number, &parity, 0, 31 },
		{ .key = "cell_size",
		    field_number,
		    &cell,
		    STRIPE_CELL_MIN,
		    STRIPE_CELL_MAX },
		{ .key = "size", field_number, &t->size, 0, STRIPE_SIZE_MAX },
		{ .key = "stripes",
		    field_number,
		    &t->stripes,
		    0,
		    STRIPE_SIZE_MAX },
		{ .key = "crc64nvme", field_hex64, &t->crc64nvme },
		{ .key = "shard_crc64",
		    field_list,
		    &crcs,
		    .max = STRIPE_SHARDS_MAX },
		{ .key = "shards", field_number, &shards, 0, 32 },
		{ .key = "headers", field_number, &headers, 0, HEADERTEXT_MAX },
		{ .key = "written",
		    field_number,
		    &e.written_ms,
		    0,
		    WRITTEN_MAX },
		{ .key = "md5",
		    field_hex,
		    t->md5,
		    .max = sizeof(t->md5),
		    .optional = true },
	};
	int rc = parse_fields(rest, table, nitems(table), "end", err);

	if (rc < 0)
		return rc;
	e.partition = (uint32_t)partition;
	e.set = (uint32_t)set;
	e.geometry = (struct geometry){ (uint32_t)data, (uint32_t)parity,
		(uint32_t)cell };
	e.shards = (uint32_t)shards;
	e.headers = (uint32_t)headers;
	assert(crcs.n <= STRIPE_SHARDS_MAX);
	t->shards = crcs.n;
	t->has_md5 = table[nitems(table) - 1].seen;
	rc = check_end(&e, err);
	if (rc == 0)
		*out = e;
	return rc;
}

int
receipt_parse(struct receipt *out, struct bytes line, struct error *err)
{
	const uint8_t *space = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
	struct bytes word, rest;
	int rc;

	if (line.n >= RECEIPT_LINE_MAX)
		return error_set(err, ERRC_CORRUPT,
		    "receipt: line longer than %d bytes", RECEIPT_LINE_MAX);
	if (space == NULL)
		return error_set(err, ERRC_CORRUPT,
		    "receipt: not a shard, header or end line");
	assert(space >= line.p && space < line.p + line.n);
	word = bytes_of(line.p, (size_t)(space - line.p));
	rest = bytes_of(space, line.n - word.n);
	if (bytes_is(word, "shard")) {
		rc = parse_shard(&out->shard, rest, err);
		out->kind = RECEIPT_SHARD;
	} else if (bytes_is(word, "header")) {
		rc = parse_header(&out->header, rest, err);
		out->kind = RECEIPT_HEADER;
	} else if (bytes_is(word, "end")) {
		rc = parse_end(&out->end, rest, err);
		out->kind = RECEIPT_END;
	} else {
		rc = error_set(err, ERRC_CORRUPT,
		    "receipt: not a shard, header or end line");
	}
	return rc;
}
