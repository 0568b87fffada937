#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an operator reads of a gateway's requests: koop-metrics(5), the access
# log of koop-gw(8), and the request id that finds a client's error everywhere.

load helpers

# watched_up: a cluster whose gateway writes an access log.
watched_up() {
	ACCESS=$BATS_TEST_TMPDIR/access.jsonl
	KOOP_ACCESS_LOG=$ACCESS KOOP_LOG_FORMAT=json cluster_up
}

# metrics SERIES...: their values on the gateway's page, which is well-formed.
metrics() {
	curl -sS -f "$GW/metrics" >page
	python3 "$BATS_TEST_DIRNAME/metrics.py" "$@" <page
}

# metric SERIES VALUE: it has that value, now or soon.
is_at() {
	[ "$(metrics "$1")" = "$2" ]
}

metric() {
	until_true is_at "$@" || {
		echo "$1 is $(metrics "$1"), not $2" >&2
		return 1
	}
}

# line JQ-FILTER [ARGUMENT...]: the line of the access log that fits, soon.
has_line() {
	local filter=$1
	shift
	jq -c "$@" "select($filter)" "$ACCESS" >found 2>/dev/null &&
		[ -s found ]
}

line() {
	until_true has_line "$@" || {
		cat "$ACCESS" >&2
		return 1
	}
}

requests() {
	echo "koop_gw_requests_total{operation=\"$1\",code=\"$2\"}"
}

times() {
	echo "koop_gw_request_duration_seconds_count{operation=\"$1\",phase=\"$2\"}"
}

@test "metrics: a fresh gateway counts exactly what was asked" {
	cluster_up
	object 300000 film
	s3 PUT /counted
	for i in 1 2 3; do
		s3 PUT "/counted/$i" --data-binary @film
		is 200
	done
	s3 GET /counted/1
	s3 GET /counted/2 -r 0-99
	is 206
	s3 GET /counted/none
	is 404
	s3 HEAD /counted/1
	s3 GET /Not_A_Bucket/x
	is 400
	s3 PUT '/counted/1?retention' -d x
	is 501
	# koop up has asked whether it serves.
	metric "$(requests NotImplemented 501)" 1
	health=$(metrics "$(requests Health 200)")
	s3 GET /health
	metric "$(requests Health 200)" $((health + 1))
	metrics "$(requests CreateBucket 200)" "$(requests PutObject 200)" \
		"$(requests GetObject 200)" "$(requests GetObject 206)" \
		"$(requests GetObject 404)" "$(requests HeadObject 200)" \
		"$(requests Invalid 400)" "$(requests NotImplemented 501)" \
		"$(times PutObject whole)" "$(times PutObject metadata)" \
		"$(times GetObject whole)" "$(times GetObject first_byte)" \
		"$(times GetObject metadata)" "$(times GetObject queue)" \
		"$(times HeadObject queue)" >values
	[ "$(paste -sd ' ' values)" = "1 3 1 1 1 1 1 1 3 3 3 3 3 2 -" ]
	# Health and metrics are operations of their own.
	metrics "$(requests NotImplemented 200)" "$(requests NotImplemented 501)" >values
	[ "$(paste -sd ' ' values)" = "- 1" ]
	[ "$(metrics koop_gw_received_bytes_total)" -ge 900000 ]
	[ "$(metrics koop_gw_received_bytes_total)" -le 900100 ]
	[ "$(metrics koop_gw_sent_bytes_total)" -ge 300100 ]
	run -0 metrics 'koop_build_info{version="0.1.0"}' \
		'koop_gw_connections{kind="clients"}'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" -ge 1 ]
	! command -v promtool >/dev/null || promtool check metrics <page
}

@test "metrics: commits, caches, connections and positions are told" {
	cluster_up
	object 300000 film
	s3 PUT /told
	s3 PUT /told/a --data-binary @film
	is 200
	series=(koop_gw_commit_append_duration_seconds_count
		koop_gw_commit_apply_duration_seconds_count
		'koop_gw_cache_hits_total{cache="bucket"}'
		'koop_gw_cache_misses_total{cache="bucket"}'
		koop_gw_missed_shards_total koop_gw_degraded_reads_total
		koop_gw_bad_cells_total)
	mapfile -t before < <(metrics "${series[@]}")
	# The same name: its partition is known to hold the bucket by now.
	s3 PUT /told/a --data-binary @film
	is 200
	mapfile -t after < <(metrics "${series[@]}")
	[ $((after[0] - before[0])) -eq 1 ]
	[ $((after[1] - before[1])) -eq 1 ]
	[ $((after[2] - before[2])) -ge 1 ]
	[ $((after[3] - before[3])) -eq 0 ]
	[ "${after[4]}" -eq 0 ]
	[ "${after[5]} ${after[6]}" = "0 0" ]
	[ "$(metrics 'koop_gw_connections{kind="nodes"}')" -ge 9 ]
	[ "$(metrics koop_gw_ack_streams)" = 9 ]
	[ "$(grep -c '^koop_gw_node_records_behind{node="1/[0-8]"} ' page)" -eq 9 ]
	metric 'koop_gw_node_records_behind{node="1/0"}' 0
}

@test "metrics: a node that is gone makes reads degraded, writes short, and falls behind" {
	cluster_up
	object 3000000 film
	s3 PUT /short
	for i in 1 2 3 4; do
		s3 PUT "/short/$i" --data-binary @film
		is 200
	done
	[ "$(metrics koop_gw_degraded_reads_total)" = 0 ]
	node --stop-node 3
	# Its shard is data of some of them and parity of others.
	for i in 1 2 3 4; do
		s3 GET "/short/$i"
		is 200
		cmp film body
		s3 PUT "/short/new$i" --data-binary @film
		is 200
	done
	[ "$(metrics koop_gw_degraded_reads_total)" -ge 1 ]
	[ "$(metrics koop_gw_missed_shards_total)" -ge 4 ]
	[ "$(metrics 'koop_gw_node_records_behind{node="1/3"}')" -ge 4 ]
	metric 'koop_gw_node_records_behind{node="1/0"}' 0
}

@test "metrics: a viewer who leaves in the middle is cut, and no fault" {
	watched_up
	object 30000000 film
	s3 PUT /cut
	s3 PUT /cut/film --data-binary @film
	is 200
	python3 - "${GW##*:}" <<-'END'
		import socket
		import sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		s.sendall(b"GET /cut/film HTTP/1.1\r\nHost: x\r\n"
		          b"User-Agent: leaver\r\n\r\n")
		assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
	END
	metric "$(requests GetObject 499)" 1
	metrics "$(requests GetObject 200)" "$(requests GetObject 500)" \
		"$(requests GetObject 503)" >values
	[ "$(paste -sd ' ' values)" = "- - -" ]
	line '.user_agent == "leaver"'
	jq -e '.status == 499 and .error == null and .sent_bytes > 0 and
		.sent_bytes < 30000000 and .key == "film"' found
}

@test "metrics: a viewer who leaves before the first byte is cut, too" {
	watched_up
	object 3000000 film
	s3 PUT /cut
	s3 PUT /cut/film --data-binary @film
	is 200
	# Too few nodes go on: the first bytes wait for them.
	local pids=() pid
	for pid in $(leftovers "$DATA"); do
		[ "$(basename "$(readlink "/proc/$pid/exe")")" != koop-node ] ||
			pids+=("$pid")
	done
	[ "${#pids[@]}" -eq 9 ]
	kill -STOP "${pids[@]:0:4}"
	run -28 curl -sS -m 1 -o part -A leaver "$GW/cut/film"
	line '.user_agent == "leaver"'
	kill -CONT "${pids[@]:0:4}"
	jq -e '.status == 499 and .error == null and .sent_bytes == 0' found
	metric "$(requests GetObject 499)" 1
	# Others were asked in the place of those who were silent.
	[ "$(metrics 'koop_gw_hedges_total{kind="cells"}')" -ge 1 ]
	run ! grep -c 'GetObject: .*went away' "$DATA/log/gateway.log"
}

@test "metrics: a client that vanishes in a PUT is cut, and nothing is stored" {
	watched_up
	s3 PUT /cut
	python3 - "${GW##*:}" <<-'END'
		import socket
		import sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		s.sendall(b"PUT /cut/half HTTP/1.1\r\nHost: x\r\n"
		          b"Content-Length: 1000000\r\n\r\nonly this")
	END
	metric "$(requests PutObject 499)" 1
	line '.operation == "PutObject"'
	jq -e '.status == 499 and .received_bytes == 9' found
	s3 GET /cut/half
	is 404
}

@test "access log: each request has a line with its name, bytes and times" {
	watched_up
	object 200000 film
	s3 PUT /logged -A 'a "quoted" \agent'
	id=$(header x-amz-request-id)
	# shellcheck disable=SC2016 # $id is jq's
	line '.request_id == $id' --arg id "$id"
	jq -e '.operation == "CreateBucket" and .method == "PUT" and
		.bucket == "logged" and .key == null and .status == 200 and
		.account == "anonymous" and
		.user_agent == "a \"quoted\" \\agent" and
		(.client | test("^127.0.0.1:[0-9]+$")) and
		(.time | test("^20..-..-..T..:..:..\\....Z$"))' found
	s3 PUT '/logged/a%20b%0A%22' --data-binary @film
	# shellcheck disable=SC2016
	line '.request_id == $id' --arg id "$(header x-amz-request-id)"
	jq -e '.key == "a b\n\"" and .received_bytes == 200000 and
		.sent_bytes == 0 and .whole_seconds >= .metadata_seconds and
		.metadata_seconds > 0 and .first_byte_seconds > 0' found
	s3 GET '/logged/none'
	is 404 NoSuchKey
	# shellcheck disable=SC2016
	line '.request_id == $id' --arg id "$(element RequestId)"
	jq -e '.error == "NoSuchKey" and .status == 404' found
	# What the door refuses has a line, too.
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' >&9
	timeout 10 cat <&9 >refused
	exec 9>&-
	grep -q '^HTTP/1.1 400' refused
	line '.operation == "Invalid"'
	jq -e '.status == 400 and .error == "InvalidRequest"' found
}

@test "access log: SIGHUP goes on in a new file, and text has the same words" {
	ACCESS=$BATS_TEST_TMPDIR/access.log
	KOOP_ACCESS_LOG=$ACCESS cluster_up
	s3 PUT /rotated
	until_true grep -q 'CreateBucket PUT rotated/ status=200 error=- ' "$ACCESS"
	mv "$ACCESS" "$ACCESS.1"
	pid=$(for p in $(leftovers "$DATA"); do
		[ "$(basename "$(readlink "/proc/$p/exe")")" != koop-gw ] ||
			echo "$p"
	done)
	kill -HUP "$pid"
	until_true [ -e "$ACCESS" ]
	s3 GET /rotated/x
	until_true grep -q "GetObject GET rotated/x status=404 error=NoSuchKey request_id=$(header x-amz-request-id) " "$ACCESS"
	run ! grep -q GetObject "$ACCESS.1"
	[ "$(metrics koop_gw_access_log_dropped_total)" = 0 ]
}

@test "access log: a path that cannot be written is said at the start" {
	cluster_up
	run -78 --separate-stderr koop-gw --listen 127.0.0.1:0 \
		--access-log /nowhere/access.log
	# shellcheck disable=SC2154
	[ "$stderr" = "koop-gw: log file /nowhere/access.log: No such file or directory" ]
}

@test "request id: that of a client's error finds the lines of gateway and nodes" {
	PATH="$FAULTS_BIN:$PATH" KOOP_TEST_FAULT=store.create:1:fail watched_up
	object 300000 film
	s3 PUT /traced
	is 200
	s3 PUT /traced/film --data-binary @film
	is 503
	id=$(element RequestId)
	[ "$id" = "$(header x-amz-request-id)" ]
	# shellcheck disable=SC2016
	line '.request_id == $id' --arg id "$id"
	jq -e '.operation == "PutObject" and .status == 503' found
	grep -h "request=$id" "$DATA"/log/gateway*.log | grep -q PutObject
	# Each node refused its shard, and says to whom.
	[ "$(grep -l "request=$id" "$DATA"/log/node*.log | wc -l)" -ge 3 ]
	grep -h "request=$id" "$DATA"/log/node*.log | head -n 1 |
		jq -e '.level == "warn" and (.text | test("^PUT /store/"))'
}

@test "request id: at debug every call to a node carries it" {
	KOOP_LOG_LEVEL=debug watched_up
	object 300000 film
	s3 PUT /traced
	s3 PUT /traced/film --data-binary @film
	is 200
	id=$(header x-amz-request-id)
	put_lines() {
		[ "$(grep -h "request=$id" "$DATA"/log/node*.log |
			grep -c 'PUT /store/')" -eq 9 ]
	}
	until_true put_lines
	# What the cluster does of its own accord is nobody's.
	grep -h '/health' "$DATA"/log/node*.log | grep -q 'request=-'
}
