#!/usr/bin/python3
"""Build a variant and run its tests, two at a time; the one front door of every test run.

    test.py [--variant dev] [--suite NAME] [--seed N] [--worlds N] [--timeout-factor F] [NAME ...]

NAME picks the tests whose name contains it; only what they need is built then. What there is to run is asked of Meson.
A test program prints one line a case and a last line with the sum:

    ok NAME
    not ok NAME
    skip NAME # why
    # N passed, N failed, N skipped

A program that dies, hangs or leaves out its sum counts as one more failure. A script may go without all that: it is one
case then, which passes with exit status 0. The output of failing programs is shown; that of all is in
build/VARIANT/test-logs. The last line is "N passed, N failed", with ", N skipped" if there are any.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import build

CASE = re.compile(r"^(ok|not ok|skip) (\S.*)$", re.MULTILINE)
SUM = re.compile(r"^# (\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)
SHOWN_LINES = 120
# Suites that depend neither on the compiler nor on a sanitizer; `sweep` is a step of its own.
ONE_VARIANT = {"house", "idle", "refused", "sweep"}


class Outcome:
    """What one test program did."""

    def __init__(self, name):
        self.name = name
        self.passed, self.failed, self.skipped = [], [], []
        self.output = ""
        self.seconds = 0.0

    def blame(self, why):
        """A failure that no case stands for."""
        self.failed.append(f"{self.name}: {why}")
        self.output += f"# {why}\n"

    def read(self, status, is_program):
        """Count the cases, and check that the program told us of all of them."""
        lists = {"ok": self.passed, "not ok": self.failed, "skip": self.skipped}
        for word, case in CASE.findall(self.output):
            lists[word].append(f"{self.name}: {case}")
        total = SUM.findall(self.output)
        # A script without cases is one.
        if not is_program and not total and not any((self.passed, self.failed, self.skipped)) and status >= 0:
            (self.failed if status else self.passed).append(self.name)
        counted = tuple(len(each) for each in (self.passed, self.failed, self.skipped))
        if status < 0:
            self.blame(f"killed by {signal.Signals(-status).name}")
        elif status > 0 and not self.failed:
            self.blame(f"exit status {status}, though no case failed")
        elif status == 0 and self.failed:
            self.blame("exit status 0, though a case failed")
        elif is_program and not total:
            self.blame("ended without its sum")
        elif total and tuple(int(number or 0) for number in total[-1]) != counted:
            self.blame(f"its sum {total[-1]} is not what it printed {counted}")


class Runner:
    """Runs test programs and prints as they finish."""

    def __init__(self, variant, directory, options):
        self.variant = build.VARIANTS[variant]
        self.directory = directory
        self.logs = directory / "test-logs"
        self.factor = options.timeout_factor * self.variant.slowness
        self.environment = dict(os.environ, **self.variant.run_environment)
        if self.variant.wrapper:
            self.environment["TEST_WRAPPER"] = self.variant.wrapper
        if options.seed is not None:
            self.environment["ASYNCIO_TEST_SEED"] = str(options.seed)
        if options.worlds is not None:
            self.environment["WORLDS"] = str(options.worlds)
        self.lock = threading.Lock()
        self.live = set()
        self.finished = 0
        self.total = 0
        self.width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    def run(self, test):
        """Run one program to its end or its time limit."""
        outcome = Outcome(test["name"])
        is_program = not pathlib.Path(test["cmd"][0]).name.startswith("python")
        command = (shlex.split(self.variant.wrapper) if is_program else []) + test["cmd"]
        limit = test["timeout"] * self.factor
        begin = time.monotonic()
        # A session of its own, so that a test that hangs dies with all of its children.
        with subprocess.Popen(command, cwd=test["workdir"] or self.directory, env={**self.environment, **test["env"]},
                              start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as process:
            with self.lock:
                self.live.add(process.pid)
            try:
                output, _ = process.communicate(timeout=limit)
                late = False
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                late = True
            with self.lock:
                self.live.discard(process.pid)
        outcome.seconds = time.monotonic() - begin
        outcome.output = output.decode(errors="replace")
        if outcome.output and not outcome.output.endswith("\n"):
            outcome.output += "\n"
        if late:
            outcome.read(0, False)
            outcome.blame(f"still running after {limit:.0f} s")
        else:
            outcome.read(process.returncode, is_program)
        (self.logs / f"{outcome.name}.log").write_text(outcome.output, encoding="utf-8")
        with self.lock:
            self.finished += 1
            self.show(outcome)
        return outcome

    def show(self, outcome):
        """One line a program; on a terminal the next one overwrites it, unless there is something to read."""
        counts = f"{len(outcome.passed)} passed"
        if outcome.failed:
            counts += f", {len(outcome.failed)} FAILED"
        if outcome.skipped:
            counts += f", {len(outcome.skipped)} skipped"
        line = f"[{self.finished}/{self.total}] {outcome.name}: {counts} ({outcome.seconds:.1f} s)"
        if self.width:
            print("\r\033[K" + line[:self.width - 1], end="\n" if outcome.failed else "", flush=True)
        else:
            print(line, flush=True)
        if outcome.failed:
            lines = [text for text in outcome.output.splitlines() if not text.startswith(("ok ", "skip "))]
            if len(lines) > SHOWN_LINES:
                left_out = len(lines) - SHOWN_LINES
                half = SHOWN_LINES // 2
                lines[half:-half] = [f"... {left_out} more lines in {self.logs / outcome.name}.log ..."]
            print("\n".join("    " + text for text in lines), flush=True)

    def run_all(self, tests, jobs):
        self.logs.mkdir(exist_ok=True)
        self.total = len(tests)
        together = [test for test in tests if test["is_parallel"]]
        alone = [test for test in tests if not test["is_parallel"]]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            try:
                outcomes = list(pool.map(self.run, together))
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                for pid in list(self.live):
                    os.killpg(pid, signal.SIGKILL)
                raise
        outcomes += [self.run(test) for test in alone]
        if self.width:
            print("\r\033[K", end="")
        return outcomes


def chosen(tests, options):
    """The tests that the command line asks for. What does not depend on the compiler is left to one variant."""
    picked = []
    for test in tests:
        suites = {suite.partition(":")[2] for suite in test["suite"]}
        if options.suite and options.suite not in suites:
            continue
        if options.variant != "dev" and suites & (ONE_VARIANT - {options.suite}):
            continue
        if options.name and not any(name in test["name"] for name in options.name):
            continue
        picked.append(test)
    return sorted(picked, key=lambda test: -test["priority"])


def targets_of(tests, directory):
    """What ninja has to build before these tests can run: the files of the build that their commands name."""
    built = {name for target in introspect(directory, "targets") for name in target["filename"]}
    parts = {directory / part for test in tests for part in test["cmd"]}
    return sorted(str(part.relative_to(directory)) for part in parts if str(part) in built)


def introspect(directory, what):
    return json.loads((directory / f"meson-info/intro-{what}.json").read_text(encoding="utf-8"))


def parse_arguments():
    parser = argparse.ArgumentParser(description="Build a variant and run its tests.")
    parser.add_argument("--variant", default="dev", choices=build.VARIANTS)
    parser.add_argument("--suite", help="only this suite: epoll uring sim refused threaded valgrind examples parity "
                        "sweep real house")
    parser.add_argument("--seed", type=int, help="ASYNCIO_TEST_SEED of the tests")
    parser.add_argument("--worlds", type=int, help="how many random worlds each of their tests makes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout-factor", type=float, default=1.0)
    parser.add_argument("name", nargs="*")
    return parser.parse_args()


def run(options):
    """Build, run and report. Returns the outcomes."""
    directory = build.BUILD / options.variant
    build.prepare(options.variant)
    tests = chosen(introspect(directory, "tests"), options)
    if not tests:
        return []
    # Somebody who asks for one test does not want to wait for, or be stopped by, the rest.
    picky = options.name or options.suite
    build.compile_targets(options.variant, targets_of(tests, directory) if picky else ())
    return Runner(options.variant, directory, options).run_all(tests, options.jobs)


def main():
    options = parse_arguments()
    try:
        outcomes = run(options)
    except build.BuildError:
        print("the build failed", flush=True)
        print("0 passed, 1 failed")
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130
    passed, failed, skipped = ([case for outcome in outcomes for case in getattr(outcome, kind)]
                               for kind in ("passed", "failed", "skipped"))
    for why, number in collections.Counter(case.partition(" # ")[2] for case in skipped).most_common():
        print(f"skipped {number}: {why}")
    for case in failed:
        print(f"FAILED: {case}")
    if not passed and not failed:
        print("no test was run")
    print(f"{len(passed)} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
