#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What pages and README show is run, and ends as they show.  tests/examples
# says how a page is written so that it can be.

load helpers

examples() {
	run "$ROOT/tests/examples" "$@"
	echo "$output"
}

# page NAME: makes a page of what stands on standard input.
page() {
	printf '.Sh EXAMPLES\n.Bd -literal\n' >"$1"
	cat >>"$1"
	echo .Ed >>"$1"
}

@test "examples: commands of section 1" {
	examples run "$ROOT"/man/*.1
	[ "$status" -eq 0 ]
}

@test "examples: formats, sections 5, 7 and 8" {
	examples run "$ROOT"/man/*.[578]
	[ "$status" -eq 0 ]
}

@test "examples: README" {
	examples run "$ROOT/README.md"
	[ "$status" -eq 0 ]
}

@test "examples: a page says what it shows, and ids and times are any" {
	page good.1 <<-'END'
		$ printf 'id=%s %s' 0123456789abcdef0123456789abcdef \e
		>     2026-01-02T03:04:05.678Z
		id=00000000000000000000000000000000
		    2020-12-12T00:00:00.000Z
		$ seq 9
		1
		\&...
		9
		$ x=1; mkdir d; cd d
		$ basename "$PWD$x"
		d1
	END
	examples run good.1
	[ "$status" -eq 0 ]
	[[ "$output" == *"4 commands of 1 displays in 1 pages, 0 held" ]]
}

@test "examples: what fails, or prints something else, is found" {
	page status.1 <<<'$ false'
	examples run status.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"status.1:3: false: status 1"* ]]

	printf '$ seq 3\n1\n2\n4\n' | page prints.1
	examples run prints.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"prints.1:3: seq 3: prints"* ]]

	page pipe.1 <<<'$ koop-shard-get videos/film.mp4 | cat'
	examples run pipe.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"pipe.1:3: koop-shard-get"*"status 1"* ]]

	page target.1 <<<'$ make no-such-target'
	examples run target.1
	[ "$status" -eq 1 ]
}

@test "examples: one that would go on is ended when it has printed what is shown" {
	printf '$ while echo tick; do sleep 0.01; done | cat -n\n1 tick\n\\&...\n^C\n' |
		page cut.1
	examples run cut.1
	[ "$status" -eq 0 ]
}

@test "examples: a page of which nothing is run is a failure" {
	printf '.Sh NAME\n.Nm x\n' >none.1
	examples run none.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"none.1: no command of it is run"* ]]

	printf '# mkfs /dev/sdz\n' | page root.1
	examples run root.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"root.1: no command of it is run"* ]]

	page bare.1 <<<'koop-list videos'
	examples run bare.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"bare.1:3: an example without a prompt"* ]]

	printf '    $ true\n\ntext\n\n    curl http://127.0.0.1:9001/\n' >bare.md
	examples run bare.md
	[ "$status" -eq 1 ]
	[[ "$output" == *"bare.md:5: a command without a prompt"* ]]
}

@test "examples: nothing that an example starts is left" {
	page left.1 <<-'END'
		$ koop up --detach --data mine
		\&...
		$ sleep 60 & echo $!
		\&...
	END
	TMPDIR=$PWD examples run left.1
	[ "$status" -eq 0 ]
	[ "$(leftovers "$PWD")" = "" ]
	run ! pgrep -f "$PWD"
	[ "$(echo examples.*)" = 'examples.*' ]
}
