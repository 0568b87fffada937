#!/usr/bin/env bats
# No space left: a clear error, nothing lost, and it works again with room.

load helpers

teardown() {
	keep_logs
	cluster_down
	umount "$BATS_TEST_TMPDIR/small" 2>/dev/null || true
}

# small SIZE: a file system of that size at ./small; root, or a user who may
# use sudo, is needed for it.
small() {
	mkdir -p small
	if [ "$(id -u)" -eq 0 ]; then
		mount -t tmpfs -o "size=$1,mode=0777" none small
	else
		sudo -n mount -t tmpfs -o "size=$1,mode=0777" none small
	fi
}

@test "disk full: one node without room: writes go on, and it heals with room" {
	cluster_up
	node --stop-node 3
	small 4m
	cp -a "$DATA/node-1.3/." small/
	rm -rf "$DATA/node-1.3"
	ln -s "$BATS_TEST_TMPDIR/small" "$DATA/node-1.3"
	node --start-node 3
	koop status --data "$DATA" --wait full >/dev/null
	curl -sS -f -X PUT "$GW/full"
	for i in 1 2 3 4; do
		object 9000000 "film$i" "$i"
		curl -sS -f -T "film$i" "$GW/full/film$i"
	done
	# It could not take them all: 1.5 MB each.
	koop status --data "$DATA" >status || true
	cat status
	run ! grep -q 'node-1.3 .* behind 0  repairs 0$' status
	for i in 1 2 3 4; do
		curl -sS -f -o back "$GW/full/film$i"
		cmp "film$i" back
	done
	mount -o remount,size=64m small 2>/dev/null ||
		sudo -n mount -o remount,size=64m small
	koop status --data "$DATA" --timeout 120s --wait full >/dev/null
	for n in 0 4 7; do
		node --stop-node "$n"
	done
	for i in 1 2 3 4; do
		curl -sS -f -o back "$GW/full/film$i"
		cmp "film$i" back
	done
}

@test "disk full: a pipeline that splits to a full disk says so and leaves nothing" {
	small 1m
	object 5000000 film 1
	run -74 --separate-stderr bash -c \
		'koop-encode --split small/film.%d.shard <film'
	[ "$output" = "" ]
	[[ "$stderr" == "koop-encode: "*"No space left on device"* ]]
	[ -z "$(ls small)" ]
	run -74 --separate-stderr bash -c 'koop-encode <film >small/film'
	[[ "$stderr" == "koop-encode: "*"No space left on device"* ]]
	rm -f small/film
	head -c 300000 film >short
	koop-encode --split small/film.%d.shard <short
	rm small/film.0.shard small/film.4.shard small/film.8.shard
	koop-decode small/film.*.shard | cmp - short
}
