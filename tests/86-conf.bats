#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop.conf: a cluster of daemons that have a file each, and koop up's own.

load helpers

setup() { cd "$BATS_TEST_TMPDIR" || return; }

teardown() {
	local pid
	for pid in $(jobs -p); do
		[ "$pid" = "${BATS_killer_pid:-}" ] || kill "$pid" 2>/dev/null || true
	done
	cluster_down
}

# begin NAME PROGRAM: run it by its file, NAME.conf, until it serves; ADDRESS is
# where.
begin() {
	mkfifo "$1.ready"
	"$2" --config "$1.conf" --ready-fd 9 9>"$1.ready" 2>"$1.log" \
		3>&- 4>&- &
	read -r -t 20 _ ADDRESS <"$1.ready"
}

# free_ports N: as many that nobody listens at.
free_ports() {
	python3 - "$1" <<-'END'
		import socket, sys
		held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
		print(*[s.getsockname()[1] for s in held])
	END
}

@test "conf: nine nodes and two gateways are set up by a file each" {
	local i ports
	read -r -a ports <<<"$(free_ports 11)"
	koop-topology make --node-port 8001 >made.json
	python3 - "${ports[@]}" <<-'END'
		import json, sys
		t = json.load(open("made.json"))
		for m, port in zip(t["erasure_sets"][0]["machines"], sys.argv[1:]):
		    m["port"] = int(port)
		json.dump(t, open("topology.json", "w"))
	END
	koop-log --commit-log sqlite:commit.db --topology file:topology.json create
	for i in 0 1 2 3 4 5 6 7 8; do
		cat >"node-$i.conf" <<-END
			topology = file:topology.json
			commit-log = sqlite:commit.db
			durability = os
			log-format = json

			[koop-gw]
			listen = 127.0.0.1:1   # not for a node

			[koop-node]
			node = 1/$i
			listen = 127.0.0.1:${ports[i]}
			data-dir = disk-$i
			max-connections = 700
			reserve = 2M
			gc-grace = 2h
		END
		koop-node --config "node-$i.conf" --init --check
		begin "node-$i" koop-node
		[ "$ADDRESS" = "127.0.0.1:${ports[i]}" ]
		[ -e "disk-$i/superblock" ]
	done
	for i in 0 1; do
		cat >"gw-$i.conf" <<-END
			topology = file:topology.json
			commit-log = sqlite:commit.db
			durability = os

			[koop-gw]
			listen = 127.0.0.1:${ports[9 + i]}
			session-cache = sqlite:session.db
			max-connections = 300
			region = eu-koop-$i
		END
		begin "gw-$i" koop-gw
		[ "$ADDRESS" = "127.0.0.1:${ports[9 + i]}" ]
	done
	curl -fsS -X PUT "http://127.0.0.1:${ports[9]}/films"
	seq 100000 >film
	curl -fsS -T film "http://127.0.0.1:${ports[10]}/films/film"
	curl -fsS "http://127.0.0.1:${ports[9]}/films/film" | cmp - film
	# Programs of the shell take what is shared from any of them.
	run -0 koop-list --config gw-1.conf films/
	[[ "$output" == *\"key\":\"films/film\"* ]]
	run -0 koop-node --config node-3.conf --print-config
	[[ "$output" == *"max-connections = 700  # $PWD/node-3.conf:"* ]]
	[[ "$output" == *"data-dir = $PWD/disk-3  # $PWD/node-3.conf:"* ]]
	grep -q '^{' node-3.log
}

@test "conf: a key that the program does not use stops it, and is named" {
	printf 'data-dir = x\n' >a.conf
	run -78 --separate-stderr koop-node --config a.conf
	[ "$stderr" = "koop-node: a.conf:1: data-dir: not shared by all programs; it belongs below a line [koop-node]" ]
	printf '\n[koop-gw]\ndata-dir = x\n' >b.conf
	run -78 --separate-stderr koop-gw --config b.conf
	[ "$stderr" = "koop-gw: b.conf:3: data-dir: no such key of [koop-gw]; koop-gw --print-config lists them" ]
	for key in anonymous credentials domain; do
		printf '[koop-gw]\n%s = no\n' "$key" >c.conf
		run -78 --separate-stderr koop-gw --config c.conf
		[[ "$stderr" == *"c.conf:2: $key: no such key of [koop-gw]"* ]]
	done
}

@test "conf: koop up obeys its file, and its programs theirs" {
	cat >koop.conf <<-'END'
		log-format = json
		durability = os

		[koop-up]
		data = cluster
		data-shards = 4
		parity-shards = 2
		gateways = 2
		port = 0
		node-port = 0

		[koop-node]
		gc-grace = 25h
		max-connections = 77
	END
	DATA=$PWD/cluster
	run -0 koop up --detach 3>&- 4>&-
	[[ "$output" == *"data in $DATA"* ]]
	[ "$(jq -c \
		'.erasure_sets[0] | [.n, .m]' cluster/topology.json)" = '[6,4]' ]
	[ "$(grep -c '^gateway = http://127.0.0.1:' cluster/koop.conf)" -eq 2 ]
	[ "$(grep -xc 'durability = os' cluster/koop.conf)" -eq 1 ]
	grep -q '^{' cluster/log/node-1.0.log
	pid=$(pgrep -f "koop-node --listen=.*$DATA/node-1.0 ")
	tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qx -- "--config=$PWD/koop.conf"
	run -0 koop status
	[ "$(grep -c 'node-1' <<<"$output")" -eq 6 ]
	koop down
	# A flag goes before it; a shape cannot change any more.
	run -64 --separate-stderr koop up --detach --data-shards 3
	[[ "$stderr" == "koop-up: --data-shards 3: the cluster in $DATA has 4, fixed when"* ]]
	sed -i 's/data-shards = 4/data-shards = 5/' koop.conf
	run -78 --separate-stderr koop up --detach
	[[ "$stderr" == "koop-up: $PWD/koop.conf:6: data-shards 5: the cluster in $DATA has 4, fixed when"* ]]
}

@test "conf: koop up does not take the shape of a cluster that the shell is set to" {
	mkdir other
	printf 'durability = os\n[koop-up]\nnodes = 12\nport = 0\n' >other/koop.conf
	run -0 --separate-stderr env KOOP_CONFIG="$PWD/other/koop.conf" \
		koop up --print-config
	[[ "$output" == *"durability = full  # default"* ]]
	run -0 --separate-stderr koop-up --config other/koop.conf --print-config
	[[ "$output" == *"nodes = 12  # $PWD/other/koop.conf:3"* ]]
}

@test "conf: a variable of other software gives way to the file, and is named" {
	printf '[koop-gw]\nsession-cache = sqlite:s.db\n' >gw.conf
	run -0 env REDIS_URL=redis://elsewhere koop-gw --config gw.conf \
		--print-config
	[[ "$output" == *"session-cache = sqlite:$PWD/s.db  # $PWD/gw.conf:2"* ]]
	run -78 --separate-stderr env REDIS_URL=redis://elsewhere koop-gw
	[ "$stderr" = 'koop-gw: REDIS_URL: "redis://elsewhere": want sqlite:PATH' ]
	run -78 --separate-stderr env ETCD_URL=http://elsewhere koop-list b/
	[ "$stderr" = 'koop-list: ETCD_URL: "http://elsewhere": want file:PATH' ]
	run -0 env ETCD_URL=http://elsewhere KOOP_TOPOLOGY=file:t.json \
		koop-list --print-config
	[[ "$output" == *"topology = file:t.json  # KOOP_TOPOLOGY"* ]]
}

@test "conf: SIGHUP takes a log level at once, and tells of what must wait" {
	DATA=$BATS_TEST_TMPDIR/data
	printf '[koop-node]\ngc-grace = 1h\n' >koop.conf
	koop up --detach --port 0 --node-port 0 --data "$DATA" --durability os \
		3>&- 4>&-
	pid=$(pgrep -f "koop-node --listen=.*$DATA/node-1.0 ")
	printf 'log-level = debug\n[koop-node]\ngc-grace = 2h\n' >koop.conf
	kill -HUP "$pid"
	until_true grep -q "node: reloaded the topology and $PWD/koop.conf: log-level debug (was info); needs a restart: gc-grace$" \
		"$DATA/log/node-1.0.log"
	# It is one line, and says so until it is true no more.
	kill -HUP "$pid"
	until_true grep -q "koop.conf: no change; needs a restart: gc-grace$" \
		"$DATA/log/node-1.0.log"
	printf 'log-level = debug\n[koop-node]\ngc-grace = 1h\n' >koop.conf
	kill -HUP "$pid"
	until_true grep -q "koop.conf: no change$" "$DATA/log/node-1.0.log"
	printf 'log-level = loud\n' >koop.conf
	kill -HUP "$pid"
	until_true grep -q 'koop.conf:1: log-level: "loud": want error, warn, info or debug; nothing of it is used$' \
		"$DATA/log/node-1.0.log"
}

@test "conf: what is refused later than it is read names the line, too" {
	printf 'topology = file:t\ncommit-log = sqlite:c\n[koop-gw]\nlisten = nowhere\n' >a.conf
	run -78 --separate-stderr koop-gw --config a.conf
	[[ "$stderr" == "koop-gw: $PWD/a.conf:4: listen nowhere: "* ]]
	sed -i 's/listen = nowhere/region = Here/' a.conf
	run -78 --separate-stderr koop-gw --config a.conf
	[[ "$stderr" == "koop-gw: $PWD/a.conf:4: region Here: only a-z"* ]]
	run -78 --separate-stderr env KOOP_REGION=There koop-gw --config a.conf
	[[ "$stderr" == "koop-gw: KOOP_REGION There: only a-z"* ]]
	printf 'topology = file:t\ncommit-log = sqlite:c\n[koop-node]\ndata-dir = d\nnode = 7\n' >b.conf
	run -78 --separate-stderr koop-node --config b.conf
	[ "$stderr" = "koop-node: $PWD/b.conf:5: node 7: not of the form SET/INDEX" ]
}

@test "conf: a gateway takes another idle timeout while it runs" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1
	cp "$DATA/koop.conf" gw.conf
	sed -i "s,:\([a-z]*\.\(json\|db\)\),:$DATA/\1," gw.conf
	printf '[koop-gw]\nlisten = 127.0.0.1:0\nidle-timeout = 1h\naccess-log = seen.log\n' >>gw.conf
	begin gw koop-gw
	[ -e seen.log ] # beside its file, as all paths in it
	pid=$!
	exec 7<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS#*:}"
	printf 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n' >&7
	read -r -t 10 -u 7 line
	[[ "$line" == "HTTP/1.1 200"* ]]
	sed -i 's/1h/1s/' gw.conf
	kill -HUP "$pid"
	until_true grep -q "gw.conf: idle-timeout 1s (was 3600s)$" gw.log
	timeout 20 cat <&7 >/dev/null # its end: the gateway has closed it
	exec 7>&-
}

@test "conf: [koop-gw] counts for the gateways of koop up, and the shape for koop-encode" {
	printf '[koop-up]\ndata-shards = 2\nparity-shards = 1\nport = 0\nnode-port = 0\n[koop-gw]\ninline-limit = 0\ncell-size = 4K\n' >koop.conf
	DATA=$PWD/koop-data
	koop up --detach --durability os 3>&- 4>&- >up.log
	rm koop.conf
	GW=$(sed -n 's/^gateway = //p' koop-data/koop.conf)
	curl -fsS -X PUT "$GW/films"
	seq 1000 | curl -fsS -T - "$GW/films/small"
	run -0 koop-stat films/small
	[[ "$output" == *'"geometry":"2+1/4096"'* ]]
	seq 50000 >film
	koop-encode <film | koop-shard-put films/film | koop-commit
	koop-shard-get films/film | koop-decode | cmp - film
	run -0 koop-gw --print-config
	[[ "$output" == *"session-cache = sqlite:$DATA/session.db  # "* ]]
}
