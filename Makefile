# The one door. Meson does the work; each target first installs the Debian packages it lacks (tools/setup).
# Text after two hashes is what `make help` prints.

# Overridable: make run PROGRAM=path.c ARGS="..."; make test TEST="locks queues"; make bench QUICK=1; make sim SEED=7.
PROGRAM ?=
ARGS ?=
TEST ?=
SEED ?= 1
QUICK ?=
DESTDIR ?=
PREFIX ?= /usr/local
LIBDIR ?= lib

PYTHON := /usr/bin/python3
SHELL := /bin/sh
# The scripts import one another; their caches do not belong into the tree.
export PYTHONDONTWRITEBYTECODE := 1
PROGRAM_CFLAGS := -g -O2 -Wall -Wextra -fstack-clash-protection -fno-omit-frame-pointer
RUN_EXAMPLES := as_completed lock event

.DEFAULT_GOAL := all
.PHONY: all run test check asan hostile tsan valgrind aarch64 fuzz sim bench fmt tidy install clean help

all: ## build the library, the tests and the examples in build/dev
	@tools/setup build
	@$(PYTHON) tools/build.py dev

ifeq ($(PROGRAM),)
run: ## run the examples; PROGRAM=path.c ARGS="..." compiles and runs a program of one file
	@tools/setup build
	@$(PYTHON) tools/build.py dev
	@for name in $(RUN_EXAMPLES); do \
	    [ -x build/dev/examples/$$name ] || continue; \
	    echo "== examples/$$name.c"; build/dev/examples/$$name || exit; echo; \
	done
	@if [ -x build/dev/examples/pipeline ]; then \
	    echo "== examples/pipeline.c src"; build/dev/examples/pipeline src || exit; echo; \
	fi
	@if [ -x build/dev/examples/echo_server ]; then \
	    echo "== examples/echo_server.c, with 200 clients in Python"; \
	    $(PYTHON) tests/real/echo_load.py build/dev/examples/echo_server; \
	fi
else
run:
	@tools/setup build
	@$(PYTHON) tools/build.py dev src/libasyncio.a
	@mkdir -p build/run
	@$${CC:-gcc} $(PROGRAM_CFLAGS) -Iinclude -o build/run/$(basename $(notdir $(PROGRAM))) $(PROGRAM) \
	    build/dev/src/libasyncio.a $$(pkg-config --libs libcares 2>/dev/null) $$(pkg-config --libs openssl 2>/dev/null) \
	    -pthread -lm
	@build/run/$(basename $(notdir $(PROGRAM))) $(ARGS)
endif

test: ## run the tests; TEST="locks queues" picks some
	@tools/setup build real
	@$(PYTHON) tools/test.py $(TEST)

check: ## all that CI runs, in 25 to 30 minutes; TEST="asan headers" picks steps
	@tools/setup check
	@$(PYTHON) tools/check.py $(TEST)

asan: ## run the tests under AddressSanitizer and UBSan
	@tools/setup build real
	@$(PYTHON) tools/test.py --variant asan $(TEST)

hostile: ## run the tests with tiny capacities, moved memory, short transfers and late cancels, sanitized
	@tools/setup build
	@$(PYTHON) tools/test.py --variant hostile $(TEST)

tsan: ## run the threaded tests under ThreadSanitizer
	@tools/setup build clang
	@$(PYTHON) tools/test.py --variant tsan --suite threaded $(TEST)

valgrind: ## run the chosen part of the tests under Valgrind
	@tools/setup build valgrind
	@$(PYTHON) tools/test.py --variant valgrind --suite valgrind $(TEST)

aarch64: ## run the simulator's tests for 64-bit ARM under qemu
	@tools/setup build aarch64
	@$(PYTHON) tools/test.py --variant aarch64 --suite sim $(TEST)

fuzz: ## run the fuzzers until Ctrl-C or until something is found; TEST="fuzz_readline" picks some
	@tools/setup build clang
	@$(PYTHON) tools/fuzz.py $(TEST)

sim: ## run the simulator's tests with SEED=n
	@tools/setup build
	@$(PYTHON) tools/test.py --suite sim --seed $(SEED) $(TEST)

bench: ## measure us and our peers, in 20 to 25 minutes; QUICK=1 for a first impression in 3
	@tools/setup build
	@tools/setup bench || echo "Peers that are not installed will be absent."
	@$(PYTHON) tools/build.py bench
	@$(PYTHON) bench/run.py $(if $(QUICK),--quick)

tidy: ## check the house rules
	@tools/setup build
	@$(PYTHON) tools/tidy.py

fmt: ## lay out the sources; FILES="..." picks some
	@tools/setup build fmt
	@$(PYTHON) tools/fmt.py $(FILES)

install: ## install to DESTDIR= and PREFIX=
	@tools/setup build
	@$(PYTHON) tools/build.py --option=-Dprefix=$(PREFIX) --option=-Dlibdir=$(LIBDIR) release
	@DESTDIR=$(if $(DESTDIR),$(abspath $(DESTDIR))) meson install --quiet --no-rebuild -C build/release
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean: ## remove build/
	@rm -rf build

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
