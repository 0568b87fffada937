/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_RECORD_TYPE_H
#define KOOP_COMMIT_RECORD_TYPE_H

/*
 * Types of records, the words of their member `need`, and levels:
 * koop-record(5), "Levels".
 *
 * A program knows the types and words up to its level; a record with another
 * one stops a partition, loudly.  What a writer may use is what the level of
 * its partition says, which the genesis record and then LevelMessages tell:
 * those are appended only when every member has reported that it knows the
 * level.  So old and new programs run side by side and nothing halts.
 */

#define RECORD_LEVEL 2      /* of this program */
#define RECORD_LEVEL_MAX 99 /* that a record may name */

/*      enum              name                      level */
#define RECORD_MAP(X)                              \
	X(GENESIS, "GenesisMessage", 1)            \
	X(CREATE_BUCKET, "CreateBucketMessage", 1) \
	X(SEAL_BUCKET, "SealBucketMessage", 1)     \
	X(UNSEAL_BUCKET, "UnsealBucketMessage", 1) \
	X(DELETE_BUCKET, "DeleteBucketMessage", 1) \
	X(BUCKET_CONFIG, "BucketConfigMessage", 2) \
	X(PUT, "PutMessage", 1)                    \
	X(DELETE, "DeleteMessage", 1)              \
	X(ABORT, "AbortMessage", 1)                \
	X(INITIATE, "InitiateMultipartMessage", 1) \
	X(PART, "PartMessage", 1)                  \
	X(COMPLETE, "MultipartCommitMessage", 1)   \
	X(NOOP, "NoopMessage", 1)                  \
	X(RAISE_EPOCH, "EpochMessage", 2)          \
	X(RAISE_LEVEL, "LevelMessage", 1)

enum record_type {
#define X(id, name, level) RECORD_##id,
	RECORD_MAP(X)
#undef X
	    RECORD_TYPE_MAX,
};

/* Each word stands for members that mean something: they are read only when
 * the word is there, so that who does not know them never ignores them. */
#define RECORD_NEED_MAP(X)         \
	X(REVISION, "revision", 2) \
	X(VERSION, "version", 2)

enum record_need {
#define X(id, name, level) RECORD_NEED_##id,
	RECORD_NEED_MAP(X)
#undef X
	    RECORD_NEED_MAX,
};

const char *record_type_name(enum record_type type);

/*
 * The level of this program: RECORD_LEVEL.  In a build with -DKOOP_FAULTS the
 * environment variable KOOP_TEST_LEVEL makes it a lower one: the program then
 * neither knows nor writes what came after it, as an older program would.
 */
unsigned record_level(void);
unsigned record_type_level(enum record_type type);

#endif
