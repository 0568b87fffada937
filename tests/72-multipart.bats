#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Multipart uploads of koop-gw(8), by curl.

load helpers

MIB5=5242880

setup_file() {
	cluster_share
	object "$MIB5" five 1
	object 6000000 six 2
	object 100 tail 3
	curl -sS -f -X PUT "$GW/multi"
}

teardown_file() {
	cluster_unshare
}

md5() { openssl md5 -r "$1" | cut -d ' ' -f 1; }

# start KEY [CURL-OPTION...]: sets ID.
start() {
	local key=$1
	shift
	s3 POST "/multi/$key?uploads" "$@"
	is 200
	ID=$(element UploadId)
	[[ "$ID" =~ ^[0-9a-f]{32}$ ]]
}

# part KEY NUMBER FILE
part() {
	s3 PUT "/multi/$1?partNumber=$2&uploadId=$ID" --data-binary "@$3"
	is 200
	[ "$(header etag)" = "\"$(md5 "$3")\"" ]
}

# document NUMBER ETAG ...: the body of a Complete, to ./doc.
document() {
	{
		echo '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
		while [ $# -gt 0 ]; do
			echo "<Part><ETag>$2</ETag><PartNumber>$1</PartNumber></Part>"
			shift 2
		done
		echo '</CompleteMultipartUpload>'
	} >doc
}

# complete KEY [CURL-OPTION...]: with ./doc.
complete() {
	local key=$1
	shift
	s3 POST "/multi/$key?uploadId=$ID" --data-binary @doc "$@"
}

# of FILE...: the ETag of a multipart object of these parts.
etag_of() {
	local f
	for f; do
		openssl md5 -binary "$f"
	done >md5s
	echo "$(md5 md5s)-$#"
}

@test "multipart: parts become one object, with its own ETag" {
	cp "$BATS_FILE_TMPDIR"/{five,six,tail} .
	start film -H 'Content-Type: video/mp4' -H 'x-amz-meta-k: v'
	[ "$(element Key)" = film ]
	[ "$(element Bucket)" = multi ]
	part film 1 five
	part film 2 six
	part film 3 tail
	s3 GET /multi/film
	is 404 NoSuchKey
	document 1 "\"$(md5 five)\"" 2 "&quot;$(md5 six)&quot;" 3 "$(md5 tail)"
	complete film
	is 200
	want=$(etag_of five six tail)
	[ "$(element ETag)" = "&quot;$want&quot;" ]
	[ "$(element Location)" = "$GW/multi/film" ]
	cat five six tail >all
	s3 GET /multi/film
	is 200
	cmp all body
	[ "$(header etag)" = "\"$want\"" ]
	[ "$(header content-type)" = video/mp4 ]
	[ "$(header x-amz-meta-k)" = v ]
	s3 HEAD /multi/film
	[ "$(header content-length)" = $((MIB5 + 6000100)) ]
	s3 GET '/multi?list-type=2&prefix=film'
	[ "$(element ETag)" = "&quot;$want&quot;" ]
	[ "$(element Size)" = $((MIB5 + 6000100)) ]
}

@test "multipart: ranges run across parts" {
	cp "$BATS_FILE_TMPDIR"/{five,tail} .
	start ranges
	part ranges 2 five
	part ranges 5 five
	part ranges 9 tail
	document 2 "$(md5 five)" 5 "$(md5 five)" 9 "$(md5 tail)"
	complete ranges
	is 200
	cat five five tail >all
	while read -r first last; do
		s3 GET /multi/ranges -r "$first-$last"
		is 206
		tail -c +$((first + 1)) all | head -c $((last - first + 1)) |
			cmp - body
	done <<-END
		0 0
		0 $((MIB5 - 1))
		0 $MIB5
		$((MIB5 - 1)) $MIB5
		$MIB5 $MIB5
		$((MIB5 - 100000)) $((MIB5 + 100000))
		$((2 * MIB5 - 1)) $((2 * MIB5 + 99))
		$((2 * MIB5 + 99)) $((2 * MIB5 + 99))
		10 $((2 * MIB5 + 50))
	END
	s3 GET /multi/ranges -r "$((2 * MIB5 + 100))-"
	is 416 InvalidRange
	s3 GET /multi/ranges -r -150
	is 206
	tail -c 150 all | cmp - body
}

@test "multipart: one small part is a whole object" {
	cp "$BATS_FILE_TMPDIR"/tail .
	start small
	part small 7 tail
	document 7 "$(md5 tail)"
	complete small
	is 200
	s3 GET /multi/small
	cmp tail body
	[ "$(header etag)" = "\"$(etag_of tail)\"" ]
}

@test "multipart: an empty part is a part" {
	: >nothing
	start empty
	part empty 1 nothing
	document 1 "$(md5 nothing)"
	complete empty
	is 200
	s3 GET /multi/empty
	is 200
	[ ! -s body ]
	[ "$(header etag)" = "\"$(etag_of nothing)\"" ]
}

@test "multipart: a part that comes again replaces the one before" {
	cp "$BATS_FILE_TMPDIR"/{five,six,tail} .
	start again
	part again 1 six
	part again 1 five
	part again 2 tail
	document 1 "$(md5 six)" 2 "$(md5 tail)"
	complete again
	is 400 InvalidPart
	document 1 "$(md5 five)" 2 "$(md5 tail)"
	complete again
	is 200
	s3 GET /multi/again
	cat five tail | cmp - body
}

@test "multipart: only the parts that are named become the object" {
	cp "$BATS_FILE_TMPDIR"/{five,tail} .
	start some
	part some 1 five
	part some 2 five
	part some 3 tail
	document 1 "$(md5 five)" 3 "$(md5 tail)"
	complete some
	is 200
	s3 GET /multi/some
	cat five tail | cmp - body
}

@test "multipart: a list that does not hold is refused, and the upload stays" {
	cp "$BATS_FILE_TMPDIR"/{five,tail} .
	start refused
	part refused 1 tail
	part refused 2 five
	part refused 3 tail
	f=$(md5 five) t=$(md5 tail)
	document 2 "$f" 1 "$t"
	complete refused
	is 400 InvalidPartOrder
	document 2 "$f" 2 "$f"
	complete refused
	is 400 InvalidPartOrder
	document 1 "$t" 2 "$f"
	complete refused
	is 400 EntityTooSmall
	document 2 "$f" 4 "$t"
	complete refused
	is 400 InvalidPart
	document 2 "$t"
	complete refused
	is 400 InvalidPart
	document 2 nonsense
	complete refused
	is 400 InvalidPart
	document 0 "$t"
	complete refused
	is 400 InvalidPart
	document 10001 "$t"
	complete refused
	is 400 InvalidPart
	for text in '' '<CompleteMultipartUpload/>' '<a/>' '<Comp' \
		'<CompleteMultipartUpload><Part/></CompleteMultipartUpload>' \
		'<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>' \
		'<!DOCTYPE a><CompleteMultipartUpload/>'; do
		printf %s "$text" >doc
		complete refused
		is 400 MalformedXML
	done
	{
		echo '<CompleteMultipartUpload>'
		for i in $(seq 10001); do
			echo "<Part><PartNumber>$i</PartNumber><ETag>$t</ETag></Part>"
		done
		echo '</CompleteMultipartUpload>'
	} >doc
	complete refused
	is 400 MalformedXML
	# Ten thousand parts with a checksum each are a list that is read.
	{
		echo '<CompleteMultipartUpload>'
		for i in $(seq 10000); do
			echo "<Part><PartNumber>$i</PartNumber><ETag>&quot;$t&quot;</ETag><ChecksumSHA256>FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=</ChecksumSHA256></Part>"
		done
		echo '</CompleteMultipartUpload>'
	} >doc
	[ "$(stat -c %s doc)" -gt 1100000 ]
	complete refused
	is 400 EntityTooSmall
	document 2 "$f" 3 "$t"
	complete refused
	is 200
}

@test "multipart: Complete again with the same list has the same answer" {
	cp "$BATS_FILE_TMPDIR"/{five,tail} .
	start twice
	part twice 1 five
	part twice 2 tail
	document 1 "$(md5 five)" 2 "$(md5 tail)"
	complete twice
	is 200
	etag=$(element ETag)
	complete twice
	is 200
	[ "$(element ETag)" = "$etag" ]
	# Nothing more can be done with it.
	s3 PUT "/multi/twice?partNumber=3&uploadId=$ID" --data-binary @tail
	is 404 NoSuchUpload
	s3 GET "/multi/twice?uploadId=$ID"
	is 404 NoSuchUpload
	s3 DELETE "/multi/twice?uploadId=$ID"
	is 404 NoSuchUpload
	s3 GET /multi/twice
	cat five tail | cmp - body
}

@test "multipart: an aborted upload is gone" {
	cp "$BATS_FILE_TMPDIR"/tail .
	start aborted
	part aborted 1 tail
	s3 DELETE "/multi/aborted?uploadId=$ID"
	is 204
	[ ! -s body ]
	s3 PUT "/multi/aborted?partNumber=2&uploadId=$ID" --data-binary @tail
	is 404 NoSuchUpload
	document 1 "$(md5 tail)"
	complete aborted
	is 404 NoSuchUpload
	s3 GET "/multi/aborted?uploadId=$ID"
	is 404 NoSuchUpload
	s3 DELETE "/multi/aborted?uploadId=$ID"
	is 404 NoSuchUpload
	s3 GET /multi/aborted
	is 404 NoSuchKey
}

# refused_early KEY: a part of the upload ID for KEY is refused before a byte
# of its body is sent.
refused_early() {
	CODE=$(curl -sS -o body --expect100-timeout 60 -H 'Expect: 100-continue' \
		-w '%{http_code} %{size_upload}' -T "$BATS_FILE_TMPDIR"/six \
		"$GW/multi/$1?partNumber=2&uploadId=$ID")
	[ "$CODE" = '404 0' ] || {
		echo "status and bytes sent: $CODE" >&2
		return 1
	}
	[ "$(element Code)" = NoSuchUpload ]
}

@test "multipart: a part of another key, or of an aborted upload, is refused before its body" {
	cp "$BATS_FILE_TMPDIR"/tail .
	start its-key
	part its-key 1 tail
	refused_early another-key
	s3 DELETE "/multi/its-key?uploadId=$ID"
	is 204
	refused_early its-key
}

@test "multipart: a Complete that tells another size is refused" {
	cp "$BATS_FILE_TMPDIR"/tail .
	start sized
	part sized 1 tail
	document 1 "$(md5 tail)"
	for size in 99 101 x -1; do
		complete sized -H "x-amz-mp-object-size: $size"
		is 400 InvalidRequest
	done
	complete sized -H 'x-amz-mp-object-size: 100'
	is 200
}

@test "multipart: Complete again after the object was replaced has the first answer" {
	cp "$BATS_FILE_TMPDIR"/{five,tail} .
	start replaced
	part replaced 1 five
	part replaced 2 tail
	document 1 "$(md5 five)" 2 "$(md5 tail)"
	complete replaced
	is 200
	etag=$(element ETag)
	s3 PUT /multi/replaced -d new
	is 200
	complete replaced
	is 200
	[ "$(element ETag)" = "$etag" ]
	# And brings nothing back.
	s3 GET /multi/replaced
	[ "$(cat body)" = new ]
}

@test "multipart: reading an object that is replaced meanwhile is never an error" {
	cp "$BATS_FILE_TMPDIR"/{five,six,tail} .
	cat five tail | md5sum | cut -d ' ' -f 1 >sums
	cat six tail | md5sum | cut -d ' ' -f 1 >>sums
	replace() {
		start raced
		part raced 1 "$1"
		part raced 2 tail
		document 1 "$(md5 "$1")" 2 "$(md5 tail)"
		complete raced
		is 200
	}
	replace five
	mkdir reader
	(
		cd reader || exit 1
		until [ -e ../enough ]; do
			curl -sS -o got -w '%{http_code} ' "$GW/multi/raced"
			md5sum <got | cut -d ' ' -f 1
		done >../reads
	) &
	for i in 1 2 3 4 5 6; do
		replace six
		replace five
	done
	until [ "$(wc -l <reads)" -ge 10 ]; do replace six; done
	touch enough
	wait
	run ! grep -v -F -f <(sed 's/^/200 /' sums) reads
}

@test "multipart: an upload that never was" {
	for id in 00000000000070008000000000000000 nonsense ''; do
		s3 PUT "/multi/never?partNumber=1&uploadId=$id" -d x
		is 404 NoSuchUpload
		s3 GET "/multi/never?uploadId=$id"
		is 404 NoSuchUpload
		s3 DELETE "/multi/never?uploadId=$id"
		is 404 NoSuchUpload
	done
	start mine
	s3 PUT "/multi/other?partNumber=1&uploadId=$ID" -d x
	is 404 NoSuchUpload
	s3 DELETE "/multi/mine?uploadId=$ID"
	is 204
}

@test "multipart: part numbers go from 1 to 10000" {
	start numbers
	for n in 0 10001 -1 x '' 1%20; do
		s3 PUT "/multi/numbers?partNumber=$n&uploadId=$ID" -d x
		is 400 InvalidArgument
	done
	for n in 1 10000; do
		s3 PUT "/multi/numbers?partNumber=$n&uploadId=$ID" -d x
		is 200
	done
	s3 DELETE "/multi/numbers?uploadId=$ID"
}

@test "multipart: the checksums of a part are checked" {
	start sums
	s3 PUT "/multi/sums?partNumber=1&uploadId=$ID" -d 123456789 \
		-H 'x-amz-checksum-crc32: y/Q5Jw=='
	is 400 BadDigest
	s3 PUT "/multi/sums?partNumber=1&uploadId=$ID" -d 123456789 \
		-H 'Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg=='
	is 400 BadDigest
	s3 GET "/multi/sums?uploadId=$ID"
	is 200
	[ "$(element PartNumber)" = "" ]
	s3 PUT "/multi/sums?partNumber=1&uploadId=$ID" -d 123456789 \
		-H 'x-amz-checksum-crc32: y/Q5Jg=='
	is 200
	s3 DELETE "/multi/sums?uploadId=$ID"
}

@test "multipart: parts are listed by pages" {
	start list%20parts
	for n in 1 2 5 9; do
		s3 PUT "/multi/list%20parts?partNumber=$n&uploadId=$ID" -d "$n"
		is 200
	done
	s3 GET "/multi/list%20parts?uploadId=$ID"
	is 200
	[ "$(element PartNumber | tr '\n' ' ')" = '1 2 5 9 ' ]
	[ "$(element Size | sort -u)" = 1 ]
	[ "$(element ETag | head -n 1)" = '&quot;c4ca4238a0b923820dcc509a6f75849b&quot;' ]
	[ "$(element IsTruncated)" = false ]
	[ "$(element UploadId)" = "$ID" ]
	[ "$(element Key)" = 'list parts' ]
	s3 GET "/multi/list%20parts?uploadId=$ID&max-parts=2"
	[ "$(element PartNumber | tr '\n' ' ')" = '1 2 ' ]
	[ "$(element IsTruncated)" = true ]
	[ "$(element NextPartNumberMarker)" = 2 ]
	s3 GET "/multi/list%20parts?uploadId=$ID&part-number-marker=2&encoding-type=url"
	[ "$(element PartNumber | tr '\n' ' ')" = '5 9 ' ]
	[ "$(element Key)" = 'list%20parts' ]
	s3 DELETE "/multi/list%20parts?uploadId=$ID"
}

@test "multipart: open uploads are listed" {
	s3 PUT /uploads
	for key in a b/1 b/2 c; do
		s3 POST "/uploads/$key?uploads"
		is 200
	done
	s3 POST '/uploads/a?uploads'
	s3 GET '/uploads?uploads'
	is 200
	[ "$(element Key | tr '\n' ' ')" = 'a a b/1 b/2 c ' ]
	[ "$(element UploadId | sort -u | wc -l)" -eq 5 ]
	s3 GET '/uploads?uploads&prefix=b/'
	[ "$(element Key | tr '\n' ' ')" = 'b/1 b/2 ' ]
	s3 GET '/uploads?uploads&delimiter=/'
	[ "$(element Key | tr '\n' ' ')" = 'a a c ' ]
	element Prefix | grep -qx b/
	# Pages of one, two uploads of one key among them.
	key='' id='' all='' truncated=true
	while [ "$truncated" = true ]; do
		s3 GET "/uploads?uploads&max-uploads=1&key-marker=$key&upload-id-marker=$id"
		is 200
		all="$all$(element Key) "
		truncated=$(element IsTruncated)
		key=$(element NextKeyMarker)
		id=$(element NextUploadIdMarker)
	done
	[ "$all" = 'a a b/1 b/2 c ' ]
	# A bucket with open uploads and no object may go.
	s3 DELETE /uploads
	is 204
	s3 GET '/uploads?uploads'
	is 404 NoSuchBucket
}

@test "multipart: conditions are decided when the upload completes" {
	cp "$BATS_FILE_TMPDIR"/tail .
	start cond
	part cond 1 tail
	document 1 "$(md5 tail)"
	s3 PUT /multi/cond -d first
	complete cond -H 'If-None-Match: *'
	is 412 PreconditionFailed
	s3 GET /multi/cond
	[ "$(cat body)" = first ]
	s3 DELETE /multi/cond
	start cond
	part cond 1 tail
	complete cond -H 'If-None-Match: *'
	is 200
	s3 GET /multi/cond
	cmp tail body
}

@test "multipart: parts are copied from objects" {
	cp "$BATS_FILE_TMPDIR"/{six,tail} .
	s3 PUT /multi/source --data-binary @six
	start copied
	s3 PUT "/multi/copied?partNumber=1&uploadId=$ID" \
		-H 'x-amz-copy-source: /multi/source' \
		-H "x-amz-copy-source-range: bytes=0-$((MIB5 - 1))"
	is 200
	one=$(element ETag | sed 's/&quot;//g')
	head -c "$MIB5" six >head5
	[ "$one" = "$(md5 head5)" ]
	s3 PUT "/multi/copied?partNumber=2&uploadId=$ID" \
		-H 'x-amz-copy-source: multi/source'
	is 200
	two=$(element ETag | sed 's/&quot;//g')
	[ "$two" = "$(md5 six)" ]
	for bad in 'bytes=5-' 'bytes=-5' 'bytes=7-2' '0-5' 'bytes=0-1,3-4'; do
		s3 PUT "/multi/copied?partNumber=3&uploadId=$ID" \
			-H 'x-amz-copy-source: /multi/source' \
			-H "x-amz-copy-source-range: $bad"
		is 400 InvalidArgument
	done
	s3 PUT "/multi/copied?partNumber=3&uploadId=$ID" \
		-H 'x-amz-copy-source: /multi/source' \
		-H 'x-amz-copy-source-range: bytes=0-6000000'
	is 416 InvalidRange
	document 1 "$one" 2 "$two"
	complete copied
	is 200
	s3 GET /multi/copied
	cat head5 six | cmp - body
	# And a multipart object is a source like any other.
	s3 PUT /multi/flat -H 'x-amz-copy-source: /multi/copied'
	is 200
	s3 GET /multi/flat
	cat head5 six | cmp - body
	[ "$(header etag)" = "\"$(md5 body)\"" ]
}

@test "multipart: parts may come at the same time and in any order" {
	cp "$BATS_FILE_TMPDIR"/five .
	start parallel
	for n in 4 2 3 1; do
		curl -sS -f -o /dev/null -X PUT --data-binary @five \
			"$GW/multi/parallel?partNumber=$n&uploadId=$ID" &
	done
	wait
	f=$(md5 five)
	document 1 "$f" 2 "$f" 3 "$f" 4 "$f"
	complete parallel
	is 200
	s3 GET /multi/parallel
	cat five five five five | cmp - body
}

@test "multipart: the session cache may be lost" {
	cp "$BATS_FILE_TMPDIR"/tail .
	mkfifo ready
	koop-gw --listen 127.0.0.1:0 --session-cache "sqlite:$PWD/other.db" \
		--durability os --ready-fd 7 3>&- 4>&- 7>ready 2>log &
	pid=$!
	start lost
	here=$GW
	GW="http://$(ready_wait ready)"
	part lost 1 tail
	document 1 "$(md5 tail)"
	complete lost
	is 200
	GW=$here
	s3 GET /multi/lost
	cmp tail body
	kill -TERM $pid
	wait $pid
}
