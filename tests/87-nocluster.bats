#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Without a cluster every program that needs one says the same and exits the
# same, whatever is missing.

load helpers

setup_file() {
	cluster_share
	koop-bucket make gone-films
	echo film | koop-encode >"$BATS_FILE_TMPDIR/shards"
	koop-shard-put gone-films/x <"$BATS_FILE_TMPDIR/shards" \
		>"$BATS_FILE_TMPDIR/receipts"
	cluster_unshare
}

# What each program is run with.  koop-log alone reads the log, and
# koop-locate --placement the topology, without a node.
PROGRAMS='koop-list gone-films
koop-stat gone-films/x
koop-rm gone-films/x
koop-bucket list
koop-bucket make gone-more
koop-bucket get gone-films
koop-bucket set gone-films versioning Enabled
koop-locate gone-films/x
koop-log level
koop-verify gone-films/x
koop-shard-get gone-films/x
koop-shard-put gone-films/y <$BATS_FILE_TMPDIR/shards
koop-commit <$BATS_FILE_TMPDIR/receipts'
OFFLINE='koop-log
koop-locate --placement gone-films/x'
UP='koop status
koop down
koop env
koop up --stop-node 0'

# none REASON COMMAND: it says that there is no cluster, and what to do.
none() {
	run -69 --separate-stderr bash -c "$2"
	# These two give an account of what they have asked.
	[ "$output" = "" ] || [[ "$2" == koop-log\ level || "$2" == koop-verify* ]]
	[[ "${stderr_lines[-1]}" =~ ^koop-[a-z-]+:\ no\ cluster:\ (.*)$ ]] || {
		echo "$2: $stderr" >&2
		return 1
	}
	[ "${BASH_REMATCH[1]}" = "$1; start one with koop up, or name one: eval \"\$(koop env)\", --config FILE, or --topology and --commit-log" ] || {
		echo "$2: $stderr" >&2
		return 1
	}
}

# all LIST REASON: the same of each command in the list.
all() {
	local command
	while read -r command; do
		none "$2" "$command"
	done <<<"$1"
}

@test "no cluster: none is named" {
	unset KOOP_CONFIG
	all "$PROGRAMS
$OFFLINE" 'none is named'
	all "$UP" 'koop-data: No such file or directory'
}

@test "no cluster: half of one is named" {
	unset KOOP_CONFIG
	export KOOP_TOPOLOGY=file:$DATA/topology.json
	all "$PROGRAMS" 'no commit log is named'
	unset KOOP_TOPOLOGY
	export KOOP_COMMIT_LOG=sqlite:$DATA/commit.db
	all "$PROGRAMS" 'no topology is named'
}

@test "no cluster: its koop.conf is gone" {
	export KOOP_CONFIG=$PWD/gone/koop.conf
	all "$PROGRAMS
$OFFLINE" "$KOOP_CONFIG: No such file or directory"
	# What starts clusters, and is to tell of others, is not held up by it.
	all "$UP" 'koop-data: No such file or directory'
	mkdir koop-data
	touch koop-data/koop.conf
	[ "$(koop env)" = "export KOOP_CONFIG='$PWD/koop-data/koop.conf'" ]
}

@test "no cluster: its topology or its log is gone" {
	unset KOOP_CONFIG
	export KOOP_TOPOLOGY=file:$PWD/gone KOOP_COMMIT_LOG=sqlite:$PWD/lost
	all "$PROGRAMS" "file:$PWD/gone: No such file or directory"
	none "sqlite:$PWD/lost: No such file or directory" koop-log
	none "file:$PWD/gone: No such file or directory" \
		'koop-locate --placement gone-films/x'
	KOOP_TOPOLOGY=file:$DATA/topology.json
	all "$PROGRAMS" "sqlite:$PWD/lost: No such file or directory"
}

@test "no cluster: nobody answers" {
	all "$PROGRAMS" "none of the nodes of file:$DATA/topology.json answers"
	all "$(sed '/env/d' <<<"$UP")" "none runs in $DATA"
	# What needs no node works on.
	koop-log --limit 1 >log
	koop-locate --placement gone-films/x >placement
}

@test "no cluster: too few nodes are a cluster" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop-bucket make some-films
	node --stop-node 0
	node --stop-node 1
	run -75 --separate-stderr koop-bucket make more-films
	[[ "$stderr" != *'no cluster'* ]]
}

@test "no cluster: koop-encode needs none, a koop.conf that is gone is a mistake" {
	export KOOP_CONFIG=$PWD/gone/koop.conf
	run -78 --separate-stderr bash -c 'echo x | koop-encode'
	[ "$stderr" = "koop-encode: $KOOP_CONFIG: No such file or directory" ]
}

@test "a name that is too long leaves the reason in the message" {
	local long reason
	long=$(printf 'k%.0s' {1..1500})
	while read -r command; do
		run --separate-stderr bash -c "$command"
		[ "$status" -ne 0 ]
		reason=${stderr_lines[0]##*kkk}
		[[ "$reason" == *': '*[a-z][a-z][a-z]* ]] || {
			echo "$command: $stderr" >&2
			return 1
		}
	done <<-EOT
		koop-locate --placement gone-films/$long
		koop-stat gone-films/$long
		koop-bucket make $long
		koop $long
		koop help $long
		koop-topology --$long
		koop-topology $long
		koop-decode $long
		koop-topology check -t file:$long
		koop-topology check --config $long
		koop status --data $long
	EOT
}
