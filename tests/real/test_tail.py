#!/usr/bin/python3
"""Following files: last lines, growth, rotation, truncation, files and directories that come and go, many files.

    test_tail.py TAIL_FOLLOW
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time

import real

PROGRAM = os.path.abspath(sys.argv[1])


class Tail:
    """The program at work; it must not stay behind, whatever happens."""

    def __init__(self, *arguments, **keywords):
        self.process = subprocess.Popen([*real.command_of(PROGRAM), *map(str, arguments)], env=real.ENVIRONMENT,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=real.default_interrupt, **keywords)

    def __enter__(self):
        return self

    def read(self, pipe, size):
        data, end = b"", time.monotonic() + 20
        while len(data) < size:
            if not select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
                raise real.Failure(f"only {data!r} came")
            piece = os.read(pipe.fileno(), size - len(data))
            if not piece:
                raise real.Failure(f"it has ended after {data!r}: {self.process.stderr.read()!r}")
            data += piece
        return data.decode()

    def prints(self, text):
        real.same(self.read(self.process.stdout, len(text)), text, "output")

    def tells(self, text):
        text = f"tail_follow: {text}\n"
        real.same(self.read(self.process.stderr, len(text)), text, "standard error")

    def ends(self, status=130, number=signal.SIGINT):
        """By Ctrl-C, with nothing more to say."""
        if number:
            self.process.send_signal(number)
        output, complaint = self.process.communicate(timeout=real.TIME_LIMIT_S)
        real.same((self.process.returncode, output, complaint), (status, b"", b""), "its end")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def last_lines():
    """The last ones, however long they are, whether there are so many, with and without an end."""
    lines = [f"{i} {'x' * (i * 97 % 3000)}\n" for i in range(50)]
    with real.directory() as directory:
        log = directory / "log"
        for n_lines, n_there, end in ((10, 50, "\n"), (10, 50, ""), (1, 50, "\n"), (1, 3, ""), (10, 10, "\n"),
                                      (10, 9, ""), (60, 50, "\n"), (3, 0, "")):
            content = "".join(lines[:n_there])
            content = content if end else content[:-1]
            log.write_text(content)
            with Tail(f"--lines={n_lines}", log) as tail:
                tail.prints("".join(content.splitlines(True)[-n_lines:]))
                append(log, "more\n")
                tail.prints("more\n")
                tail.ends()
        # The other one is looked at afterwards.
        with Tail("--lines=0", log, directory / "none") as tail:
            tail.tells(f"{directory}/none cannot be opened: No such file or directory")
            append(log, "more\n")
            tail.prints(f"==> {log} <==\nmore\n")
            tail.ends()


def grows():
    """What is added comes, also much and in pieces."""
    with real.directory() as directory:
        (directory / "log").write_text("a\n")
        with Tail("log", cwd=directory) as tail:
            tail.prints("a\n")
            append(directory / "log", "half a li")
            tail.prints("half a li")
            append(directory / "log", "ne\n")
            tail.prints("ne\n")
            much = "".join(f"{i}\n" for i in range(50000))
            append(directory / "log", much)
            tail.prints(much)
            tail.ends()


def rotation():
    """By rename: the old one's rest, then the new one, also when both names are followed, and again and again."""
    with real.directory() as directory:
        log, old = directory / "log", directory / "log.1"
        log.write_text("first\n")
        with Tail(log) as tail:
            tail.prints("first\n")
            with log.open("a") as writer:
                for i in range(5):
                    log.rename(old)
                    tail.tells(f"{log} is gone: No such file or directory")
                    log.write_text(f"new {i}\n")
                    tail.tells(f"{log} has appeared")
                    tail.prints(f"new {i}\n")
                writer.write("not followed\n")
            new = directory / "log.new"
            new.write_text("replaced\n")
            append(log, "last words\n")
            new.rename(log)
            tail.tells(f"{log} is another file now")
            tail.prints("last words\nreplaced\n")
            append(log, "goes on\n")
            tail.prints("goes on\n")
            tail.ends()


def rotation_of_both():
    """Both names of a rotated log are followed; the watch of the file that has moved goes with it."""
    with real.directory() as directory:
        log, old = directory / "log", directory / "log.1"
        log.write_text("a\n")
        old.write_text("b\n")
        with Tail(log, old) as tail:
            tail.prints(f"==> {log} <==\na\n\n==> {old} <==\nb\n")
            log.rename(old)
            told = [f"tail_follow: {log} is gone: No such file or directory\n",
                    f"tail_follow: {old} is another file now\n"]
            real.same(sorted(tail.read(tail.process.stderr, sum(map(len, told))).splitlines(True)), sorted(told),
                      "standard error")
            tail.prints("a\n")
            append(old, "more\n")
            tail.prints("more\n")
            log.write_text("new\n")
            tail.tells(f"{log} has appeared")
            tail.prints(f"\n==> {log} <==\nnew\n")
            append(old, "and more\n")
            tail.prints(f"\n==> {old} <==\nand more\n")
            tail.ends()


def truncation():
    """One that has become shorter is printed from its beginning."""
    with real.directory() as directory:
        log = directory / "log"
        log.write_text("a long line\n")
        with Tail(log) as tail:
            tail.prints("a long line\n")
            os.truncate(log, 0)
            tail.tells(f"{log} has become shorter")
            append(log, "b\n")
            tail.prints("b\n")
            tail.ends()


def coming():
    """Files and directories that are not there yet, or no longer."""
    with real.directory() as directory:
        log = directory / "below/log"
        with Tail(log) as tail:
            tail.tells(f"{log} cannot be opened: No such file or directory")
            for i in range(2):
                log.parent.mkdir()
                log.write_text(f"there {i}\n")
                tail.tells(f"{log} has appeared")
                tail.prints(f"there {i}\n")
                shutil.rmtree(log.parent)
                tail.tells(f"{log} is gone: No such file or directory")
            tail.ends()


def many():
    """A hundred files, each part below its name."""
    with real.directory() as directory:
        logs = [directory / f"log{i}" for i in range(100)]
        for log in logs:
            log.touch()
        with Tail(*logs) as tail:
            for i in range(300):
                log = logs[i * 37 % 100]
                append(log, f"{i}\n")
                tail.prints(f"{'' if i == 0 else chr(10)}==> {log} <==\n{i}\n")
            tail.ends()


def nobody_reads():
    """It ends when nobody reads any more."""
    with real.directory() as directory:
        log = directory / "log"
        log.write_text("a\n")
        with Tail(log) as tail:
            tail.prints("a\n")
            tail.process.stdout.close()
            tail.process.stdout = open(os.devnull, "rb")
            append(log, "b\n")
            real.same(tail.process.wait(real.TIME_LIMIT_S), 0, "exit status")


def usage():
    """What makes no sense is refused."""
    for wrong in ([], ["--lines=x", "file"], ["--lines=-1", "file"], ["--nonsense", "file"]):
        with Tail(*wrong) as tail:
            real.same(tail.process.wait(real.TIME_LIMIT_S), 2, f"exit status of {wrong}")


if __name__ == "__main__":
    sys.exit(real.main(last_lines, grows, rotation, rotation_of_both, truncation, coming, many, nobody_reads, usage))
