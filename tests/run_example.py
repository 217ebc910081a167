#!/usr/bin/python3
"""Run a program and compare what it prints with its golden transcript.

    run_example.py --name NAME --golden FILE PROGRAM [ARGUMENT ...]

The program must print exactly the golden file to standard output, nothing to standard error, and exit with 0.
TEST_WRAPPER in the environment, for example "qemu-aarch64 -L /usr/aarch64-linux-gnu", is put before the program.
"""

import argparse
import difflib
import os
import pathlib
import shlex
import subprocess
import sys

TIME_LIMIT_S = 60


def problems_of(done, golden):
    """Lines that say what is wrong, none when all is well."""
    lines = []
    if done.returncode:
        lines.append(f"exit status {done.returncode}")
    if done.stderr:
        lines.append("standard error:")
        lines += done.stderr.splitlines()
    if done.stdout != golden:
        lines += difflib.unified_diff(golden.splitlines(), done.stdout.splitlines(), "golden", "printed", lineterm="")
        if done.stdout.splitlines() == golden.splitlines():
            lines.append("only the last line's end differs")
    return lines


def main():
    parser = argparse.ArgumentParser(description="Run a program and compare its output with a golden file.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--golden", required=True, type=pathlib.Path)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    command = shlex.split(os.environ.get("TEST_WRAPPER", "")) + [options.program] + options.arguments
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT_S,
                              stdin=subprocess.DEVNULL)
        problems = problems_of(done, options.golden.read_text())
    except subprocess.TimeoutExpired:
        problems = [f"still running after {TIME_LIMIT_S} s"]
    for line in problems:
        print(f"# {line}")
    print(f"not ok {options.name}" if problems else f"ok {options.name}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
