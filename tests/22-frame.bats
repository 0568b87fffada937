#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-frame(5): is the page enough for a second implementation?

load helpers

frame() { python3 "$BATS_TEST_DIRNAME/frame.py"; }

# part FILE AT LENGTH
part() { tail -c "+$(($2 + 1))" "$1" | head -c "$3"; }

@test "frame: a second implementation reads what koop-encode writes" {
	local size
	for size in 0 1 5 4096 24575 24576 24577 60000; do
		object "$size" in
		koop-encode -c 4K <in >shards
		frame <shards | cmp - in
	done
}

@test "frame: and at other geometries" {
	object 40000 in
	koop-encode -k 1 -m 0 -c 4K <in | frame | cmp - in
	koop-encode -k 1 -m 3 -c 4097 <in | frame | cmp - in
	koop-encode -k 29 -m 3 -c 5K --no-md5 <in | frame | cmp - in
	koop-encode -k 10 -m 4 -c 4K <in | frame | cmp - in
}

@test "frame: its parity rebuilds what is lost" {
	object 20000 in
	koop-encode -k 4 -m 2 -c 8K <in >shards
	# Cells are 5000 bytes: frames of 5032.  Leave out 0 and 2.
	{
		part shards 0 512
		part shards $((512 + 5032)) 5032
		part shards $((512 + 3 * 5032)) $((3 * 5032 + 1024))
	} >fewer
	[ "$(stat -c %s fewer)" -eq $((512 + 4 * 5032 + 1024)) ]
	frame <fewer | cmp - in
	koop-decode <fewer | cmp - in
}

@test "frame: a cell stands where the page says" {
	object 1000000 in
	koop-encode -k 4 -m 2 -c 16K --split '%d' <in
	# Byte 600000 is in stripe 9, at 10176 of it: shard 0.
	local at
	at=$((512 + 9 * (32 + 16384) + 32 + 10176))
	cmp <(part 0 $at 1000) <(part in 600000 1000)
}

@test "frame: the shard files of a stream hold its frames" {
	object 50000 in
	id=01934fb71e2a70118c4d123456789abc
	koop-encode --request-id $id -c 4K <in >shards
	koop-encode --request-id $id -c 4K --split '%d' <in
	local j s
	for j in 0 4 8; do
		for s in 0 1; do
			cmp <(part $j $((512 + s * 4128)) 4128) \
				<(part shards $((512 + (s * 9 + j) * 4128)) 4128)
		done
	done
}
