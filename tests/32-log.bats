#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-log(1): the commit log as lines of JSON.

load helpers

CLUSTER=0123456789abcdef0123456789abcdef

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export KOOP_COMMIT_LOG=sqlite:c.db
}

# add PARTITION SEQ LINE: a record, as a program that died at once leaves it.
add() {
	python3 - "$@" <<-'EOT'
		import sqlite3, sys
		db = sqlite3.connect("c.db")
		db.execute("PRAGMA wal_autocheckpoint=0")
		db.execute("INSERT INTO record(partition, seq, time_ms, request_id, line)"
		           " VALUES(?,?,?,zeroblob(16),?)",
		           (int(sys.argv[1]), int(sys.argv[2]), 1700000000000 + int(sys.argv[2]),
		            sys.argv[3].encode("utf-8", "surrogateescape")))
		db.commit()
	EOT
}

@test "log: create makes a genesis record for each partition" {
	run -0 --separate-stderr koop-log --partitions 3 --cluster $CLUSTER create
	[ "$output" = "log v=1 cluster=$CLUSTER partitions=3 generation=1" ]
	run -0 --separate-stderr koop-log
	[ "${#lines[@]}" -eq 3 ]
	jq -se --arg cluster $CLUSTER 'map(.partition) == [0, 1, 2] and
		all(.[]; .seq == 0 and .record.v == 1 and
		.record.type == "GenesisMessage" and
		.record.cluster == $cluster and .record.generation == 1 and
		.record.baseSeq == 0 and .record.partitions == 3 and
		.record.partition == .partition and
		.record.chain == "0" * 64)' <<<"$output"
	[[ "${lines[0]}" =~ ^\{\"partition\":0,\"seq\":0,\"time\":\"20[0-9-]+T[0-9:.]+Z\",\"record\":\{\"v\":1,.*\,\"crc32c\":\"[0-9a-f]{8}\"\}\}$ ]]
}

@test "log: create takes the topology's partitions and a new cluster id" {
	koop-topology make | jq -c '.partition_spread[0].partitions = [7, 3, 100]' >t.json
	run -0 --separate-stderr koop-log -t file:t.json create
	[[ "$output" =~ ^log\ v=1\ cluster=[0-9a-f]{32}\ partitions=3\ generation=1$ ]]
	[ "$(koop-log | jq -s -c 'map(.partition)')" = "[3,7,100]" ]
	[ "$(koop-log --partition 7 | jq -c .partition)" = 7 ]
}

@test "log: create leaves a log that is there alone" {
	koop-log --partitions 2 create
	koop-log >before
	run -1 --separate-stderr koop-log --partitions 2 create
	[ "$stderr" = "koop-log: commit log c.db: exists already" ]
	koop-log | cmp - before
}

@test "log: create refuses a bad cluster id and too many partitions" {
	for id in '' short 0123456789ABCDEF0123456789ABCDEF "${CLUSTER}0"; do
		run -64 --separate-stderr koop-log --partitions 2 --cluster "$id" create
	done
	run -64 --separate-stderr koop-log --partitions 4097 create
	run -64 --separate-stderr koop-log make
	[ ! -e c.db ]
}

@test "log: records stand there as they are, byte by byte" {
	koop-log --partitions 2 create
	add 1 1 '{ "any" : [1.0, "ü\u0001", 9007199254740993] }'
	run -0 --separate-stderr koop-log --partition 1 --from 1
	[ "$output" = '{"partition":1,"seq":1,"time":"2023-11-14T22:13:20.001Z","record":{ "any" : [1.0, "ü\u0001", 9007199254740993] }}' ]
}

@test "log: what is no JSON is shown in base64, a line each" {
	koop-log --partitions 1 create
	add 0 1 'not json'
	add 0 2 $'{"a":\n1}'
	add 0 3 '{"a":1}{"b":2}'
	add 0 4 $'\xff\xfe'
	run -0 --separate-stderr koop-log --from 1 --partition 0
	[ "${#lines[@]}" -eq 4 ]
	[ "$(jq -r '.base64 // empty' <<<"${lines[0]}" | base64 -d)" = "not json" ]
	jq -e . <<<"$output" >/dev/null
	[ "$(jq -r .base64 <<<"${lines[3]}" | base64 -d | od -An -tx1)" = " ff fe" ]
}

@test "log: --partition, --from and --limit choose" {
	koop-log --partitions 2 create
	for i in 1 2 3 4 5; do
		add 0 $i "{\"n\":$i}"
		add 1 $i "{\"n\":$i}"
	done
	[ "$(koop-log --partition 1 --from 3 --limit 2 | jq -c .seq | tr '\n' ' ')" = "3 4 " ]
	[ "$(koop-log --limit 3 | wc -l)" -eq 3 ]
	[ "$(koop-log | wc -l)" -eq 12 ]
	[ "$(koop-log --partition 1 --from 6 | wc -l)" -eq 0 ]
	run -1 --separate-stderr koop-log --partition 1 --from 7
	[[ "$stderr" == *"partition 1: ends at 5, before the 7 wanted" ]]
	run -64 --separate-stderr koop-log --from 3
	[[ "$stderr" == "koop-log: --from 3 needs --partition"* ]]
	run -64 --separate-stderr koop-log --partition 2
	[[ "$stderr" == "koop-log: partition 2: the commit log has no such one"* ]]
}

@test "log: a gap is an error after what is before it" {
	koop-log --partitions 1 create
	add 0 1 '{}'
	add 0 3 '{}'
	run -65 --separate-stderr koop-log
	[ "${#lines[@]}" -eq 2 ]
	[ "$stderr" = "koop-log: commit log: partition 0: 3 comes where 2 should: records are missing" ]
}

@test "log: --follow prints what comes, at once, and ends on SIGINT" {
	koop-log --partitions 1 create
	mkfifo out
	koop-log --follow --from start >out 3>&- &
	pid=$!
	exec 4<out
	read -r -t 20 line <&4
	[ "$(jq -c .seq <<<"$line")" = 0 ]
	for i in 1 2 3; do
		add 0 $i "{\"n\":$i}"
		read -r -t 20 line <&4
		[ "$(jq -c .record.n <<<"$line")" = "$i" ]
	done
	kill -INT $pid
	wait $pid
	run -0 cat <&4
	[ "$output" = "" ]
	exec 4<&-
}

@test "log: --follow alone begins at the end" {
	local line='' i=1
	koop-log --partitions 1 create
	add 0 1 '{"n":1}'
	mkfifo out
	koop-log --follow >out 3>&- &
	pid=$!
	exec 4<out
	# Records come until it is there to see one.
	until read -r -t 0.1 line <&4; do
		i=$((i + 1))
		add 0 $i "{\"n\":$i}"
		[ $i -lt 300 ]
	done
	[ "$(jq -c .record.n <<<"$line")" -ge 2 ]
	kill -TERM $pid
	wait $pid
	exec 4<&-
}

# genesis_at MS: when the log began.
genesis_at() {
	python3 -c 'import sqlite3, sys
db = sqlite3.connect("c.db")
db.execute("UPDATE record SET time_ms = ? WHERE seq = 0", (int(sys.argv[1]),))
db.commit()' "$1"
}

@test "log: --from start, end, a time or an age chooses in every partition" {
	koop-log --partitions 2 create
	genesis_at 1600000000000
	for i in 1 2 3 4 5; do
		add 0 $i "{\"n\":$i}"
	done
	seqs() { koop-log "$@" | jq -s -c 'map([.partition, .seq])'; }
	[ "$(seqs --from start)" = "$(seqs)" ]
	[ "$(seqs | jq length)" -eq 7 ]
	[ "$(seqs --from end)" = '[]' ]
	[ "$(seqs --from 1s)" = '[]' ]
	[ "$(seqs --from 36500d)" = "$(seqs)" ]
	# They are of 2023-11-14T22:13:20.001Z and the milliseconds after it.
	for i in 1 2 3 4 5; do
		[ "$(seqs --from "2023-11-14T22:13:20.00${i}Z")" = \
			"$(seq "$i" 5 | jq -s -c 'map([0, .])')" ]
	done
	[ "$(seqs --from 2023-11-14T23:13:20.006+01:00)" = '[]' ]
	[ "$(seqs --from 2000-01-01T00:00:00Z)" = "$(seqs)" ]
}

@test "log: what is no place to begin is a usage error" {
	koop-log --partitions 1 create
	for bad in yesterday -1 2023-11-14 10x START 1.5 99999999999999999; do
		run -64 --separate-stderr koop-log --partition 0 "--from=$bad"
		[ "$output" = "" ]
		[[ "$stderr" == "koop-log: --from $bad: want start, end, a seq, a time"* ]]
	done
}

@test "log: --follow ends when nobody reads any more" {
	koop-log --partitions 1 create
	run -0 timeout 20 bash -c 'set -o pipefail; koop-log -F --from start | head -n 1'
	[ "${#lines[@]}" -eq 1 ]
}

@test "log: no log, another kind of URL, a file that is none" {
	run -69 --separate-stderr koop-log
	[[ "$stderr" == "koop-log: no cluster: sqlite:c.db: No such file or directory; start one with koop up, or "* ]]
	run -64 --separate-stderr koop-log -l kafka://h:9092
	[ "${stderr_lines[0]}" = 'koop-log: --commit-log: "kafka://h:9092": want sqlite:PATH' ]
	KOOP_COMMIT_LOG='' run -69 --separate-stderr koop-log
	sqlite3_empty=$(python3 -c 'import sqlite3
db = sqlite3.connect("other.db"); db.execute("CREATE TABLE t(x)"); db.commit()')
	[ "$sqlite3_empty" = "" ]
	run -78 --separate-stderr koop-log -l sqlite:other.db
	[[ "$stderr" == *"is not a commit log"* ]]
}

@test "log: a full disk is an I/O error" {
	koop-log --partitions 1 create
	run -74 --separate-stderr bash -c 'koop-log >/dev/full'
	[ "$stderr" = "koop-log: write: No space left on device" ]
	run -74 --separate-stderr bash -c 'koop-log -F --from start >/dev/full'
}
