/* SPDX-License-Identifier: MIT */
#include "apply/vote.h"

#include <assert.h>

void
vote_reset(struct vote *vote)
{
	*vote = (struct vote){
		.barred = vote->barred,
		.poison = vote->poison,
	};
}

void
vote_goal(struct vote *vote, uint64_t end)
{
	if (vote->has_goal)
		return;
	vote->has_goal = true;
	vote->goal = end;
}

void
vote_poison(struct vote *vote, uint64_t seq)
{
	assert(seq > 0);
	vote->poison = seq;
}

void
vote_bar(struct vote *vote)
{
	vote->barred = true;
	vote->counts = false;
}

bool
vote_applied(struct vote *vote, uint64_t applied)
{
	uint64_t goal = vote->goal;

	assert(!vote->barred || !vote->counts);
	if (vote->barred || !vote->has_goal)
		return vote->counts;
	if (vote->poison != 0 && goal >= vote->poison)
		goal = vote->poison - 1;
	if (applied >= goal)
		vote->counts = true;
	return vote->counts;
}
