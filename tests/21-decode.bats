#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-decode(1): shard stream on stdin or shard files, object on stdout.

# shellcheck disable=SC2154 # run sets stderr
load helpers

ID=01934fb71e2a70118c4d123456789abc

# flip FILE OFFSET: turn one bit over.
flip() {
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1")
	printf '%b' "\\x$(printf %x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# prefix OUT IN: is OUT the start of IN?
prefix() { cmp -s -n "$(stat -c %s "$1")" "$1" "$2"; }

@test "decode: files come in any order and twice" {
	object 900000 in
	koop-encode --split '%d' <in
	koop-decode 8 2 5 0 7 1 | cmp - in
	koop-decode 0 0 0 1 2 3 4 5 | cmp - in
	cp 3 three
	flip 3 5000
	koop-decode -q 0 1 2 3 4 three 5 | cmp - in
}

@test "decode: each stripe may lose other shards" {
	object 1300000 in
	koop-encode -c 16K --split '%d' <in
	local j s
	# Nine files, each bad in some stripes, three bad a stripe.
	for j in 0 1 2 3 4 5 6 7 8; do
		for ((s = 0; s < 13; s++)); do
			case $(((j + s) % 9)) in
			0 | 1 | 2) flip $j $((512 + s * 16416 + 9000)) ;;
			esac
		done
	done
	koop-decode [0-8] 2>warnings >out
	cmp in out
	grep -q '^koop-decode: 0: stripe 0: bad cell$' warnings
	flip 4 $((512 + 3 * 16416 + 9000))
	run -65 --separate-stderr koop-decode -q [0-8]
	[ "$stderr" = \
		"koop-decode: stripe 3: 5 of 9 cells are good, 6 are needed" ]
}

@test "decode: what is gone is told, and how much more may go" {
	object 900000 in
	koop-encode --split '%d' <in
	run -0 --separate-stderr koop-decode -o out [0-8]
	[ "$stderr" = "" ]
	run -0 --separate-stderr koop-decode -o out [0-7]
	[ "$stderr" = "koop-decode: 1 of 9 shards is gone: 2 more may go" ]
	run -0 --separate-stderr koop-decode -o out [1-7]
	[ "$stderr" = "koop-decode: 2 of 9 shards are gone: 1 more may go" ]
	run -0 --separate-stderr koop-decode -o out [1-6]
	[ "$stderr" = "koop-decode: 3 of 9 shards are gone: no more may go" ]
	cmp in out
	run -0 --separate-stderr koop-decode -q -o out [1-6]
	[ "$stderr" = "" ]
	flip 2 5000
	run -0 --separate-stderr koop-decode -o out [1-8]
	[ "$stderr" = "koop-decode: 2: stripe 0: bad cell
koop-decode: 2: 1 bad cell
koop-decode: 1 of 9 shards is gone and 1 is damaged: 1 more may go" ]
	run -65 --separate-stderr koop-decode -q -o out [1-6]
	[ "$stderr" = "koop-decode: stripe 0: 5 of 9 cells are good, 6 are needed" ]
}

@test "decode: --check reads all shards and writes nothing" {
	object 900000 in
	koop-encode --split '%d' <in
	run -0 --separate-stderr koop-decode --check [0-8]
	[ "$stderr" = "" ]
	[ "$(grep -c '^shard v=1 index=[0-8] state=whole bad=0 ' <<<"$output")" -eq 9 ]
	# Parity, which koop-decode does not read.
	flip 8 5000
	rm 3
	head -c 100000 2 >short
	mv short 2
	run -1 --separate-stderr koop-decode --check [0-8]
	[ "$stderr" = "koop-decode: 1 of 9 shards is gone and 2 are damaged: 1 more may go" ]
	grep -q '^shard v=1 index=8 state=damaged bad=1 ' <<<"$output"
	grep -q '^shard v=1 index=2 state=cut ' <<<"$output"
	grep -q '^shard v=1 index=3 state=gone$' <<<"$output"
	koop-decode -q [0-8] | cmp - in
	rm 0
	run -1 koop-decode -q --check [1-8]
	rm 1
	run -65 --separate-stderr koop-decode --check [2-8]
	[ "$stderr" = "koop-decode: stripe 0: 5 of 9 cells are good, 6 are needed" ]
	run -64 --separate-stderr koop-decode --check -o out [0-8]
	run -64 --separate-stderr koop-decode --check --list [0-8]
	[ ! -e out ]
}

@test "decode: --check of a stream counts each shard's bad cells" {
	object 900000 in
	koop-encode <in >shards
	koop-decode --check <shards >lines
	[ "$(grep -c '^shard v=1 index=[0-8] state=whole bad=0$' lines)" -eq 9 ]
	flip shards 600
	flip shards 70000
	run -1 --separate-stderr koop-decode --check shards
	[ "$stderr" = "koop-decode: 2 of 9 shards are damaged: 1 more may go" ]
	grep -q '^shard v=1 index=1 state=damaged bad=1$' <<<"$output"
	head -c 300000 shards >short
	run -65 --separate-stderr koop-decode --check <short
	[ "$stderr" = "koop-decode: stream: ends without END" ]
}

@test "decode: --list tells what files hold" {
	object 900000 in
	koop-encode --request-id $ID --split '%d' <in
	koop-encode --split 'other %d' </dev/null
	flip 1 100
	head -c 5000 2 >cut
	koop-decode -q --list 0 1 cut 3 4 'other 0' nowhere >lines
	grep -q "^shard v=1 index=0 state=whole object=$ID .* size=900000 bytes=.* file=0$" lines
	grep -q '^shard v=1 index=1 state=damaged .*file=1$' lines
	grep -q '^shard v=1 index=2 state=cut .*file=cut$' lines
	grep -q '^shard v=1 index=0 state=foreign .*file=other%200$' lines
	grep -q '^shard v=1 state=unreadable bytes=0 file=nowhere$' lines
	[ "$(wc -l <lines)" -eq 7 ]
	koop-encode --request-id $ID --header expires:never <in |
		koop-decode --list >lines
	[ "$(cat lines)" = "stream v=1 object=$ID data_shards=6 parity_shards=3 cell_size=65536 size=900000 stripes=3
header v=1 name=Expires value=never" ]
	run -66 koop-decode --list nowhere
}

@test "decode: every damaged header byte of a file is an erasure" {
	object 100000 in
	koop-encode -k 2 -m 1 --split '%d' <in
	local at end
	end=$(($(stat -c %s 1) - 1024))
	for at in 0 4 5 8 12 16 24 28 31 40 511 512 516 517 520 524 528 536 \
		540 543 544 9999 $end $((end + 5)) $((end + 1023)); do
		cp 1 bad
		flip bad "$at"
		koop-decode -q 0 bad 2 >out
		cmp in out || return
	done
}

@test "decode: a file cut at any frame is an erasure" {
	object 1000000 in
	koop-encode --split '%d' <in
	local size
	for size in 0 1 511 512 543 544 66079 66080 66112 131648 \
		$(($(stat -c %s 2) - 1)); do
		head -c "$size" 2 >short
		koop-decode -q 0 1 short 3 4 5 8 >out
		cmp in out
	done
}

@test "decode: a stream cut at any frame is refused" {
	object 100000 in
	koop-encode -c 4K <in >shards
	local n size
	size=$(stat -c %s shards)
	for n in 0 1 511 512 544 4639 4640 8768 $((512 + 9 * 4128)) \
		$((size - 1024)) $((size - 1)); do
		head -c "$n" shards >short
		run -65 --separate-stderr bash -c 'koop-decode <short >out'
		prefix out in
		[[ "$stderr" == "koop-decode: "* ]]
	done
	run -65 --separate-stderr bash -c 'koop-decode </dev/null'
	[ "$stderr" = "koop-decode: stream: empty, without BEGIN" ]
}

@test "decode: damage in a stream is mended and told" {
	object 400000 in
	koop-encode <in >shards
	flip shards 600
	flip shards 70000
	koop-decode <shards >out 2>told
	cmp in out
	[ "$(cat told)" = "koop-decode: stream: 2 damaged places, all rebuilt" ]
	koop-decode -q <shards 2>told | cmp - in
	[ ! -s told ]
}

@test "decode: END's totals are checked" {
	object 100000 in
	koop-encode <in >shards
	head -c -1024 shards >short
	koop-encode <in | tail -c 1024 >end
	cat short end >mixed
	run -65 --separate-stderr bash -c 'koop-decode <mixed >out'
	[[ "$stderr" == "koop-decode: stream: ends without END"* ]]
	# The same id for other contents: only the CRC-64 can tell.
	object 100000 other 2
	koop-encode --request-id $ID <in | head -c -1024 >short
	koop-encode --request-id $ID <other | tail -c 1024 >end
	cat short end >mixed
	run -65 --separate-stderr bash -c 'koop-decode <mixed >out'
	[ ! -s out ]
	[ "$stderr" = "koop-decode: object: CRC-64 of the contents differs from END's" ]
}

@test "decode: shards of another object are named and not used" {
	object 200000 in
	object 200000 other 2
	koop-encode --split 'in.%d' <in
	koop-encode --split 'other.%d' <other
	koop-decode in.0 in.1 in.2 in.3 other.4 in.5 in.6 >out 2>told
	cmp in out
	grep -q '^koop-decode: other.4: a shard of another object, ' told
	run -65 --separate-stderr koop-decode in.0 in.1 in.2 other.3 other.4 \
		in.5 in.6
	[ "$output" = "" ]
	# The majority decides, the first when there is none.
	koop-decode -q other.0 in.[0-5] | cmp - in
}

@test "decode: the shards of one id used twice do not mix" {
	object 200000 in
	object 200000 other 2
	koop-encode --request-id $ID --split 'in.%d' <in
	koop-encode --request-id $ID --split 'other.%d' <other
	koop-decode in.[0-4] other.5 in.8 >out 2>told
	cmp in out
	grep -q '^koop-decode: other.5: its totals are of another object' told
}

@test "decode: swapped names do not matter, their frames do" {
	object 200000 in
	koop-encode --split '%d' <in
	mv 0 x
	mv 7 0
	mv x 7
	koop-decode -q [0-8] | cmp - in
	# Half of one file, half of another.
	{
		head -c $((512 + 32 + 33334)) 1
		tail -c 1024 2
	} >y
	koop-decode -q y 0 2 3 4 5 6 | cmp - in
}

@test "decode: files that are no shards" {
	object 5000 in
	koop-encode --split '%d' <in
	run -66 --separate-stderr koop-decode none nowhere
	[[ "$stderr" == *"koop-decode: none: No such file or directory"* ]]
	run -65 --separate-stderr koop-decode in /dev/null
	[[ "$stderr" == *"koop-decode: none of the files has a good BEGIN"* ]]
	koop-decode -q in . none /dev/null [0-5] | cmp - in
}

@test "decode: a stream in a file may be an operand" {
	object 300000 in
	koop-encode <in >shards
	koop-decode shards | cmp - in
	koop-decode - <shards | cmp - in
	koop-encode --split '%d' <in
	koop-decode shards [0-5] 2>told | cmp - in
	grep -q '^koop-decode: shards: a stream of all shards' told
}

@test "decode: one shard alone on stdin says what to do" {
	koop-encode --split '%d' </dev/null
	run -65 --separate-stderr koop-decode <./3
	[[ "$stderr" == "koop-decode: stream: shard 3 alone; 6 are needed"* ]]
}

@test "decode: a stream is read to its END and no further" {
	object 3000 in
	{
		koop-encode <in
		echo the rest
	} >both
	{
		koop-decode >out
		cat >rest
	} <both
	cmp in out
	[ "$(cat rest)" = "the rest" ]
	cat both | {
		koop-decode >out
		cat >rest
	}
	cmp in out
	[ "$(cat rest)" = "the rest" ]
}

@test "decode: -o makes the file when all is right, or none" {
	object 900000 in
	koop-encode <in >shards
	koop-decode -o out <shards
	cmp in out
	cp out before
	head -c 500000 shards >short
	run -65 koop-decode -o out <short
	cmp before out
	run -65 koop-decode -o new <short
	[ ! -e new ]
	[ -z "$(ls ./*.tmp 2>/dev/null)" ]
	koop-decode -o /dev/null <shards
	[ -c /dev/null ]
	run -73 koop-decode -o no/where <shards
}

@test "decode: a signal leaves no file of -o" {
	local fault number pid status
	mkfifo in
	object 900000 movie
	koop-encode <movie >shards
	for fault in log.commit:9 outfile.unnamed:1:fail; do
		for number in 2 15; do
			rm -rf work
			mkdir work
			echo old >work/out
			(cd work && KOOP_TEST_FAULT=$fault exec \
				env --default-signal=INT "$FAULTS_BIN/koop-decode" \
				-o out <../in) &
			pid=$!
			exec 5>in
			head -c 800000 shards >&5
			until [ -n "$(find "/proc/$pid/fd" \
				\( -lname '*(deleted)' -o -lname '*.tmp' \) 2>/dev/null)" ]; do
				kill -0 "$pid"
			done
			kill -$number "$pid"
			status=0
			wait "$pid" || status=$?
			exec 5>&-
			[ "$status" -eq $((128 + number)) ]
			[ "$(ls -A work)" = out ]
			[ "$(cat work/out)" = old ]
		done
		rm work/out
		KOOP_TEST_FAULT=$fault "$FAULTS_BIN/koop-decode" \
			-o work/out <shards
		cmp movie work/out
		[ "$(ls -A work)" = out ]
	done
}

@test "decode: a full disk is an I/O error" {
	object 100000 in
	koop-encode <in >shards
	run -74 --separate-stderr bash -c 'koop-decode <shards >/dev/full'
	[ "$stderr" = "koop-decode: write: No space left on device" ]
}

@test "decode: a terminal is refused" {
	run -64 script -qec "koop-decode" /dev/null
	[[ "$output" == *"koop-decode: "*terminal* ]]
}

@test "decode: garbage is refused" {
	local seed
	for seed in 1 2 3; do
		object 100000 in $seed
		run -65 --separate-stderr bash -c 'koop-decode <in'
		[ "$output" = "" ]
	done
	run -65 --separate-stderr bash -c \
		'koop-encode </dev/null | tail -c +2 | koop-decode'
}

@test "decode: the headers of a stream come back as they were given" {
	object 50000 in
	printf 'Content-Type: video/mp4\nx-amz-meta-title: The General\n' >want
	koop-encode --header 'content-type:video/mp4' \
		--header 'X-Amz-Meta-Title: The General' <in >shards
	koop-decode --headers got <shards | cmp - in
	cmp want got
	# They may come from that file, and damage to them is not the object's.
	id=$(sed -n 's/^request_id=//p' shards | head -1)
	koop-encode --request-id "$id" --header @got <in | cmp - shards
	cp shards bad
	printf X | dd of=bad bs=1 seek=550 conv=notrunc status=none
	run -0 --separate-stderr koop-decode --headers none -o out <bad
	cmp in out
	[ ! -s none ]
	[[ "$stderr" == *"the headers are damaged"* ]]
	koop-encode <in | koop-decode --headers none >/dev/null
	[ -f none ]
	[ ! -s none ]
	python3 "$BATS_TEST_DIRNAME/frame.py" <shards | cmp - in
}

@test "decode: an older format is named" {
	run -65 --separate-stderr koop-decode <"$BATS_TEST_DIRNAME/data/frame/old.kpf"
	[ "$stderr" = "koop-decode: stream: BEGIN: format=1: this program reads format 2" ]
}

@test "decode: what format 2 was once written as keeps decoding" {
	local name
	cd "$BATS_TEST_DIRNAME/data/frame"
	for name in small stripes; do
		koop-decode <$name.kpf | cmp - $name.object
	done
	koop-decode <headers.kpf | cmp - small.object
	koop-decode -q split.[1-5].kpf | cmp - stripes.object
	run -65 koop-decode split.[1-4].kpf
}

@test "decode: and encoding it again gives the same bytes" {
	cd "$BATS_TEST_DIRNAME/data/frame"
	koop-encode --request-id $ID <small.object | cmp - small.kpf
	koop-encode --request-id $ID -k 4 -m 2 -c 4K <stripes.object |
		cmp - stripes.kpf
	koop-encode --request-id $ID --header Expires:never \
		--header x-amz-meta-a:b <small.object | cmp - headers.kpf
}
