#!/usr/bin/python3
"""Run the benchmarks and show how far each implementation is from the bare floor.

    run.py [--quick] [--runs N] [--only NAME ...]

Every implementation is measured once a round, one after the other, so that a noisy minute hurts all alike; the figure
is the median of the rounds. Prints a table and writes build/bench/report.json: a list of objects with bench, params,
impl, metric, unit, median, min, max, runs. Figures that miss their target are marked, not hidden.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
REPORT = BUILD / "report.json"

BARE = ("bare", "bare_heart", {})
EPOLL = ("asyncio-epoll", "asyncio_heart", {"ASYNCIO_BACKEND": "epoll"})
SIM = ("asyncio-sim", "asyncio_heart", {"ASYNCIO_BACKEND": "sim:1"})
IMPLEMENTATIONS = (BARE, EPOLL, SIM)


class Bench:
    """One row: what runs, how often, and what it may cost: nanoseconds, or a multiple of a bare row."""

    def __init__(self, name, params, count, limit_ns=None, limit_of=None, bare=False):
        self.name = name
        self.params = params
        self.count = count
        self.limit_ns = limit_ns
        self.limit_of = limit_of
        self.bare = bare

    def limit(self, medians):
        if self.limit_ns is not None:
            return self.limit_ns
        times, row = self.limit_of
        return times * medians[row, "bare"] if (row, "bare") in medians else None

    def limit_text(self):
        if self.limit_ns is not None:
            return f"{self.limit_ns:g} ns"
        return f"{self.limit_of[0]:g} x bare {self.limit_of[1]}"


BENCHES = (
    Bench("yield_2", {"tasks": 2}, 10_000_000, limit_of=(2.0, "yield_2"), bare=True),
    Bench("yield_10000", {"tasks": 10000}, 5_000_000, limit_of=(1.5, "yield_10000"), bare=True),
    Bench("spawn_join", {"tasks": 1}, 3_000_000, limit_of=(3.0, "spawn_join"), bare=True),
    Bench("lock_handoff", {"tasks": 2}, 3_000_000, limit_of=(5.0, "yield_2")),
    Bench("event_wake", {"tasks": 2}, 3_000_000, limit_of=(5.0, "yield_2")),
    Bench("queue_put_get", {"tasks": 2}, 3_000_000, limit_of=(5.0, "yield_2")),
    Bench("gather_1000", {"tasks": 1000}, 1_000_000, limit_ns=100),
    Bench("as_completed_1000", {"tasks": 1000}, 1_000_000, limit_ns=100),
    Bench("call_soon", {}, 5_000_000, limit_ns=15),
    Bench("timers_arm_cancel", {"timers": 1_000_000, "deadlines": "1 min to 1 h"}, 1_000_000, limit_ns=60),
    Bench("timers_fire", {"timers": 1_000_000, "deadlines": "random within 1 s"}, 1_000_000, limit_ns=350),
)


def measure(bench, implementation, quick):
    """Nanoseconds an operation, in one run of the implementation's program."""
    name, program, setting = implementation
    # A million timers are what is measured; everything else may be shorter when in a hurry.
    count = bench.count if bench.name.startswith("timers") or not quick else max(bench.count // 10, 100_000)
    done = subprocess.run([BUILD / "bench" / program, bench.name, str(count)], env={**os.environ, **setting},
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"bench: {name} {bench.name} failed: {done.stderr.strip()}")
    return float(done.stdout)


def collect(benches, runs, quick):
    """All figures: {(bench name, implementation): [nanoseconds, ...]}."""
    figures = {}
    for run in range(runs):
        for number, bench in enumerate(benches):
            print(f"\rrun {run + 1} of {runs}: {number + 1} of {len(benches)} {bench.name:<20}", end="",
                  file=sys.stderr)
            for implementation in IMPLEMENTATIONS:
                if implementation is BARE and not bench.bare:
                    continue
                key = bench.name, implementation[0]
                figures.setdefault(key, []).append(measure(bench, implementation, quick))
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return figures


def rows_of(benches, figures):
    rows = []
    for bench in benches:
        for name, _, _ in IMPLEMENTATIONS:
            values = figures.get((bench.name, name))
            if values:
                rows.append({"bench": bench.name, "params": bench.params, "impl": name, "metric": "time an operation",
                             "unit": "ns", "median": statistics.median(values), "min": min(values),
                             "max": max(values), "runs": len(values)})
    return rows


def print_table(benches, rows):
    medians = {(row["bench"], row["impl"]): row["median"] for row in rows}
    print(f"{platform.system()} {platform.release()}, {platform.machine()}; nanoseconds an operation, median of runs")
    print(f"{'bench':<20}{'bare':>9}{'epoll':>9}{'sim':>9}  {'target':<24}{'epoll / target':>14}")
    for bench in benches:
        cells = [medians.get((bench.name, name)) for name, _, _ in IMPLEMENTATIONS]
        limit = bench.limit(medians)
        share = f"{cells[1] / limit:.2f}" if limit else "?"
        mark = "  missed" if limit and cells[1] > limit else ""
        print(f"{bench.name:<20}" + "".join(f"{cell:9.1f}" if cell is not None else " " * 9 for cell in cells)
              + f"  {bench.limit_text():<24}{share:>14}{mark}")


def main():
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="a first impression, within a minute")
    parser.add_argument("--runs", type=int, help="rounds to take the median of")
    parser.add_argument("--only", nargs="+", default=[], help="names of benchmarks")
    options = parser.parse_args()
    benches = [bench for bench in BENCHES if not options.only or bench.name in options.only]
    if not benches:
        parser.error("no such benchmark")
    rows = rows_of(benches, collect(benches, options.runs or (3 if options.quick else 9), options.quick))
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")
    print_table(benches, rows)
    print(f"written to {REPORT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
