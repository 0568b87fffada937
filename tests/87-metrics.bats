#!/usr/bin/env bats
# /metrics of both daemons: well-formed, in the manual, and all that the
# dashboard and the alerts use.

# shellcheck disable=SC2034,SC2154 # run sets output

load helpers

# A cluster with a little of everything, whose pages are in gw.page and
# node.page once the slow numbers are there, too.
setup_file() {
	export KOOP_GC_GRACE=1s KOOP_ACCESS_LOG=$BATS_FILE_TMPDIR/access.log
	cluster_share --durability full
	local DATA=$BATS_FILE_TMPDIR/data
	NODE=$(jq -r '.erasure_sets[0].machines[2]|"http://\(.ip):\(.port)"' \
		"$DATA/topology.json")
	export NODE
	object 3000000 film
	object 4000 small 2
	curl -sS -f -X PUT "$GW/metrics-bucket"
	curl -sS -f -T film "$GW/metrics-bucket/film"
	curl -sS -f -T film "$GW/metrics-bucket/gone"
	curl -sS -f -T small "$GW/metrics-bucket/small"
	curl -sS -f "$GW/metrics-bucket/film" | cmp - film
	curl -sS -f -I "$GW/metrics-bucket/small" >/dev/null
	curl -sS -f "$GW/metrics-bucket?list-type=2" >/dev/null
	curl -sS -f -X DELETE "$GW/metrics-bucket/gone"
	curl -sS "$GW/metrics-bucket/gone" >/dev/null
	until_true slow_ones
	curl -sS -f "$GW/metrics" >gw.page
	curl -sS -f "$NODE/metrics" >node.page
}

teardown_file() {
	cluster_unshare
}

# value SERIES PAGE
value() {
	python3 "$ROOT/tests/metrics.py" "$1" <"$2"
}

# Buckets are counted each ten seconds, folders of shards in a round of the
# collector.
slow_ones() {
	curl -sS -f "$NODE/metrics" >node.page
	[ "$(value 'koop_node_bucket_objects{bucket="metrics-bucket"}' node.page)" = 2 ] &&
		[ "$(value 'koop_node_shards{state="stored"}' node.page)" -ge 1 ] 2>/dev/null
}

pages() {
	cd "$BATS_FILE_TMPDIR" || return
}

@test "metrics: both pages are well-formed, to promtool, too" {
	pages
	for page in gw.page node.page; do
		python3 "$ROOT/tests/metrics.py" <"$page"
		run promtool check metrics <"$page"
		echo "$output"
		[ "$output" = "" ]
	done
}

@test "metrics: the manual has every family, its type and its labels, and no other" {
	pages
	run -0 python3 "$ROOT/tests/metricuse.py" page \
		"$ROOT/man/koop-metrics.5" gw.page node.page
}

@test "metrics: the manual is held to it: a name too many and one too few are seen" {
	pages
	sed 's/koop_node_disk_full/koop_node_disk_empty/' \
		"$ROOT/man/koop-metrics.5" >"$BATS_TEST_TMPDIR/page"
	run -1 python3 "$ROOT/tests/metricuse.py" page \
		"$BATS_TEST_TMPDIR/page" gw.page node.page
	[ "${lines[0]}" = "koop_node_disk_empty: no program tells it" ]
	[ "${lines[1]}" = "koop_node_disk_full: not in the page" ]
	sed 's/\(koop_node_shards\) Pq gauge ; Li state/\1 Pq counter/' \
		"$ROOT/man/koop-metrics.5" >"$BATS_TEST_TMPDIR/page"
	run -1 python3 "$ROOT/tests/metricuse.py" page \
		"$BATS_TEST_TMPDIR/page" gw.page node.page
	[ "${lines[0]}" = "koop_node_shards: a gauge, not a counter" ]
	[ "${lines[1]}" = "koop_node_shards: labels ['state'], not []" ]
}

@test "metrics: dashboard and alerts use only what is told" {
	pages
	for file in grafana.json alerts.yml; do
		run python3 "$ROOT/tests/metricuse.py" used \
			"$ROOT/examples/$file" gw.page node.page
		echo "$output"
		[ "$status" -eq 0 ]
		sed 's/koop_node_disk_full/koop_node_disk_empty/
			s/koop_node_health_reason{reason=/koop_node_health_reason{why=/
			s/sum by (bucket)/sum by (pail)/' \
			"$ROOT/examples/$file" >"$BATS_TEST_TMPDIR/$file"
		run -1 python3 "$ROOT/tests/metricuse.py" used \
			"$BATS_TEST_TMPDIR/$file" gw.page node.page
	done
}

@test "metrics: alerts and configuration are such to promtool" {
	run -0 promtool check rules "$ROOT/examples/alerts.yml"
	run -0 promtool check config "$ROOT/examples/prometheus.yml"
}

@test "metrics: what the dashboard asks is PromQL" {
	jq '{groups: [{name: "dashboard", rules: [.panels[].targets[]?.expr |
		{record: "a", expr: gsub("\\$__rate_interval"; "1m")}]}]}' \
		"$ROOT/examples/grafana.json" >rules.yml
	[ "$(jq '.groups[0].rules|length' rules.yml)" -gt 30 ]
	run promtool check rules --lint=none rules.yml
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "metrics: a node tells its disk, its shards and its requests" {
	pages
	[ "$(value koop_node_disk_size_bytes node.page)" = \
		"$(df --output=size -B1 "$DATA/node-1.2" | tail -n 1 | tr -d ' ')" ]
	[ "$(value koop_node_disk_full node.page)" = 0 ]
	[ "$(value 'koop_node_requests_total{operation="put_shard",code="200"}' \
		node.page)" = 2 ]
	[ "$(value koop_node_disk_sync_seconds_count node.page)" -ge 2 ]
	[ "$(value 'koop_node_bucket_bytes{bucket="metrics-bucket"}' node.page)" = \
		3004000 ]
	local bytes
	bytes=$(find "$DATA/node-1.2/shards" -type f -printf '%s\n' |
		awk '{ n += $1 } END { print n }')
	curl -sS -f "$NODE/metrics" >"$BATS_TEST_TMPDIR/now"
	[ "$(value 'koop_node_shard_bytes{state="stored"}' \
		"$BATS_TEST_TMPDIR/now")" = "$bytes" ]
}

@test "metrics: a node that is up to date is behind by nothing" {
	pages
	up_to_date() {
		curl -sS "$NODE/metrics" >"$BATS_TEST_TMPDIR/now" || return 1
		[ "$(value koop_node_behind_records "$BATS_TEST_TMPDIR/now")" = 0 ] &&
			[ "$(value koop_node_log_reachable "$BATS_TEST_TMPDIR/now")" = 1 ] &&
			[ "$(value koop_node_partitions_voting "$BATS_TEST_TMPDIR/now")" = \
				"$(value koop_node_partitions "$BATS_TEST_TMPDIR/now")" ]
	}
	until_true up_to_date
	[ "$(value koop_node_apply_delay_seconds_count "$BATS_TEST_TMPDIR/now")" -ge 5 ]
}
