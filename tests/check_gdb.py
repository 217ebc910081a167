#!/usr/bin/python3
"""Check that debuggers and profilers understand the stacks of tasks: gdb's backtraces end cleanly where a task begins,
at every instruction of a switch, perf's call chains do, and a parked task's stack can be printed.

    check_gdb.py PROGRAM     tests/debugged/program.c, built with symbols
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ENTRY = "asyncio__coro_trampoline"
FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", re.MULTILINE)
TROUBLE = ["Backtrace stopped", "previous frame", "corrupt stack", "Cannot access memory", "?? ()"]
ENVIRONMENT = dict(os.environ, ASYNCIO_BACKEND="sim:1", LC_ALL="C")
SECONDS = 120


class Skip(Exception):
    """A tool is not there, or not usable here."""


class Failure(Exception):
    """What was seen is not what it has to be."""


def run(command):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=SECONDS, check=False)


def gdb(program, *commands):
    """What gdb says to each of these commands."""
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    settings = ["set debuginfod enabled off", "set pagination off", "set confirm off", "set width 0"]
    command = ["gdb", "-batch", "-nx"]
    for each in [*settings, *(part for each in commands for part in ("echo \\n====\\n", each))]:
        command += ["-ex", each]
    output = run([*command, program]).stdout
    for reason in ("ptrace: Operation not permitted", "Could not trace the inferior", "Cannot create process"):
        if reason in output:
            raise Skip(f"gdb may not trace here: {reason}")
    answers = output.split("\n====\n")[1:]
    if len(answers) < len(commands):
        raise Failure(f"gdb ended early:\n{output}")
    return answers


def frames(backtrace):
    """The functions of a backtrace, innermost first, when it has no flaw."""
    for each in TROUBLE:
        if each in backtrace:
            raise Failure(f"\"{each}\" in\n{backtrace}")
    found = FRAME.findall(backtrace)
    if not found:
        raise Failure(f"no frames in\n{backtrace}")
    return found


def expect_order(found, *functions):
    """Each of these is there, one outside of the other, and the last one is the end."""
    places = [found.index(each) if each in found else -1 for each in functions]
    if -1 in places or places != sorted(places) or found[-1] != functions[-1]:
        raise Failure(f"{' < '.join(functions)} is not what was found: {' < '.join(found)}")


def backtrace_in_task(program):
    answers = gdb(program, "break innermost", "run", "bt", "continue", "bt")
    for backtrace in (answers[2], answers[4]):
        expect_order(frames(backtrace), "innermost", "middle", "task_body", ENTRY)


def backtrace_in_callback(program):
    backtrace = gdb(program, "break in_callback", "run", "bt")[2]
    expect_order(frames(backtrace), "in_callback", "callback", "asyncio_loop_run_forever", "main")


def backtrace_in_switch(program):
    """Step by step from one parked task to another, seen from both sides."""
    steps = [part for _ in range(12) for part in ("stepi", "bt")]
    answers = gdb(program, "break innermost", "run", "delete", "break asyncio__switch", "continue", "delete", "bt",
                  *steps)
    outermost = [frames(backtrace)[-1] for backtrace in answers[6::2]]
    strangers = [each for each in outermost if each not in (ENTRY, "main")]
    if strangers or "asyncio__switch" not in frames(answers[6]):
        raise Failure(f"backtraces end at {strangers}, or there was no switch")


def printed_stack(program):
    done = run([program, "parked"])
    found = re.findall(r"^ +#\d+ (\w+)", done.stdout, re.MULTILINE)
    if done.returncode or "parked" not in done.stdout:
        raise Failure(f"the program failed: {done.stdout}")
    if "waits_below" in found:
        found = found[:found.index("waits_below") + 1]
    expect_order(found, "waits_here", "waits_below")


def call_chains(program):
    """Of all samples within busy_inside, the call chains go up to the entry frame."""
    if not shutil.which("perf"):
        raise Skip("perf is not installed")
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "perf.data"
        done = run(["perf", "record", "--quiet", "--freq=500", "--event=cpu-clock:u", "-g", f"--output={data}", program,
                    "busy"])
        if done.returncode or not data.exists():
            raise Skip(f"perf may not record here: {' '.join(done.stdout.split())[:100]}")
        script = run(["perf", "script", f"--input={data}", "--fields=ip,sym"])
    chains = [[line.split()[1] for line in chain.splitlines() if len(line.split()) > 1]
              for chain in script.stdout.split("\n\n")]
    chains = [chain for chain in chains if chain and chain[0] == "busy_inside"]
    if len(chains) < 20:
        raise Skip(f"perf took {len(chains)} samples only")
    for chain in chains:
        expect_order(chain, "busy_inside", "busy", "keep_busy", ENTRY)


def main():
    program = sys.argv[1]
    passed = failed = skipped = 0
    for name, check in (("gdb-backtrace-in-task", backtrace_in_task),
                        ("gdb-backtrace-in-callback", backtrace_in_callback),
                        ("gdb-backtrace-in-switch", backtrace_in_switch), ("print-stack-of-parked-task", printed_stack),
                        ("perf-call-chains", call_chains)):
        try:
            check(program)
        except Skip as reason:
            print(f"skip {name} # {reason}")
            skipped += 1
        except (Failure, subprocess.TimeoutExpired) as problem:
            print(f"not ok {name}")
            print("".join(f"    {line}\n" for line in str(problem).splitlines()), end="")
            failed += 1
        else:
            print(f"ok {name}")
            passed += 1
    print(f"# {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
