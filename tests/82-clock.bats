#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Wrong clocks: a writer's that was ahead, a gateway's and a shell's that are
# behind.  Nobody is refused for it, and the clock is named.

load helpers

PATH="$FAULTS_BIN:$PATH"

setup_file() {
	PATH="$FAULTS_BIN:$PATH" cluster_share
	curl -sS -f -X PUT "$GW/films"
}
teardown_file() { cluster_unshare; }

# gateway OFFSET: one more, whose date is wrong by OFFSET.  Sets GW and PID.
gateway() {
	mkfifo "ready$1"
	KOOP_TEST_CLOCK=$1 koop-gw --listen 127.0.0.1:0 --ready-fd 9 \
		9>"ready$1" 2>"log$1" 3>&- 4>&- &
	PID=$!
	GW=http://$(ready_wait "ready$1")
}

# ahead N: a gateway whose clock is thirty days ahead writes N times to one
# key, so that its partition's time is ahead by N hours.  The tests of this
# file run side by side in one cluster, so each has its own key.
KEY=ahead$BATS_TEST_NUMBER
ahead() {
	gateway +30d
	local i
	for ((i = 0; i < $1; i++)); do
		printf 'url = "%s/films/%s"\nupload-file = "one"\noutput = "/dev/null"\n' "$GW" "$KEY"
	done >requests
	echo 1 >one
	curl -sS -f -K requests
	kill "$PID"
	wait "$PID" || true
	GW=$(conf gateway)
}

@test "clock: after a writer was thirty days ahead, all can write again" {
	ahead 60
	# Seen by who knew nothing of it: a new gateway with a good clock.
	gateway +0d
	s3 PUT "/films/$KEY" -d again
	is 200
	s3 PUT "/films/$KEY-large" --data-binary "@$BIN/koop-node"
	is 200
	s3 GET "/films/$KEY"
	is 200
	[ "$(cat body)" = again ]
	# The id of a write is that of its record still.
	s3 PUT "/films/$KEY" -d more
	is 200
	id=$(header x-amz-request-id)
	koop-log | grep -q "\"requestId\":\"$id\""
	s3 DELETE "/films/$KEY"
	is 204
	s3 POST "/films/$KEY?uploads"
	is 200
	upload=$(element UploadId)
	s3 PUT "/films/$KEY?partNumber=1&uploadId=$upload" -d part
	is 200
	etag=$(header ETag)
	s3 POST "/films/$KEY?uploadId=$upload" -d "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$etag</ETag></Part></CompleteMultipartUpload>"
	is 200
	s3 POST '/films?delete' -d "<Delete><Object><Key>$KEY</Key></Object></Delete>"
	is 200
	[ "$(element Code)" = "" ]
	# Named, since the time of the log is far ahead.
	grep -q 'clock: the time of the log is [0-9]* s ahead' "log+0d"
	curl -sS "http://$(jq -r '.erasure_sets[0].machines[0] |
		"\(.ip):\(.port)"' "$DATA/topology.json")/health" >health
	jq -e '.status == "degraded" and .reasons == ["clock"]' health
	grep -hq 'clock: the time of the log is' "$DATA"/log/*
	kill "$PID"
	wait "$PID" || true
}

@test "clock: a pipeline writes into a partition whose time is ahead" {
	ahead 60
	object 100000 film
	koop-encode <film | koop-shard-put "films/$KEY" >receipts
	koop-commit <receipts >line
	grep -q ' outcome=done$' line
	koop-shard-get "films/$KEY" | koop-decode | cmp - film
	koop-rm "films/$KEY"
	koop-bucket make "made-$RANDOM"
}

@test "clock: a gateway three days behind writes" {
	# What it must not fall behind.
	s3 PUT /films/now -d now
	is 200
	gateway -3d
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		s3 PUT "/films/behind-$i" -d "$i"
		is 200
	done
	s3 PUT /films/behind-large --data-binary "@$BIN/koop-node"
	is 200
	s3 PUT /behind-bucket
	is 200
	s3 DELETE /behind-bucket
	is 204
	grep -q 'clock: the time of the log is [0-9]* s ahead' log-3d
	kill "$PID"
	wait "$PID" || true
}

@test "clock: a shell three days behind writes" {
	s3 PUT /films/now -d now
	is 200
	object 100000 film
	export KOOP_TEST_CLOCK=-3d
	koop-encode <film | koop-shard-put films/shell | koop-commit >line
	grep -q ' outcome=done$' line
	koop-rm films/shell
	koop-bucket make "shell-$RANDOM"
}
