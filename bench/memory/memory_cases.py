"""What things cost in memory while they are idle, and what is left of a burst.

asyncio_memory prints lines of a metric, its value and its unit, for one thing of so many. What it needs of memory is
looked at first: a million tasks are five gigabytes, with their page tables.
"""

import pathlib

from cases import Case, Failed, Plot, output_of

MILLION = 1_000_000
GIB = 1 << 30
# What the fullest of them takes, and as much again for the machine.
TASKS_NEED = 10 * GIB
CONNECTIONS_NEED_FILES = 10_100


class Row:
    """What is made, how many of it, in a quick run too if that differs, and on which back ends. A quick count of 0: not
    in a quick run."""

    def __init__(self, name, what, count, quick_count=None, impls=("asyncio-epoll",), rounds=None):
        self.name = name
        self.what = what
        self.count = count
        self.quick_count = count if quick_count is None else quick_count
        self.impls = impls
        self.rounds = rounds


BOTH = ("asyncio-epoll", "asyncio-uring")
ROWS = (
    Row("tasks", "tasks, parked", MILLION, MILLION // 10, rounds=3),
    Row("burst", "tasks, then 20 s of quiet", MILLION // 10, 0, rounds=1),
    Row("timers", "timers of call_later", MILLION),
    Row("futures", "futures", MILLION),
    Row("callbacks", "callbacks of call_soon", MILLION),
    Row("connections", "streams, a task reading each", 10_000, 2_000, BOTH, rounds=3),
    Row("served", "streams, served once", 10_000, 2_000, BOTH, rounds=3),
)


def build(build_dir, log):
    """Nothing but what Meson builds."""


def available():
    """Bytes of memory that may be taken without swapping."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def reason_against(row, count, impl, program):
    """Why a row cannot be had here; None if it can."""
    if row.name == "tasks" and count == MILLION and available() < TASKS_NEED:
        return f"needs {TASKS_NEED // GIB} GiB of memory"
    try:
        found, reason, *_ = output_of([program, "backend", 1], environment_of(impl)).splitlines() + [""]
    except Failed as failure:
        return str(failure)
    return None if f"asyncio-{found}" == impl else f"this back end cannot be had: {reason}"


def environment_of(impl):
    return {"ASYNCIO_BACKEND": impl.removeprefix("asyncio-")}


def measure(command, environment):
    figures = {}
    for line in output_of(command, environment).splitlines():
        metric, value, unit = line.split("\t")
        figures[metric] = (float(value), unit)
    return figures


def cases(build_dir, quick):
    program = pathlib.Path(build_dir) / "bench" / "memory" / "asyncio_memory"
    found = []
    for row in ROWS:
        count = row.quick_count if quick else row.count
        if not count:
            continue
        params = f"{count:,} {row.what}"
        for impl in row.impls:
            reason = reason_against(row, count, impl, program)
            if reason:
                found.append(Case(row.name, params, impl, absent=reason))
                continue
            command, environment = [program, row.name, count], environment_of(impl)
            found.append(Case(row.name, params, impl, lambda c=command, e=environment: measure(c, e),
                              1 if quick else row.rounds))
    return found


def targets():
    return []


def plots():
    return [Plot("memory", "Resident memory, one of many", "resident",
                 {"tasks": "A parked task", "connections": "An idle connection", "timers": "A timer",
                  "futures": "A future", "callbacks": "A callback"})]
