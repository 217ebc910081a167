"""The network benchmarks: servers on loopback and what loads them.

A measurement starts a server on one processor and load.c on another one, and ends both. The figure to trust on a shared
machine is the server's processor time a request, which load.c reads from the server's process clock: all threads, also
those that have ended. README.md beside this file says how each server is written.
"""

import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import tempfile

import peers
from cases import Case, Failed, Plot, Target, output_of

HERE = pathlib.Path(__file__).resolve().parent
METRIC = "server time a request"
RELATIVE_P99 = "p99, as multiple of the median"
FAIRNESS, FLOODED = "fairness", "1,000 connections beside a flooder, 64 B"
IDLE = 10000
OURS = ("asyncio-epoll", "asyncio-uring")
FLOORS = ("bare-epoll", "bare-uring")
C_PEERS = {"libuv": "libuv1-dev", "libev": "libev-dev", "libevent": "libevent-dev", "state-threads": "libst-dev"}
STREAMS = (*C_PEERS, "go", "tokio", "cpython", "uvloop")
PROTOCOLS = ("cpython-protocol", "uvloop-protocol")
PEERS = STREAMS + PROTOCOLS
# Who is in those rows of a quick run that take long.
FEW = OURS + FLOORS + ("libuv", "go", "tokio")
START_SECONDS, LOAD_SECONDS = 20, 120
MANY_FILES = 20000


class Row:
    """A benchmark: what stands in the report, which service of the servers is used, with which options of load.c."""

    def __init__(self, name, params, service, options, impls=OURS + FLOORS + PEERS, quick=0, full=5,
                 quick_impls=None, shows=None):
        self.name = name
        self.params = params
        self.service = service
        self.options = options
        self.impls = impls
        self.quick = quick  # rounds; 0: not in a quick run
        self.full = full
        self.quick_impls = quick_impls or impls
        self.shows = shows or figures_of_requests


def figures_of_requests(run, server, quick):
    found = run(server, seconds=0.2 if quick else 0.25)
    if not found["requests"]:
        raise Failed("not one request was answered")
    figures = {METRIC: (found["server_ns"] / found["requests"], "ns"),
               "requests a second": (found["requests"] / found["seconds"], "1/s")}
    for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")):
        if key in found:
            figures[name] = found[key], "ns"
    if "calls" in found:
        figures["system calls a request"] = found["calls"], "1"
    return figures


def figures_of_memory(run, server, quick):
    found = run(server, seconds=0)
    return {"resident memory a connection": (found["rss"] / IDLE, "B"),
            "page tables a connection": (found["page_tables"] / IDLE, "B")}


def figures_of_fairness(run, server, quick):
    """Times of the polite ones, first among themselves, then beside the flooder."""
    seconds = 0.4 if quick else 0.7
    without = run(server, seconds=seconds, counted=0)
    beside = run(server, "-f", seconds=seconds, counted=0)
    if not without["p99"] or not beside["p99"]:
        raise Failed("the polite ones were not served")
    return {RELATIVE_P99: (beside["p99"] / beside["p50"], "1"),
            "p99, as multiple of p99 without the flooder": (beside["p99"] / without["p99"], "1"),
            "p50": (beside["p50"], "ns"), "p99": (beside["p99"], "ns"), "p99.9": (beside["p999"], "ns"),
            "echoed to the flooder a second": (beside["flood"] / beside["seconds"], "1/s")}


def connections(n):
    return f"{n:,} connection" + ("s" if n > 1 else "")


def echo_row(n, size):
    important = n in (50, 1000) and size == "64 B" or n == 50 and size == "16 KiB"
    count, unit = size.split()
    n_bytes = int(count) * (1024 if unit == "KiB" else 1)
    return Row("echo", f"{connections(n)}, {size}", "echo", ["-c", n, "-b", n_bytes], quick=1 if important else 0,
               full=5 if important else 4)


ROWS = (
    *(echo_row(n, size) for size in ("64 B", "1 KiB", "16 KiB") for n in (1, 50, 256, 1000)),
    Row("stream", "4 connections, 64 KiB a request", "stream", ["-k", "stream", "-c", 4, "-b", 65536], quick=1, full=4),
    Row("churn", "50 at a time, 64 B", "echo", ["-k", "churn", "-c", 50], quick=1, full=4),
    Row("lines", "50 connections, 64 B", "lines", ["-c", 50, "-l", 1], OURS + STREAMS, quick=1, full=4),
    Row("lines", "50 connections, 16 x 64 B at once", "lines", ["-c", 50, "-l", 16], OURS + STREAMS, full=4),
    Row(FAIRNESS, FLOODED, "echo", ["-c", 1000], quick=1, full=2,
        quick_impls=FEW, shows=figures_of_fairness),
    Row("idle", f"{IDLE:,} connections", "idle", ["-k", "idle", "-c", IDLE], quick=1, full=1, quick_impls=FEW,
        shows=figures_of_memory),
)

_failures = {}  # {impl: why it could not be built}


def build(build_dir, log):
    """Compile the peers in Go and Rust."""
    for impl, make, name, source in (("tokio", peers.rust_program, "tokio_server", "tokio_server.rs"),
                                     ("go", peers.go_program, "go_server", "go_server.go")):
        log(f"building {name}")
        try:
            make(name, HERE / source, build_dir)
        except Failed as failure:
            _failures[impl] = str(failure)


def processors():
    """The server's and the load's."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def with_limits(processor):
    """What a child does before it runs its program: it stays on its processor, and may have many sockets."""

    def prepare():
        os.sched_setaffinity(0, {processor})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if most == resource.RLIM_INFINITY or most > MANY_FILES:
            most = MANY_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return prepare


def program_of(impl, build_dir):
    """The command that serves, but for the service, and its environment; Failed with the reason why there is none."""
    built = pathlib.Path(build_dir) / "bench" / "net"
    family, _, variant = impl.partition("-")
    if impl in OURS:
        environment = {"ASYNCIO_BACKEND": variant}
        found, reason, *_ = output_of([built / "asyncio_server", "backend"], environment).splitlines() + [""]
        if found != variant:
            raise Failed(f"this back end cannot be had: {reason or 'the library took ' + found}")
        return [built / "asyncio_server"], environment
    if impl in FLOORS:
        return [built / f"bare_{variant}_echo"], {}
    if impl in C_PEERS:
        program = built / f"{impl.replace('-', '_')}_server"
        if not program.exists():
            raise Failed(f"not installed (Debian: {C_PEERS[impl]})")
        return [program], {}
    if family in ("cpython", "uvloop"):
        reason = peers.python_loops()[family]
        if reason:
            raise Failed(reason)
        return [peers.PYTHON, HERE / "python_server.py", family, variant or "streams"], {}
    if impl in _failures:
        raise Failed(_failures[impl])
    if impl == "go":
        return [pathlib.Path(build_dir) / "peers" / "go_server"], {"GOMAXPROCS": "1"}
    return [pathlib.Path(build_dir) / "peers" / "rust" / "release" / "tokio_server"], {}


class Server:
    """A server that runs; to be used with `with`."""

    def __init__(self, command, environment, processor):
        # Not a pipe, which would fill up and stop a server that complains of clients that hang up.
        self.complaints = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([str(word) for word in command], env={**os.environ, **environment},
                                        stdout=subprocess.PIPE, stderr=self.complaints, text=True,
                                        preexec_fn=with_limits(processor))

    def __enter__(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        self.port = self.process.stdout.readline().strip() if ready else ""
        if not self.port.isdigit():
            self.complaints.seek(0)
            said = self.complaints.readline().strip()
            self.__exit__()
            raise Failed(f"did not start: {said or 'no port within ' + str(START_SECONDS) + ' seconds'}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.complaints.close()


def load(program, options, processor):
    """Runs load.c. Returns: the figures that it prints."""

    def run(server, *more, seconds, counted=0.05):
        command = [program, "-p", server.port, "-s", server.process.pid, "-w", 0.1, "-t", seconds, "-y", counted,
                   *options, *more]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LOAD_SECONDS,
                              preexec_fn=with_limits(processor), check=False)
        if done.returncode:
            raise Failed(done.stderr.strip() or f"the load ended with {done.returncode}")
        return json.loads(done.stdout)

    return run


def measure(row, command, environment, program, quick):
    of_server, of_load = processors()
    try:
        with Server([*command, row.service], environment, of_server) as server:
            return row.shows(load(program, row.options, of_load), server, quick)
    except subprocess.TimeoutExpired:
        raise Failed(f"the load did not end within {LOAD_SECONDS} seconds") from None
    except OSError as error:
        raise Failed(str(error)) from None


def cases(build_dir, quick):
    found = []
    load_program = pathlib.Path(build_dir) / "bench" / "net" / "load"
    programs, absent = {}, {}
    for impl in OURS + FLOORS + PEERS:
        try:
            programs[impl] = program_of(impl, build_dir)
        except Failed as failure:
            absent[impl] = str(failure)
    for row in ROWS:
        rounds = row.quick if quick else row.full
        for impl in (row.quick_impls if quick else row.impls) if rounds else ():
            if impl in absent:
                found.append(Case(row.name, row.params, impl, absent=absent[impl]))
                continue
            command, environment = programs[impl]
            found.append(Case(row.name, row.params, impl,
                              lambda r=row, c=command, e=environment: measure(r, c, e, load_program, quick), rounds))
    return found


def targets():
    found = []

    def rows_of(params, impls):
        return [("echo", params, impl) for impl in impls]

    for n in (50, 1000):
        for size in ("64 B", "1 KiB", "16 KiB"):
            params = f"{connections(n)}, {size}"
            for ours, floor in zip(OURS, FLOORS):
                found.append(Target(f"echo, {params}: {ours}, to the loop by hand", METRIC, rows_of(params, [ours]),
                                    rows_of(params, [floor]), 1.05))
            found.append(Target(f"echo, {params}: to the best peer", METRIC, rows_of(params, OURS),
                                rows_of(params, PEERS), 1.0))
    for n in (1, 50, 256, 1000):
        params = f"{connections(n)}, 64 B"
        found.append(Target(f"echo, {params}: io_uring, to our epoll", METRIC, rows_of(params, OURS[1:]),
                            rows_of(params, OURS[:1]), 1.05))
    for n in (50, 1000):
        params = f"{connections(n)}, 64 B"
        found.append(Target(f"echo, {params}: p99.9, to the best peer's", "p99.9", rows_of(params, OURS),
                            rows_of(params, PEERS), 1.0))
    for impl in OURS:
        found.append(Target(f"others beside a flooder: {impl}, p99 as multiple of the median", RELATIVE_P99,
                            [(FAIRNESS, FLOODED, impl)], [], 2.0))
    return found


def plots():
    return [
        Plot("echo", "Echo over loopback", METRIC, {"echo": "Echo"}),
        Plot("services", "Streams, short connections, lines", METRIC,
             {"stream": "Stream", "churn": "Connect, ask, close", "lines": "Line by line"}),
        Plot("fairness", "One client floods among a thousand polite ones", RELATIVE_P99, {FAIRNESS: "Echo"}),
        Plot("idle", "Memory of idle connections", "resident memory a connection", {"idle": "Idle"}),
    ]
