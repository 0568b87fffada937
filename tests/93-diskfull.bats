#!/usr/bin/env bats
# No space left: a clear error, nothing lost, and it works again with room.

# in_mounts runs a test's function, here or in a shell of its own.
# shellcheck disable=SC2317,SC2154

load helpers

teardown() {
	keep_logs
	cluster_down
	local dir
	for dir in "$BATS_TEST_TMPDIR/small" "$BATS_TEST_TMPDIR/log" "$BATS_TEST_TMPDIR"/data/node-*; do
		${SUDO:-} umount "$dir" 2>/dev/null || true
	done
}

# in_mounts FUNCTION: where it may mount: as root, with sudo, or in a user
# namespace of its own, whose mounts end with it.  Never skipped.
in_mounts() {
	if [ "$(id -u)" -eq 0 ]; then
		SUDO='' "$@"
	elif sudo -n true 2>/dev/null; then
		SUDO="sudo -n" "$@"
	else
		unshare -rm bash -eu -c \
			"$(declare -f); $(declare -p BATS_TEST_TMPDIR BATS_FILE_TMPDIR ROOT)
			SUDO= "'"$@"' bash "$@" 3>&- 4>&-
	fi
}

# small SIZE DIR: a file system of that size.
small() {
	mkdir -p "$2"
	$SUDO mount -t tmpfs -o "size=$1,mode=0777" none "$2"
}

grow() {
	# With its source named, no old options are given again, of which a
	# user namespace does not know the owner.
	$SUDO mount -o "remount,size=$1" none "$2"
}

# cluster_small SIZE NODE...: a cluster whose nodes of these numbers have a
# file system of that size each, of which 8 MiB are kept for records.
cluster_small() {
	local n size=$1
	shift
	for n in "$@"; do
		small "$size" "$BATS_TEST_TMPDIR/data/node-1.$n"
	done
	cluster_up --reserve 8M
}

# fill KEY...: PUT 2 MB objects until one is refused; STORED counts the others.
fill() {
	STORED=0
	for key in "$@"; do
		s3 PUT "/full/$key" -T film
		[ "$CODE" = 200 ] || return 0
		STORED=$((STORED + 1))
	done
	echo "the disks took them all" >&2
	return 1
}

address() {
	jq -r ".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json"
}

# node_put N FILE [CURL-OPTION...]: the shard file of a new blob, straight to
# node N; prints the status, the answer is in ./answer and ./answer.headers.
node_put() {
	local id partition=0 target
	id=$(strings "$2" | sed -n 's/^request_id=//p' | head -n 1)
	target="/store/$partition/full/key?requestId=$id&shard=$1"
	curl -sS -o answer -D answer.headers -w '%{http_code}' -T "$2" \
		-H "X-Koop-To: $(conf cluster)/1/$1" \
		"${@:3}" "http://$(address "$1")$target"
}

one_full() {
	cluster_up --reserve 1M
	node --stop-node 3
	small 4m small
	cp -a "$DATA/node-1.3/." small/
	rm -rf "$DATA/node-1.3"
	ln -s "$BATS_TEST_TMPDIR/small" "$DATA/node-1.3"
	node --start-node 3
	koop status --data "$DATA" --wait full >/dev/null
	curl -sS -f -X PUT "$GW/full"
	for i in 1 2 3 4; do
		object 9000000 "film$i" "$i"
		curl -sS -f -T "film$i" "$GW/full/film$i"
	done
	# It could not take them all: 1.5 MB each.
	[ "$(told node-1.3 behind)$(told node-1.3 repairs)" != 00 ]
	for i in 1 2 3 4; do
		curl -sS -f -o back "$GW/full/film$i"
		cmp "film$i" back
	done
	grow 64m small
	koop status --data "$DATA" --timeout 120s --wait full >/dev/null
	for n in 0 4 7; do
		node --stop-node "$n"
	done
	for i in 1 2 3 4; do
		curl -sS -f -o back "$GW/full/film$i"
		cmp "film$i" back
	done
}

@test "disk full: one node without room: writes go on, and it heals with room" {
	in_mounts one_full
}

# logged NAME PATTERN COUNT: lines of that daemon's log.
logged() {
	[ "$(grep -c "$2" "$DATA/log/$1.log")" -eq "$3" ]
}

# The shard of partition 0 that node 2 holds is shard 2.
reserve_kept() {
	cluster_small 24m 2
	curl -sS -f -X PUT "$GW/full"
	object 6000000 film 1
	local i code=200
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		koop-encode --split s.%d.shard <film
		code=$(node_put 2 s.2.shard)
		[ "$code" = 200 ] || break
		cp s.2.shard last.shard
	done
	# 1 MB each: more than a few went in, and then it said who has no room.
	[ "$i" -gt 5 ]
	[ "$code" = 507 ]
	cat answer
	grep -q '^the disk of node 1/2 is full: [0-9]* bytes free, 8388608 of' answer
	# Its own log and that of the gateway say so, too, and once.
	until_true logged gateway-0 'the disk of node 1/2 is full' 1
	logged node-1.2 'the disk of node 1/2 is full: [0-9]* bytes free' 1
	local free
	free=$(tr -d '\r' <answer.headers | sed -n 's/^X-Koop-Free: //Ip')
	[ "$free" -ge $((8 << 20)) ]
	[ "$(df --output=avail -B1 "$DATA/node-1.2" | tail -n 1)" -ge $((8 << 20)) ]
	# A body of unknown length stops there, too.
	[ "$(node_put 2 s.2.shard -H "Transfer-Encoding: chunked")" = 507 ]
	# What is here already is here, whatever the disk.
	[ "$(node_put 2 last.shard)" = 200 ]
	# And the node applies records all the while.
	s3 PUT /full/small --data-binary short
	is 200
	[ "$(told node-1.2 behind)" -eq 0 ]
	koop status --data "$DATA" >status || true
	grep -A 1 '^node-1.2 ' status | tr -d '\n' |
		grep -q '  the disk of node 1/2 is full ([0-9]* bytes free)$'
	[ "$(told node-1.2 full)" = true ]
	[ "$(curl -sS "$GW/health" | jq -c '[.sets[0].nodes[]|[.node,.reasons]]')" = \
		'[["1/2",["disk full"]]]' ]
	logged gateway-0 'the disk of node 1/2' 1
	logged node-1.2 'the disk of node 1/2' 1
	grow 64m "$DATA/node-1.2"
	until_true health .status ok
	until_true logged node-1.2 'the disk of node 1/2 has room again' 1
	until_true logged gateway-0 'the disk of node 1/2 has room again' 1
	logged gateway-0 'the disk of node 1/2' 2
	logged node-1.2 'the disk of node 1/2' 2
}

@test "disk full: a node takes data up to its reserve, and says so" {
	in_mounts reserve_kept
}

# health JQ VALUE: what the gateway says of the cluster.
health() {
	[ "$(curl -sS "$GW/health" | jq -r "$1")" = "$2" ]
}

metric() {
	[ "$(curl -sS "$GW/metrics" | sed -n "s/^$1 //p")" = "$2" ]
}

# begin_full: a bucket with two objects, an upload with a part, and a film.
begin_full() {
	curl -sS -f -X PUT "$GW/full"
	object 2000000 film 1
	curl -sS -f -T film "$GW/full/first"
	curl -sS -f -T film "$GW/full/second"
	printf little | curl -sS -f -T - "$GW/full/little"
	s3 POST '/full/parts?uploads'
	is 200
	upload=$(element UploadId)
	s3 PUT "/full/parts?uploadId=$upload&partNumber=1" -T film
	is 200
}

# full: the nodes whose disks are full, by what the gateway says: "1/0 1/4".
full() {
	curl -sS "$GW/health" | jq -r '[.sets[0].nodes[] |
		select(.reasons|index("disk full"))|.node]|join(" ")'
}

# refused: a write says which disks are full, large or small, whether its length
# is known or not, and nothing comes of it.  All that tell of it agree.
refused() {
	local node nodes film status=0
	until_true health .status readonly
	nodes=$(full)
	[ "$(wc -w <<<"$nodes")" -ge 3 ]
	printf little >little
	for film in film little; do
		s3 PUT /full/never -T "$film"
		is 507 InsufficientStorage
		s3 PUT /full/never -H 'Transfer-Encoding: chunked' -T "$film"
		is 507 InsufficientStorage
	done
	cat body
	[ "$(element Message | grep -o '1/[0-9]' | xargs)" = "$nodes" ]
	[[ $(element Message) =~ ^"the disk of node 1/"[0-9]" is full ("[0-9]+" bytes free), that of 1/" ]]
	s3 PUT "/full/parts?uploadId=$upload&partNumber=2" -T film
	is 507 InsufficientStorage
	s3 GET /full/never
	is 404 NoSuchKey
	koop-encode <film | koop-shard-put full/pipe >receipts 2>err || status=$?
	cat err
	[ "$status" -eq 73 ]
	grep -q 'the disk of node 1/[0-9] is full ([0-9]* bytes free)' err
	[ "$(grep -c '^end' receipts)" -eq 0 ]
	metric koop_gw_health 2
	[ "$(told gateway-0 status)" = readonly ]
	for node in $nodes; do
		[ "$(told "node-1.${node#1/}" status)" = readonly ]
		[[ "$(told "node-1.${node#1/}" reason)" == "the disk of node $node is full ("* ]]
	done
}

# goes_on: with the disks full of data, all that needs no room still works, and
# what is deleted gives its space back.
goes_on() {
	local key began=$SECONDS
	s3 GET '/full?list-type=2'
	is 200
	[ "$(element Key | grep -c .)" -eq $((STORED + 3)) ]
	s3 GET '/full?uploads'
	is 200
	[ "$(element UploadId)" = "$upload" ]
	s3 HEAD /full/first
	is 200
	s3 GET /full/second
	is 200
	cmp body film
	s3 DELETE /full/first
	is 204
	s3 GET /full/first
	is 404 NoSuchKey
	s3 DELETE "/full/parts?uploadId=$upload"
	is 204
	{
		echo '<Delete>'
		for ((key = 1; key <= STORED / 2; key++)); do
			echo "<Object><Key>$key</Key></Object>"
		done
		echo '</Delete>'
	} >delete.xml
	s3 POST '/full?delete' --data-binary @delete.xml
	is 200
	[ "$(element Key | grep -c .)" -eq $((STORED / 2)) ]
	[ "$(element Code | grep -c .)" -eq 0 ]
	# None of it waited for anything.
	[ $((SECONDS - began)) -lt 15 ]
	until_true health .status ok
	s3 PUT /full/again -T film
	is 200
	s3 GET /full/again
	cmp body film
	s3 GET /full/second
	cmp body film
}

all_full() {
	export KOOP_GC_GRACE=1s
	cluster_small 24m 0 1 2 3 4 5 6 7 8
	health .status ok
	metric koop_gw_health 0
	begin_full
	fill $(seq 1 200)
	is 507 InsufficientStorage
	refused
	goes_on
}

@test "disk full: all nodes: reads, lists and deletes go on, and give space back" {
	in_mounts all_full
}

# Three of nine: two could be done without.
three_full() {
	export KOOP_GC_GRACE=1s
	cluster_small 24m 1 4 7
	begin_full
	fill $(seq 1 200)
	is 507 InsufficientStorage
	refused
	[ "$(full)" = "1/1 1/4 1/7" ]
	goes_on
}

@test "disk full: three nodes: too few disks are left, and they are named" {
	in_mounts three_full
}

# put KEY FILE
put() {
	s3 PUT "/full/$1" -T "$2"
	[ "$CODE" = 200 ]
}

two_full() {
	cluster_small 20m 2 6
	begin_full
	local i full=0
	for ((i = 1; i <= 60 && full < 2; i++)); do
		s3 PUT "/full/$i" -T film
		is 200
		full=$(full | wc -w)
	done
	[ "$full" -eq 2 ]
	# Seven shards are enough, with the two as with all.
	health .status degraded
	metric koop_gw_health 1
	metric koop_gw_nodes_with_room 7
	metric 'koop_gw_set_spare_nodes{set="1"}' 0
	s3 PUT /full/more -T film
	is 200
	s3 GET /full/more
	cmp body film
	# A third that is away: now trying again helps, when it is back.
	node --stop-node 4
	until_true health .status readonly
	metric 'koop_gw_set_spare_nodes{set="1"}' -1
	s3 PUT /full/more -T film
	is 503
	s3 GET /full/more
	cmp body film
	node --start-node 4
	until_true put more film
}

@test "disk full: two nodes: writes go on, and health says degraded" {
	in_mounts two_full
}

# puts N: so many small objects; CODES has what each was told.
puts() {
	local i
	CODES=
	for ((i = 0; i < $1; i++)); do
		s3 PUT "/full/small$i" -T small-object
		CODES+="$CODE "
		[ "$CODE" = 200 ] || cp body refusal
	done
}

log_full() {
	cluster_up
	curl -sS -f -X PUT "$GW/full"
	koop down --data "$DATA"
	small 8m log
	mv "$DATA"/commit.db "$DATA"/commit.db-* log/ 2>/dev/null || true
	ln -s "$BATS_TEST_TMPDIR/log/commit.db" "$DATA/commit.db"
	koop up --detach --data "$DATA" --durability os 3>&- >up.log
	object 6000 small-object 1
	object 1000000 film 2
	curl -sS -f -T film "$GW/full/film"
	# All that is left goes to another.
	head -c 16m /dev/zero >log/other 2>/dev/null || true
	puts 20
	echo "$CODES"
	[[ "$CODES" == *503* ]]
	[[ "$CODES" != *500* ]]
	grep -q '<Code>ServiceUnavailable</Code>' refusal
	grep -q 'full' refusal
	# What is there is read, told of and listed; the gateways live.
	curl -sS -f "$GW/full/film" | cmp - film
	s3 HEAD /full/film
	is 200
	s3 GET '/full?list-type=2'
	is 200
	[ "$(element Key | grep -c '^film$')" -eq 1 ]
	s3 PUT /another
	is 503
	s3 DELETE /full/film
	is 503
	# Multipart uploads ask for records, too.
	s3 POST '/full/parts?uploads'
	is 503
	rm log/other
	puts 5
	[ "$CODES" = "200 200 200 200 200 " ]
	s3 DELETE /full/film
	is 204
	koop status --data "$DATA" --wait full >/dev/null
	[ "$(koop status --data "$DATA" --json |
		jq '[.programs[] | select(.restarts == 0)] | length')" -eq 10 ]
}

@test "disk full: the commit log: 503 with the reason, and it heals with room" {
	in_mounts log_full
}

split_full() {
	local status
	small 1m small
	object 5000000 film 1
	status=0
	koop-encode --split small/film.%d.shard <film >out 2>err || status=$?
	[ "$status" -eq 74 ]
	[ ! -s out ]
	grep -q '^koop-encode: .*No space left on device' err
	[ -z "$(ls small)" ]
	status=0
	bash -c 'koop-encode <film >small/film' 2>err || status=$?
	[ "$status" -eq 74 ]
	grep -q '^koop-encode: .*No space left on device' err
	rm -f small/film
	head -c 300000 film >short
	koop-encode --split small/film.%d.shard <short
	rm small/film.0.shard small/film.4.shard small/film.8.shard
	koop-decode small/film.*.shard | cmp - short
}

@test "disk full: a pipeline that splits to a full disk says so and leaves nothing" {
	in_mounts split_full
}
