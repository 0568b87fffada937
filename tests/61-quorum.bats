#!/usr/bin/env bats
# What a cluster does when some of its nodes are stopped (SIGSTOP: connections
# open and nothing answers) or dead, with real nodes and a real gateway.

# shellcheck disable=SC2154 # run sets stderr

load helpers

code() {
	curl -sS --max-time 30 -o body -w '%{http_code}' "$@"
}

# pids N...: the processes of those nodes.
pids() {
	local n
	for n in "$@"; do
		told "node-1.$n" pid
	done
}

freeze() {
	# shellcheck disable=SC2046
	kill -STOP $(pids "$@")
}

thaw() {
	# shellcheck disable=SC2046
	kill -CONT $(pids "$@")
}

some_objects() {
	curl -sS -f -X PUT "$GW/videos"
	object 0 empty
	object 4000 small 2
	object 70000 middle 3
	object 5000000 large 4
	for f in empty small middle large; do
		curl -sS -f -T "$f" "$GW/videos/$f"
	done
}

read_all() {
	for f in empty small middle large; do
		[ "$(code "$GW/videos/$f")" = 200 ]
		cmp "$f" body
	done
}

@test "quorum: with three of nine nodes stopped everything is read" {
	cluster_up
	some_objects
	koop status --data "$DATA" --wait full >/dev/null
	for set in "0 1 2" "2 5 8" "6 7 8"; do
		# shellcheck disable=SC2086
		freeze $set
		read_all
		[ "$(code "$GW/videos/nothing")" = 404 ]
		[ "$(code "$GW/videos?list-type=2")" = 200 ]
		grep -q '<Key>large</Key>' body
		koop-shard-get videos/large | koop-decode | cmp large -
		# shellcheck disable=SC2086
		thaw $set
		koop status --data "$DATA" --wait full >/dev/null
	done
}

@test "quorum: with two of nine nodes stopped writes go on" {
	cluster_up
	some_objects
	freeze 3 6
	for f in small middle large; do
		[ "$(code -T "$f" "$GW/videos/new-$f")" = 200 ]
		[ "$(code "$GW/videos/new-$f")" = 200 ]
		cmp "$f" body
	done
	koop-encode <large | koop-shard-put videos/piped | koop-commit
	[ "$(code -X DELETE "$GW/videos/small")" = 204 ]
	[ "$(code "$GW/videos/small")" = 404 ]
	thaw 3 6
	koop status --data "$DATA" --wait full >/dev/null
	koop-shard-get videos/piped | koop-decode | cmp large -
}

@test "quorum: three nodes that stand still for two seconds are waited for" {
	cluster_up
	curl -sS -f -X PUT "$GW/videos"
	object 60000000 film 5
	freeze 0 4 8
	code -T film "$GW/videos/film" >put 3>&- &
	# That is how long they stand still, and the write goes on meanwhile.
	sleep 2
	thaw 0 4 8
	wait
	[ "$(cat put)" = 200 ]
	curl -sS -f "$GW/videos/film" | cmp - film
}

# poll: /health, as fast as it answers, until there is a file "over"; its sets
# go to "sets".
poll() {
	while [ ! -e over ]; do
		curl -sS "$GW/health" | jq -c '[.sets[].set]' >>sets
	done
}

# shards_came: a write, and whether its shard reached node 3, which counts from
# its start on.
shards_came() {
	local puts
	[ "$(code -T large "$GW/videos/again")" = 200 ]
	puts=$(curl -sS "$NODE/metrics" |
		sed -n 's/^koop_node_shard_puts_total //p')
	[ "${puts:-0}" -ge 2 ]
}

@test "quorum: whoever asks for health takes no probe from a node that is back" {
	cluster_up
	some_objects
	NODE=$(jq -r '.erasure_sets[0].machines[3]|"http://\(.ip):\(.port)"' \
		"$DATA/topology.json")
	koop status --data "$DATA" --wait full >/dev/null
	koop up --data "$DATA" --stop-node 3 3>&-
	# Until the gateway knows it, and skips it: failures must go on for a while.
	end=$((SECONDS + 3))
	while [ "$SECONDS" -lt "$end" ]; do
		[ "$(code -T large "$GW/videos/down")" = 200 ]
	done
	poll 3>&- &
	koop up --data "$DATA" --start-node 3 3>&-
	until_true shards_came
	: >over
	wait
	[ "$(wc -l <sets)" -gt 5 ]
	[ "$(sort -u sets)" = '[1]' ]
}

@test "quorum: with three of nine nodes stopped no write is acknowledged" {
	cluster_up
	some_objects
	koop status --data "$DATA" --wait full >/dev/null
	freeze 0 4 8
	[ "$(code -T large "$GW/videos/other")" = 503 ]
	koop-encode <large >shards
	run -69 --separate-stderr koop-shard-put videos/piped <shards
	run ! grep -q '^end' <<<"$output"
	read_all
	thaw 0 4 8
	koop status --data "$DATA" --wait full >/dev/null
	[ "$(code -T large "$GW/videos/other")" = 200 ]
	koop-shard-put videos/piped <shards | koop-commit
}

@test "quorum: with four of nine nodes stopped a read is 503, never wrong" {
	cluster_up
	some_objects
	koop status --data "$DATA" --wait full >/dev/null
	freeze 1 3 5 7
	[ "$(code "$GW/videos/large")" = 503 ]
	[ "$(code "$GW/videos/middle")" = 503 ]
	thaw 1 3 5 7
	koop status --data "$DATA" --wait full >/dev/null
	read_all
}

@test "quorum: a damaged shard is read around and repaired" {
	cluster_up
	some_objects
	koop status --data "$DATA" --wait full >/dev/null
	id=$(koop-shard-get videos/large | sed -n 's/^request_id=//p' | head -1)
	find "$DATA" -name "$id.*" | sort >files
	[ "$(wc -l <files)" -eq 9 ]
	for i in 1 4; do
		file=$(sed -n "${i}p" files)
		cp "$file" "whole.$i"
		printf 'damage' | dd of="$file" bs=1 seek=70000 conv=notrunc \
			status=none
	done
	[ "$(code "$GW/videos/large")" = 200 ]
	cmp large body
	koop status --data "$DATA" --wait full >/dev/null
	for _ in $(seq 100); do
		cmp -s whole.1 "$(sed -n 1p files)" &&
			cmp -s whole.4 "$(sed -n 4p files)" && break
		read -r -t 0.1 <> <(:) || true
	done
	cmp whole.1 "$(sed -n 1p files)"
	cmp whole.4 "$(sed -n 4p files)"
}

@test "quorum: buckets are made, deleted and made again under one name" {
	cluster_up
	object 20000 film
	for _ in 1 2 3; do
		[ "$(code -X PUT "$GW/again")" = 200 ]
		[ "$(code -T film "$GW/again/film")" = 200 ]
		[ "$(code -X DELETE "$GW/again")" = 409 ]
		[ "$(code "$GW/again/film")" = 200 ]
		[ "$(code -X DELETE "$GW/again/film")" = 204 ]
		[ "$(code -X DELETE "$GW/again")" = 204 ]
		[ "$(code "$GW/again/film")" = 404 ]
		[ "$(code -T film "$GW/again/film")" = 404 ]
	done
}

@test "quorum: deleting a bucket races a write, and no acknowledged object is lost" {
	cluster_up
	object 20000 film
	for round in 1 2 3 4 5 6 7 8; do
		[ "$(code -X PUT "$GW/race$round")" = 200 ]
		curl -sS -o /dev/null -w '%{http_code}' -X DELETE \
			"$GW/race$round" >deleted.a 3>&- &
		curl -sS -o /dev/null -w '%{http_code}' -T film \
			"$GW/race$round/film" >put 3>&- &
		curl -sS -o /dev/null -w '%{http_code}' -X DELETE \
			"$GW/race$round" >deleted.b 3>&- &
		wait
		if [ "$(cat put)" = 200 ]; then
			# run sets i: it is no name for the loop.
			run ! grep -q 204 deleted.a deleted.b
			[ "$(code "$GW/race$round/film")" = 200 ]
			cmp film body
		else
			[ "$(code "$GW/race$round/film")" = 404 ]
		fi
	done
}
