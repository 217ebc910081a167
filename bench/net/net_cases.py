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
BYTE_METRIC = "server time a byte"
RELATIVE_P99 = "p99, as multiple of the median"
FAIRNESS, FLOODED = "fairness", "1,000 connections beside a flooder, 64 B"
WORKERS = "workers", "64 connections, 64 B and some 20 us of work"
WORKERS_METRIC = "server time a request, two workers over one"
IDLE = 10000
OURS = ("asyncio-epoll", "asyncio-uring")
FLOORS = ("bare-epoll", "bare-uring")
C_PEERS = {"libuv": "libuv1-dev", "libev": "libev-dev", "libevent": "libevent-dev", "state-threads": "libst-dev"}
STREAMS = (*C_PEERS, "go", "tokio", "cpython", "uvloop")
PROTOCOLS = ("cpython-protocol", "uvloop-protocol")
PEERS = STREAMS + PROTOCOLS
# Who is in those rows of a quick run that take long.
FEW = OURS + FLOORS + ("libuv", "go", "tokio")
# Over TLS: who does not speak it, or cannot do what a row is about, is not there.
SPEAKERS = OURS + ("go", "cpython", "uvloop")
NGINX, NGINX_SENDFILE = "nginx", "nginx-sendfile"
NGINXES = (NGINX, NGINX_SENDFILE)
NGINX_PROGRAM = pathlib.Path("/usr/sbin/nginx")
KERNEL_PROTOCOLS = pathlib.Path("/proc/sys/net/ipv4/tcp_available_ulp")
FILE_SIZE = 16 * 1024 * 1024  # more than the caches near the processor hold
START_SECONDS, LOAD_SECONDS = 20, 120
MANY_FILES = 20000


class Row:
    """A benchmark: what stands in the report, which service of the servers is used, with which options of load.c, and
    over TLS or not."""

    def __init__(self, name, params, service, options, impls=OURS + FLOORS + PEERS, quick=0, full=5,
                 quick_impls=None, shows=None, tls=False):
        self.name = name
        self.params = params
        self.service = service
        self.options = options
        self.impls = impls
        self.quick = quick  # rounds; 0: not in a quick run
        self.full = full
        self.quick_impls = quick_impls or impls
        self.shows = shows or figures_of_requests
        self.tls = tls

    def words(self, keys):
        """What a server is given behind its command."""
        if not self.tls:
            return [self.service]
        return [self.service, keys.certificate, keys.key] + ([keys.file] if self.service == "file" else [])

    def options_of_load(self, keys):
        if not self.tls:
            return self.options
        return ["-T", *self.options] + (["-F", keys.file] if self.service == "file" else [])


class Keys:
    """A certificate and its key, and a file to be served, in a folder that is gone with the process; in memory where
    that is possible."""

    def __init__(self):
        memory = "/dev/shm"
        self.folder = tempfile.TemporaryDirectory(prefix="asyncio-bench-",
                                                  dir=memory if os.access(memory, os.W_OK) else None)
        folder = pathlib.Path(self.folder.name)
        self.certificate, self.key, self.file = folder / "certificate.pem", folder / "key.pem", folder / "file"
        output_of(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-days", "2", "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate])
        self.file.write_bytes(os.urandom(FILE_SIZE))


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


def figures_of_tls_echo(size):
    def figures(run, server, quick):
        found = figures_of_requests(run, server, quick)
        return {**found, BYTE_METRIC: (found[METRIC][0] / size, "ns")}

    return figures


def figures_of_bytes(run, server, quick):
    found = run(server, seconds=0.3 if quick else 0.4)
    if not found["requests"]:
        raise Failed("not one byte came")
    figures = {BYTE_METRIC: (found["server_ns"] / found["requests"], "ns"),
               "bytes a second": (found["requests"] / found["seconds"], "1/s")}
    if "calls" in found:
        figures["system calls a MiB"] = found["calls"] * 1024 * 1024, "1"
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


def tls_echo_row(n, size, n_bytes, quick):
    return Row("tls_echo", f"{connections(n)}, {size}", "echo", ["-c", n, "-b", n_bytes], SPEAKERS + PROTOCOLS, quick,
               4, SPEAKERS, figures_of_tls_echo(n_bytes), tls=True)


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
    Row("tls_handshake", "full, 50 at a time", "echo", ["-k", "handshake", "-c", 50], SPEAKERS + (NGINX,), quick=1,
        full=4, tls=True),
    Row("tls_handshake", "resumed, 50 at a time", "echo", ["-k", "handshake", "-r", "-c", 50], SPEAKERS + (NGINX,),
        quick=1, full=4, tls=True),
    tls_echo_row(50, "64 B", 64, 1),
    tls_echo_row(50, "16 KiB", 16384, 0),
    Row("tls_bulk", "4 connections, a file of 16 MiB", "file", ["-k", "bulk", "-c", 4], SPEAKERS + NGINXES, quick=1,
        full=4, shows=figures_of_bytes, tls=True),
)

TLS_TARGETS = (
    ("tls_handshake", "full, 50 at a time", METRIC, "a handshake"),
    ("tls_handshake", "resumed, 50 at a time", METRIC, "a handshake that resumes a session"),
    ("tls_echo", "50 connections, 64 B", METRIC, "echo, 64 B"),
    ("tls_echo", "50 connections, 16 KiB", METRIC, "echo, 16 KiB"),
    ("tls_bulk", "4 connections, a file of 16 MiB", BYTE_METRIC, "a byte of a file"),
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


def with_limits(*its_processors):
    """What a child does before it runs its program: it stays on its processors, and may have many sockets."""

    def prepare():
        os.sched_setaffinity(0, its_processors)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if most == resource.RLIM_INFINITY or most > MANY_FILES:
            most = MANY_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return prepare


def nginx_command(impl):
    if not NGINX_PROGRAM.exists():
        raise Failed("not installed (Debian: nginx)")
    if impl == NGINX_SENDFILE and "tls" not in KERNEL_PROTOCOLS.read_text().split():
        raise Failed("this kernel does not talk TLS itself (module tls), and without that nginx reads the file")
    return [peers.PYTHON, HERE / "nginx_server.py", impl], {}


def program_of(impl, build_dir):
    """The command that serves, but for the service, and its environment; Failed with the reason why there is none."""
    if impl in NGINXES:
        return nginx_command(impl)
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

    def __init__(self, command, environment, *its_processors):
        # Not a pipe, which would fill up and stop a server that complains of clients that hang up.
        self.complaints = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([str(word) for word in command], env={**os.environ, **environment},
                                        stdout=subprocess.PIPE, stderr=self.complaints, text=True,
                                        preexec_fn=with_limits(*its_processors))

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


def load(program, options, *its_processors):
    """Runs load.c. Returns: the figures that it prints."""

    def run(server, *more, seconds, counted=0.05):
        command = [program, "-p", server.port, "-s", server.process.pid, "-w", 0.1, "-t", seconds, "-y", counted,
                   *options, *more]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LOAD_SECONDS,
                              preexec_fn=with_limits(*its_processors), check=False)
        if done.returncode:
            raise Failed(done.stderr.strip() or f"the load ended with {done.returncode}")
        return json.loads(done.stdout)

    return run


def measure(row, command, environment, program, keys, quick):
    of_server, of_load = processors()
    try:
        with Server([*command, *row.words(keys)], environment, of_server) as server:
            return row.shows(load(program, row.options_of_load(keys), of_load), server, quick)
    except subprocess.TimeoutExpired:
        raise Failed(f"the load did not end within {LOAD_SECONDS} seconds") from None
    except OSError as error:
        raise Failed(str(error)) from None


def measure_workers(impl, command, environment, program, quick):
    """Two workers, and one, on the same two processors, which the load has its share of. Go's are threads."""
    figures = {}
    both = processors()
    for n, name in ((2, "two workers"), (1, "one worker")):
        words = ["work"] if impl == "go" else ["work", n]
        with Server([*command, *words], {**environment, "GOMAXPROCS": str(n)}, *both) as server:
            run = load(program, ["-c", 64, "-b", 64], *both)
            found = run(server, seconds=0.3 if quick else 0.5, counted=0)
        if not found["requests"]:
            raise Failed("not one request was answered")
        figures[f"time a request on the wall, {name}"] = found["seconds"] * 1e9 / found["requests"], "ns"
        figures[f"{METRIC}, {name}"] = found["server_ns"] / found["requests"], "ns"

    def two_over_one(metric):
        return figures[f"{metric}, two workers"][0] / figures[f"{metric}, one worker"][0], "1"

    return {WORKERS_METRIC: two_over_one(METRIC),
            "time a request on the wall, two workers over one": two_over_one("time a request on the wall"), **figures}


def cases_of_workers(programs, absent, program, quick):
    for impl in (*OURS, "go"):
        if impl in absent or len(os.sched_getaffinity(0)) < 2:
            yield Case(*WORKERS, impl, absent=absent.get(impl, "this machine has one processor"))
            continue
        command, environment = programs[impl]
        yield Case(*WORKERS, impl,
                   lambda i=impl, c=command, e=environment: measure_workers(i, c, e, program, quick), 1 if quick else 4)


def keys_and_reason(build_dir):
    """What TLS needs, and None; or None, and the reason why there is no TLS."""
    program = pathlib.Path(build_dir) / "bench" / "net" / "asyncio_server"
    try:
        _, _, reason, *_ = output_of([program, "backend"]).split("\n")
        return (None, f"no TLS here: {reason}") if reason else (Keys(), None)
    except Failed as failure:
        return None, f"no certificate could be made: {failure}"


def cases(build_dir, quick):
    found = []
    load_program = pathlib.Path(build_dir) / "bench" / "net" / "load"
    programs, absent = {}, {}
    keys, no_tls = keys_and_reason(build_dir)
    for impl in OURS + FLOORS + PEERS + NGINXES:
        try:
            programs[impl] = program_of(impl, build_dir)
        except Failed as failure:
            absent[impl] = str(failure)
    for row in ROWS:
        rounds = row.quick if quick else row.full
        for impl in (row.quick_impls if quick else row.impls) if rounds else ():
            reason = absent.get(impl) or (no_tls if row.tls else None)
            if reason:
                found.append(Case(row.name, row.params, impl, absent=reason))
                continue
            command, environment = programs[impl]
            found.append(Case(row.name, row.params, impl,
                              lambda r=row, c=command, e=environment: measure(r, c, e, load_program, keys, quick),
                              rounds))
    return found + list(cases_of_workers(programs, absent, load_program, quick))


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
    for bench, params, metric, words in TLS_TARGETS:
        theirs = [(bench, params, impl) for impl in PEERS + NGINXES]
        found.append(Target(f"TLS, {words}: to the best peer", metric, [(bench, params, impl) for impl in OURS], theirs,
                            1.0))
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
        Plot("tls", "TLS: handshakes, echo", METRIC, {"tls_handshake": "Handshake", "tls_echo": "Echo"}),
        Plot("tls_bulk", "TLS: a file from memory", BYTE_METRIC, {"tls_bulk": "File"}),
        Plot("idle", "Memory of idle connections", "resident memory a connection", {"idle": "Idle"}),
    ]
