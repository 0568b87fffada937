#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What breaks or abuses HTTP: exact bytes against the bare server, and against
# the gateway and a node of a cluster.

load helpers

HOSTILE=$ROOT/tests/hostile
SERVER=$BIN/../unit/test-httpd

# bare_server: the server of the unit tests, with short timeouts; sets BARE.
# It ends when its standard input does.
bare_server() {
	local port
	mkfifo "$BATS_TEST_TMPDIR/life" "$BATS_TEST_TMPDIR/port"
	"$SERVER" --serve <"$BATS_TEST_TMPDIR/life" \
		>"$BATS_TEST_TMPDIR/port" 3>&- 4>&- &
	exec 9>"$BATS_TEST_TMPDIR/life"
	read -r -t 20 port <"$BATS_TEST_TMPDIR/port"
	BARE=127.0.0.1:$port
}

# probes ADDRESS CORPUS...: every probe passes.
probes() {
	local address=$1
	shift
	run "$HOSTILE/run" "$address" "${@/#/$HOSTILE/}" 9>&-
	grep -A1 '^not ok' <<<"$output" || true
	[ "$status" -eq 0 ]
	grep -q '^1\.\.[1-9]' <<<"$output"
}

address() {
	local url=${1#http://}
	printf '%s\n' "${url%%/*}"
}

@test "hostile: the bare server refuses what breaks HTTP" {
	bare_server
	probes "$BARE" line.probe headers.probe framing.probe chunks.probe \
		ranges.probe
}

@test "hostile: the bare server cuts clients that crawl" {
	bare_server
	probes "$BARE" slow.probe
}

@test "hostile: the bare server stops while a client holds a connection" {
	bare_server
	local pid=$!
	exec 8<>"/dev/tcp/127.0.0.1/${BARE##*:}"
	printf 'GET /hel' >&8
	exec 9>&-
	wait "$pid"
	exec 8>&-
}

@test "hostile: the gateway refuses what breaks HTTP" {
	cluster_up
	probes "$(address "$GW")" line.probe headers.probe framing.probe \
		chunks.probe ranges.probe
	# And is of use afterwards.
	run -0 curl -s -o /dev/null -w '%{http_code}' "$GW/"
	[[ "$output" == [24]0? ]]
}

@test "hostile: a node refuses what breaks HTTP" {
	cluster_up
	local node
	node=$(jq -r 'first(.. | objects | .machines // empty)[0]
	    | "\(.ip):\(.port)"' \
		"$DATA/topology.json")
	probes "$node" line.probe headers.probe framing.probe chunks.probe
}

# bats test_tags=slow
@test "hostile: the gateway cuts clients that crawl" {
	cluster_up
	probes "$(address "$GW")" slow.probe
}
