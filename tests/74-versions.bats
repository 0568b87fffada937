#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Versions through S3, the writing side: PutBucketVersioning, and what writes
# and deletes say of the versions that they make.  75-versionread.bats reads.
# shellcheck disable=SC2154 # stderr is set by run

load helpers

# One cluster for the file: each test has a bucket of its own.
setup_file() { cluster_share; }
teardown_file() { cluster_unshare; }

bucket() {
	s3 PUT "/$1"
	is 200
}

# versioning BUCKET STATUS
versioning() {
	s3 PUT "/$1?versioning" -d "<VersioningConfiguration
		xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"
		><Status>$2</Status></VersioningConfiguration>"
	is 200
}

# put PATH CONTENT: sets ID to the version's name, "" if none was told.
put() {
	printf %s "$2" >input
	s3 PUT "$1" -H 'Expect:' --data-binary @input
	is 200
	ID=$(header x-amz-version-id)
}

# reads PATH CONTENT
reads() {
	s3 GET "$1"
	is 200
	[ "$(cat body)" = "$2" ]
}

is_id() { [[ $1 =~ ^[0-9a-f]{32}$ ]]; }

# gateway: another one for the same cluster; sets GW2, and GW2_PID to stop it.
gateway() {
	mkfifo gw2.ready
	koop-gw --listen 127.0.0.1:0 --durability os --ready-fd 9 \
		9>gw2.ready >gw2.log 2>&1 3>&- 4>&- &
	GW2_PID=$!
	GW2=http://$(ready_wait gw2.ready)
}

# upload PATH: an upload of one part, "part"; sets UPLOAD and LIST.
upload() {
	s3 POST "$1?uploads"
	is 200
	UPLOAD=$(element UploadId)
	s3 PUT "$1?partNumber=1&uploadId=$UPLOAD" -d part
	is 200
	[ -z "$(header x-amz-version-id)" ]
	LIST="<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>
		<ETag>$(header etag)</ETag></Part></CompleteMultipartUpload>"
}

# complete PATH: sets ID.
complete() {
	s3 POST "$1?uploadId=$UPLOAD" -d "$LIST"
	is 200
	ID=$(header x-amz-version-id)
}

@test "versions: the status of a bucket is what was put" {
	bucket status
	s3 GET '/status?versioning'
	is 200
	grep -q '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></VersioningConfiguration>' body
	for status in Enabled Suspended Enabled; do
		versioning status "$status"
		[ ! -s body ]
		s3 GET '/status?versioning'
		is 200
		[ "$(element Status)" = "$status" ]
	done
	[ "$(koop-bucket get status versioning)" = Enabled ]
	koop-bucket set status versioning Suspended
	s3 GET '/status?versioning'
	[ "$(element Status)" = Suspended ]
}

@test "versions: a status that is none is refused, and nothing changes" {
	local root=VersioningConfiguration
	bucket refused
	while read -r status code text; do
		s3 PUT '/refused?versioning' -d "${text//ROOT/$root}"
		is "$status" "$code"
	done <<-END
		400 MalformedXML <ROOT><Status>On</Status></ROOT>
		400 MalformedXML <ROOT><Status>Enabled</Status>
		400 MalformedXML <Other><Status>Enabled</Status></Other>
		400 MalformedXML
		400 IllegalVersioningConfigurationException <ROOT></ROOT>
		400 IllegalVersioningConfigurationException <ROOT><MfaDelete>Disabled</MfaDelete></ROOT>
		501 NotImplemented <ROOT><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></ROOT>
	END
	s3 GET '/refused?versioning'
	is 200
	[ -z "$(element Status)" ]
	s3 PUT '/nobucket?versioning' \
		-d "<$root><Status>Enabled</Status></$root>"
	is 404 NoSuchBucket
	s3 PUT '/refused?versioning' -d \
		"<$root><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></$root>"
	is 200
}

@test "versions: a write tells the name of what it made" {
	local old one two
	bucket told
	put /told/k zero
	[ -z "$ID" ]
	versioning told Enabled
	put /told/k one
	one=$ID
	put /told/k two
	two=$ID
	is_id "$one"
	is_id "$two"
	# Newest first.
	[[ $two < $one ]]
	reads "/told/k?versionId=null" zero
	reads "/told/k?versionId=$one" one
	reads "/told/k?versionId=$two" two
	reads /told/k two
	# Inline or not, by its length or not, it is the same.
	object 500000 big
	s3 PUT /told/big -T big
	is 200
	old=$(header x-amz-version-id)
	s3 PUT /told/big -T - -H 'Transfer-Encoding: chunked' <big
	is 200
	is_id "$old"
	is_id "$(header x-amz-version-id)"
	[ "$(header x-amz-version-id)" != "$old" ]
	s3 GET "/told/big?versionId=$old"
	is 200
	cmp big body
}

@test "versions: a copy tells the name of what it made" {
	local copied
	bucket copies
	put /copies/from content
	s3 PUT /copies/to -H 'x-amz-copy-source: copies/from'
	is 200
	[ -z "$(header x-amz-version-id)" ]
	versioning copies Enabled
	s3 PUT /copies/to -H 'x-amz-copy-source: copies/from'
	is 200
	copied=$(header x-amz-version-id)
	is_id "$copied"
	put /copies/to later
	reads "/copies/to?versionId=$copied" content
}

@test "versions: suspended, a write is named null and replaces that one" {
	local kept
	bucket pause
	versioning pause Enabled
	put /pause/k kept
	kept=$ID
	versioning pause Suspended
	put /pause/k one
	[ "$ID" = null ]
	put /pause/k two
	[ "$ID" = null ]
	reads "/pause/k?versionId=null" two
	reads "/pause/k?versionId=$kept" kept
	upload /pause/k
	complete /pause/k
	[ "$ID" = null ]
	reads "/pause/k?versionId=null" part
	versioning pause Enabled
	put /pause/k three
	is_id "$ID"
	reads "/pause/k?versionId=null" part
}

@test "versions: a Complete that comes again tells the first one's version" {
	local first pending list
	bucket again
	# Never set: none, also of one that was completed before.
	upload /again/old
	complete /again/old
	[ -z "$ID" ]
	pending=$UPLOAD list=$LIST
	versioning again Enabled
	UPLOAD=$pending LIST=$list complete /again/old
	[ "$ID" = null ]
	upload /again/k
	complete /again/k
	first=$ID
	is_id "$first"
	reads "/again/k?versionId=$first" part
	complete /again/k
	[ "$ID" = "$first" ]
	# Superseded, by another key's neighbour in the list, too.
	put /again/k later
	put /again/kk other
	complete /again/k
	[ "$ID" = "$first" ]
	reads /again/k later
	versioning again Suspended
	complete /again/k
	[ "$ID" = "$first" ]
}

@test "versions: a repeated Complete finds its version among thousands" {
	local first
	bucket deep
	versioning deep Enabled
	upload /deep/k
	complete /deep/k
	first=$ID
	for _ in $(seq 1100); do
		printf 'url = "%s/deep/k"\nupload-file = "input"\n' "$GW"
		printf 'output = "/dev/null"\nfail\nnext\n'
	done | sed '$d' >config
	printf x >input
	curl -sS --parallel --parallel-max 8 -K config
	complete /deep/k
	[ "$ID" = "$first" ]
}

@test "versions: what one gateway set another obeys at once" {
	local status
	gateway
	bucket both
	# Each turn the other one wrote last, so it has seen what was before.
	for status in Enabled Suspended Enabled Suspended; do
		for key in a b c d e f g h; do
			GW=$GW2 put "/both/$key" before
		done
		versioning both "$status"
		for key in a b c d e f g h; do
			GW=$GW2 put "/both/$key" after
			case $status in
			Enabled) is_id "$ID" ;;
			*) [ "$ID" = null ] ;;
			esac
		done
		GW=$GW2 s3 GET '/both?versioning'
		[ "$(element Status)" = "$status" ]
	done
	kill "$GW2_PID"
	wait "$GW2_PID"
}
