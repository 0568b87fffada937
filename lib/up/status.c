/* SPDX-License-Identifier: MIT */
#include "up/status.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "cluster/topology.h"
#include "commit/commitlog.h"
#include "http/address.h"
#include "http/httpc_request.h"
#include "up/control.h"
#include "up/layout.h"
#include "wire/nodehealth.h"

#define HEALTH_MAX (1024 * 1024)
#define HEALTH_TIMEOUT_MS 2000
#define LOOK_EVERY_MS 50

/* What is opened once and looked at many times. */
struct look {
	const char *dir;
	struct commitlog *log;
	struct httpc_pool *pool;
};

/* One line of the supervisor's answer. */
struct line {
	char name[32], address[64], state[16];
	int pid;
	unsigned restarts;

	/* What it says of itself, asked on a thread: one that is frozen
	 * shall not make the others wait. */
	const struct look *look;
	pthread_t thread;
	bool asked;
	json_t *health; /* NULL: does not answer */
};

static void
look_close(struct look *look)
{
	commitlog_close(look->log);
	httpc_pool_free(look->pool);
}

static int
look_open(struct look *look, const char *dir, struct error *err)
{
	struct httpc_options options = { .max_idle = 1 };
	char url[2 * LAYOUT_DIR_BYTES];
	int rc;

	*look = (struct look){ .dir = dir };
	snprintf(url, sizeof(url), "sqlite:%s/commit.db", dir);
	rc = commitlog_open(&look->log, url, NULL, err);
	if (rc == 0)
		rc = httpc_pool_new(&look->pool, &options, err);
	if (rc < 0)
		look_close(look);
	return rc;
}

/* GET /health of an address as JSON; NULL when it does not answer. */
static json_t *
ask_health(const struct look *look, const char *address)
{
	uint64_t deadline = clock_mono_ms(&clock_system) + HEALTH_TIMEOUT_MS;
	struct httpc_response response = { 0 };
	struct httpc_addr addr = { .port = 0 };
	json_t *health = NULL;

	if (address_parse(addr.ip, &addr.port, bytes_str(address), NULL) < 0)
		return NULL;
	if (httpc_request(look->pool, &addr, "GET", "/health", NULL, 0,
		BYTES_NONE, &response, HEALTH_MAX, deadline, NULL) == 0 &&
	    (response.status == 200 || response.status == 503))
		health = json_loadb(response.body.p, response.body.n,
		    JSON_REJECT_DUPLICATES, NULL);
	httpc_response_fini(&response);
	return health;
}

/* Records that a node still has to apply, by what the log holds now. */
static uint64_t
records_behind(const struct look *look, json_t *health)
{
	json_t *partitions = json_object_get(health, "partitions");
	struct commitlog_span *spans = calloc(json_array_size(partitions) + 1,
	    sizeof(*spans));
	json_t *item;
	size_t i;
	uint64_t behind = 0;

	if (spans == NULL)
		return 0;
	json_array_foreach(partitions, i, item) spans[i].partition = (uint32_t)
	    json_integer_value(json_object_get(item, "partition"));
	(void)!commitlog_stored(look->log, spans, json_array_size(partitions),
	    clock_mono_ms(&clock_system) + HEALTH_TIMEOUT_MS, NULL);
	json_array_foreach(partitions, i, item)
	{
		uint64_t applied = (uint64_t)json_integer_value(
		    json_object_get(item, "applied"));

		if (spans[i].code == ERRC_OK && applied < spans[i].last)
			behind += spans[i].last - applied;
	}
	free(spans);
	return behind;
}

static bool
is_running(const struct line *l)
{
	return strcmp(l->state, "running") == 0;
}

static bool
is_node(const struct line *l)
{
	return strncmp(l->name, "node-", 5) == 0;
}

/* Its own word and reasons, where there is something to say. */
static void
add_word(const struct line *l, struct buf *out)
{
	const char *word = json_string_value(
	    json_object_get(l->health, "status"));
	json_t *reasons = json_object_get(l->health, "reasons");

	if (word == NULL || strcmp(word, "ok") == 0)
		return;
	buf_printf(out, "  %.20s", word);
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *reason = json_string_value(
		    json_array_get(reasons, i));

		if (reason != NULL)
			buf_printf(out, "%s%.40s", i == 0 ? ": " : ", ",
			    reason);
	}
}

static void *
ask_thread(void *arg)
{
	struct line *l = arg;

	l->health = ask_health(l->look, l->address);
	return NULL;
}

static void
ask_all(const struct look *look, struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct line *l = &lines[i];

		l->look = look;
		l->asked = is_running(l) &&
		    pthread_create(&l->thread, NULL, ask_thread, l) == 0;
	}
	for (size_t i = 0; i < count; i++)
		if (lines[i].asked)
			pthread_join(lines[i].thread, NULL);
}

/* The rest of a node's line, and how well it is. */
static enum status_level
look_at_node(const struct line *l, struct buf *out)
{
	json_int_t voting, total, repairs;
	uint64_t behind;

	if (l->health == NULL) {
		buf_addstr(out, "  does not answer\n");
		return STATUS_BROKEN;
	}
	assert(is_node(l) && is_running(l));
	voting = json_integer_value(json_object_get(l->health, "voting"));
	total = (json_int_t)json_array_size(
	    json_object_get(l->health, "partitions"));
	repairs = json_integer_value(json_object_get(l->health, "repairs"));
	behind = records_behind(l->look, l->health);
	buf_printf(out, "  votes %lld/%lld  behind %" PRIu64 "  repairs %lld",
	    (long long)voting, (long long)total, behind, (long long)repairs);
	add_word(l, out);
	buf_addch(out, '\n');
	if (voting < total || total == 0)
		return STATUS_UP;
	return behind == 0 && repairs == 0 ? STATUS_FULL : STATUS_READY;
}

/*
 * How well a gateway's own view of its nodes is: it is a second old, so a
 * cluster whose nodes have just come back is not full before the gateways say
 * so, too.  Full disks and wrong clocks are no matter of this wait.
 */
static enum status_level
gateway_level(json_t *health)
{
	const char *word = json_string_value(json_object_get(health, "status"));
	json_t *set, *node, *reason;
	size_t i, j, k;
	const unsigned other = NODEHEALTH_DISK_FULL | NODEHEALTH_CLOCK;

	if (word == NULL || strcmp(word, nodehealth_name(NODEHEALTH_DOWN)) == 0)
		return STATUS_UP;
	json_array_foreach(json_object_get(health, "sets"), i, set)
	    json_array_foreach(json_object_get(set, "nodes"), j, node)
		json_array_foreach(json_object_get(node, "reasons"), k, reason)
	{
		/* One that is not known here is no good news either. */
		if ((nodehealth_reason(json_string_value(reason)) & other) == 0)
			return STATUS_READY;
	}
	return STATUS_FULL;
}

static enum status_level
look_at_gateway(const struct line *l, struct buf *out)
{
	if (l->health == NULL) {
		buf_addstr(out, "  does not answer\n");
		return STATUS_BROKEN;
	}
	assert(!is_node(l) && is_running(l));
	add_word(l, out);
	buf_addch(out, '\n');
	return gateway_level(l->health);
}

static enum status_level
look_at_line(const struct line *l, struct buf *out)
{
	buf_printf(out, "%-10s %-21s %-9s", l->name, l->address, l->state);
	if (l->pid != 0)
		buf_printf(out, " pid %-7d restarts %u", l->pid, l->restarts);
	if (is_running(l))
		return is_node(l) ? look_at_node(l, out) :
				    look_at_gateway(l, out);
	buf_addch(out, '\n');
	return strcmp(l->state, "stopped") == 0 ? STATUS_UP : STATUS_BROKEN;
}

/* The supervisor's answer, a line a program. */
static int
parse_lines(char *answer, struct line **out, size_t *count, struct error *err)
{
	char *save = NULL;
	size_t room = 1;

	for (const char *c = answer; *c != '\0'; c++)
		room += *c == '\n';
	*out = calloc(room, sizeof(**out));
	if (*out == NULL)
		return error_set(err, ERRC_NOMEM, "status: out of memory");
	for (char *text = strtok_r(answer, "\n", &save); text != NULL;
	     text = strtok_r(NULL, "\n", &save)) {
		struct line *l;

		assert(*count < room);
		l = &(*out)[(*count)++];
		if (sscanf(text, "%31s %63s %15s %d %u", l->name, l->address,
			l->state, &l->pid, &l->restarts) != 5)
			return error_set(err, ERRC_PROTOCOL,
			    "the supervisor's answer is no status");
	}
	return 0;
}

static int
look_once(const struct look *look, struct buf *out, enum status_level *level,
    struct error *err)
{
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	enum status_level least = STATUS_FULL;
	struct line *lines = NULL;
	size_t count = 0;
	int rc;

	rc = control_ask(look->dir, "status", &answer, 5000, err);
	if (rc == 0 && answer.n > 0)
		rc = parse_lines(answer.p, &lines, &count, err);
	if (rc < 0)
		goto out;
	ask_all(look, lines, count);
	for (size_t i = 0; i < count; i++) {
		enum status_level at = look_at_line(&lines[i], out);

		least = KOOP_MIN(least, at);
		json_decref(lines[i].health);
	}
	assert(least <= STATUS_FULL);
	*level = least;
	if (buf_failed(out))
		rc = error_set(err, ERRC_NOMEM, "status");
out:
	free(lines);
	buf_fini(&answer);
	return rc;
}

int
status_look(const char *dir, struct buf *out, enum status_level *level,
    struct error *err)
{
	struct look look;
	int rc;

	rc = look_open(&look, dir, err);
	if (rc < 0)
		return rc;
	rc = look_once(&look, out, level, err);
	look_close(&look);
	return rc;
}

int
status_wait(const char *dir, enum status_level wanted, uint64_t timeout_ms,
    struct buf *out, struct error *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000 *
		    1000 };
	uint64_t deadline = clock_mono_ms(&clock_system) + timeout_ms;
	struct look look;
	int rc;

	assert(wanted > STATUS_BROKEN && wanted <= STATUS_FULL);
	rc = look_open(&look, dir, err);
	if (rc < 0)
		return rc;
	for (;;) {
		enum status_level level = STATUS_BROKEN;

		buf_clear(out);
		rc = look_once(&look, out, &level, err);
		if (rc < 0 || level >= wanted)
			break;
		if (clock_left_ms(&clock_system, deadline) == 0) {
			rc = error_set(err, ERRC_RETRY,
			    "the cluster is not there yet; look at the lines "
			    "above and at %s/log",
			    dir);
			break;
		}
		nanosleep(&pause, NULL);
	}
	look_close(&look);
	return rc;
}
