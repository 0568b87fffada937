/* SPDX-License-Identifier: MIT */
#include "commit/commitlog_page.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "commit/commitlog_lock.h"

#define PAGE_MAGIC "KOOPPAGE"
#define PAGE_VERSION 2
#define PAGE_ALIGN 64
#define PAGE_MEMBERS 64 /* of one partition: two sets of 32 */
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 40
#define PAGE_BELLS 2

struct page_header {
	char magic[8];
	uint32_t version;
	uint32_t count; /* of partitions */
	uint64_t bytes; /* of the file */
	char boot_id[BOOT_ID_BYTES];
	uint8_t database_id[16];
	_Atomic uint32_t bell[PAGE_BELLS]; /* by enum page_bell */
};

struct page_member {
	_Atomic uint64_t who; /* 0: free; else set, machine + 1 */
	_Atomic uint64_t applied;
};

/* One mapping of one file.  Never unmapped before commitlog_page_free(), as
 * another thread may still be looking at it. */
struct mapping {
	struct mapping *older;
	dev_t dev;
	ino_t ino;
	struct page_header *header;
	_Atomic uint64_t *end;
	struct page_member *member;
};

struct commitlog_page {
	char *path;
	char boot_id[BOOT_ID_BYTES];
	uint8_t database_id[16];
	const uint32_t *partitions;
	size_t count;
	size_t bytes;
	pthread_mutex_t lock; /* held by who changes newest */
	_Atomic(struct mapping *) newest;
};

static size_t
aligned(size_t n)
{
	assert(n <= SIZE_MAX - PAGE_ALIGN);
	return (n + PAGE_ALIGN - 1) / PAGE_ALIGN * PAGE_ALIGN;
}

static size_t
partitions_at(void)
{
	return aligned(sizeof(struct page_header));
}

static size_t
end_at(size_t count)
{
	return partitions_at() + aligned(count * sizeof(uint32_t));
}

static size_t
member_at(size_t count)
{
	return end_at(count) + aligned(count * sizeof(uint64_t));
}

static size_t
page_bytes(size_t count)
{
	return member_at(count) +
	    count * PAGE_MEMBERS * sizeof(struct page_member);
}

/* Without a boot id every start makes a new page: right, if wasteful. */
static void
read_boot_id(char out[BOOT_ID_BYTES])
{
	int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	memset(out, 0, BOOT_ID_BYTES);
	if (fd != -1) {
		got = read(fd, out, BOOT_ID_BYTES - 1);
		close(fd);
	}
	if (got < 32)
		snprintf(out, BOOT_ID_BYTES, "none-%d-%lld", (int)getpid(),
		    (long long)time(NULL));
	assert(out[BOOT_ID_BYTES - 1] == '\0');
}

int
commitlog_page_new(struct commitlog_page **out,
    const struct commitlog_page_options *options, struct error *err)
{
	struct commitlog_page *page = calloc(1, sizeof(*page));

	if (page != NULL)
		page->path = strdup(options->path);
	if (page == NULL || page->path == NULL) {
		free(page);
		return error_set(err, ERRC_NOMEM, "%s: out of memory",
		    options->path);
	}
	assert(options->count > 0);
	read_boot_id(page->boot_id);
	memcpy(page->database_id, options->database_id, 16);
	page->partitions = options->partitions;
	page->count = options->count;
	page->bytes = page_bytes(options->count);
	pthread_mutex_init(&page->lock, NULL);
	*out = page;
	return 0;
}

void
commitlog_page_free(struct commitlog_page *page)
{
	struct mapping *mapping;

	if (page == NULL)
		return;
	mapping = atomic_load(&page->newest);
	while (mapping != NULL) {
		struct mapping *older = mapping->older;

		munmap(mapping->header, page->bytes);
		free(mapping);
		mapping = older;
	}
	pthread_mutex_destroy(&page->lock);
	free(page->path);
	free(page);
}

bool
commitlog_page_current(struct commitlog_page *page)
{
	struct mapping *mapping = atomic_load(&page->newest);
	struct stat st;

	return mapping != NULL && stat(page->path, &st) == 0 &&
	    st.st_ino == mapping->ino && st.st_dev == mapping->dev &&
	    st.st_size == (off_t)page->bytes;
}

static bool
means_something(const struct commitlog_page *page,
    const struct page_header *header)
{
	const uint8_t *base = (const uint8_t *)header;

	return memcmp(header->magic, PAGE_MAGIC, sizeof(header->magic)) == 0 &&
	    header->version == PAGE_VERSION && header->count == page->count &&
	    header->bytes == page->bytes &&
	    memcmp(header->boot_id, page->boot_id, BOOT_ID_BYTES) == 0 &&
	    memcmp(header->database_id, page->database_id, 16) == 0 &&
	    memcmp(base + partitions_at(), page->partitions,
		page->count * sizeof(uint32_t)) == 0;
}

static void
commitlog_page_ring_one(const struct mapping *mapping, enum page_bell bell)
{
	assert(bell < PAGE_BELLS);
	atomic_fetch_add(&mapping->header->bell[bell], 1);
	commitlog_lock_wake(&mapping->header->bell[bell]);
}

/* Put a mapping in front.  Sleepers on the old one get up and look. */
static void
push_locked(struct commitlog_page *page, struct mapping *mapping)
{
	struct mapping *old = atomic_load(&page->newest);

	assert(mapping != old && mapping->older == NULL);
	mapping->older = old;
	atomic_store(&page->newest, mapping);
	if (old != NULL) {
		commitlog_page_ring_one(old, PAGE_BELL_POSITIONS);
		commitlog_page_ring_one(old, PAGE_BELL_RECORDS);
	}
}

static struct mapping *
map_file(const struct commitlog_page *page, int fd)
{
	struct mapping *mapping;
	struct stat st;
	uint8_t *base;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size != (off_t)page->bytes)
		return NULL;
	base = mmap(NULL, page->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	if (base == MAP_FAILED)
		return NULL;
	mapping = calloc(1, sizeof(*mapping));
	if (mapping == NULL ||
	    !means_something(page, (const struct page_header *)base)) {
		free(mapping);
		munmap(base, page->bytes);
		return NULL;
	}
	mapping->dev = st.st_dev;
	mapping->ino = st.st_ino;
	mapping->header = (struct page_header *)base;
	mapping->end = (_Atomic uint64_t *)(base + end_at(page->count));
	mapping->member = (struct page_member *)(base + member_at(page->count));
	/* Atomic across processes only where it is aligned. */
	assert((uintptr_t)mapping->end % sizeof(uint64_t) == 0);
	assert((uintptr_t)mapping->member % sizeof(uint64_t) == 0);
	return mapping;
}

bool
commitlog_page_attach(struct commitlog_page *page)
{
	struct mapping *mapping;
	bool good;
	int fd;

	pthread_mutex_lock(&page->lock);
	good = commitlog_page_current(page);
	fd = good ? -1 : open(page->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1) {
		mapping = map_file(page, fd);
		close(fd);
		if (mapping != NULL) {
			push_locked(page, mapping);
			good = true;
		}
	}
	assert(!good || atomic_load(&page->newest) != NULL);
	pthread_mutex_unlock(&page->lock);
	return good;
}

static void
fill(const struct commitlog_page *page, uint8_t *base, const uint64_t *ends)
{
	struct page_header *header = (struct page_header *)base;
	_Atomic uint64_t *end = (_Atomic uint64_t *)(base +
	    end_at(page->count));

	memcpy(header->magic, PAGE_MAGIC, sizeof(header->magic));
	header->version = PAGE_VERSION;
	header->count = (uint32_t)page->count;
	header->bytes = page->bytes;
	memcpy(header->boot_id, page->boot_id, BOOT_ID_BYTES);
	memcpy(header->database_id, page->database_id, 16);
	/* Another value than a fresh page before it, most likely. */
	atomic_store(&header->bell[0], (uint32_t)time(NULL));
	atomic_store(&header->bell[1], (uint32_t)time(NULL));
	memcpy(base + partitions_at(), page->partitions,
	    page->count * sizeof(uint32_t));
	for (size_t i = 0; i < page->count; i++)
		atomic_store(&end[i], ends[i]);
	assert(means_something(page, header));
}

/*
 * Whole before it has its name: nobody ever maps a page that is being filled.
 * No fsync: after a power failure the boot id is another, and it counts for
 * nothing.  posix_fallocate, so that a full disk is an error here and no
 * SIGBUS later.
 */
int
commitlog_page_make(struct commitlog_page *page, const uint64_t *ends,
    struct error *err)
{
	char temporary[4096];
	uint8_t *base = MAP_FAILED;
	int rc = 0;
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.tmp",
		page->path) >= sizeof(temporary))
		return error_set(err, ERRC_CONFIG, "%s: path too long",
		    page->path);
	(void)unlink(temporary);
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1)
		return error_errno(err, ERRC_CANTCREATE, "create %s",
		    temporary);
	errno = posix_fallocate(fd, 0, (off_t)page->bytes);
	if (errno != 0)
		rc = error_errno(err, ERRC_IO, "allocate %s", temporary);
	if (rc == 0)
		base = mmap(NULL, page->bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (rc == 0 && base == MAP_FAILED)
		rc = error_errno(err, ERRC_IO, "map %s", temporary);
	if (rc == 0) {
		fill(page, base, ends);
		munmap(base, page->bytes);
		if (rename(temporary, page->path) == -1)
			rc = error_errno(err, ERRC_IO, "rename %s", temporary);
	}
	close(fd);
	if (rc < 0) {
		(void)unlink(temporary);
		return rc;
	}
	if (!commitlog_page_attach(page))
		return error_set(err, ERRC_IO,
		    "%s: made, and then not to be mapped", page->path);
	return 0;
}

static void
raise_to(_Atomic uint64_t *word, uint64_t value)
{
	uint64_t seen = atomic_load(word);

	while (
	    seen < value && !atomic_compare_exchange_weak(word, &seen, value))
		;
}

uint64_t
commitlog_page_end(struct commitlog_page *page, size_t index)
{
	struct mapping *mapping = atomic_load(&page->newest);

	assert(index < page->count);
	return mapping == NULL ? 0 : atomic_load(&mapping->end[index]);
}

void
commitlog_page_raise(struct commitlog_page *page, size_t index, uint64_t seq)
{
	struct mapping *mapping = atomic_load(&page->newest);

	assert(index < page->count);
	if (mapping != NULL)
		raise_to(&mapping->end[index], seq);
}

/* The place of a member; with claim, a free one becomes its. */
static struct page_member *
find_member(const struct mapping *mapping, size_t index, uint32_t set,
    uint32_t machine, bool claim)
{
	struct page_member *row = &mapping->member[index * PAGE_MEMBERS];
	uint64_t who = ((uint64_t)set << 32 | machine) + 1;

	assert(who != 0); /* a free place */
	for (size_t i = 0; i < PAGE_MEMBERS; i++) {
		struct page_member *member = &row[(machine + i) % PAGE_MEMBERS];
		uint64_t seen = atomic_load(&member->who);

		if (seen == 0 && claim &&
		    atomic_compare_exchange_strong(&member->who, &seen, who))
			return member;
		if (seen == who)
			return member;
		if (seen == 0)
			return NULL;
	}
	return NULL;
}

uint64_t
commitlog_page_applied(struct commitlog_page *page, size_t index, uint32_t set,
    uint32_t machine)
{
	struct mapping *mapping = atomic_load(&page->newest);
	struct page_member *member;

	assert(index < page->count);
	if (mapping == NULL)
		return 0;
	member = find_member(mapping, index, set, machine, false);
	return member == NULL ? 0 : atomic_load(&member->applied);
}

/*
 * A member may go back: one that re-installs a partition, or that comes back
 * from an older disk, has applied less than it said.  So this is a store.
 */
void
commitlog_page_publish(struct commitlog_page *page, size_t index, uint32_t set,
    uint32_t machine, uint64_t applied)
{
	struct mapping *mapping = atomic_load(&page->newest);
	struct page_member *member;

	assert(index < page->count);
	if (mapping == NULL)
		return;
	assert(applied < INT64_MAX);
	/* The end first: whoever sees this member there must not find the end
	 * below it (protocol-why.md S7). */
	raise_to(&mapping->end[index], applied);
	assert(atomic_load(&mapping->end[index]) >= applied);
	member = find_member(mapping, index, set, machine, true);
	if (member != NULL)
		atomic_store(&member->applied, applied);
	commitlog_page_ring_one(mapping, PAGE_BELL_POSITIONS);
}

uint32_t
commitlog_page_bell(struct commitlog_page *page, enum page_bell bell)
{
	struct mapping *mapping = atomic_load(&page->newest);

	assert(bell < PAGE_BELLS);
	return mapping == NULL ? 0 : atomic_load(&mapping->header->bell[bell]);
}

void
commitlog_page_ring(struct commitlog_page *page, enum page_bell bell)
{
	struct mapping *mapping = atomic_load(&page->newest);

	if (mapping != NULL)
		commitlog_page_ring_one(mapping, bell);
}

void
commitlog_page_sleep(struct commitlog_page *page, enum page_bell bell,
    uint32_t seen, int timeout_ms)
{
	struct mapping *mapping = atomic_load(&page->newest);

	assert(bell < PAGE_BELLS);
	if (mapping != NULL)
		commitlog_lock_sleep(&mapping->header->bell[bell], seen,
		    timeout_ms);
}
