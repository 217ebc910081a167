#!/usr/bin/python3
"""Copies of files: whole, with their permissions, or none; Ctrl-C, limits of size, a terminal.

    test_file_copy.py FILE_COPY
"""

import os
import pty
import resource
import signal
import stat
import subprocess
import sys
import time

import real

PROGRAM = os.path.abspath(sys.argv[1])
CONTENT = bytes(range(256)) * 40000
HUGE = 8 * 1024 ** 3


def copy(status, *arguments, **keywords):
    """Both outputs. It must end with this status."""
    done = subprocess.run([*real.command_of(PROGRAM), *map(str, arguments)], env=real.ENVIRONMENT, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=real.TIME_LIMIT_S, **keywords)
    real.same(done.returncode, status, f"exit status; it said {done.stdout + done.stderr!r}")
    return done.stdout, done.stderr


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def whole():
    """Content and permissions, to a new name, over an old file, into a directory, of an empty file."""
    with real.directory() as directory:
        source, target = directory / "source", directory / "target"
        source.write_bytes(CONTENT)
        source.chmod(0o751)
        real.same(copy(0, source, target), (f"{target}: {len(CONTENT)} bytes\n", ""), "what it said")
        real.expect(target.read_bytes() == CONTENT, "the copy differs")
        real.same(stat.S_IMODE(target.stat().st_mode), 0o751, "permissions")
        target.write_bytes(b"old")
        (directory / "second").hardlink_to(target)
        copy(0, source, target)
        real.expect(target.read_bytes() == CONTENT, "the second copy differs")
        real.same((directory / "second").read_bytes(), b"old", "another name of the old file")
        (directory / "below").mkdir()
        copy(0, source, directory / "below")
        real.expect((directory / "below/source").read_bytes() == CONTENT, "the third copy differs")
        (directory / "empty").touch()
        copy(0, "empty", "none", cwd=directory)
        real.same((directory / "none").read_bytes(), b"", "the copy of an empty file")
        real.same(names(directory), ["below", "empty", "none", "second", "source", "target"], "what is there")


def refused():
    """What cannot be copied, or not there, and why."""
    with real.directory() as directory:
        source = directory / "source"
        source.write_bytes(b"content")
        for wrong, word in (((source, source), "File exists"), ((source, "/dev/null"), "File exists"),
                            ((directory / "none", source), "No such file"), ((directory, source), "Is a directory"),
                            ((source, directory / "none/file"), "No such file"), (("/dev/null", source), "Invalid")):
            _, complaint = copy(1, *wrong)
            real.expect(word in complaint, f"it said {complaint!r} of {wrong}")
        copy(2, source)
        real.same((names(directory), source.read_bytes()), (["source"], b"content"), "what is there")


def full():
    """Without room nothing is left, and what had the name has it still."""
    with real.directory() as directory:
        source, target = directory / "source", directory / "target"
        source.write_bytes(CONTENT)
        target.write_bytes(b"old")
        limit = len(CONTENT) // 2
        _, complaint = copy(1, source, target,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        real.expect("copying" in complaint and "File too large" in complaint, f"it said {complaint!r}")
        real.same((names(directory), target.read_bytes()), (["source", "target"], b"old"), "what is there")


def stopped(*signals):
    """Stops a long copy in its midst."""
    with real.directory() as directory:
        source = directory / "source"
        with source.open("wb") as file:
            file.truncate(HUGE)
        (directory / "target").write_bytes(b"old")
        process = subprocess.Popen([*real.command_of(PROGRAM), source, directory / "target"], env=real.ENVIRONMENT,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=real.default_interrupt)
        end = time.monotonic() + real.TIME_LIMIT_S
        while process.poll() is None and not any(path.stat().st_size > 0 for path in directory.glob("target.*")):
            real.expect(time.monotonic() < end, "it does not begin")
            time.sleep(0.001)
        for number in signals:
            process.send_signal(number)
        output, complaint = process.communicate(timeout=real.TIME_LIMIT_S)
        # A file system that shares the blocks has it copied at once.
        if process.returncode != 0:
            real.same((process.returncode, output, complaint), (130, "", "file_copy: stopped, nothing is copied\n"),
                      "its end")
            real.same(names(directory), ["source", "target"], "what is there")
            real.same((directory / "target").read_bytes(), b"old", "the old file")


def ctrl_c():
    """Ctrl-C leaves no half copy."""
    stopped(signal.SIGINT)


def sigterm():
    """SIGTERM is as Ctrl-C."""
    stopped(signal.SIGTERM)


def terminal():
    """A bar, which is gone at the end."""
    with real.directory() as directory:
        source = directory / "source"
        source.write_bytes(CONTENT)
        master, slave = pty.openpty()
        done = subprocess.run([*real.command_of(PROGRAM), source, directory / "target"], env=real.ENVIRONMENT,
                              stdin=slave, stdout=subprocess.PIPE, stderr=slave, check=False,
                              timeout=real.TIME_LIMIT_S)
        real.same(done.returncode, 0, "exit status")
        os.close(slave)
        text = b""
        try:
            while piece := os.read(master, 4096):
                text += piece
        except OSError:
            pass
        os.close(master)
        bars = text.decode().split("\r")
        real.expect(any("#] 100 %, 10 of 10 MB" in bar for bar in bars), f"no bar in {bars!r}")
        real.expect(bars[1].startswith("[ ") and "0 %, 0 of 10 MB" in bars[1], f"the first bar is {bars[1]!r}")
        real.same(bars[-1], "\x1b[K", "the end")


if __name__ == "__main__":
    sys.exit(real.main(whole, refused, full, ctrl_c, sigterm, terminal))
