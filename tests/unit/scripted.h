/* SPDX-License-Identifier: MIT */
#ifndef KOOP_TESTS_UNIT_SCRIPTED_H
#define KOOP_TESTS_UNIT_SCRIPTED_H

/*
 * A server that reads a request's head and answers with fixed bytes, one
 * script for each connection, one connection after another.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script {
	const char *bytes;
	size_t n;
	bool stays; /* open for one more request, which is then not answered */
};

struct scripted {
	int listener;
	uint16_t port;
	pthread_t thread;
	const struct script *scripts;
	size_t count;
	atomic_int requests;
	char last[4097]; /* head of the last one */
};

bool scripted_start(struct scripted *s, const struct script *scripts,
    size_t count);
/* Every connection of a script that stays must have been closed. */
void scripted_stop(struct scripted *s);

#endif
