/* SPDX-License-Identifier: MIT */
#include "up/layout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/io.h"
#include "base/number.h"
#include "base/random.h"
#include "cluster/topology.h"
#include "commit/commitlog.h"

#define CONFIG_MAX (64 * 1024)
#define TOPOLOGY_MAX (4 * 1024 * 1024)
/* Programs of a supervisor that was killed die with it, but not at once. */
#define PORT_WAIT_MS 5000

/* What one user has made the next must not write into: neither of them could
 * run it afterwards. */
static int
check_owner(const char *dir, struct error *err)
{
	char path[2 * LAYOUT_DIR_BYTES];
	struct stat st;
	bool made;

	assert(dir[0] == '/');
	snprintf(path, sizeof(path), "%s/" LAYOUT_LOCK, dir);
	made = stat(path, &st) == 0;
	if (made ? st.st_uid == geteuid() : access(dir, W_OK | X_OK) == 0)
		return 0;
	if (!made && stat(dir, &st) == -1)
		return error_errno(err, ERRC_DENIED, "%s", dir);
	return error_set(err, ERRC_DENIED,
	    "%s belongs to user %u; run koop up as that user, or choose "
	    "another folder with --data",
	    dir, (unsigned)st.st_uid);
}

int
layout_resolve(char out[static LAYOUT_DIR_BYTES], const char *dir, bool create,
    struct error *err)
{
	char path[PATH_MAX];
	size_t n;

	if (create && mkdir(dir, 0750) == -1 && errno != EEXIST)
		return error_errno(err, ERRC_CANTCREATE, "%s", dir);
	if (realpath(dir, path) == NULL)
		return errno == ENOENT ?
		    error_no_cluster(err, "%s: %s", dir, strerror(ENOENT)) :
		    error_errno(err, ERRC_NOTFOUND, "%s", dir);
	n = strlen(path);
	if (n >= LAYOUT_DIR_BYTES)
		return error_set(err, ERRC_USAGE, "%s: path too long", path);
	assert(path[0] == '/'); /* programs run elsewhere */
	memcpy(out, path, n + 1);
	return create ? check_owner(out, err) : 0;
}

static int
lock_folder(struct layout *l, struct error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[2 * LAYOUT_DIR_BYTES];

	assert(l->lock_fd == -1);
	snprintf(path, sizeof(path), "%s/" LAYOUT_LOCK, l->dir);
	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->lock_fd == -1)
		return error_errno(err, ERRC_CANTCREATE, "%s", path);
	if (fcntl(l->lock_fd, F_OFD_SETLK, &lock) == -1)
		return error_set(err, ERRC_RETRY,
		    "a cluster runs in %s already; stop it with: "
		    "koop down --data %s, or run another in its own folder "
		    "with --data",
		    l->dir, l->dir);
	return 0;
}

bool
layout_config(const char *dir, const char *key, char *out, size_t room)
{
	char path[2 * LAYOUT_DIR_BYTES];
	char *text = NULL;
	size_t n, key_n = strlen(key);
	size_t used = 0;
	bool found = false;

	assert(room > 0);
	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/koop.conf", dir);
	if (io_read_file(&text, &n, path, CONFIG_MAX, NULL) < 0)
		return false;
	/* Sections come behind what is shared. */
	for (char *line = text;
	     line != NULL && *line != '\0' && *line != '[';) {
		char *end = strchr(line, '\n');
		char *value;

		if (end != NULL)
			*end++ = '\0';
		value = line + key_n;
		if (strncmp(line, key, key_n) == 0 &&
		    (*value == ' ' || *value == '=')) {
			value += strspn(value, " =");
			used += (size_t)snprintf(out + used, room - used,
			    "%s%s", used > 0 ? " " : "", value);
			found = used < room;
			if (!found)
				break;
		}
		line = end;
	}
	free(text);
	return found;
}

/* Hold a port, waiting out what a killed supervisor has left. */
static int
hold_port(struct layout *l, uint16_t port, struct error *err)
{
	uint64_t deadline = clock_mono_ms(&clock_system) + PORT_WAIT_MS;
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int rc;

	while ((rc = ports_hold(&l->ports, port, err)) < 0 &&
	    clock_left_ms(&clock_system, deadline) > 0)
		nanosleep(&pause, NULL);
	return rc;
}

/* A port that can still be chosen is taken: what else can be done. */
static int
wanted_port(int rc, unsigned port, struct error *err)
{
	if (rc != -ERRC_UNAVAILABLE)
		return rc;
	return error_set(err, ERRC_UNAVAILABLE,
	    "port %u is taken, perhaps by another cluster; stop that, or take "
	    "free ports with --port 0 --node-port 0",
	    port);
}

/* One that was fixed when the cluster was made. */
static int
fixed_port(int rc, unsigned port, const char *whose, struct error *err)
{
	assert(port != 0);
	if (rc != -ERRC_UNAVAILABLE)
		return rc;
	return error_set(err, ERRC_UNAVAILABLE,
	    "port %u is taken, which this cluster had %s; stop what listens "
	    "there (ss -ltnp 'sport = :%u' shows it)%s",
	    port, whose, port,
	    strcmp(whose, "for a gateway") == 0 ?
		", or choose another with --port" :
		"");
}

static int
choose_port(struct layout *l, uint64_t wanted, unsigned i, uint16_t *out,
    struct error *err)
{
	if (wanted == 0)
		return ports_find(&l->ports, &random_system, out, err);
	if (wanted + i > UINT16_MAX)
		return error_set(err, ERRC_USAGE, "port %llu: too high",
		    (unsigned long long)(wanted + i));
	assert(wanted + i > 0); /* 0 is any port, which is not held */
	*out = (uint16_t)(wanted + i);
	return wanted_port(hold_port(l, *out, err), *out, err);
}

static uint64_t
or_default(uint64_t value, uint64_t otherwise)
{
	return value == LAYOUT_UNSET ? otherwise : value;
}

static int
layout_publish_files(const struct layout *l, const char *name,
    const struct buf *text, struct error *err)
{
	int dirfd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	assert(l->lock_fd != -1); /* or two would write here */
	if (dirfd == -1)
		return error_errno(err, ERRC_CANTCREATE, "%s", l->dir);
	rc = buf_failed(text) ?
	    error_set(err, ERRC_NOMEM, "%s", name) :
	    file_publish(&file_system, dirfd, name, text->p, text->n, err);
	close(dirfd);
	return rc;
}

static int
make_topology(struct layout *l, const struct layout_options *o,
    struct error *err)
{
	uint64_t data = or_default(o->data_shards, 6);
	uint64_t parity = or_default(o->parity_shards, 3);
	struct topology_options make = {
		.host = "127.0.0.1",
		.node_port = 1,
		.nodes = (uint32_t)or_default(o->nodes, data + parity),
		.data_shards = (uint32_t)data,
		.parity_shards = (uint32_t)parity,
		.write_quorum = (uint32_t)or_default(o->write_quorum, 0),
		.partitions = (uint32_t)or_default(o->partitions, 32),
	};
	struct buf text = buf_make(TOPOLOGY_MAX);
	unsigned number = 0;
	int rc;

	/* Objects lie where the shape has put them: it is made once. */
	assert(!l->complete);
	rc = topology_make(&l->topology, &make, err);
	for (size_t s = 0; rc == 0 && s < l->topology->set_count; s++) {
		struct erasure_set *set = &l->topology->sets[s];
		for (uint32_t i = 0; rc == 0 && i < set->n; i++)
			rc = choose_port(l, or_default(o->node_port, 8001),
			    number++, &set->machine[i].port, err);
	}
	if (rc == 0) {
		topology_print(l->topology, &text);
		rc = layout_publish_files(l, "topology.json", &text, err);
	}
	buf_fini(&text);
	return rc;
}

static int
other_shape(const struct layout *l, const uint64_t *value, const char *flag,
    uint64_t there, struct error *err)
{
	const char *origin = cli_origin(value, flag);

	assert(*value != there);
	return error_set(err, origin == flag ? ERRC_USAGE : ERRC_CONFIG,
	    "%s %llu: the cluster in %s has %llu, fixed when it was made; "
	    "leave it out, or use another --data",
	    origin, (unsigned long long)*value, l->dir,
	    (unsigned long long)there);
}

/* Does what is there have the shape that was asked for? */
static int
same_shape(const struct layout *l, const struct layout_options *o,
    struct error *err)
{
	const struct erasure_set *set = &l->topology->sets[0];
	const struct {
		const char *flag;
		const uint64_t *value;
		uint64_t there;
	} shape[] = {
		{ "--nodes", &o->nodes, set->n * l->topology->set_count },
		{ "--data-shards", &o->data_shards, set->data_shards },
		{ "--parity-shards", &o->parity_shards,
		    set->n - set->data_shards },
		{ "--write-quorum", &o->write_quorum, set->write_quorum },
		{ "--partitions", &o->partitions,
		    l->topology->partition_count },
		{ "--node-port", &o->node_port, set->machine[0].port },
	};

	assert(l->topology->set_count >= 1 && set->n > set->data_shards);
	for (size_t i = 0; i < nitems(shape); i++) {
		/* Any port is the one that it has. */
		bool any = shape[i].value == &o->node_port && o->node_port == 0;

		if (*shape[i].value != LAYOUT_UNSET && !any &&
		    *shape[i].value != shape[i].there)
			return other_shape(l, shape[i].value, shape[i].flag,
			    shape[i].there, err);
	}
	return 0;
}

/* Without it there is no cluster, and a new one would not be the same. */
static int
lost_file(const struct layout *l, const char *name, const char *why,
    struct error *err)
{
	assert(l->complete);
	return error_set(err, ERRC_NOINPUT,
	    "%s of the cluster in %s is lost: %s; bring it back from a copy, "
	    "or begin anew in another folder with --data",
	    name, l->dir, why);
}

static int
load_topology(struct layout *l, const struct layout_options *o,
    struct error *err)
{
	char path[2 * LAYOUT_DIR_BYTES];
	char *text = NULL;
	size_t n;
	int rc;

	snprintf(path, sizeof(path), "%s/topology.json", l->dir);
	if (access(path, F_OK) == -1 && errno == ENOENT && !l->complete)
		return make_topology(l, o, err);
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return lost_file(l, "topology.json",
		    "it says where everything lies", err);
	rc = io_read_file(&text, &n, path, TOPOLOGY_MAX, err);
	if (rc < 0)
		return rc;
	rc = topology_parse(&l->topology, bytes_of(text, n), err);
	free(text);
	if (rc < 0)
		return error_wrap(err, "%s", path);
	rc = same_shape(l, o, err);
	for (size_t s = 0; rc == 0 && s < l->topology->set_count; s++) {
		const struct erasure_set *set = &l->topology->sets[s];
		for (uint32_t i = 0; rc == 0 && i < set->n; i++)
			rc = fixed_port(hold_port(l, set->machine[i].port, err),
			    set->machine[i].port, "for a node", err);
	}
	return rc;
}

/* The gateways' ports: asked for, or as last time, or the usual ones. */
static int
load_gateways(struct layout *l, const struct layout_options *o,
    struct error *err)
{
	char text[1024] = "";
	uint64_t count, wanted = o->port;
	const char *at = text;
	int rc = 0;

	if (!layout_config(l->dir, "gateway", text, sizeof(text)))
		text[0] = '\0';
	l->gateways = 0;
	while (o->port == LAYOUT_UNSET && l->gateways < LAYOUT_GATEWAYS_MAX &&
	    (at = strchr(at, ':')) != NULL) {
		uint64_t port;

		/* "http://127.0.0.1:PORT ..."; the scheme's colon is no port */
		at++;
		if (number_parse(&port, at, strcspn(at, " "), 1, UINT16_MAX))
			l->gateway_port[l->gateways++] = (uint16_t)port;
	}
	count = or_default(o->gateways, l->gateways == 0 ? 1 : l->gateways);
	assert(count >= 1 && count <= LAYOUT_GATEWAYS_MAX);
	l->gateways = (unsigned)KOOP_MIN(l->gateways, count);
	for (unsigned i = 0; rc == 0 && i < l->gateways; i++)
		rc = fixed_port(hold_port(l, l->gateway_port[i], err),
		    l->gateway_port[i], "for a gateway", err);
	if (wanted == LAYOUT_UNSET)
		wanted = l->gateways == 0 ? 9001 : l->gateway_port[0];
	while (rc == 0 && l->gateways < count) {
		rc = choose_port(l, wanted, l->gateways,
		    &l->gateway_port[l->gateways], err);
		l->gateways++;
	}
	return rc;
}

/* All programs of a cluster must do the same, so koop.conf keeps it. */
static void
load_positions(struct layout *l, const struct layout_options *o)
{
	char text[256];

	if (o->positions == NULL)
		l->unshared = layout_config(l->dir, "commit-log", text,
				  sizeof(text)) &&
		    strcmp(text, LAYOUT_LOG "?shared=no") == 0;
	else
		l->unshared = strcmp(o->positions, "streams") == 0;
}

static int
load_commit_log(struct layout *l, struct error *err)
{
	struct commitlog_options options = { .clock = &clock_system };
	struct commitlog *log = NULL;
	char url[2 * LAYOUT_DIR_BYTES];
	int rc;

	snprintf(url, sizeof(url), "sqlite:%s/commit.db", l->dir);
	if (l->complete && access(url + strlen("sqlite:"), F_OK) == -1)
		return lost_file(l, "commit.db", "what exists is written there",
		    err);
	if (!l->complete) {
		struct commitlog_genesis genesis = {
			.partitions = l->topology->partitions,
			.count = l->topology->partition_count,
		};
		reqid_format(genesis.cluster,
		    reqid_new(&clock_system, &random_system));
		rc = commitlog_create(url, &genesis, &options, err);
		/* One is there already: an earlier attempt was killed. */
		if (rc < 0 && rc != -ERRC_MISMATCH)
			return rc;
	}
	rc = commitlog_open(&log, url, &options, err);
	if (rc < 0)
		return rc;
	snprintf(l->cluster, sizeof(l->cluster), "%s", commitlog_cluster(log));
	commitlog_close(log);
	return 0;
}

int
layout_open(struct layout *l, const struct layout_options *o, struct error *err)
{
	char path[2 * LAYOUT_DIR_BYTES];
	int rc;

	*l = (struct layout){ .lock_fd = -1 };
	rc = layout_resolve(l->dir, o->dir, true, err);
	if (rc == 0)
		rc = lock_folder(l, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/log", l->dir);
	if (mkdir(path, 0750) == -1 && errno != EEXIST)
		return error_errno(err, ERRC_CANTCREATE, "%s", path);
	snprintf(path, sizeof(path), "%s/koop.conf", l->dir);
	l->complete = access(path, F_OK) == 0;
	rc = load_topology(l, o, err);
	if (rc == 0)
		rc = load_gateways(l, o, err);
	if (rc == 0)
		load_positions(l, o);
	if (rc == 0)
		rc = load_commit_log(l, err);
	return rc;
}

int
layout_publish(struct layout *l, const char *lines, struct error *err)
{
	const struct erasure_set *set = &l->topology->sets[0];
	struct buf text = buf_make(CONFIG_MAX);
	int rc;

	assert(l->lock_fd != -1 && l->gateways >= 1);
	buf_printf(&text,
	    "# Written by koop-up(1) at each start; see koop.conf(5).\n"
	    "# cluster = %s\n"
	    "topology = file:topology.json\n"
	    "commit-log = " LAYOUT_LOG "%s\n",
	    l->cluster, l->unshared ? "?shared=no" : "");
	for (unsigned i = 0; i < l->gateways; i++)
		buf_printf(&text, "gateway = http://127.0.0.1:%u\n",
		    l->gateway_port[i]);
	buf_printf(&text,
	    "%s\n[koop-gw]\nsession-cache = sqlite:session.db\n"
	    "\n[koop-encode]\ndata-shards = %u\nparity-shards = %u\n",
	    lines, set->data_shards, set->n - set->data_shards);
	rc = layout_publish_files(l, "koop.conf", &text, err);
	if (rc == 0)
		l->complete = true;
	buf_fini(&text);
	return rc;
}

bool
layout_there(const struct layout *l)
{
	struct stat st;

	assert(l->lock_fd != -1);
	return fstat(l->lock_fd, &st) == -1 || st.st_nlink > 0;
}

void
layout_close(struct layout *l)
{
	ports_fini(&l->ports);
	topology_free(l->topology);
	if (l->lock_fd != -1)
		close(l->lock_fd);
	l->lock_fd = -1;
}
