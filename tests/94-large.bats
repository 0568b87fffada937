#!/usr/bin/env bats
# Large objects: memory is bounded by configuration, never by their size.

load helpers

# watch_memory FILE: the most RssAnon (KiB) that each program of this test has
# had, one line "PROGRAM KIB", until the file "watched" is there.
watch_memory() {
	python3 - "$DATA" "$1" <<-'END'
	import os, sys, time
	data, out = sys.argv[1:]
	peak = {}
	while True:
	    for pid in filter(str.isdigit, os.listdir("/proc")):
	        try:
	            line = open(f"/proc/{pid}/cmdline").read().split("\0")
	            name = os.path.basename(line[0])
	            if name not in ("koop-node", "koop-gw") or data not in "".join(line):
	                continue
	            for row in open(f"/proc/{pid}/status"):
	                if row.startswith("RssAnon:"):
	                    kib = int(row.split()[1])
	                    peak[name, pid] = max(peak.get((name, pid), 0), kib)
	        except (OSError, IndexError):
	            continue
	    if os.path.exists("watched"):
	        break
	    time.sleep(0.02)
	with open(out, "w") as f:
	    for (name, pid), kib in sorted(peak.items()):
	        f.write(f"{name} {kib}\n")
	END
}

# bats test_tags=slow
@test "large: 1 GiB is stored and read back in bounded memory" {
	cluster_up
	curl -sS -f -X PUT "$GW/large"
	object 1073741824 film 5
	watch_memory peaks 3>&- &
	curl -sS -f -T film "$GW/large/film"
	for i in 1 2 3; do
		(curl -sS -f "$GW/large/film" | cmp - film && : >"same-$i") &
	done
	curl -sS -f "$GW/large/film" | cmp - film
	touch watched
	wait
	[ "$(find . -name 'same-*' | wc -l)" -eq 3 ]
	cat peaks
	[ "$(grep -c '^koop-node' peaks)" -eq 9 ]
	[ "$(grep -c '^koop-gw' peaks)" -eq 1 ]
	awk '$1 == "koop-gw" && $2 >= 200 * 1024 { exit 1 }
	    $1 == "koop-node" && $2 >= 100 * 1024 { exit 1 }' peaks
	koop-shard-get large/film | koop-decode | cmp - film
	koop-encode <film | koop-shard-put large/pipe | koop-commit >/dev/null
	curl -sS -f "$GW/large/pipe" | cmp - film
}

# bats test_tags=slow
@test "large: one PUT of more than 5 GiB is EntityTooLarge, before its body" {
	cluster_up
	curl -sS -f -X PUT "$GW/large"
	truncate -s 5368709121 hole
	[ "$(curl -sS -o answer -w '%{http_code}' -T hole \
		-H 'Expect: 100-continue' "$GW/large/hole")" = 400 ]
	grep -q '<Code>EntityTooLarge</Code>' answer
	[ "$(curl -sS -o answer -w '%{http_code}' "$GW/large/hole")" = 404 ]
}

@test "large: a viewer that goes away costs its nodes nothing more" {
	cluster_up
	curl -sS -f -X PUT "$GW/large"
	object 100000000 film 6
	curl -sS -f -T film "$GW/large/film"
	sent() {
		local total=0 line address
		while read -r address; do
			line=$(curl -sS "http://$address/metrics" |
				sed -n 's/^koop_node_read_bytes_total[^ ]* //p')
			total=$((total + line))
		done < <(koop status --data "$DATA" --json |
			jq -r '.programs[] | select(.kind == "node").address')
		echo "$total"
	}
	before=$(sent)
	for _ in 1 2 3 4 5; do
		# Read a little, then hang up, as players do.
		curl -sS "$GW/large/film" 2>/dev/null | head -c 10000 >/dev/null ||
			true
	done
	after=$(sent)
	echo "$((after - before)) bytes from the nodes for 50,000 to viewers"
	# Five whole reads would be 500 MB; a few windows each are at most this.
	[ $((after - before)) -lt 60000000 ]
	[ $((after - before)) -gt 50000 ]
}

@test "large: many slow writers leave room for readers" {
	# A cluster of its own: what others write meanwhile would be refused.
	cluster_up
	s3 PUT /crowd
	is 200
	object 3000000 film
	s3 PUT /crowd/a --data-binary @film
	is 200
	python3 - "$GW" <<-'END'
	import socket, sys, urllib.error, urllib.parse, urllib.request
	url = urllib.parse.urlparse(sys.argv[1])
	head = ("PUT /crowd/%d HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 1000000\r\n\r\n")
	crowd = []
	for i in range(256):
	    s = socket.create_connection((url.hostname, url.port))
	    s.sendall((head % i).encode() + b"x" * 100000)
	    crowd.append(s)
	# The last one is begun after those before it, but not for sure.
	refused = 0
	for i in range(20):
	    s = socket.create_connection((url.hostname, url.port), 10)
	    s.sendall((head % 999).encode())
	    s.settimeout(1)
	    try:
	        answer = s.recv(4096)
	    except TimeoutError:
	        crowd.append(s)
	        continue
	    assert b" 503 " in answer and b"Retry-After: 1" in answer, answer
	    refused += 1
	    if refused == 3:
	        break
	assert refused == 3, refused
	small = urllib.request.Request(sys.argv[1] + "/crowd/small",
	    b"small", method="PUT")
	assert urllib.request.urlopen(small).status == 200
	for i in range(10):
	    got = urllib.request.urlopen(sys.argv[1] + "/crowd/a").read()
	    assert got == open("film", "rb").read()
	END
	again() {
		s3 PUT /crowd/b --data-binary @film
		[ "$CODE" = 200 ]
	}
	until_true again
	s3 GET /crowd
	[ "$(element Key | tr '\n' ' ')" = 'a b small ' ]
}
