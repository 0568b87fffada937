#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Buckets, lists and deletes from a shell: koop-bucket, koop-list, koop-stat
# and koop-rm, without a request to the gateway.

load helpers

setup_file() { cluster_share; }
teardown_file() { cluster_unshare; }

# put NAME BYTES: an object by the pipeline's other half, quickly.
put() {
	object "$2" body "$2"
	curl -sS -f -T body "$GW/$1"
}

# names: the keys of koop-list's lines on standard input.
names() { jq -r '.key // ("prefix " + .prefix)'; }

@test "bucket: make, list, get and remove" {
	run -0 --separate-stderr koop-bucket make made-one made-two
	[ "$output" = "bucket v=1 name=made-one outcome=done
bucket v=1 name=made-two outcome=done" ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/made-one")" = 200 ]
	koop-bucket list >list
	[ "$(grep -c '"bucket":"made-' list)" -eq 2 ]
	grep '"made-one"' list | jq -e '.state == "open" and
		.owner == "koop" and .incarnation > 0'
	[ "$(koop-stat made-two)" = "$(grep made-two list)" ]
	run -0 koop-bucket remove made-one made-two
	[ "$output" = "bucket v=1 name=made-one outcome=done
bucket v=1 name=made-two outcome=done" ]
	run -1 --separate-stderr koop-bucket get made-one
	[ "$stderr" = 'koop-bucket: no such bucket' ]
}

@test "bucket: making one's own again is no failure" {
	koop-bucket make again
	run -0 koop-bucket make again
	[ "$output" = 'bucket v=1 name=again outcome=exists' ]
	curl -sS -f -X PUT "$GW/again" -o /dev/null
}

@test "bucket: what is not empty is not removed, and the others are" {
	koop-bucket make full-one empty-one
	put full-one/a 1
	run -1 --separate-stderr koop-bucket remove full-one nowhere empty-one
	[ "$output" = 'bucket v=1 name=full-one outcome=sealed
bucket v=1 name=nowhere outcome=no_such_bucket
bucket v=1 name=empty-one outcome=done' ]
	[[ "$stderr" == *'full-one: it is not empty: koop-list full-one | koop-rm'* ]]
	[[ "$stderr" == *'nowhere: no such bucket'* ]]
	# It is not left sealed.
	put full-one/b 1
}

@test "bucket: a name that no bucket may have is a usage error" {
	for name in ab Films 1.2.3.4 health a/b films/key ''; do
		run -64 --separate-stderr koop-bucket make "$name"
		[ "$output" = "" ]
	done
	run -64 --separate-stderr koop-bucket
	run -64 --separate-stderr koop-bucket make
	run -64 --separate-stderr koop-bucket mend films
	run -64 --separate-stderr koop-bucket list films
}

@test "bucket: settings are set, got, and refused" {
	koop-bucket make set-up
	[ "$(koop-bucket get set-up)" = '{}' ]
	run -1 --separate-stderr koop-bucket get set-up versioning
	[ "$stderr" = 'koop-bucket: versioning: never set' ]
	run -0 koop-bucket set set-up versioning Enabled
	[ "$output" = 'bucket v=1 name=set-up outcome=done' ]
	[ "$(koop-bucket get set-up versioning)" = Enabled ]
	koop-bucket set set-up versioning Suspended
	koop-bucket get set-up | jq -e '. == {"versioning": "Suspended"}'
	for words in 'get set-up no-such' 'set set-up versioning Maybe' \
		'set set-up no-such x' 'set set-up versioning' 'get' 'set' \
		'get set-up versioning x'; do
		# shellcheck disable=SC2086 # words
		run -64 --separate-stderr koop-bucket $words
		[ "$output" = "" ]
	done
	run -1 --separate-stderr koop-bucket set nowhere versioning Enabled
}

@test "list: versions, newest first, and koop-rm deletes each by its line" {
	koop-bucket make versions
	koop-bucket set versions versioning Enabled
	for size in 1 2 3; do put versions/a "$size"; done
	put versions/b 9
	koop-rm versions/a >/dev/null
	koop-list versions/ | names >now
	[ "$(cat now)" = versions/b ]
	koop-list --versions versions/ >all
	[ "$(jq -r '[.key, .size // "marker", .latest] | join(" ")' all)" = \
"versions/a marker true
versions/a 3 false
versions/a 2 false
versions/a 1 false
versions/b 9 true" ]
	[ "$(jq -r .version all | sort -u | wc -l)" -eq 5 ]
	# Piece by piece, in the middle of a key.
	after=$(sed -n 2p all | jq -r .version)
	koop-list --versions --after versions/a --after-version "$after" \
		versions/ | cmp - <(tail -n 3 all)
	run -64 --separate-stderr koop-list --after-version "$after" versions
	# Each is known and fetched by its name.
	[ "$(koop-stat --version-id "$after" versions/a | jq -r .version)" = \
		"$after" ]
	koop-shard-get --version-id "$after" versions/a | koop-decode >old
	[ "$(wc -c <old)" -eq 3 ]
	marker=$(sed -n 1p all | jq -r .version)
	run -1 --separate-stderr koop-stat --version-id "$marker" versions/a
	[[ $stderr == *"no such version, or a delete marker" ]]
	run -1 --separate-stderr koop-shard-get --version-id "$marker" versions/a
	[[ $stderr == *'no such version of "versions/a" can be read' ]]
	run -64 --separate-stderr koop-stat --version-id zz versions/a
	[[ $stderr == *"--version-id: no name of a version"* ]]
	run -64 --separate-stderr koop-shard-get --version-id zz versions/a
	[[ $stderr == *"--version-id: no name of a version"* ]]
	run -64 --separate-stderr koop-stat --version-id "$after" versions
	# The marker goes, and the newest version is there again.
	sed -n 1p all | koop-rm | grep -q ' outcome=done$'
	[ "$(koop-stat versions/a | jq .size)" -eq 3 ]
	koop-list --versions versions/ | jq -c 'select(.size == 2)' | koop-rm
	[ "$(koop-list --versions versions/a | jq -r .size | tr '\n' ' ')" = \
		'3 1 ' ]
	koop-list --versions versions/ | koop-rm >/dev/null
	[ "$(koop-list --versions versions/)" = "" ]
	koop-bucket remove versions
}

@test "list: objects in order, as JSON, with their names as programs take them" {
	koop-bucket make listed
	for key in b a/1 'a/2 3' c%25d; do put "listed/${key// /%20}" 7; done
	koop-list listed >list
	[ "$(names <list)" = "listed/a/1
listed/a/2 3
listed/b
listed/c%d" ]
	jq -e '.size == 7 and (.etag | length) == 32' list
	[ "$(jq -r .modified list | grep -cE \
		'^20[0-9]{2}-[01][0-9]-[0-3][0-9]T.*Z$')" -eq 4 ]
	[ "$(koop-list listed/a/ | names)" = "listed/a/1
listed/a/2 3" ]
	[ "$(koop-list listed/a | names | wc -l)" -eq 2 ]
	[ "$(koop-list listed/z)" = "" ]
	# Each name is one that koop-stat knows.
	koop-list listed | jq -r .key | while read -r name; do
		koop-stat "$name" | jq -e --arg name "$name" '.key == $name'
	done
}

@test "list: a delimiter makes folders" {
	koop-bucket make folders
	for key in a/1 a/2 b/c/3 d; do put "folders/$key" 1; done
	[ "$(koop-list --delimiter / folders | names)" = "prefix folders/a/
prefix folders/b/
folders/d" ]
	[ "$(koop-list --delimiter / folders/b/ | names)" = 'prefix folders/b/c/' ]
	# A prefix is an operand.
	koop-list "$(koop-list --delimiter / folders | jq -r '.prefix // empty' |
		tail -n 1)" | grep -q '"folders/b/c/3"'
	[ "$(koop-list --delimiter / --after folders/a/ folders | names |
		head -n 1)" = 'prefix folders/b/' ]
}

@test "list: names only, by line or by NUL" {
	koop-bucket make names
	put names/plain 1
	[ "$(koop-list --lines names)" = names/plain ]
	put 'names/two%0Alines' 1
	run -65 --separate-stderr koop-list --lines names
	[ "$output" = names/plain ]
	[[ "$stderr" == *'a name holds a line end: use -0'* ]]
	[ "$(koop-list -0 names | tr '\n\0' '_\n')" = 'names/plain
names/two_lines' ]
}

@test "list: --limit and --after go through a bucket piece by piece" {
	koop-bucket make pieces
	for i in $(seq 1 7); do put "pieces/$i" 1; done
	after=
	while name=$(koop-list --limit 2 ${after:+--after "$after"} pieces |
		names) && [ -n "$name" ]; do
		echo "$name" >>all
		after=$(tail -n 1 all)
	done
	[ "$(cat all)" = "$(koop-list --lines pieces)" ]
	[ "$(wc -l <all)" -eq 7 ]
	run -64 --separate-stderr koop-list --after other/x pieces
	run -64 --separate-stderr koop-list --after pieces pieces
}

@test "list: more than a page is all of it" {
	koop-bucket make many
	seq -f 'url = "'"$GW"'/many/key-%05g"' 1 1203 |
		sed 's/$/\nupload-file = "one"/' >requests
	echo 1 >one
	curl -sS -f -K requests -Z --parallel-max 8 -o /dev/null
	[ "$(koop-list --lines many | wc -l)" -eq 1203 ]
	[ "$(koop-list --lines many | head -n 1001 | tail -n 1)" = \
		many/key-01001 ]
	# And all of it goes, in batches.
	koop-list many | jq -r .key | koop-rm >gone
	[ "$(grep -c ' outcome=done$' gone)" -eq 1203 ]
	[ "$(koop-list many)" = "" ]
	koop-bucket remove many
}

@test "list: what is not there is 1, nonsense is 64" {
	run -1 --separate-stderr koop-list nowhere
	[ "$output" = "" ]
	[ "$stderr" = 'koop-list: no such bucket' ]
	for name in '' / x /a NO; do
		run -64 --separate-stderr koop-list "$name"
	done
}

@test "stat: what a pipeline stored, and what S3 stored" {
	koop-bucket make stat
	object 100000 film
	koop-encode <film | koop-shard-put stat/film | koop-commit \
		--content-type video/mp4 --meta year=1927 >line
	koop-stat stat/film >stat
	id=$(sed 's/.* object=\([^ ]*\) .*/\1/' line)
	seq=$(sed 's/.* seq=\([^ ]*\) .*/\1/' line)
	jq -e --arg id "$id" --argjson seq "$seq" '.key == "stat/film" and
		.size == 100000 and .kind == "blob" and .requestId == $id and
		.seq == $seq and .geometry == "6+3/65536" and
		.headers == {"Content-Type": "video/mp4"} and
		.meta == {"year": "1927"}' stat
	[ "$(jq -r .etag stat)" = "$(md5sum <film | cut -d' ' -f1)" ]
	put stat/small 10
	[ "$(koop-stat stat/small | jq -r .kind)" = inline ]
	run -1 --separate-stderr koop-stat stat/small stat/nothing nowhere/x stat
	[ "$(jq -r '.key // .bucket' <<<"$output")" = "stat/small
stat" ]
	[ "$stderr" = 'koop-stat: stat/nothing: no such object
koop-stat: nowhere/x: no such bucket' ]
	run -64 --separate-stderr koop-stat NO/x
}

@test "rm: by name, a line an outcome" {
	koop-bucket make gone
	put 'gone/a%20b' 1
	put gone/c 1
	run -1 --separate-stderr koop-rm 'gone/a b' gone/nothing nowhere/x gone/c
	[ "$(sed 's/partition=[0-9]* seq=[0-9]* //' <<<"$output")" = \
		'delete v=1 name=gone/a%20b outcome=done
delete v=1 name=gone/nothing outcome=no_such_key
delete v=1 name=nowhere/x outcome=no_such_bucket
delete v=1 name=gone/c outcome=done' ]
	[ "$stderr" = 'koop-rm: gone/nothing: no such object
koop-rm: nowhere/x: no such bucket
koop-rm: not deleted: 2' ]
	[ "$(koop-list gone)" = "" ]
	run -0 --separate-stderr koop-rm -f gone/nothing
	[ "$stderr" = "" ]
	[[ "$output" == *' name=gone/nothing outcome=done' ]]
}

@test "rm: a list of lines, of JSON, and of NUL-ended names" {
	koop-bucket make lists
	for i in 1 2 3 4 5 6; do put "lists/$i" "$i"; done
	put 'lists/two%0Alines' 1
	koop-list lists/ | jq -r 'select(.size > 4).key' | koop-rm >lines
	[ "$(wc -l <lines)" -eq 2 ]
	[ "$(koop-list lists | wc -l)" -eq 5 ]
	koop-list lists/two | koop-rm
	[ "$(koop-list --lines lists | wc -l)" -eq 4 ]
	put 'lists/two%0Alines' 1
	koop-list -0 lists | koop-rm -0 >lines
	[ "$(wc -l <lines)" -eq 5 ]
	[ "$(koop-list lists)" = "" ]
	run -0 koop-rm </dev/null
	[ "$output" = "" ]
}

@test "rm: half a name is not the name of another object" {
	koop-bucket make half
	put half/film 1
	put half/film-2 1
	run -65 --separate-stderr koop-rm < <(printf 'half/film-2\nhalf/film')
	[[ "$output" == *' name=half/film-2 outcome=done' ]]
	[[ "$stderr" == *'it ends in the middle of a name'* ]]
	[ "$(koop-list --lines half)" = half/film ]
	run -65 --separate-stderr koop-rm -0 < <(printf 'half/film\n')
	[ "$(koop-list --lines half)" = half/film ]
}

@test "rm: at a line that is no name it stops" {
	koop-bucket make stop
	for i in 1 2 3; do put "stop/$i" 1; done
	for bad in null 'NO/x' '' '{"key":5}' '{"prefix":"stop/"}' '{' stop \
		"stop/$(printf 'k%.0s' {1..1025})"; do
		run -65 --separate-stderr koop-rm < <(printf '%s\nstop/3\n' "$bad")
		[ "$output" = "" ]
		[[ "$stderr" == 'koop-rm: standard input: line 1: '*': nothing from here on is deleted' ]]
	done
	run -65 --separate-stderr koop-rm < <(printf 'stop/1\nnull\nstop/3\n')
	[ "$(grep -c outcome=done <<<"$output")" -eq 1 ]
	[[ "$stderr" == *' line 2: null: '* ]]
	[ "$(koop-list --lines stop | wc -l)" -eq 2 ]
	head -c 100000 /dev/zero | tr '\0' x >long
	run -65 --separate-stderr koop-rm <long
	[[ "$stderr" == *'too long for a name'* ]]
	run -64 --separate-stderr koop-rm stop/2 null
	[ "$output" = "" ]
	[ "$(koop-list --lines stop | wc -l)" -eq 2 ]
}

@test "rm: a name is deleted when its line has come, not at the list's end" {
	koop-bucket make slowly
	put slowly/1 1
	put slowly/2 1
	mkfifo in out
	koop-rm <in >out 3>&- 4>&- &
	exec 5>in 6<out
	echo slowly/1 >&5
	read -r -t 30 line <&6
	[[ "$line" == *' name=slowly/1 outcome=done' ]]
	[ "$(koop-list --lines slowly)" = slowly/2 ]
	echo slowly/2 >&5
	read -r -t 30 line <&6
	exec 5>&-
	wait $!
	exec 6<&-
	[ "$(koop-list slowly)" = "" ]
}

@test "shell: a full disk is an I/O error" {
	koop-bucket make fulldisk
	put fulldisk/a 1
	for c in 'koop-list fulldisk' 'koop-list -0 fulldisk' 'koop-bucket list' \
		'koop-bucket get fulldisk' 'koop-bucket make fulldisk' \
		'koop-stat fulldisk' 'koop-stat fulldisk/a' \
		'koop-rm fulldisk/a'; do
		run -74 --separate-stderr bash -c "$c >/dev/full"
		[[ "$stderr" == *'write: No space left on device'* ]]
	done
}

@test "shell: a cluster must be named" {
	for c in 'koop-list a/b' 'koop-rm a/b' 'koop-stat a/b' \
		'koop-bucket list'; do
		run -69 --separate-stderr env -u KOOP_CONFIG bash -c "cd / && $c"
		[[ "$stderr" == *'no cluster: none is named; '* ]]
	done
}

@test "shell: too few nodes for a write are 75, and trying again does it" {
	BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR/own
	mkdir own
	cluster_up
	koop-bucket make few
	put few/a 1
	for n in 0 1 2; do node --stop-node "$n"; done
	[ "$(koop-list --lines few)" = few/a ]
	koop-stat few/a | jq -e '.size == 1'
	run -75 --separate-stderr koop-rm few/a
	[ "$output" = "" ]
	run -75 --separate-stderr koop-bucket make fewer
	[ "$output" = "" ]
	for n in 0 1 2; do node --start-node "$n"; done
	koop status --data "$DATA" --wait full >/dev/null
	run -0 koop-rm -f few/a
	[[ "$output" == *' name=few/a outcome='* ]]
	koop-bucket make fewer
	koop-bucket remove few fewer
	cluster_down
}
