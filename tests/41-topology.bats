#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# koop-topology(1): check, show, make.

load helpers

@test "topology: what is made is valid, and 6 + 3 by default" {
	koop-topology make >t.json
	jq -e '.erasure_sets[0] | .n == 9 and .m == 6 and .write_quorum == 7
		and (.machines | length) == 9
		and .machines[8] == {"ip": "127.0.0.1", "port": 8009}' t.json
	jq -e '.partition_spread == [{"erasure_set": 1,
		"partitions": [range(32)]}]' t.json
	run -0 --separate-stderr koop-topology -t file:t.json check
	[ "$output" = "topology v=1 epoch=1 sets=1 machines=9 partitions=32 warnings=1" ]
	[[ "$stderr" == "koop-topology: warning: erasure set 1: 9 of its machines are on host 127.0.0.1"* ]]
}

@test "topology: sets, quorum, ports and epoch are as they are asked for" {
	koop-topology make --nodes 12 -k 4 -m 2 --write-quorum 6 --host ::1 \
		--node-port 100 --partitions 10 --epoch 7 >t.json
	run -0 --separate-stderr koop-topology -t file:t.json show
	[ "${lines[0]}" = "topology v=1 epoch=7 sets=2 machines=12 partitions=10 warnings=2" ]
	[ "${lines[1]}" = "set number=1 n=6 data_shards=4 parity_shards=2 write_quorum=6 read_quorum=4 stable_read=3" ]
	[ "${lines[2]}" = "machine set=1 index=0 address=[::1]:100" ]
	[ "${lines[14]}" = "machine set=2 index=5 address=[::1]:111" ]
	[ "$(grep -c '^partition number=[0-4] set=1$' <<<"$output")" -eq 5 ]
	[ "$(grep -c '^partition number=[5-9] set=2$' <<<"$output")" -eq 5 ]
	[ "${#lines[@]}" -eq 25 ]
}

@test "topology: what cannot be is a usage error" {
	run -64 --separate-stderr koop-topology make --nodes 10
	[[ "$stderr" == "koop-topology: 10 nodes: must be a multiple of 6 data + 3 parity"* ]]
	[ "$output" = "" ]
	run -64 --separate-stderr koop-topology make -k 30 -m 3
	run -64 --separate-stderr koop-topology make --write-quorum 6
	[[ "$stderr" == *"write quorum 6: must be 7 to 9"* ]]
	run -64 --separate-stderr koop-topology make --host localhost
	run -64 --separate-stderr koop-topology plan
	run -64 --separate-stderr koop-topology
}

# refused JQ-EXPRESSION TEXT: the default topology, so changed, is refused.
refused() {
	koop-topology make | jq -c "$1" >bad.json
	run -78 --separate-stderr koop-topology -t file:bad.json check
	[ "$output" = "" ]
	[[ "$stderr" == "koop-topology: file:bad.json: "*"$2"* ]]
}

@test "topology: every rule has its reason" {
	refused '.erasure_sets[0].machines |= .[1:]' '8 machines, but n is 9'
	refused '.erasure_sets[0].m = 9' 'm must be smaller'
	refused '.erasure_sets[0].write_quorum = 6' 'it must be larger'
	refused '.erasure_sets[0].write_quorum = 10' 'no write could ever succeed'
	refused '.erasure_sets[0] |= (.m = 3 | .write_quorum = 4)' 'more than half of n'
	refused '.erasure_sets[0].machines[1].port = 8001' 'is there twice (0 and 1)'
	refused '.partition_spread[0].partitions += [3]' 'partition 3: is there twice'
	refused '.partition_spread[0].erasure_set = 2' 'erasure set 2 does not exist'
	refused '.erasure_sets += .erasure_sets' 'there are two of that number'
	refused '.epoch = 0' '"epoch" must be'
	refused '.[]' 'JSON: '
}

@test "topology: a file that is not there, and another kind of URL" {
	run -66 --separate-stderr koop-topology -t file:none.json check
	[ "$stderr" = "koop-topology: topology none.json: No such file or directory" ]
	run -64 --separate-stderr koop-topology -t etcd://h:2379 check
	[ "${stderr_lines[0]}" = 'koop-topology: --topology: "etcd://h:2379": want file:PATH' ]
	run -78 --separate-stderr koop-topology check
	[[ "$stderr" == *"no topology given"* ]]
}

@test "topology: environment and koop.conf name it, the latter by its folder" {
	mkdir conf
	koop-topology make --epoch 3 >conf/t.json
	echo 'topology = file:t.json' >conf/koop.conf
	run -0 --separate-stderr koop-topology --config conf/koop.conf check
	[[ "$output" == "topology v=1 epoch=3 "* ]]
	koop-topology make --epoch 4 >t.json
	KOOP_TOPOLOGY=file:t.json run -0 --separate-stderr koop-topology \
		--config conf/koop.conf check
	[[ "$output" == "topology v=1 epoch=4 "* ]]
}
