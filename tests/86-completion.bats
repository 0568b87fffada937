#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# TAB, pressed in a terminal in bash, zsh and fish.

load helpers

SHELLS="bash zsh fish"

setup_file() {
	cluster_share
	# On a busy machine a second is short.
	export KOOP_COMPLETION_SECONDS=30
	koop-bucket make tab-films tab-music
	for key in unique-key 'dir/one' 'dir/two' 'wide name/x' ev%1Bil; do
		curl -sS -f -d x -X PUT "$GW/tab-films/${key// /%20}"
	done
}
teardown_file() { cluster_unshare; }

# tab SHELL LINE: what the shell shows after LINE and TAB, a word a line.
tab() {
	local shell=$1
	mkdir -p home
	HOME=$PWD/home XDG_CONFIG_HOME=$PWD/home XDG_DATA_HOME=$PWD/home \
		timeout 120 "$ROOT/tests/tab.py" "$shell" \
		"$ROOT/completions" "$2" 3>&- >shown
	tr -s ' \t' '\n' <shown >words
}

# has WORD...: all of them were shown.  hasnt WORD...: none was.
has() {
	local word
	for word in "$@"; do
		grep -qxF -e "$word" words || { cat shown >&2; return 1; }
	done
}
hasnt() {
	local word
	for word in "$@"; do
		! grep -qxF -e "$word" words || { cat shown >&2; return 1; }
	done
}

@test "completion: koop's first word" {
	for shell in $SHELLS; do
		tab "$shell" 'koop u'
		has koop up
		tab "$shell" 'koop s'
		has status stat shard-put shard-get
		hasnt rm encode
		tab "$shell" 'koop --'
		has --version --help
		hasnt --nodes
	done
}

@test "completion: options, of koop's words and of programs" {
	for shell in $SHELLS; do
		for line in 'koop up --' 'koop-up --' 'koop status --' \
			'koop-up down --'; do
			tab "$shell" "$line"
			has --wait --nodes --data --config
			hasnt --delimiter --null
		done
		tab "$shell" 'koop list --'
		has --null --delimiter
		hasnt --nodes
	done
}

@test "completion: words that are operands" {
	for shell in $SHELLS; do
		for line in 'koop-topology ' 'koop topology '; do
			tab "$shell" "$line"
			has check show make
			hasnt status home
		done
		tab "$shell" 'koop-topology check '
		hasnt show make home
		tab "$shell" 'koop up '
		has status down env
		tab "$shell" 'koop status '
		hasnt down env home
		tab "$shell" 'koop-log '
		has create level epoch
		tab "$shell" 'koop-bucket '
		has make remove list get set
		tab "$shell" 'koop-encode '
		hasnt home
		tab "$shell" 'koop-decode h'
		has home/
	done
}

@test "completion: values of options" {
	for shell in $SHELLS; do
		tab "$shell" 'koop status --wait '
		has ready full
		hasnt home
		tab "$shell" 'koop-up --positions p'
		has page
		tab "$shell" 'koop-gw --log-level '
		has error warn info debug
		tab "$shell" 'koop node --log-format '
		has text json
		tab "$shell" 'koop-node --durability='
		grep -qE '(^|[ =])full( |$)' shown
		grep -qE '(^|[ =])os( |$)' shown
		tab "$shell" 'koop-topology --epoch '
		hasnt home check
	done
}

@test "completion: buckets, and keys up to the next slash" {
	for shell in $SHELLS; do
		for program in 'koop stat' koop-list koop-locate koop-rm \
			koop-shard-get 'koop shard-put'; do
			tab "$shell" "$program tab-"
			has tab-films/ tab-music/
		done
		tab "$shell" 'koop-stat tab-films/'
		grep -qE '(^| |/)dir/( |$)' shown
		grep -qE '(^| |/)unique-key( |$)' shown
		run ! grep -qE 'one|two' shown
		tab "$shell" 'koop rm tab-films/uni'
		has tab-films/unique-key
		tab "$shell" 'koop-rm tab-films/unique-key tab-films/dir/o'
		has tab-films/dir/one
		tab "$shell" 'koop-stat tab-films/wi'
		grep -qF 'tab-films/wide\ name/' shown
		tab "$shell" 'koop bucket remove tab-m'
		has tab-music
		tab "$shell" 'koop-bucket list '
		hasnt tab-music make home
	done
}

@test "completion: the cluster is the one that the line names" {
	local config=$KOOP_CONFIG
	unset KOOP_CONFIG
	for shell in $SHELLS; do
		tab "$shell" "koop-stat --config $config tab-films/uni"
		has tab-films/unique-key
		tab "$shell" "koop list --config=$config tab-films/uni"
		has tab-films/unique-key
	done
}

@test "completion: a name that would drive the terminal is not offered" {
	koop-list -0 tab-films/ev | grep -qz il
	for shell in $SHELLS; do
		tab "$shell" 'koop-stat tab-films/ev'
		grep -q 'tab-films/ev' shown
		run ! grep -qE 'ev.*il' shown
	done
}

@test "completion: silence when there is no cluster" {
	unset KOOP_CONFIG
	for shell in $SHELLS; do
		for line in 'koop-stat tab-f' 'koop stat tab-films/' \
			'koop bucket get '; do
			tab "$shell" "$line"
			run ! grep -qE 'no cluster|koop-bucket:|koop-list:|No such' shown
		done
	done
}

@test "completion: a cluster that does not answer is not waited for" {
	mkdir slow
	printf '#!/bin/sh\nexec sleep 600\n' | tee slow/koop-list >slow/koop-bucket
	chmod +x slow/*
	for shell in $SHELLS; do
		PATH=$PWD/slow:$PATH KOOP_COMPLETION_SECONDS='' \
			tab "$shell" 'koop-stat tab-f'
		hasnt tab-films/
	done
}

@test "completion: koop help offers programs and pages" {
	for shell in $SHELLS; do
		tab "$shell" 'koop help '
		has encode record conf
	done
}
