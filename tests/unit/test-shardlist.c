/* SPDX-License-Identifier: MIT */

/* Lists of keys and of uploads, over all partitions of a node. */

#include "base/buf.h"
#include "metatest.h"
#include "store/metaquery_all.h"

static void
put_upload(struct rowset *rows, const char *key, uint32_t n)
{
	struct upload_row row = {
		.partition = partition_of(key),
		.id = id_of(n),
		.bucket = bytes_str("b"),
		.key = bytes_str(key),
		.incarnation = 1,
		.state = UPLOAD_OPEN,
		.live = true,
	};

	CHECK(rows->ops->upload_put(rows, &row, NULL, NULL) == 0);
}

/* Pages of a list, as "key,key,prefix/ ..." with a bar between pages. */
struct page {
	struct buf text;
	char last[64];
	struct reqid last_id;
};

static int
add_object(void *arg, const struct object_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct bytes name = row != NULL ? row->key : prefix;

	buf_add(&page->text, name.p, name.n);
	buf_addch(&page->text, row != NULL ? ' ' : '*');
	(void)snprintf(page->last, sizeof(page->last), "%.*s", (int)name.n,
	    (const char *)name.p);
	return 0;
}

static int
add_upload(void *arg, const struct upload_row *row, struct bytes prefix)
{
	struct page *page = arg;
	struct bytes name = row != NULL ? row->key : prefix;

	buf_add(&page->text, name.p, name.n);
	if (row != NULL)
		buf_printf(&page->text, "#%u", load_le32(row->id.b + 12));
	buf_addch(&page->text, row != NULL ? ' ' : '*');
	(void)snprintf(page->last, sizeof(page->last), "%.*s", (int)name.n,
	    (const char *)name.p);
	page->last_id = row != NULL ? row->id : (struct reqid){ { 0 } };
	return 0;
}

static void
check_pages(struct shardmeta *meta, bool uploads, struct list_query q,
    const char *want)
{
	struct page page = { .text = buf_make(65536) };
	struct list_end end = { .truncated = true };
	struct metaquery *read;

	q.bucket = bytes_str("b");
	for (unsigned pages = 0; end.truncated && pages < 1000; pages++) {
		CHECK(metaquery_begin(&read, meta, NULL) == 0);
		CHECK((uploads ? metaquery_uploads(read, &q, &end, add_upload,
				     &page, NULL) :
				 metaquery_list(read, &q, &end, add_object,
				     &page, NULL)) == 0);
		metaquery_end(read);
		CHECK(end.count <= q.max);
		q.after = bytes_str(page.last);
		q.after_upload = page.last_id;
		if (end.truncated)
			buf_addch(&page.text, '|');
	}
	CHECK_STR(buf_cstr(&page.text), want);
	buf_fini(&page.text);
}

static void
a_list_merges_the_partitions_in_order(void)
{
	struct shardmeta *meta = open_fresh();
	static const char *const keys[] = { "z", "a", "a/1", "a/2", "a0",
		"b/x/1", "b/x/2", "b/y", "c", "\xff", "\xff/q" };
	struct list_query q = { .max = 100 };

	begin(meta);
	for (unsigned i = 0; i < nitems(keys); i++)
		put_key(shardmeta_rowset(meta), keys[i], OBJECT_BLOB, i + 2);
	put_key(shardmeta_rowset(meta), "gone", OBJECT_TOMBSTONE, 50);
	commit(meta);
	check_pages(meta, false, q,
	    "a a/1 a/2 a0 b/x/1 b/x/2 b/y c z \xff \xff/q ");
	q.max = 3;
	check_pages(meta, false, q,
	    "a a/1 a/2 |a0 b/x/1 b/x/2 |b/y c z |\xff \xff/q ");
	q.delimiter = bytes_str("/");
	check_pages(meta, false, q, "a a/*a0 |b/*c z |\xff \xff/*");
	q.max = 1;
	check_pages(meta, false, q, "a |a/*|a0 |b/*|c |z |\xff |\xff/*");
	q.prefix = bytes_str("b/");
	check_pages(meta, false, q, "b/x/*|b/y ");
	q.prefix = bytes_str("nothing");
	check_pages(meta, false, q, "");
	q = (struct list_query){ .max = 9, .after = bytes_str("b/x/15") };
	check_pages(meta, false, q, "b/x/2 b/y c z \xff \xff/q ");
	q.prefix = bytes_str("a");
	check_pages(meta, false, q, "");
	shardmeta_close(meta);
}

/* What stands under a prefix is passed over whole, also where the text that
 * comes next is not one byte more: that after "a\xff" is "b". */
static void
a_prefix_that_ends_in_ff_is_passed_over(void)
{
	struct shardmeta *meta = open_fresh();
	static const char *const keys[] = { "a\xff"
					    "1",
		"a\xff"
		"2",
		"a\xff\xff"
		"3",
		"b",
		"\xff"
		"1",
		"\xff\xff"
		"2",
		"\xff\xff" };
	struct list_query q = { .max = 100, .delimiter = bytes_str("\xff") };

	begin(meta);
	for (unsigned i = 0; i < nitems(keys); i++)
		put_key(shardmeta_rowset(meta), keys[i], OBJECT_BLOB, i + 2);
	commit(meta);
	check_pages(meta, false, q, "a\xff*b \xff*");
	q.max = 1;
	check_pages(meta, false, q, "a\xff*|b |\xff*");
	q.prefix = bytes_str("a\xff");
	check_pages(meta, false, q,
	    "a\xff"
	    "1 |a\xff"
	    "2 |a\xff\xff*");
	shardmeta_close(meta);
}

/* Delimiters and pages against a list made the plain way. */
static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The pages of max, of sorted keys. */
static void
list_plainly(struct buf *want, const char *const *key, size_t n, char delimiter,
    size_t max)
{
	const char *last = "";
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const char *found = strchr(key[i], delimiter);
		size_t len = found != NULL ? (size_t)(found - key[i]) + 1 :
					     strlen(key[i]);

		if (found != NULL && strncmp(last, key[i], len) == 0 &&
		    strchr(last, delimiter) != NULL)
			continue;
		if (count > 0 && count % max == 0)
			buf_addch(want, '|');
		buf_add(want, key[i], len);
		buf_addch(want, found != NULL ? '*' : ' ');
		last = key[i];
		count++;
	}
}

static void
check_random_lists(const char *letters, char delimiter)
{
	const char text_of[] = { delimiter, '\0' };
	struct shardmeta *meta = open_fresh();
	static char text[300][16];
	const char *key[300];
	unsigned seed = 7;
	size_t n = 0;

	begin(meta);
	while (n < nitems(key)) {
		unsigned len = 1 + (unsigned)rand_r(&seed) % 6;
		bool known = false;

		for (unsigned i = 0; i < len; i++)
			text[n][i] = letters[(unsigned)rand_r(&seed) % 4];
		text[n][len] = '\0';
		for (size_t i = 0; i < n; i++)
			known |= strcmp(text[i], text[n]) == 0;
		if (known)
			continue;
		put_key(shardmeta_rowset(meta), text[n], OBJECT_BLOB, n + 2);
		key[n] = text[n];
		n++;
	}
	commit(meta);
	qsort(key, n, sizeof(key[0]), by_text);
	for (size_t max = 1; max < 40; max += 5) {
		struct list_query q = {
			.max = max,
			.delimiter = bytes_str(text_of),
		};
		struct buf want = buf_make(65536);

		list_plainly(&want, key, n, delimiter, max);
		check_pages(meta, false, q, buf_cstr(&want));
		buf_fini(&want);
	}
	shardmeta_close(meta);
}

static void
random_lists_are_as_the_plain_way_has_them(void)
{
	check_random_lists("ab/c", '/');
	check_random_lists("a\xc3/\xff", '/');
	check_random_lists("a\xc3/\xff", '\xff');
}

static void
uploads_are_listed_by_key_then_id(void)
{
	struct shardmeta *meta = open_fresh();
	struct list_query q = { .max = 2 };

	begin(meta);
	put_upload(shardmeta_rowset(meta), "k", 3);
	put_upload(shardmeta_rowset(meta), "k", 1);
	put_upload(shardmeta_rowset(meta), "k", 2);
	put_upload(shardmeta_rowset(meta), "d/1", 9);
	put_upload(shardmeta_rowset(meta), "d/2", 8);
	put_upload(shardmeta_rowset(meta), "z", 0);
	commit(meta);
	check_pages(meta, true, q, "d/1#9 d/2#8 |k#1 k#2 |k#3 z#0 ");
	q.delimiter = bytes_str("/");
	check_pages(meta, true, q, "d/*k#1 |k#2 k#3 |z#0 ");
	shardmeta_close(meta);
}

int
main(void)
{
	tempdir_make(dir);
	RUN(a_list_merges_the_partitions_in_order);
	RUN(a_prefix_that_ends_in_ff_is_passed_over);
	RUN(random_lists_are_as_the_plain_way_has_them);
	RUN(uploads_are_listed_by_key_then_id);
	return tap_done();
}
