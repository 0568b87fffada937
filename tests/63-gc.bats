#!/usr/bin/env bats
# What nothing needs any more is deleted, in time; what is needed never is.

# Each test is its own shell.
# shellcheck disable=SC2030,SC2031,SC2154

load helpers

# shards ID: how many files of a blob there are in the cluster.
shards() {
	find "$DATA"/node-*/shards -name "$1.*" | wc -l
}

has() {
	[ "$(shards "$1")" -eq "$2" ]
}

# ids: the blobs that lie in the cluster.
ids() {
	find "$DATA"/node-*/shards -type f -printf '%f\n' | cut -d. -f1 |
		sort -u
}

address() {
	jq -r ".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json"
}

health() {
	curl -sS -f "http://$(address "$1")/health"
}

garbage_is() {
	[ "$(health "$1" | jq .garbage)" -eq "$2" ]
}

partition() {
	python3 -c 'import sys, zlib
print(zlib.crc32(sys.argv[1].encode()) % 32)' "$1"
}

# ask N METHOD TARGET: prints the status.
ask() {
	curl -sS -X "$2" -o body -w '%{http_code}' \
		-H "X-Koop-To: $(conf cluster)/1/$1" \
		"${@:4}" "http://$(address "$1")$3"
}

start_set() {
	cluster_up
	curl -sS -f -X PUT "$GW/box"
}

@test "gc: what was overwritten or deleted goes, what is live stays" {
	export KOOP_GC_GRACE=400ms
	start_set
	object 500000 one 1
	object 500000 two 2
	curl -sS -f -T one "$GW/box/a"
	curl -sS -f -T one "$GW/box/b"
	curl -sS -f -T one "$GW/box/live"
	koop status --data "$DATA" --wait full >/dev/null
	ids >before
	curl -sS -f -T two "$GW/box/a"
	curl -sS -f -X DELETE "$GW/box/b"
	koop status --data "$DATA" --wait full >/dev/null
	# Three of the four blobs that ever were: a's first and b are dead.
	gone() {
		[ "$(ids | wc -l)" -eq 2 ]
	}
	until_true gone
	for n in 0 4 8; do
		until_true garbage_is "$n" 0
	done
	[ "$(comm -12 before <(ids) | wc -l)" -eq 1 ]
	curl -sS -f "$GW/box/a" | cmp - two
	curl -sS -f "$GW/box/live" | cmp - one
	for id in $(ids); do
		has "$id" 9
	done
}

@test "gc: nothing goes before its grace is over, not even by DELETE" {
	start_set
	object 500000 one 1
	curl -sS -f -T one "$GW/box/a"
	koop status --data "$DATA" --wait full >/dev/null
	id=$(ids)
	curl -sS -f -X DELETE "$GW/box/a"
	p=$(partition box/a)
	[ "$(ask 0 DELETE "/store/$p/box/a?requestId=$id")" = 409 ]
	has "$id" 9
	curl -sS -f -T one "$GW/box/a"
	koop status --data "$DATA" --wait full >/dev/null
	live=$(ids | grep -v "$id")
	[ "$(ask 0 DELETE "/store/$p/box/a?requestId=$live")" = 404 ]
	has "$live" 9
}

@test "gc: a lease keeps a shard that another would have lost" {
	export KOOP_GC_GRACE=3s
	start_set
	object 500000 one 1
	curl -sS -f -T one "$GW/box/a"
	koop status --data "$DATA" --wait full >/dev/null
	kept=$(ids)
	curl -sS -f -T one "$GW/box/b"
	koop status --data "$DATA" --wait full >/dev/null
	lost=$(ids | grep -v "$kept")
	curl -sS -f -X DELETE "$GW/box/a"
	curl -sS -f -X DELETE "$GW/box/b"
	leased() {
		local n
		for n in 0 1 2 3 4 5 6 7 8; do
			[ "$(ask "$n" PUT "/lease/3?requestId=$kept")" = 200 ] ||
				return 1
		done
		has "$lost" 0
	}
	until_true leased
	has "$kept" 9
	until_true has "$kept" 0
}

@test "gc: an upload without a record is aborted once, through the log" {
	export KOOP_ORPHAN_AGE=3s KOOP_ORPHAN_STEP=2s
	start_set
	object 500000 one 1
	koop-encode <one | koop-shard-put box/a >receipts
	id=$(ids)
	p=$(partition box/a)
	has "$id" 9
	until_true has "$id" 0
	koop-log | jq -c 'select(.record.type == "AbortMessage").record' >aborts
	[ "$(wc -l <aborts)" -eq 1 ]
	[ "$(jq -r .requestId aborts)" = "$id" ]
	# Now it can neither be committed nor stored.
	run -1 --separate-stderr koop-commit <receipts
	[[ "$stderr" == "koop-commit: the upload was aborted: "* ]]
	[ "$(curl -sS -o body -w '%{http_code}' "$GW/box/a")" = 404 ]
	koop-encode --request-id "$id" --split s.%d <one
	j=$(((9 - p % 9) % 9))
	[ "$(ask 0 PUT "/store/$p/box/a?requestId=$id&shard=$j" \
		-T "s.$j")" = 410 ]
	has "$id" 0
}

@test "gc: what was committed late is not aborted" {
	export KOOP_ORPHAN_AGE=2s KOOP_ORPHAN_STEP=0s KOOP_GC_GRACE=100ms
	start_set
	object 500000 one 1
	koop-encode <one | koop-shard-put box/a | koop-commit >/dev/null
	object 500000 two 2
	koop-encode <two | koop-shard-put box/b >/dev/null
	orphan=$(ids | tail -n 1) # ids of later writes are greater
	until_true has "$orphan" 0
	koop status --data "$DATA" --wait full >/dev/null
	[ "$(ids | wc -l)" -eq 1 ]
	curl -sS -f "$GW/box/a" | cmp - one
	# The rounds have not aborted anything else, to no effect.  Without a
	# step between the nodes several of them may abort the orphan.
	koop-log | jq -r 'select(.record.type == "AbortMessage") |
		.record.requestId' >aborts
	[ "$(sort -u aborts)" = "$orphan" ]
}

@test "gc: a shard that no record names and nobody placed is counted and kept" {
	start_set
	object 500000 one 1
	koop-encode --split s.%d <one
	id=$(strings s.0 | sed -n 's/^request_id=//p' | head -n 1)
	koop down --data "$DATA" >/dev/null
	cp s.4 "$DATA/node-1.4/shards/${id: -2}/$id.4"
	export KOOP_GC_GRACE=100ms KOOP_ORPHAN_AGE=400ms
	cluster_up
	counted() {
		[ "$(health 4 | jq .unplaced)" -eq 1 ]
	}
	until_true counted
	has "$id" 1
}

@test "gc: parts of aborted and of overwritten uploads go" {
	export KOOP_GC_GRACE=300ms
	start_set
	object 5300000 part 1
	begin() {
		curl -sS -f -X POST "$GW/box/film?uploads" |
			sed -n 's|.*<UploadId>\(.*\)</UploadId>.*|\1|p'
	}
	id=$(begin)
	curl -sS -f -T part "$GW/box/film?partNumber=1&uploadId=$id"
	[ "$(ids | wc -l)" -eq 1 ]
	curl -sS -f -X DELETE "$GW/box/film?uploadId=$id"
	none() {
		[ -z "$(ids)" ]
	}
	until_true none
	id=$(begin)
	etag=$(curl -sS -f -D - -T part \
		"$GW/box/film?partNumber=1&uploadId=$id" |
		tr -d '\r' | sed -n 's/^etag: //Ip')
	curl -sS -f -X POST -o /dev/null --data-binary "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$etag</ETag></Part></CompleteMultipartUpload>" \
		"$GW/box/film?uploadId=$id"
	curl -sS -f "$GW/box/film" | cmp - part
	printf tiny >tiny
	curl -sS -f -T tiny "$GW/box/film"
	until_true none
	[ "$(curl -sS -f "$GW/box/film")" = tiny ]
}

@test "gc: a file that will not go keeps no other one" {
	export KOOP_GC_GRACE=400ms
	start_set
	object 500000 one 1
	# In the order in which a node looks at them.
	for key in a b c d e f; do
		echo "$(partition "box/$key") $key"
	done | sort -n | cut -d' ' -f2 >keys
	curl -sS -f -T one "$GW/box/$(head -n 1 keys)"
	stuck=$(ids)
	sed 1d keys | while read -r key; do
		curl -sS -f -T one "$GW/box/$key"
	done
	koop status --data "$DATA" --wait full >/dev/null
	file=$(find "$DATA"/node-*/shards -name "$stuck.*" | head -n 1)
	rm "$file"
	mkdir "$file"
	while read -r key; do
		curl -sS -f -X DELETE "$GW/box/$key"
	done <keys
	none() {
		[ -z "$(ids)" ]
	}
	until_true none
	[ -d "$file" ]
	rmdir "$file"
}
