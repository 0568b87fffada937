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

not() { ! "$@"; }

epoch_is() {
	[ "$(curl -sS "$GW/health" | jq .epoch)" = "$1" ]
}

@test "topology: a hundred changes under load, each seen, none felt" {
	cluster_up
	curl -sS -f -X PUT "$GW/films"
	object 200000 film
	curl -sS -f -T film "$GW/films/first"
	for w in 1 2; do
		(
			while [ ! -e stop ]; do
				curl -sS -f -T film "$GW/films/$w-$RANDOM" &&
					curl -sS -f -o got$w "$GW/films/first" &&
					cmp film got$w || echo "writer $w"
			done >failed$w 2>&1
		) 3>&- 4>&- &
	done
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
	[ "$(cat failed1 failed2)" = "" ] || { cat failed1 failed2 >&2; false; }
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

# A cluster of two sets of three, and the partition of films/a in the first.
two_sets() {
	cluster_up --nodes 6 --data-shards 2 --parity-shards 1 --partitions 4
	curl -sS -f -X PUT "$GW/films"
	for key in a b c d e f; do
		echo "$key" | curl -sS -f -T - "$GW/films/$key"
	done
	partition=$(koop-locate --placement films/a | sed -n 's/^object .* partition=\([0-9]*\) .*/\1/p')
	from=$(koop-locate --placement films/a | sed -n 's/^object .* set=\([0-9]*\) .*/\1/p')
	to=$((3 - from))
}

# move EPOCH SET: that partition is of that set from now on.
move() {
	change "$1" ".partition_spread[].partitions -= [$partition] |
		(.partition_spread[] | select(.erasure_set == $2) |
			.partitions) += [$partition]"
}

# node_of SET INDEX: its address.
node_of() {
	jq -r ".erasure_sets[] | select(.number == $1) | .machines[$2] |
		.ip + \":\" + (.port | tostring)" "$DATA/topology.json"
}

# votes SET INDEX: is the partition among those it has, with a vote?
votes() {
	curl -sS "$(node_of "$1" "$2")/health" | jq -e ".partitions[] |
		select(.partition == $partition) | .voting"
}

all_vote() {
	votes "$1" 0 && votes "$1" 1 && votes "$1" 2
}

reads() {
	[ "$(curl -sS -f "$GW/films/a")" = "$1" ]
}

@test "topology: nodes gain and lose a partition while they run" {
	two_sets
	all_vote "$from"
	run ! votes "$to" 0
	move 2 "$to"
	until_true epoch_is 2
	until_true all_vote "$to"
	# What was small came with the records; all of it can be read and written.
	until_true reads a
	echo again | curl -sS -f -T - "$GW/films/a"
	reads again
	s3 GET '/films?list-type=2'
	is 200
	[ "$(element Key | wc -l)" -eq 6 ]
	# Those that had it have it no more.
	until_true not votes "$from" 0
	to_header="X-Koop-To: $(curl -sS "$GW/health" | jq -r .cluster)/$from/0"
	[ "$(curl -sS -o refused -w '%{http_code}' -H "$to_header" \
		"$(node_of "$from" 0)/bucket/$partition/films")" = 421 ]
	grep -q "partition $partition: not of set $from" refused
	# And back: they catch up with what they missed.
	move 3 "$from"
	until_true epoch_is 3
	until_true all_vote "$from"
	until_true reads again
	echo third | curl -sS -f -T - "$GW/films/a"
	reads third
	for key in b c d e f; do
		[ "$(curl -sS -f "$GW/films/$key")" = "$key" ]
	done
}

@test "topology: what was large before a move is read after it, whole and in part" {
	two_sets
	object 20000000 film 5
	curl -sS -f -T film "$GW/films/a"
	koop status --data "$DATA" --wait full
	move 2 "$to"
	until_true epoch_is 2
	until_true all_vote "$to"
	until_true not votes "$from" 0
	curl -sS -f -o back "$GW/films/a"
	cmp film back
	curl -sS -f -o part -r 9000000-9000999 "$GW/films/a"
	tail -c +9000001 film | head -c 1000 | cmp - part
	koop-shard-get films/a | koop-decode | cmp - film
	# Those that hold it start anew without the partition, and one is away.
	first=$(((from - 1) * 3))
	for n in 0 1; do node --stop-node $((first + n)); done
	node --start-node $first
	curl -sS -f -o back "$GW/films/a"
	cmp film back
	# What is written now is the new set's: the old one may go.
	object 3000000 film 6
	curl -sS -f -T film "$GW/films/a"
	for n in 0 2; do node --stop-node $((first + n)); done
	curl -sS -f -o back "$GW/films/a"
	cmp film back
}

@test "topology: what a running node cannot follow it says, and keeps what it has" {
	two_sets
	change 2 '.partition_spread[0].partitions += [99]'
	until_true grep -q 'not followed: the number of partitions is another' \
		"$DATA"/log/node-1.0.log
	all_vote "$from"
}
