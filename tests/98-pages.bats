#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Pages and documents tell what the code's tables tell, and no more.

load helpers

# rows FILE MACRO: the rows of an X macro of FILE, a line each.
rows() {
	sed -n "/#define $2(X)/,/[^\\\\]\$/p" "$1" | tr -d '\\\n' | tr '\t' ' ' |
		sed 's/X(/\n&/g' | grep '^X([A-Z]*[^)]' | tr -s ' '
}

@test "pages: koop-s3(7) has every operation of the table, and no other" {
	rows "$ROOT/lib/s3/s3optable.h" S3OP_TABLE |
		sed -n 's/^X([A-Z0-9_]*, "\([A-Za-z0-9]*\)".*/\1/p' | sort >have
	[ "$(wc -l <have)" -gt 30 ]
	sed -n 's/^\.It Ic \([A-Z][A-Za-z0-9]*\)$/\1/p' \
		"$ROOT/man/koop-s3.7" | sort >told
	diff have told
}

@test "pages: koop-s3(7) has every error and its status, and no other" {
	rows "$ROOT/lib/s3/s3errortable.h" S3ERROR_MAP |
		sed -n 's/^X([A-Z0-9_]*, *"\([A-Za-z0-9]*\)", \([0-9]*\),.*/\1 \2/p' |
		sort >have
	[ "$(wc -l <have)" -gt 30 ]
	sed -n 's/^\.It Er //p' "$ROOT/man/koop-s3.7" | sort >told
	diff have told
}

@test "pages: koop-shard-api(5) has every route of nodes, and no other" {
	# A route that goes deeper names what is behind its first word.
	sed -n '/^static const struct route routes/,/^};/p' \
		"$ROOT/lib/node/nodeserver.c" | tr '\n\t' '  ' |
		sed 's/{ "/\n&/g; s/$/\n/' |
		sed -n 's/^{ "\([A-Z]*\)", "\([a-z]*\)", \(.*\), *node.*/\1 \2 \3/p' |
		while read -r method name flags; do
			case $flags in
			*PARTITION* | *STORE*) echo "$method /$name/" ;;
			*) echo "$method /$name" ;;
			esac
		done | sort >have
	[ "$(wc -l <have)" -gt 20 ]
	grep -E '^\.It Li (GET|HEAD|PUT|POST|DELETE) ' \
		"$ROOT/man/koop-shard-api.5" |
		grep -oE '(GET|HEAD|PUT|POST|DELETE) /[a-z]+/?' | sort >told
	diff have told
}

@test "pages: koop-shard-api(5) has every header, and no other" {
	grep -hoE '"X-Koop-[A-Za-z0-9-]*"' "$ROOT"/lib/wire/*.h | tr -d '"' |
		sort -u >have
	[ "$(wc -l <have)" -gt 25 ]
	grep -oE 'X-Koop-[A-Za-z0-9-]*' "$ROOT/man/koop-shard-api.5" |
		sort -u >told
	diff have told
}

@test "pages: the README has a row for every program" {
	for c in "$ROOT"/cmd/*.c; do
		c=$(basename "$c" .c)
		grep -qE "^\|[^|]*\`$c\`[^|]*\|" "$ROOT/README.md" || {
			echo "$c is not in README's table"
			return 1
		}
	done
}

@test "pages: what HACKING tells to run is there" {
	cd "$ROOT"
	sed -n 's/^    //p' HACKING.md >"$BATS_TEST_TMPDIR/lines"
	grep -E '^make ' "$BATS_TEST_TMPDIR/lines" | sed 's/#.*//' |
		tr ' ' '\n' | grep -vE '^(make|)$' >"$BATS_TEST_TMPDIR/targets"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/targets")" -gt 8 ]
	while read -r target; do
		case $target in
		build/*/test-*) [ -e "tests/unit/${target##*/}.c" ] ;;
		*) grep -qE "^([a-z ]* )?$target( [a-z ]*)?:" Makefile ;;
		esac || {
			echo "make $target: no such target"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/targets"
	grep -oE 'tests/[0-9a-z-]+\.bats( -f .*)?' "$BATS_TEST_TMPDIR/lines" |
		while read -r file option words; do
			words=${words//\'/}
			[ "$(bats --count ${option:+-f "$words"} "$file")" -gt 0 ] || {
				echo "$file $option $words: runs nothing"
				return 1
			}
		done
}

@test "pages: make help has every target that is there for people, in 80 columns" {
	make -s -C "$ROOT" help >help
	run ! grep '.\{81\}' help
	[ "$(head -n 1 help | cut -d' ' -f1)" = help ]
	# A target with a comment that the list lacks would be lost.
	[ "$(wc -l <help)" -eq "$(grep -c '^[a-z][a-z_. -]*:.*## ' \
		"$ROOT/Makefile")" ]
	for target in up demo test check lint format install clean; do
		grep -qE "(^|[a-z] )$target( |$)" help
	done
}

@test "pages: koop(7) explains the letters that programs have, and no other" {
	for c in "$BIN"/koop*; do
		"$c" --dump-options | cut -f 1
	done | grep . | grep -v h | sort -u >have
	sed -n '/^A letter means/,/^Sizes take/s/^\.Fl \(.\)$/\1/p' \
		"$ROOT/man/koop.7" | sort -u >told
	diff have told
}

@test "pages: no quotation marks are empty, as of a lone full stop" {
	for page in "$ROOT"/man/*.[1578]; do
		mandoc -T utf8 "$page" | col -b >text
		run ! grep $'\u2018\u2019' text
	done
}
