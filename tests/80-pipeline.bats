#!/usr/bin/env bats
# koop-encode | koop-shard-put | koop-commit, and koop-shard-get | koop-decode:
# what the pipeline stores the gateway serves, and the other way round.

# shellcheck disable=SC2154 # run sets stderr

load helpers

bucket() {
	curl -sS -f -X PUT "$GW/$1"
}

code() {
	curl -sS --max-time 30 -o body -w '%{http_code}' "$@"
}

@test "pipeline: what it stores the gateway serves, byte for byte" {
	cluster_up
	bucket videos
	for size in 0 1 6 4096 8193 393216 393217 5000001; do
		object "$size" film "$size"
		koop-encode <film | koop-shard-put "videos/film $size" |
			koop-commit >line
		grep -q "^commit v=1 .* size=$size .* outcome=done\$" line
		[ "$(code "$GW/videos/film%20$size")" = 200 ]
		cmp film body
	done
}

@test "pipeline: what the gateway stored comes back as the same stream" {
	cluster_up
	bucket videos
	for size in 0 1 4096 8192 8193 393217 5000001; do
		object "$size" film "$size"
		curl -sS -f -T film "$GW/videos/film"
		koop-shard-get videos/film >shards
		koop-decode <shards >back
		cmp film back
		id=$(sed -n 's/^request_id=//p' shards | head -1)
		koop-encode --request-id "$id" <film >again
		# All but a line of BEGIN.
		cmp -i 512 shards again
		[ "$(head -c 512 shards | grep -a -x stored=1)" = stored=1 ]
	done
}

@test "pipeline: a stream that went in comes out identical" {
	cluster_up
	bucket videos
	object 3000000 film
	koop-encode <film >in
	koop-shard-put videos/film <in | koop-commit
	koop-shard-get videos/film >out
	cmp -i 512 in out
}

@test "pipeline: a copy within a partition is an object of its own" {
	cluster_up
	bucket videos
	local i
	object 100000 film
	koop-encode <film | koop-shard-put videos/film | koop-commit
	# More copies than partitions: two of them share one, at least.
	for i in $(seq 33); do
		koop-shard-get videos/film | koop-shard-put "videos/copy $i" |
			koop-commit >>lines
	done
	[ "$(sed 's/.* object=\([^ ]*\) .*/\1/' lines | sort -u | wc -l)" -eq 33 ]
	for i in $(seq 33); do
		koop-shard-get "videos/copy $i" | koop-decode | cmp - film
	done
}

@test "pipeline: content type and metadata are served" {
	cluster_up
	bucket videos
	object 10000 film
	koop-encode <film | koop-shard-put videos/film |
		koop-commit --content-type video/mp4 --meta Year=1927 \
			--meta 'title=The General'
	curl -sS -f -D head -o body "$GW/videos/film"
	grep -qi '^content-type: video/mp4' head
	grep -qi '^x-amz-meta-year: 1927' head
	grep -qi '^x-amz-meta-title: The General' head
	run -64 --separate-stderr koop-commit --meta novalue </dev/null
	run -64 --separate-stderr koop-commit --meta a=1 --meta A=2 </dev/null
}

# headers NAME: what the gateway serves an object with, sorted.
headers() {
	curl -sS -f -D head -o body "$GW/$1"
	tr -d '\r' <head | grep -iE \
		'^(content-(type|disposition|encoding|language)|cache-control|expires|x-amz-meta-.*):' |
		sort
}

@test "pipeline: a copy keeps content type and metadata" {
	cluster_up
	bucket aye
	bucket bee
	object 300000 film
	object 100 small
	local long file
	long=$(head -c 1900 /dev/zero | tr '\0' m)
	for file in film small; do
		curl -sS -f -T $file -H 'Content-Type: video/mp4' \
			-H 'Cache-Control: max-age=60' -H "x-amz-meta-long: $long" \
			-H 'Content-Disposition: attachment; filename="a b.mp4"' \
			-H 'x-amz-meta-Title: Größe' "$GW/aye/$file"
		headers aye/$file >want
		[ "$(wc -l <want)" -eq 5 ]
		koop-shard-get aye/$file | koop-shard-put bee/$file >receipts
		grep -q '^header v=2 .* name=Content-Type at=0 value=video/mp4$' \
			receipts
		koop-commit <receipts
		headers bee/$file | cmp want -
		cmp $file body
	done
	# Encoded anew, it takes them along in a file.
	koop-shard-get aye/film | koop-decode --headers named -o back
	koop-encode --header @named -c 4K <back | koop-shard-put bee/again |
		koop-commit
	headers bee/again | cmp want -
	# An option of koop-commit replaces one, and one without value drops it.
	koop-shard-get aye/film | koop-shard-put bee/other |
		koop-commit --header x-amz-meta-long: --header expires:0 \
			--content-type audio/flac --meta title=x
	headers bee/other >got
	[ "$(cut -d: -f1 got | tr 'A-Z' 'a-z' | xargs)" = \
		'cache-control content-disposition content-type expires x-amz-meta-title' ]
	grep -qi '^content-type: audio/flac$' got
	grep -qi '^x-amz-meta-title: x$' got
}

@test "pipeline: receipts of headers that do not fit are refused" {
	cluster_up
	bucket videos
	object 10000 film
	koop-encode --header "Content-Disposition: $(head -c 2000 /dev/zero |
		tr '\0' d)" --header x-amz-meta-a:b <film |
		koop-shard-put videos/film >receipts
	[ "$(grep -c '^header ' receipts)" -eq 4 ]
	grep -v ' at=900 ' receipts | sed 's/headers=4/headers=3/' >gap
	run -65 --separate-stderr koop-commit <gap
	[[ "$stderr" == *"a header receipt that continues none" ]]
	grep -v ' at=1800 ' receipts >lost
	run -65 --separate-stderr koop-commit <lost
	[[ "$stderr" == *"3 header receipts, but the end says 4" ]]
	sed 's/value=b$/value=b%0Ac/' receipts >lie
	run -65 koop-commit <lie
	for header in Host:x x nothing; do
		run -64 --separate-stderr koop-commit --header "$header" <receipts
	done
	run -64 koop-commit --header "x-amz-meta-b: $(head -c 2048 /dev/zero |
		tr '\0' d)" <receipts
	koop-commit <receipts
}

@test "pipeline: a commit may have a condition" {
	cluster_up
	bucket videos
	local bad
	object 10000 one 1
	object 10000 two 2
	put() {
		koop-encode <"$1" | koop-shard-put videos/film
	}
	put one >receipts
	run -1 --separate-stderr koop-commit --if-match "$(printf %032d 0)" \
		<receipts
	[[ "$stderr" == *'"videos/film" does not exist (--if-match): nothing'* ]]
	put one | koop-commit --if-none-match '*' >line
	etag=$(sed 's/.* etag=\([^ ]*\) .*/\1/' line)
	put two >receipts
	run -1 --separate-stderr koop-commit --if-none-match '*' <receipts
	[[ "$output" == *" outcome=precondition_failed" ]]
	[[ "$stderr" == *'"videos/film" exists (--if-none-match): nothing is changed' ]]
	koop-shard-get videos/film | koop-decode | cmp - one
	put two >receipts
	run -1 --separate-stderr koop-commit --if-match "$(printf %032d 0)" \
		<receipts
	[[ "$stderr" == *'is not what --if-match says: nothing is changed' ]]
	put two | koop-commit --if-match "\"$etag\""
	koop-shard-get videos/film | koop-decode | cmp - two
	for bad in '' x '*' "$etag,$etag"; do
		run -64 --separate-stderr koop-commit --if-match "$bad" <receipts
	done
	run -64 koop-commit --if-none-match "$etag" <receipts
	run -64 koop-commit --if-none-match '*' --if-match "$etag" <receipts
}

@test "pipeline: receipts are one line a shard and an end" {
	cluster_up
	bucket videos
	object 1000000 film
	koop-encode <film | koop-shard-put videos/film >receipts
	[ "$(grep -c '^shard v=2 ' receipts)" -eq 9 ]
	[ "$(tail -n 1 receipts | cut -d' ' -f1)" = end ]
	[[ "$(tail -n 1 receipts)" == *" name=videos/film "* ]]
	[[ "$(tail -n 1 receipts)" == *" shards=9 "* ]]
	[ "$(cut -d' ' -f4 receipts | grep -c index=)" -eq 9 ]
	# Nothing exists before the commit.
	[ "$(code "$GW/videos/film")" = 404 ]
	koop-commit <receipts
	[ "$(code "$GW/videos/film")" = 200 ]
}

@test "pipeline: committing the same receipts again changes nothing" {
	cluster_up
	bucket videos
	object 100000 one 1
	object 100000 two 2
	koop-encode <one | koop-shard-put videos/film >receipts
	koop-commit <receipts
	koop-encode <two | koop-shard-put videos/film | koop-commit
	koop-commit <receipts >line
	grep -q ' outcome=done$' line
	curl -sS -f -o body "$GW/videos/film"
	cmp two body
}

@test "pipeline: receipts that took effect append no second record" {
	cluster_up
	bucket videos
	local before
	object 100000 film
	koop-encode <film | koop-shard-put videos/film >receipts
	koop-commit <receipts >first
	before=$(koop-log | wc -l)
	koop-commit <receipts >second
	cmp first second
	# Nor does a condition matter that held when it was done.
	koop-commit --if-none-match '*' <receipts >third
	cmp first third
	[ "$(koop-log | wc -l)" -eq "$before" ]
}

@test "pipeline: a stream that is stored under two names needs two ids" {
	cluster_up
	bucket videos
	local i
	object 100000 film
	koop-encode <film >shards
	for i in $(seq 33); do
		koop-shard-put "videos/$i" <shards >receipts || continue
		koop-commit <receipts >line 2>err || break
		koop-shard-get "videos/$i" | koop-decode | cmp - film
	done
	# At the latest the 33rd shares a partition with one before.
	[ ! -s line ]
	[[ "$(cat err)" == *'is that of "videos/'*'" already: store the stream with koop-shard-put --new-id' ]]
	koop-shard-put --new-id "videos/$i" <shards | koop-commit
	koop-shard-get "videos/$i" | koop-decode | cmp - film
}

@test "pipeline: what the nodes refuse is said in words" {
	cluster_up
	bucket videos
	object 100000 one 1
	object 100000 two 2
	koop-encode <one >shards
	koop-shard-put videos/film <shards | koop-commit
	koop-encode <two | koop-shard-put videos/film | koop-commit
	# Its id is superseded: no node takes it again.
	run -69 --separate-stderr koop-shard-put videos/film <shards
	[[ "$stderr" == *"on node 1/"[0-9]": its id is aborted, superseded or "* ]]
	[[ "$stderr" != *410* ]]
}

@test "pipeline: a stream without END is not stored" {
	cluster_up
	bucket videos
	object 3000000 film
	koop-encode <film >shards
	size=$(stat -c %s shards)
	for cut in 100 512 70000 2000000 $((size - 1024)) $((size - 1)); do
		head -c "$cut" shards >torn
		run -65 --separate-stderr koop-shard-put videos/film <torn
		[ "$output" = "" ]
		run -65 --separate-stderr koop-commit </dev/null
	done
	[ "$(code "$GW/videos/film")" = 404 ]
	# The same stream, whole, is taken afterwards.
	koop-shard-put videos/film <shards | koop-commit
	curl -sS -f -o body "$GW/videos/film"
	cmp film body
}

@test "pipeline: a damaged stream is not stored" {
	cluster_up
	bucket videos
	object 1000000 film
	koop-encode <film >shards
	for at in 530 560 100000 700000; do
		cp shards bad
		printf '\377' | dd of=bad bs=1 seek="$at" conv=notrunc status=none
		if ! cmp -s shards bad; then
			run -65 --separate-stderr koop-shard-put videos/x <bad
			[ "$output" = "" ]
		fi
	done
	[ "$(code "$GW/videos/x")" = 404 ]
}

@test "pipeline: receipts without end, or of too few shards, are refused" {
	cluster_up
	bucket videos
	object 100000 film
	koop-encode <film | koop-shard-put videos/film >receipts
	grep -v '^end' receipts >torn
	run -65 --separate-stderr koop-commit <torn
	[[ "$stderr" == "koop-commit: standard input: no end receipt"* ]]
	run -65 --separate-stderr koop-commit </dev/null
	head -c -1 receipts >torn
	run -65 --separate-stderr koop-commit <torn
	grep -v ' index=[345] ' receipts | sed 's/shards=9/shards=6/' >few
	run -69 --separate-stderr koop-commit <few
	[ "$output" = "" ]
	grep -v ' index=3 ' receipts >lie
	run -65 --separate-stderr koop-commit <lie
	[ "$(code "$GW/videos/film")" = 404 ]
	koop-commit <receipts
}

@test "pipeline: an object without MD5 is not committed" {
	cluster_up
	bucket videos
	object 100000 film
	koop-encode --no-md5 <film | koop-shard-put videos/film >receipts
	run -65 --separate-stderr koop-commit <receipts
	[[ "$stderr" == *"no md5"* ]]
}

@test "pipeline: a bucket that is not there is told before anything is read" {
	cluster_up
	run -1 --separate-stderr koop-shard-put nowhere/film </dev/null
	[[ "$stderr" == "koop-shard-put: bucket \"nowhere\" does not exist; make it with: koop-bucket make nowhere" ]]
	bucket videos
	run -1 --separate-stderr koop-shard-get videos/nothing
	[ "$output" = "" ]
	[ "$stderr" = 'koop-shard-get: no object "videos/nothing"' ]
	run -64 --separate-stderr koop-shard-put videos </dev/null
	[[ "$stderr" == *"not of the form bucket/key"* ]]
}

@test "pipeline: an old stream needs --new-id" {
	cluster_up
	bucket videos
	object 500000 film
	koop-encode --request-id 0170000000007000800000000000abcd <film >shards
	run -65 --separate-stderr koop-shard-put videos/film <shards
	[[ "$stderr" == *"--new-id"* ]]
	koop-shard-put --new-id videos/film <shards | koop-commit
	curl -sS -f -o body "$GW/videos/film"
	cmp film body
}

@test "pipeline: a stream of another geometry is refused with advice" {
	cluster_up
	bucket videos
	object 500000 film
	koop-encode -k 4 -m 2 <film >shards
	run -65 --separate-stderr koop-shard-put videos/film <shards
	[[ "$stderr" == *"koop-encode -k 6 -m 3"* ]]
	koop-encode --split 'shard.%d' <film
	run -65 --separate-stderr koop-shard-put videos/film <shard.0
	[[ "$stderr" == *"one shard's file"* ]]
}

@test "pipeline: other cell sizes are the object's own matter" {
	cluster_up
	bucket videos
	object 3000000 film
	for cell in 4K 5000 1M; do
		koop-encode -c "$cell" <film | koop-shard-put videos/film |
			koop-commit
		curl -sS -f -o body "$GW/videos/film"
		cmp film body
		curl -sS -f -r 1234567-1299999 -o body "$GW/videos/film"
		tail -c +1234568 film | head -c 65433 | cmp - body
		koop-shard-get videos/film | koop-decode | cmp film -
	done
}

@test "pipeline: keys of any kind go through" {
	cluster_up
	bucket videos
	object 20000 film
	for key in 'a/b/c' 'ä ö+ü' '%41' '?x=1&y' '..' 'a//b'; do
		koop-encode <film | koop-shard-put "videos/$key" | koop-commit
		koop-shard-get "videos/$key" | koop-decode | cmp film -
	done
}
