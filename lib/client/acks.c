/* SPDX-License-Identifier: MIT */
#include "client/acks.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/wait.h"
#include "client/acks_stream.h"
#include "cluster/topology.h"
#include "commit/positions.h"
#include "wire/nodeline.h"
#include "wire/nodetime.h"

#define TABLE_SLOTS 1024

static_assert(ACKS_MACHINES_MAX == TOPOLOGY_MACHINES_MAX, "masks of machines");

/* What one machine's stream said; kept while the stream is down. */
struct ackpeer {
	uint32_t set_number, machine;
	struct machine at; /* where it listens */
	struct ackstream *stream;
	bool up;
	uint64_t generation; /* streams begun, so that a gap shows */
	uint8_t *voting;     /* by index of the partition */
};

struct ackwait {
	struct ackwait *next;
	uint32_t partition;
	struct reqid id;
	uint32_t set_number, n, write_quorum;
	pthread_cond_t done;
	uint64_t wanted_seq; /* 0 until the append said which */
	/* By machine; report_seq 0: none. */
	uint64_t report_seq[ACKS_MACHINES_MAX];
	enum outcome outcome[ACKS_MACHINES_MAX];
	uint32_t voted; /* had a vote when, or after, it reported */
	uint64_t generation[ACKS_MACHINES_MAX]; /* 0: its stream was down */
};

/* The machines and partitions of one topology. */
struct ackset {
	struct ackpeer *peers;
	size_t peer_count;
	uint32_t *partitions; /* sorted numbers */
	size_t partition_count;
};

struct acks {
	const struct clock *clock;
	struct acks_options options; /* without the topology */
	bool streams;

	/* lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a stream began, or a vote */
	struct ackwait *table[TABLE_SLOTS];
	struct ackset now;
};

static size_t
acks_slot(uint32_t partition, struct reqid id)
{
	/* The last bytes of an id are random. */
	return (load_le32(id.b + 12) ^ partition) % TABLE_SLOTS;
}

static struct ackpeer *
find_in(const struct ackset *set, uint32_t set_number, uint32_t machine)
{
	for (size_t i = 0; i < set->peer_count; i++) {
		if (set->peers[i].set_number == set_number &&
		    set->peers[i].machine == machine)
			return &set->peers[i];
	}
	return NULL;
}

static struct ackpeer *
find_peer(struct acks *acks, uint32_t set_number, uint32_t machine)
{
	return find_in(&acks->now, set_number, machine);
}

static bool
peer_votes(const struct acks *acks, const struct ackpeer *peer,
    uint32_t partition)
{
	size_t index = topology_search(acks->now.partitions,
	    acks->now.partition_count, partition);

	return index != SIZE_MAX && peer->voting[index] != 0;
}

/* The peers of a topology, without streams. */
static int
make_peers(struct ackset *out, const struct topology *topology,
    struct error *err)
{
	size_t count = 0;

	for (size_t i = 0; i < topology->set_count; i++)
		count += topology->sets[i].n;
	out->peers = calloc(count, sizeof(*out->peers));
	out->partitions = calloc(topology->partition_count,
	    sizeof(*out->partitions));
	if (out->peers == NULL || out->partitions == NULL)
		return error_set(err, ERRC_NOMEM, "acks: out of memory");
	out->partition_count = topology->partition_count;
	memcpy(out->partitions, topology->partitions,
	    topology->partition_count * sizeof(*out->partitions));
	for (size_t i = 0; i < topology->set_count; i++) {
		for (uint32_t j = 0; j < topology->sets[i].n; j++) {
			struct ackpeer *peer = &out->peers[out->peer_count];

			peer->set_number = topology->sets[i].number;
			peer->machine = j;
			peer->at = topology->sets[i].machine[j];
			peer->voting = calloc(topology->partition_count, 1);
			if (peer->voting == NULL)
				return error_set(err, ERRC_NOMEM,
				    "acks: out of memory");
			out->peer_count++;
		}
	}
	assert(out->peer_count == count);
	return 0;
}

static void
free_peers(struct ackset *set)
{
	for (size_t i = 0; i < set->peer_count; i++) {
		/* Its thread would feed lines to who has no peer for them. */
		assert(set->peers[i].stream == NULL);
		free(set->peers[i].voting);
	}
	free(set->peers);
	free(set->partitions);
	*set = (struct ackset){ 0 };
}

static bool
is_there(const struct ackset *set, const struct ackpeer *peer)
{
	const struct ackpeer *same = find_in(set, peer->set_number,
	    peer->machine);

	return same != NULL && same->at.port == peer->at.port &&
	    strcmp(same->at.ip, peer->at.ip) == 0;
}

/*
 * Stop the streams of machines that `keep` does not have, or has elsewhere,
 * and wait for their threads: after that none of their lines is taken for one
 * of a successor.
 */
static void
stop_streams(struct acks *acks, const struct ackset *keep)
{
	struct ackstream **gone;
	size_t count = 0;

	gone = calloc(acks->now.peer_count + 1, sizeof(struct ackstream *));
	pthread_mutex_lock(&acks->lock);
	for (size_t i = 0; i < acks->now.peer_count; i++) {
		struct ackpeer *peer = &acks->now.peers[i];

		if (peer->stream == NULL || is_there(keep, peer))
			continue;
		/* No memory to join them side by side: one by one. */
		if (gone == NULL) {
			struct ackstream *stream = peer->stream;

			peer->stream = NULL;
			pthread_mutex_unlock(&acks->lock);
			ackstream_stop(stream);
			ackstream_join(stream);
			pthread_mutex_lock(&acks->lock);
			continue;
		}
		gone[count++] = peer->stream;
		peer->stream = NULL;
		peer->up = false;
	}
	assert(count <= acks->now.peer_count);
	pthread_mutex_unlock(&acks->lock);
	for (size_t i = 0; i < count; i++)
		ackstream_stop(gone[i]);
	for (size_t i = 0; i < count; i++)
		ackstream_join(gone[i]);
	free(gone);
}

/* What a machine's stream said of partitions that there still are. */
static void
move_votes(struct ackset *to, struct ackpeer *peer, const struct ackset *from,
    const struct ackpeer *old)
{
	/* A vote is one machine's own: another's would count what that never
	 * applied. */
	assert(peer->set_number == old->set_number);
	assert(peer->machine == old->machine);
	for (size_t i = 0; i < from->partition_count; i++) {
		size_t index = topology_search(to->partitions,
		    to->partition_count, from->partitions[i]);

		if (index != SIZE_MAX)
			peer->voting[index] = old->voting[i];
	}
}

static void
take_peers_locked(struct acks *acks, struct ackset *made)
{
	struct ackset old = acks->now;

	for (size_t i = 0; i < made->peer_count; i++) {
		struct ackpeer *peer = &made->peers[i];
		struct ackpeer *was = find_in(&old, peer->set_number,
		    peer->machine);

		if (was == NULL)
			continue;
		/* A successor's stream is another: a gap shows. */
		peer->generation = was->generation + 1;
		if (!is_there(&old, peer))
			continue;
		peer->stream = was->stream;
		peer->up = was->up;
		peer->generation = was->generation;
		was->stream = NULL;
		move_votes(made, peer, &old, was);
	}
	acks->now = *made;
	*made = old;
}

/* Streams for those that have none. */
static int
start_streams(struct acks *acks, const struct topology *topology,
    struct error *err)
{
	for (size_t i = 0; i < acks->now.peer_count && acks->streams; i++) {
		struct ackpeer *peer = &acks->now.peers[i];
		struct ackstream *stream = NULL;
		const struct erasure_set *set;
		int rc;

		/* Only this thread changes it. */
		if (peer->stream != NULL)
			continue;
		set = topology_set(topology, peer->set_number);
		/* The peers were made from that topology. */
		assert(set != NULL && peer->machine < set->n);
		rc = ackstream_start(&stream, acks, &acks->options, set,
		    peer->machine, err);
		if (rc < 0)
			return rc;
		pthread_mutex_lock(&acks->lock);
		peer->stream = stream;
		pthread_mutex_unlock(&acks->lock);
	}
	return 0;
}

int
acks_reconcile(struct acks *acks, const struct topology *topology,
    struct error *err)
{
	struct ackset made = { 0 };
	int rc;

	rc = make_peers(&made, topology, err);
	if (rc == 0) {
		stop_streams(acks, &made);
		pthread_mutex_lock(&acks->lock);
		take_peers_locked(acks, &made);
		pthread_cond_broadcast(&acks->changed);
		pthread_mutex_unlock(&acks->lock);
		rc = start_streams(acks, topology, err);
	}
	free_peers(&made);
	return rc;
}

int
acks_open(struct acks **out, const struct acks_options *options,
    struct error *err)
{
	struct acks *acks = calloc(1, sizeof(*acks));
	int rc;

	if (acks == NULL)
		return error_set(err, ERRC_NOMEM, "acks: out of memory");
	acks->clock = options->clock;
	acks->options = *options;
	acks->options.topology = NULL; /* not ours for longer than this */
	acks->streams = options->streams;
	pthread_mutex_init(&acks->lock, NULL);
	wait_mono_init(&acks->changed);
	rc = acks_reconcile(acks, options->topology, err);
	if (rc < 0) {
		acks_close(acks);
		return rc;
	}
	*out = acks;
	return 0;
}

void
acks_close(struct acks *acks)
{
	struct ackset none = { 0 };

	if (acks == NULL)
		return;
	stop_streams(acks, &none);
	for (size_t i = 0; i < TABLE_SLOTS; i++)
		assert(acks->table[i] == NULL);
	free_peers(&acks->now);
	pthread_cond_destroy(&acks->changed);
	pthread_mutex_destroy(&acks->lock);
	free(acks);
}

/* Note where each stream stands, and hurry those that are down. */
static void
note_streams_locked(struct acks *acks, struct ackwait *wait)
{
	for (size_t i = 0; i < acks->now.peer_count; i++) {
		struct ackpeer *peer = &acks->now.peers[i];

		if (peer->set_number != wait->set_number)
			continue;
		assert(peer->machine < ACKS_MACHINES_MAX);
		/* 0 says that the stream was down. */
		assert(!peer->up || peer->generation > 0);
		if (peer->up)
			wait->generation[peer->machine] = peer->generation;
		else if (peer->stream != NULL)
			ackstream_wake(peer->stream);
	}
}

int
acks_expect(struct acks *acks, const struct erasure_set *set,
    uint32_t partition, struct reqid id, struct ackwait **out,
    struct error *err)
{
	struct ackwait *wait = calloc(1, sizeof(*wait));
	struct ackwait **slot = &acks->table[acks_slot(partition, id)];

	if (wait == NULL)
		return error_set(err, ERRC_NOMEM, "acks: out of memory");
	assert(set->n <= ACKS_MACHINES_MAX);
	assert(set->write_quorum <= set->n);
	/* Two outcomes of one record cannot both have a quorum. */
	assert(set->write_quorum > set->n / 2);
	wait->partition = partition;
	wait->id = id;
	wait->set_number = set->number;
	wait->n = set->n;
	wait->write_quorum = set->write_quorum;
	wait_mono_init(&wait->done);
	pthread_mutex_lock(&acks->lock);
	note_streams_locked(acks, wait);
	wait->next = *slot;
	*slot = wait;
	pthread_mutex_unlock(&acks->lock);
	*out = wait;
	return 0;
}

void
acks_forget(struct acks *acks, struct ackwait *wait)
{
	struct ackwait **at;

	if (wait == NULL)
		return;
	pthread_mutex_lock(&acks->lock);
	at = &acks->table[acks_slot(wait->partition, wait->id)];
	while (*at != wait) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = wait->next;
	pthread_mutex_unlock(&acks->lock);
	pthread_cond_destroy(&wait->done);
	free(wait);
}

/* The outcome that write_quorum voting machines reported for seq: also a
 * refusal waits for all of them (protocol.md 6.3).  One machine's 412 would
 * tell of a version that a later read of six others need not meet (why: S17,
 * S2).  A machine without a vote may have lost what it says (S6). */
static bool
decided_locked(const struct ackwait *wait, uint64_t seq, enum outcome *outcome)
{
	uint32_t count[OUTCOME_MAX] = { 0 };

	if (seq == 0)
		return false;
	for (uint32_t i = 0; i < wait->n; i++) {
		if (wait->report_seq[i] != seq || !(wait->voted >> i & 1))
			continue;
		assert(wait->outcome[i] < OUTCOME_MAX);
		if (++count[wait->outcome[i]] >= wait->write_quorum) {
			*outcome = wait->outcome[i];
			return true;
		}
	}
	return false;
}

static bool
reachable_locked(const struct acks *acks, const struct ackwait *wait)
{
	bool streams = false;
	uint32_t there = 0;

	for (size_t i = 0; i < acks->now.peer_count; i++) {
		const struct ackpeer *peer = &acks->now.peers[i];

		if (peer->set_number != wait->set_number)
			continue;
		streams = streams || peer->stream != NULL;
		there += peer->up && peer_votes(acks, peer, wait->partition);
	}
	return !streams || there >= wait->write_quorum;
}

bool
acks_reachable(struct acks *acks, const struct ackwait *wait, uint64_t until)
{
	bool reachable;
	int left;

	pthread_mutex_lock(&acks->lock);
	while (!(reachable = reachable_locked(acks, wait)) &&
	    (left = clock_left_ms(acks->clock, until)) > 0)
		(void)wait_mono_for(&acks->changed, &acks->lock,
		    (uint64_t)left);
	pthread_mutex_unlock(&acks->lock);
	return reachable;
}

bool
acks_wait(struct acks *acks, struct ackwait *wait, uint64_t seq, uint64_t until,
    enum outcome *out)
{
	bool decided;

	assert(seq > 0);
	pthread_mutex_lock(&acks->lock);
	/* Of the records of an id only a later one can still be wanted. */
	assert(seq >= wait->wanted_seq);
	wait->wanted_seq = seq;
	for (;;) {
		int left = clock_left_ms(acks->clock, until);

		decided = decided_locked(wait, seq, out);
		if (decided || left == 0)
			break;
		(void)wait_mono_for(&wait->done, &acks->lock, (uint64_t)left);
	}
	pthread_mutex_unlock(&acks->lock);
	return decided;
}

uint32_t
acks_missing(struct acks *acks, struct ackwait *wait, uint64_t seq, bool all)
{
	uint32_t missing = 0;

	/* 0 is what those have that reported nothing. */
	assert(seq > 0);
	pthread_mutex_lock(&acks->lock);
	for (uint32_t i = 0; i < wait->n; i++) {
		const struct ackpeer *peer = find_peer(acks, wait->set_number,
		    i);
		bool unbroken = peer != NULL && peer->up &&
		    peer->generation == wait->generation[i];
		bool reported = wait->report_seq[i] == seq &&
		    (wait->voted >> i & 1) != 0;

		if (!reported && (all || !unbroken))
			missing |= 1u << i;
	}
	pthread_mutex_unlock(&acks->lock);
	return missing;
}

/* Reports of one machine come in the order of the log, but a direct answer
 * may overtake the stream: an older one never replaces a newer one. */
static void
note_report_locked(struct ackwait *wait, uint32_t machine, uint64_t seq,
    enum outcome outcome, bool voting)
{
	enum outcome decided;

	if (machine >= wait->n || seq < wait->report_seq[machine])
		return;
	/* A newer report needs a vote of its own: between the two the machine
	 * may have been started anew, from an older disk (protocol.md 5, votes;
	 * why: S6). */
	if (seq > wait->report_seq[machine])
		wait->voted &= ~(1u << machine);
	wait->report_seq[machine] = seq;
	wait->outcome[machine] = outcome;
	if (voting)
		wait->voted |= 1u << machine;
	if (decided_locked(wait, wait->wanted_seq, &decided))
		pthread_cond_signal(&wait->done);
}

void
acks_report(struct acks *acks, struct ackwait *wait, uint32_t machine,
    uint64_t seq, enum outcome outcome, bool voting)
{
	assert(machine < ACKS_MACHINES_MAX);
	assert(outcome < OUTCOME_MAX);
	pthread_mutex_lock(&acks->lock);
	note_report_locked(wait, machine, seq, outcome, voting);
	pthread_mutex_unlock(&acks->lock);
}

static void
feed_outcome_locked(struct acks *acks, const struct ackpeer *peer,
    const struct nodeline_ack *line)
{
	struct ackwait *wait;

	assert(line->kind == NODELINE_OUTCOME);
	wait = acks->table[acks_slot(line->partition, line->id)];
	for (; wait != NULL; wait = wait->next) {
		if (wait->partition == line->partition &&
		    wait->set_number == peer->set_number &&
		    reqid_equal(wait->id, line->id))
			note_report_locked(wait, peer->machine, line->seq,
			    line->outcome,
			    peer_votes(acks, peer, line->partition));
	}
}

/* A machine that applied records before it had a vote has one now: what it
 * reported counts from here on. */
static void
feed_vote_locked(struct acks *acks, struct ackpeer *peer,
    const struct nodeline_ack *line)
{
	size_t index = topology_search(acks->now.partitions,
	    acks->now.partition_count, line->partition);

	assert(line->kind == NODELINE_VOTING);
	if (index == SIZE_MAX)
		return;
	assert(index < acks->now.partition_count);
	peer->voting[index] = line->voting;
	/* What it reported while it had a vote stands: applied is durable
	 * (protocol.md 5). */
	if (!line->voting)
		return;
	pthread_cond_broadcast(&acks->changed);
	for (size_t i = 0; i < TABLE_SLOTS; i++) {
		struct ackwait *wait = acks->table[i];

		for (; wait != NULL; wait = wait->next) {
			uint32_t m = peer->machine;

			if (wait->partition == line->partition &&
			    wait->set_number == peer->set_number &&
			    wait->report_seq[m] != 0)
				note_report_locked(wait, m, wait->report_seq[m],
				    wait->outcome[m], true);
		}
	}
}

int
acks_feed(struct acks *acks, uint32_t set_number, uint32_t machine,
    const struct bytes *line, struct error *err)
{
	struct nodeline_ack ack;
	struct ackpeer *peer;
	int rc;

	rc = nodeline_ack_parse(&ack, *line, err);
	if (rc < 0)
		return rc;
	if (ack.kind == NODELINE_TIME)
		nodetime_hear(acks->clock, ack.time_ms);
	pthread_mutex_lock(&acks->lock);
	peer = find_peer(acks, set_number, machine);
	if (peer != NULL && ack.kind == NODELINE_OUTCOME)
		feed_outcome_locked(acks, peer, &ack);
	else if (peer != NULL && ack.kind == NODELINE_VOTING)
		feed_vote_locked(acks, peer, &ack);
	pthread_mutex_unlock(&acks->lock);
	if (ack.kind == NODELINE_POSITION && acks->options.positions != NULL)
		positions_told(acks->options.positions,
		    (struct positions_member){ set_number, machine },
		    ack.partition, ack.seq);
	return 0;
}

void
acks_connected(struct acks *acks, uint32_t set_number, uint32_t machine,
    bool connected)
{
	struct ackpeer *peer;

	/* A machine that comes back may have less than it said. */
	if (acks->options.positions != NULL)
		positions_forget(acks->options.positions,
		    (struct positions_member){ set_number, machine });
	pthread_mutex_lock(&acks->lock);
	peer = find_peer(acks, set_number, machine);
	if (peer != NULL) {
		peer->up = connected;
		if (connected)
			peer->generation++;
		/* Votes are told anew by each stream: who was started anew in
		 * between has none until it has caught up (protocol.md 5,
		 * votes). */
		memset(peer->voting, 0, acks->now.partition_count);
	}
	pthread_mutex_unlock(&acks->lock);
}

unsigned
acks_streams(struct acks *acks)
{
	unsigned up = 0;

	pthread_mutex_lock(&acks->lock);
	for (size_t i = 0; i < acks->now.peer_count; i++)
		up += acks->now.peers[i].up;
	pthread_mutex_unlock(&acks->lock);
	return up;
}
