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

struct topology_backend {
	const char *scheme; /* "file:" */
	/* rest is what follows the scheme. */
	int (*open)(void **state, const char *rest, struct error *err);
	/*
	 * The text, when it is another than at the last call (or force); NULL
	 * when it is the same.  The caller frees it.
	 */
	int (*read)(void *state, bool force, char **text, size_t *bytes,
	    struct error *err);
	void (*close)(void *state);
};

extern const struct topology_backend topology_file;
extern const struct topology_backend topology_mem;

#endif
