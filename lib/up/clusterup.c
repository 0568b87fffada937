/* SPDX-License-Identifier: MIT */
#include "up/clusterup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/signals.h"
#include "cluster/topology.h"
#include "up/control.h"
#include "up/lastword.h"
#include "up/nodefolder.h"
#include "up/program.h"
#include "up/supervisor.h"

/* Leaves room for the name of a program. */
#define FOLDER_BYTES (PROGRAM_ARG_BYTES - 32)

struct clusterup {
	const struct clusterup_options *o;
	struct layout layout;
	struct program *program;
	unsigned count;
	int detach_fd; /* the waiting parent's pipe; -1 in the foreground */
	struct error error; /* of the ready hook */
	unsigned nodes;
	bool *told; /* of each program: what is wrong with it was said */
};

/* To whoever started us, wherever he looks. */
static KOOP_PRINTF(2, 3) void clusterup_warn(const struct clusterup *up,
    const char *fmt, ...)
{
	char line[NODEFOLDER_WHY_BYTES + 128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	up->o->warn(line);
	if (up->detach_fd != -1)
		dprintf(up->detach_fd, "warn %s\n", line);
}

static int
common_args(struct clusterup *up, struct program *p, const char *folder,
    const char *binary, struct error *err)
{
	const char *dir = up->layout.dir;
	int rc;

	/* The name is that of its log, and the address the first argument. */
	assert(p->name[0] != '\0' && p->address[0] != '\0' && p->args == 0);
	snprintf(p->path, sizeof(p->path), "%.480s/%s", folder, binary);
	snprintf(p->folder, sizeof(p->folder), "%s", dir);
	snprintf(p->log_path, sizeof(p->log_path), "%s/log/%s.log", dir,
	    p->name);
	if (access(p->path, X_OK) == -1)
		return error_errno(err, ERRC_NOINPUT, "%s", p->path);
	rc = program_arg(p, err, "--listen=%s", p->address);
	if (rc == 0)
		rc = program_arg(p, err, "--topology=file:%s/topology.json",
		    dir);
	if (rc == 0)
		rc = program_arg(p, err, "--commit-log=sqlite:%s/commit.db%s",
		    dir, up->layout.unshared ? "?shared=no" : "");
	if (rc == 0)
		rc = program_arg(p, err, "--durability=%s", up->o->durability);
	if (rc == 0 && up->o->tcp_congestion != NULL)
		rc = program_arg(p, err, "--tcp-congestion=%s",
		    up->o->tcp_congestion);
	/* Who wrote [koop-node] there means these. */
	if (rc == 0 && up->o->config != NULL)
		rc = program_arg(p, err, "--config=%s", up->o->config);
	return rc;
}

/* The folder of a node, before it is started.  Only a cluster in the making
 * initialises by itself: in a finished one an empty folder is a disk that is
 * missing. */
static int
check_folder(struct clusterup *up, struct program *p,
    const struct erasure_set *set, uint32_t index, struct error *err)
{
	bool replace = up->o->replace_node == up->nodes;
	struct nodefolder folder = { up->layout.dir, up->layout.cluster,
		set->number, index, up->nodes };
	char why[NODEFOLDER_WHY_BYTES];
	enum nodefolder_state state = nodefolder_look(&folder, why);

	assert(!p->once);
	if (replace && !up->layout.complete)
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: the cluster in %s is only being made; "
		    "leave the option out",
		    up->nodes, up->layout.dir);
	if (replace && state == NODEFOLDER_GOOD)
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: the folder of %s is not lost; leave "
		    "the option out",
		    up->nodes, p->name);
	if (replace && state == NODEFOLDER_WRONG)
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: %s/%s is not empty; move it away first",
		    up->nodes, up->layout.dir, p->name);
	if (state == NODEFOLDER_LOST && (replace || !up->layout.complete)) {
		p->once = true;
		return program_arg(p, err, replace ? "--replace" : "--init");
	}
	if (state != NODEFOLDER_GOOD) {
		clusterup_warn(up, "%s: %s", p->name, why);
		up->told[up->count] = true;
	}
	return 0;
}

static int
add_node(struct clusterup *up, const char *folder,
    const struct erasure_set *set, uint32_t index, struct error *err)
{
	struct program *p = &up->program[up->count];
	char data[PROGRAM_ARG_BYTES];
	int rc;

	/* Nodes first: their place here is what --stop-node counts. */
	assert(up->count == 0 || !p[-1].gateway);
	assert(index < set->n);
	snprintf(p->name, sizeof(p->name), "node-%u.%u", set->number, index);
	machine_address(p->address, &set->machine[index]);
	snprintf(data, sizeof(data), "%s/%s", up->layout.dir, p->name);
	rc = common_args(up, p, folder, "koop-node", err);
	if (rc == 0)
		rc = program_arg(p, err, "--data-dir=%s", data);
	if (rc == 0)
		rc = program_arg(p, err, "--node=%u/%u", set->number, index);
	if (rc == 0 && up->o->reserve != 0)
		rc = program_arg(p, err, "--reserve=%" PRIu64, up->o->reserve);
	if (rc == 0)
		rc = check_folder(up, p, set, index, err);
	up->count++;
	up->nodes++;
	return rc;
}

static int
add_gateway(struct clusterup *up, const char *folder, unsigned index,
    struct error *err)
{
	struct program *p = &up->program[up->count++];
	int rc;

	assert(index < up->layout.gateways);
	p->gateway = true;
	snprintf(p->name, sizeof(p->name), "gateway-%u", index);
	snprintf(p->address, sizeof(p->address), "127.0.0.1:%u",
	    up->layout.gateway_port[index]);
	rc = common_args(up, p, folder, "koop-gw", err);
	if (rc == 0)
		rc = program_arg(p, err, "--session-cache=sqlite:%s/session.db",
		    up->layout.dir);
	/* What nobody has said here may stand in [koop-gw]. */
	if (rc == 0 && up->o->cell_bytes != LAYOUT_UNSET)
		rc = program_arg(p, err, "--cell-size=%" PRIu64,
		    up->o->cell_bytes);
	if (rc == 0 && up->o->inline_bytes != LAYOUT_UNSET)
		rc = program_arg(p, err, "--inline-limit=%" PRIu64,
		    up->o->inline_bytes);
	return rc;
}

static int
list_programs(struct clusterup *up, struct error *err)
{
	const struct topology *t = up->layout.topology;
	char folder[FOLDER_BYTES];
	size_t total = up->layout.gateways;
	int rc = 0;

	for (size_t s = 0; s < t->set_count; s++)
		total += t->sets[s].n;
	up->program = calloc(total, sizeof(*up->program));
	up->told = calloc(total, sizeof(*up->told));
	if (up->program == NULL || up->told == NULL)
		return error_set(err, ERRC_NOMEM, "out of memory");
	if (!io_program_folder(folder, sizeof(folder)))
		return error_set(err, ERRC_NOINPUT,
		    "the folder of koop-up: not known, or its path is too "
		    "long");
	for (size_t s = 0; rc == 0 && s < t->set_count; s++)
		for (uint32_t i = 0; rc == 0 && i < t->sets[s].n; i++)
			rc = add_node(up, folder, &t->sets[s], i, err);
	if (rc == 0 && up->o->replace_node != LAYOUT_UNSET &&
	    up->o->replace_node >= up->nodes)
		rc = error_set(err, ERRC_USAGE,
		    "--replace-node %" PRIu64
		    ": there is no such node; they are numbered from 0 to %u",
		    up->o->replace_node, up->nodes - 1);
	for (unsigned i = 0; rc == 0 && i < up->layout.gateways; i++)
		rc = add_gateway(up, folder, i, err);
	assert(up->count <= total && (rc < 0 || up->count == total));
	return rc;
}

static void
say(void *arg, const char *line)
{
	struct clusterup *up = arg;

	if (!up->o->quiet)
		up->o->say(line);
}

static bool
there(void *arg)
{
	struct clusterup *up = arg;

	return layout_there(&up->layout);
}

/* The names of what does not run, "node-1.2, node-1.3", and how many; why is
 * said of those of which it was not before. */
static unsigned
count_down(struct clusterup *up, char *names, size_t room)
{
	char how[64], last[LASTWORD_BYTES];
	unsigned down = 0;
	size_t used = 0;

	names[0] = '\0';
	for (unsigned i = 0; i < up->count; i++) {
		const struct program *p = &up->program[i];

		if (p->state == PROGRAM_READY)
			continue;
		/* What no longer fits is counted. */
		if (used < room - sizeof(p->name) - 8)
			used += (size_t)snprintf(names + used, room - used,
			    "%s%s", down > 0 ? ", " : "", p->name);
		else if (strcmp(names + used - 3, "...") != 0)
			used += (size_t)snprintf(names + used, room - used,
			    ", ...");
		assert(used < room);
		down++;
		if (up->told[i])
			continue;
		up->told[i] = true;
		program_describe_end(how, p->last_status);
		clusterup_warn(up, "%s: %s%s%s", p->name, how,
		    lastword_of_log(p->log_path, last) ? "; its log ends: " :
							 "",
		    last);
	}
	return down;
}

/* koop up --replace-node, while the cluster runs. */
static int
replace_node(void *arg, unsigned node, struct error *err)
{
	struct clusterup *up = arg;
	struct program *p = &up->program[node];
	struct nodefolder folder = { .data = up->layout.dir,
		.cluster = up->layout.cluster,
		.number = node };
	char why[NODEFOLDER_WHY_BYTES];

	assert(node < up->nodes);
	for (size_t s = 0, first = 0; s < up->layout.topology->set_count; s++) {
		const struct erasure_set *set = &up->layout.topology->sets[s];

		if (node >= first && node < first + set->n) {
			folder.set = set->number;
			folder.index = (uint32_t)(node - first);
		}
		first += set->n;
	}
	switch (nodefolder_look(&folder, why)) {
	case NODEFOLDER_GOOD:
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: the folder of %s is not lost", node,
		    p->name);
	case NODEFOLDER_WRONG:
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: %s/%s is not empty; move it away first",
		    node, up->layout.dir, p->name);
	case NODEFOLDER_LOST:
		break;
	}
	/* It serves from files that have no name any more. */
	if (p->pid != 0 && p->state == PROGRAM_READY)
		return error_set(err, ERRC_USAGE,
		    "--replace-node %u: %s still runs; stop it first with: "
		    "koop up --data %s --stop-node %u",
		    node, p->name, up->layout.dir, node);
	if (p->once)
		return 0;
	if (program_arg(p, err, "--replace") < 0)
		return -(int)err->code;
	p->once = true;
	return 0;
}

/* Everything runs: the folder is complete, and who waits is told. */
static void
ready(void *arg)
{
	struct clusterup *up = arg;
	char lines[512], text[LAYOUT_DIR_BYTES + 256], names[128];
	char cell[64] = "";
	unsigned down = count_down(up, names, sizeof(names));

	assert(up->layout.gateways >= 1); /* the address that is told */
	if (up->o->cell_bytes != LAYOUT_UNSET)
		snprintf(cell, sizeof(cell), "cell-size = %" PRIu64 "\n",
		    up->o->cell_bytes);
	snprintf(lines, sizeof(lines), "durability = %s\n%s", up->o->durability,
	    cell);
	if (layout_publish(&up->layout, lines, &up->error) < 0) {
		up->o->say(up->error.text);
		return;
	}
	snprintf(text, sizeof(text),
	    "koop-up: serves S3 on http://127.0.0.1:%u, data in %s%s%s",
	    up->layout.gateway_port[0], up->layout.dir,
	    down > 0 ? ", without " : "", names);
	up->o->say(text);
	if (!up->o->quiet)
		up->o->hints(up->layout.dir);
	if (up->detach_fd == -1)
		return;
	dprintf(up->detach_fd, "%s %s\n", down > 0 ? "part" : "ok", text);
	close(up->detach_fd);
	up->detach_fd = -1;
}

static int
supervise(struct clusterup *up, struct error *err)
{
	struct supervisor_options options = {
		.control_fd = -1,
		.clock = &clock_system,
		.say = say,
		.there = there,
		.replace = replace_node,
		.ready = ready,
		.arg = up,
	};
	int rc;

	rc = layout_open(&up->layout, &up->o->layout, err);
	if (rc == 0)
		rc = list_programs(up, err);
	if (rc == 0)
		rc = control_listen(up->layout.dir, &options.control_fd, err);
	if (rc < 0)
		goto out;
	if (strcmp(up->o->durability, "os") == 0)
		up->o->say("koop-up: DURABILITY os: a power failure may lose "
			   "acknowledged objects; for tests only");
	options.program = up->program;
	options.count = up->count;
	assert(options.count > up->layout.gateways);
	rc = supervisor_run(&options, err);
	control_close(up->layout.dir, options.control_fd);
out:
	free(up->program);
	free(up->told);
	layout_close(&up->layout);
	return rc;
}

/* In the background: no terminal, output to a log. */
static int
leave_terminal(struct clusterup *up, struct error *err)
{
	char dir[LAYOUT_DIR_BYTES], path[2 * LAYOUT_DIR_BYTES];
	int null_fd, log_fd, rc;

	rc = layout_resolve(dir, up->o->layout.dir, true, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/koop-up.log", dir);
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (null_fd == -1 || log_fd == -1)
		return error_errno(err, ERRC_CANTCREATE, "%s", path);
	setsid();
	dup2(null_fd, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	close(null_fd);
	close(log_fd);
	return 0;
}

/* A line of the detached supervisor: true when it was the last.  "warn LINE",
 * "ok LINE", "part LINE" (not all of it runs), or the code (as a letter) and
 * the text of the error that it ended with. */
static bool
hear_child(const struct clusterup *up, const char *line, int *rc,
    struct error *err)
{
	*rc = 0;
	if (strncmp(line, "warn ", 5) == 0) {
		up->o->warn(line + 5);
		return false;
	}
	if (strncmp(line, "ok ", 3) == 0) {
		up->o->say(line + 3);
	} else if (strncmp(line, "part ", 5) == 0) {
		up->o->say(line + 5);
		*rc = error_set(err, ERRC_NOTFOUND,
		    "not all of the cluster runs; koop status tells more");
	} else if (strlen(line) < 3 || line[0] <= 'A' ||
	    line[0] >= 'A' + ERRC_MAX) {
		*rc = error_set(err, ERRC_RETRY, "the supervisor died");
	} else {
		*rc = error_set(err, (enum errc)(line[0] - 'A'), "%s",
		    line + 2);
	}
	return true;
}

/* The parent of a detached supervisor, until its last line. */
static int
await_child(const struct clusterup *up, int fd, struct error *err)
{
	uint64_t deadline = clock_mono_ms(&clock_system) + up->o->timeout_ms;
	char text[2048];
	size_t n = 0;
	int rc;

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		char *end = memchr(text, '\n', n);
		ssize_t got;

		if (end != NULL) {
			*end = '\0';
			if (hear_child(up, text, &rc, err))
				return rc;
			n -= (size_t)(end + 1 - text);
			memmove(text, end + 1, n);
			continue;
		}
		if (poll(&pfd, 1, clock_left_ms(&clock_system, deadline)) == 0)
			return error_set(err, ERRC_RETRY,
			    "the cluster does not serve yet; koop status "
			    "tells what is missing");
		assert(n < sizeof(text) - 1);
		got = read(fd, text + n, sizeof(text) - 1 - n);
		n += got > 0 ? (size_t)got : 0;
		if (got <= 0 || n == sizeof(text) - 1) {
			text[n] = '\0';
			return hear_child(up, text, &rc, err) ?
			    rc :
			    error_set(err, ERRC_RETRY, "the supervisor died");
		}
	}
}

static int
clusterup_detach(struct clusterup *up, struct error *err)
{
	int fd[2];
	pid_t pid;
	int rc;

	assert(up->detach_fd == -1);
	if (pipe2(fd, O_CLOEXEC) == -1)
		return error_errno(err, ERRC_NOMEM, "pipe");
	pid = fork();
	if (pid == -1)
		return error_errno(err, ERRC_NOMEM, "fork");
	if (pid != 0) {
		close(fd[1]);
		rc = await_child(up, fd[0], err);
		close(fd[0]);
		return rc;
	}
	close(fd[0]);
	up->detach_fd = fd[1];
	rc = leave_terminal(up, err);
	if (rc == 0)
		rc = supervise(up, err);
	if (rc < 0) {
		up->o->say(err->text);
		if (up->detach_fd != -1)
			dprintf(up->detach_fd, "%c %s\n",
			    (char)('A' + err->code), err->text);
	}
	_exit(rc < 0 ? error_exit_status(err->code) : 0);
}

int
clusterup_run(const struct clusterup_options *options, struct error *err)
{
	struct clusterup up = { .o = options, .detach_fd = -1 };

	signals_block();
	return options->detach ? clusterup_detach(&up, err) :
				 supervise(&up, err);
}
