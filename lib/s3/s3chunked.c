/* SPDX-License-Identifier: MIT */

#include "s3/s3chunked.h"

#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

static int
bad(struct s3chunked *c)
{
	c->state = S3CHUNKED_BAD;
	return S3CHUNKED_MALFORMED;
}

/* "HEX" or "HEX;extension". */
static int
size_line(struct s3chunked *c)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < c->line_n && hex_value(c->line[i]) >= 0; i++) {
		size = size * 16 + (uint64_t)hex_value(c->line[i]);
		if (size > S3CHUNKED_CHUNK_MAX)
			return bad(c);
	}
	if (i == 0 || (i < c->line_n && c->line[i] != ';'))
		return bad(c);
	c->left = size;
	c->state = size > 0 ? S3CHUNKED_DATA : S3CHUNKED_TRAILER;
	return 0;
}

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

static int
trailer_line(struct s3chunked *c)
{
	char *colon;

	if (c->line_n == 0) {
		c->state = S3CHUNKED_DONE;
		return 0;
	}
	if (c->trailers++ == S3CHUNKED_TRAILERS_MAX)
		return bad(c);
	colon = strchr(c->line, ':');
	if (!colon || colon == c->line || strlen(c->line) != c->line_n)
		return bad(c);
	*colon = '\0';
	return c->trailer(c->arg, trim(c->line), trim(colon + 1));
}

static int
line_end(struct s3chunked *c)
{
	int rc;

	/* A bare LF ends a trailer (some SDKs), and nothing else. */
	if (c->line_n > 0 && c->line[c->line_n - 1] == '\r')
		c->line_n--;
	else if (c->state != S3CHUNKED_TRAILER)
		return bad(c);
	c->line[c->line_n] = '\0';
	switch (c->state) {
	case S3CHUNKED_SIZE:
		rc = size_line(c);
		break;
	case S3CHUNKED_DATA_END:
		rc = c->line_n == 0 ? 0 : bad(c);
		c->state = rc == 0 ? S3CHUNKED_SIZE : S3CHUNKED_BAD;
		break;
	default:
		rc = trailer_line(c);
		break;
	}
	c->line_n = 0;
	return rc;
}

int
s3chunked_feed(struct s3chunked *c, const uint8_t *p, size_t n)
{
	int rc = 0;

	while (n > 0 && rc == 0) {
		if (c->state == S3CHUNKED_BAD || c->state == S3CHUNKED_DONE)
			return bad(c);
		if (c->state == S3CHUNKED_DATA) {
			size_t part = (size_t)KOOP_MIN(c->left, n);

			rc = c->data(c->arg, p, part);
			p += part;
			n -= part;
			c->left -= part;
			if (c->left == 0)
				c->state = S3CHUNKED_DATA_END;
			continue;
		}
		if (*p == '\n')
			rc = line_end(c);
		else if (c->line_n < sizeof(c->line) - 1)
			c->line[c->line_n++] = (char)*p;
		else
			rc = bad(c);
		p++;
		n--;
	}
	return rc;
}

bool
s3chunked_finished(const struct s3chunked *c)
{
	return c->state == S3CHUNKED_DONE ||
	    (c->state == S3CHUNKED_TRAILER && c->line_n == 0);
}
