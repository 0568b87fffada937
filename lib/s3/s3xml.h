/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3XML_H
#define KOOP_S3_S3XML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * XML as S3 speaks it: a writer into a buffer, whose escaping cannot be
 * forgotten, and a bounded reader.
 *
 * Control characters, which XML 1.0 forbids but keys may contain, are written
 * as references (&#xA;), as S3 does.  The writer borrows everything.
 *
 * The reader hands over each element when it ends, with its path and its own
 * text.  It refuses (false) what is not well-formed, a DOCTYPE (so there are
 * no entities but the five of XML), a depth above S3XML_DEPTH_MAX, an element
 * with more than S3XML_TEXT_MAX bytes of text, and more than S3XML_DOC_MAX
 * in all.  Name space prefixes and attributes are ignored.
 */

#define S3XML_DEPTH_MAX 16
#define S3XML_NAME_MAX 64
#define S3XML_TEXT_MAX 8192
/* A Complete of 10,000 parts with a checksum each has about 1.8 MB; all
 * other documents are held to S3XML_SMALL_MAX by their reader's caller. */
#define S3XML_DOC_MAX (4 * 1024 * 1024)
#define S3XML_SMALL_MAX (1024 * 1024)

struct buf;

struct s3xml {
	struct buf *out;
	const char *open[S3XML_DEPTH_MAX];
	unsigned depth;
};

/* Start a document; results have S3's name space, errors have none. */
void s3xml_begin(struct s3xml *x, struct buf *out, const char *root, bool ns);
/* The same without the <?xml ...?> line, which stands in out already. */
void s3xml_root(struct s3xml *x, struct buf *out, const char *root, bool ns);
void s3xml_open(struct s3xml *x, const char *name);
void s3xml_close(struct s3xml *x);
/* Close all that is open. */
void s3xml_end(struct s3xml *x);

void s3xml_text(struct s3xml *x, const char *name, struct bytes value);
/* The value percent-encoded first if url (encoding-type=url). */
void s3xml_name(struct s3xml *x, const char *name, struct bytes value,
    bool url);
void s3xml_str(struct s3xml *x, const char *name, const char *value);
void s3xml_u64(struct s3xml *x, const char *name, uint64_t value);
void s3xml_bool(struct s3xml *x, const char *name, bool value);
void s3xml_date(struct s3xml *x, const char *name, uint64_t real_ms);
/* In double quotes, as an ETag stands in XML. */
void s3xml_etag(struct s3xml *x, const char *name, const char *etag);

/*
 * path is "Delete/Object/Key"; text is the element's own character data.
 * A nonzero return stops the reading, which then fails.
 */
typedef int s3xml_element_fn(void *arg, const char *path, struct bytes text);

KOOP_MUST bool s3xml_read(struct bytes doc, s3xml_element_fn *fn, void *arg);

#endif
