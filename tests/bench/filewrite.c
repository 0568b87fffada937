/* SPDX-License-Identifier: MIT */

/*
 * What the disk alone takes for the same promise: the peer of PUT in
 * tests/bench/run.  Each object of SIZE bytes is written as nine files of a
 * sixth of it, concurrently, each synced with its directory; then one record
 * is appended to a log and synced, and nine more appended and synced, as
 * nine nodes apply it.  No encoding, no checksum, no network.
 *
 *      filewrite DIR CLIENTS OBJECTS SIZE
 */

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/number.h"

#define SHARDS 9
#define DATA_SHARDS 6
#define BLOCK_BYTES (1u << 20)
#define RECORD_BYTES 700

static const char *folder;
static uint64_t clients, objects, size;
static _Atomic uint64_t next_object;
static _Atomic int failed;
static char *block;

struct shard {
	uint64_t object;
	int number;
};

static void
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		failed = 1;
	if (fd != -1)
		close(fd);
}

static void *
write_shard(void *arg)
{
	const struct shard *s = arg;
	uint64_t left = (size + DATA_SHARDS - 1) / DATA_SHARDS;
	char path[512], parent[480];
	int fd;

	snprintf(parent, sizeof(parent), "%s/%d", folder, s->number);
	snprintf(path, sizeof(path), "%s/%" PRIu64, parent, s->object);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1) {
		failed = 1;
		return NULL;
	}
	while (left > 0) {
		ssize_t n = write(fd, block, KOOP_MIN(left, BLOCK_BYTES));
		if (n <= 0) {
			failed = 1;
			break;
		}
		left -= (uint64_t)n;
	}
	if (fdatasync(fd) == -1)
		failed = 1;
	close(fd);
	sync_folder(parent);
	return NULL;
}

static void *
append_record(void *arg)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/log.%d", folder, *(int *)arg);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd == -1 || write(fd, block, RECORD_BYTES) != RECORD_BYTES ||
	    fdatasync(fd) == -1)
		failed = 1;
	if (fd != -1)
		close(fd);
	return NULL;
}

static void
write_object(uint64_t number)
{
	struct shard shard[SHARDS];
	pthread_t thread[SHARDS];
	int log[SHARDS + 1];

	for (int i = 0; i < SHARDS; i++) {
		shard[i] = (struct shard){ number, i };
		pthread_create(&thread[i], NULL, write_shard, &shard[i]);
	}
	for (int i = 0; i < SHARDS; i++)
		pthread_join(thread[i], NULL);
	log[SHARDS] = SHARDS;
	append_record(&log[SHARDS]);
	for (int i = 0; i < SHARDS; i++) {
		log[i] = i;
		pthread_create(&thread[i], NULL, append_record, &log[i]);
	}
	for (int i = 0; i < SHARDS; i++)
		pthread_join(thread[i], NULL);
}

static void *
client(void *arg)
{
	uint64_t number;

	(void)arg;
	while ((number = atomic_fetch_add(&next_object, 1)) < objects)
		write_object(number);
	return NULL;
}

int
main(int argc, char *argv[])
{
	struct timespec a, b;
	pthread_t thread[1024];
	char path[480];
	double seconds;

	if (argc != 5 ||
	    !number_parse(&clients, argv[2], strlen(argv[2]), 1, 1024) ||
	    !number_parse(&objects, argv[3], strlen(argv[3]), 1, 1u << 30) ||
	    !number_parse_size(&size, argv[4], strlen(argv[4]), 1, 1u << 30)) {
		fprintf(stderr, "usage: filewrite DIR CLIENTS OBJECTS SIZE\n");
		return 64;
	}
	folder = argv[1];
	block = malloc(BLOCK_BYTES);
	if (block == NULL)
		return 71;
	memset(block, 'x', BLOCK_BYTES);
	for (int i = 0; i < SHARDS; i++) {
		snprintf(path, sizeof(path), "%s/%d", folder, i);
		mkdir(path, 0755);
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t i = 0; i < clients; i++)
		pthread_create(&thread[i], NULL, client, NULL);
	for (uint64_t i = 0; i < clients; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("ops %" PRIu64 " errors %d seconds %.2f ops/s %.1f MB/s %.1f\n",
	    objects, failed, seconds, (double)objects / seconds,
	    (double)objects * (double)size / seconds / 1e6);
	free(block);
	return failed;
}
