#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-locate(1): bucket/key -> partition, set, machines, and what they say.

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	koop-topology make >t.json
	export KOOP_TOPOLOGY=file:t.json
}

# crc NAME: the CRC-32 of zlib.
crc() {
	python3 -c 'import sys, zlib
print(zlib.crc32(sys.argv[1].encode()))' "$1"
}

@test "locate: the partition is zlib's CRC-32 modulo their number" {
	for name in videos/film.mp4 aaa/b 'bucket/a b/ü%&=' bbb/k//; do
		run -0 --separate-stderr koop-locate --placement "$name"
		partition=$(($(crc "$name") % 32))
		home=$(($(crc "${name%%/*}") % 32))
		[[ "${lines[0]}" == "object v=1 name="*" partition=$partition home=$home epoch=1 set=1 data_shards=6 parity_shards=3 write_quorum=7" ]]
		[ "${#lines[@]}" -eq 10 ]
	done
}

@test "locate: shard j is on machine (j + partition) mod n" {
	koop-locate --placement videos/film.mp4 >out
	partition=$(sed -n 's/^object.* partition=\([0-9]*\) .*/\1/p' out)
	for j in 0 1 2 3 4 5 6 7 8; do
		kind=data
		[ "$j" -lt 6 ] || kind=parity
		small=yes
		[ "$j" -lt 4 ] || small=no
		machine=$(((j + partition) % 9))
		grep -qx "shard v=1 name=videos/film.mp4 index=$j kind=$kind set=1 machine=$machine address=127.0.0.1:$((8001 + machine)) keeps_small=$small" out
	done
}

@test "locate: several names, percent-encoded" {
	run -0 --separate-stderr koop-locate --placement 'bbb/a b' 'bbb/x=y' 'bbb/ü'
	[ "${#lines[@]}" -eq 30 ]
	[[ "${lines[0]}" == *" name=bbb/a%20b "* ]]
	[[ "${lines[10]}" == *" name=bbb/x%3Dy "* ]]
	[[ "${lines[20]}" == *" name=bbb/%C3%BC "* ]]
}

@test "locate: what is no name is a usage error" {
	for name in bucket /key bucket/ ''; do
		run -64 --separate-stderr koop-locate --placement "$name"
		[ "$output" = "" ]
	done
	run -64 --separate-stderr koop-locate --placement
	run -64 --separate-stderr koop-locate --placement good/one bad
	[ "$output" = "" ]
	run -69 --separate-stderr koop-locate good/one
	[[ "$stderr" == "koop-locate: no cluster"* ]]
	run -64 --separate-stderr koop-locate --placement --verify good/one
}

@test "locate: two sets, and partitions with other numbers" {
	jq -c '.erasure_sets += [.erasure_sets[0] | .number = 2
		| .machines[].port += 100]
		| .partition_spread = [{"erasure_set": 2, "partitions": [700]},
		  {"erasure_set": 1, "partitions": [5, 9]}]' t.json >two.json
	for name in bbb/1 bbb/2 bbb/3 bbb/4 bbb/5 bbb/6; do
		case $(($(crc "$name") % 3)) in
		0) want='partition=5 ' set=1 ;;
		1) want='partition=9 ' set=1 ;;
		2) want='partition=700 ' set=2 ;;
		esac
		run -0 --separate-stderr koop-locate --placement -t file:two.json "$name"
		[[ "${lines[0]}" == *" $want"*" set=$set "* ]]
	done
}

@test "locate: a full disk is an I/O error" {
	run -74 --separate-stderr bash -c 'koop-locate --placement aaa/b >/dev/full'
	[ "$stderr" = "koop-locate: write: No space left on device" ]
}
