#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A whole cluster over a log that shares no page: positions travel in streams
# between the programs, as they will over an engine on other machines.

load helpers

setup_file() {
	cluster_share --positions streams --gateways 2
	GW2=$(conf gateway 2)
	export GW2
	curl -sS -f -X PUT "$GW/box"
}

teardown_file() { cluster_unshare; }

@test "unshared: the cluster says so, and keeps it" {
	[ "$(conf commit-log)" = 'sqlite:commit.db?shared=no' ]
	koop status --data "$DATA" --wait full
	grep -qz -- 'commit.db?shared=no$' "/proc/$(told node-1.0 pid)/cmdline"
}

@test "unshared: objects are put, got, told of, listed and deleted" {
	printf tiny >tiny
	object 3000000 film 1
	for f in tiny film; do
		s3 PUT "/box/own/$f" -T $f
		is 200
		s3 HEAD "/box/own/$f"
		is 200
		s3 GET "/box/own/$f"
		is 200
		cmp body $f
	done
	s3 GET '/box?list-type=2&prefix=own/'
	is 200
	[ "$(element Key)" = "$(printf 'own/film\nown/tiny')" ]
	s3 GET /box/own/none
	is 404 NoSuchKey
	for f in tiny film; do
		s3 DELETE "/box/own/$f"
		is 204
		s3 GET "/box/own/$f"
		is 404 NoSuchKey
	done
	s3 GET '/box?list-type=2&prefix=own/'
	[ "$(element Key)" = "" ]
	# The commands, too.
	koop-encode <film | koop-shard-put box/own/piped | koop-commit
	koop-shard-get box/own/piped | koop-decode | cmp - film
}

@test "unshared: parts become an object, and a bucket goes" {
	s3 PUT /goes
	is 200
	object 5242880 one 1
	object 100000 two 2
	s3 POST '/goes/film?uploads'
	is 200
	id=$(element UploadId)
	for n in one two; do
		s3 PUT "/goes/film?partNumber=$([ $n = one ] && echo 1 || echo 2)&uploadId=$id" -T $n
		is 200
		eval "etag_$n=\$(header ETag)"
	done
	# shellcheck disable=SC2154
	s3 POST "/goes/film?uploadId=$id" -d "<CompleteMultipartUpload>
		<Part><PartNumber>1</PartNumber><ETag>$etag_one</ETag></Part>
		<Part><PartNumber>2</PartNumber><ETag>$etag_two</ETag></Part>
		</CompleteMultipartUpload>"
	is 200
	s3 GET /goes/film
	cat one two | cmp - body
	s3 DELETE /goes
	is 409 BucketNotEmpty
	s3 DELETE /goes/film
	is 204
	s3 DELETE /goes
	is 204
	s3 HEAD /goes
	is 404
}

@test "unshared: what one gateway wrote the other reads at once" {
	for i in $(seq 40); do
		echo "$i" >new
		[ "$(curl -sS -f -o /dev/null -w '%{http_code}' -T new "$GW/box/turn")" = 200 ]
		[ "$(curl -sS -f "$GW2/box/turn")" = "$i" ]
		echo "other $i" >new
		curl -sS -f -T new "$GW2/box/turn"
		[ "$(curl -sS -f "$GW/box/turn")" = "other $i" ]
	done
	curl -sS -f -X DELETE "$GW2/box/turn"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/box/turn")" = 404 ]
}

@test "unshared: a node that is killed and one that is away are missed by nobody" {
	object 2000000 film 3
	node --stop-node 4
	kill -KILL "$(told node-1.2 pid)"
	for i in 1 2 3 4; do
		curl -sS -f -T film "$GW/box/away/$i"
		curl -sS -f -o back "$GW2/box/away/$i"
		cmp film back
	done
	node --start-node 4
	koop status --data "$DATA" --wait full
	for n in 0 1; do node --stop-node $n; done
	for i in 1 2 3 4; do
		curl -sS -f -o back "$GW2/box/away/$i"
		cmp film back
	done
	for n in 0 1; do node --start-node $n; done
	koop status --data "$DATA" --wait full
}

@test "unshared: a key that both write is never lost and never goes back" {
	# Its number grows; each reader of either gateway sees it grow.
	echo 0 >n && curl -sS -f -T n "$GW/box/grows"
	for r in 1 2 3 4; do
		(
			at=$([ $((r % 2)) -eq 0 ] && echo "$GW" || echo "$GW2")
			last=0
			while [ ! -e stop ]; do
				now=$(curl -sS -f "$at/box/grows") || echo "failed"
				[ "${now:-0}" -ge "$last" ] || echo "$last, then $now"
				last=${now:-0}
			done >seen$r 2>&1
			echo "$last" >last$r
		) 3>&- 4>&- &
	done
	for i in $(seq 60); do
		echo "$i" >n
		curl -sS -f -T n "$([ $((i % 2)) -eq 0 ] && echo "$GW" || echo "$GW2")/box/grows"
	done
	: >stop
	wait
	cat seen*
	[ -z "$(cat seen*)" ]
	[ "$(cat last1)" -gt 0 ]
}

# shards: how many files of blobs there are in the cluster.
shards() { find "$DATA"/node-*/shards -type f | wc -l; }

shards_are() { [ "$(shards)" -eq "$1" ]; }

@test "unshared: what was superseded and deleted is collected" {
	export KOOP_GC_GRACE=400ms
	cluster_up --positions streams --nodes 3 --data-shards 2 --parity-shards 1
	curl -sS -f -X PUT "$GW/box"
	object 500000 one 1
	object 500000 two 2
	for key in a b live; do curl -sS -f -T one "$GW/box/$key"; done
	koop status --data "$DATA" --wait full
	shards_are 9
	curl -sS -f -T two "$GW/box/a"
	curl -sS -f -X DELETE "$GW/box/b"
	until_true shards_are 6
	curl -sS -f "$GW/box/a" | cmp - two
	curl -sS -f "$GW/box/live" | cmp - one
}
