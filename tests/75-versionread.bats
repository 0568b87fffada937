#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Versions of objects as koop-gw(8) gives them to a reader: by name, by range
# and on conditions, behind delete markers, and while they come and go.

load helpers

MIB5=$((5 * 1024 * 1024))
NOBODY=00112233445566778899aabbccddeeff # well formed, and of no version

# One cluster for the file: each test has a bucket of its own.
setup_file() {
	cluster_share
}

teardown_file() {
	cluster_unshare
}

# versioned BUCKET: one whose versions are kept from the start.
versioned() {
	koop-bucket make "$1"
	koop-bucket set "$1" versioning Enabled >/dev/null
}

# put TARGET TEXT|@FILE [CURL-OPTION...]
put() {
	local target=$1 content=$2
	shift 2
	s3 PUT "$target" -H 'Expect:' --data-binary "$content" "$@"
	is 200
}

# id BUCKET/KEY N: the name of the key's Nth version, 1 the newest.
id() {
	koop-list --versions "$1" | jq -r --arg key "$1" \
		'select(.key == $key) | .version' | sed -n "$2p"
}

# rm_version BUCKET/KEY ID: for good.
rm_version() {
	jq -cn --arg key "$1" --arg version "$2" '$ARGS.named' | koop-rm
}

# marked STATUS S3-CODE ID: the answer tells of the delete marker ID.
marked() {
	is "$1" "$2"
	[ "$(header x-amz-delete-marker)" = true ]
	[ "$(header x-amz-version-id)" = "$3" ]
}

@test "versionread: each version is read by its name, whatever its kind" {
	local i n
	versioned kinds
	for i in 1 2 3; do
		object "$i" "small$i" "$i"
		object $((100000 + i)) "large$i" "$i"
		put /kinds/small "@small$i" -H "x-amz-meta-n: $i"
		put /kinds/large "@large$i" -H "x-amz-meta-n: $i"
	done
	for i in 1 2 3; do
		for key in small large; do
			n=$(id "kinds/$key" $((4 - i)))
			s3 GET "/kinds/$key?versionId=$n"
			is 200
			cmp "$key$i" body
			[ "$(header x-amz-version-id)" = "$n" ]
			[ "$(header x-amz-meta-n)" = "$i" ]
			[ "$(header etag)" = "\"$(md5sum <"$key$i" |
				cut -c 1-32)\"" ]
			s3 HEAD "/kinds/$key?versionId=$n"
			is 200
			[ "$(header x-amz-version-id)" = "$n" ]
			[ "$(header content-length)" = "$(stat -c %s "$key$i")" ]
		done
	done
	# Without a name it is the newest, and the answer says which that is.
	s3 GET /kinds/large
	cmp large3 body
	[ "$(header x-amz-version-id)" = "$(id kinds/large 1)" ]
}

@test "versionread: ranges, conditions and checksums are of that version" {
	local old new etag old_sum
	versioned parts
	object 100000 one 1
	object 200000 two 2
	put /parts/k @one
	etag=$(header etag)
	put /parts/k @two
	old=$(id parts/k 2)
	new=$(id parts/k 1)
	s3 GET "/parts/k?versionId=$old" -r 99990-
	is 206
	tail -c 10 one | cmp - body
	[ "$(header content-range)" = 'bytes 99990-99999/100000' ]
	[ "$(header x-amz-version-id)" = "$old" ]
	# In range for the newer one only.
	s3 GET "/parts/k?versionId=$old" -r 150000-
	is 416 InvalidRange
	[ "$(element ActualObjectSize)" = 100000 ]
	s3 GET "/parts/k?versionId=$new" -r 150000-
	is 206
	s3 GET "/parts/k?versionId=$old" -H "If-None-Match: $etag"
	is 304
	[ "$(header x-amz-version-id)" = "$old" ]
	s3 GET "/parts/k?versionId=$new" -H "If-None-Match: $etag"
	is 200
	s3 GET "/parts/k?versionId=$new" -H "If-Match: $etag"
	is 412 PreconditionFailed
	s3 HEAD "/parts/k?versionId=$old" -H "If-Match: $etag"
	is 200
	s3 GET "/parts/k?versionId=$old" -H 'x-amz-checksum-mode: ENABLED'
	is 200
	old_sum=$(header x-amz-checksum-crc64nvme)
	[ "$old_sum" != "" ]
	s3 GET /parts/k -H 'x-amz-checksum-mode: ENABLED'
	[ "$(header x-amz-checksum-crc64nvme)" != "$old_sum" ]
	s3 GET "/parts/k?versionId=$old&response-content-type=text%2Fx"
	is 200
	[ "$(header content-type)" = text/x ]
	cmp one body
}

@test "versionread: a multipart version keeps its parts" {
	local id n file old
	versioned multi
	object "$MIB5" five 5
	object 1000 tail 6
	s3 POST '/multi/film?uploads'
	is 200
	id=$(element UploadId)
	{
		echo '<CompleteMultipartUpload>'
		for n in 1 2; do
			[ "$n" -eq 1 ] && file=five || file='tail'
			s3 PUT "/multi/film?partNumber=$n&uploadId=$id" \
				--data-binary "@$file" >&2
			echo "<Part><PartNumber>$n</PartNumber><ETag>$(header \
				etag)</ETag></Part>"
		done
		echo '</CompleteMultipartUpload>'
	} >doc
	s3 POST "/multi/film?uploadId=$id" --data-binary @doc
	is 200
	cat five tail >film
	put /multi/film other
	koop-rm multi/film
	old=$(id multi/film 3)
	s3 GET "/multi/film?versionId=$old"
	is 200
	cmp film body
	[[ "$(header etag)" == *-2\" ]]
	s3 GET "/multi/film?versionId=$old" -r $((MIB5 - 5))-$((MIB5 + 4))
	is 206
	tail -c +$((MIB5 - 4)) film | head -c 10 | cmp - body
}

@test "versionread: where versions were never kept, none is named" {
	koop-bucket make plain
	put /plain/k x
	s3 GET /plain/k
	is 200
	[ "$(header x-amz-version-id)" = "" ]
	s3 GET '/plain/k?versionId=null'
	is 200
	[ "$(header x-amz-version-id)" = "" ]
	s3 GET "/plain/k?versionId=$NOBODY"
	is 404 NoSuchVersion
	s3 DELETE /plain/k
	s3 GET /plain/k
	is 404 NoSuchKey
	[ "$(header x-amz-delete-marker)" = "" ]
	s3 GET '/plain/k?versionId=null'
	is 404 NoSuchVersion
}

@test "versionread: null is the version from before, or from a pause" {
	koop-bucket make pause
	put /pause/k before
	koop-bucket set pause versioning Enabled
	s3 GET /pause/k
	[ "$(header x-amz-version-id)" = null ]
	put /pause/k kept
	s3 GET '/pause/k?versionId=null'
	is 200
	[ "$(cat body)" = before ]
	[ "$(header x-amz-version-id)" = null ]
	koop-bucket set pause versioning Suspended
	put /pause/k paused
	s3 GET '/pause/k?versionId=null'
	[ "$(cat body)" = paused ]
	s3 GET /pause/k
	[ "$(cat body)" = paused ]
	[ "$(header x-amz-version-id)" = null ]
	s3 GET "/pause/k?versionId=$(id pause/k 2)"
	[ "$(cat body)" = kept ]
	# A marker of a pause is the null version in its turn.
	koop-rm pause/k
	s3 GET /pause/k
	marked 404 NoSuchKey null
	s3 GET '/pause/k?versionId=null'
	marked 405 MethodNotAllowed null
	s3 GET "/pause/k?versionId=$(id pause/k 2)"
	[ "$(cat body)" = kept ]
}

@test "versionread: a delete marker says what it is" {
	local marker old
	versioned marked
	put /marked/k x
	koop-rm marked/k
	marker=$(id marked/k 1)
	old=$(id marked/k 2)
	s3 GET /marked/k
	marked 404 NoSuchKey "$marker"
	[ "$(element Key)" = k ]
	s3 HEAD /marked/k
	marked 404 '' "$marker"
	s3 GET "/marked/k?versionId=$marker"
	marked 405 MethodNotAllowed "$marker"
	[ "$(header allow)" = DELETE ]
	[[ "$(header last-modified)" == *GMT ]]
	[ "$(element ResourceType)" = DeleteMarker ]
	[ "$(element Method)" = GET ]
	s3 HEAD "/marked/k?versionId=$marker"
	marked 405 '' "$marker"
	[[ "$(header last-modified)" == *GMT ]]
	s3 GET "/marked/k?versionId=$old"
	is 200
	[ "$(header x-amz-delete-marker)" = "" ]
	# Tags of a version stand and fall with it.
	s3 GET "/marked/k?tagging&versionId=$old"
	is 200
	[ "$(header x-amz-version-id)" = "$old" ]
	s3 GET "/marked/k?tagging&versionId=$marker"
	marked 405 MethodNotAllowed "$marker"
	s3 GET '/marked/k?tagging'
	marked 404 NoSuchKey "$marker"
}

@test "versionread: a name of no version, and no name at all" {
	local other
	versioned names
	put /names/k x
	put /names/other y
	other=$(id names/other 1)
	for name in "$NOBODY" "$other" null; do
		s3 GET "/names/k?versionId=$name"
		is 404 NoSuchVersion
		[ "$(element VersionId)" = "$name" ]
		s3 HEAD "/names/k?versionId=$name"
		is 404
		s3 GET "/names/none?versionId=$name"
		is 404 NoSuchVersion
		s3 GET "/no-bucket/k?versionId=$name"
		is 404 NoSuchBucket
		s3 GET "/names/k?tagging&versionId=$name"
		is 404 NoSuchVersion
	done
	for name in '' x NULL "${other^^}" "$other"0 %00 "${other:1}"; do
		s3 GET "/names/k?versionId=$name"
		is 400
		s3 HEAD "/names/k?versionId=$name"
		is 400
	done
	s3 GET '/names/k?versionId=x'
	is 400 InvalidArgument
}

@test "versionread: an old version is copied, and restored" {
	local old new marker
	versioned from
	versioned onto
	object 50000 old 1
	put /from/k @old -H 'x-amz-meta-n: 1' -H 'Content-Type: video/mp4'
	put /from/k newer
	old=$(id from/k 2)
	new=$(id from/k 1)
	s3 PUT /onto/k -H "x-amz-copy-source: /from/k?versionId=$old"
	is 200
	[ "$(header x-amz-copy-source-version-id)" = "$old" ]
	s3 GET /onto/k
	cmp old body
	[ "$(header x-amz-meta-n)" = 1 ]
	# Not named: the answer says which it was.
	s3 PUT /onto/k -H 'x-amz-copy-source: from/k'
	is 200
	[ "$(header x-amz-copy-source-version-id)" = "$new" ]
	[ "$(curl -sS "$GW/onto/k")" = newer ]
	# On top of its own key, with all that it had; as it is, never.
	s3 PUT /from/k -H 'x-amz-copy-source: from/k'
	is 400 InvalidRequest
	s3 PUT /from/k -H "x-amz-copy-source: from/k?versionId=$old"
	is 200
	s3 GET /from/k
	cmp old body
	[ "$(header content-type)" = video/mp4 ]
	[ "$(header x-amz-version-id)" != "$old" ]
	[ "$(koop-list --versions from/k | wc -l)" -eq 3 ]
	# Conditions and parts are of the version that is named.
	s3 PUT /onto/k -H "x-amz-copy-source: from/k?versionId=$new" \
		-H "x-amz-copy-source-if-match: $(md5sum <old | cut -c 1-32)"
	is 412 PreconditionFailed
	s3 POST '/onto/film?uploads'
	s3 PUT "/onto/film?partNumber=1&uploadId=$(element UploadId)" \
		-H "x-amz-copy-source: from/k?versionId=$old" \
		-H 'x-amz-copy-source-range: bytes=10-19'
	is 200
	[ "$(header x-amz-copy-source-version-id)" = "$old" ]
	[ "$(element ETag)" = "&quot;$(tail -c +11 old | head -c 10 | md5sum |
		cut -c 1-32)&quot;" ]
	# Where versions were never kept there is nothing to restore.
	koop-bucket make never
	put /never/k x
	s3 PUT /never/k -H 'x-amz-copy-source: never/k?versionId=null'
	is 400 InvalidRequest
	s3 PUT /onto/k -H 'x-amz-copy-source: never/k?versionId=null'
	is 200
	[ "$(header x-amz-copy-source-version-id)" = "" ]
	koop-rm from/k
	marker=$(id from/k 1)
	s3 PUT /onto/k -H 'x-amz-copy-source: from/k'
	is 404 NoSuchKey
	s3 PUT /onto/k -H "x-amz-copy-source: from/k?versionId=$marker"
	is 400 InvalidRequest
	s3 PUT /onto/k -H "x-amz-copy-source: from/k?versionId=$NOBODY"
	is 404 NoSuchVersion
	for query in versionId=x versionId= version=null ''; do
		s3 PUT /onto/k -H "x-amz-copy-source: from/k?$query"
		is 400 InvalidArgument
	done
}

# rows: the versions and markers of the answer: key, version, latest, marker.
rows() {
	{ cat body && echo; } | sed 's/<\(Version\|DeleteMarker\)>/\n&/g' |
		sed -n 's/^<\(Version\|DeleteMarker\)><Key>\([^<]*\)<\/Key>\(.*\)/\2 \3 \1/p' |
		sed 's/<VersionId>\([^<]*\)<\/VersionId><IsLatest>\([a-z]*\)<.* /\1 \2 /'
}

# truth BUCKET/[PREFIX]: the same, as the shell's list has it.
truth() {
	koop-list --versions "$1" | jq -r --arg b "${1%%/*}/" '[(.key |
		ltrimstr($b)), .version, .latest,
		(if .marker then "DeleteMarker" else "Version" end)] | join(" ")'
}

@test "versionread: versions are listed, newest first, with markers" {
	local i
	koop-bucket make all
	put /all/b zero
	koop-bucket set all versioning Enabled
	for i in 1 2; do
		put /all/b "$i"
		put /all/dir/x "$i"
		put /all/dir/y "$i"
		put '/all/%C3%A4' "$i"
		put /all/B "$i"
	done
	koop-rm all/b all/dir/x
	s3 GET '/all?versions'
	is 200
	rows >have
	truth all/ | cmp - have
	[ "$(wc -l <have)" -eq 13 ]
	[ "$(cut -d ' ' -f 1 have | uniq | tr '\n' ' ')" = \
		'B b dir/x dir/y ä ' ]
	[ "$(grep -c DeleteMarker have)" -eq 2 ]
	sed -n 6p have | grep -q '^b null false Version$'
	# A marker has neither content nor a tag of it.
	[ "$(element ETag | wc -l)" -eq 11 ]
	[ "$(element Size | wc -l)" -eq 11 ]
	[ "$(element IsTruncated)" = false ]
	s3 GET '/all?versions&prefix=dir/'
	rows | cmp - <(truth all/dir/)
	s3 GET '/all?versions&delimiter=/'
	[ "$(rows | wc -l)" -eq 8 ]
	grep -q '<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>' body
	s3 GET '/all?versions&encoding-type=url&prefix=%C3%A4'
	[ "$(element Key | sort -u)" = %C3%A4 ]
	# The objects are what a list without versions shows.
	s3 GET '/all?list-type=2'
	[ "$(element Key | tr '\n' ' ')" = 'B dir/y ä ' ]
	[ "$(element KeyCount)" = 3 ]
	s3 GET /all
	[ "$(element Key | tr '\n' ' ')" = 'B dir/y ä ' ]
	[ "$(element VersionId)" = "" ]
	s3 GET "/all?versions&version-id-marker=$NOBODY"
	is 400 InvalidArgument
	s3 GET '/all?versions&key-marker=b&version-id-marker=x'
	is 400 InvalidArgument
	s3 GET '/all?versions&key-marker=b&version-id-marker=null'
	rows | cmp - <(tail -n +7 have)
	s3 GET '/all?versions&max-keys=0'
	is 200
	[ "$(rows)" = "" ]
}

# walk BUCKET QUERY: all pages, to ./seen; COUNT pages.
walk() {
	local next=''
	COUNT=0
	: >seen
	while :; do
		s3 GET "/$1?versions&$2$next"
		is 200
		rows >>seen
		COUNT=$((COUNT + 1))
		[ "$(element IsTruncated)" = true ] || break
		next="&key-marker=$(element NextKeyMarker)"
		! grep -q NextVersionIdMarker body ||
			next+="&version-id-marker=$(element NextVersionIdMarker)"
	done
}

@test "versionread: pages of versions, of any size, cover all of them once" {
	local i size pages=(0 15 8 5)
	koop-bucket make pages
	put /pages/a null
	koop-bucket set pages versioning Enabled
	for i in 1 2 3 4; do
		put /pages/a "$i"
		put /pages/dir/b "$i"
		put /pages/e "$i"
	done
	koop-rm pages/a pages/e
	truth pages/ >all
	for size in 1 2 3; do
		walk pages "max-keys=$size"
		cmp all seen
		[ "$COUNT" -eq "${pages[size]}" ]
	done
	# A directory is one line, wherever a page ends.
	walk pages 'max-keys=1&delimiter=/'
	grep -v ^dir all | cmp - seen
	[ "$COUNT" -eq 12 ]
}

written() { [ "$(curl -sS "$GW/moving/b")" != 6 ]; }

@test "versionread: what is superseded while pages are read is seen once" {
	local i
	versioned moving
	for i in 1 2 3 4 5 6; do
		put /moving/a "$i"
		put /moving/b "$i"
	done
	truth moving/ | cut -d ' ' -f 1,2 | sort >before
	(
		i=0
		while [ ! -e stop ]; do
			i=$((i + 1))
			curl -sS -f --data-binary "new $i" -X PUT "$GW/moving/a"
			curl -sS -f --data-binary "new $i" -X PUT "$GW/moving/b"
		done
		echo "$i" >wrote
	) 3>&- &
	until_true written
	walk moving max-keys=1
	touch stop
	wait
	[ "$(cat wrote)" -gt 1 ]
	cut -d ' ' -f 1,2 seen | sort >names
	[ "$(uniq -d names)" = "" ]
	[ "$(comm -13 names before)" = "" ]
}
