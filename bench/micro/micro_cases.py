"""The micro benchmarks: which implementation has which, how many operations a run does, what the targets are.

Every program takes the name of a benchmark and a count, and prints nanoseconds of processor time an operation, summed
over all threads of the process.
"""

import pathlib

import peers
from cases import Case, Failed, Plot, Target, output_of

HERE = pathlib.Path(__file__).resolve().parent
METRIC = "processor time an operation"
OURS = ("asyncio-epoll", "asyncio-uring", "asyncio-shared", "asyncio-sim")
# Beside those that the targets are about: linked with the shared library, on epoll; and in the simulator.
VARIANTS = ("asyncio-shared", "asyncio-sim")

# How much slower than C an implementation is, so that its runs take as long: the count is divided by this.
SLOWNESS = {"go": 5, "go-multi": 5, "tokio": 5, "tokio-multi": 5, "state-threads": 5, "boost-context": 2,
            "cpython": 100, "uvloop": 80}
C_PEERS = {"bare": "bare", "boost-context": "boost_context", "state-threads": "state_threads", "libuv": "libuv",
           "libev": "libev", "libevent": "libevent"}
PACKAGES = {"boost-context": "libboost-context-dev, g++", "state-threads": "libst-dev", "libuv": "libuv1-dev",
            "libev": "libev-dev", "libevent": "libevent-dev"}
PYTHONS = ("cpython", "uvloop")
LOOPS = ("libuv", "libev", "libevent")
THREADS = ("go-multi", "tokio-multi")
ON_TIMERS = ("asyncio-epoll", "asyncio-uring", "libuv", "tokio")
MILLION = 1_000_000


class Row:
    """A benchmark: what stands in the report, how many operations a run of a C program does, who is measured."""

    def __init__(self, name, params, count, impls, rounds=None):
        self.name = name
        self.params = params
        self.count = count
        self.impls = OURS + tuple(impls)
        self.rounds = rounds

    def count_for(self, impl, quick):
        if self.name.startswith("timers"):
            return self.count
        # A short run leaves more noise, and the start of a program is no part of it.
        count = self.count // SLOWNESS.get(impl, 1) // (4 if quick else 1)
        return max(count // 1000, 1 if self.name != "yield_10000" else 50) * 1000

    def rounds_for(self, impl, quick):
        if not quick:
            return self.rounds
        return 1 if self.name.startswith("timers") or impl in PYTHONS else None


ROWS = (
    Row("yield_2", "2 tasks", 4 * MILLION,
        ("bare", "boost-context", "state-threads", "go", "tokio", *THREADS, *PYTHONS)),
    Row("yield_10000", "10,000 tasks", 4 * MILLION,
        ("bare", "boost-context", "state-threads", "go", "tokio", *THREADS, *PYTHONS)),
    Row("spawn_join", "an empty task", 2 * MILLION,
        ("bare", "boost-context", "state-threads", "go", "tokio", *THREADS, *PYTHONS)),
    Row("spawn_1000", "1,000 empty tasks", 4 * MILLION, ("state-threads", "go", "tokio", *PYTHONS)),
    Row("lock_handoff", "2 tasks", 2 * MILLION, ("state-threads", "go", "tokio", *THREADS, *PYTHONS)),
    Row("lock_contended", "2 tasks, held over a yield", 2 * MILLION,
        ("state-threads", "go", "tokio", *THREADS, *PYTHONS)),
    Row("event_wake", "2 tasks", 2 * MILLION, ("tokio", *PYTHONS)),
    Row("event_broadcast_1000", "1,000 tasks", 4 * MILLION, ("state-threads", "go", "tokio", *PYTHONS)),
    Row("queue_put_get", "2 tasks", 2 * MILLION, ("go", "tokio", *THREADS, *PYTHONS)),
    Row("queue_1", "room for 1", 2 * MILLION, ("go", "tokio", *THREADS, *PYTHONS)),
    Row("queue_0", "unbuffered", 2 * MILLION, ("go", "go-multi")),
    Row("queue_unbounded", "1,000 at a time", 4 * MILLION, ("go", "tokio", *THREADS, *PYTHONS)),
    Row("future_pingpong", "2 tasks", 2 * MILLION, ("go", "tokio", *THREADS, *PYTHONS)),
    Row("gather_1000", "1,000 tasks", 2 * MILLION, ("go", "tokio", *PYTHONS)),
    Row("wait_1000", "1,000 tasks", 2 * MILLION, PYTHONS),
    Row("as_completed_1000", "1,000 tasks", 2 * MILLION, ("go", "tokio", *PYTHONS)),
    Row("call_soon", "1,000 at a time", 4 * MILLION, ("libev", "libevent", *PYTHONS)),
    Row("cross_thread_1", "1 at a time", 40_000, (*LOOPS, "go-multi", "tokio", "tokio-multi", *PYTHONS)),
    Row("cross_thread_1000", "1,000 at a time", MILLION, (*LOOPS, "go-multi", "tokio", "tokio-multi", *PYTHONS)),
    Row("to_thread_1", "1 at a time", 40_000, ("libuv", "go-multi", "tokio", "tokio-multi", *PYTHONS)),
    Row("to_thread_100", "100 at a time, 4 threads", 400_000,
        ("libuv", "go-multi", "tokio", "tokio-multi", *PYTHONS)),
    Row("timers_arm_cancel", "1,000,000, due in 1 min to 1 h", MILLION, (*LOOPS, "go", "tokio", *PYTHONS), 3),
    Row("timers_fire", "1,000,000, random within 1 s", MILLION, (*LOOPS, "go", "tokio", *PYTHONS), 3),
)
# A channel without room has no counterpart here: it stands beside the queue of 1.
NOT_OURS = {"queue_0"}
# The simulator has no other threads to wait for, and its clock does not wait for timers.
NOT_SIM = {"cross_thread_1", "cross_thread_1000", "to_thread_1", "to_thread_100", "timers_arm_cancel", "timers_fire"}

_failures = {}  # {impl: why it could not be built}


def build(build_dir, log):
    """Compile the peers in Go and Rust."""
    for impl, make, name, source in (("tokio", peers.rust_program, "tokio_micro", "tokio.rs"),
                                     ("go", peers.go_program, "go_micro", "go.go")):
        log(f"building {name}")
        try:
            make(name, HERE / source, build_dir)
        except Failed as failure:
            _failures[impl] = str(failure)


def program_of(impl, build_dir):
    """The command that measures an implementation, and its environment; Failed with the reason why there is none."""
    built = pathlib.Path(build_dir) / "bench" / "micro"
    base, _, variant = impl.partition("-")
    if impl in OURS:
        program = built / ("asyncio_micro_shared" if variant == "shared" else "asyncio_micro")
        environment = {"ASYNCIO_BACKEND": {"sim": "sim:1", "shared": "epoll"}.get(variant, variant)}
        try:
            found, reason, *_ = output_of([program, "backend"], environment).splitlines() + [""]
        except Failed as failure:
            raise Failed(f"this back end cannot be had: {failure}") from None
        if variant != "shared" and found != variant:
            raise Failed(f"this back end cannot be had: {reason or 'the library took ' + found}")
        return [program], environment
    if impl in C_PEERS:
        program = built / f"{C_PEERS[impl]}_micro"
        if not program.exists():
            raise Failed(f"not installed (Debian: {PACKAGES[impl]})")
        return [program], {}
    if impl in PYTHONS:
        reason = peers.python_loops()[impl]
        if reason:
            raise Failed(reason)
        return [peers.PYTHON, HERE / "python.py", impl], {}
    if base in _failures:
        raise Failed(_failures[base])
    if base == "go":
        return [pathlib.Path(build_dir) / "peers" / "go_micro"], {} if variant else {"GOMAXPROCS": "1"}
    return ([pathlib.Path(build_dir) / "peers" / "rust" / "release" / "tokio_micro"],
            {"TOKIO_THREADS": "0" if variant else "1"})


def measure(command, environment):
    text = output_of(command, environment).strip()
    try:
        return {METRIC: (float(text), "ns")}
    except ValueError:
        raise Failed(f"printed {text!r} instead of a number") from None


def cases(build_dir, quick):
    programs, absent = {}, {}
    for impl in sorted({impl for row in ROWS for impl in row.impls}):
        try:
            programs[impl] = program_of(impl, build_dir)
        except Failed as failure:
            absent[impl] = str(failure)
    found = []
    for row in ROWS:
        for impl in row.impls:
            if is_left_out(row, impl, quick):
                continue
            if impl in absent:
                found.append(Case(row.name, row.params, impl, absent=absent[impl]))
                continue
            command, environment = programs[impl]
            command = [*command, row.name, row.count_for(impl, quick)]
            found.append(Case(row.name, row.params, impl, lambda c=command, e=environment: measure(c, e),
                              row.rounds_for(impl, quick)))
    return found


def is_left_out(row, impl, quick):
    if impl in OURS and row.name in NOT_OURS or impl == "asyncio-sim" and row.name in NOT_SIM:
        return True
    # A million timers take everybody a second or more: without time, only those that a target is about.
    return quick and (impl in VARIANTS or row.name.startswith("timers") and impl not in ON_TIMERS)


def target(text, at_most, row, theirs):
    """Ours, on the better of the back ends of a real machine, and the best of theirs, (row, impl) each."""
    params = {row.name: row.params for row in ROWS}
    return Target(text, METRIC, [(row, params[row], impl) for impl in OURS if impl not in VARIANTS],
                  [(name, params[name], impl) for name, impl in theirs], at_most)


def targets():
    def both(row, impl):
        return [(row, impl), (row, impl + "-multi")]

    return [
        target("yield at 2 tasks, to Go's Gosched", 0.15, "yield_2", both("yield_2", "go")),
        target("yield at 2 tasks, to the bare switch", 1.6, "yield_2", [("yield_2", "bare")]),
        target("create and join, to Go", 0.25, "spawn_join", both("spawn_join", "go")),
        target("create and join, to tokio", 0.4, "spawn_join", both("spawn_join", "tokio")),
        target("lock hand-off, to Go's Mutex held over a yield", 0.12, "lock_handoff", [("lock_contended", "go")]),
        target("lock hand-off, to Go's channel as a lock", 0.12, "lock_handoff", [("lock_handoff", "go")]),
        target("queue of 1, to Go's unbuffered channel", 0.25, "queue_1", both("queue_0", "go")),
        target("as_completed of 1,000, to CPython", 0.03, "as_completed_1000", [("as_completed_1000", "cpython")]),
        target("1,000,000 timers armed and cancelled, to libuv", 0.7, "timers_arm_cancel",
               [("timers_arm_cancel", "libuv")]),
        target("1,000,000 timers armed and cancelled, to tokio", 1.0, "timers_arm_cancel",
               [("timers_arm_cancel", "tokio")]),
        target("1,000,000 timers fired, to libuv", 0.7, "timers_fire", [("timers_fire", "libuv")]),
        target("1,000,000 timers fired, to tokio", 1.0, "timers_fire", [("timers_fire", "tokio")]),
    ]


def plots():
    return [
        Plot("switching", "Switching, creating, joining", METRIC,
             {"yield_2": "Yield", "yield_10000": "Yield", "spawn_join": "Create and join",
              "spawn_1000": "Create and run"}),
        Plot("handovers", "One task wakes another", METRIC,
             {"lock_handoff": "Lock handed over", "lock_contended": "Lock", "event_wake": "Event",
              "future_pingpong": "Future", "queue_put_get": "Queue, there and back",
              "queue_unbounded": "Queue, unbounded", "queue_1": "Queue", "queue_0": "Channel"}),
        Plot("waits", "Waiting for a thousand", METRIC,
             {"gather_1000": "gather", "wait_1000": "wait", "as_completed_1000": "as_completed",
              "event_broadcast_1000": "An event that wakes all"}),
        Plot("callbacks", "Callbacks, other threads, timers", METRIC,
             {"call_soon": "call_soon", "cross_thread_1": "From another thread",
              "cross_thread_1000": "From another thread", "to_thread_1": "To a thread and back",
              "to_thread_100": "To threads and back", "timers_arm_cancel": "Timers armed and cancelled",
              "timers_fire": "Timers fired"}),
    ]
