#!/usr/bin/env bats
# One storage node, by hand: its command line, its data directory, and the
# shard API as curl sees it.

# stderr is bats's; each test is its own shell.
# shellcheck disable=SC2154,SC2030,SC2031

load helpers

teardown() {
	local pid
	keep_logs
	for pid in $(leftovers "$BATS_TEST_TMPDIR"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	cluster_down
}

# make_set: topology and log of a set of three, and what names them.
make_set() {
	koop-topology make --data-shards 2 --parity-shards 1 \
		--write-quorum 3 --partitions 4 >topology.json
	URLS=(--topology "file:$PWD/topology.json"
		--commit-log "sqlite:$PWD/commit.db")
	koop-log create "${URLS[@]}" >/dev/null
	CLUSTER=$(koop-log --commit-log "sqlite:$PWD/commit.db" --limit 1 |
		jq -r .record.cluster)
	TO="X-Koop-To: $CLUSTER/1/0"
}

# node_up [OPTION...]: machine 0 on a free port; sets NODE and PID.
node_up() {
	mkfifo -m 600 ready 2>/dev/null || true
	koop-node "${URLS[@]}" --data-dir "$PWD/node" --node 1/0 \
		--listen 127.0.0.1:0 --ready-fd 7 --durability os "$@" \
		7>ready 2>>node.log 3>&- &
	PID=$!
	NODE=$(ready_wait ready)
}

node_down() {
	kill -TERM "$PID"
	wait "$PID"
}

# call STATUS [CURL-ARGUMENT...]: a request to the node; body and headers in
# files of these names.
call() {
	local want=$1 got
	shift
	got=$(curl -sS -D headers -o body -H "$TO" --max-time 20 \
		-w '%{http_code}' "$@")
	[ "$got" = "$want" ] || {
		echo "$got, not $want: $*; $(head -c 300 body)" >&2
		return 1
	}
}

header() {
	tr -d '\r' <headers | sed -n "s/^$1: //Ip"
}

# eventually COMMAND...: within half a minute.
eventually() {
	local end=$((SECONDS + 30))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# shards FILE: the three shard files of a blob, s.0 to s.2, its id in ID.
shards() {
	koop-encode --data-shards 2 --parity-shards 1 --cell-size 4K \
		--split s.%d <"$1" 2>/dev/null
	ID=$(strings s.0 | sed -n 's/^request_id=//p' | head -n 1)
}

@test "node: a new data directory needs --init, and only once" {
	make_set
	mkdir node
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 1/0 -n
	[[ $stderr == *--init* ]]
	run -0 koop-node "${URLS[@]}" --data-dir "$PWD/node" --node 1/0 \
		--init -n
	[ "$output" = "koop-node: the configuration is good" ]
	run -0 koop-node "${URLS[@]}" --data-dir "$PWD/node" --node 1/0 -n
}

@test "node: another machine's data directory is refused" {
	make_set
	koop-node "${URLS[@]}" --data-dir "$PWD/node" --node 1/0 --init -n
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 1/1 -n
	[[ $stderr == "koop-node: "* ]]
}

@test "node: a data directory that is open is refused" {
	make_set
	node_up --init
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 1/0 --listen 127.0.0.1:0
	node_down
}

@test "node: it listens on loopback addresses only" {
	make_set
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 1/0 --init --listen 0.0.0.0:0
	[[ $stderr == *loopback* ]]
	[ ! -e node ]
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 1/0 --init --listen nonsense
	run -78 --separate-stderr koop-node "${URLS[@]}" \
		--data-dir "$PWD/node" --node 9/0 --init
	[[ $stderr == *"no such machine"* ]]
}

@test "node: without topology, log, directory or place it says what is missing" {
	make_set
	run -78 --separate-stderr koop-node
	[[ $stderr == *--topology* ]]
	run -78 --separate-stderr koop-node "${URLS[@]}" --node 1/0
	[[ $stderr == *--data-dir* ]]
	run -78 --separate-stderr koop-node "${URLS[@]}" --data-dir node
	[[ $stderr == *--listen* ]]
	run -64 --separate-stderr koop-node --init --replace
}

@test "node: health tells cluster, place and votes; SIGTERM ends it with 0" {
	make_set
	node_up --init
	curl -sS -f "http://$NODE/health" >health
	[ "$(jq -r .cluster health)" = "$CLUSTER" ]
	[ "$(jq -r '"\(.set)/\(.index)/\(.count)"' health)" = 1/0/4 ]
	curl -sS -f "http://$NODE/metrics" | grep -q '^koop_node_partitions 4$'
	kill -USR1 "$PID"
	kill -HUP "$PID"
	node_down
	grep -q 'partitions=4' node.log
	grep -q reloaded node.log
}

@test "node: a request that is meant for another machine is a 421" {
	make_set
	node_up --init
	TO="X-Koop-To: $CLUSTER/1/1"
	call 421 "http://$NODE/bucket/0/b"
	grep -q "$CLUSTER/1/0" body
	TO='X-Nothing: 1'
	call 421 "http://$NODE/bucket/0/b"
	call 200 "http://$NODE/health"
	node_down
}

# slow_bodies: PUT s.0 to s.2 of four blobs, but not to their ends; then end the
# first, and say what came of it.
slow_bodies() {
	cat >slow.py <<'END'
import socket, sys
host, to, ids = sys.argv[1], sys.argv[2], sys.argv[3:]
address = host.rsplit(":", 1)
slow = []
for number in ids:
    body = open("shard." + number, "rb").read()
    s = socket.create_connection((address[0], int(address[1])), 20)
    s.sendall((f"PUT /store/0/b/k?requestId={number}&shard=0 HTTP/1.1\r\n"
               f"Host: a\r\n{to}\r\nContent-Length: {len(body)}\r\n\r\n")
              .encode() + body[:1000])
    slow.append((s, body))
print("sent", flush=True)
sys.stdin.readline()
slow[0][0].sendall(slow[0][1][1000:])
print(slow[0][0].recv(12).decode(), flush=True)
sys.stdin.readline()
END
	python3 slow.py "$NODE" "$TO" "$@"
}

@test "node: shards that arrive slowly leave connections to readers" {
	make_set
	node_up --init --max-connections 8
	object 100000 film
	ids=()
	for i in 1 2 3 4; do
		shards film
		mv s.0 "shard.$ID"
		ids+=("$ID")
	done
	# Half of eight, as of two gateways that do not know of each other.
	coproc SLOW { slow_bodies "${ids[@]}" 3>&-; }
	read -r -t 20 line <&"${SLOW[0]}"
	arriving() {
		curl -sS "http://$NODE/metrics" | grep -q "^koop_node_shards{state=\"uploading\"} $1\$"
	}
	eventually arriving 4
	shards film
	call 503 "http://$NODE/store/0/b/k?requestId=$ID&shard=0" -T s.0
	grep -q '4 shards are arriving, and the other connections are for reads' body
	# Rows, lists and shards are read all the while.
	for i in 1 2 3; do
		call 404 "http://$NODE/store/0/b/k"
		call 200 "http://$NODE/health"
	done
	# One ends, and there is a place.
	echo >&"${SLOW[1]}"
	read -r -t 20 line <&"${SLOW[0]}"
	[ "$line" = "HTTP/1.1 200" ]
	call 200 "http://$NODE/store/0/b/k?requestId=$ID&shard=0" -T s.0
	echo >&"${SLOW[1]}"
	node_down
}

@test "node: unknown paths, methods, partitions and ids are told apart" {
	make_set
	node_up --init
	call 404 "http://$NODE/nothing"
	call 404 "http://$NODE/stored/1/b/k"
	call 405 -X DELETE "http://$NODE/bucket/0/b"
	call 421 "http://$NODE/bucket/99/b"
	call 400 "http://$NODE/bucket/x/b"
	call 400 "http://$NODE/store/0/b/k?requestId=12"
	call 400 "http://$NODE/store/0/b/%ff"
	call 400 "http://$NODE/applied/0"
	call 400 "http://$NODE/list?prefix=a"
	node_down
}

@test "node: a shard is stored once, and read back whole and in ranges" {
	make_set
	node_up --init
	object 100000 data
	shards data
	url="http://$NODE/store/0/b/k?requestId=$ID"
	call 404 "$url"
	call 200 -T s.0 "$url&shard=0"
	call 200 "$url"
	cmp body s.0
	[ "$(header X-Koop-Shard)" = 0 ]
	call 206 -H 'Range: bytes=512-4639' "$url"
	cmp body <(tail -c +513 s.0 | head -c 4128)
	[ "$(header Content-Range)" = "bytes 512-4639/$(stat -c %s s.0)" ]
	call 416 -H 'Range: bytes=9999999-' "$url"
	# The same again, sent in chunks.
	call 200 -T - -H 'Transfer-Encoding: chunked' "$url&shard=0" <s.0
	node_down
	node_up
	call 200 "http://$NODE/store/0/b/k?requestId=$ID"
	cmp body s.0
	node_down
}

@test "node: what is no whole shard is refused, and leaves nothing" {
	make_set
	node_up --init
	object 100000 data
	shards data
	url="http://$NODE/store/0/b/k?requestId=$ID"
	call 400 -T s.1 "$url&shard=0"
	call 400 -T s.1 "$url&shard=1"
	grep -q 'holds shard 0' body
	call 400 -T s.0 "$url"
	head -c 50000 s.0 >torn
	call 400 -T torn "$url&shard=0"
	cp s.0 bad
	printf x | dd of=bad bs=1 seek=9000 conv=notrunc status=none
	call 400 -T bad "$url&shard=0"
	cat s.0 s.0 >twice
	call 400 -T twice "$url&shard=0"
	call 400 -X PUT "$url&shard=0"
	call 404 "$url"
	[ -z "$(find node/shards -type f)" ]
	call 200 -T s.0 "$url&shard=0"
	node_down
}

@test "node: other bytes under a stored id are a 409, and change nothing" {
	make_set
	node_up --init
	object 100000 one 1
	object 100000 two 2
	shards one
	mv s.0 first
	koop-encode --data-shards 2 --parity-shards 1 --cell-size 4K \
		--request-id "$ID" --split s.%d <two 2>/dev/null
	url="http://$NODE/store/0/b/k?requestId=$ID"
	call 200 -T first "$url&shard=0"
	call 409 -T s.0 "$url&shard=0"
	call 200 "$url"
	cmp body first
	node_down
}

@test "node: a node that is alone votes, and says 404 with its position" {
	make_set
	node_up --init
	curl -sS -N -H "$TO" --max-time 20 "http://$NODE/applied?sender=x" \
		>stream 2>/dev/null 3>&- &
	call 404 "http://$NODE/store/0/b/k"
	[ "$(header X-Koop-Voting)" = 1 ]
	[ "$(header X-Koop-Bucket)" = none ]
	[ "$(header X-Koop-Applied)" = 0 ]
	[ "$(header X-Koop-Row-Seq)" = 0 ]
	[[ $(header X-Koop-Hash) =~ ^[0-9a-f]{64}$ ]]
	[[ $(header X-Koop-Disk) =~ ^[0-9a-f]{32}$ ]]
	call 404 "http://$NODE/bucket/0/b"
	call 200 "http://$NODE/applied"
	[ "$(head -n 2 body)" = "$(printf 'voting 0 1\nposition 0 0')" ]
	call 504 "http://$NODE/applied/0?seq=7&timeout=1"
	call 504 "http://$NODE/applied/0?requestId=0190a1b2c3d47ef08123456789abcdef&timeout=1"
	call 200 "http://$NODE/list?bucket=b"
	[ "$(jq -r .end body)" = true ]
	call 200 "http://$NODE/buckets"
	call 503 "http://$NODE/list?bucket=b&at=0:5&timeout=1"
	call 200 "http://$NODE/snapshot/0"
	[ "$(tail -n 1 body | jq -r .sha256)" = "$(head -n -1 body |
		sha256sum | cut -d ' ' -f 1)" ]
	node_down
	grep -q '^position 0 0$' stream
	grep -q '^voting 3 1$' stream
}

@test "node: metadata, outcomes and lists of objects that gateways wrote" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1 \
		--write-quorum 3
	curl -sS -f -X PUT "$GW/films"
	object 300000 big
	object 100 small
	curl -sS -f -T big "$GW/films/dir/big%20one"
	curl -sS -f -T small "$GW/films/small" -H 'x-amz-meta-who: me'
	CLUSTER=$(conf cluster)
	inline=0
	for i in 0 1 2; do
		TO="X-Koop-To: $CLUSTER/1/$i"
		NODE=$(jq -r ".erasure_sets[0].machines[$i]|\"\(.ip):\(.port)\"" \
			"$DATA/topology.json")
		p=$(python3 -c 'import zlib
print(zlib.crc32(b"films/small") % 32, zlib.crc32(b"films/dir/big one") % 32)')
		part=${p% *}
		call 200 -I "http://$NODE/store/$part/films/small"
		[ "$(header X-Koop-Kind)" = inline ]
		[ "$(header X-Koop-Size)" = 100 ]
		[ "$(header X-Koop-Etag)" = "$(md5sum <small | cut -d' ' -f1)" ]
		header X-Koop-Meta | base64 -d | jq -r '.[]' | grep -qx me
		seq=$(header X-Koop-Row-Seq)
		if call 200 "http://$NODE/store/$part/films/small"; then
			cmp body small
			inline=$((inline + 1))
		else
			call 404 "http://$NODE/store/$part/films/small"
			[ "$(header X-Koop-Missing)" = 1 ]
		fi
		call 200 "http://$NODE/applied/$part?seq=$seq"
		[ "$(jq -r .outcome body)" = "done" ]
		id=$(jq -r .requestId body)
		call 200 "http://$NODE/applied/$part?requestId=$id"
		[ "$(jq -r .seq body)" = "$seq" ]
		call 200 "http://$NODE/oplog/$part?from=1"
		grep -q "\"requestId\":\"$id\"" body
		call 200 "http://$NODE/store/${p#* }/films/dir%2Fbig%20one"
		[ "$(header X-Koop-Kind)" = blob ]
		[ "$(header X-Koop-Geometry)" = 2+1/65536 ]
		[ "$(stat -c %s body)" -gt 150000 ]
		call 200 "http://$NODE/list?bucket=films&delimiter=%2F"
		[ "$(jq -r '.key // .prefix // .end' body | tr '\n' ' ')" = \
			"dir%2F small true " ]
	done
	[ "$inline" -eq 2 ]
}

# append_line PARTITION TYPE [CRC]: a record that no program of this version
# writes, straight into the log.
append_line() {
	python3 - "$DATA/commit.db" "$(conf cluster)" "$@" <<-'END'
	import sqlite3, sys, time, uuid
	path, cluster, partition, kind = sys.argv[1:5]
	def crc32c(data):
	    crc = 0xffffffff
	    for byte in data:
	        crc ^= byte
	        for _ in range(8):
	            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
	    return crc ^ 0xffffffff
	ms = int(time.time() * 1000)
	id = "%012x7000800000000000%04x" % (ms, ms & 0xffff)
	line = '{"v":1,"type":"%s","cluster":"%s","epoch":1,"requestId":"%s","sender":""' % (kind, cluster, id)
	crc = int(sys.argv[5], 16) if len(sys.argv) > 5 else crc32c(line.encode())
	line += ',"crc32c":"%08x"}' % crc
	db = sqlite3.connect(path, timeout=20)
	db.execute("PRAGMA wal_autocheckpoint=0")
	with db:
	    seq, last = db.execute("SELECT max(seq), max(time_ms) FROM record WHERE partition = ?", (partition,)).fetchone()
	    db.execute("INSERT INTO record (partition, seq, time_ms, request_id, line) VALUES (?, ?, ?, ?, ?)",
	        (partition, seq + 1, max(ms, last), bytes.fromhex(id), line.encode()))
	END
}

# says N FILTER VALUE: what node N's health is.
says() {
	[ "$(curl -sS "http://$(jq -r \
		".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json")/health" | jq -r "$2")" = "$3" ]
}

# tells N SERIES VALUE: what node N's metrics are.
tells() {
	[ "$(curl -sS "http://$(jq -r \
		".erasure_sets[0].machines[$1]|\"\(.ip):\(.port)\"" \
		"$DATA/topology.json")/metrics" |
		python3 "$ROOT/tests/metrics.py" "$2")" = "$3" ]
}

small_cluster() {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1 \
		--write-quorum 3
	curl -sS -f -X PUT "$GW/films"
	object 20000 film
	curl -sS -f -T film "$GW/films/film"
	part=$(python3 -c 'import zlib; print(zlib.crc32(b"films/film") % 32)')
}

@test "node: a record of a later program halts its partition, and reads go on" {
	small_cluster
	append_line "$part" TimeTravelMessage
	for n in 0 1 2; do
		until_true says "$n" .halted 1
		says "$n" '.status + " " + .reasons[0]' "degraded halted"
		says "$n" .voting 32
		tells "$n" koop_node_partitions_halted 1
		tells "$n" 'koop_node_health_reason{reason="halted"}' 1
		tells "$n" koop_node_health 1
	done
	curl -sS -f "$GW/films/film" | cmp - film
	# Other partitions go on, this one takes no more.
	other=$(python3 -c 'import sys, zlib
part = int(sys.argv[1])
print(next(i for i in range(99) if zlib.crc32(b"films/%d" % i) % 32 != part))' \
		"$part")
	curl -sS -f -T film "$GW/films/$other"
	# After a restart it votes again, up to the record before.
	koop up --data "$DATA" --stop-node 1 >/dev/null 3>&-
	koop up --data "$DATA" --start-node 1 >/dev/null 3>&-
	until_true says 1 .voting 32
	until_true says 1 .halted 1
	curl -sS -f "$GW/films/film" | cmp - film
	grep -q 'partition halts' "$DATA/log/node-1.0.log"
}

@test "node: a damaged record stops its partition only, and nothing is skipped" {
	small_cluster
	append_line "$part" NoopMessage 00000000
	for n in 0 1 2; do
		until_true grep -q 'record damaged' "$DATA/log/node-1.$n.log"
		says "$n" .halted 0
		says "$n" ".partitions[]|select(.partition==$part).end -
			.applied" 1
		tells "$n" koop_node_behind_records 1
		tells "$n" koop_node_log_reachable 1
		[ "$(told "node-1.$n" behind)" -eq 1 ]
	done
	for i in 1 2 3 4; do
		name=$(python3 -c 'import sys, zlib
part = int(sys.argv[1])
print([i for i in range(99) if zlib.crc32(b"films/%d" % i) % 32 != part][
    int(sys.argv[2])])' "$part" "$i")
		curl -sS -f -T film "$GW/films/$name"
		curl -sS -f "$GW/films/$name" | cmp - film
	done
	curl -sS -f "$GW/films/film" | cmp - film
	# Cured: the same record, whole.
	python3 - "$DATA/commit.db" "$part" <<-'END'
	import sqlite3, sys
	db = sqlite3.connect(sys.argv[1], timeout=20)
	db.execute("PRAGMA wal_autocheckpoint=0")
	def crc32c(data):
	    crc = 0xffffffff
	    for byte in data:
	        crc ^= byte
	        for _ in range(8):
	            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
	    return crc ^ 0xffffffff
	with db:
	    row, line = db.execute("SELECT row, line FROM record WHERE partition = ? ORDER BY seq DESC", (sys.argv[2],)).fetchone()
	    body = bytes(line).split(b',"crc32c":')[0]
	    db.execute("UPDATE record SET line = ? WHERE row = ?", (body + b',"crc32c":"%08x"}' % crc32c(body), row))
	END
	for n in 0 1 2; do
		until_true says "$n" ".partitions[]|select(.partition==$part).end -
			.applied" 0
	done
	curl -sS -f -T film "$GW/films/film"
}

@test "node: a log that is shorter than what was applied halts, without a vote" {
	small_cluster
	koop down --data "$DATA" >/dev/null
	python3 - "$DATA/commit.db" "$part" <<-'END'
	import sqlite3, sys
	db = sqlite3.connect(sys.argv[1])
	with db:
	    db.execute("DELETE FROM record WHERE partition = ? AND seq = (SELECT max(seq) FROM record WHERE partition = ?)", (sys.argv[2], sys.argv[2]))
	END
	rm -f "$DATA"/commit.db.page
	koop up --detach --data "$DATA" --durability os --timeout 5s \
		>up.log 2>&1 3>&- || true
	for n in 0 1 2; do
		until_true grep -q 'log is shorter' "$DATA/log/node-1.$n.log"
		until_true says "$n" .halted 1
		says "$n" .voting 31
	done
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GW/films/film")" = 503 ]
}

@test "node: lists of thousands of partitions, whose query is a body" {
	cluster_up --nodes 3 --data-shards 2 --parity-shards 1 \
		--write-quorum 3 --partitions 1500
	curl -sS -f -X PUT "$GW/films"
	for key in a b c/d; do
		curl -sS -f -X PUT -d x "$GW/films/$key"
	done
	curl -sS -f "$GW/films?list-type=2&delimiter=/" >list
	[ "$(grep -o '<Key>[^<]*\|<Prefix>c[^<]*' list | tr '\n' ' ')" = \
		'<Key>a <Key>b <Prefix>c/ ' ]
	curl -sS -f "$GW/films?uploads" | grep -q '<IsTruncated>false<'
	curl -sS -f "$GW/" | grep -q '<Name>films</Name>'
	TO="X-Koop-To: $(conf cluster)/1/0"
	NODE=$(jq -r '.erasure_sets[0].machines[0]|"\(.ip):\(.port)"' \
		"$DATA/topology.json")
	call 200 -d 'bucket=films&prefix=a' "http://$NODE/list"
	[ "$(jq -r '.key // .end' body | tr '\n' ' ')" = 'a true ' ]
	call 400 -d 'bucket=films&prefix=%' "http://$NODE/list"
	call 400 -d 'prefix=a' "http://$NODE/list"
	head -c 300000 /dev/zero | tr '\0' 1 >long
	call 413 --data-binary @long "http://$NODE/list"
}
