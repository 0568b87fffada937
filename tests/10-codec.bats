#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The codec as a pipeline: what goes in comes out, whatever is lost.

# shellcheck disable=SC2154 # run sets stderr
load helpers

ID=01934fb71e2a70118c4d123456789abc

@test "codec: every size near a rounding comes back" {
	local size
	object 15000000 all
	for size in 0 1 5 8191 8192 8193 65535 65536 65537 \
		393215 393216 393217 15000000; do
		head -c "$size" all >in
		koop-encode <in | koop-decode >out
		cmp in out
	done
}

@test "codec: odd geometries come back" {
	local k m c
	object 3000001 in
	while read -r k m c; do
		koop-encode -k "$k" -m "$m" -c "$c" <in | koop-decode >out
		cmp in out
	done <<-END
		1 0 4K
		1 1 64K
		29 3 4K
		10 4 12345
		32 0 1M
		1 31 4096
		3 2 1M
		6 3 64K
	END
}

@test "codec: any three of nine files may be missing" {
	local a b c
	object 500000 in
	koop-encode --split '%d.shard' <in
	for a in 0 1 2 3 4 5 6; do
		for ((b = a + 1; b < 8; b++)); do
			for ((c = b + 1; c < 9; c++)); do
				mkdir away
				mv "$a.shard" "$b.shard" "$c.shard" away
				koop-decode ./*.shard >out
				cmp in out
				mv away/* .
				rmdir away
			done
		done
	done
}

@test "codec: four of nine missing is refused, and the stripe named" {
	object 500000 in
	koop-encode --split '%d.shard' <in
	rm 0.shard 3.shard 5.shard 7.shard
	run -65 --separate-stderr koop-decode ./*.shard
	[ "$output" = "" ]
	[ "$stderr" = "koop-decode: stripe 0: 5 of 9 cells are good, 6 are needed" ]
}

@test "codec: the same input and request id give the same bytes" {
	object 1000000 in
	koop-encode --request-id $ID <in >one
	cat in | koop-encode --request-id $ID >two
	cmp one two
	koop-encode --request-id $ID --split '%d' <in
	koop-decode 8 7 6 5 4 3 >out
	cmp in out
	koop-encode <in >three
	run -1 cmp -s one three
}

@test "codec: a slow writer and a slow reader lose nothing" {
	object 700000 in
	{
		head -c 100 in
		tail -c +101 in | head -c 400000
		tail -c +400101 in
	} | koop-encode | dd bs=7 2>/dev/null | koop-decode | dd bs=777 \
		2>/dev/null >out
	cmp in out
}

# peak COMMAND...: run it, and write the KiB it had at most to the file peak.
peak() {
	python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
with open("peak", "a") as out:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=out)' "$@"
}

@test "codec: memory does not grow with the object" {
	local kib limit=16384
	# Sanitizers keep memory of their own.
	if nm "$(command -v koop-encode)" | grep -q '__[atu][a-z]*san_'; then
		limit=1000000
	fi
	head -c 300M /dev/zero >in
	peak koop-encode <in >shards
	peak koop-decode <shards >out
	cmp in out
	peak koop-encode --no-md5 <in | cat >shards
	cat shards | peak koop-decode >out
	[ "$(wc -l <peak)" -eq 4 ]
	for kib in $(cat peak); do
		[ "$kib" -lt "$limit" ]
	done
}

@test "codec: memory is two stripes and a little at any geometry" {
	local kib limit=$((2 * 32 * 1024 + 4096))
	if nm "$(command -v koop-encode)" | grep -q '__[atu][a-z]*san_'; then
		limit=1000000
	fi
	head -c 300M /dev/zero >in
	peak koop-encode -k 29 -m 3 -c 1M <in >shards
	peak koop-decode <shards >out
	cmp in out
	peak koop-encode --no-md5 -k 29 -m 3 -c 1M <in >shards
	peak koop-encode -k 32 -m 0 -c 1M <in >shards
	[ "$(wc -l <peak)" -eq 4 ]
	for kib in $(cat peak); do
		[ "$kib" -lt "$limit" ]
	done
}
