/* SPDX-License-Identifier: MIT */
#ifndef KOOP_S3_S3VERSIONING_H
#define KOOP_S3_S3VERSIONING_H

#include "base/bytes.h"
#include "base/compiler.h"
#include "s3/s3error.h"

/*
 * The document of PutBucketVersioning:
 *
 *      <VersioningConfiguration><Status>Enabled</Status>...
 *
 * MalformedXML: no such document, or another status than Enabled and
 * Suspended.  IllegalVersioningConfigurationException: no status at all.
 * NotImplemented: deleting with a second factor.
 */

/* *status is then "Enabled" or "Suspended", the value of the setting. */
KOOP_MUST enum s3error s3versioning_parse(const char **status,
    struct bytes document);

#endif
