#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-verify(1): are all shards there and good?

# shellcheck disable=SC2154 # run sets stderr

load helpers

setup_file() { cluster_share; }
teardown_file() { cluster_unshare; }

# stored BUCKET/KEY BYTES [SEED]: an object in shards, and its id in $id.
stored() {
	object "$2" body "${3:-1}"
	id=$(koop-encode <body | koop-shard-put "$1" | koop-commit |
		sed -n 's/.* object=\([0-9a-f]*\) .*/\1/p')
	[ ${#id} -eq 32 ]
	# The last two shards may still be on their way.
	until_true koop-locate --verify "$1" >/dev/null 2>&1
}

# shard J: the file of that shard of $id.
shard() { find "$DATA" -path '*/shards/*' -name "$id.$1"; }

# take_away J...: those shards of $id, so that their nodes cannot put them back.
take_away() {
	local j file
	for j; do
		file=$(shard "$j")
		rm "$file"
		mkdir "$file"
	done
}

@test "verify: what is whole has no line, and the last one counts it" {
	koop-bucket make whole
	stored whole/film 900000
	printf small | curl -sS -f -T - "$GW/whole/small"
	curl -sS -f -T /dev/null "$GW/whole/empty"
	run -0 --separate-stderr koop-verify whole
	[ "$stderr" = "" ]
	[[ "$output" =~ ^end\ v=1\ objects=3\ whole=3\ damaged=0\ mended=0\ unchecked=0\ lost=0\ gone=0\ missing=0\ failed=0\ shards=[0-9]+\ bytes=[0-9]+$ ]]
	run -0 --separate-stderr koop verify --json whole/film
	jq -e '.objects == 1 and .whole == 1 and .shards == 9 and
		.bytes > 900000 * 1.5' <<<"$output"
	# Beginnings: with a slash, or when said.
	[ "$(koop-verify --json whole/ | jq .objects)" -eq 3 ]
	[ "$(koop-verify --json --prefix whole/s whole/e | jq .objects)" -eq 2 ]
}

@test "verify: a shard that is gone is told with its node, and is 65" {
	koop-bucket make gone
	stored gone/film 900000
	machine=$(koop-locate gone/film | sed -n 's/.* index=3 .* machine=\([0-9]*\) .*/\1/p')
	take_away 3
	run -65 --separate-stderr koop-verify gone/film
	[ "${lines[0]}" = "object v=1 name=gone/film state=damaged size=900000 present=8 absent=1 damaged=0 down=0 shards=absent:1/$machine:3" ]
	[[ "${lines[1]}" == "end v=1 objects=1 whole=0 damaged=1 "* ]]
	[[ "$stderr" == "koop-verify: objects that are damaged and can be read: 1; "* ]]
	koop-shard-get gone/film | koop-decode | cmp - body
	koop-verify --json gone/film >json || [ $? -eq 65 ]
	head -1 json | jq -e --argjson m "$machine" '.key == "gone/film" and
		.state == "damaged" and .absent == 1 and
		.shards == [{part: 1, shard: 3, set: 1, machine: $m,
			address: .shards[0].address, state: "absent",
			why: "it has none"}]'
}

@test "verify: one flipped bit anywhere is found, told, and mended" {
	koop-bucket make flipped
	stored flipped/film 3000000
	file=$(shard 5)
	# In the middle of a cell that no read of END would look at.
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[200000] ^= 4
open(sys.argv[1], "r+b").write(data)' "$file"
	koop-locate --verify flipped/film >/dev/null
	run -65 --separate-stderr koop-verify flipped
	[[ "${lines[0]}" =~ ^object\ v=1\ name=flipped/film\ state=(damaged|mended)\ .*\ damaged=1\ down=0\ shards=damaged:1/[0-9]:5$ ]]
	until_true koop-verify flipped >/dev/null 2>&1
}

@test "verify: more shards gone than parity has is lost, and is 69" {
	koop-bucket make lost
	stored lost/film 900000
	take_away 0 2 4 6
	stored lost/other 900000
	take_away 1
	run -69 --separate-stderr koop-verify lost
	[ "$(grep -c ' name=lost/film state=lost .* present=5 absent=4 ' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' name=lost/other state=damaged ' <<<"$output")" -eq 1 ]
	[[ "$stderr" == *"objects that cannot be read any more: 1; others that are damaged: 1" ]]
}

@test "verify: what nodes that are down hold is not known, and is 75" {
	# shellcheck disable=SC2034 # a cluster of its own: teardown ends it
	local BATS_FILE_TMPDIR=/nonexistent
	cluster_up
	koop-bucket make films
	stored films/film 900000
	printf small | curl -sS -f -T - "$GW/films/small"
	node --stop-node 8
	node --stop-node 7
	run -75 --separate-stderr koop-verify films/film
	[[ "${lines[0]}" == *" state=unchecked size=900000 present=7 absent=0 damaged=0 down=2 shards="* ]]
	# Too few are up to read it, but nobody calls it lost.
	node --stop-node 6
	node --stop-node 5
	run ! koop-verify films/film
	[[ "$output" != *state=lost* ]]
}

@test "verify: what does not exist is said, the rest is looked at, and it is 1" {
	koop-bucket make some
	printf small | curl -sS -f -T - "$GW/some/small"
	run -1 --separate-stderr koop-verify some/nothing nowhere some/small
	[[ "$output" == "end v=1 objects=2 whole=1 "*" missing=1 "* ]]
	[[ "$stderr" == *'koop-verify: no object "some/nothing"'* ]]
	[[ "$stderr" == *'koop-verify: nowhere: '* ]]
	for bad in '' Bucket /x; do
		run -64 --separate-stderr koop-verify some/small "$bad"
		[ "$output" = "" ]
	done
	run -64 --separate-stderr koop-verify
	run -64 --separate-stderr koop-verify -j 0 some
	run -64 --separate-stderr koop-verify --version-id null some
}

@test "verify: what is overwritten and deleted meanwhile alarms nobody" {
	koop-bucket make busy
	object 300000 body
	for i in $(seq 20); do curl -sS -f -T body "$GW/busy/$i"; done
	(
		while [ ! -e stop ]; do
			for i in $(seq 20); do
				curl -sS -f -T body "$GW/busy/$i"
				[ $((i % 3)) -ne 0 ] ||
					curl -sS -f -X DELETE "$GW/busy/$i"
			done
		done
	) &
	for i in 1 2 3; do
		koop-verify -j 8 busy >"out$i" || {
			cat "out$i"
			touch stop
			wait
			false
		}
	done
	touch stop
	wait
	run ! grep -h '^object' out1 out2 out3
}

@test "verify: more objects than a page holds, and older versions" {
	koop-bucket make many
	koop-bucket set many versioning Enabled
	printf small >body
	seq 300 | sed "s|.*|url = \"$GW/many/&\"\nupload-file = \"body\"|" >list
	curl -sS -f -K list -o /dev/null -Z
	[ "$(koop-verify --json many | jq .whole)" -eq 300 ]
	curl -sS -f -T body "$GW/many/7"
	[ "$(koop-verify --json many | jq .whole)" -eq 300 ]
	[ "$(koop-verify --json --versions many | jq .whole)" -eq 301 ]
	first=$(koop-list --versions many/7 | jq -r 'select(.latest | not).version' | tail -1)
	koop-verify --version-id "$first" many/7
}

@test "verify: progress is drawn on a terminal, unless quiet, and goes" {
	koop-bucket make shown
	stored shown/film 5000000
	# It is drawn once there is something to wait for.
	for n in 100 200 400 800 1600 3200; do
		film=$(printf 'shown/film %.0s' $(seq "$n"))
		TERM=xterm script -qec "koop-verify -j 1 $film" /dev/null \
			</dev/null >loud
		! grep -q 'verify: ' loud || break
	done
	grep -q 'verify: ' loud
	[ "$(tail -n 1 loud | tr -d '\r' | sed 's/.*\x1b\[K//' | cut -c 1-8)" = "end v=1 " ]
	for quiet in "xterm -q" "dumb -j1"; do
		TERM=${quiet% *} script -qec "koop-verify ${quiet#* } $film" \
			/dev/null </dev/null >quiet
		run ! grep 'verify: ' quiet
	done
}

@test "verify: a full disk is an I/O error" {
	koop-bucket make disk
	run -74 --separate-stderr bash -c 'koop-verify disk >/dev/full'
	[[ "$stderr" == *"No space left on device" ]]
}
