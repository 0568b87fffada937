#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The session cache's conformance suite, once for each kind of URL.

load helpers

UNIT=$(dirname "$BIN")/unit

suite() {
	run -0 "$UNIT/test-session" "$1"
	[[ "${lines[-1]}" =~ ^1\.\.[1-9] ]]
	run ! grep '^not ok' <<<"$output"
}

@test "session: mem: keeps every promise of the port" {
	suite mem:
}

@test "session: sqlite: keeps every promise of the port" {
	suite sqlite:
}
