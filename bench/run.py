#!/usr/bin/python3
"""Measure this library and its peers, and write the report.

    run.py [--quick] [--rounds N] [--minutes N] [--only BENCH ...] [--impl NAME ...] [--part NAME ...] [--redraw]

Every implementation is measured once a round, one after the other, and in the other direction in the next round, so
that a noisy minute hurts all alike; figures are medians of the rounds. Writes build/bench/report.json, a list of
objects with bench, params, impl, metric, unit, median, min, max, runs (and `absent`, the reason, for who could not be
measured), and build/bench/machine.json, on what it was measured and how. A full run writes tables and plots to
docs/benchmarks, every other one to build/bench/benchmarks.

What is measured stands in the modules *_cases.py; cases.py says what they offer.
"""

import argparse
import concurrent.futures
import importlib
import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "micro"), str(HERE / "net"), str(HERE / "memory"), str(HERE)]

import peers
import plots
import report
from cases import Failed

ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
REPORT, MACHINE = BUILD / "report.json", BUILD / "machine.json"
PUBLISHED = ROOT / "docs" / "benchmarks"
# In the order of the report.
PARTS = {"micro": "Micro benchmarks", "net": "Network, over loopback", "memory": "Memory"}
QUICK_ROUNDS, FULL_ROUNDS = 3, 9
# How long is measured, at most: on a machine that is slower or busier than expected the rest is left out. A quick run
# ends within three minutes, whatever the peers took to be built, unless that leaves it too little.
FULL_SECONDS = 20 * 60
QUICK_END_SECONDS, LEAST_QUICK_SECONDS = 150, 60


class Progress:
    """One line that changes, or on what is no terminal a line every ten seconds."""

    def __init__(self):
        self.terminal = sys.stderr.isatty()
        self.begin = self.said = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.begin

    @staticmethod
    def clock(seconds):
        return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

    def say(self, text, now=False):
        if self.terminal:
            print(f"\r{self.clock(self.seconds())} {text:<100.100}", end="", file=sys.stderr, flush=True)
        elif now or time.monotonic() - self.said > 10:
            self.said = time.monotonic()
            print(f"{self.clock(self.said - self.begin)} {text}", file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print("\r" + " " * 110 + "\r", end="", file=sys.stderr, flush=True)


class Measurement:
    """All cases of all parts, and what has been found out about them."""

    def __init__(self, cases, default_rounds):
        self.cases = cases
        self.rounds = {case: case.rounds or default_rounds for case in cases}
        self.figures = {}
        self.absent = {}
        self.failed_ours = []
        for case in cases:
            key = case.bench, case.params, case.impl
            self.figures[key] = {}
            if case.absent:
                self.absent[key] = case.absent

    def measure(self, case):
        key = case.bench, case.params, case.impl
        try:
            found = case.run()
        except Failed as failure:
            # Not tried again: what was measured before stays.
            self.absent[key] = f"failed: {failure}"
            if plots.is_ours(case.impl):
                self.failed_ours.append(f"{case.bench} {case.impl}: {failure}")
            return
        for metric, (value, unit) in found.items():
            self.figures[key].setdefault(metric, (unit, []))[1].append(value)

    def leave_out(self, case):
        key = case.bench, case.params, case.impl
        if not self.figures[key]:
            self.absent[key] = "left out, because the time was over"

    def run(self, progress, end_seconds):
        """Rounds over everything, until that time is over: the implementations of one row follow each other closely."""
        rows = {}
        for case in self.cases:
            rows.setdefault((case.bench, case.params), []).append(case)
        most = max(self.rounds.values())
        took = {}
        for number in range(most):
            for (bench, params), of_row in rows.items():
                for case in of_row if number % 2 == 0 else reversed(of_row):
                    if number >= self.rounds[case] or (bench, params, case.impl) in self.absent:
                        continue
                    if progress.seconds() > end_seconds:
                        self.leave_out(case)
                        continue
                    left = sum(took.get(other, 0.0) * max(self.rounds[other] - number - 1, 0) for other in self.cases)
                    words = f", then about {progress.clock(left)} more" if number else ""
                    progress.say(f"round {number + 1} of {most}: {bench} ({params}) {case.impl}{words}")
                    begin = time.monotonic()
                    self.measure(case)
                    took[case] = time.monotonic() - begin


def parts_of(names):
    """The modules that there are, in the order of the report: {name: module}."""
    found = {}
    for name in PARTS:
        if (not names or name in names) and (HERE / name / f"{name}_cases.py").exists():
            found[name] = importlib.import_module(f"{name}_cases")
    return found


def build(parts, progress):
    """Build the peers of all parts, several at a time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for job in [pool.submit(part.build, BUILD, lambda text: progress.say(text, True)) for part in parts.values()]:
            job.result()


def wanted(case, options):
    return ((not options.only or case.bench in options.only) and (not options.impl or case.impl in options.impl))


def write(rows, run, modules):
    """Report, tables and plots of a run, which is what machine.json says of it. Returns: the outcomes of the targets,
    and the folder."""
    folder = PUBLISHED if run["whole"] else BUILD / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    sections, drawn, outcomes = [], {}, []
    for name, benches in run["parts"].items():
        of_part = [row for row in rows if row["bench"] in benches]
        sections.append((PARTS[name], of_part))
        drawn[PARTS[name]] = report.draw(of_part, modules[name].plots(), folder, run["machine"], run["versions"])
        outcomes += [report.Outcome(target, rows) for target in modules[name].targets()]
    outcomes = [outcome for outcome in outcomes if outcome.ours or outcome.theirs]
    page = report.markdown(sections, outcomes, drawn, run["machine"], run["versions"], run["rounds"])
    (folder / "README.md").write_text(page, encoding="utf-8")
    return outcomes, folder


def show(rows, run, modules, took):
    outcomes, folder = write(rows, run, modules)
    print(report.summary(rows, outcomes))
    print(f"{took}written to {REPORT.relative_to(ROOT)} and {folder.relative_to(ROOT)}/README.md")


def redraw():
    """Tables and plots again, from the report of the last run."""
    run = json.loads(MACHINE.read_text(encoding="utf-8"))
    show(json.loads(REPORT.read_text(encoding="utf-8")), run, parts_of(run["parts"]), "")


def main():
    parser = argparse.ArgumentParser(description="Measure this library and its peers.")
    parser.add_argument("--quick", action="store_true", help="a first impression, within three minutes")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--minutes", type=int, default=FULL_SECONDS // 60, help="how long to measure at most, 20")
    parser.add_argument("--only", nargs="+", default=[], metavar="BENCH", help="these benchmarks")
    parser.add_argument("--impl", nargs="+", default=[], metavar="NAME", help="these implementations")
    parser.add_argument("--part", nargs="+", default=[], choices=PARTS, help="these parts")
    parser.add_argument("--redraw", action="store_true", help="make tables and plots of the last run again")
    options = parser.parse_args()
    if options.redraw:
        redraw()
        return
    progress = Progress()
    modules = parts_of(options.part)
    build(modules, progress)
    progress.say("looking who is there", True)
    cases = {name: [case for case in module.cases(BUILD, options.quick) if wanted(case, options)]
             for name, module in modules.items()}
    flat = [case for of_part in cases.values() for case in of_part]
    if not flat:
        parser.error("no such benchmark")
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    measurement = Measurement(flat, rounds)
    begin = progress.seconds()
    measurement.run(progress, max(QUICK_END_SECONDS, begin + LEAST_QUICK_SECONDS) if options.quick else
                    begin + options.minutes * 60)
    progress.end()

    rows = report.rows_of(measurement.figures, measurement.absent)
    run = {"machine": report.machine_of(BUILD), "versions": peers.versions(), "rounds": rounds,
           "whole": not (options.quick or options.rounds or options.only or options.impl or options.part),
           "parts": {name: list(dict.fromkeys(case.bench for case in of_part)) for name, of_part in cases.items()
                     if of_part}}
    REPORT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    MACHINE.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    show(rows, run, modules, f"{progress.clock(progress.seconds())} minutes; ")
    if measurement.failed_ours:
        sys.exit("bench: failed: " + "; ".join(measurement.failed_ours))


if __name__ == "__main__":
    main()
