#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What every program of the house promises.

load helpers

commands() { ls "$ROOT"/cmd | sed -n 's/\.c$//p'; }

page() { ls "$ROOT/man/$1".[18]; }

@test "house: every program is built" {
	for c in $(commands); do
		[ "$(command -v "$c")" = "$BIN/$c" ]
	done
}

@test "house: --help goes to stdout, exits 0 and fits 80 columns" {
	for c in $(commands); do
		run -0 --separate-stderr "$c" --help
		[ "$stderr" = "" ]
		[[ "$output" == "usage: $c "* ]]
		run ! grep '.\{81\}' <<<"$output"
		"$c" -h | cmp - <("$c" --help)
	done
}

@test "house: --version is one line, the same for all" {
	for c in $(commands); do
		run -0 --separate-stderr "$c" --version
		[[ "$output" =~ ^koop\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
		[ "$output" = "$(koop --version)" ]
	done
}

@test "house: an unknown option says so on stderr and exits 64" {
	for c in $(commands); do
		run -64 --separate-stderr "$c" --no-such-option
		[ "$output" = "" ]
		[[ "$stderr" == "$c: --no-such-option: no such option"* ]]
		[ "${#stderr_lines[@]}" -eq 2 ]
	done
}

@test "house: an operand too many exits 64" {
	for c in $(commands); do
		case $c in
		koop | koop-locate | koop-verify) continue ;; # any number
		esac
		# shellcheck disable=SC2046 # many operands: koop-decode takes 64
		run -64 --separate-stderr "$c" $(seq 65) </dev/null
		[ "$output" = "" ]
		[[ "$stderr" == "$c: "*": unexpected operand"* ]]
	done
}

@test "house: a full disk is an I/O error" {
	for c in $(commands); do
		run -74 --separate-stderr bash -c "'$c' --help >/dev/full"
		[ "$stderr" = "$c: write: No space left on device" ]
	done
}

@test "house: a closed standard output is an I/O error" {
	for c in $(commands); do
		run -74 --separate-stderr bash -c "'$c' --help >&-"
	done
}

@test "house: a koop.conf with an unknown key exits 78 and names the line" {
	printf '# one\n\nno-such-key = 1\n' >bad.conf
	for c in $(commands); do
		[ "$c" != koop ] || continue
		"$c" --help | grep -q -- --config || continue
		run -78 --separate-stderr "$c" --config bad.conf --print-config
		[[ "$stderr" == "$c: bad.conf:3: no-such-key: no such key"* ]]
	done
}

@test "house: the man page has every option, and no other" {
	for c in $(commands); do
		"$c" --dump-options | cut -f 2 | sort >have
		sed -n 's/^\.It .*Fl Fl \([a-z0-9-]*\).*/\1/p' "$(page "$c")" |
			sort -u >told
		diff have told
	done
}

@test "house: the man page gives an option the letter that it has" {
	for c in $(commands); do
		"$c" --dump-options | cut -f 1,2 | tr '\t' ' ' |
			sed 's/^ //' | sort >have
		sed -n -e 's/^\.It Fl \([^F]\) , Fl Fl \([a-z0-9-]*\).*/\1 \2/p' \
			-e 's/^\.It Fl \(F\) , Fl Fl \([a-z0-9-]*\).*/\1 \2/p' \
			-e 's/^\.It Fl Fl \([a-z0-9-]*\).*/\1/p' \
			"$(page "$c")" | sort -u >told
		diff have told
	done
}

@test "house: the first line of help is that of the man page" {
	for c in $(commands); do
		[ "$c" != koop ] || continue
		name=$(sed -n 's/^\.Nd //p' "$(page "$c")")
		run -0 "$c" --help
		[ "${lines[1]}" = "$name" ]
	done
}

@test "house: every man page is clean" {
	run -0 mandoc -T lint -W warning "$ROOT"/man/*.[1578]
	[ "$output" = "" ]
}

# pages_named TEXT...: what looks like a page of ours in it, a name and a
# section a line.
pages_named() {
	cat "$@" | tr -d '\0' >text
	# In pages; in programs, headers and documents; of koop help.
	sed -n 's/^\.\(It \)\?Xr \(koop[a-z.-]*\) \([1578]\).*/\2 \3/p' text
	grep -aoE 'koop[a-z.-]*\([1578]\)' text |
		sed 's/(\(.\))/ \1/' || true
	grep -aoE 'man/koop[a-z.-]*\.[1578]' text |
		sed 's/man\/\(.*\)\.\(.\)/\1 \2/' || true
	grep -aoE 'koop help koop[a-z-]+' text |
		sed 's/koop help \(.*\)/\1 ?/' || true
}

@test "house: every page that a program or a page names is there" {
	pages_named "$ROOT"/man/*.[1578] "$ROOT"/*.md "$ROOT"/cmd/*.c \
		"$ROOT"/lib/*/*.[ch] "$BIN"/koop* | grep -vx 'koop-x 1' | sort -u >named
	[ "$(wc -l <named)" -gt 20 ]
	while read -r name section; do
		case $section in
		'?') set -- "$ROOT/man/$name".[1578] ;;
		*) set -- "$ROOT/man/$name.$section" ;;
		esac
		[ -e "$1" ] || {
			echo "$name($section) is named and is not there"
			return 1
		}
	done <named
}

@test "koop: every page it offers can be shown" {
	for name in $(koop help | sed -n 's/^  \([a-z0-9.-]*\) .*/\1/p') \
		$(koop | grep -oE 'koop help koop[a-z-]+' | cut -d' ' -f3); do
		run -0 --separate-stderr bash -c "koop help $name | col -b"
		[[ "$output" == *NAME*SEE\ ALSO* ]]
	done
}

# headline WORD...: of the page that koop help shows.
headline() { koop help "$@" | col -bx | sed 's/ .*//; q'; }

@test "koop: help finds pages of every section by their short names" {
	[ "$(headline encode)" = 'KOOP-ENCODE(1)' ]
	[ "$(headline record)" = 'KOOP-RECORD(5)' ]
	[ "$(headline frame)" = 'KOOP-FRAME(5)' ]
	[ "$(headline conf)" = 'KOOP.CONF(5)' ]
	[ "$(headline koop.conf)" = 'KOOP.CONF(5)' ]
	[ "$(headline tutorial)" = 'KOOP-TUTORIAL(7)' ]
	[ "$(headline gw)" = 'KOOP-GW(8)' ]
	[ "$(headline status)" = 'KOOP-UP(1)' ]
	[ "$(headline koop)" = 'KOOP(1)' ]
	[ "$(headline 7 koop)" = 'KOOP(7)' ]
	[ "$(headline topology)" = 'KOOP-TOPOLOGY(1)' ]
	[ "$(headline topology.5)" = 'KOOP-TOPOLOGY(5)' ]
	[ "$(headline 5 topology)" = 'KOOP-TOPOLOGY(5)' ]
	run -64 koop help 5 encode
	run -64 koop help encode decode
}

@test "koop: help lists every page, with what it is about" {
	run -0 --separate-stderr koop help
	for page in "$ROOT"/man/*.[57]; do
		about=$(sed -n 's/^\.Nd //p' "$page")
		[[ "$output" == *"  $about"* ]]
	done
	run ! grep '.\{81\}' <<<"$output"
}

@test "koop: installed, it shows the pages beside it, packed or not" {
	make -s -C "$ROOT" install DESTDIR="$PWD/root" PREFIX=/usr >/dev/null
	gzip root/usr/share/man/man5/koop.conf.5
	mv root moved
	koop() { moved/usr/bin/koop "$@"; }
	[ "$(headline conf)" = 'KOOP.CONF(5)' ]
	[ "$(headline encode)" = 'KOOP-ENCODE(1)' ]
	[[ "$(koop help)" == *"  tutorial "*"  conf "* ]]
	bash -c 'source moved/usr/share/bash-completion/completions/koop-rm &&
		complete -p koop-rm koop'
}

@test "house: every program has a row in koop(7) and in koop's list" {
	koop >list
	for c in $(commands); do
		section=$(page "$c")
		grep -qx "\.It Xr $c ${section##*.}" "$ROOT/man/koop.7"
		[ "$c" = koop ] || grep -q "^  ${c#koop-} " list
	done
}

@test "house: every program has a test" {
	for c in $(commands); do
		cat "$ROOT"/tests/[0-9]*.bats | grep -qE "(^|[^a-z-])$c( |$)"
	done
}

# settings PROGRAM: the keys that it takes from koop.conf.
settings() {
	env -i "$(command -v "$1")" --config /dev/null --print-config |
		sed 's/^# \(.*\) is not set/\1/; s/ =.*//' | sort
}

# shared_keys, program_names: the two lists of base/cli_keys.h.
shared_keys() {
	sed -n '/CLI_SHARED_KEYS/,/^$/s/^\tX("\(.*\)").*/\1/p' \
		"$ROOT/lib/base/cli_keys.h"
}
program_names() {
	sed -n '/CLI_PROGRAMS/,/^$/s/^\tX("\(.*\)").*/\1/p' \
		"$ROOT/lib/base/cli_keys.h"
}

@test "house: koop.conf(5) has every shared key, in the order of the list" {
	shared_keys >have
	[ "$(wc -l <have)" -gt 5 ]
	sed -n 's/^\.It Ic \([a-z-]*\)$/\1/p' "$ROOT/man/koop.conf.5" >told
	diff have told
}

@test "house: koop.conf(5) has every key of every section" {
	for c in $(commands); do
		[ -n "$(settings "$c")" ] || continue
		awk -v "c=[$c]" '/^\.S[sh] /{ on = index($0, c) }
			on && /^\.Ic /{ print $2 }' "$ROOT/man/koop.conf.5" >told
		diff <(settings "$c") told
	done
}

@test "house: what is shared is a setting of several programs" {
	for key in $(shared_keys); do
		[ "$key" != gateway ] || continue # for people, and koop-up
		n=0
		for c in $(commands); do
			! settings "$c" | grep -qx -- "$key" || n=$((n + 1))
		done
		[ "$n" -ge 2 ] || {
			echo "$key: of $n programs"
			false
		}
	done
}

@test "house: a section is named as each program is" {
	diff <(commands | grep -vx koop) <(program_names)
}

@test "house: every setting can be set by a file, in its section" {
	for c in $(commands); do
		for key in $(settings "$c"); do
			printf '[%s]\n%s = ?\n' "$c" "$key" >one.conf
			run "$c" --config one.conf --print-config
			case $status in
			0) [[ "$output" == *"$key = ?  # $PWD/one.conf:2"* ]] ||
				[[ "$output" == *"$key = $PWD/?  # "* ]] ;;
			78) [[ "$output" == *"one.conf:2: $key: \"?\": want "* ]] ;;
			*) false ;;
			esac
		done
	done
}

@test "house: completions are fresh" {
	"$ROOT/tests/lint/gen-completions" "$BIN" made
	diff -r "$ROOT/completions" made
}

@test "house: completions are good shell" {
	for c in $(commands); do
		bash -n "$ROOT/completions/$c.bash"
		fish --no-execute "$ROOT/completions/$c.fish"
	done
	zsh -n "$ROOT/completions/_koop"
}

@test "house: a program links only the packages on its line" {
	for c in $(commands); do
		pkgs=$(sed -n "s/^PKG_$c *= *//p" "$ROOT/Makefile")
		# shellcheck disable=SC2086 # a list
		allowed=" c m ld-linux-x86-64 $([ -z "$pkgs" ] || pkg-config \
			--libs-only-l $pkgs | sed 's/-l//g') "
		for lib in $(objdump -p "$BIN/$c" |
			sed -n 's/^ *NEEDED  *\(lib\)\?\([^.]*\).*/\2/p'); do
			case $lib in
			asan | ubsan | tsan | gcc_s | ld-linux*) continue ;;
			esac
			[[ "$allowed" == *" $lib "* ]] || {
				echo "$c links $lib"
				false
			}
		done
	done
}

@test "house: programs are position independent and harden their tables" {
	for c in $(commands); do
		run -0 readelf -h -d "$BIN/$c"
		[[ "$output" == *"DYN (Position-Independent Executable"* ]]
		[[ "$output" == *NOW* ]]
	done
}

@test "koop: runs the program beside it" {
	run -0 --separate-stderr koop up --version
	[ "$output" = "$(koop-up --version)" ]
	mkdir bin
	ln -s "$BIN/koop" bin/koop
	PATH=/usr/bin:/bin run -0 bin/koop up --version
	[ "$output" = "$(koop-up --version)" ]
}

@test "koop: passes arguments and the exit status on" {
	run -64 --separate-stderr koop up --no-such-option
	[[ "$stderr" == "koop-up: --no-such-option: no such option"* ]]
}

@test "koop: a program that is not known is a usage error" {
	for name in nonsense up/../up '' koop-up; do
		run -64 --separate-stderr koop "$name"
		[ "$output" = "" ]
		[[ "$stderr" == "koop: $name: no such program"* ]]
	done
}

@test "koop: help of a program that is not known is a usage error" {
	run -64 --separate-stderr koop help nonsense
	[[ "$stderr" == "koop: nonsense: no such page"* ]]
	run -64 --separate-stderr koop help ../../etc/passwd
	[[ "$stderr" == "koop: ../../etc/passwd: no such page"* ]]
}

@test "koop: of a mistyped word it names the program that was meant" {
	while read -r typed meant; do
		run -64 --separate-stderr koop "$typed"
		[ "${stderr_lines[0]}" = \
			"koop: $typed: no such program; did you mean $meant?" ]
	done <<-'EOT'
		stauts status
		koop-up up
		encod encode
		shard shard-put
		topologys topology
	EOT
	# Nothing is like these.
	for typed in xyz a qqqqqqqq "$(printf 'x%.0s' {1..300})"; do
		run -64 --separate-stderr koop "$typed"
		[ "${stderr_lines[0]}" = "koop: $typed: no such program" ]
	done
}

@test "koop: alone lists the programs" {
	run -0 --separate-stderr koop
	[ "$stderr" = "" ]
	[[ "$output" == *"  up "*"  encode "*"  gw "* ]]
	run -0 koop help
	[[ "$output" == *"  up "* ]]
}

@test "koop: help of a program shows its manual, or its help" {
	run -0 bash -c 'koop help up | col -b'
	[[ "$output" == *"koop-up"* ]]
	[[ "$output" == *"--stop-node"* ]]
}

@test "house: every file that ARCHITECTURE.md names exists" {
	cd "$ROOT"
	names=$(grep -ohE '(lib|cmd|tests)/[a-z0-9_/-]+\.(c|h|bats)' \
		ARCHITECTURE.md | sort -u)
	[ "$(wc -l <<<"$names")" -gt 25 ]
	for name in $names; do
		[ -e "$name" ] || {
			echo "$name is not there"
			return 1
		}
	done
}
