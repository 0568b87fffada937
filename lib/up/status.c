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
#include "cluster/topology.h"
#include "cluster/topology_source.h"
#include "commit/commitlog.h"
#include "http/address.h"
#include "http/httpc_request.h"
#include "up/control.h"
#include "up/lastword.h"
#include "up/layout.h"
#include "up/nodefolder.h"
#include "wire/nodehealth.h"

#define HEALTH_MAX (1024 * 1024)
#define HEALTH_TIMEOUT_MS 2000
#define LOOK_EVERY_MS 50
#define PROGRAMS_MAX 4096

/* One program, and what it says of itself, asked on a thread: one that is
 * frozen shall not make the others wait. */
struct line {
	struct look *look;
	const char *address;
	pthread_t thread;
	bool asked;
	json_t *health; /* NULL: does not answer */
};

/* What is opened once and looked at many times. */
struct look {
	struct status_where where;
	struct commitlog *log;
	struct httpc_pool *pool;
	struct topology_source *topology;
	struct status_program *program;
	size_t count, room;
};

void
status_close(struct look *look)
{
	if (look == NULL)
		return;
	commitlog_close(look->log);
	httpc_pool_free(look->pool);
	topology_source_close(look->topology);
	free(look->program);
	free(look);
}

int
status_open(struct look **out, const struct status_where *where,
    struct error *err)
{
	struct httpc_options options = { .max_idle = 1 };
	struct look *look = calloc(1, sizeof(*look));
	char url[2 * LAYOUT_DIR_BYTES];
	int rc = 0;

	if (look == NULL)
		return error_set(err, ERRC_NOMEM, "status: out of memory");
	look->where = *where;
	if (where->dir != NULL)
		snprintf(url, sizeof(url), "sqlite:%s/commit.db", where->dir);
	else
		rc = topology_source_open(&look->topology, where->topology,
		    err);
	if (rc == 0)
		rc = commitlog_open(&look->log,
		    where->dir != NULL ? url : where->commit_log, NULL, err);
	if (rc == 0)
		rc = httpc_pool_new(&look->pool, &options, err);
	if (rc < 0) {
		status_close(look);
		return rc;
	}
	*out = look;
	return 0;
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

/* Room for one more program; the caller names it. */
static struct status_program *
add_program(struct look *look, struct error *err)
{
	struct status_program *p;

	if (look->count == look->room) {
		size_t room = KOOP_MAX(look->room * 2, (size_t)16);
		struct status_program *more = reallocarray(look->program, room,
		    sizeof(*more));

		if (more == NULL || room > 2 * PROGRAMS_MAX) {
			(void)error_set(err, ERRC_NOMEM,
			    "status: out of memory");
			return NULL;
		}
		look->program = more;
		look->room = room;
	}
	p = &look->program[look->count++];
	*p = (struct status_program){ .level = STATUS_BROKEN };
	return p;
}

/* The supervisor's answer, a line a program. */
static int
parse_answer(struct look *look, char *answer, struct error *err)
{
	char *save = NULL;
	unsigned nodes = 0;

	for (char *text = strtok_r(answer, "\n", &save); text != NULL;
	     text = strtok_r(NULL, "\n", &save)) {
		struct status_program *p = add_program(look, err);
		int pid;

		if (p == NULL)
			return -ERRC_NOMEM;
		if (sscanf(text, "%31s %63s %15s %d %u %" SCNu64 " %63[^\n]",
			p->name, p->address, p->state, &pid, &p->restarts,
			&p->since_ms, p->how) != 7)
			return error_set(err, ERRC_PROTOCOL,
			    "the supervisor's answer is no status");
		p->pid = pid;
		p->node = strncmp(p->name, "node-", 5) == 0;
		if (p->node)
			p->number = nodes++;
		if (strcmp(p->how, "-") == 0)
			p->how[0] = '\0';
	}
	return 0;
}

static int
list_supervised(struct look *look, struct error *err)
{
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	int rc;

	rc = control_ask(look->where.dir, "status", &answer, 5000, err);
	if (rc == 0 && answer.n > 0)
		rc = parse_answer(look, answer.p, err);
	buf_fini(&answer);
	return rc;
}

/* Everybody that the topology and koop.conf tell of. */
static int
list_named(struct look *look, struct error *err)
{
	struct topology_snapshot *snapshot = topology_source_get(
	    look->topology);
	const struct topology *t = topology_snapshot_topology(snapshot);
	int rc = 0;

	for (size_t s = 0; rc == 0 && s < t->set_count; s++) {
		const struct erasure_set *set = &t->sets[s];

		for (uint32_t i = 0; rc == 0 && i < set->n; i++) {
			struct status_program *p = add_program(look, err);

			if (p == NULL) {
				rc = -ERRC_NOMEM;
				break;
			}
			p->node = true;
			snprintf(p->name, sizeof(p->name), "node-%u.%u",
			    set->number, i);
			machine_address(p->address, &set->machine[i]);
		}
	}
	topology_snapshot_drop(snapshot);
	for (size_t i = 0; rc == 0 && i < look->where.gateway_count; i++) {
		const char *url = look->where.gateway[i];
		struct status_program *p = add_program(look, err);

		if (p == NULL)
			return -ERRC_NOMEM;
		snprintf(p->name, sizeof(p->name), "gateway-%zu", i);
		if (strncmp(url, "http://", 7) == 0)
			url += 7;
		snprintf(p->address, sizeof(p->address), "%.*s",
		    (int)strcspn(url, "/"), url);
	}
	return rc;
}

static void *
ask_thread(void *arg)
{
	struct line *l = arg;

	l->health = ask_health(l->look, l->address);
	return NULL;
}

/* Who is supervised and does not run need not be asked. */
static void
ask_all(struct look *look, struct line *lines)
{
	for (size_t i = 0; i < look->count; i++) {
		const struct status_program *p = &look->program[i];
		struct line *l = &lines[i];

		l->look = look;
		l->address = p->address;
		l->asked = (p->state[0] == '\0' ||
			       strcmp(p->state, "running") == 0) &&
		    pthread_create(&l->thread, NULL, ask_thread, l) == 0;
	}
	for (size_t i = 0; i < look->count; i++)
		if (lines[i].asked)
			pthread_join(lines[i].thread, NULL);
}

static uint64_t
number_of(json_t *health, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(health, name));

	return n < 0 ? 0 : (uint64_t)n;
}

/* Its own reasons, in words that say what to do where there is one. */
static void
take_reasons(struct status_program *p, json_t *health)
{
	json_t *reasons = json_object_get(health, "reasons");
	struct buf text = buf_make(sizeof(p->reason));

	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *reason = json_string_value(
		    json_array_get(reasons, i));

		if (reason == NULL)
			continue;
		if (i > 0)
			buf_addstr(&text, "; ");
		p->full = p->full ||
		    nodehealth_reason(reason) == NODEHEALTH_DISK_FULL;
		if (p->node &&
		    nodehealth_reason(reason) == NODEHEALTH_DISK_FULL)
			nodehealth_add_full(&text,
			    (uint32_t)number_of(health, "set"),
			    (uint32_t)number_of(health, "index"),
			    p->free_bytes);
		else
			buf_printf(&text, "%.60s", reason);
	}
	snprintf(p->reason, sizeof(p->reason), "%s", buf_cstr(&text));
	buf_fini(&text);
}

/* How well a node is by what it says. */
static void
take_node(struct look *look, struct status_program *p, json_t *health)
{
	assert(p->node && p->answers);
	p->voting = (uint32_t)number_of(health, "voting");
	p->partitions = (uint32_t)json_array_size(
	    json_object_get(health, "partitions"));
	p->repairs = number_of(health, "repairs");
	p->behind = records_behind(look, health);
	p->free_bytes = number_of(health, "free");
	p->total_bytes = number_of(health, "total");
	p->reserve_bytes = number_of(health, "reserve");
	if (p->voting < p->partitions || p->partitions == 0)
		p->level = STATUS_UP;
	else
		p->level = p->behind == 0 && p->repairs == 0 ? STATUS_FULL :
							       STATUS_READY;
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

/* Why what does not run does not, and what to do about it: its folder, or the
 * last that its log says. */
static void
take_last_word(const struct look *look, struct status_program *p)
{
	struct nodefolder folder = { .data = look->where.dir,
		.number = p->number };
	char path[2 * LAYOUT_DIR_BYTES], line[LASTWORD_BYTES];
	char why[NODEFOLDER_WHY_BYTES];

	if (look->where.dir == NULL || strcmp(p->state, "stopped") == 0)
		return;
	folder.cluster = commitlog_cluster(look->log);
	/* One that begins may be making it. */
	if (p->node && (strcmp(p->state, "down") == 0 || p->restarts > 0) &&
	    sscanf(p->name, "node-%" SCNu32 ".%" SCNu32, &folder.set,
		&folder.index) == 2 &&
	    nodefolder_look(&folder, why) != NODEFOLDER_GOOD) {
		snprintf(p->reason, sizeof(p->reason), "%.*s",
		    (int)sizeof(p->reason) - 1, why);
		return;
	}
	snprintf(path, sizeof(path), "%s/log/%s.log", look->where.dir, p->name);
	if (lastword_of_log(path, line))
		snprintf(p->reason, sizeof(p->reason), "%s%sits log ends: %s",
		    p->how, p->how[0] != '\0' ? "; " : "", line);
}

static void
take_answer(struct look *look, struct status_program *p, json_t *health)
{
	const char *word = json_string_value(json_object_get(health, "status"));
	bool supervised = p->state[0] != '\0';

	if (!supervised)
		snprintf(p->state, sizeof(p->state), "%s",
		    health != NULL ? "running" : "silent");
	if (health == NULL) {
		if (strcmp(p->state, "running") == 0 || !supervised)
			snprintf(p->reason, sizeof(p->reason),
			    "does not answer");
		else
			take_last_word(look, p);
		p->level = strcmp(p->state, "stopped") == 0 ? STATUS_UP :
							      STATUS_BROKEN;
		return;
	}
	p->answers = true;
	snprintf(p->word, sizeof(p->word), "%s", word != NULL ? word : "");
	if (p->node)
		take_node(look, p, health);
	else
		p->level = gateway_level(health);
	take_reasons(p, health);
	if (p->reason[0] == '\0' && word != NULL && strcmp(word, "ok") != 0)
		snprintf(p->reason, sizeof(p->reason), "says: %.20s", word);
}

int
status_look(struct look *look, struct status_view *out, struct error *err)
{
	struct line *lines;
	int rc;

	*out = (struct status_view){ 0 };
	look->count = 0;
	rc = look->where.dir != NULL ? list_supervised(look, err) :
				       list_named(look, err);
	if (rc < 0)
		return rc;
	lines = calloc(look->count + 1, sizeof(*lines));
	if (lines == NULL)
		return error_set(err, ERRC_NOMEM, "status: out of memory");
	ask_all(look, lines);
	for (size_t i = 0; i < look->count; i++) {
		take_answer(look, &look->program[i], lines[i].health);
		json_decref(lines[i].health);
	}
	free(lines);
	*out = (struct status_view){ look->program, look->count };
	return 0;
}

int
status_wait(struct look *look, enum status_level wanted, uint64_t timeout_ms,
    struct status_view *out, struct error *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000 *
		    1000 };
	uint64_t deadline = clock_mono_ms(&clock_system) + timeout_ms;

	assert(wanted > STATUS_BROKEN && wanted <= STATUS_FULL);
	for (;;) {
		int rc = status_look(look, out, err);

		if (rc < 0 || status_view_level(out) >= wanted)
			return rc;
		if (clock_left_ms(&clock_system, deadline) == 0)
			return error_set(err, ERRC_RETRY,
			    "the cluster is not %s yet; look at the lines "
			    "above and at the programs' logs%s%s%s",
			    status_level_name(wanted),
			    look->where.dir != NULL ? " in " : "",
			    look->where.dir != NULL ? look->where.dir : "",
			    look->where.dir != NULL ? "/log" : "");
		nanosleep(&pause, NULL);
	}
}
