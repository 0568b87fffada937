/* SPDX-License-Identifier: MIT */

#include "s3/s3page.h"

#include <assert.h>
#include <string.h>

#include "base/number.h"
#include "commit/versionid.h"
#include "http/httpreq.h"

#define TOKEN_FORM 'k'

/* A text parameter: UTF-8, no longer than a key. */
static bool
text_param(struct bytes *out, const struct httpreq_query *query,
    const char *name)
{
	const char *value = httpreq_query_get(query, name);

	*out = bytes_str(value ? value : "");
	return out->n <= S3NAME_KEY_MAX && utf8_valid(out->p, out->n);
}

/* "" counts as absent; what is above S3PAGE_MAX is cut to it. */
static bool
count_param(uint32_t *out, const struct httpreq_query *query, const char *name)
{
	const char *value = httpreq_query_get(query, name);
	uint64_t n = S3PAGE_MAX;

	if (value && value[0] != '\0' &&
	    !number_parse(&n, value, strlen(value), 0, INT32_MAX))
		return false;
	*out = (uint32_t)KOOP_MIN(n, S3PAGE_MAX);
	return true;
}

static bool
token_decode(struct s3page *p)
{
	size_t n = p->token.n / 2;

	if (p->token.n == 0)
		return true;
	if (p->token.p[0] != TOKEN_FORM || p->token.n % 2 != 1 ||
	    n > sizeof(p->after_memory))
		return false;
	if (!hex_decode(p->after_memory, n, (const char *)p->token.p + 1,
		2 * n) ||
	    !utf8_valid(p->after_memory, n))
		return false;
	p->after = bytes_of(p->after_memory, n);
	return true;
}

static enum s3error
parse_v2(struct s3page *p, const struct httpreq_query *query, const char **why)
{
	const char *token = httpreq_query_get(query, "continuation-token");
	const char *owner = httpreq_query_get(query, "fetch-owner");

	p->has_start_after = httpreq_query_get(query, "start-after") != NULL;
	*why = "start-after is not valid";
	if (!text_param(&p->marker, query, "start-after"))
		return S3E_INVALID_ARGUMENT;
	p->after = p->marker;
	p->fetch_owner = owner && strcmp(owner, "true") == 0;
	p->has_token = token != NULL;
	p->token = bytes_str(token ? token : "");
	*why = "The continuation token provided is incorrect";
	if (!token_decode(p))
		return S3E_INVALID_ARGUMENT;
	return S3E_NONE;
}

static enum s3error
parse_marker(struct s3page *p, const struct httpreq_query *query,
    const char *name, const char **why)
{
	p->has_marker = httpreq_query_get(query, name) != NULL;
	*why = "The marker is not valid";
	if (!text_param(&p->marker, query, name))
		return S3E_INVALID_ARGUMENT;
	p->after = p->marker;
	return S3E_NONE;
}

/* Where in the versions of the key-marker the page begins. */
static enum s3error
parse_versions(struct s3page *p, const struct httpreq_query *query,
    const char **why)
{
	const char *text = httpreq_query_get(query, "version-id-marker");
	enum s3error e = parse_marker(p, query, "key-marker", why);
	struct versionid version;

	p->version_marker = bytes_str(text ? text : "");
	if (e != S3E_NONE || p->version_marker.n == 0)
		return e;
	*why = "A version-id marker cannot be specified without a key marker";
	if (p->marker.n == 0)
		return S3E_INVALID_ARGUMENT;
	*why = "Invalid version id specified";
	return versionid_parse(&version, p->version_marker) ?
	    S3E_NONE :
	    S3E_INVALID_ARGUMENT;
}

/* part-number-marker, which is a number. */
static enum s3error
parse_part_marker(struct s3page *p, const struct httpreq_query *query,
    const char **why)
{
	const char *value = httpreq_query_get(query, "part-number-marker");
	uint64_t n = 0;

	*why = "part-number-marker is not valid";
	if (value && value[0] != '\0' &&
	    !number_parse(&n, value, strlen(value), 0, INT32_MAX))
		return S3E_INVALID_ARGUMENT;
	p->part_marker = (uint32_t)n;
	return S3E_NONE;
}

enum s3error
s3page_parse(struct s3page *out, enum s3page_kind kind,
    const struct httpreq_query *query, const char **why)
{
	static const char *const max_name[] = { "max-keys", "max-keys",
		"max-keys", "max-uploads", "max-parts" };
	const char *encoding = httpreq_query_get(query, "encoding-type");
	const char *upload = httpreq_query_get(query, "upload-id-marker");

	assert(kind < nitems(max_name));
	*out = (struct s3page){ 0 };
	out->upload_marker = bytes_str(upload ? upload : "");
	*why = "The encoding type is not valid: it is \"url\" or absent";
	if (encoding && encoding[0] != '\0' && strcmp(encoding, "url") != 0)
		return S3E_INVALID_ARGUMENT;
	out->url = encoding && encoding[0] != '\0';
	*why = "The maximum is no number from 0 to 2147483647";
	if (!count_param(&out->max, query, max_name[kind]))
		return S3E_INVALID_ARGUMENT;
	*why = "The prefix or delimiter is too long, or no UTF-8";
	if (!text_param(&out->prefix, query, "prefix") ||
	    !text_param(&out->delimiter, query, "delimiter"))
		return S3E_INVALID_ARGUMENT;
	switch (kind) {
	case S3PAGE_V2:
		return parse_v2(out, query, why);
	case S3PAGE_V1:
		return parse_marker(out, query, "marker", why);
	case S3PAGE_VERSIONS:
		return parse_versions(out, query, why);
	case S3PAGE_PARTS:
		return parse_part_marker(out, query, why);
	default:
		return parse_marker(out, query, "key-marker", why);
	}
}

void
s3page_token(char out[static S3PAGE_TOKEN_BYTES], struct bytes after)
{
	assert(after.n <= S3NAME_KEY_MAX);
	out[0] = TOKEN_FORM;
	hex_encode(out + 1, after.p, after.n);
}
