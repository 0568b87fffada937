/* SPDX-License-Identifier: MIT */
#include "client/pipemeta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "commit/objectmeta.h"
#include "shard/headertext.h"

static int
add(struct objectmeta *m, struct bytes name, struct bytes value,
    struct error *err)
{
	char n[HEADERTEXT_NAME_MAX + 1];
	char *v = strndup((const char *)value.p, value.n);
	enum objectmeta_result result;

	assert(name.n < sizeof(n) && value.n <= HEADERTEXT_MAX);
	if (v == NULL)
		return error_set(err, ERRC_NOMEM, "headers: out of memory");
	memcpy(n, name.p, name.n);
	n[name.n] = '\0';
	result = objectmeta_header(m, n, v);
	free(v);
	switch (result) {
	case OBJECTMETA_OK:
		return 0;
	case OBJECTMETA_LARGE:
		return error_set(err, ERRC_USAGE,
		    "%s: headers: more than %d bytes of " HEADERTEXT_USER
		    "* together, or %d of the others",
		    n, OBJECTMETA_USER_MAX, OBJECTMETA_SYSTEM_MAX);
	case OBJECTMETA_NOMEM:
		return error_set(err, ERRC_NOMEM, "headers: out of memory");
	default:
		return error_set(err, ERRC_USAGE, "%s: no good header", n);
	}
}

int
pipemeta_make(struct pipemeta *out, struct bytes given, struct bytes without,
    struct bytes came, struct error *err)
{
	struct bytes rest = given;
	struct bytes name, value;
	struct objectmeta m;
	int rc = 0;

	if (!objectmeta_init(&m))
		rc = error_set(err, ERRC_NOMEM, "headers: out of memory");
	while (rc == 0 && headertext_next(&rest, &name, &value))
		rc = add(&m, name, value, err);
	rest = came;
	while (rc == 0 && headertext_next(&rest, &name, &value))
		if (!headertext_has(given, name) &&
		    !headertext_has(without, name))
			rc = add(&m, name, value, err);
	if (rc == 0 && !objectmeta_print(&m, &out->headers, &out->meta))
		rc = error_set(err, ERRC_NOMEM, "headers: out of memory");
	objectmeta_fini(&m);
	assert(rc < 0 || out->headers != NULL);
	return rc;
}

void
pipemeta_fini(struct pipemeta *meta)
{
	free(meta->headers);
	free(meta->meta);
	*meta = (struct pipemeta){ 0 };
}
