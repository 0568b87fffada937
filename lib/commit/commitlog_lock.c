/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

#define LOCK_FILE_BYTES 4096
/* Whoever waits tries again this often, in case the holder was killed. */
#define LOCK_LOOK_MS 20
/* How long the last holder stands back for somebody who wants it, too. */
#define LOCK_YIELD_MS 2

/* What the file holds.  Hints only: the lock itself is the kernel's. */
struct lock_words {
	_Atomic uint32_t bell; /* rung when the lock is let go */
	_Atomic uint32_t want; /* pid of one who waits, or 0 */
	_Atomic uint32_t pid;  /* of the holder, or 0 */
	_Atomic uint32_t zero;
	_Atomic uint64_t since_ms; /* boot time when it took it */
};

_Static_assert(sizeof(struct lock_words) <= LOCK_FILE_BYTES, "fits");

struct commitlog_lock {
	char *path;
	const struct clock *clock;
	int fd;
	struct lock_words *words;
	bool held;
	bool held_last; /* nobody else had it since we did, as far as we know */
};

void
commitlog_lock_sleep(_Atomic uint32_t *word, uint32_t seen, int timeout_ms)
{
	struct timespec left = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000,
	};

	assert(timeout_ms >= 0);
	/* Any return is fine: callers look again. */
	(void)syscall(SYS_futex, word, FUTEX_WAIT, seen, &left, NULL, 0);
}

void
commitlog_lock_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void
detach(struct commitlog_lock *lock)
{
	if (lock->words != NULL)
		munmap(lock->words, LOCK_FILE_BYTES);
	if (lock->fd != -1)
		close(lock->fd);
	lock->words = NULL;
	lock->fd = -1;
}

static int
attach(struct commitlog_lock *lock, struct error *err)
{
	struct stat st;
	void *words;

	assert(lock->fd == -1 && lock->words == NULL);
	lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock->fd == -1)
		return error_errno(err, ERRC_CONFIG, "open %s", lock->path);
	if (fstat(lock->fd, &st) == -1 ||
	    (st.st_size < LOCK_FILE_BYTES &&
		ftruncate(lock->fd, LOCK_FILE_BYTES) == -1)) {
		int rc = error_errno(err, ERRC_IO, "size of %s", lock->path);

		detach(lock);
		return rc;
	}
	words = mmap(NULL, LOCK_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    lock->fd, 0);
	if (words == MAP_FAILED) {
		int rc = error_errno(err, ERRC_IO, "map %s", lock->path);

		detach(lock);
		return rc;
	}
	lock->words = words;
	return 0;
}

int
commitlog_lock_open(struct commitlog_lock **out, const char *path,
    const struct clock *clock, struct error *err)
{
	struct commitlog_lock *lock = calloc(1, sizeof(*lock));
	int rc;

	if (lock == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", path);
	lock->fd = -1;
	lock->clock = clock;
	lock->path = strdup(path);
	rc = lock->path == NULL ?
	    error_set(err, ERRC_NOMEM, "%s: out of memory", path) :
	    attach(lock, err);
	if (rc < 0) {
		commitlog_lock_close(lock);
		return rc;
	}
	*out = lock;
	return 0;
}

void
commitlog_lock_close(struct commitlog_lock *lock)
{
	if (lock == NULL)
		return;
	assert(!lock->held);
	detach(lock);
	free(lock->path);
	free(lock);
}

/* 1 taken, 0 somebody has it, or -ERRC_x. */
static int
try_lock(struct commitlog_lock *lock, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat named, ours;

	assert(!lock->held && lock->fd != -1);
	if (fcntl(lock->fd, F_OFD_SETLK, &whole) == -1) {
		if (errno == EAGAIN || errno == EACCES || errno == EINTR)
			return 0;
		return error_errno(err, ERRC_IO, "lock %s", lock->path);
	}
	/* A lock on a file that was removed excludes nobody who comes later. */
	if (stat(lock->path, &named) == 0 && fstat(lock->fd, &ours) == 0 &&
	    named.st_ino == ours.st_ino && named.st_dev == ours.st_dev)
		return 1;
	detach(lock);
	return attach(lock, err);
}

static int
too_long(const struct commitlog_lock *lock, uint64_t waited_ms,
    struct error *err)
{
	uint32_t pid = atomic_load(&lock->words->pid);

	if (pid == 0)
		return error_set(err, ERRC_UNAVAILABLE,
		    "commit log: locked for %llu ms (%s)",
		    (unsigned long long)waited_ms, lock->path);
	return error_set(err, ERRC_UNAVAILABLE,
	    "commit log: locked by process %u for %llu ms (%s)", pid,
	    (unsigned long long)waited_ms, lock->path);
}

/*
 * Without this a busy process would take the lock again before the one that it
 * has just woken got to run, and starve it.
 */
static void
stand_back(struct commitlog_lock *lock, uint32_t self)
{
	uint32_t want = atomic_load(&lock->words->want);
	uint32_t seen = atomic_load(&lock->words->bell);

	assert(!lock->held);
	if (!lock->held_last || want == 0 || want == self)
		return;
	commitlog_lock_sleep(&lock->words->bell, seen, LOCK_YIELD_MS);
}

int
commitlog_lock_acquire(struct commitlog_lock *lock, uint64_t timeout_ms,
    struct error *err)
{
	uint64_t start = clock_mono_ms(lock->clock);
	uint32_t self = (uint32_t)getpid();

	assert(!lock->held);
	if (lock->fd == -1) {
		int rc = attach(lock, err);

		if (rc < 0)
			return rc;
	}
	stand_back(lock, self);
	for (;;) {
		/* Before the try: who lets go after it changes the word. */
		uint32_t seen = atomic_load(&lock->words->bell);
		uint64_t waited;
		int rc = try_lock(lock, err);

		if (rc < 0)
			return rc;
		if (rc == 1)
			break;
		lock->held_last = false;
		waited = clock_mono_ms(lock->clock) - start;
		if (waited >= timeout_ms)
			return too_long(lock, waited, err);
		atomic_store(&lock->words->want, self);
		commitlog_lock_sleep(&lock->words->bell, seen,
		    (int)KOOP_MIN(LOCK_LOOK_MS, timeout_ms - waited));
	}
	assert(lock->fd != -1 && lock->words != NULL);
	atomic_store(&lock->words->want, 0);
	atomic_store(&lock->words->since_ms, clock_boot_ms(lock->clock));
	atomic_store(&lock->words->pid, self);
	lock->held = true;
	lock->held_last = true;
	return 0;
}

void
commitlog_lock_release(struct commitlog_lock *lock)
{
	struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	assert(lock->held);
	assert(lock->fd != -1);
	atomic_store(&lock->words->pid, 0);
	(void)fcntl(lock->fd, F_OFD_SETLK, &whole);
	lock->held = false;
	atomic_fetch_add(&lock->words->bell, 1);
	commitlog_lock_wake(&lock->words->bell);
}

/*
 * The words are believed only while the lock is taken, and when they say the
 * same before and after that was seen: a holder that died leaves its words.
 */
bool
commitlog_lock_holder(const char *path, int *pid, uint64_t *held_ms)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct lock_words before, after;
	uint64_t now, since;
	uint32_t holder;
	bool known = false;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return false;
	if (pread(fd, &before, sizeof(before), 0) == sizeof(before) &&
	    fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK &&
	    pread(fd, &after, sizeof(after), 0) == sizeof(after))
		known = before.pid == after.pid &&
		    before.since_ms == after.since_ms;
	close(fd);
	if (!known)
		return false;
	holder = atomic_load(&after.pid);
	since = atomic_load(&after.since_ms);
	now = clock_boot_ms(&clock_system);
	if (holder == 0 || holder > INT_MAX || since > now)
		return false;
	*pid = (int)holder;
	*held_ms = now - since;
	return true;
}
