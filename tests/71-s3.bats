#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The S3 surface of koop-gw(8), by curl: buckets, objects, listings, errors.
# shellcheck disable=SC2154 # stderr is set by run

load helpers

# One cluster for the file: each test has a bucket of its own.
setup_file() {
	cluster_share
}

teardown_file() {
	cluster_unshare
}

bucket() {
	s3 PUT "/$1"
	is 200
}

put() {
	printf %s "$2" >input
	s3 PUT "$1" -H 'Expect:' --data-binary @input -H 'Content-Type: text/x'
	is 200
}

@test "s3: a bucket is made, found, listed and deleted" {
	bucket life
	[ "$(header location)" = /life ]
	s3 HEAD /life
	is 200
	[ "$(header x-amz-bucket-region)" = us-east-1 ]
	s3 GET /
	is 200
	element Name | grep -qx life
	element CreationDate | grep -qE '^20..-..-..T..:..:..\....Z$'
	s3 DELETE /life
	is 204
	[ ! -s body ]
	s3 HEAD /life
	is 404
	s3 GET /
	run ! grep -q '<Name>life</Name>' body
}

@test "s3: making one's own bucket again is fine in us-east-1" {
	bucket again
	bucket again
}

@test "s3: a deleted bucket can be made anew and is empty" {
	bucket phoenix
	put /phoenix/a 1
	s3 DELETE /phoenix
	is 409 BucketNotEmpty
	s3 GET /phoenix/a
	is 200
	s3 DELETE /phoenix/a
	is 204
	s3 DELETE /phoenix
	is 204
	bucket phoenix
	s3 GET /phoenix/a
	is 404 NoSuchKey
	s3 GET '/phoenix?list-type=2'
	[ "$(element KeyCount)" = 0 ]
}

@test "s3: what is in no bucket is told so" {
	for request in 'GET /nobucket' 'GET /nobucket/a' 'DELETE /nobucket' \
		'GET /nobucket?list-type=2' 'GET /nobucket?location' \
		'DELETE /nobucket/a' 'GET /nobucket?uploads' \
		'GET /nobucket?policy'; do
		# shellcheck disable=SC2086 # method and target
		s3 $request
		is 404 NoSuchBucket
	done
	s3 PUT /nobucket/a --data-binary x
	is 404 NoSuchBucket
}

@test "s3: bucket names follow the rules" {
	for name in ab Abc a_b -abc abc- a..b 192.168.0.1 health metrics \
		a%2Fbc; do
		s3 PUT "/$name"
		is 400 InvalidBucketName
	done
}

@test "s3: the location of a bucket is the region" {
	bucket where
	s3 GET '/where?location'
	is 200
	grep -q '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>' body
	s3 PUT /elsewhere -d '<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>'
	is 400 IllegalLocationConstraintException
	s3 PUT /where2 -d '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>'
	is 200
	s3 PUT /where3 -d '<CreateBucketConfiguration>'
	is 400 MalformedXML
}

@test "s3: settings that were never made have their answers" {
	bucket settings
	for s in versioning requestPayment accelerate logging notification; do
		s3 GET "/settings?$s="
		is 200
	done
	while read -r s code; do
		s3 GET "/settings?$s"
		is 404 "$code"
	done <<-END
		policy NoSuchBucketPolicy
		cors NoSuchCORSConfiguration
		lifecycle NoSuchLifecycleConfiguration
		tagging NoSuchTagSet
		website NoSuchWebsiteConfiguration
		encryption ServerSideEncryptionConfigurationNotFoundError
		object-lock ObjectLockConfigurationNotFoundError
		replication ReplicationConfigurationNotFoundError
		publicAccessBlock NoSuchPublicAccessBlockConfiguration
		ownershipControls OwnershipControlsNotFoundError
	END
	s3 GET '/settings?acl'
	is 200
	[ "$(element Permission)" = FULL_CONTROL ]
}

@test "s3: what is not implemented says so and does nothing" {
	bucket missing
	put /missing/a old
	s3 PUT '/missing/a?tagging' -d '<Tagging/>'
	is 501 NotImplemented
	s3 PUT '/missing/a?acl' -d '<x/>'
	is 501 NotImplemented
	s3 PUT /missing/a -d new -H 'x-amz-server-side-encryption: AES256'
	is 501 NotImplemented
	s3 PUT /missing/a -d new -H 'x-amz-tagging: a=b'
	is 501 NotImplemented
	s3 PUT '/missing?policy' -d '{}'
	is 501 NotImplemented
	s3 POST /missing/a -d x
	is 405 MethodNotAllowed
	s3 GET /missing/a
	[ "$(cat body)" = old ]
}

@test "s3: an object comes back with all that was said about it" {
	bucket whole
	object 100000 film
	s3 PUT /whole/film --data-binary @film -H 'Content-Type: video/mp4' \
		-H 'Cache-Control: max-age=1' -H 'Content-Language: de' \
		-H 'Content-Disposition: attachment; filename="ä"' \
		-H 'Content-Encoding: identity' -H 'Expires: some day' \
		-H 'X-Amz-Meta-Color: blau & grün' -H 'x-amz-meta-b: 2'
	is 200
	md5=$(openssl md5 -r film | cut -d ' ' -f 1)
	[ "$(header etag)" = "\"$md5\"" ]
	for method in GET HEAD; do
		s3 $method /whole/film
		is 200
		[ "$(header etag)" = "\"$md5\"" ]
		[ "$(header content-length)" = 100000 ]
		[ "$(header content-type)" = video/mp4 ]
		[ "$(header cache-control)" = max-age=1 ]
		[ "$(header content-language)" = de ]
		[ "$(header content-disposition)" = 'attachment; filename="ä"' ]
		[ "$(header content-encoding)" = identity ]
		[ "$(header expires)" = 'some day' ]
		[ "$(header x-amz-meta-color)" = 'blau & grün' ]
		[ "$(header x-amz-meta-b)" = 2 ]
		[ "$(header accept-ranges)" = bytes ]
		[[ "$(header last-modified)" == *GMT ]]
		[[ "$(header x-amz-request-id)" =~ ^[0-9a-f]{32}$ ]]
		[ "$method" = HEAD ] || cmp film body
	done
	modified=$(date -d "$(header last-modified)" +%s)
	now=$(date +%s)
	[ "$((now - modified))" -le 120 ]
}

@test "s3: without a type it is binary/octet-stream" {
	bucket typeless
	s3 PUT /typeless/a -H 'Content-Type:' --data-binary x
	s3 HEAD /typeless/a
	[ "$(header content-type)" = binary/octet-stream ]
}

@test "s3: an empty object, and one that is replaced" {
	bucket change
	s3 PUT /change/a -H 'Content-Length: 0'
	is 200
	[ "$(header etag)" = '"d41d8cd98f00b204e9800998ecf8427e"' ]
	s3 GET /change/a
	is 200
	[ "$(header content-length)" = 0 ]
	object 50000 one
	for seed in 1 2 3; do
		object 50000 film $seed
		s3 PUT /change/a --data-binary @film
		is 200
		s3 GET /change/a
		cmp film body
	done
	put /change/a small
	s3 GET /change/a
	[ "$(cat body)" = small ]
}

@test "s3: metadata is at most 2 KiB of text" {
	bucket metadata
	value=$(head -c 2047 /dev/zero | tr '\0' v)
	s3 PUT /metadata/a -d x -H "x-amz-meta-k: $value"
	is 200
	s3 PUT /metadata/a -d x -H "x-amz-meta-kk: $value"
	is 400 MetadataTooLarge
	s3 PUT /metadata/a -d x -H $'x-amz-meta-k: \xff'
	is 400 InvalidArgument
}

@test "s3: metadata may be empty" {
	bucket blank
	s3 PUT /blank/a -d x -H 'x-amz-meta-none;' -H 'x-amz-meta-one: 1'
	is 200
	for method in GET HEAD; do
		s3 "$method" '/blank/a?response-content-language='
		is 200
		grep -qix $'x-amz-meta-none: *\r' headers
		grep -qix $'content-language: *\r' headers
		[ "$(header x-amz-meta-one)" = 1 ]
	done
}

@test "s3: what a GET or DELETE carries is passed over" {
	bucket carry
	put /carry/a text
	s3 GET /carry/a -d 'what for'
	is 200
	[ "$(cat body)" = text ]
	s3 GET /carry/a -d 'what for' -H 'Transfer-Encoding: chunked' \
		-H 'x-amz-decoded-content-length: 5'
	is 200
	s3 DELETE /carry/a -d 'what for'
	is 204
	s3 GET /carry/a
	is 404 NoSuchKey
}

@test "s3: a body without a length is taken chunked, and not otherwise" {
	bucket chunked
	object 1000000 film
	s3 PUT /chunked/a -H 'Transfer-Encoding: chunked' -T - <film
	is 200
	s3 GET /chunked/a
	cmp film body
	# Neither Content-Length nor chunked.
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'PUT /chunked/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&9
	cat <&9 >answer
	exec 9>&-
	grep -q '^HTTP/1.1 411' answer
	grep -q MissingContentLength answer
}

@test "s3: Content-MD5 is checked before the object exists" {
	bucket digest
	md5() { openssl md5 -binary | base64; }
	for size in 100 100000; do
		object "$size" film
		s3 PUT "/digest/$size" --data-binary @film \
			-H "Content-MD5: $(echo other | md5)"
		is 400 BadDigest
		s3 GET "/digest/$size"
		is 404 NoSuchKey
		s3 PUT "/digest/$size" --data-binary @film \
			-H "Content-MD5: $(md5 <film)"
		is 200
	done
	s3 PUT /digest/b -d x -H 'Content-MD5: YWJj'
	is 400 InvalidDigest
	s3 PUT /digest/b -d x -H 'Content-MD5;'
	is 400 InvalidDigest
}

@test "s3: x-amz-checksum headers are checked and told back" {
	bucket sums
	while read -r name good bad; do
		s3 PUT /sums/a --data-binary 123456789 \
			-H "x-amz-checksum-$name: $bad"
		is 400 BadDigest
		s3 PUT /sums/a --data-binary 123456789 \
			-H "x-amz-checksum-$name: $good"
		is 200
		[ "$(header "x-amz-checksum-$name")" = "$good" ]
	done <<-END
		crc32 y/Q5Jg== y/Q5Jw==
		crc32c 4waSgw== 4waShA==
		crc64nvme rosUhgp5mIg= rosUhgp5mIk=
		sha1 98O8HYCOBHMq32eZZczDTKeuNEE= 88O8HYCOBHMq32eZZczDTKeuNEE=
		sha256 FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU= GeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=
	END
	s3 PUT /sums/a -d x -H 'x-amz-content-sha256: 0000000000000000000000000000000000000000000000000000000000000000'
	is 400 XAmzContentSHA256Mismatch
	s3 PUT /sums/a -d x -H 'x-amz-checksum-crc32: zzz'
	is 400 InvalidRequest
	s3 PUT /sums/a -d x -H 'x-amz-checksum-crc32: y/Q5Jg==' \
		-H 'x-amz-checksum-crc32c: 4waSgw=='
	is 400 InvalidRequest
}

@test "s3: a whole object comes with its checksum when asked, a range never" {
	bucket mode
	s3 PUT /mode/a --data-binary 123456789
	s3 GET /mode/a -H 'x-amz-checksum-mode: ENABLED'
	[ "$(header x-amz-checksum-crc64nvme)" = rosUhgp5mIg= ]
	s3 GET /mode/a -H 'x-amz-checksum-mode: ENABLED' -r 0-3
	is 206
	[ "$(header x-amz-checksum-crc64nvme)" = "" ]
	s3 GET /mode/a
	[ "$(header x-amz-checksum-crc64nvme)" = "" ]
}

@test "s3: aws-chunked framing is decoded and never stored" {
	bucket framed
	sig=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
	printf '5;chunk-signature=%s\r\n12345\r\n4;chunk-signature=%s\r\n6789\r\n0;chunk-signature=%s\r\n\r\n' \
		$sig $sig $sig >signed
	printf '5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n' \
		>trailer
	s3 PUT /framed/a --data-binary @signed \
		-H 'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD' \
		-H 'x-amz-decoded-content-length: 9' \
		-H 'Content-Encoding: aws-chunked'
	is 200
	s3 GET /framed/a
	[ "$(cat body)" = 123456789 ]
	[ "$(header content-encoding)" = "" ]

	s3 PUT /framed/b -T - -H 'Transfer-Encoding: chunked' \
		-H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
		-H 'x-amz-decoded-content-length: 9' \
		-H 'x-amz-trailer: x-amz-checksum-crc32' \
		-H 'x-amz-sdk-checksum-algorithm: CRC32' \
		-H 'Content-Encoding: gzip,aws-chunked' <trailer
	is 200
	s3 GET /framed/b
	[ "$(cat body)" = 123456789 ]
	[ "$(header content-encoding)" = gzip ]

	# Only the encoding tells.
	s3 PUT /framed/c --data-binary @signed -H 'Content-Encoding: aws-chunked'
	is 200
	s3 GET /framed/c
	[ "$(cat body)" = 123456789 ]
}

@test "s3: bad framing, lengths and trailers are refused" {
	bucket badframes
	frames() {
		printf '%b' "$1" >frames
		shift
		s3 PUT /badframes/a --data-binary @frames \
			-H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
			"$@"
	}
	frames 'just text' -H 'x-amz-decoded-content-length: 9'
	is 400 IncompleteBody
	frames '3\r\nabc\r\n0\r\n\r\n' -H 'x-amz-decoded-content-length: 4'
	is 400 IncompleteBody
	frames '3\r\nabc\r\n0\r\n\r\n' -H 'x-amz-decoded-content-length: 2'
	is 400 IncompleteBody
	frames '3\r\nabc\r\n' -H 'x-amz-decoded-content-length: 3'
	is 400 IncompleteBody
	frames '3\r\nabc\r\n0\r\n\r\n' -H 'x-amz-decoded-content-length: 3' \
		-H 'x-amz-trailer: x-amz-checksum-crc32'
	is 400 MalformedTrailerError
	frames '3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n' \
		-H 'x-amz-decoded-content-length: 3' \
		-H 'x-amz-trailer: x-amz-checksum-crc32'
	is 400 BadDigest
	s3 GET /badframes/a
	is 404 NoSuchKey
}

@test "s3: what is too large is refused before the body" {
	bucket large
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'PUT /large/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5368709121\r\nExpect: 100-continue\r\n\r\n' >&9
	read -r -t 30 answer <&9
	exec 9>&-
	[[ "$answer" == "HTTP/1.1 400"* ]]
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'PUT /large/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nx-amz-decoded-content-length: 5368709121\r\nExpect: 100-continue\r\n\r\n' >&9
	read -r -t 30 answer <&9
	exec 9>&-
	[[ "$answer" == "HTTP/1.1 400"* ]]
}

@test "s3: 100 Continue is not sent for what will be refused" {
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'PUT /no-such-bucket/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n' >&9
	cat <&9 >answer
	exec 9>&-
	run -0 head -n 1 answer
	[[ "$output" == "HTTP/1.1 404"* ]]
	run ! grep -q '100 Continue' answer
	bucket continue
	object 200000 film
	s3 PUT /continue/a --data-binary @film -H 'Expect: 100-continue'
	is 200
	grep -q 'HTTP/1.1 100' headers
}

@test "s3: keys are opaque bytes" {
	bucket keys
	n=0
	while read -r key; do
		n=$((n + 1))
		put "/keys/$key" "$n"
	done <<-'END'
		a
		a/b
		a/
		/
		//
		/a
		a//b
		.
		..
		../../etc/passwd
		a+b
		a%20b
		a%2Bb
		a%252Bb
		%0A
		%01%7F
		%C3%A4%F0%9F%8E%AC
		%3C%26%3E%22%27
		a%5Cb
		%3F
	END
	i=0
	while [ "$i" -lt "$n" ]; do
		i=$((i + 1))
		read -r key
		s3 GET "/keys/$key"
		is 200
		# %2B and a plus are the same key: the later one.
		[ "$key" = a+b ] || [ "$(cat body)" = "$i" ]
	done <<-'END'
		a
		a/b
		a/
		/
		//
		/a
		a//b
		.
		..
		../../etc/passwd
		a+b
		a%20b
		a%2Bb
		a%252Bb
		%0A
		%01%7F
		%C3%A4%F0%9F%8E%AC
		%3C%26%3E%22%27
		a%5Cb
		%3F
	END
	s3 GET '/keys?encoding-type=url'
	[ "$(element Key | wc -l)" -eq 19 ]
	element Key | grep -qx '%C3%A4%F0%9F%8E%AC'
	element Key | grep -qx 'a%20b'
	element Key | grep -qx 'a%2Bb'
	element Key | grep -qx '%0A'
	s3 GET '/keys?prefix=%0A'
	grep -qF '<Key>&#xA;</Key>' body
	grep -qF '<Prefix>&#xA;</Prefix>' body
}

@test "s3: a key has at most 1024 bytes, in UTF-8, without NUL" {
	bucket keysize
	key=$(head -c 1024 /dev/zero | tr '\0' k)
	put "/keysize/$key" x
	s3 GET "/keysize/$key"
	is 200
	for method in GET PUT; do
		s3 $method "/keysize/${key}k" -H 'Content-Length: 0'
		is 400 KeyTooLongError
	done
	for bad in %FF %C0%AF %ED%A0%80; do
		s3 GET "/keysize/$bad"
		is 400 InvalidURI
	done
	for bad in %00 a% a%2 a%zz; do
		s3 GET "/keysize/$bad"
		is 400
	done
}

@test "s3: ranges" {
	bucket ranges
	object 1000000 film
	s3 PUT /ranges/a --data-binary @film
	while read -r range first last; do
		s3 GET /ranges/a -H "Range: bytes=$range"
		is 206
		[ "$(header content-range)" = "bytes $first-$last/1000000" ]
		[ "$(header content-length)" = $((last - first + 1)) ]
		tail -c +$((first + 1)) film | head -c $((last - first + 1)) |
			cmp - body
	done <<-END
		0-0 0 0
		0-1 0 1
		0- 0 999999
		0-999999 0 999999
		999999- 999999 999999
		999999-2000000 999999 999999
		-1 999999 999999
		-2000000 0 999999
		65535-65536 65535 65536
		393215-393216 393215 393216
		786000-1000000 786000 999999
		123456-654321 123456 654321
		0-18446744073709551615 0 999999
	END
	s3 HEAD /ranges/a -H 'Range: bytes=5-9'
	is 206
	[ "$(header content-length)" = 5 ]
	for range in bytes=1000000- bytes=1000000-1000001 bytes=-0 \
		bytes=99999999999999999999-; do
		s3 GET /ranges/a -H "Range: $range"
		is 416 InvalidRange
		[ "$(header content-range)" = 'bytes */1000000' ]
		[ "$(element ActualObjectSize)" = 1000000 ]
	done
	for range in bytes=5-2 bytes=- bytes=a-b 'lines=1-2' bytes=0-1,4-5; do
		s3 GET /ranges/a -H "Range: $range"
		is 200
		cmp film body
	done
	s3 PUT /ranges/empty -H 'Content-Length: 0'
	s3 GET /ranges/empty -H 'Range: bytes=0-'
	is 416 InvalidRange
}

@test "s3: conditions on reads" {
	bucket conditions
	put /conditions/a text
	etag=$(header etag)
	s3 HEAD /conditions/a
	date=$(header last-modified)
	past='Mon, 01 Jan 2001 00:00:00 GMT'
	future='Fri, 01 Jan 2100 00:00:00 GMT'
	while read -r want name value; do
		for method in GET HEAD; do
			s3 "$method" /conditions/a -H "$name: $value"
			is "$want"
		done
	done <<-END
		200 If-Match $etag
		200 If-Match ${etag//\"/}
		200 If-Match *
		200 If-Match "x", $etag
		412 If-Match "x"
		304 If-None-Match $etag
		304 If-None-Match W/$etag
		304 If-None-Match *
		200 If-None-Match "x"
		304 If-Modified-Since $date
		304 If-Modified-Since $future
		200 If-Modified-Since $past
		200 If-Modified-Since nonsense
		200 If-Unmodified-Since $date
		412 If-Unmodified-Since $past
	END
	s3 GET /conditions/a -H "If-Match: $etag" -H "If-Unmodified-Since: $past"
	is 200
	s3 GET /conditions/a -H 'If-None-Match: "x"' -H "If-Modified-Since: $future"
	is 200
	s3 GET /conditions/a -H "If-None-Match: $etag"
	is 304
	[ "$(header etag)" = "$etag" ]
	[ ! -s body ]
	s3 GET /conditions/a -r 0-1 -H "If-Match: \"x\""
	is 412 PreconditionFailed
	s3 GET /conditions/a -r 0-1 -H "If-Range: $etag"
	is 206
	s3 GET /conditions/a -r 0-1 -H 'If-Range: "x"'
	is 200
	s3 GET /conditions/a -r 0-1 -H "If-Range: $date"
	is 206
	s3 GET /conditions/nokey -H 'If-Match: "x"'
	is 404 NoSuchKey
}

@test "s3: conditions on writes" {
	bucket compare
	s3 PUT /compare/a -d one -H 'If-Match: "00000000000000000000000000000000"'
	is 404 NoSuchKey
	s3 PUT /compare/a -d one -H 'If-None-Match: *'
	is 200
	etag=$(header etag)
	s3 PUT /compare/a -d two -H 'If-None-Match: *'
	is 412 PreconditionFailed
	s3 PUT /compare/a -d two -H 'If-Match: "00000000000000000000000000000000"'
	is 412 PreconditionFailed
	s3 GET /compare/a
	[ "$(cat body)" = one ]
	s3 PUT /compare/a -d two -H "If-Match: $etag"
	is 200
	s3 DELETE /compare/a -H "If-Match: $etag"
	is 412 PreconditionFailed
	s3 GET /compare/a
	[ "$(cat body)" = two ]
	s3 DELETE /compare/a -H "If-Match: ${etag//\"/}x"
	is 412
	s3 DELETE /compare/a
	is 204
	s3 PUT /compare/a -d three -H 'If-None-Match: *'
	is 200
}

@test "s3: of many writers that want to be first, one is" {
	bucket first
	for i in 1 2 3 4 5 6 7 8; do
		curl -sS -o /dev/null -w '%{http_code}\n' -X PUT -d "$i" \
			-H 'If-None-Match: *' "$GW/first/a" >"code.$i" &
	done
	wait
	[ "$(cat code.* | grep -c '^200$')" -eq 1 ]
	[ "$(cat code.* | grep -c '^412$')" -eq 7 ]
}

@test "s3: response- parameters replace headers" {
	bucket override
	put /override/a text
	s3 GET '/override/a?response-content-type=image%2Fpng&response-cache-control=no-store&response-content-disposition=attachment%3B+filename%3Da&response-expires=x&response-content-language=fr&response-content-encoding=br'
	is 200
	[ "$(header content-type)" = image/png ]
	[ "$(grep -ci '^content-type:' headers)" -eq 1 ]
	[ "$(header cache-control)" = no-store ]
	[ "$(header content-disposition)" = 'attachment; filename=a' ]
	[ "$(header expires)" = x ]
	[ "$(header content-language)" = fr ]
	[ "$(header content-encoding)" = br ]
	s3 GET '/override/a?response-content-type=a%0D%0AEvil:%201'
	is 400 InvalidArgument
	[ "$(header evil)" = "" ]
}

@test "s3: deleting what is not there is fine" {
	bucket delete
	s3 DELETE /delete/nokey
	is 204
	put /delete/a x
	s3 DELETE /delete/a
	is 204
	[ ! -s body ]
	s3 GET /delete/a
	is 404 NoSuchKey
	s3 HEAD /delete/a
	is 404
}

@test "s3: many keys are deleted at once" {
	bucket many
	for key in a b c%26d e; do
		put "/many/$key" x
	done
	s3 POST '/many?delete' -d '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>c&amp;d</Key><VersionId>null</VersionId></Object><Object><Key>none</Key></Object><Object><Key>a</Key></Object></Delete>'
	is 200
	[ "$(element Key | sort | tr '\n' ' ')" = 'a a c&amp;d none ' ]
	run ! grep -q '<Error>' body
	s3 GET /many
	[ "$(element Key | tr '\n' ' ')" = 'b e ' ]
	s3 POST '/many?delete' -d '<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object><Object><Key>e</Key><VersionId>other</VersionId></Object></Delete>'
	is 200
	[ "$(element Key)" = e ]
	[ "$(element Code)" = NoSuchVersion ]
	s3 GET /many
	[ "$(element Key)" = e ]
}

@test "s3: keys are deleted on conditions" {
	bucket choose
	put /choose/a x
	put /choose/b x
	put /choose/c x
	right=$(printf x | md5sum | cut -d ' ' -f 1)
	wrong=$(printf y | md5sum | cut -d ' ' -f 1)
	s3 POST '/choose?delete' -d "<Delete><Object><Key>a</Key><ETag>&quot;$right&quot;</ETag></Object><Object><Key>b</Key><ETag>$wrong</ETag></Object><Object><ETag>no etag</ETag><Key>b</Key></Object><Object><Key>c</Key><Size>2</Size></Object><Object><Key>none</Key><ETag>$right</ETag></Object></Delete>"
	is 200
	[ "$(element Code | tr '\n' ' ')" = \
		'PreconditionFailed PreconditionFailed NotImplemented NoSuchKey ' ]
	s3 GET /choose
	[ "$(element Key | tr '\n' ' ')" = 'b c ' ]
}

@test "s3: a thousand of the longest keys are deleted at once" {
	bucket longest
	python3 - >input <<-'END'
	keys = ("%04d" % i + "k" * 1016 + "&amp;" * 4 for i in range(1000))
	print("<Delete>" + "".join(
	    f"<Object><Key>{k}</Key></Object>" for k in keys) + "</Delete>")
	END
	[ "$(stat -c %s input)" -gt $((1024 * 1024)) ]
	s3 POST '/longest?delete' --data-binary @input
	is 200
	[ "$(element Key | wc -l)" -eq 1000 ]
}

@test "s3: a delete document is checked" {
	bucket baddelete
	put /baddelete/a x
	for doc in '' '<Delete>' '<Delete/>' '<Delete><Object/></Delete>' \
		'<Other><Object><Key>a</Key></Object></Other>' \
		'<!DOCTYPE x><Delete><Object><Key>a</Key></Object></Delete>'; do
		s3 POST '/baddelete?delete' -d "$doc"
		is 400 MalformedXML
	done
	{
		echo '<Delete>'
		for i in $(seq 1001); do
			echo "<Object><Key>$i</Key></Object>"
		done
		echo '</Delete>'
	} >doc
	s3 POST '/baddelete?delete' --data-binary @doc
	is 400 MalformedXML
	s3 POST '/baddelete?delete' -H 'Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==' \
		-d '<Delete><Object><Key>a</Key></Object></Delete>'
	is 400 BadDigest
	s3 HEAD /baddelete/a
	is 200
	sed 's/<Object><Key>1001<.*//' doc >thousand
	s3 POST '/baddelete?delete' --data-binary @thousand
	is 200
	[ "$(element Key | wc -l)" -eq 1000 ]
}

@test "s3: listing, by pages, delimiters and markers" {
	bucket list
	for key in a b/1 b/2 b/c/3 d e/4 f; do
		put "/list/$key" "$key"
	done
	s3 GET '/list?list-type=2'
	is 200
	[ "$(element Key | tr '\n' ' ')" = 'a b/1 b/2 b/c/3 d e/4 f ' ]
	[ "$(element KeyCount)" = 7 ]
	[ "$(element IsTruncated)" = false ]
	[ "$(element MaxKeys)" = 1000 ]
	[ "$(element Size | head -n 1)" = 1 ]
	[ "$(element ETag | head -n 1)" = '&quot;0cc175b9c0f1b6a831c399e269772661&quot;' ]
	run ! grep -q '<Owner>' body
	s3 GET '/list?list-type=2&fetch-owner=true'
	grep -q '<Owner>' body
	s3 GET '/list?list-type=2&delimiter=/'
	[ "$(element Key | tr '\n' ' ')" = 'a d f ' ]
	[ "$(element Prefix | tr -s '\n' | grep . | tr '\n' ' ')" = 'b/ e/ ' ]
	[ "$(element KeyCount)" = 5 ]
	s3 GET '/list?list-type=2&delimiter=/&prefix=b/'
	[ "$(element Key | tr '\n' ' ')" = 'b/1 b/2 ' ]
	element Prefix | grep -qx b/c/
	s3 GET '/list?list-type=2&prefix=b'
	[ "$(element KeyCount)" = 3 ]
	s3 GET '/list?list-type=2&start-after=b/2'
	[ "$(element Key | tr '\n' ' ')" = 'b/c/3 d e/4 f ' ]
	[ "$(element StartAfter)" = b/2 ]
	s3 GET '/list?marker=b/3'
	[ "$(element Key | tr '\n' ' ')" = 'b/c/3 d e/4 f ' ]
	[ "$(element Marker)" = b/3 ]
	s3 GET '/list?list-type=2&max-keys=0'
	[ "$(element KeyCount)" = 0 ]
	[ "$(element IsTruncated)" = false ]
	for bad in max-keys=x max-keys=-1 encoding-type=no \
		'list-type=2&continuation-token=zzz'; do
		s3 GET "/list?$bad"
		is 400 InvalidArgument
	done
}

@test "s3: pages cover everything once, whatever their size" {
	bucket pages
	for key in a b/1 b/2 b/c/3 d e/4 f; do
		put "/pages/$key" x
	done
	for size in 1 2 3 5; do
		for delimiter in '' /; do
			token='' all='' truncated=true
			while [ "$truncated" = true ]; do
				s3 GET "/pages?list-type=2&max-keys=$size&delimiter=$delimiter$token"
				is 200
				all="$all$(element Key | tr '\n' ' ')"
				all="$all$(grep -o '<CommonPrefixes><Prefix>[^<]*' body |
					sed 's/.*>//' | tr '\n' ' ')"
				[ "$(element KeyCount)" -le "$size" ]
				truncated=$(element IsTruncated)
				token="&continuation-token=$(element NextContinuationToken)"
			done
			want='a b/1 b/2 b/c/3 d e/4 f'
			[ -z "$delimiter" ] || want='a b/ d e/ f'
			# shellcheck disable=SC2086 # words
			[ "$(printf '%s\n' $all | sort | tr '\n' ' ')" = "$want " ]
		done
	done
	s3 GET '/pages?max-keys=2&delimiter=/'
	[ "$(element IsTruncated)" = true ]
	[ "$(element NextMarker)" = b/ ]
	s3 GET '/pages?max-keys=2&delimiter=/&marker=b/'
	[ "$(element NextMarker)" = e/ ]
	s3 GET '/pages?max-keys=2'
	[ "$(element IsTruncated)" = true ]
	[ "$(element NextMarker)" = "" ]
}

@test "s3: keys are listed in the order of their bytes" {
	bucket order
	for key in Z a %C3%A4 %F0%9F%8E%AC %EF%BF%BC '!' '~' 10 9 a. a/ a0; do
		put "/order/$key" x
	done
	s3 GET '/order?encoding-type=url'
	[ "$(element Key | tr '\n' ' ')" = \
		'%21 10 9 Z a a. a/ a0 ~ %C3%A4 %EF%BF%BC %F0%9F%8E%AC ' ]
}

@test "s3: the list of versions has each object once" {
	bucket versions
	put /versions/a x
	put /versions/b y
	s3 GET '/versions?versions'
	is 200
	grep -q '<ListVersionsResult' body
	[ "$(element Key | tr '\n' ' ')" = 'a b ' ]
	[ "$(element VersionId | sort -u)" = null ]
	s3 GET '/versions?versions&max-keys=1'
	[ "$(element NextKeyMarker)" = a ]
	s3 GET '/versions?versions&key-marker=a'
	[ "$(element Key)" = b ]
	s3 GET '/versions/a?versionId=null'
	is 200
	[ "$(header x-amz-version-id)" = "" ]
	s3 GET '/versions/a?versionId=other'
	is 400 InvalidArgument
	s3 GET '/versions/a?versionId=00112233445566778899aabbccddeeff'
	is 404 NoSuchVersion
	s3 DELETE '/versions/a?versionId=null'
	is 204
}

@test "s3: objects are copied" {
	bucket copy
	bucket copy2
	object 600000 film
	s3 PUT '/copy/a%20b' --data-binary @film -H 'Content-Type: video/mp4' \
		-H 'x-amz-meta-k: v'
	etag=$(header etag)
	s3 PUT /copy2/c -H 'x-amz-copy-source: /copy/a%20b'
	is 200
	[ "$(element ETag)" = "&quot;${etag//\"/}&quot;" ]
	s3 GET /copy2/c
	cmp film body
	[ "$(header content-type)" = video/mp4 ]
	[ "$(header x-amz-meta-k)" = v ]
	s3 PUT /copy2/c -H 'x-amz-copy-source: copy/a%20b?versionId=null' \
		-H 'x-amz-metadata-directive: REPLACE' \
		-H 'Content-Type: text/x' -H 'x-amz-meta-l: w'
	is 200
	s3 HEAD /copy2/c
	[ "$(header content-type)" = text/x ]
	[ "$(header x-amz-meta-k)" = "" ]
	[ "$(header x-amz-meta-l)" = w ]
	s3 PUT /copy2/c -H 'x-amz-copy-source: /copy2/c'
	is 400 InvalidRequest
	s3 PUT /copy2/c -H 'x-amz-copy-source: /copy2/c' \
		-H 'x-amz-metadata-directive: REPLACE'
	is 200
	s3 GET /copy2/c
	cmp film body
	s3 PUT /copy2/d -H 'x-amz-copy-source: /copy/none'
	is 404 NoSuchKey
	s3 PUT /copy2/d -H 'x-amz-copy-source: /no-bucket/none'
	is 404 NoSuchBucket
	s3 PUT /copy2/d -H 'x-amz-copy-source: /copy/%zz'
	is 400 InvalidArgument
	s3 PUT /copy2/d -H 'x-amz-copy-source: /copy/a%20b' \
		-H 'x-amz-copy-source-if-match: "x"'
	is 412 PreconditionFailed
	s3 PUT /copy2/d -H 'x-amz-copy-source: /copy/a%20b' \
		-H "x-amz-copy-source-if-none-match: $etag"
	is 412 PreconditionFailed
}

@test "s3: errors are documents that name the request" {
	bucket errors
	s3 GET '/errors/a%26b'
	is 404 NoSuchKey
	[ "$(header content-type)" = application/xml ]
	[ "$(element RequestId)" = "$(header x-amz-request-id)" ]
	[ "$(element Key)" = 'a&amp;b' ]
	[ "$(element BucketName)" = errors ]
	[ "$(element Resource)" = '/errors/a%26b' ]
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse("body")'
	s3 HEAD /errors/none
	is 404
	[ -n "$(header x-amz-request-id)" ]
	# A HEAD has no body, whatever its answer says about one.
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'HEAD /errors/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&9
	tr -d '\r' <&9 >answer
	exec 9>&-
	[ "$(tail -n 1 answer)" = "" ]
	run ! grep -q '<' answer
}

@test "s3: headers of the shard API mean nothing to the gateway" {
	bucket internal
	s3 PUT /internal/a -d x -H 'X-Koop-To: a/1/0' -H 'X-Koop-Size: 7' \
		-H 'X-Koop-Etag: evil' -H 'X-Koop-Request-Id: 0'
	is 200
	s3 GET /internal/a
	[ "$(cat body)" = x ]
	run ! grep -qi '^x-koop' headers
	s3 GET '/store/0/internal/a'
	is 404 NoSuchBucket
}

@test "s3: a request with a signature is served" {
	bucket signed
	s3 PUT /signed/a -d x \
		-H 'Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00' \
		-H 'x-amz-date: 20260101T000000Z' \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -H 'x-amz-acl: private'
	is 200
	s3 GET '/signed/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&x-id=GetObject'
	is 200
}

@test "s3: health and metrics" {
	s3 GET /health
	is 200
	[ "$(jq -r .status body)" = ok ]
	[ "$(jq '.sets[0].usable' body)" = 9 ]
	bucket counted
	s3 GET /metrics
	is 200
	python3 "$BATS_TEST_DIRNAME/metrics.py" <body
	grep -q '^koop_gw_requests_total{operation="CreateBucket",code="200"} [1-9]' body
	s3 DELETE /health
	is 405 MethodNotAllowed
}

@test "s3: a client that goes away leaves the gateway well" {
	bucket gone
	object 20000000 film
	s3 PUT /gone/a --data-binary @film
	is 200
	for i in 1 2 3 4 5 6 7 8; do
		run curl -sS -o part --max-filesize 100000 -r 0- "$GW/gone/a"
		curl -sS "$GW/gone/a" 2>/dev/null | head -c 1000 >/dev/null || true
	done
	# An upload that ends in the middle leaves nothing behind.
	exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
	printf 'PUT /gone/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nonly this' >&9
	exec 9>&-
	s3 GET /gone/a
	is 200
	cmp film body
	s3 GET /gone/half
	is 404 NoSuchKey
}

@test "s3: a client may hang up as soon as it has sent everything" {
	bucket hangup
	object 300000 film
	for i in 1 2 3 4 5; do
		exec 9<>"/dev/tcp/127.0.0.1/${GW##*:}"
		{
			printf 'PUT /hangup/%s HTTP/1.1\r\nHost: x\r\n' $i
			printf 'Transfer-Encoding: chunked\r\n\r\n%x\r\n' 300000
			cat film
			printf '\r\n0\r\n\r\n'
		} >&9
		exec 9>&-
		until s3 GET "/hangup/$i" && [ "$CODE" = 200 ]; do
			is 404 NoSuchKey
			[ "$SECONDS" -lt 60 ]
		done
		cmp film body
	done
}

@test "s3: connections are kept" {
	bucket kept
	put /kept/a x
	run -0 curl -sS -o 1 -o 2 -o 3 -w '%{num_connects}\n' "$GW/kept/a" \
		"$GW/kept/none" "$GW/kept/a"
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = 0 ]
	[ "${lines[2]}" = 0 ]
}

@test "s3: the gateway refuses what it must not serve" {
	run -78 --separate-stderr koop-gw --listen 0.0.0.0:0
	[[ "$stderr" == "koop-gw: --listen 0.0.0.0:0: not a loopback address: "* ]]
	run -78 --separate-stderr koop-gw --listen nowhere
	[[ "$stderr" == "koop-gw: --listen nowhere: not of the form IP:PORT"* ]]
	run -78 --separate-stderr koop-gw --region 'us east'
	[[ "$stderr" == "koop-gw: --region us east: only a-z"* ]]
	run -64 --separate-stderr koop-gw --topology ftp://x
	[[ "$stderr" == 'koop-gw: --topology: "ftp://x": want file:PATH'* ]]
	run -0 --separate-stderr koop-gw -n
	[ "$output" = "koop-gw: the configuration is good" ]
}

@test "s3: another region has another answer" {
	mkfifo ready
	koop-gw --listen 127.0.0.1:0 --region eu-north-1 --durability os \
		--ready-fd 7 3>&- 4>&- 7>ready 2>log &
	pid=$!
	gw="http://$(ready_wait ready)"
	GW=$gw s3 PUT /north
	is 200
	GW=$gw s3 PUT /north
	is 409 BucketAlreadyOwnedByYou
	GW=$gw s3 GET '/north?location'
	grep -q '>eu-north-1</LocationConstraint>' body
	GW=$gw s3 HEAD /north
	[ "$(header x-amz-bucket-region)" = eu-north-1 ]
	# What one gateway makes the other sees.
	s3 PUT /north/a -d x
	is 200
	GW=$gw s3 GET /north/a
	[ "$(cat body)" = x ]
	kill -TERM $pid
	wait $pid
}

@test "s3: a damaged session cache is set aside, and the gateway serves" {
	head -c 20000 /dev/urandom >session.db
	mkfifo ready
	koop-gw --listen 127.0.0.1:0 --session-cache "sqlite:$PWD/session.db" \
		--durability os --ready-fd 7 3>&- 4>&- 7>ready 2>log &
	pid=$!
	gw="http://$(ready_wait ready)"
	grep -q 'warn.*session.db.*set aside as .*session.db.damaged' log
	[ "$(stat -c %s session.db.damaged)" = 20000 ]
	curl -sS -f -X PUT "$gw/damaged-cache"
	curl -sS -f -o body -X POST "$gw/damaged-cache/key?uploads"
	curl -sS -f -T log "$gw/damaged-cache/key?partNumber=1&uploadId=$(element UploadId)"
	kill -TERM $pid
	wait $pid
}
