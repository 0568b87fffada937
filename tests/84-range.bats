#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-shard-get --range: some bytes of an object, in their stripes.

# shellcheck disable=SC2154 # run sets stderr

load helpers

setup_file() {
	cluster_share
	koop-bucket make videos
}
teardown_file() { cluster_unshare; }

@test "shard-get: every form of --range gives those bytes, and their stripes only" {
	local stripe=$((6 * 65536)) first last
	object 2000000 ranged
	koop-encode <ranged | koop-shard-put videos/ranged | koop-commit >/dev/null
	for range in 0-0 "$((stripe - 1))-$stripe" 5-1999999 1999999-1999999 \
		"$stripe-$((2 * stripe - 1))" 700000-700009 1999000-9000000; do
		first=${range%-*} last=${range#*-}
		koop-shard-get --range "$range" videos/ranged | koop-decode >out
		tail -c "+$((first + 1))" ranged | head -c "$((last - first + 1))" |
			cmp - out
	done
	koop-shard-get --range 1234567- videos/ranged | koop-decode |
		cmp - <(tail -c +1234568 ranged)
	koop-shard-get --range -7 videos/ranged | koop-decode |
		cmp - <(tail -c 7 ranged)
	koop-shard-get --range -9000000 videos/ranged | koop-decode | cmp - ranged
	# BEGIN, the nine cells of one stripe, END.
	koop-shard-get --range 700000-700009 videos/ranged >shards
	[ "$(stat -c %s shards)" -eq $((512 + 9 * (32 + 65536) + 1024)) ]
	head -c 512 shards | grep -a -x 'range=700000-700009/2000000'
}

@test "shard-get: a range of a small object, and one that crosses parts" {
	object 3000 small
	koop-encode <small | koop-shard-put videos/small | koop-commit >/dev/null
	koop-shard-get --range 1000-1999 videos/small | koop-decode |
		cmp - <(tail -c +1001 small | head -c 1000)
	printf small >tiny
	curl -sS -f -T tiny "$GW/videos/tiny"
	[ "$(koop-stat videos/tiny | jq -r .kind)" = inline ]
	[ "$(koop-shard-get --range 1-3 videos/tiny | koop-decode)" = mal ]
	for i in 1 2 3; do object 5242880 "part$i" "$i"; done
	upload=$(curl -sS -X POST "$GW/videos/parts?uploads" |
		sed -n 's/.*<UploadId>\([^<]*\).*/\1/p')
	xml='<CompleteMultipartUpload>'
	for i in 1 2 3; do
		etag=$(curl -sS -f -D - -o /dev/null -T "part$i" \
			"$GW/videos/parts?partNumber=$i&uploadId=$upload" |
			tr -d '\r' | sed -n 's/^ETag: //Ip')
		xml+="<Part><PartNumber>$i</PartNumber><ETag>$etag</ETag></Part>"
	done
	curl -sS -f -o /dev/null -d "$xml</CompleteMultipartUpload>" \
		"$GW/videos/parts?uploadId=$upload"
	cat part1 part2 part3 >parts
	for range in 0-9 5242879-5242880 5242880-10485759 10485759-10485761 \
		100-15728639; do
		koop-shard-get --range "$range" videos/parts | koop-decode |
			cmp - <(tail -c "+$((${range%-*} + 1))" parts |
				head -c "$((${range#*-} - ${range%-*} + 1))")
	done
	koop-shard-get videos/parts | koop-decode | cmp - parts
}

@test "shard-get: a range outside the object is 1, and what is no range 64" {
	object 10 ten
	koop-encode <ten | koop-shard-put videos/ten | koop-commit >/dev/null
	for range in 10-20 10- -0; do
		run -1 --separate-stderr koop-shard-get --range "$range" videos/ten
		[ "$output" = "" ]
		[ "$stderr" = "koop-shard-get: range $range: the object ends before it, at 10 bytes" ]
	done
	for range in 5 5-4 a-b 1-2,3-4 -- ' 1-2' 1-2-3; do
		run -64 --separate-stderr koop-shard-get "--range=$range" videos/ten
		[ "$output" = "" ]
		[[ "$stderr" == "koop-shard-get: --range $range: want FIRST-LAST"* ]]
	done
}

@test "shard-put: a range of an object is refused" {
	object 500000 whole
	koop-encode <whole | koop-shard-put videos/whole | koop-commit >/dev/null
	koop-shard-get --range 0-9 videos/whole >shards
	run -65 --separate-stderr koop-shard-put videos/again <shards
	[[ "$stderr" == *"a range of an object: koop-decode it"* ]]
}
