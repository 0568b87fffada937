# SPDX-License-Identifier: MIT
# Names in the cluster, for all three shells: sh -c "$this" koop WORD
# [OPTION...].  With a slash in it WORD is the begin of a name, and what comes
# up to the next slash is printed; else the buckets are, each with its slash.
# There is a second for it, and no word about what goes wrong.  What would
# drive the terminal is left out.  No single quotes: it is put between some.

word=$1
shift
case $word in
*/*) timeout "${KOOP_COMPLETION_SECONDS:-1}" koop-list -0 --limit 500 --delimiter / "$@" -- "$word" ;;
*) timeout "${KOOP_COMPLETION_SECONDS:-1}" koop-bucket "$@" list | tr "\n" "\0" |
	sed -zn "s/^{\"bucket\":\"\([a-z0-9.-]*\)\".*/\1\//p" ;;
esac </dev/null 2>/dev/null |
	LC_ALL=C grep -zv "[[:cntrl:]]" | tr "\0" "\n"
