"""A virtual clock for asyncio programs: nobody sleeps, and every run prints the same transcript.

Owns the loop that the golden transcripts are made on. Invariants:
- Time starts at 0 and is a whole number of nanoseconds, so that printed times are exact; it is good for a month.
- Time moves only inside the selector's select(), and only to the deadline of the earliest timer.
- Sockets are the kernel's. What is under way through them takes no time: before the clock moves, it gets GRACE_S of
  real time to arrive. A transcript must not depend on which of two sockets is ready first.
- Timers with equal deadlines run in the order in which they were made (CPython leaves that order open).
- When nothing is ready, no timer is armed and no descriptor is readable, the program can never go on: an error.

It needs Python 3.11 (asyncio.Runner). A program that relies on a newer asyncio says so: "# requires: 3.13".
"""

import asyncio
import atexit
import heapq
import itertools
import os
import selectors
import sys

NS = 1_000_000_000
GRACE_S = 0.02


class VirtualSelector(selectors.DefaultSelector):
    """A real selector that never blocks: instead of waiting, it moves the clock."""

    def __init__(self):
        super().__init__()
        self.now_ns = 0
        self.next_deadline = None  # set by the loop: the deadline of its earliest timer, in nanoseconds

    def select(self, timeout=None):
        events = super().select(0)
        # The loop's own wake-up is always registered; more than that are sockets of the program.
        if not events and timeout != 0 and len(self.get_map()) > 1:
            events = super().select(GRACE_S)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("virtual clock: every task waits, and nothing can wake one")
        deadline_ns = self.next_deadline()
        if deadline_ns > self.now_ns:
            self.now_ns = deadline_ns
        return []


class VirtualTimer(asyncio.TimerHandle):
    """A timer whose place in the heap is (deadline, order of making)."""

    __slots__ = ("deadline_ns", "sequence")

    def __init__(self, deadline_ns, sequence, callback, args, loop, context):
        super().__init__(deadline_ns / NS, callback, args, loop, context)
        self.deadline_ns = deadline_ns
        self.sequence = sequence

    def __lt__(self, other):
        return (self.deadline_ns, self.sequence) < (other.deadline_ns, other.sequence)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own selector loop on a virtual clock. Only timers and the clock are ours."""

    def __init__(self):
        self._virtual = VirtualSelector()
        self._virtual.next_deadline = lambda: self._scheduled[0].deadline_ns
        self._sequence = itertools.count()
        super().__init__(self._virtual)
        # The base class runs timers with when < time() + resolution: half a nanosecond makes that "when <= now".
        self._clock_resolution = 0.5 / NS

    def time(self):
        return self._virtual.now_ns / NS

    def call_later(self, delay, callback, *args, context=None):
        return self._arm(self._virtual.now_ns + round(delay * NS), callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        return self._arm(round(when * NS), callback, args, context)

    def _arm(self, deadline_ns, callback, args, context):
        self._check_closed()
        timer = VirtualTimer(deadline_ns, next(self._sequence), callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer


class Failure(Exception):
    """An error of the program's own, with the number that its counterpart in C returns as a negative errno value."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


# Where an error has a name, the programs print that. Queue.shutdown() is younger than the oldest Python here.
NAMED_ERRORS = [
    (asyncio.CancelledError, "ECANCELED"),
    (TimeoutError, "ETIMEDOUT"),
    (asyncio.InvalidStateError, "InvalidState"),
    (asyncio.QueueEmpty, "QueueEmpty"),
    (asyncio.QueueFull, "QueueFull"),
    (getattr(asyncio, "QueueShutDown", ()), "QueueShutDown"),
    (asyncio.BrokenBarrierError, "BrokenBarrier"),
    (asyncio.IncompleteReadError, "IncompleteRead"),
    (asyncio.LimitOverrunError, "LimitOverrun"),
    (ConnectionResetError, "ECONNRESET"),
    (ConnectionRefusedError, "ECONNREFUSED"),
    (BrokenPipeError, "EPIPE"),
]


def name_of(error):
    """The printed form of an exception."""
    if isinstance(error, Failure):
        return f"error {error.code}"
    for kind, name in NAMED_ERRORS:
        if isinstance(error, kind):
            return name
    raise error


def names_of(group):
    """The printed form of all the errors of an exception group, in order, nested groups flattened."""
    names = []
    for error in group.exceptions:
        names.append(names_of(error) if isinstance(error, BaseExceptionGroup) else name_of(error))
    return ", ".join(names)


async def outcome(awaitable):
    """Await, and give the printed form of what comes: the result or the error."""
    try:
        return f"{await awaitable}"
    except BaseException as error:
        return name_of(error)


def outcome_of(future):
    """The printed form of what a future holds now."""
    try:
        return f"{future.result()}"
    except BaseException as error:
        return name_of(error)


def refused(function, *args):
    """Call a function that must not be called like this, and tell whether it was refused."""
    try:
        function(*args)
    except (RuntimeError, ValueError, asyncio.InvalidStateError):
        return "refused"
    return "allowed"


def quoted(data):
    """The printed form of bytes."""
    return '"' + data.decode("ascii").replace("\r", "\\r").replace("\n", "\\n") + '"'


async def outcome_of_read(awaitable):
    """Await a read of a stream, and give the printed form of the bytes, or of the error."""
    try:
        return quoted(await awaitable)
    except BaseException as error:
        return name_of(error)


def port_of(server):
    """The port that a server listens on."""
    return server.sockets[0].getsockname()[1]


async def connect(server):
    """A connection to a server of this process."""
    return await asyncio.open_connection("127.0.0.1", port_of(server))


def unix_path(name):
    """An abstract address for a Unix socket of this process."""
    return f"\0asyncio-parity-{name}-{os.getpid()}"


async def hang_up(writer):
    """Close a connection and wait until it is closed."""
    writer.close()
    await writer.wait_closed()


def say(text):
    """Print a line of the transcript, with the time of the running loop."""
    try:
        prefix = f"[{asyncio.get_running_loop().time():.3f}]"
    except RuntimeError:
        prefix = "[-.---]"
    sys.stdout.write(f"{prefix} {text}\n")


# What a teller has received and not told yet: when, whose, the bytes.
told_late = []


def tell(text=None):
    """say(), behind what was received before; without a text just that."""
    if told_late:
        prefix, name, data = told_late.pop()
        sys.stdout.write(f"{prefix} {name}: data_received({quoted(bytes(data))})\n")
    if text is not None:
        say(text)


def tell_data(name, data):
    """Tell what was received; pieces that follow each other are one, as the kernel may cut them anywhere."""
    prefix = f"[{asyncio.get_running_loop().time():.3f}]"
    if not told_late or told_late[0][:2] != (prefix, name):
        tell()
        told_late.append((prefix, name, bytearray()))
    told_late[0][2].extend(data)


atexit.register(tell)


class Teller(asyncio.Protocol):
    """A protocol that tells what it is told, unless it is quiet; what else it is to do is a function of that name."""

    def __init__(self, name, *, stays=False, made=None, data=None, eof=None, lost=None, resumed=None):
        self.name = name
        self.stays = stays
        self.made = made
        self.data = data
        self.eof = eof
        self.lost = lost
        self.resumed = resumed
        self.transport = None
        self.n_received = 0
        self.is_quiet = False

    def says(self, text):
        if not self.is_quiet:
            tell(f"{self.name}: {text}")

    def connection_made(self, transport):
        self.transport = transport
        self.says("connection_made()")
        if self.made:
            self.made(self)

    def connection_lost(self, error):
        self.says(f"connection_lost({None if error is None else name_of(error)})")
        if self.lost:
            self.lost(self)

    def data_received(self, data):
        self.n_received += len(data)
        if not self.is_quiet:
            tell_data(self.name, data)
        if self.data:
            self.data(self, data)

    def eof_received(self):
        self.says("eof_received()")
        if self.eof:
            self.eof(self)
        return self.stays

    def pause_writing(self):
        self.says("pause_writing()")

    def resume_writing(self):
        self.says("resume_writing()")
        if self.resumed:
            self.resumed(self)


def new_runner():
    """An asyncio.Runner on a virtual clock."""
    return asyncio.Runner(loop_factory=VirtualLoop)


def run(main):
    """asyncio.run() on a virtual clock."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("run() cannot be called from a running event loop")
    with new_runner() as runner:
        return runner.run(main)


def run_outcome(main):
    """run(), and the printed form of what it gives."""
    try:
        return f"{run(main)}"
    except BaseException as error:
        return name_of(error)
