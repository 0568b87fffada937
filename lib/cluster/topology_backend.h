/* SPDX-License-Identifier: MIT */
#ifndef KOOP_CLUSTER_TOPOLOGY_BACKEND_H
#define KOOP_CLUSTER_TOPOLOGY_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What topology_source.c asks of a backend.  Calls on one state never
 * overlap.
 */

struct error;

typedef void topology_ring_fn(void *arg);

struct topology_backend {
	const char *scheme; /* "file:" */
	/* rest is what follows the scheme.  ring(arg) says that there is news;
	 * any thread may call it, until close. */
	int (*open)(void **state, const char *rest, topology_ring_fn *ring,
	    void *arg, struct error *err);
	/* How often to look without being rung for. */
	unsigned look_ms;
	/*
	 * The text, when it is another than at the last call (or force); NULL
	 * when it is the same.  The caller frees it.  ERRC_NOINPUT: there is
	 * none; ERRC_UNAVAILABLE: it cannot be said now.
	 */
	int (*read)(void *state, bool force, char **text, size_t *bytes,
	    struct error *err);
	void (*close)(void *state);
};

extern const struct topology_backend topology_file;
extern const struct topology_backend topology_mem;

#endif
