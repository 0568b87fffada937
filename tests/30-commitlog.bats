#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The commit log's conformance suite, once for each kind of URL; and what must
# hold when appenders die at every step.

load helpers

UNIT=$(dirname "$BIN")/unit

suite() {
	export TMPDIR=$BATS_TEST_TMPDIR
	run -0 "$@"
	[[ "${lines[-1]}" =~ ^1\.\.[1-9] ]]
	run ! grep '^not ok' <<<"$output"
	[ -z "$(ls "$BATS_TEST_TMPDIR")" ]
}

@test "commitlog: mem: keeps every promise of the port, and a hostile one no more than that" {
	suite "$UNIT/test-commitlog" mem:
}

@test "commitlog: sqlite: keeps every promise of the port" {
	suite "$UNIT/test-commitlog" sqlite:
}

@test "commitlog: sqlite: survives killed writers, lost pages and lost rows" {
	suite "$UNIT/test-commitlog-sqlite"
}

@test "commitlog: programs share it while one follows" {
	export KOOP_COMMIT_LOG=sqlite:c.db
	koop-log --partitions 4 create
	mkfifo out
	koop-log -F --from start --limit 5 >out 3>&- &
	follower=$!
	# Not there, or from before the last boot: made again by who looks.
	rm -f c.db.page
	koop-log | wc -l >count
	[ "$(cat count)" -eq 4 ]
	[ -s c.db.page ]
	exec 4<out
	for partition in 0 1 2 3; do
		read -r -t 20 line <&4
		[ "$(jq -c .partition <<<"$line")" = $partition ]
	done
	kill -TERM $follower
	wait $follower
	exec 4<&-
}

@test "commitlog: network file systems and read-only folders are refused" {
	[ -d /proc/self ] || skip "needs /proc"
	run -78 --separate-stderr koop-log -l sqlite:/proc/c.db --partitions 1 create
	[ "$output" = "" ]
}
