/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_ROWCHECK_H
#define KOOP_STORE_ROWCHECK_H

#include "store/rows.h"

/*
 * What every backend asserts of a row before it is put: a wrong one is in
 * every digest, snapshot and peer for ever, so a mistake of apply ends the
 * process here.  old is NULL when there is none.
 */

void rowcheck_bucket(const struct bucket_row *row,
    const struct bucket_row *old);
void rowcheck_object(const struct object_row *row,
    const struct object_row *old);
void rowcheck_version(const struct object_row *row);
void rowcheck_upload(const struct upload_row *row,
    const struct upload_row *old);
void rowcheck_part(const struct part_row *row);
void rowcheck_decided(const struct decided_row *row,
    const struct decided_row *old);
/* Before a transaction commits: what is applied never goes back. */
void rowcheck_partition(const struct partition_row *row,
    const struct partition_row *old);

#endif
