/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_RANDOM_H
#define KOOP_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * Randomness behind an interface (seeded in tests), and request ids: UUIDv7
 * (RFC 9562), written as 32 lower-case hex digits without dashes.
 */

struct clock;

struct random_source {
	/* Fill n bytes; cannot fail. */
	void (*fill)(struct random_source *source, void *p, size_t n);
};

/* getrandom(2).  Has no state, so it may be shared by threads. */
extern struct random_source random_system;

/* xoshiro256** from a seed: for tests only. */
struct random_seeded {
	struct random_source source;
	uint64_t state[4];
};
void random_seeded_init(struct random_seeded *seeded, uint64_t seed);

uint64_t random_u64(struct random_source *source);

#define REQID_BYTES 16
#define REQID_HEX 32

struct reqid {
	uint8_t b[REQID_BYTES];
};

/*
 * A new id: 48 bits of milliseconds, 12 bits of counter so that the ids of one
 * process sort in the order they were made, 62 random bits.
 *
 * The milliseconds are a hybrid logical clock (protocol.md 1): the later of
 * this machine's clock and the latest time that was heard of, so that an id is
 * never older than the partition it goes to, whatever clock was wrong.
 */
struct reqid reqid_new(const struct clock *clock, struct random_source *source);
void reqid_format(char out[static REQID_HEX + 1], struct reqid id);
/* Exactly 32 lower-case hex digits, version 7, variant 2. */
KOOP_MUST bool reqid_parse(struct reqid *out, const char *hex, size_t len);
bool reqid_equal(struct reqid a, struct reqid b);
bool reqid_is_zero(struct reqid id);
uint64_t reqid_time_ms(struct reqid id);

/* A partition's time, as an answer told it.  One that is out of all reason is
 * not listened to. */
void reqid_hear(uint64_t time_ms);
uint64_t reqid_heard_ms(void); /* the latest of them; 0: none */
/* Is it older than that by more than REQID_BEHIND_MS?  Then it was minted
 * before that was heard of, and may be refused as too old. */
#define REQID_BEHIND_MS (60 * 60 * 1000)
bool reqid_is_behind(struct reqid id);
/* How far what was heard is ahead of the clock: above REQID_SKEW_MS one of
 * the two is wrong, or was. */
#define REQID_SKEW_MS 10000
uint64_t reqid_skew_ms(const struct clock *clock);

#endif
