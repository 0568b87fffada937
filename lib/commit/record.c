/* SPDX-License-Identifier: MIT */
#include "commit/record.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "codec/crc.h"
#include "codec/digest.h"
#include "commit/record_form.h"

static const char *const type_names[] = {
#define X(id, name, level) [RECORD_##id] = (name),
	RECORD_MAP(X)
#undef X
};

/* Which members the records of each type have besides the common ones. */
const uint32_t record_form[] = {
	[RECORD_GENESIS] = FORM_GENESIS | FORM_LEVEL,
	[RECORD_CREATE_BUCKET] = FORM_BUCKET | FORM_HOME | FORM_OWNER,
	[RECORD_SEAL_BUCKET] = FORM_BUCKET | FORM_ATTEMPT | FORM_HOME,
	[RECORD_UNSEAL_BUCKET] = FORM_BUCKET | FORM_ATTEMPT | FORM_HOME,
	[RECORD_DELETE_BUCKET] = FORM_BUCKET | FORM_ATTEMPT | FORM_HOME,
	[RECORD_BUCKET_CONFIG] = FORM_BUCKET | FORM_HOME | FORM_CONFIG,
	[RECORD_PUT] = FORM_BUCKET | FORM_SEEN | FORM_KEY | FORM_BLOB |
	    FORM_ETAG | FORM_HEADERS | FORM_IF_MATCH | FORM_IF_NONE_MATCH,
	[RECORD_DELETE] = FORM_BUCKET | FORM_SEEN | FORM_KEY | FORM_VERSION |
	    FORM_IF_MATCH,
	[RECORD_ABORT] = FORM_ABORT,
	[RECORD_INITIATE] = FORM_BUCKET | FORM_SEEN | FORM_KEY | FORM_OWNER |
	    FORM_HEADERS,
	[RECORD_PART] = FORM_BUCKET | FORM_SEEN | FORM_KEY | FORM_UPLOAD |
	    FORM_NUMBER | FORM_BLOB | FORM_ETAG,
	[RECORD_COMPLETE] = FORM_BUCKET | FORM_SEEN | FORM_KEY | FORM_UPLOAD |
	    FORM_ETAG | FORM_PARTS | FORM_IF_MATCH | FORM_IF_NONE_MATCH,
	[RECORD_NOOP] = 0,
	[RECORD_RAISE_EPOCH] = FORM_EPOCH,
	[RECORD_RAISE_LEVEL] = FORM_LEVEL,
};

_Static_assert(nitems(record_form) == RECORD_TYPE_MAX,
    "every type has its form");

static const char *const need_words[] = {
#define X(id, word, level) [RECORD_NEED_##id] = (word),
	RECORD_NEED_MAP(X)
#undef X
};

static const unsigned need_levels[] = {
#define X(id, word, level) [RECORD_NEED_##id] = (level),
	RECORD_NEED_MAP(X)
#undef X
};

const char *
record_need_word(enum record_need need)
{
	assert(need < RECORD_NEED_MAX);
	return need_words[need];
}

bool
record_need_known(struct bytes word, enum record_need *need)
{
	for (unsigned i = 0; i < RECORD_NEED_MAX; i++) {
		if (!bytes_is(word, need_words[i]))
			continue;
		*need = (enum record_need)i;
		return need_levels[i] <= record_level();
	}
	return false;
}

uint32_t
record_needs(const struct record *record)
{
	uint32_t form = record_form[record->type];
	uint32_t needs = 0;

	assert(record->type < RECORD_TYPE_MAX);
	if ((form & FORM_SEEN) != 0 && record->revision != 0)
		needs |= RECORD_NEED_BIT(REVISION);
	if ((form & FORM_VERSION) != 0 && record->has_version)
		needs |= RECORD_NEED_BIT(VERSION);
	return needs;
}

const char *
record_type_name(enum record_type type)
{
	assert(type < RECORD_TYPE_MAX);
	return type_names[type];
}

bool
record_covered(struct bytes line, struct bytes part[2])
{
	static const char inline_name[] = ",\"inline\":";
	const size_t name_bytes = sizeof(inline_name) - 1;
	struct bytes head;
	const uint8_t *open;
	size_t before;

	if (line.n < RECORD_TAIL_BYTES + 2)
		return false;
	head = bytes_of(line.p, line.n - RECORD_TAIL_BYTES);
	if (memcmp(line.p + head.n, RECORD_TAIL, strlen(RECORD_TAIL)) != 0 ||
	    memcmp(line.p + line.n - 2, "\"}", 2) != 0)
		return false;
	part[0] = head;
	part[1] = BYTES_NONE;

	/*
	 * The inline text is the last string before the tail, and base64, so
	 * its opening quote is the last quote before its closing one.  A name
	 * that only looks like it, inside a string, has \" there, not ,".
	 */
	if (head.p[head.n - 1] != '"')
		return true;
	open = memrchr(head.p, '"', head.n - 1);
	if (open == NULL)
		return true;
	before = (size_t)(open - head.p);
	if (before < name_bytes ||
	    memcmp(open - name_bytes, inline_name, name_bytes) != 0)
		return true;
	part[0] = bytes_of(head.p, before + 1);
	part[1] = bytes_of(head.p + head.n - 1, 1);
	assert(part[0].n + part[1].n <= head.n);
	return true;
}

uint32_t
record_crc(const struct bytes part[2])
{
	assert(part[0].n > 0);
	return crc32c(crc32c(0, part[0].p, part[0].n), part[1].p, part[1].n);
}

int
record_hash(uint8_t out[static RECORD_CHAIN_BYTES],
    const uint8_t prev[static RECORD_CHAIN_BYTES], struct bytes line,
    struct error *err)
{
	struct bytes part[2] = { line, BYTES_NONE };
	struct digest digest = { 0 };
	int rc;

	_Static_assert(RECORD_CHAIN_BYTES == DIGEST_SHA256_BYTES, "SHA-256");
	/* Nodes differ in which inline texts they still have: the chain must
	 * not depend on them, or it would differ between machines that agree.
	 */
	if (!record_covered(line, part)) {
		part[0] = line;
		part[1] = BYTES_NONE;
	}
	assert(part[0].n + part[1].n <= line.n);
	rc = digest_init(&digest, DIGEST_SHA256, err);
	if (rc < 0)
		return rc;
	digest_update(&digest, prev, RECORD_CHAIN_BYTES);
	digest_update(&digest, part[0].p, part[0].n);
	if (part[1].n > 0)
		digest_update(&digest, part[1].p, part[1].n);
	digest_final(&digest, out);
	digest_fini(&digest);
	return 0;
}

void
record_strip(struct buf *out, struct bytes line)
{
	struct bytes part[2];

	if (!record_covered(line, part) || part[1].n == 0) {
		buf_add(out, line.p, line.n);
		return;
	}
	assert(part[0].n + part[1].n + RECORD_TAIL_BYTES <= line.n);
	buf_add(out, part[0].p, part[0].n);
	buf_add(out, part[1].p, part[1].n);
	buf_add(out, line.p + line.n - RECORD_TAIL_BYTES, RECORD_TAIL_BYTES);
}

int
record_inline(struct buf *out, struct bytes text, uint64_t size,
    uint64_t crc64nvme, struct error *err)
{
	size_t room = text.n + 1;
	uint8_t *to;

	if (size > RECORD_BYTES_MAX || text.n != BASE64_BYTES(size) - 1)
		return error_set(err, ERRC_CORRUPT,
		    "inline text: %zu digits, which is not %llu bytes", text.n,
		    (unsigned long long)size);
	buf_clear(out);
	to = (uint8_t *)buf_reserve(out, room);
	if (to == NULL)
		return error_set(err, ERRC_NOMEM,
		    "inline text: no room for %zu bytes", room);
	if (!base64_decode(to, &room, (const char *)text.p, text.n) ||
	    room != size)
		return error_set(err, ERRC_CORRUPT,
		    "inline text: not base64 of %llu bytes",
		    (unsigned long long)size);
	if (crc64_nvme(0, to, room) != crc64nvme)
		return error_set(err, ERRC_CORRUPT,
		    "inline text: fails the content CRC of its record");
	out->n += room;
	assert(out->n == size);
	return 0;
}
