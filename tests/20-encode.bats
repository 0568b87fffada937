#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-encode(1): object on stdin, shard stream on stdout or in files.

# shellcheck disable=SC2154 # run sets stderr
load helpers

ID=01934fb71e2a70118c4d123456789abc

# text FILE: the lines of BEGIN and END.
text() {
	{
		head -c 512 "$1" | tail -c 480
		tail -c 992 "$1"
	} | grep .
}

@test "encode: an empty object is BEGIN and END, and no stripe" {
	koop-encode </dev/null >shards
	[ "$(stat -c %s shards)" -eq 1536 ]
	[ "$(grep -a -o KPF1 shards | wc -l)" -eq 2 ]
	text shards | grep -qx size=0
	text shards | grep -qx stripes=0
	text shards | grep -qx md5=d41d8cd98f00b204e9800998ecf8427e
	text shards | grep -qx crc64nvme=0000000000000000
}

@test "encode: a stream is as long as its geometry says" {
	object 60000 movie
	koop-encode -k 6 -m 3 -c 10000 <movie >shards
	[ "$(stat -c %s shards)" -eq $((512 + 9 * (32 + 10000) + 1024)) ]
	koop-encode -k 6 -m 3 -c 8192 <movie >shards
	[ "$(stat -c %s shards)" -eq \
		$((512 + 9 * (32 + 8192) + 9 * (32 + 1808) + 1024)) ]
}

@test "encode: MD5 is that of openssl, and left out on request" {
	object 1000000 movie
	koop-encode <movie >shards
	text shards | grep -qx "md5=$(openssl md5 -r movie | cut -d' ' -f1)"
	koop-encode --no-md5 <movie >shards
	run ! grep -a -q md5= shards
	koop-decode <shards | cmp - movie
}

@test "encode: BEGIN tells geometry and request id" {
	koop-encode -k 4 -m 2 -c 4K --request-id $ID </dev/null >shards
	text shards | head -6 >told
	printf '%s\n' format=2 code=rs-cauchy data_shards=4 parity_shards=2 \
		cell_size=4096 request_id=$ID >want
	diff want told
}

@test "encode: a request id is minted anew each time" {
	koop-encode </dev/null >shards
	text shards | grep request_id >one
	koop-encode </dev/null >shards
	text shards | grep request_id >two
	run -1 cmp -s one two
	grep -qE '^request_id=[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$' one
}

@test "encode: the environment sets what flags do not" {
	KOOP_DATA_SHARDS=4 KOOP_PARITY_SHARDS=1 KOOP_CELL_SIZE=8K \
		koop-encode </dev/null >shards
	text shards | grep -qx data_shards=4
	text shards | grep -qx parity_shards=1
	text shards | grep -qx cell_size=8192
	KOOP_DATA_SHARDS=4 koop-encode -k 5 </dev/null >shards
	text shards | grep -qx data_shards=5
}

@test "encode: more than 32 shards is a usage error" {
	run -64 --separate-stderr koop-encode -k 30 -m 3 </dev/null
	[ "$output" = "" ]
	[[ "$stderr" == "koop-encode: 30 data and 3 parity shards:"* ]]
	run -64 --separate-stderr koop-encode -k 33 </dev/null
	[ "$output" = "" ]
	run -64 --separate-stderr koop-encode -k 0 </dev/null
	[ "$output" = "" ]
}

@test "encode: a size with nonsense after it is a usage error" {
	local size
	for size in 64Q 64KK '' -1 99999999999999999999 17G 4095 1025K; do
		run -64 --separate-stderr koop-encode -c "$size" </dev/null
		[ "$output" = "" ]
	done
}

@test "encode: a header that objects do not keep is a usage error" {
	local header
	for header in Host:x nocolon : 'Content-Type' 'x-amz-meta-:y' \
		'Content-Type:' $'Expires:a\001b'; do
		run -64 --separate-stderr koop-encode --header "$header" \
			</dev/null
		[ "$output" = "" ]
		[[ "$stderr" == "koop-encode: --header: "* ]]
	done
	run -64 koop-encode --header Expires:a --header expires:b </dev/null
	run -66 --separate-stderr koop-encode --header @no/where </dev/null
	[[ "$stderr" == "koop-encode: --header: no/where: "* ]]
	run -64 koop-encode --split '%d' --header Expires:a </dev/null
}

@test "encode: what is no request id is a usage error" {
	local id
	for id in '' 1 ${ID}0 "${ID^^}" 01934fb71e2a40118c4d123456789abc; do
		run -64 --separate-stderr koop-encode --request-id "$id" \
			</dev/null
		[ "$output" = "" ]
	done
}

@test "encode: a full disk is an I/O error" {
	object 1000000 movie
	run -74 --separate-stderr bash -c 'koop-encode <movie >/dev/full'
	[ "$stderr" = "koop-encode: write: No space left on device" ]
	run -74 --separate-stderr bash -c \
		'koop-encode --no-md5 <movie >/dev/full'
	[ "$stderr" = "koop-encode: write: No space left on device" ]
	run -74 bash -c 'koop-encode </dev/null >/dev/full'
}

@test "encode: input that cannot be read is an I/O error" {
	run -74 --separate-stderr bash -c 'koop-encode </'
	[[ "$stderr" == "koop-encode: read: "* ]]
	run -74 --separate-stderr bash -c 'koop-encode <&-'
}

@test "encode: a terminal is refused, unless it is forced" {
	run -64 script -qec "koop-encode </dev/null" /dev/null
	[[ "$output" == *"koop-encode: "*terminal* ]]
	run -0 script -qec "koop-encode -f </dev/null" /dev/null
	[[ "$output" == *KPF1* ]]
}

@test "encode: a reader that goes away ends it quietly" {
	head -c 20M /dev/zero >movie
	run -0 --separate-stderr bash -c 'koop-encode <movie | head -c 10 >ten'
	[ "$stderr" = "" ]
	[ "$(head -c 4 ten)" = KPF1 ]
	run --separate-stderr bash -c 'set -o pipefail
		koop-encode --no-md5 <movie | head -c 10 >/dev/null'
	[ "$status" -eq 141 ]
}

@test "encode: split makes one file a shard, and they differ in the number" {
	object 100000 movie
	koop-encode --request-id $ID -k 4 -m 2 --split 'film.%d.shard' <movie
	[ "$(echo film.*)" = "$(echo film.{0..5}.shard)" ]
	[ "$(ls | wc -l)" -eq 7 ]
	local j
	for j in 0 1 2 3 4 5; do
		[ "$(stat -c %s film.$j.shard)" -eq \
			$((512 + 32 + 25000 + 1024)) ]
		[ "$(od -An -tu1 -j5 -N1 film.$j.shard)" -eq $j ]
	done
	cmp -n 448 -i 32 film.0.shard film.5.shard
}

@test "encode: a bad pattern is a usage error" {
	local pattern
	mkdir empty # bats keeps files of its own where it began
	cd empty
	for pattern in film 'film.%d.%d' 'film.%s' 'film.%' '%d%%' '%%d' \
		'%5d' ''; do
		run -64 --separate-stderr koop-encode --split "$pattern" \
			</dev/null
		[[ "$stderr" == "koop-encode: --split $pattern: "* ]]
		[ -z "$(ls)" ]
	done
}

@test "encode: files that cannot be made exit 73 and leave nothing" {
	mkdir empty
	cd empty
	run -73 --separate-stderr koop-encode --split 'no/where.%d' </dev/null
	[[ "$stderr" == "koop-encode: no/where.0: "* ]]
	mkdir dir
	run -73 --separate-stderr koop-encode --split 'dir/no/%d' </dev/null
	# The last one cannot be made: those before it go, too.
	mkdir film.8
	run -73 --separate-stderr koop-encode --split 'film.%d' </dev/null
	rmdir dir film.8
	[ -z "$(ls -A)" ]
}

@test "encode: split that fails half way leaves what was there before" {
	mkdir work
	cd work
	object 100000 movie
	koop-encode --split 'film.%d' <movie
	cp film.3 before
	run -74 --separate-stderr bash -c 'koop-encode --split "film.%d" </'
	cmp before film.3
	[ "$(ls | wc -l)" -eq 11 ]
}

# interrupted SIGNAL NUMBER PROGRAM...: PROGRAM, in the folder work and reading
# FIFO in, is ended by the signal in mid-stream; nothing is left in work.
interrupted() {
	local signal=$1 number=$2 pid status=0
	shift 2
	rm -rf work
	mkdir work
	(cd work && exec env --default-signal="$signal" "$@" <../in) &
	pid=$!
	exec 5>in
	cat movie >&5
	# It has read what came: it waits for more, with its files open.
	until [ "$(find "/proc/$pid/fd" \( -lname '*(deleted)' -o -lname '*.tmp' \) \
		2>/dev/null | wc -l)" -ge "$FILES" ]; do
		kill -0 "$pid"
	done
	kill -s "$signal" "$pid"
	wait "$pid" || status=$?
	exec 5>&-
	[ "$status" -eq $((128 + number)) ]
	[ -z "$(ls -A work)" ]
}

@test "encode: a signal leaves no file of --split" {
	mkfifo in
	object 60000 movie
	FILES=9
	interrupted INT 2 koop-encode --split 'film.%d'
	interrupted TERM 15 koop-encode --no-md5 --split 'film.%d'
	# And where a file must have a name from the first.
	export KOOP_TEST_FAULT=outfile.unnamed:1:fail
	interrupted INT 2 "$FAULTS_BIN/koop-encode" --split 'film.%d'
	interrupted HUP 1 "$FAULTS_BIN/koop-encode" --split 'film.%d'
	interrupted TERM 15 "$FAULTS_BIN/koop-encode" --no-md5 --split 'film.%d'
}

@test "encode: files of --split have names only when they are whole" {
	local fault j
	object 60000 movie
	koop-encode --request-id $ID --split 'want.%d' <movie
	for fault in log.commit:9 outfile.unnamed:1:fail; do
		mkdir work
		cd work
		echo old >film.4
		KOOP_TEST_FAULT=$fault "$FAULTS_BIN/koop-encode" \
			--request-id $ID --split 'film.%d' <../movie
		for j in 0 1 2 3 4 5 6 7 8; do
			cmp film.$j ../want.$j
			[ "$(stat -c %a film.$j)" = 644 ]
		done
		[ "$(ls -A | wc -l)" -eq 9 ]
		cd ..
		rm -r work
	done
}

@test "encode: progress is shown when asked for" {
	object 1000000 movie
	run -0 --separate-stderr bash -c \
		'koop-encode --progress <movie >/dev/null'
	[[ "$stderr" == *encode* ]]
	run -0 --separate-stderr bash -c 'koop-encode <movie >/dev/null'
	[ "$stderr" = "" ]
}
