#!/usr/bin/env bats
# Clients that bring little at a time.  A stripe is what a node is sent at
# least, so it must not take the silence between two of them for a failure;
# and whole stripes are not kept back until a block of eight is full.  Cells of
# 4 KiB and a short patience of the nodes stand for those of every day.

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export KOOP_BODY_TIMEOUT=6s KOOP_CELL_SIZE=4K
	cluster_up
	curl -sS -f -X PUT "$GW/slow"
}

@test "slow: an upload whose blocks take longer than a node waits is stored" {
	object 300000 body 1
	# A block of eight stripes is 192 KiB: 13 s.
	curl -sS -f --limit-rate 15000 -T body "$GW/slow/key"
	curl -sS -f -o back "$GW/slow/key"
	cmp body back
}

@test "slow: a live pipe of a low rate is stored" {
	object 270000 body 2
	for i in {0..8}; do
		dd if=body bs=30000 skip="$i" count=1 status=none
		[ "$i" -eq 8 ] || sleep 1.6
	done | koop-encode --cell-size 4K |
		koop-shard-put slow/pipe >receipts
	koop-commit <receipts
	curl -sS -f -o back "$GW/slow/pipe"
	cmp body back
}
