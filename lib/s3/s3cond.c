/* SPDX-License-Identifier: MIT */

#include "s3/s3cond.h"

#include <string.h>

#include "base/clock.h"

/*
 * The member that begins at *at: where it is and how long; *at moves past it
 * and its comma.  An unterminated quote takes the rest and matches nothing.
 */
static bool
next_member(const char **at, const char **tag, size_t *n, bool *weak)
{
	const char *s = *at;

	s += strspn(s, " \t,");
	if (s[0] == '\0')
		return false;
	*weak = s[0] == 'W' && s[1] == '/';
	if (*weak)
		s += 2;
	if (s[0] == '"') {
		const char *end = strchr(s + 1, '"');

		*tag = s + 1;
		*n = end ? (size_t)(end - s - 1) : 0;
		s = end ? end + 1 : s + strlen(s);
	} else {
		*tag = s;
		*n = strcspn(s, " \t,");
		s += *n;
	}
	/* What stands between a member and the comma is no part of it. */
	s += strcspn(s, ",");
	*at = s;
	return true;
}

bool
s3cond_list_has(const char *list, const char *etag, bool weak)
{
	size_t etag_n = strlen(etag);
	const char *tag;
	size_t n;
	bool is_weak;

	while (next_member(&list, &tag, &n, &is_weak)) {
		if (n == 1 && tag[0] == '*' && !is_weak)
			return true;
		if (is_weak && !weak)
			continue;
		if (n == etag_n && n > 0 && memcmp(tag, etag, n) == 0)
			return true;
	}
	return false;
}

/* -1 when there is no such header, or no date in it (which is ignored). */
static int64_t
date_of(const char *value)
{
	return value ? clock_parse_http_date(value) : -1;
}

enum s3cond_result
s3cond_check(const struct s3cond *cond, const char *etag, uint64_t modified_ms)
{
	int64_t modified = (int64_t)(modified_ms / 1000);
	int64_t since;

	if (cond->if_match) {
		if (!s3cond_list_has(cond->if_match, etag, false))
			return S3COND_FAILED;
	} else {
		since = date_of(cond->if_unmodified_since);
		if (since >= 0 && modified > since)
			return S3COND_FAILED;
	}
	if (cond->if_none_match) {
		if (s3cond_list_has(cond->if_none_match, etag, true))
			return S3COND_NOT_MODIFIED;
	} else {
		since = date_of(cond->if_modified_since);
		if (since >= 0 && modified <= since)
			return S3COND_NOT_MODIFIED;
	}
	return S3COND_GO;
}

bool
s3cond_range_applies(const struct s3cond *cond, const char *etag,
    uint64_t modified_ms)
{
	int64_t date;

	if (!cond->if_range)
		return true;
	date = clock_parse_http_date(cond->if_range);
	if (date >= 0)
		return date == (int64_t)(modified_ms / 1000);
	return s3cond_list_has(cond->if_range, etag, false);
}
