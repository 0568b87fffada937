#!/usr/bin/env bats
# koop-up(1): a whole cluster on this machine, supervised.

load helpers

@test "up: a small cluster serves, tells its state, and goes down without a trace" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	grep -q "^koop-up: serves S3 on $GW, data in $DATA\$" up.log
	run -0 koop status --data "$DATA" --wait full
	[ "$(grep -c '^node-1\.[0-2] .* running  *[0-9]* *32/32  *0  *0  *[0-9.]*[KMGT]$' \
		<<<"$output")" -eq 3 ]
	[ "${lines[-1]}" = "3 of 3 nodes and 1 of 1 gateways run: all is whole" ]
	[ "$(grep -c '^gateway-0 .* running ' <<<"$output")" -eq 1 ]
	curl -sS -f "$GW/health"
	run -0 koop down --data "$DATA"
	[ -z "$(leftovers "$DATA")" ]
	[ ! -e "$DATA/up.sock" ]
	run -69 --separate-stderr koop status --data "$DATA"
	[ "$output" = "" ]
	[[ "$stderr" == "koop-up: no cluster: none runs in $DATA; start one with koop up, or "* ]]
	run -69 --separate-stderr koop down --data "$DATA"
}

@test "up: what was stored is there after down and up" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1 --durability full
	curl -sS -f -X PUT "$GW/kept"
	object 300000 film 1
	curl -sS -f -T film "$GW/kept/film"
	koop down --data "$DATA"
	koop up --detach --data "$DATA" 3>&- >up.log
	[ "$(conf gateway)" = "$GW" ]
	curl -sS -f -o back "$GW/kept/film"
	cmp film back
}

@test "up: a second one in the same folder is refused, and harms nothing" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	run -75 --separate-stderr koop up --data "$DATA" 3>&-
	[ "$stderr" = "koop-up: a cluster runs in $DATA already; stop it with: koop down --data $DATA, or run another in its own folder with --data" ]
	run -75 --separate-stderr koop up --detach --data "$DATA" 3>&-
	run -0 koop status --data "$DATA" --wait ready
}

@test "up: another shape than the folder's is a usage error" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	run -64 --separate-stderr koop up --data "$DATA" --nodes 9 3>&-
	[[ "$stderr" == "koop-up: --nodes 9: the cluster in $DATA has 3, fixed when it was made; "* ]]
	run -64 --separate-stderr koop up --data new --nodes 8 3>&-
	[[ "$stderr" == "koop-up: "* ]]
}

@test "up: a stopped node stays stopped until it is started" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop up --data "$DATA" --stop-node 1
	koop status --data "$DATA" | grep '^node-1\.1 .* stopped'
	run -64 --separate-stderr koop up --data "$DATA" --stop-node 3
	[ "$stderr" = "koop-up: there is no such node; koop status lists them, numbered from 0" ]
	run -75 --separate-stderr koop status --data "$DATA" --wait full --timeout 1s
	koop up --data "$DATA" --start-node 1
	run -0 koop status --data "$DATA" --wait full
}

# gateway_says WORD: of how it is.
gateway_says() {
	[ "$(told gateway-0 status)" = "$1" ]
}

@test "up: full is what the gateways have seen, too" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	node --stop-node 0
	node --stop-node 1
	until_true gateway_says down
	node --start-node 0
	node --start-node 1
	run -0 koop status --data "$DATA" --wait full
	[[ "$output" == *"gateway-0 "* ]]
	run -1 grep -E 'says: |does not answer' <<<"$output"
	# One that does not answer is nobody's full cluster.
	pid=$(told gateway-0 pid)
	kill -STOP "$pid"
	run -75 koop status --data "$DATA" --wait ready --timeout 1s
	grep -qx '  does not answer' <<<"$output"
	[ "${lines[-2]}" = "3 of 3 nodes and 0 of 1 gateways run: something does not run" ]
	kill -CONT "$pid"
	koop status --data "$DATA" --wait full
}

@test "up: status fits a terminal of 80 columns, and is watched there in place" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	python3 - "$DATA" <<-'END'
		import fcntl, os, pty, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
		    os.execvp("koop", ["koop", "status", "--data", sys.argv[1], "--watch"])
		seen = b""
		while seen.count(b"\033[H\033[J") < 3:
		    seen += os.read(fd, 65536)
		os.write(fd, b"\003")
		while True:
		    try:
		        if not os.read(fd, 65536):
		            break
		    except OSError:
		        break
		os.waitpid(pid, 0)
		first = seen.split(b"\033[H\033[J")[1].decode().splitlines()
		assert len(first) == 6, first
		assert first[0].startswith("NAME "), first
		assert max(map(len, first)) <= 80, first
	END
}

@test "up: status of a cluster that others run" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	cd "$BATS_TEST_TMPDIR" && mkdir elsewhere && cd elsewhere
	sed "s,file:,&$DATA/,; s,sqlite:,&$DATA/," "$KOOP_CONFIG" >koop.conf
	unset KOOP_CONFIG
	run -0 koop status --wait full
	[ "${lines[-1]}" = "3 of 3 nodes and 1 of 1 gateways run: all is whole" ]
	[[ "${lines[1]}" == "node-1.0 "*" running        -    32/32      0       0 "* ]]
	koop up --data "$DATA" --stop-node 1
	run -1 koop status
	grep -A 1 '^node-1.1 .* silent ' <<<"$output" | grep -qx '  does not answer'
	run -1 koop status --json
	[ "$(jq -r '.level, (.programs[1] | .name, .state, .reason)' <<<"$output" |
		tr '\n' ,)" = "broken,node-1.1,silent,does not answer," ]
	run -75 --separate-stderr koop status --wait ready --timeout 200ms
	[ "$stderr" = "koop-up: the cluster is not ready yet; look at the lines above and at the programs' logs" ]
}

@test "up: the shell's KOOP_CONFIG tells whose status it is, from any folder" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	cd / && run -0 koop status
	[ "${lines[-1]}" = "3 of 3 nodes and 1 of 1 gateways run: all is whole" ]
	koop down
	run -69 --separate-stderr koop status
	[[ "$stderr" == "koop-up: no cluster: none runs in $DATA; start one with"* ]]
}

@test "up: what does not run is shown with the last that its log says" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop up --data "$DATA" --stop-node 1
	rm "$DATA/node-1.1/superblock"
	run koop up --data "$DATA" --start-node 1 --timeout 2s
	run -1 koop status --data "$DATA"
	grep -A 3 '^node-1.1 ' <<<"$output" |
		grep -q -- "^  its folder has lost its superblock; .* --replace-node 1\$"
	# What its log says is said where that knows more.
	run -0 koop up --data "$DATA" --stop-node 2
	printf garbage >"$DATA/node-1.2/meta.db"
	run koop up --data "$DATA" --start-node 2 --timeout 2s
	run -1 koop status --data "$DATA"
	grep -A 3 '^node-1.2 ' <<<"$output" |
		grep -q '^  exited with status [0-9]*; its log ends: .*koop-node'
}

@test "up: env survives any folder name" {
	mkdir "it's a \$folder"
	touch "it's a \$folder/koop.conf"
	run -0 koop env --data "it's a \$folder"
	eval "$output"
	[ "$KOOP_CONFIG" = "$BATS_TEST_TMPDIR/it's a \$folder/koop.conf" ]
}

@test "up: commands in the same folder find the cluster without any flag" {
	koop up --detach --nodes 3 --data-shards 2 --parity-shards 1 --port 0 \
		--node-port 0 --durability os 3>&- >up.log
	DATA=$BATS_TEST_TMPDIR/koop-data
	GW=$(sed -n 's/^gateway *= *//p' koop-data/koop.conf)
	curl -sS -f -X PUT "$GW/videos"
	object 200000 film 1
	koop-encode -k 2 -m 1 <film | koop-shard-put videos/film | koop-commit
	koop-shard-get videos/film | koop-decode | cmp - film
}

# up_again [OPTION...]: the same cluster, in the background; says so in out, err.
up_again() {
	koop up --detach --data "$DATA" --durability os "$@" 3>&- >out 2>err
}

@test "up: a lost node folder is said at once, and not filled without being told" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	rm -rf "$DATA/node-1.2"
	run -1 up_again
	grep -qx "koop-up: node-1.2: its folder is lost; mount its disk, or make a new one with: koop up --data $DATA --replace-node 2" err
	grep -q '^koop-up: not all of the cluster runs' err
	grep -qx "koop-up: serves S3 on $GW, data in $DATA, without node-1.2" out
	[ ! -e "$DATA/node-1.2/superblock" ]
	run -1 koop status --data "$DATA"
	grep -A2 '^node-1.2 ' <<<"$output" |
		grep -q -- "^  its folder is lost; .* koop up --data $DATA --replace-node 2\$"
	# The node's own words are no advice for another program.
	grep -q 'By hand, pass .*; under koop up, koop status tells the way' "$DATA/log/node-1.2.log"
	koop down --data "$DATA"
	run -0 up_again --replace-node 2
	[ ! -s err ]
	koop status --data "$DATA" --wait full
}

@test "up: a lost folder is made anew while the cluster runs, and only then" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	curl -sS -f -X PUT "$GW/kept"
	object 300000 film 1
	curl -sS -f -T film "$GW/kept/film"
	node --stop-node 1
	run -64 --separate-stderr koop up --data "$DATA" --replace-node 1
	[ "$stderr" = "koop-up: --replace-node 1: the folder of node-1.1 is not lost" ]
	[ "$output" = "" ]
	rm -rf "$DATA/node-1.1"
	run -64 koop up --data "$DATA" --replace-node 3
	run -0 --separate-stderr koop up --data "$DATA" --replace-node 1
	[[ "$output" == "koop-up: node 1 has a new folder and rebuilds its shards"* ]]
	koop status --data "$DATA" --wait full
	# Only once: what is lost from now on is lost.
	node --stop-node 1
	rm -rf "$DATA/node-1.1"
	koop up --data "$DATA" --start-node 1 --timeout 1s && false
	[ ! -e "$DATA/node-1.1/superblock" ]
}

@test "up: a folder that is made by the first start is not made again after it" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	node --stop-node 0
	rm -rf "$DATA/node-1.0"
	koop up --data "$DATA" --start-node 0 --timeout 1s && false
	[ ! -e "$DATA/node-1.0/superblock" ]
}

@test "up: --replace-node of what is not lost, or not there, does nothing" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	run -64 --separate-stderr koop up --data "$DATA" --replace-node 2
	[ "$stderr" = "koop-up: --replace-node 2: the folder of node-1.2 is not lost; leave the option out" ]
	run -64 --separate-stderr koop up --data "$DATA" --replace-node 3
	[ "$stderr" = "koop-up: --replace-node 3: there is no such node; they are numbered from 0 to 2" ]
	rm "$DATA/node-1.2/superblock"
	run -64 --separate-stderr koop up --data "$DATA" --replace-node 2
	[ "$stderr" = "koop-up: --replace-node 2: $DATA/node-1.2 is not empty; move it away first" ]
	run -64 --separate-stderr koop up --data new --nodes 3 --data-shards 2 \
		--parity-shards 1 --port 0 --node-port 0 --replace-node 0
	[[ "$stderr" == "koop-up: --replace-node 0: the cluster in "*"/new is only being made; leave the option out" ]]
}

@test "up: each kind of wrong node folder is named, with the way out" {
	cluster_up --nodes 6 --data-shards 4 --parity-shards 2
	koop down --data "$DATA"
	rm "$DATA/node-1.0/superblock"
	sed -i 's/"set":1/"set":2/' "$DATA/node-1.1/superblock"
	mv "$DATA/node-1.2" away
	: >"$DATA/node-1.2"
	mv "$DATA/node-1.3" swap
	mv "$DATA/node-1.4" "$DATA/node-1.3"
	mv swap "$DATA/node-1.4"
	koop up --data other --nodes 3 --data-shards 2 --parity-shards 1 --port 0 \
		--node-port 0 --durability os --detach 3>&- >/dev/null
	koop down --data other
	# The same place of another cluster.
	mv "$DATA/node-1.1" damaged
	mv other/node-1.1 "$DATA/node-1.1"
	# Too few nodes are left for gateways to begin.
	run ! up_again --timeout 5s
	cat err
	grep -q "^koop-up: node-1.0: its folder has lost its superblock; bring it back .* --replace-node 0\$" err
	grep -q "^koop-up: node-1.1: its folder belongs to another cluster ([0-9a-f]*); .* --replace-node 1\$" err
	grep -q "^koop-up: node-1.2: its folder cannot be read (.*Not a directory); .* --replace-node 2\$" err
	grep -q "^koop-up: node-1.3: its folder is that of node-1.4; move each to its own name in $DATA\$" err
	grep -q "^koop-up: node-1.4: its folder is that of node-1.3; " err
	koop down --data "$DATA"
	rm -rf "$DATA/node-1.1"
	mv damaged "$DATA/node-1.1"
	run ! up_again --timeout 5s
	grep -q "^koop-up: node-1.1: its folder has a damaged superblock; " err
}

@test "up: a lost commit log or topology is named, and nothing is made anew" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	mv "$DATA/topology.json" kept.json
	run -66 --separate-stderr koop up --data "$DATA"
	[ "$stderr" = "koop-up: topology.json of the cluster in $DATA is lost: it says where everything lies; bring it back from a copy, or begin anew in another folder with --data" ]
	[ ! -e "$DATA/topology.json" ]
	mv kept.json "$DATA/topology.json"
	rm "$DATA"/commit.db*
	run -66 --separate-stderr koop up --detach --data "$DATA" 3>&-
	[[ "$stderr" == "koop-up: commit.db of the cluster in $DATA is lost: "* ]]
	[ ! -e "$DATA/commit.db" ]
}

@test "up: taken ports are named, with what can be done" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	port=${GW##*:}
	node=$(jq -r '.programs[0].address' <<<"$(koop status --data "$DATA" --json)")
	run -69 --separate-stderr koop up --data new --nodes 3 --data-shards 2 \
		--parity-shards 1 --port "$port" --node-port 0
	[ "$stderr" = "koop-up: port $port is taken, perhaps by another cluster; stop that, or take free ports with --port 0 --node-port 0" ]
	# Two folders of one cluster's ports, as a copy is.
	cp -r "$DATA" copy
	run -69 --separate-stderr koop up --data copy
	[ "$stderr" = "koop-up: port ${node##*:} is taken, which this cluster had for a node; stop what listens there (ss -ltnp 'sport = :${node##*:}' shows it)" ]
}

@test "up: the folder of another user is left alone" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	if [ "$(id -u)" -eq 0 ]; then
		chown 65534 "$DATA/up.lock"
		DIR=$DATA
	else
		DIR=/usr
	fi
	for flag in --quiet --detach; do
		run -77 --separate-stderr koop up "$flag" --data "$DIR"
		[[ "$stderr" == "koop-up: $DIR belongs to user "[0-9]*"; run koop up as that user, or choose another folder with --data" ]]
	done
}

# at_terminal COMMAND...: in a terminal of 24 rows and 80 columns, what it shows.
at_terminal() {
	cat >terminal.py <<-'END'
		import fcntl, os, pty, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
		    os.execvp(sys.argv[1], sys.argv[1:])
		seen = b""
		while True:
		    try:
		        more = os.read(fd, 65536)
		    except OSError:
		        break
		    if not more:
		        break
		    seen += more
		os.waitpid(pid, 0)
		sys.stdout.write(seen.decode().replace("\r\n", "\n"))
	END
	python3 terminal.py "$@" 3>&-
}

@test "up: who starts it at a terminal is told what comes next, on one screen" {
	mkdir "it's"
	DATA="$BATS_TEST_TMPDIR/it's/k"
	at_terminal koop up --detach --data "$DATA" --port 0 --node-port 0 >seen
	cat seen
	[ "$(wc -l <seen)" -lt 24 ]
	grep -q '^koop-up: serves S3 on http://127.0.0.1:[0-9]*, data in ' seen
	grep -qx '  koop status  *how it is' seen
	grep -q '^  koop bucket make ' seen
	grep -q '^  koop help tutorial ' seen
	# The line that it shows is one that a shell takes.
	eval "$(grep '^  eval ' seen)"
	[ "$KOOP_CONFIG" = "$DATA/koop.conf" ]
	koop status --json | jq -e '.programs[0].since > 1000000000'
	koop down --data "$DATA"
	run ! grep -q 'PATH=' seen
	# A tree that is not installed is not in PATH, as after "make up".
	(
		bin=$BIN PATH=/usr/bin:/bin
		at_terminal "$bin/koop" up --detach --data "$DATA" >seen
		eval "$(grep -E '^  (PATH=|eval )' seen)"
		[ "$(command -v koop-list)" = "$bin/koop-list" ]
		koop down --data "$DATA"
	)
	# Not for programs, and not with --quiet.
	koop up --detach --data "$DATA" 3>&- >seen
	run ! grep -q 'koop help' seen
	koop down --data "$DATA"
	at_terminal koop up --quiet --detach --data "$DATA" >seen
	[ "$(wc -l <seen)" -eq 1 ]
}

@test "up: Ctrl-C in the foreground stops all of it" {
	koop up --nodes 3 --data-shards 2 --parity-shards 1 --port 0 \
		--node-port 0 --durability os 3>&- >out 2>&1 &
	pid=$!
	until grep -q '^koop-up: serves' out; do
		kill -0 "$pid"
		read -r -t 0.05 <> <(:) || true
	done
	kill -INT "$pid"
	wait "$pid"
	DATA=$BATS_TEST_TMPDIR/koop-data
	[ -z "$(leftovers "$DATA")" ]
	grep -q '^node-1.0 .* stopped$' out
}

# supervisor: its process id.
supervisor() {
	local pid
	for pid in $(leftovers "$DATA"); do
		grep -qz -- '^--detach$' "/proc/$pid/cmdline" && echo "$pid"
	done
	return 0
}

# more_starts: node 1 was started again since it was counted.
more_starts() {
	[ "$(grep -c '^node-1.1 .* is started again' "$DATA/koop-up.log")" -gt "$again" ]
}

@test "up: who waits for a supervisor that is killed learns how it ended" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	koop down --data "$DATA"
	# A lost folder is not filled by itself: who starts its node waits.
	mv "$DATA/node-1.1" away
	run -1 up_again
	koop up --data "$DATA" --start-node 1 3>&- >out 2>&1 &
	pid=$!
	again=$(grep -c '^node-1.1 .* is started again' "$DATA/koop-up.log")
	until_true more_starts
	kill -KILL "$(supervisor)"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 75 ]
	cat out
	grep -Eq '^koop-up: the supervisor ended( \(killed by signal 9\))? before it had answered; its log ends: node-1.1 ' out
}

@test "up: after down the next one can be started at once" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	for _ in 1 2 3 4 5; do
		koop down --data "$DATA"
		koop up --detach --data "$DATA" --durability os 3>&- >up.log
	done
}

# folder_gone: the cluster of $DATA, whose folder was removed, has ended.
folder_gone() { [ -z "$(leftovers "$DATA")" ]; }

@test "up: a cluster whose folder is removed stops by itself" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	[ -n "$(leftovers "$DATA")" ]
	until rm -rf "$DATA"; do :; done
	until_true folder_gone
}

@test "up: in the foreground it says that its folder is gone" {
	koop up --nodes 3 --data-shards 2 --parity-shards 1 --port 0 \
		--node-port 0 --durability os 3>&- >out 2>err &
	pid=$!
	until_true grep -q '^koop-up: serves' out
	until rm -rf koop-data; do :; done
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 1 ]
	grep -q '^koop-up: the data folder is gone' err
}

@test "up: the demo stops what it began, to the end and when it is cut off" {
	mkdir tmp
	TMPDIR=$PWD/tmp "$ROOT/examples/demo.sh" 3>&- 4>&- >out 2>&1
	grep -q 'an archive that survives' out
	[ -z "$(ls tmp)" ]
	[ -z "$(leftovers "$PWD/tmp")" ]
	# A shell without bats's traps waits for it.  Its output has a file of its
	# own: the words of the first would let the signal come before the trap.
	TMPDIR=$PWD/tmp bash -c '"$0" >out2 2>&1 & echo $! >pid
		wait $!; echo $? >code' "$ROOT/examples/demo.sh" 3>&- 4>&- &
	until_true grep -q 'Store a film' out2
	kill -TERM "$(cat pid)"
	until_true test -s code
	[ "$(cat code)" -eq 1 ]
	[ -z "$(ls tmp)" ]
	[ -z "$(leftovers "$PWD/tmp")" ]
}
