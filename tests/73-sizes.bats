#!/usr/bin/env bats
# Every size of object, stored by S3 and by pipeline, read by the other.

load helpers

# One cluster for the file: the tests only add objects to it.
setup_file() {
	cluster_share
	curl -sS -f -X PUT "$GW/sizes"
}

teardown_file() {
	cluster_unshare
}

SIZES="0 1 5 8191 8192 8193 65535 65536 65537 393215 393216 393217 15728640"

@test "sizes: what S3 stored, S3 and the pipeline read" {
	for size in $SIZES; do
		object "$size" film "$size"
		curl -sS -f -T film "$GW/sizes/s3-$size"
		curl -sS -f -o back "$GW/sizes/s3-$size"
		cmp film back
		koop-shard-get "sizes/s3-$size" | koop-decode >back
		cmp film back
	done
}

@test "sizes: what the pipeline stored, S3 and the pipeline read" {
	for size in $SIZES; do
		object "$size" film "$((size + 1))"
		koop-encode <film | koop-shard-put "sizes/pipe-$size" |
			koop-commit >/dev/null
		koop-shard-get "sizes/pipe-$size" | koop-decode >back
		cmp film back
		curl -sS -f -o back "$GW/sizes/pipe-$size"
		cmp film back
	done
}

@test "sizes: an upload without a length is stored whole" {
	for size in 0 1 8192 8193 393217 1000000; do
		object "$size" film "$((size + 2))"
		curl -sS -f -H 'Transfer-Encoding: chunked' -T - \
			"$GW/sizes/chunked-$size" <film
		curl -sS -f -o back "$GW/sizes/chunked-$size"
		cmp film back
	done
}

@test "sizes: the ETag is the MD5, however it was stored" {
	object 500000 film 7
	md5=$(openssl md5 -r film | cut -d ' ' -f 1)
	curl -sS -f -T film "$GW/sizes/etag-a"
	koop-encode <film | koop-shard-put sizes/etag-b | koop-commit >/dev/null
	for key in etag-a etag-b; do
		curl -sS -f -I "$GW/sizes/$key" | tr -d '\r' >head
		grep -i "^etag: \"$md5\"\$" head
		grep -i '^content-length: 500000$' head
	done
}

# ranges KEY FILE SIZE LIST: each FIRST-LAST of the list, contents compared.
ranges() {
	local first last
	while read -r first last; do
		curl -sS -f -r "$first-$last" -o part "$GW/sizes/$1"
		tail -c "+$((first + 1))" "$2" | head -c "$((last - first + 1))" |
			cmp - part
	done
}

@test "sizes: ranges at every cell and stripe boundary of 15 MiB" {
	object 15728640 film 9
	curl -sS -f -T film "$GW/sizes/ranges"
	cell=65536
	# One curl for many ranges keeps this fast: each goes to a file of its
	# own, and all are compared with what the object has there.
	i=0
	: >config
	: >list
	for ((at = cell; at < 15728640; at += cell)); do
		for pair in "$((at - 1)) $((at - 1))" "$((at - 1)) $at" \
			"$at $at" "$at $((at + cell - 1))" \
			"$((at - 1)) $((at + cell))"; do
			read -r first last <<<"$pair"
			[ "$last" -lt 15728640 ] || last=15728639
			printf 'next\nfail\nsilent\nshow-error\nurl = "%s"\nrange = "%d-%d"\noutput = "r%d"\n' \
				"$GW/sizes/ranges" "$first" "$last" "$i" >>config
			echo "$first $last r$i" >>list
			i=$((i + 1))
		done
	done
	tail -n +2 config | curl -K -
	python3 - <<-'END'
	film = open("film", "rb").read()
	count = 0
	for line in open("list"):
	    first, last, name = line.split()
	    want = film[int(first):int(last) + 1]
	    assert open(name, "rb").read() == want, line
	    count += 1
	assert count == 239 * 5, count
	END
}

@test "sizes: a suffix range, an open range and one past the end" {
	object 1000000 film 11
	curl -sS -f -T film "$GW/sizes/suffix"
	curl -sS -f -r -1000 -o part "$GW/sizes/suffix"
	tail -c 1000 film | cmp - part
	curl -sS -f -r 999000- -o part "$GW/sizes/suffix"
	tail -c 1000 film | cmp - part
	curl -sS -f -r 999000-5000000 -D head -o part "$GW/sizes/suffix"
	tail -c 1000 film | cmp - part
	grep -i '^content-range: bytes 999000-999999/1000000' head
	[ "$(curl -sS -o body -w '%{http_code}' -r 1000000- \
		"$GW/sizes/suffix")" = 416 ]
	grep -q '<Code>InvalidRange</Code>' body
}
