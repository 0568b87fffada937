# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Loaded by every bats file: a clean environment, an own folder, and helpers.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
: "${KOOP_BIN:=$ROOT/build/release/bin}"
: "${KOOP_FAULTS_BIN:=$ROOT/build/faults/bin}"
BIN=$KOOP_BIN
FAULTS_BIN=$KOOP_FAULTS_BIN

# What the tests are run with must not reach the programs, nor what the caller
# has set for an own cluster.
for variable in $(compgen -e KOOP_); do
	unset "$variable"
done
unset variable
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION
export KOOP_BIN=$BIN KOOP_FAULTS_BIN=$FAULTS_BIN
export PATH="$BIN:$PATH"
export LC_ALL=C.UTF-8 TZ=UTC
umask 022

# A test has a folder of its own, and a cluster that it starts itself, unless
# its file shares one: then it has that, and leaves it running.
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	[ ! -e "$BATS_FILE_TMPDIR/data/koop.conf" ] ||
		export KOOP_CONFIG=$BATS_FILE_TMPDIR/data/koop.conf
}

teardown() {
	keep_logs
	[ "${DATA:-}" = "$BATS_FILE_TMPDIR/data" ] || cluster_down
}

# keep_logs: of a test that failed, in build/failed; the first of a teardown.
keep_logs() {
	local data=${DATA:-$BATS_TEST_TMPDIR/data} to
	[ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ] || return 0
	to=$ROOT/build/failed/$(basename "$BATS_TEST_FILENAME" .bats)
	to+=-$BATS_TEST_NUMBER
	mkdir -p "$to"
	printf '%s\n' "$BATS_TEST_DESCRIPTION" >"$to/test"
	cp "$BATS_TEST_TMPDIR"/*.log "$data"/*.log "$data"/log/*.log "$to" \
		2>/dev/null || true
}

# object BYTES FILE [SEED]: the same pseudo-random bytes for the same numbers.
object() {
	local key
	printf -v key '%032x' "${3:-1}"
	openssl enc -aes-128-ctr -K "$key" \
		-iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null |
		head -c "$1" >"$2"
}

# cluster_up [KOOP-UP-OPTION...]: a cluster of this test's own, on free ports.
# Sets KOOP_CONFIG, DATA, GW (the gateway's URL) and, in a faults test, uses
# the programs that come first in PATH.  POSITIONS=streams in the environment
# runs any file over a log that shares no page.
cluster_up() {
	DATA=$BATS_TEST_TMPDIR/data
	koop up --detach --data "$DATA" --port 0 --node-port 0 \
		--durability os ${POSITIONS:+--positions "$POSITIONS"} "$@" 3>&- 4>&- >"$BATS_TEST_TMPDIR/up.log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/up.log" >&2
		return 1
	}
	KOOP_CONFIG=$DATA/koop.conf
	export KOOP_CONFIG
	GW=$(conf gateway)
	export GW
}

# cluster_share [KOOP-UP-OPTION...]: in setup_file, one cluster for all tests of
# the file.  cluster_unshare: in teardown_file, its end.
cluster_share() {
	cd "$BATS_FILE_TMPDIR" || return
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR cluster_up "$@"
	export DATA
}

cluster_unshare() {
	DATA=$BATS_FILE_TMPDIR/data cluster_down
}

# A plain "wait" would wait for the countdown that bats runs beside a test, too,
# until that kills the test: without operands, only what the test began is
# meant.
wait() {
	local job
	if [ $# -gt 0 ]; then
		builtin wait "$@"
		return
	fi
	for job in $(jobs -p); do
		[ "$job" = "${BATS_killer_pid:-}" ] || builtin wait "$job" || true
	done
}

# conf KEY [N]: the value of a key in koop.conf, the Nth if it has several.
conf() {
	sed -n "s/^\(# \)\{0,1\}$1 *= *//p" "$KOOP_CONFIG" | sed -n "${2:-1}p"
}

# cluster_down: stop what cluster_up started; fine when there is nothing.
cluster_down() {
	local data=${DATA:-$BATS_TEST_TMPDIR/data} pid
	[ -d "$data" ] || return 0
	KOOP_CONFIG=$data/koop.conf timeout 30 koop down --data "$data" \
		>/dev/null 2>&1 3>&- || true
	# Whatever still has this test's folder among its arguments is left
	# over: stopped processes, too.
	for pid in $(leftovers "$data"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# node --stop-node N, node --start-node N: of the cluster.
node() {
	koop up --data "$DATA" "$@" >/dev/null 3>&-
}

# told NAME MEMBER: what koop status --json says of a program.
told() {
	koop status --data "$DATA" --json | jq -r --arg name "$1" \
		".programs[] | select(.name == \$name) | .$2 // empty"
}

# until_true COMMAND...: look again and again, for half a minute.
until_true() {
	local end=$((SECONDS + 30))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		read -r -t 0.1 <> <(:) || true
	done
}

# leftovers TEXT: the processes of ours that have TEXT in their arguments.
leftovers() {
	local dir exe
	for dir in /proc/[0-9]*; do
		exe=$(readlink "$dir/exe" 2>/dev/null) || continue
		case "${exe##*/}" in
		koop | koop-*) ;;
		*) continue ;;
		esac
		tr '\0' ' ' <"$dir/cmdline" 2>/dev/null | grep -qF -- "$1" &&
			echo "${dir#/proc/}"
	done
	return 0
}

# free_port: one that nothing listens on now.
free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# ready_wait FILE: until a line "ready ADDRESS" stands in FILE (or a FIFO);
# prints the address.  For daemons started with --ready-fd.
ready_wait() {
	local word address
	read -r -t 30 word address <"$1" || return 1
	[ "$word" = ready ] || return 1
	echo "$address"
}

# s3 METHOD TARGET [CURL-OPTION...]: one request; the answer's body is in
# ./body, its headers in ./headers, its status in CODE.
s3() {
	local method=(-X "$1" -o body) target=$2
	[ "$1" != HEAD ] || method=(--head -o /dev/null)
	shift 2
	rm -f body headers
	CODE=$(curl -sS --path-as-is -D headers -w '%{http_code}' \
		"${method[@]}" "$@" "$GW$target")
	[ -e body ] || : >body
}

# is STATUS [S3-CODE]: what the answer must be.
is() {
	[ "$CODE" = "$1" ] || {
		echo "status $CODE, not $1: $(cat body)" >&2
		return 1
	}
	[ -z "${2:-}" ] || [ "$(element Code)" = "$2" ] || {
		echo "code $(element Code), not $2" >&2
		return 1
	}
}

# header NAME: of the answer.
header() {
	tr -d '\r' <headers | sed -n "s/^$1: //Ip" | tail -n 1
}

# element NAME: the texts of all elements of that name, a line each.
element() {
	grep -o "<$1>[^<]*</$1>" body | sed 's/^<[^>]*>//; s/<.*//' || true
}
