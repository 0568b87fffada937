/* SPDX-License-Identifier: MIT */

/*
 * An HTTP load generator for tests/bench/run: some clients, each on a thread
 * and a kept connection of its own, send GETs or PUTs until the time is over
 * or the count is reached, and one line tells what came of it:
 *
 *      ops 1234 errors 0 seconds 5.00 ops/s 246.8 MB/s 16.2 p50_ms 3 p99_ms 9
 *
 *      load [-c clients] [-t seconds] [-n requests] [-r bytes/s] [-s size]
 *          [-C congestion] GET|PUT URL
 *
 * A %u in the URL becomes the number of the request.  -r makes slow viewers:
 * each reads no faster than that.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "http/address.h"
#include "http/httpc.h"

#define BLOCK_BYTES (1u << 20)
#define LATENCIES_MAX (1u << 22)

static struct {
	const char *method, *congestion;
	struct httpc_addr addr;
	char path[1024];
	uint64_t clients, seconds, requests, rate, size;
} opt = { .clients = 1, .seconds = 5, .requests = UINT64_MAX };

static struct httpc_pool *pool;
static uint8_t *block;
static uint64_t end_ms;
static _Atomic uint64_t next_request, done, failed, moved, latencies;
static float *latency_ms;

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Slow down to the rate: sent bytes since start took this long at least. */
static void
pace(uint64_t bytes, double start)
{
	double due = start + (double)bytes * 1e3 / (double)opt.rate;
	double left = due - now_ms();

	if (left > 0) {
		struct timespec ts = { (time_t)(left / 1e3),
			(long)((uint64_t)(left * 1e6) % 1000000000u) };
		nanosleep(&ts, NULL);
	}
}

static void
send_more(struct httpc_call *call, uint64_t *left)
{
	while (*left > 0 && httpc_queued(call) < 4 * BLOCK_BYTES &&
	    httpc_send_room(call) > 0) {
		struct iovec iov = { block, KOOP_MIN(*left, BLOCK_BYTES) };

		if (httpc_send(call, &iov, 1) < 0)
			return;
		*left -= iov.iov_len;
	}
}

/* One request; the bytes that moved, or -1. */
static int64_t
request(uint64_t number, uint8_t *into)
{
	bool put = strcmp(opt.method, "PUT") == 0;
	size_t want = opt.rate == 0 ? BLOCK_BYTES : 32 * 1024;
	struct iovec iov = { into, want };
	struct httpc_call *call = NULL;
	uint64_t left = put ? opt.size : 0, got = 0;
	double start = now_ms();
	char target[1100];
	const char *mark = strstr(opt.path, "%u");
	int64_t result = -1;

	if (mark == NULL)
		snprintf(target, sizeof(target), "%s", opt.path);
	else
		snprintf(target, sizeof(target), "%.*s%" PRIu64 "%s",
		    (int)(mark - opt.path), opt.path, number, mark + 2);
	if (httpc_open(&call, pool, &opt.addr, opt.method, target, NULL, 0,
		put ? opt.size : HTTPC_NO_BODY, NULL) < 0)
		return -1;
	httpc_recv_into(call, &iov, 1);
	while (httpc_state(call) < HTTPC_DONE) {
		send_more(call, &left);
		if (httpc_poll(&call, 1, NULL,
			clock_mono_ms(&clock_system) + 60000) != HTTPC_PROGRESS)
			goto out;
		if (httpc_received(call) == want) {
			got += want;
			if (opt.rate != 0) {
				pace(got, start);
				if (clock_mono_ms(&clock_system) >= end_ms)
					break;
			}
			httpc_recv_into(call, &iov, 1);
		}
	}
	got += httpc_received(call);
	if (httpc_state(call) != HTTPC_FAILED && httpc_status(call) / 100 == 2)
		result = (int64_t)(put ? opt.size : got);
out:
	httpc_close(call);
	return result;
}

static void *
client(void *arg)
{
	uint8_t *into = malloc(BLOCK_BYTES);
	uint64_t number;

	(void)arg;
	while (into != NULL && clock_mono_ms(&clock_system) < end_ms &&
	    (number = atomic_fetch_add(&next_request, 1)) < opt.requests) {
		double start = now_ms();
		int64_t bytes = request(number, into);
		uint64_t slot;

		if (bytes < 0) {
			atomic_fetch_add(&failed, 1);
			continue;
		}
		atomic_fetch_add(&moved, (uint64_t)bytes);
		atomic_fetch_add(&done, 1);
		slot = atomic_fetch_add(&latencies, 1);
		if (slot < LATENCIES_MAX)
			latency_ms[slot] = (float)(now_ms() - start);
	}
	free(into);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void
report(double seconds)
{
	uint64_t n = KOOP_MIN(latencies, (uint64_t)LATENCIES_MAX);

	qsort(latency_ms, n, sizeof(*latency_ms), by_value);
	printf("ops %" PRIu64 " errors %" PRIu64 " seconds %.2f ops/s %.1f "
	       "MB/s %.1f p50_ms %.2f p99_ms %.2f\n",
	    (uint64_t)done, (uint64_t)failed, seconds, (double)done / seconds,
	    (double)moved / seconds / 1e6,
	    n == 0 ? 0.0 : (double)latency_ms[n / 2],
	    n == 0 ? 0.0 : (double)latency_ms[n * 99 / 100]);
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: load [-c clients] [-t seconds] [-n requests] "
	    "[-r rate] [-s size] [-C congestion] GET|PUT "
	    "http://IP:PORT/path\n");
	return 64;
}

/* "http://127.0.0.1:9001/path" */
static bool
parse_url(const char *url)
{
	const char *slash;

	if (strncmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	slash = strchr(url, '/');
	if (slash == NULL ||
	    address_parse(opt.addr.ip, &opt.addr.port,
		bytes_of(url, (size_t)(slash - url)), NULL) < 0)
		return false;
	snprintf(opt.path, sizeof(opt.path), "%s", slash);
	return true;
}

static bool
parse(int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "c:t:n:r:s:C:")) != -1) {
		uint64_t *value = c == 'c' ? &opt.clients :
		    c == 't'               ? &opt.seconds :
		    c == 'n'               ? &opt.requests :
		    c == 'r'               ? &opt.rate :
		    c == 's'               ? &opt.size :
					     NULL;

		if (c == 'C')
			opt.congestion = optarg;
		else if (value == NULL ||
		    !number_parse_size(value, optarg, strlen(optarg), 0,
			UINT64_MAX / 2))
			return false;
	}
	if (argc - optind != 2)
		return false;
	opt.method = argv[optind];
	return parse_url(argv[optind + 1]);
}

int
main(int argc, char *argv[])
{
	struct httpc_options options = { .max_idle = 4096, .max_open = 8192 };
	pthread_attr_t attr;
	pthread_t *thread;
	struct error err;
	double start;

	if (!parse(argc, argv))
		return usage();
	options.tcp_congestion = opt.congestion;
	block = malloc(BLOCK_BYTES);
	latency_ms = calloc(LATENCIES_MAX, sizeof(*latency_ms));
	thread = calloc(opt.clients, sizeof(*thread));
	if (block == NULL || latency_ms == NULL || thread == NULL ||
	    httpc_pool_new(&pool, &options, &err) < 0)
		return 71;
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		block[i] = (uint8_t)(i * 2654435761u >> 13);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	start = now_ms();
	end_ms = clock_mono_ms(&clock_system) + opt.seconds * 1000;
	for (uint64_t i = 0; i < opt.clients; i++)
		if (pthread_create(&thread[i], &attr, client, NULL) != 0)
			return 71;
	for (uint64_t i = 0; i < opt.clients; i++)
		pthread_join(thread[i], NULL);
	report((now_ms() - start) / 1e3);
	httpc_pool_free(pool);
	free(thread);
	free(latency_ms);
	free(block);
	return failed > 0;
}
