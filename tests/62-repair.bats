#!/usr/bin/env bats
# Nodes make themselves whole: after they were down, and when their files are
# damaged, short, swapped or gone.

load helpers

whole() {
	koop status --data "$DATA" --wait full >/dev/null 3>&-
}

# put NAME...: objects of 700 kB, each of its own bytes, as files too.
put() {
	local name
	for name; do
		object 700000 "$name" "$(printf %s "$name" | cksum | cut -c 1-6)"
		curl -sS -f -T "$name" "$GW/box/$name"
	done
}

same() {
	local name
	for name; do
		curl -sS -f --max-time 20 -o back "$GW/box/$name"
		cmp "$name" back
	done
}

# files N: the shard files of node N.
files() {
	find "$DATA/node-1.$1/shards" -type f | sort
}

# health N: what node N says of itself.
health() {
	curl -sS -f "http://$(jq -r \
		".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json")/health"
}

equal() {
	cmp -s "$1" "$2"
}

quarantined() {
	[ "$(health "$1" | jq .quarantine)" -ge 1 ]
}

start_set() {
	cluster_up
	curl -sS -f -X PUT "$GW/box"
}

@test "repair: a node that was down while objects came is whole afterwards" {
	start_set
	put a b c
	whole
	[ "$(files 3 | wc -l)" -eq 3 ]
	node --stop-node 3
	put d e f g h
	printf tiny >tiny
	for n in 1 2 3 4 5 6 7 8 9; do
		curl -sS -f -T tiny "$GW/box/tiny$n"
	done
	curl -sS -f -X DELETE "$GW/box/a"
	node --start-node 3
	whole
	# One of a is garbage, but not old enough.
	[ "$(files 3 | wc -l)" -eq 8 ]
	for n in 0 5 8; do
		node --stop-node "$n"
	done
	same b c d e f g h
	for n in 1 2 3 4 5 6 7 8 9; do
		[ "$(curl -sS -f "$GW/box/tiny$n")" = tiny ]
	done
}

@test "repair: a flipped bit in a shard is read around, and cured" {
	start_set
	put a
	whole
	for n in 0 1 2 3 4 5 6 7 8; do
		file=$(files "$n")
		cp "$file" before
		printf '\377' | dd of="$file" bs=1 seek=40000 conv=notrunc \
			status=none
		equal "$file" before && printf '\0' | dd of="$file" bs=1 \
			seek=40000 conv=notrunc status=none
		run ! cmp -s "$file" before
		same a
		# The reader tells of data by itself.  Parity is not read while
		# data is good: say that it is bad.
		[ "${file##*.}" -lt 6 ] || tell_bad "$n" "$file"
		until_true equal "$file" before
		until_true quarantined "$n"
	done
	same a
}

# tell_bad N FILE: what a reader does that met a bad cell.
tell_bad() {
	local name=${2##*/} p
	p=$(python3 -c 'import zlib; print(zlib.crc32(b"box/a") % 32)')
	curl -sS -X POST -H "X-Koop-To: $(conf cluster)/1/$1" -o /dev/null \
		"http://$(jq -r \
		".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json")/repair/$p?requestId=${name%.*}&shard=${name#*.}"
}

@test "repair: short, empty, swapped and deleted files are read around and cured" {
	start_set
	put a b
	whole
	mapfile -t f0 < <(files 0)
	mapfile -t f1 < <(files 1)
	mapfile -t f2 < <(files 2)
	cp "${f0[0]}" keep0
	cp "${f0[1]}" keep1
	cp "${f1[0]}" keep2
	cp "${f2[0]}" keep3
	# Node 0: the two shards swapped.  1: cut short.  2: gone.
	mv "${f0[0]}" swap
	mv "${f0[1]}" "${f0[0]}"
	mv swap "${f0[1]}"
	truncate -s 60000 "${f1[0]}"
	rm "${f2[0]}"
	same a b
	same a b
	for n in 0 1 2; do
		node --stop-node "$n"
		node --start-node "$n"
	done
	until_true equal "${f1[0]}" keep2
	until_true equal "${f2[0]}" keep3
	same a b
	tell_all
	until_true equal "${f0[0]}" keep0
	until_true equal "${f0[1]}" keep1
	whole
	for n in 3 4 5; do
		node --stop-node "$n"
	done
	same a b
}

# tell_all: node 0 is asked to look at its shards.
tell_all() {
	local key file id p
	for file in $(files 0); do
		id=${file##*/}
		for key in a b; do
			p=$(python3 -c "import zlib
print(zlib.crc32(b'box/$key') % 32)")
			curl -sS -X POST -o /dev/null \
				-H "X-Koop-To: $(conf cluster)/1/0" \
				"http://$(jq -r \
				'.erasure_sets[0].machines[0]|"\(.ip):\(.port)"' \
				"$DATA/topology.json")/repair/$p?requestId=${id%.*}"
		done
	done
}

@test "repair: a node whose shards are all deleted heals when it starts" {
	start_set
	put a b c d
	whole
	node --stop-node 6
	for file in $(files 6); do
		cp "$file" "${file##*/}.keep"
		rm "$file"
	done
	node --start-node 6
	whole
	[ "$(files 6 | wc -l)" -eq 4 ]
	for file in $(files 6); do
		cmp "$file" "${file##*/}.keep"
	done
	grep -q 'durable here is gone' "$DATA/log/node-1.6.log"
}

@test "repair: a node with a new disk gets all its shards and small objects" {
	start_set
	put a b c d
	printf tiny >tiny
	for n in 1 2 3 4 5 6 7 8 9; do
		curl -sS -f -T tiny "$GW/box/tiny$n"
	done
	whole
	files 2 | sed 's|.*/||' >before
	koop down --data "$DATA" >/dev/null
	rm -r "$DATA/node-1.2"
	cluster_up --replace-node 2
	whole
	files 2 | sed 's|.*/||' | cmp - before
	run ! grep -q 'durable here is gone' "$DATA/log/node-1.2.log"
	for n in 3 4 5; do
		node --stop-node "$n"
	done
	same a b c d
	for n in 1 2 3 4 5 6 7 8 9; do
		[ "$(curl -sS -f "$GW/box/tiny$n")" = tiny ]
	done
}

@test "repair: parts of uploads are rebuilt like other blobs" {
	start_set
	object 5300000 part1 1
	object 300000 part2 2
	node --stop-node 4
	id=$(curl -sS -f -X POST "$GW/box/film?uploads" |
		sed -n 's|.*<UploadId>\(.*\)</UploadId>.*|\1|p')
	for n in 1 2; do
		curl -sS -f -D part.head -T "part$n" \
			"$GW/box/film?partNumber=$n&uploadId=$id"
		tr -d '\r' <part.head | sed -n 's/^etag: //Ip' >etag$n
	done
	{
		echo '<CompleteMultipartUpload>'
		for n in 1 2; do
			echo "<Part><PartNumber>$n</PartNumber><ETag>$(cat \
				etag$n)</ETag></Part>"
		done
		echo '</CompleteMultipartUpload>'
	} >list
	curl -sS -f -X POST --data-binary @list "$GW/box/film?uploadId=$id" \
		>/dev/null
	node --start-node 4
	whole
	[ "$(files 4 | wc -l)" -eq 2 ]
	for n in 0 1 2; do
		node --stop-node "$n"
	done
	curl -sS -f "$GW/box/film" | cmp - <(cat part1 part2)
}
