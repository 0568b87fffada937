#!/usr/bin/env bats
# Nine nodes, some of them dead: what reads, what writes, what must not.

load helpers

# The objects that every pattern of dead nodes must give back: 40 MB in all.
store_set() {
	local size
	curl -sS -f -X PUT "$GW/set"
	mkdir set
	for size in 0 1 4096 8193 65537 393216 393217 5000000 15728640 18800000; do
		object "$size" "set/$size" "$size"
		curl -sS -f -T "set/$size" "$GW/set/$size"
	done
	[ "$(cat set/* | wc -c)" -gt 40000000 ]
}

# read_set [TIMES]: all of it, contents compared.
read_set() {
	local file
	for file in set/*; do
		curl -sS -f --max-time 30 -o back "$GW/$file"
		cmp "$file" back
	done
}

# status of a request, its body in the file "body".
code() {
	curl -sS --max-time 20 -o body -w '%{http_code}' "$@"
}

# Every 3 of 9, each set differing from the one before in one node out and
# one in (the revolving door).
patterns() {
	python3 - <<-'END'
	def door(n, k):
	    if k == 0:
	        return [()]
	    if k == n:
	        return [tuple(range(n))]
	    return door(n - 1, k) + [c + (n - 1,) for c in reversed(door(n - 1, k - 1))]
	for c in door(9, 3):
	    print(*c)
	END
}

# bats test_tags=slow
@test "cluster: any three of nine nodes may be stopped and everything reads" {
	cluster_up
	store_set
	koop status --data "$DATA" --wait full >/dev/null
	patterns >list
	[ "$(sort -u list | wc -l)" -eq 84 ]
	down=""
	while read -r -u 9 a b c; do
		for n in $down; do
			[ "$n" = "$a" ] || [ "$n" = "$b" ] || [ "$n" = "$c" ] ||
				node --start-node "$n"
		done
		for n in "$a" "$b" "$c"; do
			[[ " $down " == *" $n "* ]] || node --stop-node "$n"
		done
		down="$a $b $c"
		read_set
	done 9<list
}

# bats test_tags=slow
@test "cluster: three killed or frozen nodes of three patterns, and 1 GiB reads" {
	cluster_up
	curl -sS -f -X PUT "$GW/big"
	object 1073741824 film 3
	curl -sS -f -T film "$GW/big/film"
	koop status --data "$DATA" --wait full >/dev/null
	sum=$(sha256sum <film)
	for pattern in "0 1 2" "3 5 7" "2 6 8"; do
		for n in $pattern; do
			node --stop-node "$n"
		done
		[ "$(curl -sS -f "$GW/big/film" | sha256sum)" = "$sum" ]
		for n in $pattern; do
			node --start-node "$n"
		done
		koop status --data "$DATA" --wait ready >/dev/null
	done
	# 200 ranges at random places, the same ones in each run.
	python3 - "$GW/big/film" >config <<-'END'
	import random, sys
	random.seed(4)
	for i in range(200):
	    first = random.randrange(1 << 30)
	    last = min(first + random.randrange(1 << random.randrange(1, 22)), (1 << 30) - 1)
	    print(f'next\nfail\nsilent\nshow-error\nurl = "{sys.argv[1]}"\nrange = "{first}-{last}"\noutput = "r{i}"')
	    print(first, last, file=open("list", "a"))
	END
	tail -n +2 config | curl -K -
	python3 - <<-'END'
	film = open("film", "rb")
	lines = open("list").read().split("\n")[:-1]
	assert len(lines) == 200
	for i, line in enumerate(lines):
	    first, last = map(int, line.split())
	    film.seek(first)
	    assert film.read(last - first + 1) == open(f"r{i}", "rb").read(), line
	END
}

@test "cluster: frozen nodes are read around, and thaw into the same cluster" {
	cluster_up
	store_set
	koop status --data "$DATA" --wait full >/dev/null
	for n in 1 4 8; do
		kill -STOP "$(node_pid "$n")"
	done
	read_set
	for n in 1 4 8; do
		kill -CONT "$(node_pid "$n")"
	done
	koop status --data "$DATA" --wait full >/dev/null
	read_set
}

node_pid() {
	told "node-1.$1" pid
}

@test "cluster: with four nodes down a read is a 503 within 5 s, never wrong" {
	cluster_up
	store_set
	koop status --data "$DATA" --wait full >/dev/null
	for n in 0 3 5 6; do
		node --stop-node "$n"
	done
	for file in set/8193 set/65537 set/393216 set/5000000 set/15728640; do
		start=$(date +%s%N)
		[ "$(code "$GW/$file")" = 503 ]
		took=$((($(date +%s%N) - start) / 1000000))
		[ "$took" -lt 5000 ]
		grep -q '<Error>' body
	done
	# Small ones are kept whole on four nodes: right, or a 503.
	for file in set/0 set/1 set/4096; do
		[ "$(code "$GW/$file")" = 503 ] || cmp "$file" body
	done
	[[ "$(code "$GW/set/unknown")" == @(404|503) ]]
	[ "$(code -T set/4096 "$GW/set/4096")" = 503 ]
	node --start-node 3
	read_set
}

@test "cluster: with two nodes down writes work, and heal when they return" {
	cluster_up
	curl -sS -f -X PUT "$GW/set"
	node --stop-node 2
	node --stop-node 7
	mkdir set
	for size in 0 100 8193 400000 3000000; do
		object "$size" "set/$size" "$size"
		curl -sS -f -T "set/$size" "$GW/set/$size"
	done
	read_set
	curl -sS -f -X DELETE "$GW/set/100"
	rm set/100
	node --start-node 2
	node --start-node 7
	koop status --data "$DATA" --wait full >/dev/null
	# Whole again: any other three may go.
	for n in 0 4 8; do
		node --stop-node "$n"
	done
	read_set
	[ "$(code "$GW/set/100")" = 404 ]
}

@test "cluster: with three nodes down a write is a 503 and leaves nothing" {
	export KOOP_GC_GRACE=400ms KOOP_ORPHAN_AGE=2s KOOP_ORPHAN_STEP=0s
	cluster_up
	curl -sS -f -X PUT "$GW/set"
	object 1000000 old 1
	object 1000000 new 2
	object 100 tiny 3
	curl -sS -f -T old "$GW/set/kept"
	koop status --data "$DATA" --wait full >/dev/null
	for n in 1 4 6; do
		node --stop-node "$n"
	done
	[ "$(code -T new "$GW/set/kept")" = 503 ]
	[ "$(code -T new "$GW/set/fresh")" = 503 ]
	# Small ones travel in the record: it must not be appended at all.
	[ "$(code -T tiny "$GW/set/tiny")" = 503 ]
	[ "$(code -X DELETE "$GW/set/kept")" = 503 ]
	curl -sS -f -o back "$GW/set/kept"
	cmp old back
	[ "$(code "$GW/set/fresh")" = 404 ]
	for n in 1 4 6; do
		node --start-node "$n"
	done
	koop status --data "$DATA" --wait full >/dev/null
	curl -sS -f -o back "$GW/set/kept"
	cmp old back
	[ "$(code "$GW/set/fresh")" = 404 ]
	[ "$(code "$GW/set/tiny")" = 404 ]
	curl -sS -f "$GW/set?list-type=2" | grep -o '<Key>[^<]*' >keys
	[ "$(cat keys)" = "<Key>kept" ]
	# Nor shards, once the collector has been there: of one object only.
	only_nine() {
		[ "$(find "$DATA"/node-*/shards -type f -name '*.?' |
			wc -l)" -eq 9 ]
	}
	until_true only_nine
	curl -sS -f -T new "$GW/set/kept"
	curl -sS -f -o back "$GW/set/kept"
	cmp new back
}

@test "cluster: 4+2 on six nodes and 2+1 on three work the same" {
	for shape in "4 2" "2 1"; do
		read -r d p <<<"$shape"
		cluster_up --data-shards "$d" --parity-shards "$p" \
			--nodes "$((d + p))"
		curl -sS -f -X PUT "$GW/set"
		object 3000000 film 5
		curl -sS -f -T film "$GW/set/film"
		koop status --data "$DATA" --wait full >/dev/null
		node --stop-node 0
		curl -sS -f -o back "$GW/set/film"
		cmp film back
		cluster_down
		rm -rf "$DATA"
	done
}

@test "cluster: a replaced node is filled again" {
	cluster_up
	store_set
	koop status --data "$DATA" --wait full >/dev/null
	koop down --data "$DATA"
	rm -rf "$DATA/node-1.3"
	koop up --detach --data "$DATA" --durability os --replace-node 3 3>&- >out
	koop status --data "$DATA" --wait full >/dev/null
	for n in 0 4 8; do
		node --stop-node "$n"
	done
	read_set
}
