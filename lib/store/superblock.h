/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SUPERBLOCK_H
#define KOOP_STORE_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/random.h"

/*
 * Whose data directory this is: DIR/superblock, one JSON line
 *
 *      {"format":1,"cluster":"HEX32","set":1,"index":3,"disk":"HEX32",
 *      "initSeq":"P:SEQ,...","crc32c":"HEX8"}
 *
 * crc32c covers the line up to ,"crc32c":.  initSeq (absent after --init) is
 * where the logs stood when a replaced disk was made: a record above it that
 * lists a shard of ours which is gone is an alarm, not a repair as usual.
 *
 * The file DIR/lock holds an open-file-description lock while the directory
 * is open, so two processes never share it; the superblock itself is replaced
 * by rename, and a lock on it would lock the old one.
 */

struct error;
struct file_ops;

#define SUPERBLOCK_FORMAT 1
#define SUPERBLOCK_INIT_MAX 65536 /* bytes of initSeq */

struct superblock {
	char cluster[REQID_HEX + 1]; /* 32 hex digits, any version of UUID */
	uint32_t set, index;
	char disk[REQID_HEX + 1];
	char *init_seq; /* NULL, or heap text "P:SEQ,P:SEQ" */
};

enum superblock_mode {
	SUPERBLOCK_OPEN,    /* must be there */
	SUPERBLOCK_INIT,    /* make it in an empty or absent directory */
	SUPERBLOCK_REPLACE, /* the same for a disk that replaces a lost one */
};

struct superblock_want {
	const char *cluster; /* NULL: whatever the directory says */
	uint32_t set, index;
	bool any_index; /* take set and index from the directory */
	enum superblock_mode mode;
	const char *init_seq; /* for SUPERBLOCK_REPLACE, or NULL */
};

/*
 * Open, check and lock the directory; with INIT and REPLACE make it first: the
 * 256 directories shards/XX, quarantine/, and the superblock last.  *dirfd is
 * the directory, *lockfd what holds the lock: close both at the end.
 * ERRC_CONFIG with the reason and the way out when it is not ours to open.
 */
KOOP_MUST int superblock_open(struct superblock *out, int *dirfd, int *lockfd,
    const char *dir, const struct superblock_want *want,
    const struct file_ops *ops, struct error *err);
/* What it says, without the lock: for who only looks.  ERRC_NOTFOUND: there is
 * none; ERRC_CORRUPT, ERRC_CONFIG (a later format), ERRC_IO. */
KOOP_MUST int superblock_read(struct superblock *out, const char *dir,
    struct error *err);
void superblock_fini(struct superblock *superblock);

/* Is seq of a partition above where this disk began?  True without initSeq. */
bool superblock_is_newer(const struct superblock *superblock,
    uint32_t partition, uint64_t seq);

#endif
