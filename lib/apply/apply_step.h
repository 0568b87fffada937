/* SPDX-License-Identifier: MIT */
#ifndef KOOP_APPLY_APPLY_STEP_H
#define KOOP_APPLY_APPLY_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/apply.h"
#include "base/compiler.h"
#include "store/rowset.h"

/*
 * Between the files apply*.c only.  A step function
 * changes the rows and sets the outcome; it returns 0 or an error code, which
 * is never an outcome.
 */

struct error;

struct apply {
	struct rowset *rows;
	const struct rowset_ops *ops;
	const struct apply_effects *effects;
	struct partition_row *partition;
	const struct record *record;
	struct bucket_row bucket; /* since apply_check_bucket(); no strings */
	uint64_t seq;
	enum outcome outcome;
	bool live; /* a row refers to the request id now */
	struct error *err;
};

/* The bucket of the record, for a change in it (write) or a delete: 1 to go
 * on, 0 when the outcome is set. */
KOOP_MUST int apply_check_bucket(struct apply *a, bool write);
/* The key's row, if there is one, against If-Match and If-None-Match: 1 when
 * they hold, 0 when the outcome is set. */
KOOP_MUST int apply_check_key(struct apply *a, struct object_row *old,
    bool *found);
/* Both, as every change of a key begins. */
KOOP_MUST int apply_enter(struct apply *a, bool write, struct object_row *old,
    bool *found);

/* apply_version.c */
KOOP_MUST int apply_put(struct apply *a);
KOOP_MUST int apply_delete(struct apply *a);
/*
 * Make row, whose seq is the record's, the newest version of its key; what was
 * there is kept or becomes garbage, as the bucket says.  changed and is_null
 * are set here.  ended is the upload that it comes from, as it is now, and
 * upload as it was (NULL for both: from none).
 */
KOOP_MUST int apply_replace(struct apply *a, struct object_row *row,
    const struct object_row *old, const struct upload_row *ended,
    const struct upload_row *upload);

/* Tell the effects. */
KOOP_MUST int apply_tell_garbage(struct apply *a, struct reqid id,
    enum garbage_kind kind, enum garbage_reason reason, uint64_t seq);
KOOP_MUST int apply_tell_blob(struct apply *a, const struct blob_info *info);
/* The row that referred to a blob or upload is gone. */
KOOP_MUST int apply_unrefer(struct apply *a, struct reqid id);
/* The same for a part's or version's blob, which is garbage from seq on. */
KOOP_MUST int apply_drop_blob(struct apply *a, struct reqid id, uint64_t seq);
/* A version is no longer: its upload ends, or its blob is garbage. */
KOOP_MUST int apply_drop_version(struct apply *a, enum object_kind kind,
    struct reqid id);
void apply_blob_info(struct blob_info *out, const struct record_blob *blob);
void apply_etag(char out[static ROW_ETAG_MAX + 1], struct bytes etag);

/* apply_bucket.c */
KOOP_MUST int apply_create_bucket(struct apply *a);
KOOP_MUST int apply_seal_bucket(struct apply *a);
KOOP_MUST int apply_unseal_bucket(struct apply *a);
KOOP_MUST int apply_delete_bucket(struct apply *a);
KOOP_MUST int apply_configure_bucket(struct apply *a);

/* apply_upload.c */
KOOP_MUST int apply_initiate(struct apply *a);
KOOP_MUST int apply_part(struct apply *a);
KOOP_MUST int apply_abort_upload(struct apply *a);
/* End an upload: its parts are garbage.  live is false, state as given. */
KOOP_MUST int apply_end_upload(struct apply *a, const struct upload_row *old,
    enum upload_state state);

/* apply_complete.c */
KOOP_MUST int apply_complete(struct apply *a);

/* apply_sweep.c: the bounded work that each record does for older ones. */
KOOP_MUST int apply_sweep(struct apply *a);

#endif
