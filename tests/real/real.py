"""What the tests with real counterparts share: examples as child processes, tools that must be there, cases.

A test here talks to a program of examples/ through the kernel, as users do. It is bounded in time by the time limits
below, and by that of the test as a whole.
"""

import asyncio
import contextlib
import os
import pathlib
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import checks  # noqa: E402

TIME_LIMIT_S = 60
ENVIRONMENT = dict(os.environ, ASYNCIO_BACKEND="epoll", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C")

# The Debian package of each tool.
PACKAGES = {
    "curl": "curl",
    "dnsmasq": "dnsmasq-base",
    "nc": "netcat-openbsd",
    "openssl": "openssl",
    "redis-benchmark": "redis-tools",
    "redis-check-rdb": "redis-tools",
    "redis-cli": "redis-tools",
    "socat": "socat",
    "wrk": "wrk",
}


class Failure(Exception):
    """What was seen is not what it has to be."""


def expect(condition, what):
    if not condition:
        raise Failure(what)


def same(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what}: {seen!r} instead of {wanted!r}")


def tool(name):
    """The path of a tool; without it the test fails, and says what to do."""
    path = shutil.which(name)
    expect(path, f"{name} is missing; tools/setup real, or apt-get install {PACKAGES[name]}, installs it")
    return path


def allow_many_sockets():
    """For this process and its children."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def command_of(program):
    """How to start an example or its twin."""
    if program.endswith(".py"):
        return [sys.executable, program]
    return shlex.split(os.environ.get("TEST_WRAPPER", "")) + [program]


class Server:
    """An example that serves: with it, it runs on a port of its own; at the end it is stopped by Ctrl-C."""

    def __init__(self, program, *arguments):
        self.command = [*command_of(program), *(arguments or ("127.0.0.1", "0"))]
        self.name = pathlib.Path(program).name

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=ENVIRONMENT, text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=default_interrupt)
        line = self.process.stdout.readline()
        if not line.startswith("serving on "):
            self.process.kill()
            raise Failure(f"{self.name} printed {line!r} and {self.process.communicate()[1]!r}")
        self.place = line.removeprefix("serving on ").strip()
        self.port = int(self.place.rpartition(":")[2]) if "/" not in self.place else None
        return self

    def stop(self, seconds=10):
        """Ctrl-C. Returns what it printed since. It must exit with 0 and without a complaint."""
        self.process.send_signal(signal.SIGINT)
        try:
            output, complaint = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            _, complaint = self.process.communicate()
            raise Failure(f"{self.name} was still there {seconds} s after Ctrl-C: {complaint}") from error
        same((self.process.returncode, complaint), (0, ""), f"end of {self.name}, and its standard error")
        return output

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            if kind is None:
                self.stop()
            else:
                self.process.kill()
                print(f"# {self.name} wrote: {self.process.communicate()}")
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


def default_interrupt():
    """A test that was started in the background hands on that Ctrl-C is to be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(command, **keywords):
    """Run a program to its end. Returns its standard output; anything but success is a failure."""
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIME_LIMIT_S, check=False, **{"stdin": subprocess.DEVNULL, **keywords}
                          if "input" not in keywords else keywords)
    expect(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr!r}")
    return done.stdout


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def directory():
    """A fresh one; its name is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="asyncio-", dir="/tmp") as name:
        yield pathlib.Path(name)


def bounded(coroutine):
    """asyncio.run() with a time limit."""
    async def main():
        return await asyncio.wait_for(coroutine, TIME_LIMIT_S)
    return asyncio.run(main())


def main(*tests):
    """Run the tests, each a function with a docstring. Returns the exit status."""
    cases = checks.Cases()
    allow_many_sockets()
    for test in tests:
        problems = []
        try:
            test()
        except Failure as error:
            problems = str(error).splitlines()
        except Exception:  # whatever it is, the others are to run
            problems = traceback.format_exc().splitlines()
        cases.case(test.__name__, problems)
    return cases.finish()
