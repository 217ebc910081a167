#!/usr/bin/python3
"""All that continuous integration runs, step by step, with the time of each.

    check.py [STEP ...]      these steps only; --list names them

The last line is "N passed, N failed" over all steps.
"""

import argparse
import re
import subprocess
import sys
import time

import build

SUM = re.compile(r"(?:# )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")


def tests(variant, *options):
    return ["tools/test.py", "--variant", variant, *options]


# What differs from one compiler to the next is the switch, what is inlined around it, and what is cached across it.
# These tests meet all of that; the others would only take their time to link.
BROAD = ("parity-", "example-", "test_cancel", "test_conn_storm", "test_contextvars", "test_coro", "test_cxx",
         "test_loop", "test_queues", "test_reuse_storm", "test_servers", "test_sockets", "test_stacks",
         "test_stream_worlds", "test_streamreader_conn", "test_streamwriter", "test_tasks", "test_threads",
         "test_timers", "test_worlds")

STEPS = {
    "test": ("all tests and house rules, gcc -O2 with assertions", tests("dev")),
    "worlds": ("100,000 random worlds of tasks, as many of clients and servers",
               tests("dev", "--worlds", "100000", "--timeout-factor", "4", "_worlds-sim")),
    "headers": ("public headers alone, in each language and standard", ["tools/check_headers.py"]),
    "install": ("install, and programs outside of the tree", ["tools/check_install.py"]),
    "gcc-O2-lto": ("a broad choice of tests, gcc -O2 -flto", tests("gcc-O2-lto", *BROAD)),
    "gcc-O0": ("a broad choice of tests, gcc -O0", tests("gcc-O0", *BROAD)),
    "clang-O2-lto": ("a broad choice of tests, clang -O2 -flto", tests("clang-O2-lto", *BROAD)),
    "clang-O0": ("all tests, clang -O0", tests("clang-O0")),
    "asan": ("all tests, AddressSanitizer and UBSan", tests("asan")),
    "hostile": ("all tests with tiny capacities, moved memory, short transfers and late cancels, sanitized",
                tests("hostile")),
    "sweep": ("every allocation and operation fails once, with the sanitizers",
              tests("asan", "--suite", "sweep")),
    "tsan": ("threaded tests, ThreadSanitizer", tests("tsan", "--suite", "threaded")),
    "valgrind": ("chosen tests, Valgrind", tests("valgrind", "--suite", "valgrind")),
    "fuzz": ("each fuzzer for a minute", ["tools/fuzz.py", "--seconds", "60"]),
    "musl": ("the library compiles with musl", ["tools/build.py", "musl"]),
    "aarch64": ("a broad choice of the simulator's tests for 64-bit ARM, under qemu",
                tests("aarch64", "--suite", "sim", *BROAD)),
}


class Total:
    """The sum over the steps."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.bad_steps = []

    def add(self, name, status, last_line):
        match = SUM.fullmatch(last_line)
        # A step without a sum is one case.
        passed, failed, skipped = (int(number or 0) for number in match.groups()) if match else (status == 0, 0, 0)
        if status and not failed:
            failed = 1
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.bad_steps.append(name)


def run_step(name, total):
    """Run one step; its output is passed on as it comes."""
    about, command = STEPS[name]
    print(f"== {name}: {about}", flush=True)
    begin = time.monotonic()
    last_line = ""
    with subprocess.Popen([sys.executable, *command], cwd=build.ROOT, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            last_line = line.rstrip("\n") or last_line
            # What went well is in the sum.
            if not re.match(r"ok |\[\d+/\d+\] \S+: (?!.*FAILED)|skipped \d", line):
                print(line, end="", flush=True)
    total.add(name, process.returncode, last_line)
    print(f"== {name}: {time.monotonic() - begin:.0f} s\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description="All that continuous integration runs.")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("step", nargs="*", metavar="STEP")
    options = parser.parse_args()
    if options.list:
        for name, (about, _) in STEPS.items():
            print(f"{name:14} {about}")
        return 0
    if unknown := [step for step in options.step if step not in STEPS]:
        parser.error(f"there is no step {unknown[0]}")
    total = Total()
    begin = time.monotonic()
    for name in options.step or STEPS:
        run_step(name, total)
    print(f"{time.monotonic() - begin:.0f} s" + (f"; failed: {' '.join(total.bad_steps)}" if total.bad_steps else ""))
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
