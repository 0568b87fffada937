#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Versions through S3, the writing side: PutBucketVersioning, and what writes
# and deletes say of the versions that they make.  75-versionread.bats reads.
# stderr is set by run; each test is its own shell.
# shellcheck disable=SC2154,SC2030,SC2031

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

# delete PATH [CURL-OPTION...]: sets ID and MARKER, the headers of the answer.
delete() {
	s3 DELETE "$@"
	is 204
	[ ! -s body ]
	ID=$(header x-amz-version-id)
	MARKER=$(header x-amz-delete-marker)
}

@test "versions: a delete makes a marker, and the key is gone but not its bytes" {
	local one marker other
	bucket marked
	put /marked/k zero
	delete /marked/k
	[ "$ID$MARKER" = '' ]
	versioning marked Enabled
	put /marked/k one
	one=$ID
	delete /marked/k
	is_id "$ID"
	[ "$MARKER" = true ]
	marker=$ID
	s3 GET /marked/k
	is 404 NoSuchKey
	[ "$(header x-amz-version-id)" = "$marker" ]
	reads "/marked/k?versionId=$one" one
	# On top of a marker, and of a key that never was: one more.
	delete /marked/k
	is_id "$ID"
	[ "$ID" != "$marker" ]
	other=$ID
	delete /marked/never
	is_id "$ID"
	[ "$MARKER" = true ]
	# A marker goes by its name, and with the last one the key is back.
	delete "/marked/k?versionId=$marker"
	[ "$ID $MARKER" = "$marker true" ]
	s3 GET /marked/k
	is 404 NoSuchKey
	[ "$(header x-amz-version-id)" = "$other" ]
	delete "/marked/k?versionId=$other"
	[ "$ID $MARKER" = "$other true" ]
	reads /marked/k one
}

@test "versions: suspended, the marker is null and replaces that version" {
	local kept
	bucket quiet
	versioning quiet Enabled
	put /quiet/k kept
	kept=$ID
	versioning quiet Suspended
	put /quiet/k null
	delete /quiet/k
	[ "$ID $MARKER" = 'null true' ]
	s3 GET '/quiet/k?versionId=null'
	is 405 MethodNotAllowed
	delete /quiet/k
	[ "$ID $MARKER" = 'null true' ]
	delete '/quiet/k?versionId=null'
	[ "$ID $MARKER" = 'null true' ]
	reads /quiet/k kept
	[ "$(header x-amz-version-id)" = "$kept" ]
	delete '/quiet/k?versionId=null'
	[ "$ID $MARKER" = 'null ' ]
	reads /quiet/k kept
}

@test "versions: a version goes by its name, and the one before is promoted" {
	local one two three
	bucket named
	put /named/k zero
	versioning named Enabled
	put /named/k one
	one=$ID
	put /named/k two
	two=$ID
	put /named/k three
	three=$ID
	# From the middle, from the top, from below.
	delete "/named/k?versionId=$two"
	[ "$ID $MARKER" = "$two " ]
	s3 GET "/named/k?versionId=$two"
	is 404 NoSuchVersion
	reads /named/k three
	delete "/named/k?versionId=$three"
	reads /named/k one
	[ "$(header x-amz-version-id)" = "$one" ]
	delete '/named/k?versionId=null'
	[ "$ID $MARKER" = 'null ' ]
	s3 GET '/named/k?versionId=null'
	is 404 NoSuchVersion
	reads /named/k one
	delete "/named/k?versionId=$one"
	s3 GET /named/k
	is 404 NoSuchKey
	[ -z "$(header x-amz-delete-marker)" ]
	s3 DELETE /named
	is 204
}

@test "versions: what is no version is deleted, or no name" {
	local other
	bucket unknown
	put /unknown/k x
	# Before there are versions the only one is null, and is not named.
	delete '/unknown/k?versionId=7ffffffffffffff00123456789abcdef'
	reads /unknown/k x
	delete '/unknown/k?versionId=null'
	[ "$ID$MARKER" = '' ]
	s3 GET /unknown/k
	is 404 NoSuchKey
	versioning unknown Enabled
	put /unknown/other x
	other=$ID
	put /unknown/k kept
	# Well-formed, and another key's.
	delete "/unknown/k?versionId=$other"
	[ "$ID $MARKER" = "$other " ]
	reads /unknown/k kept
	reads "/unknown/other?versionId=$other" x
	for version in '' other "${other^^}" "${other}0" ' null' NULL; do
		s3 DELETE "/unknown/k?versionId=${version// /%20}"
		is 400 InvalidArgument
	done
	reads /unknown/k kept
	s3 DELETE "/nobucket/k?versionId=$other"
	is 404 NoSuchBucket
}

@test "versions: a bucket with only markers or versions is not empty" {
	local version marker
	bucket full
	versioning full Enabled
	delete /full/k
	marker=$ID
	s3 DELETE /full
	is 409 BucketNotEmpty
	delete "/full/k?versionId=$marker"
	put /full/j x
	version=$ID
	delete /full/j
	marker=$ID
	s3 GET /full
	[ -z "$(element Key)" ]
	s3 DELETE /full
	is 409 BucketNotEmpty
	delete "/full/j?versionId=$version"
	s3 DELETE /full
	is 409 BucketNotEmpty
	delete "/full/j?versionId=$marker"
	s3 DELETE /full
	is 204
	# A new one of that name has never had versions.
	bucket full
	s3 GET '/full?versioning'
	[ -z "$(element Status)" ]
	put /full/k x
	[ -z "$ID" ]
}

@test "versions: of conditions a delete marker is nothing" {
	local right wrong
	right=$(printf x | md5sum | cut -d ' ' -f 1)
	wrong=$(printf y | md5sum | cut -d ' ' -f 1)
	bucket conditions
	versioning conditions Enabled
	put /conditions/k x
	s3 PUT /conditions/k -H 'If-None-Match: *' -d y
	is 412 PreconditionFailed
	delete /conditions/k
	s3 PUT /conditions/k -H "If-Match: \"$right\"" -d y
	is 404 NoSuchKey
	s3 DELETE /conditions/k -H "If-Match: \"$right\""
	is 404 NoSuchKey
	s3 PUT /conditions/k -H 'If-None-Match: *' -d x
	is 200
	ID=$(header x-amz-version-id)
	is_id "$ID"
	upload /conditions/k
	s3 POST "/conditions/k?uploadId=$UPLOAD" -H 'If-None-Match: *' \
		-d "$LIST"
	is 412 PreconditionFailed
	# Of a version that is named, the condition is about that.
	put /conditions/k y
	put /conditions/k z
	s3 GET '/conditions?versions'
	ID=$(element VersionId | sed -n 2p)
	s3 DELETE "/conditions/k?versionId=$ID" -H "If-Match: \"$right\""
	is 412 PreconditionFailed
	delete "/conditions/k?versionId=$ID" -H "If-Match: \"$wrong\""
	s3 DELETE "/conditions/k?versionId=$ID" -H "If-Match: \"$wrong\""
	is 404 NoSuchVersion
	delete /conditions/k -H "If-Match: \"$(printf z | md5sum |
		cut -d ' ' -f 1)\""
	[ "$MARKER" = true ]
}

# deleted KEY: the element of DeleteResult for it, on a line.
deleted() {
	sed 's/<Deleted>/\n&/g; s/<Error>/\n&/g; s|</DeleteResult>||' body |
		grep -F "<Key>$1</Key>"
}

@test "versions: many are deleted at once, each with its outcome" {
	local a1 a2 b1 marker
	bucket many
	versioning many Enabled
	put /many/a 1
	a1=$ID
	put /many/a 2
	a2=$ID
	put /many/b 1
	b1=$ID
	delete /many/b
	marker=$ID
	put /many/c 1
	put /many/d 1
	s3 POST '/many?delete' -d "<Delete>
		<Object><Key>a</Key><VersionId>$a1</VersionId></Object>
		<Object><Key>a</Key><VersionId>$a2</VersionId></Object>
		<Object><Key>b</Key><VersionId>$marker</VersionId></Object>
		<Object><Key>c</Key></Object>
		<Object><Key>never</Key></Object>
		<Object><Key>d</Key><VersionId>no id</VersionId></Object>
		<Object><Key>e</Key><VersionId>$a1</VersionId></Object>
	</Delete>"
	is 200
	[ "$(deleted a)" = "<Deleted><Key>a</Key><VersionId>$a1</VersionId></Deleted>
<Deleted><Key>a</Key><VersionId>$a2</VersionId></Deleted>" ]
	[ "$(deleted b)" = "<Deleted><Key>b</Key><VersionId>$marker</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>$marker</DeleteMarkerVersionId></Deleted>" ]
	for key in c never; do
		ID=$(deleted "$key" | grep -o '<DeleteMarkerVersionId>.*Id>')
		ID=${ID#*>}
		ID=${ID%<*}
		is_id "$ID"
		[ "$(deleted "$key")" = "<Deleted><Key>$key</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>$ID</DeleteMarkerVersionId></Deleted>" ]
		s3_body=$(cat body)
		s3 GET "/many/$key?versionId=$ID"
		is 405
		printf %s "$s3_body" >body
	done
	[[ $(deleted d) == "<Error><Key>d</Key><VersionId>no id</VersionId><Code>NoSuchVersion</Code>"* ]]
	[ "$(deleted e)" = "<Deleted><Key>e</Key><VersionId>$a1</VersionId></Deleted>" ]
	s3 GET /many/a
	is 404 NoSuchKey
	[ -z "$(header x-amz-delete-marker)" ]
	reads "/many/b" 1
	reads /many/d 1
	# Quietly: only what failed is told.
	s3 POST '/many?delete' -d "<Delete><Quiet>true</Quiet>
		<Object><Key>b</Key><VersionId>$b1</VersionId></Object>
		<Object><Key>d</Key><VersionId>x</VersionId></Object></Delete>"
	is 200
	[ "$(element Key)" = d ]
	s3 GET /many/b
	is 404 NoSuchKey
	# Suspended.
	versioning many Suspended
	s3 POST '/many?delete' -d '<Delete><Object><Key>d</Key></Object></Delete>'
	is 200
	[ "$(deleted d)" = '<Deleted><Key>d</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>null</DeleteMarkerVersionId></Deleted>' ]
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

# writer NAME GATEWAY: twenty versions of one key; "id content" lines in NAME.
writer() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		# Two changes within one request are a 503: clients try again.
		curl -sS -f --retry 5 -D "headers.$1" -X PUT -d "$1-$i" \
			"$2/hot/key"
		echo "$(tr -d '\r' <"headers.$1" |
			sed -n 's/^x-amz-version-id: //Ip' | tail -n 1) $1-$i" >>"$1"
	done
}

@test "versions: what is paused under writers takes none that has a name" {
	local a b id text gw
	gateway
	bucket hot
	versioning hot Enabled
	writer one "$GW" &
	a=$!
	writer two "$GW2" &
	b=$!
	versioning hot Suspended
	versioning hot Enabled
	wait "$a"
	wait "$b"
	grep -hv '^null ' one two >ids
	[ "$(cut -d' ' -f1 ids | sort -u | wc -l)" -eq "$(wc -l <ids)" ]
	[ -s ids ]
	while read -r id text; do
		for gw in "$GW" "$GW2"; do
			[ "$(curl -sS -f "$gw/hot/key?versionId=$id")" = "$text" ]
		done
	done <ids
	kill "$GW2_PID"
	wait "$GW2_PID"
}

# told BUCKET: how many partitions know its settings.
told() {
	local file cluster p
	file=$(conf topology)
	cluster=$(koop-log --limit 1 | jq -r .record.cluster)
	for p in $(koop-log --limit 100000 | jq -r .partition | sort -nu); do
		curl -sS -H "X-Koop-To: $cluster/1/0" "http://$(jq -r \
			'.erasure_sets[0].machines[0] | "\(.ip):\(.port)"' \
			"$DATA/${file#file:}")/bucket/$p/$1"
	done | grep -c '"versioning":"enabled"' || true
}

told_all() { [ "$(told "$1")" -eq "$2" ]; }

@test "versions: who reads Enabled finds no partition that was not told" {
	local partitions
	partitions=$(koop-log --limit 100000 | jq -r .partition | sort -nu |
		wc -l)
	[ "$partitions" -gt 1 ]
	bucket half
	# Home has decided, and then it stopped.
	KOOP_TEST_FAULT=write.applied:1:fail run -75 \
		"$FAULTS_BIN/koop-bucket" set half versioning Enabled
	until_true told_all half 1
	s3 GET '/half?versioning'
	[ "$(element Status)" = Enabled ]
	until_true told_all half "$partitions"
}

@test "versions: writers of one key through two gateways never share a name" {
	local writers=() n
	gateway
	bucket crowd
	versioning crowd Enabled
	for n in 1 2 3 4 5 6; do
		(
			[ $((n % 2)) = 0 ] || GW=$GW2
			mkdir "w$n" && cd "w$n"
			for i in $(seq 20); do
				put /crowd/k "$n-$i"
				echo "$ID $n-$i"
			done >ids
		) &
		writers+=($!)
	done
	for n in "${writers[@]}"; do wait "$n"; done
	cat w*/ids >ids
	[ "$(wc -l <ids)" -eq 120 ]
	[ "$(cut -d ' ' -f 1 ids | sort -u | wc -l)" -eq 120 ]
	while read -r id text; do
		GW=$GW2 reads "/crowd/k?versionId=$id" "$text"
		s3 DELETE "/crowd/k?versionId=$id"
		is 204
	done <ids
	s3 DELETE /crowd
	is 204
	kill "$GW2_PID"
	wait "$GW2_PID"
}
