# SPDX-License-Identifier: MIT
# Koop.  "make help" lists what can be made; config.mk overrides what is set
# here before the line that includes it (see config.mk.example).

VERSION = 0.1.0
PREFIX  = /usr/local
BUILD   = build/release
CFLAGS  = -O2 -g
WERROR  = -Werror
HARDEN  = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
JOBS    = 2
CLANG        = clang
CLANG_FORMAT = clang-format
CLANG_TIDY   = clang-tidy
-include config.mk

# The library, in dependency order: a directory may include from itself and
# from those before it (tests/lint/check-layers).
LAYERS = base codec http shard cluster commit session wire client store apply \
	member upkeep node s3 up

# The packages that each command may link.  --as-needed drops what a command
# does not use; what is not in its line does not link.
PKG_koop           =
PKG_koop-up        = libisal libcrypto jansson sqlite3
PKG_koop-encode    = libisal libcrypto
PKG_koop-decode    = libisal libcrypto
PKG_koop-shard-put = libisal libcrypto jansson sqlite3
PKG_koop-shard-get = libisal libcrypto jansson sqlite3
PKG_koop-commit    = libisal libcrypto jansson sqlite3
PKG_koop-log       = libisal libcrypto jansson sqlite3
PKG_koop-bucket    = libisal libcrypto jansson sqlite3
PKG_koop-list      = libisal libcrypto jansson sqlite3
PKG_koop-rm        = libisal libcrypto jansson sqlite3
PKG_koop-stat      = libisal libcrypto jansson sqlite3
PKG_koop-locate    = libisal libcrypto jansson sqlite3
PKG_koop-verify    = libisal libcrypto jansson sqlite3
PKG_koop-topology  = libisal libcrypto jansson
PKG_koop-node      = libisal libcrypto libmicrohttpd jansson sqlite3
PKG_koop-gw        = libisal libcrypto libmicrohttpd jansson sqlite3 expat
PKG_all            = libisal libcrypto libmicrohttpd jansson sqlite3 expat

# What a Debian machine needs to build, test and lint.
DEBIAN = gcc make pkg-config libmicrohttpd-dev libisal-dev libsqlite3-dev \
	libssl-dev libexpat1-dev libjansson-dev libcurl4-openssl-dev \
	bats parallel curl openssl jq mandoc shellcheck clang clang-format \
	clang-tidy libclang-rt-14-dev universal-ctags python3 nginx-light \
	bash zsh fish util-linux procps bsdextrautils git prometheus

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wwrite-strings \
	-Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef \
	-Wformat=2 -Wconversion -Wno-sign-conversion -Wimplicit-fallthrough \
	-Wnull-dereference $(WERROR)
CPPFLAGS_ALL = -std=c17 -D_GNU_SOURCE -DKOOP_VERSION='"$(VERSION)"' \
	-Ilib -Itests/unit $(VARIANT)
CFLAGS_ALL = $(CPPFLAGS_ALL) -MMD -MP $(WARN) -fno-common -fPIE $(HARDEN) \
	$(CFLAGS)
LDFLAGS_ALL = -pie -Wl,--as-needed -Wl,-z,relro,-z,now $(CFLAGS) $(LDFLAGS)

# The release binaries' twin with fault points, for the crash tests.
FAULTS = $(patsubst %/release-faults,%/faults,$(BUILD)-faults)

COMMANDS  = $(patsubst cmd/%.c,%,$(wildcard cmd/*.c))
SRC       = $(sort $(foreach d,$(LAYERS),$(wildcard lib/$d/*.c)))
HEADERS   = $(sort $(foreach d,$(LAYERS),$(wildcard lib/$d/*.h)))
UNIT_SRC  = $(wildcard tests/unit/*.c)
UNIT_HELP = $(filter-out tests/unit/test-%,$(UNIT_SRC))
BENCH_SRC = $(wildcard tests/bench/*.c)
FUZZ_SRC  = $(wildcard tests/fuzz/fuzz-*.c)
PAGES     = $(wildcard man/*.[1578])
# Every shell script of the tree, found by its first line.
SCRIPTS   = tests/helpers.bash $(shell grep -lE '^.!/.*(/sh|bash|bats)$$' -r .ci tests examples \
	--include='*' 2>/dev/null | sort)

LIB  = $(BUILD)/libkoop.a
BIN  = $(COMMANDS:%=$(BUILD)/bin/%)
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter \
	tests/unit/test-%,$(UNIT_SRC)))
FUZZ = $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)

# A line for each file made; "make V=1" shows the commands instead.
SAY = $(if $(V),,@echo "  $@"; )

all: $(BIN)		## build every command into build/release/bin

# Commands and library may not use what base/banned.h names; tests may.
BANNED = -include lib/base/banned.h
# The codec is the one place where the optimiser earns more than 1 %.
OPT_codec = -O3

$(BUILD)/lib/codec/%.o: lib/codec/%.c Makefile
	@mkdir -p $(@D)
	$(SAY)$(CC) $(CFLAGS_ALL) $(OPT_codec) $(BANNED) -c -o $@ $<

$(BUILD)/lib/%.o: lib/%.c Makefile
	@mkdir -p $(@D)
	$(SAY)$(CC) $(CFLAGS_ALL) $(BANNED) -c -o $@ $<

$(BUILD)/cmd/%.o: cmd/%.c Makefile
	@mkdir -p $(@D)
	$(SAY)$(CC) $(CFLAGS_ALL) $(BANNED) -c -o $@ $<

$(BUILD)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(SAY)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Made anew each time: a renamed file must not live on in the archive.
$(LIB): $(SRC:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(SAY)$(AR) rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/cmd/%.o $(LIB)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(if $(strip $(PKG_$*)),$(shell \
	    pkg-config --libs $(PKG_$*))) -lpthread

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(UNIT_HELP:%.c=$(BUILD)/%.o) $(LIB)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs $(PKG_all)) \
	    -lpthread

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs \
	    $(PKG_all)) -lm -lpthread

$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(SAY)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ \
	    $(shell pkg-config --libs $(PKG_all)) -lpthread

units: $(UNIT)		## build the unit tests, do not run them
fuzzers: $(FUZZ)

faults:			## build the commands with fault points
	$(MAKE) all BUILD=$(FAULTS) VARIANT=-DKOOP_FAULTS

up: deps		## run a whole cluster on this machine
	$(MAKE) all
	$(BUILD)/bin/koop up

demo: deps		## watch a cluster lose machines and keep its objects
	$(MAKE) all
	PATH="$(CURDIR)/$(BUILD)/bin:$$PATH" examples/demo.sh

TAP = build/test
RUN_TESTS = BUILD="$(BUILD)" FAULTS="$(FAULTS)" JOBS="$(JOBS)" TAP="$(TAP)" \
	BATS_FILES="$(BATS_FILES)" tests/run

test: deps		## run every test
	$(MAKE) all units
	$(MAKE) faults
	$(RUN_TESTS)

check:			## run the tests that are not slow
	$(MAKE) all units
	$(MAKE) faults
	$(RUN_TESTS) --filter-tags '!slow'

# What a sanitizer puts into the code makes gcc see ways that nobody takes, so
# that its warnings are no errors here; "make lint" has those of each level.
SANITIZED = BUILD=build/$@ TAP=build/$@ HARDEN= OPT_codec= WERROR= \
	CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN_$@)"
SAN_asan  = address
SAN_ubsan = undefined -fno-sanitize-recover=all
SAN_tsan  = thread

asan ubsan tsan:	## run the tests that are not slow under a sanitizer
	$(MAKE) check $(SANITIZED)

# The part of it that .ci/run has time for.  One after the other: in a program
# with both, gcc's ubsan writes its reports to no file.
sanitize:		## unit tests, node and S3 under asan, then ubsan
	for s in asan ubsan; do $(MAKE) $$s \
	    BATS_FILES="tests/60-node.bats $(wildcard tests/7*.bats)" || \
	    exit 1; done

mutants:		## break the code here and there: which test notices?
	tests/mutants/run $(MUTANTS)

FUZZ_SECONDS = 10
fuzz-smoke:		## run each fuzzer for ten seconds on its corpus
	$(MAKE) fuzzers CC=$(CLANG) BUILD=build/fuzz HARDEN= OPT_codec= \
	    CFLAGS="-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=address,undefined,fuzzer-no-link \
	    -fno-sanitize-recover=undefined"
	BUILD=build/fuzz tests/fuzz/run $(FUZZ_SECONDS)

# The load generators of the benchmark.
benchers: $(BENCH_SRC:tests/bench/%.c=$(BUILD)/bench/%)

bench: deps		## measure against named peers (tests/bench)
	$(MAKE) all benchers
	@for b in $(filter-out %.c,$(wildcard tests/bench/*)); do \
	    echo "# $$b"; \
	    PATH="$(CURDIR)/$(BUILD)/bin:$$PATH" BENCH="$(BUILD)/bench" $$b || \
	    exit 1; done

# All of them, so that one run tells everything.
lint:			## layers, sizes, banned words, pages, shell, format
	$(MAKE) -k --no-print-directory $(LINTS)

LINTS = lint-layers lint-sizes lint-banned lint-asserts lint-statics lint-callers lint-headers lint-pages \
	lint-shell lint-format lint-levels lint-clang lint-tidy

lint-layers:
	@tests/lint/check-layers $(LAYERS)
lint-sizes:
	@tests/lint/check-sizes
lint-banned:
	@tests/lint/check-banned

lint-asserts:
	@tests/lint/count-asserts $(LAYERS)
lint-statics:
	@tests/lint/check-statics $(LAYERS)

lint-callers:
	@tests/lint/check-callers

lint-headers:
	@tests/lint/check-headers $(CC) $(CPPFLAGS_ALL)

lint-pages:
	@$(if $(PAGES),mandoc -T lint -W warning $(PAGES))

lint-shell:
	@$(if $(SCRIPTS),shellcheck -S warning -e SC2154 -e SC2238 $(SCRIPTS))

lint-format:
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

# What the optimiser sees differs by level, and so do its warnings.  The
# objects stay in build/lint, so that a second run compiles what changed.
OBJECTS = $(SRC:%.c=$(BUILD)/%.o) $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
objects: $(OBJECTS)
lint-levels:
	@for cc in gcc $(CLANG); do for level in 0 1 2 3; do \
	    $(MAKE) -s -j$(JOBS) objects BUILD=build/lint/$$cc-O$$level \
	    CC="$(filter ccache,$(CC)) $$cc" CFLAGS="-O$$level -g" OPT_codec= \
	    V=1 || { echo "$$cc -O$$level fails" >&2; exit 1; }; done; done

lint-clang:
	@$(CLANG) -fsyntax-only $(CPPFLAGS_ALL) $(WARN) $(UNIT_SRC) \
	    $(FUZZ_SRC) $(BENCH_SRC)

lint-tidy:
	@tests/lint/tidy-changed $(CLANG_TIDY) $(CPPFLAGS_ALL)

C_FILES = $(SRC) $(HEADERS) $(wildcard cmd/*.c) $(UNIT_SRC) \
	$(wildcard tests/unit/*.h) $(FUZZ_SRC) $(BENCH_SRC)

format:			## clang-format the whole tree in place
	$(CLANG_FORMAT) -i $(C_FILES)

tidy:			## clang-tidy over the whole tree
	$(CLANG_TIDY) --quiet $(SRC) $(wildcard cmd/*.c) -- $(CPPFLAGS_ALL)

completions: all	## write completions/ from the option tables
	tests/lint/gen-completions $(BUILD)/bin completions

# For clangd.
compile_commands.json: Makefile $(SRC) $(wildcard cmd/*.c)	## for clangd
	@{ echo '['; sep=; for f in $(SRC) $(wildcard cmd/*.c); do \
	  printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" \
	  "$(CURDIR)" "$$f" \
	  "$(CC) $(subst ",\\\",$(CFLAGS_ALL)) $(BANNED) -c $$f"; sep=','; \
	  done; echo ']'; } >$@

DATADIR = $(DESTDIR)$(PREFIX)/share
BASHDIR = $(DATADIR)/bash-completion/completions
ZSHDIR  = $(DATADIR)/zsh/site-functions
FISHDIR = $(DATADIR)/fish/vendor_completions.d
install: all		## install under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin
	@for page in $(PAGES); do \
	    install -D -m 644 $$page \
	    $(DATADIR)/man/man$${page##*.}/$${page##*/} || exit 1; done
	@for c in $(COMMANDS); do \
	    install -D -m 644 completions/$$c.bash $(BASHDIR)/$$c && \
	    install -D -m 644 completions/$$c.fish $(FISHDIR)/$$c.fish || \
	    exit 1; done
	install -D -m 644 completions/_koop $(ZSHDIR)/_koop

uninstall:		## remove what install put there
	rm -f $(COMMANDS:%=$(DESTDIR)$(PREFIX)/bin/%)
	@for page in $(PAGES); do \
	    rm -f $(DATADIR)/man/man$${page##*.}/$${page##*/}; done
	rm -f $(COMMANDS:%=$(BASHDIR)/%) $(COMMANDS:%=$(FISHDIR)/%.fish) \
	    $(ZSHDIR)/_koop

deps:			## install the Debian packages that are missing
	@command -v dpkg-query >/dev/null || { \
	    echo "deps: not Debian; you need: $(DEBIAN)"; exit 0; }; \
	missing=; \
	for p in $(DEBIAN); do \
	    dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | \
	        grep -qx installed || missing="$$missing $$p"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	echo "deps: installing with apt-get:$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get update -q && \
	$$sudo apt-get install -q -y --no-install-recommends $$missing

clean:			## remove build/
	rm -rf build compile_commands.json

# What one does first comes first.
HELP = help up demo all check test install uninstall format lint completions units \
	faults asan sanitize mutants fuzz-smoke bench tidy compile_commands.json \
	deps clean
help:			## print this
	@for t in $(HELP); do \
	    sed -n "s/^\($$t[a-z ]*\):[^#]*## /\1	/p" Makefile; \
	done | expand -t 24

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all units fuzzers faults up demo test check asan ubsan tsan sanitize mutants fuzz-smoke
.PHONY: $(LINTS) objects bench benchers lint format tidy completions install uninstall deps clean help
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
