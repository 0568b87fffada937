/* SPDX-License-Identifier: MIT */
#include "commit/versionid.h"

#include "tap.h"

static struct reqid
id_of(uint8_t n)
{
	struct reqid id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, n } };

	id.b[15] = (uint8_t)~n;
	return id;
}

static void
a_name_is_read_back(void)
{
	static const uint64_t seqs[] = { 1, 2, 77, UINT64_C(1) << 53,
		VERSIONID_SEQ_MAX };
	char text[VERSIONID_TEXT + 1];
	struct versionid got;

	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		struct versionid made = versionid_of(seqs[i], id_of(9));

		versionid_format(text, &made);
		CHECK(strlen(text) == VERSIONID_TEXT);
		CHECK(versionid_parse(&got, bytes_str(text)));
		CHECK(!got.is_null && got.seq == seqs[i]);
		CHECK(versionid_names(&got, seqs[i], id_of(9)));
		CHECK(!versionid_names(&got, seqs[i] ^ 2, id_of(9)));
		CHECK(!versionid_names(&got, seqs[i], id_of(8)));
	}
	CHECK(versionid_parse(&got, bytes_str("null")) && got.is_null);
	versionid_format(text, &got);
	CHECK_STR(text, "null");
}

static void
names_sort_newest_first(void)
{
	char last[VERSIONID_TEXT + 1] = "~";
	char text[VERSIONID_TEXT + 1];

	for (uint64_t seq = 1; seq < UINT64_C(1) << 52; seq = seq * 3 + 1) {
		struct versionid made = versionid_of(seq, id_of((uint8_t)seq));

		versionid_format(text, &made);
		CHECK(strcmp(text, last) < 0);
		memcpy(last, text, sizeof(last));
	}
}

/* They are in people's scripts. */
static void
the_text_of_a_name_is_this(void)
{
	struct versionid made = versionid_of(255, id_of(1));
	char text[VERSIONID_TEXT + 1];

	versionid_format(text, &made);
	CHECK_STR(text,
	    "7fffffffffffff00"
	    "80010000000000fe");
}

static void
other_texts_are_no_names(void)
{
	static const char *const bad[] = { "", "Null", "null ", "nul", "0",
		"7fffffffffffff0080010000000000f",
		"7fffffffffffff0080010000000000fe0",
		"7FFFFFFFFFFFFF0080010000000000fe",
		"7fffffffffffff0080010000000000fE",
		"7fffffffffffffff80010000000000fe",
		"000000000000000080010000000000fe",
		"ffffffffffffff0080010000000000fe",
		"7fffffffffffff0080010000000000f/",
		" 7ffffffffffff0080010000000000fe" };
	struct versionid got;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (versionid_parse(&got, bytes_str(bad[i]))) {
			printf("# %s\n", bad[i]);
			CHECK(false);
		}
	CHECK(!versionid_parse(&got, bytes_of("null\0", 5)));
}

int
main(void)
{
	RUN(a_name_is_read_back);
	RUN(names_sort_newest_first);
	RUN(the_text_of_a_name_is_this);
	RUN(other_texts_are_no_names);
	return tap_done();
}
