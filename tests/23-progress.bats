#!/usr/bin/env bats
# The progress line, in a pseudo-terminal.

# shellcheck disable=SC2154 # run sets stderr

load helpers

terminal() {
	TERM=${TERM_TYPE-xterm} python3 "$BATS_TEST_DIRNAME/terminal.py" "$@"
}

setup_file() {
	cat >"$BATS_FILE_TMPDIR/slowly" <<-'EOT'
		import os, time
		while True:
		    block = os.read(0, 1 << 18)
		    if not block:
		        break
		    while block:
		        block = block[os.write(1, block):]
		    time.sleep(0.04)
	EOT
}

@test "progress: the programs of a pipe draw one line" {
	object 12000000 in
	terminal 100 "koop-encode <in | python3 $BATS_FILE_TMPDIR/slowly |
		koop-decode >out" >lines
	cmp in out
	[ "$(wc -l <lines)" -ge 5 ]
	grep -q '^encode: \[=*\.*\] *[0-9]*% .* of 11' lines
	# Who does not know the total may go on with the rest, alone.
	cut -d: -f1 lines | uniq >names
	[ "$(xargs <names)" = encode ] || [ "$(xargs <names)" = 'encode decode' ]
}

@test "progress: the line is cut to the terminal's width, as it is now" {
	object 12000000 in
	terminal 100,30 "koop-encode <in | python3 $BATS_FILE_TMPDIR/slowly" >lines
	sed '/^resized$/,$d' lines >before
	sed '1,/^resized$/d' lines >after
	[ "$(wc -L <before)" -gt 60 ]
	# One line may have been on its way.
	[ "$(wc -l <after)" -ge 4 ]
	tail -n +2 after >rest
	[ "$(wc -L <rest)" -le 29 ]
	grep -q '^encode: *[0-9]*% ' rest
}

@test "progress: what stands is stalled, with no time left" {
	object 12000000 in
	terminal 100 'koop-encode <in | sleep 4' >lines
	grep -q ', stalled$' lines
	run ! grep -q '0:00 left' lines
	mkfifo empty
	terminal 100 'exec 7<>empty; timeout 4 koop-encode <empty >/dev/null' >lines
	grep -q '^encode: 0, 0/s, stalled$' lines
}

@test "progress: nothing where it is not wanted or a terminal is dumb" {
	object 12000000 in
	local slowly="python3 $BATS_FILE_TMPDIR/slowly"
	TERM_TYPE=dumb terminal 100 "koop-encode --progress <in | $slowly" >lines
	[ ! -s lines ]
	terminal 100 "koop-encode -q <in | $slowly | koop-decode -q >out" >lines
	[ ! -s lines ]
	cmp in out
}

@test "progress: a warning has a line of its own" {
	object 12000000 in
	koop-encode --split '%d' <in
	printf X | dd of=5 bs=1 seek=1200000 conv=notrunc status=none
	terminal 100 "koop-decode [0-8] | python3 $BATS_FILE_TMPDIR/slowly" >lines
	grep -q '^decode: ' lines
	grep -q '^koop-decode: 5: stripe [0-9]*: bad cell$' lines
}

@test "progress: an upload has one line, too" {
	cluster_up
	curl -sS -f -X PUT "$GW/films"
	object 12000000 in
	terminal 100 "python3 $BATS_FILE_TMPDIR/slowly <in | koop-encode |
		koop-shard-put films/film | koop-commit" >lines
	[ "$(cut -d: -f1 lines | uniq | wc -l)" -le 2 ]
	terminal 100 "koop-shard-get films/film |
		python3 $BATS_FILE_TMPDIR/slowly | koop-decode >out" >lines
	cmp in out
	[ "$(head -1 lines | cut -d: -f1)" = get ]
	[ "$(cut -d: -f1 lines | uniq | wc -l)" -le 2 ]
	terminal 100 "koop-shard-get -q films/film |
		koop-shard-put -q films/copy | koop-commit" >lines
	[ ! -s lines ]
}
