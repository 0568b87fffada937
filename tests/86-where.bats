#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where objects are: koop-locate asks the cluster and its nodes.

# shellcheck disable=SC2154 # run sets stderr

load helpers

setup_file() {
	cluster_share
	koop-bucket make where
}
teardown_file() { cluster_unshare; }

# stored KEY BYTES [SEED]: an object in shards, and its request id in $id.
stored() {
	object "$2" body "${3:-1}"
	id=$(koop-encode <body | koop-shard-put "where/$1" | koop-commit |
		sed -n 's/.* object=\([0-9a-f]*\) .*/\1/p')
}

# shard J: the file of that shard of $id.
shard() { find "$DATA" -path '*/shards/*' -name "$id.$1"; }

@test "locate: an object in shards has nine, each on its machine" {
	stored film 445000
	run -0 --separate-stderr koop-locate where/film
	[ "${#lines[@]}" -eq 10 ]
	[[ "${lines[0]}" == "object v=1 name=where/film partition="*" kind=blob size=445000 parts=1" ]]
	koop-locate --placement where/film >belongs
	# Nobody says of it that it is kept small.
	diff <(tail -n +2 belongs | sed 's/ keeps_small=.*/ part=1/') \
		<(printf '%s\n' "${lines[@]:1}")
	for j in 0 8; do
		machine=$(printf '%s\n' "${lines[@]}" |
			sed -n "s/.* index=$j .* machine=\([0-9]*\) .*/\1/p")
		[[ "$(shard "$j")" == */node-1."$machine"/* ]]
	done
}

@test "locate: small bytes are copies, on the machines that keep them" {
	printf hello | curl -sS -f -T - "$GW/where/small"
	run -0 --separate-stderr koop-locate --verify where/small
	[ "${#lines[@]}" -eq 5 ]
	[[ "${lines[0]}" == *" kind=inline size=5 parts=1" ]]
	for i in 1 2 3 4; do
		[[ "${lines[i]}" == "copy v=1 name=where/small index=$((i - 1)) set=1 machine="*" state=present bytes=5" ]]
	done
	koop-locate --placement where/small | grep -c 'keeps_small=yes' | grep -qx 4
}

@test "locate: an object of parts tells each part's shards" {
	object 5242880 part
	upload=$(curl -sS -X POST "$GW/where/parts?uploads" |
		sed -n 's/.*<UploadId>\([^<]*\).*/\1/p')
	xml='<CompleteMultipartUpload>'
	for i in 1 2; do
		etag=$(curl -sS -f -D - -o /dev/null -T part \
			"$GW/where/parts?partNumber=$i&uploadId=$upload" |
			tr -d '\r' | sed -n 's/^ETag: //Ip')
		xml+="<Part><PartNumber>$i</PartNumber><ETag>$etag</ETag></Part>"
	done
	curl -sS -f -o /dev/null -d "$xml</CompleteMultipartUpload>" \
		"$GW/where/parts?uploadId=$upload"
	run -0 --separate-stderr koop-locate --verify where/parts
	[ "${#lines[@]}" -eq 19 ]
	[[ "${lines[0]}" == *" kind=multipart size=10485760 parts=2" ]]
	[ "$(grep -c ' part=2 state=present' <<<"$output")" -eq 9 ]
}

@test "locate: --verify tells what is absent and what is cut short, and is 1" {
	stored hurt 900000
	rm "$(shard 2)"
	run -1 --separate-stderr koop-locate --verify where/hurt
	[ "$(grep -c ' state=present bytes=' <<<"$output")" -eq 8 ]
	grep -q ' index=2 .* state=absent bytes=0$' <<<"$output"
	[[ "$stderr" == "koop-locate: absent or damaged: 1; nodes repair "* ]]
	stored longer 900000 2
	# BEGIN and END are good, a cell is gone.
	file=$(shard 3)
	{
		head -c 512 "$file"
		tail -c +66000 "$file"
	} >shorter
	cat shorter >"$file"
	run -1 --separate-stderr koop-locate --verify where/longer
	grep -q ' index=3 .* state=damaged bytes=[1-9]' <<<"$output"
}

@test "locate: a node that is down is said to be, and is 69" {
	# shellcheck disable=SC2034 # a cluster of its own: teardown ends it
	local BATS_FILE_TMPDIR=/nonexistent
	cluster_up
	koop-bucket make where
	stored film 400000
	node --stop-node 8
	run -69 --separate-stderr koop-locate --verify where/film
	[ "$(grep -c ' machine=8 .* state=down bytes=0$' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' state=present ' <<<"$output")" -eq 8 ]
	[[ "$stderr" == "koop-locate: not known, because their nodes are down: 1 "* ]]
	# Who does not ask need not care.
	koop-locate where/film
}

@test "locate: what is not there is said, the others are told, and it is 1" {
	stored here 10000
	run -1 --separate-stderr koop-locate where/nothing where/here nowhere/x
	[[ "$stderr" == 'koop-locate: no object "where/nothing"
koop-locate: bucket "nowhere" does not exist' ]]
	[[ "${lines[0]}" == "object v=1 name=where/here "* ]]
	[ "${#lines[@]}" -eq 10 ]
}

@test "locate: names come from standard input, as lines, as JSON, ended by NUL" {
	for i in $(seq 70); do echo "where/many $i"; done >names
	object 20 body
	for i in 1 70; do
		curl -sS -f -T body "$GW/where/many%20$i"
	done
	sed -n '1p;70p' names | koop-locate - >lines
	[ "$(grep -c ^object lines)" -eq 2 ]
	koop-list 'where/many ' | koop-locate - | cmp - lines
	koop-list -0 'where/many ' | koop-locate -0 | cmp - lines
	koop-locate 'where/many 1' - <<<'where/many 70' | cmp - lines
	# Any number of operands.
	mapfile -t names <names
	[ "$(koop-locate --placement "${names[@]}" | grep -c ^object)" -eq 70 ]
	run -65 --separate-stderr koop-locate - <<<bucket
	[[ "$stderr" == "koop-locate: standard input: line 1: "* ]]
	run -65 --separate-stderr bash -c 'printf where/many | koop-locate -'
	[ "$stderr" = "koop-locate: standard input: it ends in the middle of a name" ]
	run -65 --separate-stderr koop-locate - <<<'{"prefix":"where/"}'
	[[ "$stderr" == *"a line of JSON without a key"* ]]
}

@test "locate: a version by its name" {
	koop-bucket make where-kept
	koop-bucket set where-kept versioning Enabled
	for i in 1 2; do
		object "${i}0000" body "$i"
		koop-encode <body | koop-shard-put where-kept/k | koop-commit
	done
	first=$(koop-list --versions where-kept | jq -r 'select(.size == 10000).version')
	run -0 --separate-stderr koop-locate --version-id "$first" where-kept/k
	[[ "${lines[0]}" == *" size=10000 parts=1 version=$first" ]]
	[[ "$(koop-locate where-kept/k)" == *" size=20000 "* ]]
	koop-list --versions where-kept | koop-locate - |
		grep -o ' size=[0-9]*' | sort | cmp - <(printf ' size=%s\n' 10000 20000)
	run -1 --separate-stderr koop-locate --version-id null where-kept/k
	run -64 --separate-stderr koop-locate --version-id x where-kept/k
}
