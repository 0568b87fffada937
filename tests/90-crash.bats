#!/usr/bin/env bats
# kill -9 at every named point, and of everything at once: what was
# acknowledged is there, nothing is half there, and nobody has to help.

# shellcheck disable=SC2154 # run sets stderr

load helpers

# The programs with fault points, for the whole cluster: a point that nobody
# asked for does nothing.
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	PATH="$KOOP_FAULTS_BIN:$PATH"
	[ -x "$KOOP_FAULTS_BIN/koop-node" ]
}

teardown() {
	keep_logs
	cluster_down
	[ -z "${HAND:-}" ] || kill -KILL "$HAND" 2>/dev/null || true
}

# hand_gateway FAULT: a second gateway, run by hand, which will be killed.
# Sets HAND (its process) and HGW (its URL).
hand_gateway() {
	rm -f ready
	mkfifo ready
	KOOP_TEST_FAULT=$1 koop-gw --listen 127.0.0.1:0 --ready-fd 7 \
		3>&- 4>&- 7>ready 2>>hand.log &
	HAND=$!
	HGW="http://$(ready_wait ready)"
}

# hand_node N FAULT: node N, stopped before, run by hand with a fault.
hand_node() {
	local address
	address=$(told "node-1.$1" address)
	rm -f ready
	mkfifo ready
	KOOP_TEST_FAULT=$2 koop-node --listen "$address" \
		--data-dir "$DATA/node-1.$1" --ready-fd 7 \
		3>&- 4>&- 7>ready 2>>hand.log &
	HAND=$!
	ready_wait ready
}

# The process run by hand must die of its fault: nothing else would be a test.
hand_dies() {
	local status=0
	(timeout 20 tail --pid="$HAND" -f /dev/null || kill -TERM "$HAND") \
		3>&- 4>&- &
	wait "$HAND" || status=$?
	HAND=
	[ "$status" -eq 137 ]
}

GATEWAY_POINTS="write.begin:1 write.shard:1 write.shard:2 write.durable:1
	log.locked:1 log.commit:1 log.committed:1 write.appended:1
	write.applied:1"
NODE_POINTS="store.create:1 store.write:1 store.fsync:1 store.dirsync:1
	store.reply:1 apply.begin:1 apply.record:1 apply.commit:1
	apply.publish:1"

# reads_as FILE URL: what is read there, left in the file "back".
reads_as() {
	curl -sS -f -o back "$2" && cmp -s "$1" back
}

@test "crash: a gateway killed at any point of a PUT leaves the old or the new" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 9000000 old 1
	object 9000000 new 2
	object 500 old-inline 3
	object 500 new-inline 4
	i=0
	for point in $GATEWAY_POINTS; do
		for kind in "" -inline; do
			# What is sent inside the record has no shards.
			[ -z "$kind" ] || [[ "$point" == log.* ]] ||
				[[ "$point" == write.app* ]] || continue
			i=$((i + 1))
			curl -sS -f -T "old$kind" "$GW/crash/$i"
			hand_gateway "$point:kill"
			code=$(curl -sS -o answer -w '%{http_code}' \
				-T "new$kind" "$HGW/crash/$i") || true
			echo "$point$kind: $code"
			hand_dies
			# Killed before it could answer, but the record decides:
			# not in the log, or in it and in force.  Nobody told of
			# one that was just committed; it is found all the same.
			case $point in
			log.committed:*)
				until_true reads_as "new$kind" "$GW/crash/$i"
				;;
			write.appended:* | write.applied:*)
				reads_as "new$kind" "$GW/crash/$i"
				;;
			*) reads_as "old$kind" "$GW/crash/$i" ;;
			esac
			[ "$code" != 200 ]
			# It does not change its mind afterwards.
			curl -sS -f -o again "$GW/crash/$i"
			cmp back again
		done
	done
	[ "$i" -eq 14 ]
	koop status --data "$DATA" --wait full >/dev/null
}

# hand_ends: the process run by hand is stopped; its status in STATUS.
hand_ends() {
	kill -CONT "$HAND" 2>/dev/null || true
	kill -TERM "$HAND" 2>/dev/null || true
	STATUS=0
	wait "$HAND" || STATUS=$?
	HAND=
}

@test "crash: a call that fails at any point of a PUT is told as it ended" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 9000000 old 1
	object 9000000 new 2
	i=0
	for point in $GATEWAY_POINTS; do
		i=$((i + 1))
		curl -sS -f -T old "$GW/crash/$i"
		hand_gateway "$point:error"
		code=$(curl -sS -o answer -w '%{http_code}' -T new \
			"$HGW/crash/$i") || true
		echo "$point: $code"
		# An append that is not known to have failed is looked for, and
		# found; a sync that failed ends the program.  What is in the
		# log is in force, whatever the client was told.
		case $point in
		write.begin:* | write.shard:* | write.durable:*)
			[ "$code" = 503 ]
			reads_as old "$GW/crash/$i"
			;;
		log.locked:*)
			[ "$code" = 503 ]
			grep -q '<Code>ServiceUnavailable</Code>' answer
			reads_as old "$GW/crash/$i"
			;;
		log.commit:*)
			[ "$code" != 200 ]
			reads_as old "$GW/crash/$i"
			;;
		log.committed:*)
			[ "$code" = 200 ]
			reads_as new "$GW/crash/$i"
			;;
		*)
			[ "$code" = 503 ]
			reads_as new "$GW/crash/$i"
			;;
		esac
		hand_ends
		if [[ "$point" == log.commit:* ]]; then
			[ "$STATUS" -eq 134 ]
		else
			[ "$STATUS" -eq 0 ]
		fi
	done
	[ "$i" -eq 9 ]
}

# follower_fails: its fault has been hit.
follower_fails() { grep -q '^fault: log.follow' hand.log; }

# refused: what is known is too old by now.
refused() {
	[ "$(curl -sS -o answer -w '%{http_code}' -T one "$HGW/crash/key")" = 503 ]
}

@test "crash: a gateway that cannot follow the settings of buckets does not guess" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	echo one >one
	curl -sS -f -T one "$GW/crash/key"
	hand_gateway log.follow:20:fail
	# It knows the bucket by now, and may have it in memory.
	curl -sS -f "$HGW/crash/key" | cmp - one
	until_true follower_fails
	until_true refused
	koop-bucket set crash versioning Enabled
	echo two >two
	for request in "-T two $HGW/crash/key" "-X DELETE $HGW/crash/key" \
		"-X POST $HGW/crash/parts?uploads"; do
		# shellcheck disable=SC2086
		code=$(curl -sS -o answer -w '%{http_code}' $request)
		echo "$request: $code"
		[ "$code" = 503 ]
		cat answer
		grep -q '<Code>ServiceUnavailable</Code>' answer
	done
	grep -q 'buckets: not followed: commit log: fault' hand.log
	# Reads ask the nodes.  The other gateway follows, and nothing was done.
	curl -sS -f "$HGW/crash/key" | cmp - one
	curl -sS -f "$GW/crash/key" | cmp - one
	[ "$(koop-list --versions crash | wc -l)" -eq 1 ]
	hand_ends
	[ "$STATUS" -eq 0 ]
}

@test "crash: koop-commit says 75 when it does not know the outcome" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 100000 film
	koop-encode <film | koop-shard-put crash/film >receipts
	KOOP_TEST_FAULT=write.appended:1 run -75 --separate-stderr koop-commit \
		<receipts
	[[ "$stderr" == *"not known"* ]]
	# The same again is safe, says what it came to, and appends nothing.
	koop-commit <receipts >line
	grep -q ' outcome=done$' line
	[ "$(koop-log | grep -c PutMessage)" -eq 1 ]
	reads_as film "$GW/crash/film"
}

@test "crash: a node whose calls fail at any point of a PUT does no harm" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	i=0
	for point in $NODE_POINTS; do
		i=$((i + 1))
		object 2000000 "film$i" "$i"
		node --stop-node 4
		hand_node 4 "$point:error"
		# As below: until the gateway sends to it again, and it has
		# come to the point.
		for _ in {1..200}; do
			curl -sS -f -T "film$i" "$GW/crash/film$i"
			! grep -q "fault: $point" hand.log || break
		done
		echo "$point"
		grep -q "fault: $point" hand.log
		: >hand.log
		hand_ends
		# Ended well, or by what a failed sync must do.
		[[ "$STATUS" =~ ^(0|134)$ ]]
		node --start-node 4
		koop status --data "$DATA" --wait full >/dev/null
	done
	for n in 0 3 7; do
		node --stop-node "$n"
	done
	for ((n = 1; n <= i; n++)); do
		reads_as "film$n" "$GW/crash/film$n"
	done
}

# hand_stopped: the process run by hand stands still.
hand_stopped() { [ "$(ps -o stat= -p "$HAND" | cut -c 1)" = T ]; }

@test "crash: a gateway that stands still at any point of a PUT, and goes on" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 9000000 old 1
	object 9000000 new 2
	i=0
	for point in $GATEWAY_POINTS; do
		i=$((i + 1))
		curl -sS -f -T old "$GW/crash/$i"
		hand_gateway "$point:stop"
		curl -sS -f --max-time 60 -T new "$HGW/crash/$i" 3>&- &
		put=$!
		until_true hand_stopped
		# Whoever holds the log's lock keeps other writers waiting, but
		# no reader.
		case $point in
		log.committed:*) reads_as old "$GW/crash/$i" ||
			reads_as new "$GW/crash/$i" ;;
		write.appended:* | write.applied:*)
			reads_as new "$GW/crash/$i"
			;;
		*) reads_as old "$GW/crash/$i" ;;
		esac
		kill -CONT "$HAND"
		wait "$put"
		reads_as new "$GW/crash/$i"
		hand_ends
	done
}

@test "crash: a node killed at any point of a PUT comes back and is whole" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	i=0
	for point in $NODE_POINTS; do
		i=$((i + 1))
		object 2000000 "film$i" "$i"
		node --stop-node 4
		hand_node 4 "$point:kill"
		# A gateway leaves a node that was down alone for a while: again,
		# until it has come to the point.
		for _ in {1..200}; do
			curl -sS -f -T "film$i" "$GW/crash/film$i"
			kill -0 "$HAND" 2>/dev/null || break
		done
		echo "$point"
		hand_dies
		node --start-node 4
		koop status --data "$DATA" --wait full >/dev/null
	done
	# With three others gone its shards are needed, every one of them.
	for n in 0 3 7; do
		node --stop-node "$n"
	done
	for ((n = 1; n <= i; n++)); do
		curl -sS -f -o back "$GW/crash/film$n"
		cmp "film$n" back
	done
}

# Points that fail once instead of ending the program, and the counter by which
# the node shows that it came to them.  A shard may come by a PUT or by repair.
STORED='\(shard_refused\|repair_failures\)'
ERROR_POINTS="store.create:1=$STORED store.write:1=$STORED
	store.reply:1=shard_puts apply.begin:1=apply_failures
	apply.record:1=apply_failures apply.commit:1=apply_failures"

# node_address N: where node N listens.
node_address() {
	jq -r ".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json"
}

# metric ADDRESS PATTERN: the sum of a node's counters.
metric() {
	curl -sS -f "http://$1/metrics" | grep "^koop_node_$2_total " |
		awk '{ n += $2 } END { print n + 0 }'
}

@test "crash: a node where any step fails once goes on, and lacks nothing" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	i=0
	for point in $ERROR_POINTS; do
		i=$((i + 1))
		object 2000000 "film$i" "$i"
		node --stop-node 4
		address=$(node_address 4)
		hand_node 4 "${point%=*}:error"
		for _ in {1..200}; do
			curl -sS -f -T "film$i" "$GW/crash/film$i"
			[ "$(metric "$address" "${point#*=}")" -eq 0 ] || break
		done
		echo "$point"
		[ "$(metric "$address" "${point#*=}")" -gt 0 ]
		# It is still the same process, and ends when it is told to.
		kill -TERM "$HAND"
		(timeout 20 tail --pid="$HAND" -f /dev/null) 3>&- 4>&-
		HAND=
		node --start-node 4
		koop status --data "$DATA" --wait full >/dev/null
	done
	for n in 0 3 7; do
		node --stop-node "$n"
	done
	for ((n = 1; n <= i; n++)); do
		curl -sS -f -o back "$GW/crash/film$n"
		cmp "film$n" back
	done
}

@test "crash: a sync that fails ends the node, which comes back whole" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	for point in store.fsync:1 store.dirsync:1; do
		object 2000000 "film$point" "${#point}"
		node --stop-node 4
		hand_node 4 "$point:error"
		for _ in {1..200}; do
			curl -sS -f -T "film$point" "$GW/crash/film$point"
			kill -0 "$HAND" 2>/dev/null || break
		done
		status=0
		wait "$HAND" || status=$?
		HAND=
		[ "$status" -eq 134 ]
		node --start-node 4
		koop status --data "$DATA" --wait full >/dev/null
		curl -sS -f -o back "$GW/crash/film$point"
		cmp "film$point" back
	done
}

@test "crash: a repair that fails once is made again" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	object 2000000 film 1
	node --stop-node 4
	curl -sS -f -T film "$GW/crash/film"
	hand_node 4 "repair.publish:1:error"
	whole_again() {
		[ "$(find "$DATA/node-1.4/shards" -type f | wc -l)" -eq 1 ] &&
			[ "$(metric "$(node_address 4)" repaired)" -eq 1 ]
	}
	until_true whole_again
	[ "$(metric "$(node_address 4)" repair_failures)" -eq 1 ]
	grep -q 'repair failed.*fault' hand.log
}

# parts FILE KEY: upload in two parts by hand; sets UPLOAD, and the body of
# Complete in the file "complete".
parts() {
	curl -sS -f -X POST "$1?uploads" >initiated
	UPLOAD=$(sed -n 's/.*<UploadId>\([^<]*\).*/\1/p' initiated)
	: >complete
	for part in 1 2; do
		etag=$(curl -sS -f -D - -o /dev/null -T "part$part" \
			"$1?partNumber=$part&uploadId=$UPLOAD" | tr -d '\r' |
			sed -n 's/^[Ee][Tt]ag: //p')
		echo "<Part><PartNumber>$part</PartNumber><ETag>$etag</ETag></Part>" \
			>>complete
	done
	{
		echo '<CompleteMultipartUpload>'
		cat complete
		echo '</CompleteMultipartUpload>'
	} >body
	mv body complete
}

@test "crash: a gateway killed during Complete; Complete again says the same" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 5242880 part1 1
	object 700000 part2 2
	i=0
	for point in complete.append:1 log.locked:1 log.commit:1 log.committed:1 \
		complete.appended:1; do
		i=$((i + 1))
		parts "$GW/crash/mp$i"
		hand_gateway "$point:kill"
		code=$(curl -sS -o answer -w '%{http_code}' -X POST \
			--data-binary @complete \
			"$HGW/crash/mp$i?uploadId=$UPLOAD") || true
		echo "$point: $code"
		hand_dies
		code=$(curl -sS -o back -w '%{http_code}' "$GW/crash/mp$i")
		[ "$code" = 404 ] || cat part1 part2 | cmp - back
		curl -sS -f -X POST --data-binary @complete \
			"$GW/crash/mp$i?uploadId=$UPLOAD" >answer
		grep -q '<ETag>' answer
		curl -sS -f -o back "$GW/crash/mp$i"
		cat part1 part2 | cmp - back
	done
}

# Everything that koop up started, and koop up itself, at one moment.
kill_everything() {
	local pids
	pids=$(leftovers "$DATA")
	[ "$(wc -w <<<"$pids")" -ge 11 ]
	# shellcheck disable=SC2086
	kill -KILL $pids
}

# bats test_tags=slow
@test "crash: koop up and all its programs killed while writers write" {
	cluster_up --durability full
	curl -sS -f -X PUT "$GW/crash"
	for size in 100 30000 600000; do
		object "$size" "body-$size" "$size"
	done
	for round in 1 2 3 4; do
		: >"acked-$round"
		for writer in 1 2 3; do
			(
				for ((i = 0; i < 10000; i++)); do
					for size in 100 30000 600000; do
						key=$round-$writer-$i-$size
						curl -sS -f -o answer-$writer \
							--max-time 20 \
							-T "body-$size" \
							"$GW/crash/$key" 2>>curl.log ||
							exit 0
						echo "$key" >>"acked-$round"
					done
				done
			) 3>&- &
		done
		# As soon as there is something to lose.
		until [ "$(wc -l <"acked-$round")" -ge $((12 * round)) ]; do
			read -r -t 0.02 <> <(:) || true
		done
		kill_everything
		wait
		koop up --detach --data "$DATA" 3>&- >up.log
		while read -r key; do
			curl -sS -f -o back "$GW/crash/$key"
			cmp "body-${key##*-}" back
		done < <(cat acked-*)
	done
	koop status --data "$DATA" --wait full >/dev/null
	# Nothing half is visible: what is listed reads whole.
	curl -sS -f "$GW/crash?list-type=2&max-keys=1000" |
		grep -o '<Key>[^<]*' | sed 's/<Key>//' >keys
	while read -r key; do
		curl -sS -f -o back "$GW/crash/$key"
		cmp "body-${key##*-}" back
	done <keys
}

@test "crash: koop up alone killed takes its programs with it; up again serves" {
	cluster_up
	curl -sS -f -X PUT "$GW/crash"
	object 300000 film 1
	curl -sS -f -T film "$GW/crash/film"
	up=$(leftovers "$DATA" | while read -r pid; do
		case $(readlink "/proc/$pid/exe") in
		*/koop-up) echo "$pid" ;;
		esac
	done)
	kill -KILL "$up"
	# A zombie has no command line.
	until_true bash -c "! grep -q . /proc/$up/cmdline 2>/dev/null"
	koop up --detach --data "$DATA" --durability os 3>&- >up.log
	curl -sS -f -o back "$GW/crash/film"
	cmp film back
}

@test "crash: a node that is killed is started again by itself" {
	cluster_up
	pid=$(told node-1.5 pid)
	kill -KILL "$pid"
	koop status --data "$DATA" --wait full >status
	[ "$(told node-1.5 pid)" != "$pid" ]
	[ "$(told node-1.5 restarts)" -eq 1 ]
	grep -A 1 '^node-1\.5 ' status | grep -qx '  was started again 1 time'
}
