/* SPDX-License-Identifier: MIT */
#include "commit/versionid.h"

#include <assert.h>
#include <string.h>

/* The last 8 bytes: all random in a UUIDv7, but for two bits. */
static uint64_t
mark_of(struct reqid id)
{
	uint64_t mark = 0;

	for (unsigned i = 8; i < 16; i++)
		mark = mark << 8 | id.b[i];
	return mark;
}

struct versionid
versionid_of(uint64_t seq, struct reqid id)
{
	assert(seq >= 1);
	assert(seq <= VERSIONID_SEQ_MAX);
	return (struct versionid){ .seq = seq, .mark = mark_of(id) };
}

void
versionid_format(char out[static VERSIONID_TEXT + 1],
    const struct versionid *version)
{
	if (version->is_null) {
		memcpy(out, VERSIONID_NULL, sizeof(VERSIONID_NULL));
		return;
	}
	assert(version->seq >= 1);
	assert(version->seq <= VERSIONID_SEQ_MAX);
	hex_u64(out, (uint64_t)INT64_MAX - version->seq);
	hex_u64(out + 16, version->mark);
}

bool
versionid_parse(struct versionid *out, struct bytes text)
{
	struct versionid version = { 0 };
	uint64_t inverse;

	if (bytes_is(text, VERSIONID_NULL)) {
		*out = (struct versionid){ .is_null = true };
		return true;
	}
	if (text.n != VERSIONID_TEXT)
		return false;
	/* One spelling only: a version has one name. */
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= 'A' && text.p[i] <= 'F')
			return false;
	if (!hex_parse_u64(&inverse, (const char *)text.p, 16) ||
	    !hex_parse_u64(&version.mark, (const char *)text.p + 16, 16) ||
	    inverse < 1 || inverse >= (uint64_t)INT64_MAX)
		return false;
	version.seq = (uint64_t)INT64_MAX - inverse;
	assert(version.seq >= 1 && version.seq <= VERSIONID_SEQ_MAX);
	*out = version;
	return true;
}

bool
versionid_names(const struct versionid *version, uint64_t seq, struct reqid id)
{
	assert(!version->is_null);
	return version->seq == seq && version->mark == mark_of(id);
}
