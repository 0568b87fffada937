/* SPDX-License-Identifier: MIT */
#include "client/acks_stream.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"
#include "client/acks.h"
#include "cluster/topology.h"
#include "commit/positions.h"
#include "wire/nodecall.h"
#include "wire/nodeline.h"

#define CONNECT_MS 3000
#define STACK_BYTES (256u << 10)
#define LINE_ROOM (2 * NODELINE_MAX)

struct ackstream {
	struct acks *acks;
	struct peers *peers;
	const struct clock *clock;
	struct peer peer;
	char target[128];
	uint32_t set_number;
	uint32_t machine;
	int stop_fd; /* eventfd: readable once it is to stop */
	pthread_t thread;

	/* lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	bool wanted; /* ackstream_wake() since the last attempt */

	size_t have; /* the thread's own, like line */
	char line[LINE_ROOM];
};

/* Hand over the whole lines in s->line; keep what begins the next one. */
static int
feed_lines(struct ackstream *s, struct error *err)
{
	size_t at = 0;
	int rc = 0;

	assert(s->have <= sizeof(s->line));
	while (rc == 0) {
		char *lf = memchr(s->line + at, '\n', s->have - at);
		struct bytes line;

		if (lf == NULL)
			break;
		line = bytes_of(s->line + at, (size_t)(lf - (s->line + at)));
		at += line.n + 1;
		rc = acks_feed(s->acks, s->set_number, s->machine, &line, err);
	}
	assert(at <= s->have);
	memmove(s->line, s->line + at, s->have - at);
	s->have -= at;
	if (rc == 0 && s->have == sizeof(s->line))
		rc = error_set(err, ERRC_PROTOCOL, "line too long");
	return rc;
}

static bool
call_ended(struct nodecall *call)
{
	enum httpc_state state = nodecall_state(call);

	return state == HTTPC_DONE || state == HTTPC_FAILED;
}

/* Read until the stream breaks or we are to stop. */
static void
read_stream(struct ackstream *s, struct nodecall *call)
{
	struct httpc_wake wake = { .client_fd = -1, .event_fd = s->stop_fd };
	uint64_t deadline = clock_mono_ms(s->clock) + CONNECT_MS;
	bool up = false;

	s->have = 0;
	while (!call_ended(call)) {
		struct iovec iov = {
			.iov_base = s->line + s->have,
			.iov_len = sizeof(s->line) - s->have,
		};
		size_t n;
		int event;

		/* Without room nothing would come, and nothing would end. */
		assert(s->have < sizeof(s->line));
		httpc_recv_into(call->http, &iov, 1);
		event = httpc_poll(&call->http, 1, &wake, deadline);
		/* Silent for longer than its pings allow: it stands still. */
		if (event == HTTPC_TIMEOUT)
			nodecall_bad(call);
		if (event != HTTPC_PROGRESS)
			break;
		if (!up && httpc_status(call->http) != 0) {
			if (httpc_status(call->http) != 200)
				break;
			acks_connected(s->acks, s->set_number, s->machine,
			    true);
			up = true;
			deadline = clock_mono_ms(s->clock) + ACKS_SILENCE_MS;
		}
		n = httpc_received(call->http);
		if (n == 0)
			continue;
		s->have += n;
		assert(s->have <= sizeof(s->line));
		deadline = clock_mono_ms(s->clock) + ACKS_SILENCE_MS;
		if (feed_lines(s, NULL) < 0)
			break;
	}
	if (up)
		acks_connected(s->acks, s->set_number, s->machine, false);
}

/* Returns whether the stream was up for a while. */
static bool
run_stream(struct ackstream *s)
{
	struct nodecall_request request = {
		.method = "GET",
		.target = s->target,
		.untimed = true,
		.streams = true,
	};
	uint64_t began = clock_mono_ms(s->clock);
	struct nodecall call;

	if (nodecall_open(&call, s->peers, &s->peer, &request, NULL) < 0)
		return false;
	read_stream(s, &call);
	nodecall_close(&call);
	return clock_mono_ms(s->clock) - began > ACKS_RECONNECT_MAX_MS;
}

/* Wait before the next attempt; true when we are to stop. */
static bool
pause_stream(struct ackstream *s, uint64_t pause_ms)
{
	uint64_t began = clock_mono_ms(s->clock);
	bool stopping;

	assert(pause_ms >= ACKS_RECONNECT_MIN_MS);
	assert(pause_ms <= ACKS_RECONNECT_MAX_MS);
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		uint64_t waited = clock_mono_ms(s->clock) - began;
		uint64_t least = pause_ms;

		if (s->wanted)
			least = ACKS_RECONNECT_MIN_MS;
		if (waited >= least)
			break;
		(void)wait_mono_for(&s->wake, &s->lock, least - waited);
	}
	s->wanted = false;
	stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *
stream_main(void *arg)
{
	struct ackstream *s = arg;
	uint64_t pause_ms = ACKS_RECONNECT_MIN_MS;

	for (;;) {
		if (run_stream(s))
			pause_ms = ACKS_RECONNECT_MIN_MS;
		if (pause_stream(s, pause_ms))
			return NULL;
		pause_ms = KOOP_MIN(pause_ms * 2, ACKS_RECONNECT_MAX_MS);
	}
}

static int
start_thread(struct ackstream *s, struct error *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&s->thread, &attr, stream_main, s);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return error_set(err, ERRC_NOMEM,
		    "acknowledgement stream: cannot start a thread: %s",
		    strerror(rc));
	return 0;
}

int
ackstream_start(struct ackstream **out, struct acks *acks,
    const struct acks_options *options, const struct erasure_set *set,
    uint32_t machine, struct error *err)
{
	struct ackstream *s = calloc(1, sizeof(*s));
	int length, rc;

	assert(machine < set->n);
	if (s == NULL)
		return error_set(err, ERRC_NOMEM,
		    "acknowledgement stream: out of memory");
	s->acks = acks;
	s->peers = options->peers;
	s->clock = options->clock;
	s->set_number = set->number;
	s->machine = machine;
	s->peer = peers_machine(set, machine);
	/* Where a page is shared, positions in the streams would be noise. */
	length = snprintf(s->target, sizeof(s->target), "/applied?sender=%s%s",
	    options->sender,
	    options->positions == NULL || positions_shared(options->positions) ?
		"" :
		"&positions=1");
	/* Cut short it would ask for another sender's records. */
	assert(length > 0 && (size_t)length < sizeof(s->target));
	pthread_mutex_init(&s->lock, NULL);
	wait_mono_init(&s->wake);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd == -1)
		rc = error_errno(err, ERRC_NOMEM, "eventfd");
	else
		rc = start_thread(s, err);
	if (rc < 0) {
		if (s->stop_fd != -1)
			close(s->stop_fd);
		pthread_cond_destroy(&s->wake);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
ackstream_wake(struct ackstream *s)
{
	pthread_mutex_lock(&s->lock);
	if (!s->wanted) {
		s->wanted = true;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
}

void
ackstream_stop(struct ackstream *s)
{
	uint64_t one = 1;
	ssize_t n;

	pthread_mutex_lock(&s->lock);
	/* Once, by who took it out of the table. */
	assert(!s->stopping);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	n = write(s->stop_fd, &one, sizeof(one));
	assert(n == sizeof(one));
}

void
ackstream_join(struct ackstream *s)
{
	pthread_join(s->thread, NULL);
	close(s->stop_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
