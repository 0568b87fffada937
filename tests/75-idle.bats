#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Connections that nobody uses: those of clients shut nobody out, and those to
# nodes that have hung up are closed.

# shellcheck disable=SC2154

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	curl -sS -f -X PUT "$GW/idle"
}

# gateway: its process id.
gateway() {
	told gateway-0 pid
}

# hold COUNT: opens so many connections to the gateway, of which each second one
# asks for something first, says so in ./held, and keeps them until ./stop is
# there.
hold() {
	python3 - "${GW#http://}" "$1" 3>&- 4>&- <<-'PY' &
		import os, socket, sys, time
		host, port = sys.argv[1].split(":")
		held, asked = [], 0
		for i in range(int(sys.argv[2])):
		    s = socket.create_connection((host, int(port)), 10)
		    if i % 2:
		        s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		        s.settimeout(10)
		        try:
		            asked += s.recv(4096).startswith(b"HTTP/1.1 200")
		        except OSError:
		            pass
		    held.append(s)
		with open("held.new", "w") as f:
		    f.write("%d\n" % asked)
		os.rename("held.new", "held")
		while not os.path.exists("stop"):
		    time.sleep(0.05)
	PY
}

@test "idle: as many idle clients as there may be connections shut nobody out" {
	echo there >object
	curl -sS -f -T object "$GW/idle/object"
	hold 1024
	until_true test -s held
	# Those who asked among them were served, too.
	[ "$(cat held)" -ge 500 ]
	for ((i = 0; i < 50; i++)); do
		code=$(curl -sS --max-time 5 -o got -w '%{http_code}' "$GW/idle/object")
		[ "$code" = 200 ]
		cmp object got
	done
	curl -sS -f --max-time 5 -T object "$GW/idle/other"
	: >stop
	wait
}

# hung_up: how many sockets of the gateway the other side has closed.
hung_up() {
	python3 - "$pid" <<-'PY'
		import os, sys
		pid = sys.argv[1]
		mine = set()
		for fd in os.listdir("/proc/%s/fd" % pid):
		    try:
		        name = os.readlink("/proc/%s/fd/%s" % (pid, fd))
		    except OSError:
		        continue
		    if name.startswith("socket:["):
		        mine.add(name[8:-1])
		count = 0
		with open("/proc/%s/net/tcp" % pid) as f:
		    for line in list(f)[1:]:
		        field = line.split()
		        count += field[3] == "08" and field[9] in mine
		print(count)
	PY
}

none_hung_up() { [ "$(hung_up)" -eq 0 ]; }

@test "idle: a gateway keeps no connection that a node has closed" {
	pid=$(gateway)
	object 3000000 film 1
	curl -sS -f -T film "$GW/idle/film"
	for ((i = 0; i < 16; i++)); do
		curl -sS -f -o "got$i" "$GW/idle/film" 3>&- &
	done
	wait
	# Frozen, it cannot close: what the nodes hang up on is there to be seen.
	kill -STOP "$pid"
	node --stop-node 1
	[ "$(hung_up)" -gt 0 ]
	kill -CONT "$pid"
	# Nobody asks for anything.
	until_true none_hung_up
	node --start-node 1
	curl -sS -f -o got "$GW/idle/film"
	cmp film got
}
