/* SPDX-License-Identifier: MIT */
#include "shard/frame.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "codec/crc.h"
#include "shard/decode.h"
#include "shard/headertext.h"
#include "shard/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct reqid id = { { 0x01, 0x93, 0x4f, 0xb7, 0x1e, 0x2a, 0x70,
    0x11, 0x8c, 0x4d, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc } };

/* What parses prints, and what was printed parses to the same. */
static void
texts(const uint8_t *data, size_t size)
{
	uint8_t text[FRAME_END_PAYLOAD], again[FRAME_END_PAYLOAD];
	struct blob_totals totals, totals2;
	struct frame_begin begin, begin2;
	struct error err;

	memset(text, '\n', sizeof(text));
	memcpy(text, data, KOOP_MIN(size, sizeof(text)));
	if (frame_begin_parse(&begin, text, &err) == 0) {
		frame_begin_print(again, &begin);
		assert(frame_begin_parse(&begin2, again, &err) == 0);
		assert(reqid_equal(begin.id, begin2.id));
		assert(geometry_equal(&begin.geometry, &begin2.geometry));
		assert(begin.part == begin2.part || begin.parts == 1);
	}
	if (frame_end_parse(&totals, text, &err) == 0) {
		frame_end_print(again, &totals);
		assert(frame_end_parse(&totals2, again, &err) == 0);
		assert(frame_totals_equal(&totals, &totals2));
	}
}

/*
 * Random bytes never pass a checksum, so the input is a list of frames that
 * get right ones: kind, shard, stripe, length (16 bits), and a byte whose
 * lowest bit spoils the header and whose next spoils the payload.  BEGIN is
 * of a small geometry, END takes its text from the input.
 */
static void
frames(struct buf *out, const uint8_t *data, size_t size)
{
	const struct frame_begin begin = { .geometry = { 2, 1, 4096 },
		.id = id,
		.part = 1,
		.parts = 1 };
	uint8_t head[FRAME_BEGIN_BYTES];

	frame_begin_encode(head, &begin, size > 0 ? data[0] : 0);
	buf_add(out, head, sizeof(head));
	while (size >= 6 && out->n < 200000) {
		struct frame f = { .kind = data[0] % 5,
			.shard = data[1],
			.stripe = data[2],
			.length = load_le16(data + 3) };
		const uint8_t spoil = data[5];
		static uint8_t payload[65536];

		data += 6;
		size -= 6;
		if (f.kind == FRAME_END)
			f.length = FRAME_END_PAYLOAD;
		memset(payload, '\n', f.length);
		memcpy(payload, data, KOOP_MIN(size, (size_t)f.length));
		if (f.kind == FRAME_END)
			size = 0;
		f.payload_crc = crc32c(0, payload, f.length) ^ (spoil >> 1 & 1);
		frame_encode(head, &f, &id);
		head[31] ^= spoil & 1;
		buf_add(out, head, FRAME_HEADER_BYTES);
		buf_add(out, payload, f.length);
	}
}

static void
read_all(const char *p, size_t n)
{
	struct buf headers = buf_make(HEADERTEXT_MAX);
	struct decode_options options = { .headers = &headers };
	struct frame_verifier v;
	struct error err;
	int in = memfd_create("in", MFD_CLOEXEC);
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert(in >= 0 && out >= 0);
	if (write(in, p, n) == (ssize_t)n && lseek(in, 0, SEEK_SET) == 0)
		(void)!decode_stream(in, out, &options, &err);
	assert(headertext_check(buf_bytes(&headers), &err) == 0);
	buf_fini(&headers);
	close(in);
	close(out);
	frame_verifier_init(&v, id, 1);
	for (size_t at = 0; at < n; at += 777)
		if (frame_verifier_feed(&v, p + at,
			KOOP_MIN((size_t)777, n - at), &err) < 0)
			return;
	(void)!frame_verifier_finish(&v, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = buf_make(1 << 20);

	if (size == 0)
		return 0;
	texts(data, size);
	if (data[0] % 2 == 0)
		buf_add(&b, data + 1, size - 1);
	else
		frames(&b, data + 1, size - 1);
	if (!buf_failed(&b) && b.n > 0)
		read_all(b.p, b.n);
	buf_fini(&b);
	return 0;
}
