/* SPDX-License-Identifier: MIT */

/*
 * What a process tells of itself, by the names that every Prometheus client
 * library uses.  What /proc does not say is left out rather than told as 0.
 */

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/metric.h"
#include "base/number.h"

#define PROC_BYTES 4096
/* Of /proc/self/stat, counted behind the name, which may hold anything. */
#define STAT_THREADS 17
#define STAT_STARTED 19
#define STATM_RESIDENT 1

static bool
read_small(char out[static PROC_BYTES], const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, out, PROC_BYTES - 1);
	close(fd);
	if (n < 0)
		return false;
	assert((size_t)n < PROC_BYTES);
	out[n] = '\0';
	return true;
}

/* The number in field `index` of a line of fields. */
static bool
field_number(const char *line, unsigned index, uint64_t *out)
{
	for (; index > 0; index--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return number_parse(out, line, strcspn(line, " \n"), 0, UINT64_MAX);
}

/* Seconds since 1970 at which the machine's clock of uptimes was 0. */
static double
boot_time(void)
{
	struct timespec real = { 0 };
	struct timespec boot = { 0 };

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(real.tv_sec - boot.tv_sec) +
	    (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

/* When it started is one moment: told anew each time it would shake with the
 * clocks, and another start means another process. */
static uint64_t
started_ms(uint64_t ticks_since_boot)
{
	static _Atomic uint64_t told_ms;
	double ticks = (double)sysconf(_SC_CLK_TCK);
	uint64_t told = 0;
	uint64_t now;

	assert(ticks > 0);
	now = (uint64_t)((boot_time() + (double)ticks_since_boot / ticks) *
	    1000);
	if (atomic_compare_exchange_strong(&told_ms, &told, now))
		told = now;
	return told;
}

static void
add_times(struct metric_page *page)
{
	char text[PROC_BYTES];
	struct timespec cpu = { 0 };
	const char *fields;
	uint64_t n;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
		metric_begin(page, METRIC_COUNTER, "process_cpu_seconds_total",
		    "CPU time used, of user and of system, in seconds.");
		metric_value(page, NULL, 0,
		    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
	}
	if (!read_small(text, "/proc/self/stat"))
		return;
	fields = strrchr(text, ')');
	if (fields == NULL || fields[1] != ' ')
		return;
	fields += 2;
	if (field_number(fields, STAT_THREADS, &n))
		metric_gauge(page, "process_threads", "Threads of the process.",
		    (double)n);
	if (field_number(fields, STAT_STARTED, &n))
		metric_gauge(page, "process_start_time_seconds",
		    "Start of the process, in seconds since 1970.",
		    (double)started_ms(n) / 1000);
}

static void
add_memory(struct metric_page *page)
{
	char text[PROC_BYTES];
	uint64_t virtual_pages;
	uint64_t pages;
	long page_bytes = sysconf(_SC_PAGESIZE);

	assert(page_bytes > 0);
	if (!read_small(text, "/proc/self/statm") ||
	    !field_number(text, 0, &virtual_pages) ||
	    !field_number(text, STATM_RESIDENT, &pages))
		return;
	metric_gauge(page, "process_virtual_memory_bytes",
	    "Address space of the process, in bytes.",
	    (double)virtual_pages * (double)page_bytes);
	metric_gauge(page, "process_resident_memory_bytes",
	    "Memory of the process, in bytes.",
	    (double)pages * (double)page_bytes);
}

static void
add_descriptors(struct metric_page *page)
{
	struct rlimit limit;
	DIR *dir = opendir("/proc/self/fd");
	unsigned open_fds = 0;

	if (dir != NULL) {
		for (struct dirent *e = readdir(dir); e != NULL;
		     e = readdir(dir))
			open_fds += e->d_name[0] != '.';
		closedir(dir);
		/* One of them was ours. */
		metric_gauge(page, "process_open_fds",
		    "Descriptors that are open.", open_fds - 1);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metric_gauge(page, "process_max_fds",
		    "Descriptors that may be open.",
		    limit.rlim_cur == RLIM_INFINITY ? (double)INFINITY :
						      (double)limit.rlim_cur);
}

void
metric_process(struct metric_page *page)
{
	const struct metric_label version[] = { { "version", KOOP_VERSION } };

	metric_begin(page, METRIC_GAUGE, "koop_build_info",
	    "1; its label tells what is running.");
	metric_value(page, version, nitems(version), 1);
	add_times(page);
	add_memory(page);
	add_descriptors(page);
}
