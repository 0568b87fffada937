/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/clock.h"

static void
system_fill(struct random_source *source, void *p, size_t n)
{
	uint8_t *to = p;

	(void)source;
	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);

		/* Without O_NONBLOCK only a signal can stop it. */
		assert(got > 0 || errno == EINTR);
		if (got > 0) {
			assert((size_t)got <= n);
			to += got;
			n -= (size_t)got;
		}
	}
}

struct random_source random_system = { system_fill };

static uint64_t
rotate_left(uint64_t x, int k)
{
	assert(k > 0 && k < 64);
	return x << k | x >> (64 - k);
}

/* xoshiro256**, Blackman and Vigna, public domain. */
static uint64_t
seeded_next(uint64_t s[static 4])
{
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

static void
seeded_fill(struct random_source *source, void *p, size_t n)
{
	struct random_seeded *seeded = container_of(source,
	    struct random_seeded, source);
	uint8_t *to = p;

	while (n > 0) {
		uint64_t v = seeded_next(seeded->state);
		size_t some = KOOP_MIN(n, sizeof(v));

		memcpy(to, &v, some);
		to += some;
		n -= some;
	}
}

/* splitmix64 spreads any seed, 0 too, over the state. */
void
random_seeded_init(struct random_seeded *seeded, uint64_t seed)
{
	seeded->source.fill = seeded_fill;
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		seeded->state[i] = z ^ z >> 31;
	}
}

uint64_t
random_u64(struct random_source *source)
{
	uint64_t v;

	source->fill(source, &v, sizeof(v));
	return v;
}

/*
 * The time and the counter of the last id of this process, as one number:
 * milliseconds << 12 | counter.  It only grows, so ids sort in the order in
 * which they were made even when the clock is set back or more than 4096 are
 * made in a millisecond; the time in an id is then a little ahead.
 */
static _Atomic uint64_t reqid_last;
/* The latest partition time that was heard of, of this process. */
static _Atomic uint64_t reqid_heard;
/* Beyond the year 6429 nobody has a clock, but 48 bits go on. */
#define REQID_HEARD_MAX (UINT64_C(1) << 47)

static uint64_t
reqid_tick(uint64_t now_ms)
{
	uint64_t now = (now_ms & ((UINT64_C(1) << 48) - 1)) << 12;
	uint64_t last = atomic_load(&reqid_last);
	uint64_t next;

	do {
		next = KOOP_MAX(now, last + 1);
	} while (!atomic_compare_exchange_weak(&reqid_last, &last, next));
	assert(next > last);
	return next;
}

struct reqid
reqid_new(const struct clock *clock, struct random_source *source)
{
	uint64_t heard = atomic_load(&reqid_heard);
	uint64_t tick = reqid_tick(KOOP_MAX(clock_real_ms(clock), heard));
	uint64_t tail = random_u64(source);
	struct reqid id;

	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(tick >> (52 - 8 * i));
	id.b[6] = (uint8_t)(0x70 | (tick >> 8 & 0x0f));
	id.b[7] = (uint8_t)tick;
	memcpy(&id.b[8], &tail, 8);
	id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
	/* Or who has a clock that is behind would be refused as too old
	 * (protocol.md 1, id time). */
	assert(reqid_time_ms(id) >= heard);
	return id;
}

void
reqid_hear(uint64_t time_ms)
{
	uint64_t heard = atomic_load(&reqid_heard);

	if (time_ms > REQID_HEARD_MAX)
		return;
	while (heard < time_ms &&
	    !atomic_compare_exchange_weak(&reqid_heard, &heard, time_ms))
		;
	assert(atomic_load(&reqid_heard) >= time_ms);
}

uint64_t
reqid_heard_ms(void)
{
	return atomic_load(&reqid_heard);
}

bool
reqid_is_behind(struct reqid id)
{
	return reqid_time_ms(id) + REQID_BEHIND_MS < atomic_load(&reqid_heard);
}

uint64_t
reqid_skew_ms(const struct clock *clock)
{
	uint64_t heard = atomic_load(&reqid_heard);
	uint64_t now = clock_real_ms(clock);

	return heard > now ? heard - now : 0;
}

void
reqid_format(char out[static REQID_HEX + 1], struct reqid id)
{
	hex_encode(out, id.b, REQID_BYTES);
}

bool
reqid_parse(struct reqid *out, const char *hex, size_t len)
{
	struct reqid id;

	if (!hex_decode(id.b, REQID_BYTES, hex, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (hex[i] >= 'A' && hex[i] <= 'F')
			return false;
	if (id.b[6] >> 4 != 7 || id.b[8] >> 6 != 2)
		return false;
	*out = id;
	return true;
}

bool
reqid_equal(struct reqid a, struct reqid b)
{
	return memcmp(a.b, b.b, REQID_BYTES) == 0;
}

bool
reqid_is_zero(struct reqid id)
{
	return reqid_equal(id, (struct reqid){ { 0 } });
}

uint64_t
reqid_time_ms(struct reqid id)
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.b[i];
	return ms;
}
