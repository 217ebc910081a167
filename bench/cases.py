"""What the parts of the benchmarks offer to the driver, run.py.

A part is a module, micro/micro_cases.py, net/net_cases.py or memory/memory_cases.py, with these functions:

    build(build_dir, log)      builds the peers that Meson does not below build_dir/peers; log(text) shows what it is
                               at. A peer that cannot be built is remembered as absent, with the reason.
    cases(build_dir, quick)    -> list of Case, in the order of the report. With all their rounds and on a quiet machine
                               they take, in a quick run and in a full one: micro 50 seconds and 7 minutes, net 80
                               seconds and 12 minutes, memory 5 seconds and 2 minutes.
    targets()                  -> list of Target.
    plots()                    -> list of Plot.

peers.py helps with building: go_program, rust_program, python_loops; it also knows everybody's version.

Names of implementations: ours begin with "asyncio-" and end in the back end ("asyncio-epoll", "asyncio-uring",
"asyncio-sim"; "asyncio-shared" is linked with the shared library), floors written by hand begin with "bare" ("bare",
"bare-epoll", "bare-uring"); the others are peers: "libuv", "libev", "libevent", "state-threads", "boost-context", "go",
"tokio", "tokio-multi", "cpython", "uvloop".

Units: "ns" for times, "B" for memory, "1/s" for rates, which alone are better when higher, "1" for counts. The first
metric of a case is the one that is shown while the benchmarks run.
"""

import os
import subprocess


class Failed(Exception):
    """A measurement that did not come to its end; the text says why."""


class Case:
    """One implementation in one row.

    `bench` and `params` name the row ("echo", "50 connections x 64 B"; params may be ""), `impl` who is measured.
    `measure()` measures once and returns {metric: (value, unit)}, or raises Failed. `rounds` is how often, if not as
    often as the driver thinks. A case with a reason to be `absent` is a row that says so."""

    def __init__(self, bench, params, impl, measure=None, rounds=None, absent=None):
        assert measure or absent
        self.bench = bench
        self.params = params
        self.impl = impl
        self.measure = measure
        self.rounds = rounds
        self.absent = absent

    def run(self):
        return self.measure()


class Target:
    """A ratio that is wanted: the best of `ours` to the best of `theirs`, both lists of (bench, params, impl), by the
    medians of `metric`, is at most `at_most`. With no `theirs` the metric is a ratio already."""

    def __init__(self, text, metric, ours, theirs, at_most):
        self.text = text
        self.metric = metric
        self.ours = ours
        self.theirs = theirs
        self.at_most = at_most


class Plot:
    """A file of bar charts, one for each row of these benches: `name` without suffix, a title for people, the metric
    that is shown, {bench: its title for people}."""

    def __init__(self, name, title, metric, benches):
        self.name = name
        self.title = title
        self.metric = metric
        self.benches = benches


def output_of(command, environment=None, timeout=120):
    """What a command prints; Failed when it does not succeed in time."""
    try:
        done = subprocess.run([str(word) for word in command], env={**os.environ, **(environment or {})},
                              capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer within {timeout} seconds") from None
    except OSError as error:
        raise Failed(str(error)) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or done.stdout.strip().splitlines()
        raise Failed(lines[-1] if lines else f"ended with {done.returncode}")
    return done.stdout
