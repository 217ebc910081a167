#!/usr/bin/python3
"""Measure echo servers over loopback: the server's processor time a request, which is the figure to trust on a shared
machine, and the times that a client sees.

    run.py [--quick] [--runs N] [--only IMPL ...]

Servers take turns, so that a noisy minute hurts all alike; the figure is the median of the rounds. Appends its rows to
build/bench/report.json.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "bench"
REPORT = BUILD / "report.json"
PROGRAMS = BUILD / "bench" / "net"

SERVERS = {
    "bare-epoll": ([PROGRAMS / "bare_epoll_echo"], {}),
    "asyncio-epoll": ([PROGRAMS / "asyncio_echo"], {"ASYNCIO_BACKEND": "epoll"}),
    "cpython": ([sys.executable, ROOT / "bench/net/python_echo.py"], {}),
}
CASES = [(connections, size) for connections in (1, 50, 1000) for size in (64, 1024, 16384)]
TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """User and system time of a process, all its threads, to the nanosecond where the kernel tells it."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * 1_000_000_000 // TICK
    return total / 1e9


def measure(name, connections, size, seconds):
    """One run: a dictionary of figures."""
    command, setting = SERVERS[name]
    with subprocess.Popen(command, env={**os.environ, **setting}, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip()
            if not port:
                sys.exit(f"bench: {name} did not start")
            before = processor_seconds(server.pid)
            done = subprocess.run([PROGRAMS / "load", port, str(connections), str(size), str(seconds)],
                                  capture_output=True, text=True, timeout=60, check=False)
            used = processor_seconds(server.pid) - before
        finally:
            server.send_signal(signal.SIGKILL)
    if done.returncode:
        sys.exit(f"bench: {name} failed: {done.stderr.strip()}")
    requests, took, p50, p99, p999 = (float(field) for field in done.stdout.split())
    return {"server time a request": used / requests * 1e9, "requests a second": requests / took, "p50": p50,
            "p99": p99, "p99.9": p999}


def main():
    parser = argparse.ArgumentParser(description="Measure echo servers.")
    parser.add_argument("--quick", action="store_true", help="a first impression")
    parser.add_argument("--runs", type=int, help="rounds to take the median of")
    parser.add_argument("--only", nargs="+", choices=SERVERS, help="these servers")
    options = parser.parse_args()
    names = options.only or list(SERVERS)
    runs = options.runs or (1 if options.quick else 5)
    cases = CASES[1::3] if options.quick else CASES
    figures = {}
    for run in range(runs):
        for number, case in enumerate(cases):
            print(f"\rrun {run + 1} of {runs}: {number + 1} of {len(cases)}   ", end="", file=sys.stderr)
            for name in names:
                figures.setdefault((case, name), []).append(measure(name, *case, 0.5 if options.quick else 1))
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    rows = json.loads(REPORT.read_text()) if REPORT.exists() else []
    rows = [row for row in rows if row["bench"] != "echo"]
    print("nanoseconds of the server's processor time a request, median of runs")
    print(f"{'connections x bytes':<22}" + "".join(f"{name:>16}" for name in names))
    for case in cases:
        cells = []
        for name in names:
            runs_of = figures[case, name]
            for metric in runs_of[0]:
                values = [one[metric] for one in runs_of]
                rows.append({"bench": "echo", "params": {"connections": case[0], "bytes": case[1]}, "impl": name,
                             "metric": metric, "unit": "1/s" if metric == "requests a second" else "ns",
                             "median": statistics.median(values), "min": min(values), "max": max(values),
                             "runs": len(values)})
            cells.append(statistics.median(one["server time a request"] for one in runs_of))
        print(f"{case[0]:>6} x {case[1]:<13}" + "".join(f"{cell:>16.0f}" for cell in cells))
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
