/* SPDX-License-Identifier: MIT */
#include "wire/nodetime.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/number.h"

#define WARN_MS 60000

/* Of this process, as the clock of its ids is; monotonic, 0: never. */
static _Atomic uint64_t warned_ms;

uint64_t
nodetime_parse(const char *value)
{
	uint64_t time_ms;

	if (value == NULL ||
	    !number_parse(&time_ms, value, strlen(value), 0, INT64_MAX))
		return 0;
	return time_ms;
}

bool
nodetime_is_skewed(const struct clock *clock)
{
	return reqid_skew_ms(clock) > REQID_SKEW_MS;
}

static void
warn(const struct clock *clock)
{
	uint64_t now = KOOP_MAX(clock_mono_ms(clock), 1u);
	uint64_t last = atomic_load(&warned_ms);

	if (last != 0 && now >= last && now - last < WARN_MS)
		return;
	/* One of the threads that see it says it. */
	if (!atomic_compare_exchange_strong(&warned_ms, &last, now))
		return;
	log_warn("wire",
	    NODETIME_WORD ": the time of the log is %" PRIu64
			  " s ahead of this machine's clock: it is behind, or "
			  "that of a writer was ahead",
	    reqid_skew_ms(clock) / 1000);
}

void
nodetime_hear(const struct clock *clock, uint64_t time_ms)
{
	if (time_ms == 0)
		return;
	reqid_hear(time_ms);
	if (nodetime_is_skewed(clock))
		warn(clock);
}

void
nodetime_freshen(struct reqid *id, const struct clock *clock,
    struct random_source *random)
{
	if (reqid_is_behind(*id))
		*id = reqid_new(clock, random);
	assert(!reqid_is_behind(*id));
}
