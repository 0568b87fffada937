/* SPDX-License-Identifier: MIT */

#include "s3/s3meta.h"

/* What S3 calls the ways in which a header cannot be kept. */
static const enum s3error errors[] = {
	[OBJECTMETA_OK] = S3E_NONE,
	[OBJECTMETA_BAD] = S3E_INVALID_ARGUMENT,
	[OBJECTMETA_LARGE] = S3E_METADATA_TOO_LARGE,
	[OBJECTMETA_NOMEM] = S3E_SLOW_DOWN,
};

void
s3meta_init(struct s3meta *m)
{
	*m = (struct s3meta){ 0 };
	if (!objectmeta_init(&m->kept))
		m->error = S3E_SLOW_DOWN;
}

void
s3meta_fini(struct s3meta *m)
{
	objectmeta_fini(&m->kept);
}

void
s3meta_add(struct s3meta *m, const char *name, const char *value)
{
	if (m->error == S3E_NONE)
		m->error = errors[objectmeta_header(&m->kept, name, value)];
}

enum s3error
s3meta_finish(struct s3meta *m, char **headers, char **meta)
{
	if (m->error == S3E_NONE && !objectmeta_print(&m->kept, headers, meta))
		m->error = S3E_SLOW_DOWN;
	return m->error;
}
