#!/usr/bin/env bats
# Many clients at once on one key and one bucket.

load helpers

@test "race: PUTs of one key from 16 clients; each read is one whole body" {
	cluster_up
	curl -sS -f -X PUT "$GW/race"
	for size in 3000 700000; do
		for i in {1..16}; do
			object "$size" "body-$i" "$((size + i))"
		done
		sha256sum body-* | cut -d ' ' -f 1 | sort >known
		curl -sS -f -T body-1 "$GW/race/key"
		# Writers go on until the reads are done, however slow those are.
		writers=()
		for i in {1..16}; do
			(until [ -e enough ]; do
				curl -sS -f --max-time 30 -T "body-$i" \
					"$GW/race/key" || exit 1
			done) 3>&- &
			writers+=("$!")
		done
		for _ in {1..20}; do
			curl -sS -f --max-time 30 "$GW/race/key" | sha256sum |
				cut -d ' ' -f 1 >seen
			grep -q -x -f seen known
			cat seen >>all-seen
		done
		touch enough
		for writer in "${writers[@]}"; do wait "$writer"; done
		# They did write meanwhile.
		[ "$(sort -u all-seen | wc -l)" -ge 2 ]
		rm -f enough all-seen
		# All is quiet: two reads agree, and it is one of the bodies.
		a=$(curl -sS -f "$GW/race/key" | sha256sum)
		b=$(curl -sS -f "$GW/race/key" | sha256sum)
		[ "$a" = "$b" ]
		cut -d ' ' -f 1 <<<"$a" | grep -q -x -f - known
	done
}

@test "race: a small key that is always being written is read without a 503" {
	cluster_up --partitions 4
	curl -sS -f -X PUT "$GW/race"
	echo first | curl -sS -f -T - "$GW/race/hot"
	for i in {1..6}; do
		printf 'writer %s\n' "$i" >"body-$i"
		for _ in {1..20}; do
			printf 'upload-file = body-%s\nurl = %s\n' "$i" \
				"$GW/race/hot"
		done >"puts-$i"
		(until [ -e enough ]; do curl -sS -f -K "puts-$i"; done) 3>&- &
	done
	for i in {1..6}; do
		(for _ in {1..12}; do
			curl -sS -o "read-$i-#1" --max-time 30 \
				-w '%{http_code}\n' "$GW/race/hot?[1-10]"
		done >"codes-$i") 3>&- &
		readers+=("$!")
	done
	for reader in "${readers[@]}"; do wait "$reader"; done
	touch enough
	wait
	[ "$(cat codes-* | wc -l)" -eq 720 ]
	[ "$(cat codes-* | sort -u)" = 200 ]
	[ "$(cat read-* | grep -c -v -E '^(first|writer [1-6])$')" -eq 0 ]
}

@test "race: of 16 PUTs with If-None-Match: * exactly one is done" {
	cluster_up
	curl -sS -f -X PUT "$GW/race"
	for round in 1 2 3; do
		for i in {1..16}; do
			echo "round $round client $i" >"body-$i"
			(curl -sS -o /dev/null -w "%{http_code} $i\n" \
				-H 'If-None-Match: *' -T "body-$i" \
				"$GW/race/once-$round" >"code-$i") 3>&- &
		done
		wait
		cat code-* >codes
		[ "$(grep -c '^200 ' codes)" -eq 1 ]
		[ "$(grep -c '^412 ' codes)" -eq 15 ]
		winner=$(sed -n 's/^200 //p' codes)
		curl -sS -f "$GW/race/once-$round" | cmp - "body-$winner"
	done
}

@test "race: PUT against DELETE: what was said last is so" {
	cluster_up
	curl -sS -f -X PUT "$GW/race"
	object 20000 body 1
	for _ in {1..10}; do
		(for _ in {1..3}; do
			curl -sS -f -T body "$GW/race/key"
		done) 3>&- &
		(for _ in {1..3}; do
			curl -sS -f -X DELETE "$GW/race/key"
		done) 3>&- &
		wait
		code=$(curl -sS -o back -w '%{http_code}' "$GW/race/key")
		[ "$code" = 404 ] || { [ "$code" = 200 ] && cmp body back; }
		[ "$(curl -sS -o again -w '%{http_code}' "$GW/race/key")" = "$code" ]
	done
	curl -sS -f -T body "$GW/race/key"
	curl -sS -f -o back "$GW/race/key"
	cmp body back
	curl -sS -f -X DELETE "$GW/race/key"
	[ "$(curl -sS -o back -w '%{http_code}' "$GW/race/key")" = 404 ]
}

@test "race: no acknowledged object is ever in a deleted bucket" {
	cluster_up --gateways 2
	GW2=$(conf gateway 2)
	object 15000 body 1
	deleted=0
	kept=0
	for round in {1..12}; do
		bucket=race-$round
		curl -sS -f -X PUT "$GW/$bucket"
		for i in {1..4}; do
			(curl -sS -o /dev/null -w "%{http_code}\n" -T body \
				"$GW/$bucket/key-$i" >"put-$i") 3>&- &
		done
		(curl -sS -o /dev/null -w '%{http_code}\n' -X DELETE \
			"$GW2/$bucket" >delete) 3>&- &
		wait
		case $(cat delete) in
		204)
			deleted=$((deleted + 1))
			# Then no PUT was acknowledged: each got 404 or 409.
			! grep -q '^200' put-1 put-2 put-3 put-4 || {
				grep . put-* delete
				return 1
			}
			[ "$(curl -sS -o /dev/null -w '%{http_code}' -I \
				"$GW/$bucket")" = 404 ]
			;;
		409)
			kept=$((kept + 1))
			for i in {1..4}; do
				grep -q '^200' "put-$i" || continue
				curl -sS -f -o back "$GW/$bucket/key-$i"
				cmp body back
			done
			;;
		*)
			cat delete
			return 1
			;;
		esac
	done
	echo "deleted $deleted, kept $kept"
	[ $((deleted + kept)) -eq 12 ]
}

@test "race: Complete against Abort: one of them, and a list of parts agrees" {
	cluster_up
	curl -sS -f -X PUT "$GW/race"
	object 100000 part 1
	for round in {1..6}; do
		url=$GW/race/mp-$round
		id=$(curl -sS -f -X POST "$url?uploads" |
			sed -n 's/.*<UploadId>\([^<]*\).*/\1/p')
		etag=$(curl -sS -f -D - -o /dev/null -T part \
			"$url?partNumber=1&uploadId=$id" | tr -d '\r' |
			sed -n 's/^[Ee][Tt]ag: //p')
		echo "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$etag</ETag></Part></CompleteMultipartUpload>" >complete
		(curl -sS -o /dev/null -w '%{http_code}' -X POST \
			--data-binary @complete "$url?uploadId=$id" \
			>code-complete) 3>&- &
		(curl -sS -o /dev/null -w '%{http_code}' -X DELETE \
			"$url?uploadId=$id" >code-abort) 3>&- &
		wait
		case "$(cat code-complete) $(cat code-abort)" in
		"200 404" | "200 204")
			curl -sS -f -o back "$url"
			cmp part back
			;;
		"404 204")
			[ "$(curl -sS -o /dev/null -w '%{http_code}' "$url")" = 404 ]
			;;
		*)
			cat code-complete code-abort
			return 1
			;;
		esac
	done
}
