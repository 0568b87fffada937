#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The whole story on a small film: stored both ways, sought in, three plugs
# pulled, a fourth, and all of them put back.  Runs a cluster of its own in a
# temporary folder on free ports.  "make demo" runs it with the tree's
# programs; any others in PATH do as well.

set -eu -o pipefail
cd "$(dirname "$0")"

DATA=$(mktemp -d)
# Also when it is cut off: an EXIT trap alone would not run at a signal.
trap 'koop down --data "$DATA/data" >/dev/null 2>&1 || :; rm -rf "$DATA"' EXIT
trap 'exit 1' HUP INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $ %s\n' "$*" | sed "s|$DATA|DATA|g"; }
run() {
	show "$*"
	eval "$*" | sed "s|$DATA|DATA|g; s/^/    /"
}
same() {
	cmp film.mp4 "$DATA/back.mp4"
	echo "    the same $(wc -c <film.mp4) bytes"
}

say "Nine nodes and a gateway, on this machine."
show "koop up --detach"
koop up --detach --quiet --data "$DATA/data" --port 0 --node-port 0
eval "$(koop env --data "$DATA/data")"
GW=$(sed -n 's/^gateway *= *//p' "$KOOP_CONFIG")
run "koop status --data $DATA/data"

say "Store a film by S3, and by hand; each way reads what the other stored."
run "koop-bucket make videos"
run "curl -sS -f -T film.mp4 $GW/videos/film.mp4"
run "koop-encode < film.mp4 | koop-shard-put videos/by-hand.mp4 | koop-commit"
run "koop-shard-get videos/film.mp4 | koop-decode > $DATA/back.mp4"
same
run "curl -sS -f -o $DATA/back.mp4 $GW/videos/by-hand.mp4"
same
run "curl -sS -f '$GW/videos?list-type=2&prefix=film' | grep -o '<Key>.*</Size>'"

say "Where it lies, and what the log says."
run "koop-list videos"
run "koop-locate videos/film.mp4"
run "koop-log | grep PutMessage | cut -c 1-160 | tail -n 2"

say "Seek: any range is read from the cells that hold it, and no others."
run "curl -sS -f -r 100000-199999 $GW/videos/film.mp4 | sha256sum"
run "head -c 200000 film.mp4 | tail -c 100000 | sha256sum"
if command -v ffprobe >/dev/null; then
	run "ffprobe -v error -show_entries format=duration:stream=codec_name -of csv $GW/videos/film.mp4"
fi

say "Pull three plugs of nine."
for n in 1 4 7; do
	run "koop up --data $DATA/data --stop-node $n"
done
run "curl -sS -f -o $DATA/back.mp4 $GW/videos/film.mp4"
same

say "Pull a fourth: too few shards, and Koop says so rather than guess."
run "koop up --data $DATA/data --stop-node 8"
run "curl -sS -w '\nHTTP %{http_code}, %{time_total} s\n' $GW/videos/film.mp4"

say "Put them back: each fetches what it missed, by itself."
for n in 1 4 7 8; do
	run "koop up --data $DATA/data --start-node $n"
done
run "koop status --data $DATA/data --wait full"
run "curl -sS -f -o $DATA/back.mp4 $GW/videos/film.mp4"
same

say "And with no cluster at all: an archive that survives."
run "koop-encode --split '$DATA/film.%d.shard' < film.mp4"
run "rm $DATA/film.2.shard $DATA/film.5.shard $DATA/film.8.shard"
run "koop-decode $DATA/film.*.shard > $DATA/back.mp4"
same
