#!/usr/bin/python3
"""Run the fuzzers of tests/fuzz, two at a time.

    fuzz.py [--seconds N] [NAME ...]     each for N seconds; without N until something is found or Ctrl-C

What they learn stays in build/fuzz/corpus/NAME; an input that breaks a promise is kept in build/fuzz/found/NAME-...,
and `build/fuzz/tests/fuzz/NAME FILE` replays it. The last line is "N passed, N failed".
"""

import argparse
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import build

FUZZ = build.BUILD / "fuzz"
LONGEST_INPUT = 250  # bytes


def programs():
    lists = (build.ROOT / "tests/fuzz/meson.build").read_text(encoding="utf-8")
    return re.findall(r"^    '(fuzz_\w+)',$", lists, re.MULTILINE)


def run(name, seconds):
    """Run one fuzzer; print how it went. Returns whether nothing was found."""
    corpus, found = FUZZ / "corpus" / name, FUZZ / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    command = [FUZZ / "tests/fuzz" / name, f"-max_len={LONGEST_INPUT}", "-timeout=20", "-rss_limit_mb=4096",
               "-print_final_stats=1", f"-artifact_prefix={found}/{name}-"]
    if seconds:
        command.append(f"-max_total_time={seconds}")
    log = FUZZ / f"{name}.log"
    with open(log, "w", encoding="utf-8", errors="replace") as file:
        status = subprocess.run([*command, corpus], stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                check=False).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    if status == 0 and runs:
        print(f"ok {name}: {int(runs[1]):,} inputs", flush=True)
        return True
    print(f"FAILED {name}, all of it in {log.relative_to(build.ROOT)}:", *text.splitlines()[-60:], sep="\n    ",
          flush=True)
    return False


def main():
    parser = argparse.ArgumentParser(description="Run the fuzzers.")
    parser.add_argument("--seconds", type=int, help="how long each runs; else without end")
    parser.add_argument("name", nargs="*", metavar="NAME")
    options = parser.parse_args()
    names = options.name or programs()
    if unknown := sorted(set(names) - set(programs())):
        parser.error(f"there is no fuzzer {unknown[0]}; there are {', '.join(programs())}")
    try:
        build.prepare("fuzz")
        build.compile_targets("fuzz")
    except build.BuildError:
        return 1
    print(f"fuzzing: {', '.join(names)}" + (f", {options.seconds} s each" if options.seconds else ", until Ctrl-C"),
          flush=True)
    with ThreadPoolExecutor(max_workers=2 if options.seconds else len(names)) as pool:
        results = list(pool.map(lambda name: run(name, options.seconds), names))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
