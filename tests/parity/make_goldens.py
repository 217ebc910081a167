#!/usr/bin/env python3
"""Write the golden transcript NAME.out of every program NAME.py here, or check the ones that are checked in.

    make_goldens.py [--check] [--python INTERPRETER] [NAME ...]

The interpreter is the one given, else $PYTHON, else the one that runs this. A program with a line "# requires: 3.13" is
skipped on an older interpreter; without such a line it needs 3.11. Goldens are written by 3.13 only, so that there is
one reference. A program that prints anything to stderr, or fails, has no transcript: that is an error.

Exit status: 0 all fine, 1 something differs or failed, 2 misuse.
"""

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOT_PROGRAMS = {"virtual_clock", "parity_tls", "make_goldens"}
REFERENCE = (3, 13)
OLDEST = (3, 11)
TIME_LIMIT_S = 60


def version_of(python):
    """The (major, minor) of an interpreter."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    return tuple(int(part) for part in subprocess.run(command, capture_output=True, check=True).stdout.split())


def required_version(program):
    """The oldest Python that a program says it needs."""
    match = re.search(r"^# requires: (\d+)\.(\d+)$", program.read_text(), re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else OLDEST


def transcript_of(python, program):
    """Run a program; give its transcript and, if it failed, why."""
    # A fresh hash seed each time: a transcript that depends on the order of a set shows itself.
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "random", "PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run([python, program.name], cwd=HERE, env=environment, capture_output=True, text=True,
                              timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        return "", f"still running after {TIME_LIMIT_S} s"
    if done.returncode != 0:
        return done.stdout, f"exit status {done.returncode}\n{done.stderr}"
    if done.stderr:
        return done.stdout, f"wrote to stderr:\n{done.stderr}"
    return done.stdout, None


def difference(golden, text):
    """A unified diff of what is checked in and what the interpreter printed, or None."""
    expected = golden.read_text() if golden.exists() else ""
    if golden.exists() and expected == text:
        return None
    lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), f"{golden.name} (checked in)", "printed now",
                                 lineterm="")
    return "\n".join(lines) or f"{golden.name} is missing"


def main():
    parser = argparse.ArgumentParser(description="write or check the golden transcripts")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--python", default=os.environ.get("PYTHON", sys.executable), help="the interpreter to use")
    parser.add_argument("names", nargs="*", help="programs, without .py; all by default")
    arguments = parser.parse_args()

    version = version_of(arguments.python)
    if not arguments.check and version != REFERENCE:
        print(f"goldens are written by Python {REFERENCE[0]}.{REFERENCE[1]}; this is {version[0]}.{version[1]}",
              file=sys.stderr)
        return 2

    names = arguments.names or sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_PROGRAMS)
    programs = [HERE / f"{name}.py" for name in names]
    wanted = [program for program in programs if required_version(program) <= version]
    failed = 0
    written = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (text, error) in zip(wanted, pool.map(lambda p: transcript_of(arguments.python, p), wanted)):
            golden = program.with_suffix(".out")
            if error is None and arguments.check:
                error = difference(golden, text)
            if error is not None:
                failed += 1
                print(f"FAIL {program.stem}: {error}\n")
            elif not arguments.check and difference(golden, text) is not None:
                golden.write_text(text)
                written += 1
    what = "checked" if arguments.check else f"run, {written} written"
    print(f"{len(wanted)} {what}, {failed} failed, {len(programs) - len(wanted)} skipped (they need a newer Python)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
