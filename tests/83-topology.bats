#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The topology changes while everybody works.

load helpers

# change EPOCH [JQ-FILTER]: the next topology, put there in one step.
change() {
	jq ".epoch = $1 | ${2:-.}" "$DATA/topology.json" >next.json
	mv next.json "$DATA/topology.json"
}

# A second set, of machines that nobody is, without partitions.
with_set='.erasure_sets = [.erasure_sets[] | select(.number == 1)] + [{
	"number": 2, "n": 9, "m": 6, "write_quorum": 7, "machines":
	[range(9) | {"ip": "127.0.0.1", "port": (. + 2)}]}]'
without_set='.erasure_sets = [.erasure_sets[] | select(.number == 1)]'

epoch_is() {
	[ "$(curl -sS "$GW/health" | jq .epoch)" = "$1" ]
}

@test "topology: a hundred changes under load, each seen, none felt" {
	cluster_up
	curl -sS -f -X PUT "$GW/films"
	object 200000 film
	for w in 1 2; do
		(
			while [ ! -e stop ]; do
				curl -sS -f -T film "$GW/films/$w-$RANDOM" &&
					curl -sS -f -o got$w "$GW/films/first" &&
					cmp film got$w || echo "writer $w"
			done >failed$w 2>&1
		) 3>&- 4>&- &
	done
	curl -sS -f -T film "$GW/films/first"
	for ((i = 2; i <= 101; i++)); do
		if ((i % 2)); then
			change "$i" "$without_set"
		else
			change "$i" "$with_set"
		fi
		# Every tenth is waited for; the others may be passed over.
		if ((i % 10 == 1)); then until_true epoch_is "$i"; fi
	done
	: >stop
	wait
	[ "$(cat failed1 failed2)" = "" ]
	epoch_is 101
	grep -q 'topology: .*: changed' "$DATA"/log/gateway*
	# The commands take it, too.
	koop-shard-get films/first | koop-decode | cmp - film
}

@test "topology: a bad one and an old one change nothing, and are named" {
	cluster_up
	curl -sS -f -X PUT "$GW/films"
	change 5
	until_true epoch_is 5
	change 4
	until_true grep -q 'has epoch 4, older than the 5 in use' "$DATA"/log/gateway*
	epoch_is 5
	echo '{' >"$DATA/topology.json"
	until_true grep -q 'the topology in use is kept' "$DATA"/log/gateway*
	curl -sS -f -X PUT "$GW/films/a" -d a
	[ "$(curl -sS -f "$GW/films/a")" = a ]
}
