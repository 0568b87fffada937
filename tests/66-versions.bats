#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Versions of keys, as the nodes have them: made by the gateway's writes, listed
# and found by name through the shard API.

# stderr is bats's; each test is its own shell.
# shellcheck disable=SC2154,SC2030,SC2031

load helpers

setup_file() { cluster_share; }
teardown_file() { cluster_unshare; }

# ask TARGET [CURL-ARGUMENT...]: of machine 0, which must have applied all that
# was acknowledged: it is asked until it has.
ask() {
	local target=$1 cluster file
	shift
	file=$(conf topology)
	cluster=$(koop-log --limit 1 | jq -r .record.cluster)
	curl -sS -H "X-Koop-To: $cluster/1/0" "$@" \
		"http://$(jq -r '.erasure_sets[0].machines[0] |
			"\(.ip):\(.port)"' "$DATA/${file#file:}")$target"
}

# versions BUCKET [QUERY]: one line each.
versions() {
	ask "/versions?bucket=$1&max=1000$2" | jq -c 'select(.key) |
		[.key, .null, .marker, .latest]'
}

count_is() { [ "$(versions "$1" | wc -l)" -eq "$2" ]; }

partition_of() { koop-locate --placement "$1" | sed -n 's/.*partition=\([0-9]*\).*/\1/p'; }

put() {
	printf %s "$2" >body
	curl -sS -f -T body "$GW/$1"
}

@test "versions: kept from when the bucket says so, deleted by a marker" {
	koop-bucket make kept
	put kept/a zero
	put kept/a one
	until_true count_is kept 1
	run -0 koop-bucket set kept versioning Enabled
	[ "$output" = 'bucket v=1 name=kept outcome=done' ]
	put kept/a two
	put kept/a three
	[ "$(curl -sS "$GW/kept/a")" = three ]
	curl -sS -f -X DELETE "$GW/kept/a"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/kept/a")" = 404 ]
	until_true count_is kept 4
	[ "$(versions kept)" = '["a",false,true,true]
["a",false,false,false]
["a",false,false,false]
["a",true,false,false]' ]
	# A key that never was gets a marker, too; and lists show neither.
	curl -sS -f -X DELETE "$GW/kept/never"
	until_true count_is kept 5
	[ "$(koop-list kept/ | wc -l)" -eq 0 ]
	# A bucket that has versions is not empty.
	run -1 koop-bucket remove kept
}

@test "versions: each is found by its name" {
	local p name
	koop-bucket make named
	put named/k old
	koop-bucket set named versioning Enabled
	put named/k mid
	put named/k new
	until_true count_is named 3
	p=$(partition_of named/k)
	ask "/versions?bucket=named" >lines
	for n in 1 2 3; do
		name=$(sed -n "${n}p" lines | jq -r .version)
		[ "$n" -lt 3 ] || name=null
		ask "/store/$p/named/k?versionId=$name" -D headers -I >/dev/null
		[ "$(header X-Koop-Version)" = "$name" ]
		[ "$(header X-Koop-Etag)" = \
			"$(sed -n "${n}p" lines | jq -r .etag)" ]
	done
	# The name of one key's version is no name of another's.
	put named/other x
	until_true count_is named 4
	p=$(partition_of named/other)
	name=$(sed -n 1p lines | jq -r .version)
	[ "$(ask "/store/$p/named/other?versionId=$name" -o /dev/null \
		-w '%{http_code}')" = 404 ]
	[ "$(ask "/store/$p/named/other?versionId=${name^^}" -o /dev/null \
		-w '%{http_code}')" = 400 ]
}

@test "versions: suspended, a write replaces the one named null" {
	koop-bucket make paused
	koop-bucket set paused versioning Enabled
	put paused/k one
	koop-bucket set paused versioning Suspended
	put paused/k two
	put paused/k three
	until_true count_is paused 2
	[ "$(versions paused)" = '["k",true,false,true]
["k",false,false,false]' ]
	curl -sS -f -X DELETE "$GW/paused/k"
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/paused/k")" = 404 ]
	until_true count_is paused 2
	# It is never given up.
	run -64 koop-bucket set paused versioning ''
}

@test "versions: a page goes on within the versions of a key" {
	local name last=''
	koop-bucket make paged
	koop-bucket set paged versioning Enabled
	for i in 1 2 3 4 5; do
		put paged/a "$i"
		put paged/b "$i"
	done
	until_true count_is paged 10
	ask "/versions?bucket=paged" | jq -c 'select(.key)' >whole
	: >pages
	while :; do
		ask "/versions?bucket=paged&max=3$last" >page
		jq -c 'select(.key)' page >>pages
		[ "$(jq -r 'select(.end) | .truncated' page)" = true ] || break
		name=$(jq -c 'select(.key)' page | tail -1)
		last="&key-marker=$(jq -r .key <<<"$name")"
		last+="&version-id-marker=$(jq -r .version <<<"$name")"
	done
	cmp whole pages
	[ "$(wc -l <pages)" -eq 10 ]
}

@test "versions: a page begins behind the one named null" {
	koop-bucket make behind
	put behind/k before
	koop-bucket set behind versioning Enabled
	put behind/k one
	put behind/l other
	koop-bucket set behind versioning Suspended
	put behind/k two
	koop-bucket set behind versioning Enabled
	put behind/k three
	until_true count_is behind 4
	page() { versions behind '&key-marker=k&version-id-marker=null'; }
	[ "$(page)" = '["k",false,false,false]
["l",false,false,true]' ]
	# None has the name any more: all of the key, rather than too few.
	koop-list --versions behind/k | jq -c 'select(.version == "null")' |
		koop-rm
	until_true count_is behind 3
	[ "$(page)" = '["k",false,false,true]
["k",false,false,false]
["l",false,false,true]' ]
}
