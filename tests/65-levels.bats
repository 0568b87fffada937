#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Old and new programs in one cluster: nothing that one does not know is ever
# in the log (koop-record(5), "Levels").

# stderr is bats's; each test is its own shell.
# shellcheck disable=SC2154,SC2030,SC2031

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	PATH="$KOOP_FAULTS_BIN:$PATH"
	[ -x "$KOOP_FAULTS_BIN/koop-node" ]
}

teardown() {
	local pid
	keep_logs
	for pid in $(leftovers "$BATS_TEST_TMPDIR"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# make_four [LEVEL]: four machines, of which one may be down, and programs of
# that level; of the newest without it.
make_four() {
	[ -z "$1" ] || export KOOP_TEST_LEVEL=$1
	python3 >ports -c 'import socket
s = [socket.socket() for i in range(5)]
for x in s:
    x.bind(("127.0.0.1", 0))
    print(x.getsockname()[1])'
	mapfile -t PORT <ports
	koop-topology make --data-shards 2 --parity-shards 2 \
		--write-quorum 3 --partitions 4 |
		jq -c --argjson p "[$(head -4 ports | paste -sd,)]" \
			'.erasure_sets[0].machines |= [range(4) as $i |
				.[$i] + {port: $p[$i]}]' >topology.json
	URLS=(--topology "file:$PWD/topology.json"
		--commit-log "sqlite:$PWD/commit.db")
	koop-log create "${URLS[@]}" >/dev/null
	for i in 0 1 2 3; do
		node_up "$i" --init
	done
	gw_up
}

# node_up I [OPTION...]: machine I, with the level of the environment.
node_up() {
	local i=$1
	shift
	rm -f "ready$i"
	mkfifo -m 600 "ready$i"
	koop-node "${URLS[@]}" --data-dir "$PWD/node$i" --node "1/$i" \
		--listen "127.0.0.1:${PORT[i]}" --ready-fd 7 --durability os \
		"$@" 7>"ready$i" 2>>"node$i.log" 3>&- &
	NODE[i]=$!
	ready_wait "ready$i" >/dev/null
}

gw_up() {
	rm -f readygw
	mkfifo -m 600 readygw
	koop-gw "${URLS[@]}" --listen "127.0.0.1:${PORT[4]}" --ready-fd 7 \
		--durability os 7>readygw 2>>gw.log 3>&- &
	GWPID=$!
	GW=http://$(ready_wait readygw)
}

stop() {
	kill -TERM "$1"
	wait "$1"
}

health() { curl -sS "http://127.0.0.1:${PORT[$1]}/health"; }
votes() { health "$1" | jq -e '.voting == .count' >/dev/null; }

# load: writes one object after the other until there is a file `enough`, and
# tells those that were taken.
load_it() {
	local n=0
	while [ ! -e enough ]; do
		n=$((n + 1))
		[ "$(curl -sS -o /dev/null -w '%{http_code}' -m 20 \
			-T small "$GW/b-load/$n" 2>>load.err)" = 200 ] &&
			echo "$n" >>taken
	done
	return 0
}

@test "levels: a cluster is upgraded under load, and nothing halts" {
	make_four 1
	echo hello >small
	: >taken
	koop-bucket make "${URLS[@]}" b-load
	[ "$(health 0 | jq .level)" = 1 ]
	load_it 3>&- &
	loader=$!
	# What old programs do not know nobody writes, old or new.
	run -75 --separate-stderr koop-bucket set "${URLS[@]}" b-load \
		versioning Enabled
	run -75 --separate-stderr env KOOP_TEST_LEVEL=2 koop-bucket set \
		"${URLS[@]}" b-load versioning Enabled
	[[ "$stderr" == *'the cluster is at level 1'* ]]
	for i in 0 1 2; do
		stop "${NODE[i]}"
		KOOP_TEST_LEVEL=2 node_up "$i"
		until_true votes "$i"
	done
	# One still is old: it would halt.
	run -1 --separate-stderr env KOOP_TEST_LEVEL=2 koop-log "${URLS[@]}" \
		level 2
	[[ "$stderr" == *"machine 3 "*"knows level 1 only"* ]]
	stop "${NODE[3]}"
	# And of one that does not answer nobody knows.
	run -69 --separate-stderr env KOOP_TEST_LEVEL=2 koop-log "${URLS[@]}" \
		level 2
	[[ "$stderr" == *"machine 3 "*"does not answer"* ]]
	koop-log --commit-log "sqlite:$PWD/commit.db" >log
	run ! grep -q LevelMessage log
	KOOP_TEST_LEVEL=2 node_up 3
	until_true votes 3
	unset KOOP_TEST_LEVEL
	run -0 --separate-stderr koop-log "${URLS[@]}" level
	[ "$(grep -c ' knows=2$' <<<"$output")" -eq 4 ]
	[[ "$output" == *"level v=1 level=1" ]]
	# The gateway is an old program yet: it goes on among new ones.
	run -0 --separate-stderr koop-log "${URLS[@]}" level 2
	[ "$output" = "level v=1 level=2" ]
	[[ "$(koop-log "${URLS[@]}" level)" == *"level v=1 level=2" ]]
	stop "$GWPID"
	gw_up
	koop-bucket set "${URLS[@]}" b-load versioning Enabled
	curl -sS -f -T small "$GW/b-load/last"
	touch enough
	wait "$loader"
	for i in 0 1 2 3; do
		health "$i" | jq -e '.halted == 0 and .voting == .count'
		run ! grep -q 'partition halts' "node$i.log"
	done
	# What was taken is there.
	[ "$(wc -l <taken)" -gt 5 ]
	while read -r n; do
		[ "$(curl -sS -f "$GW/b-load/$n")" = hello ]
	done <taken
	# What an old program would do with it now: halt, loudly.
	stop "${NODE[0]}"
	KOOP_TEST_LEVEL=1 node_up 0
	curl -sS -f -T small "$GW/b-load/after"
	until_true grep -q 'partition halts' node0.log
	grep -q 'too old for it; install the newer one' node0.log
}

# epochs: "PARTITION NEWEPOCH" of every EpochMessage in the log.
epochs() {
	koop-log --commit-log "sqlite:$PWD/commit.db" |
		jq -r 'select(.record.type == "EpochMessage") |
			"\(.partition) \(.record.newEpoch)"'
}

put_status() {
	curl -sS -o answer -w '%{http_code}' -m 30 -T small "$GW/b-epoch/$1"
}

@test "levels: an epoch that is raised makes what older writers append void" {
	make_four
	echo hello >small
	koop-bucket make "${URLS[@]}" b-epoch
	[ "$(put_status before)" = 200 ]
	run -64 --separate-stderr koop-log "${URLS[@]}" epoch
	[[ "$stderr" == *'epoch: which one?'* ]]
	for n in 0 x 9007199254740993; do
		run -64 --separate-stderr koop-log "${URLS[@]}" epoch "$n"
		[[ "$stderr" == *"epoch $n: want a number"* ]]
	done
	# A program that does not know the record does not write it.
	run -69 --separate-stderr env KOOP_TEST_LEVEL=1 \
		koop-log "${URLS[@]}" epoch 2
	[[ "$stderr" == *'an epoch needs level 2'* ]]
	[ -z "$(epochs)" ]

	run -0 --separate-stderr koop-log "${URLS[@]}" epoch 2
	[ "$output" = "epoch v=1 epoch=2" ]
	[ "$(epochs | sort)" = "$(printf '%s 2\n' 0 1 2 3)" ]
	# The gateway's topology still is of epoch 1: what it appends is in the
	# log, and is no object.
	[ "$(put_status late)" = 503 ]
	read -r partition seq < <(koop-log --commit-log "sqlite:$PWD/commit.db" |
		jq -r 'select(.record.key == "late" and .record.epoch == 1) |
			"\(.partition) \(.seq)"')
	cluster=$(health 0 | jq -r .cluster)
	applied="http://127.0.0.1:${PORT[0]}/applied/$partition?seq=$seq"
	[ "$(curl -sS -H "x-koop-to: $cluster/1/0" "$applied" |
		jq -r .outcome)" = stale_epoch ]
	for i in 0 1 2 3; do
		health "$i" | jq -e '.halted == 0'
	done
	jq -c '.epoch = 2' topology.json >new.json
	mv new.json topology.json
	until_true grep -q 'topology: .*: changed' gw.log
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/b-epoch/late")" = 404 ]
	[ "$(put_status after)" = 200 ]
	[ "$(curl -sS -f "$GW/b-epoch/before")" = hello ]
	[ "$(curl -sS -f "$GW/b-epoch/after")" = hello ]
}
