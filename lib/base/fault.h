/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_FAULT_H
#define KOOP_BASE_FAULT_H

/*
 * Named fault points.  In a release build FAULT() is the constant 0 and no
 * code remains.  In a build with -DKOOP_FAULTS, the environment variable
 *
 *      KOOP_TEST_FAULT=name:N[:kill|error|stop|fail][,name:N...]
 *
 * makes the Nth hit of a point (counted over all threads) act: error (the
 * default) makes FAULT() return the errno EIO, kill sends this process
 * SIGKILL, stop SIGSTOP; fail is error for all hits from the Nth on.  Every
 * build with faults prints its points with koop-node --dump-faults.  Names are
 * "layer.what", listed in fault.c, so that a sweep can visit all of them; an
 * unlisted name does not compile.
 *
 * KOOP_TEST_CLOCK=+30d, or -3d, makes the date of this process wrong by that.
 * KOOP_TEST_LEVEL=N makes such a build behave as a program of level N, which is
 * older than its own (commit/record_type.h).
 *
 * Use:   if (FAULT(STORE_FSYNC)) { errno = EIO; return -1; }
 */

#define FAULT_MAP(X)                          \
	X(STORE_CREATE, "store.create")       \
	X(STORE_WRITE, "store.write")         \
	X(STORE_FSYNC, "store.fsync")         \
	X(STORE_DIRSYNC, "store.dirsync")     \
	X(STORE_REPLY, "store.reply")         \
	X(APPLY_BEGIN, "apply.begin")         \
	X(APPLY_RECORD, "apply.record")       \
	X(APPLY_COMMIT, "apply.commit")       \
	X(APPLY_PUBLISH, "apply.publish")     \
	X(LOG_LOCKED, "log.locked")           \
	X(LOG_COMMIT, "log.commit")           \
	X(LOG_COMMITTED, "log.committed")     \
	X(LOG_FOLLOW, "log.follow")           \
	X(REPAIR_PUBLISH, "repair.publish")   \
	X(GC_UNLINK, "gc.unlink")             \
	X(WRITE_BEGIN, "write.begin")         \
	X(WRITE_SHARD, "write.shard")         \
	X(WRITE_DURABLE, "write.durable")     \
	X(WRITE_APPENDED, "write.appended")   \
	X(WRITE_APPLIED, "write.applied")     \
	X(OUTFILE_UNNAMED, "outfile.unnamed") \
	X(COMPLETE_APPEND, "complete.append") \
	X(COMPLETE_APPENDED, "complete.appended")

enum fault_point {
#define X(point, name) FAULT_##point,
	FAULT_MAP(X) FAULT_MAX,
#undef X
};

#ifdef KOOP_FAULTS
int fault_hit(enum fault_point point);
#define FAULT(point) fault_hit(FAULT_##point)
unsigned fault_level(unsigned own);
#else
#define FAULT(point) 0
#define fault_level(own) (own)
#endif

/* Read KOOP_TEST_FAULT and KOOP_TEST_LEVEL; called once by main().  Does
 * nothing in release. */
void fault_setup(void);
/* The name of a point, e.g. "store.fsync". */
const char *fault_name(enum fault_point point);

#endif
