#!/usr/bin/python3
"""Commands in parallel: their output, their order, a terminal, and what Ctrl-C leaves.

    test_run_commands.py RUN_COMMANDS
"""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import time

import real

PROGRAM = sys.argv[1]


class Runner:
    """The program at work; it must not stay behind, whatever happens."""

    def __init__(self, *arguments, **keywords):
        self.process = subprocess.Popen([*real.command_of(PROGRAM), *arguments], env=real.ENVIRONMENT,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=real.default_interrupt, **keywords)

    def __enter__(self):
        return self

    def ends(self, status):
        """Its output. It must end with this status, and say nothing on standard error."""
        try:
            output, complaint = self.process.communicate(timeout=real.TIME_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise real.Failure("it does not end") from error
        real.same((self.process.returncode, complaint), (status, ""), "its exit status and complaint")
        return output

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


def without_times(output):
    return re.sub(r", \d+\.\d\d s$", "", output, flags=re.MULTILINE)


def run(status, *arguments):
    with Runner(*arguments) as runner:
        return without_times(runner.ends(status))


def marker(directory):
    """A script that says by a file that it has begun, and whose processes are known by the directory's name."""
    script = directory / "script"
    script.write_text('trap "$2" TERM\n: > "$0.$1"\nwhile :; do sleep 0.05; done\n')
    return script


def processes_of(directory):
    """Those with the directory in their command line, zombies excluded."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def wait_for(condition, what):
    end = time.monotonic() + real.TIME_LIMIT_S
    while not condition():
        real.expect(time.monotonic() < end, f"waited in vain until {what}")
        time.sleep(0.01)


def statuses():
    """Statuses, signals, both outputs, a last line without an end; the exit status says that one failed."""
    real.same(run(1, "--most=1", "echo a; echo b >&2", "exit 3", "kill -9 $$", "printf x", "cat"),
              "== echo a; echo b >&2: exit status 0\na\nb\n== exit 3: exit status 3\n== kill -9 $$: Killed\n"
              "== printf x: exit status 0\nx\n== cat: exit status 0\n", "output")
    real.same(run(0, "true"), "== true: exit status 0\n", "output")
    real.same(run(1, "exec /nonesuch 2>/dev/null"), "== exec /nonesuch 2>/dev/null: exit status 127\n", "output")


def order():
    """In the order of completion, whole, and so many at a time."""
    with real.directory() as directory:
        fifo = directory / "fifo"
        os.mkfifo(fifo)
        # The first one ends when the last one is gone.
        slow = f"echo slow; read last < {fifo}; while [ -d /proc/$last ]; do sleep 0.05; done; sleep 0.05; echo slow"
        quick, last = "echo quick; echo quick", f"echo last; echo $$ > {fifo}"
        with Runner("--most=2", slow, quick, last) as runner:
            real.same(without_times(runner.ends(0)),
                      f"== {quick}: exit status 0\nquick\nquick\n== {last}: exit status 0\nlast\n"
                      f"== {slow}: exit status 0\nslow\nslow\n", "output")


def many():
    """Hundreds, from standard input, with more output than a pipe holds."""
    lines = [f"head -c 200000 /dev/zero | tr '\\0' x; echo {i}" if i % 20 == 0 else f"echo {i}" for i in range(300)]
    output = real.run([*real.command_of(PROGRAM), "--most=20"], input="\n".join([*lines, "", ""]).encode())
    seen = {line.lstrip(b"x") for line in output.splitlines() if not line.startswith(b"==")}
    real.same(seen, {str(i).encode() for i in range(300)}, "what the commands said")
    real.expect(output.count(b"x" * 200000) == 15, "something of the long ones is missing")


def at_most():
    """Never more at a time than asked for."""
    with real.directory() as directory:
        count = f"mkdir {directory}/$$; ls {directory} | wc -l; sleep 0.02; rmdir {directory}/$$"
        output = run(0, "--most=3", *[count] * 20)
        seen = [int(line) for line in output.splitlines() if not line.startswith("==")]
        real.same((len(seen), max(seen) <= 3), (20, True), f"numbers at a time: {seen}")


def interrupted(grace, trap, n_signals, number=signal.SIGINT):
    """Starts three that run for ever, sends signals, and sees that nothing is left."""
    with real.directory() as directory:
        script = marker(directory)
        commands = [f"sh {script} {i} '{trap}'; echo survived" for i in range(3)]
        with Runner("--most=2", f"--grace={grace}", *commands) as runner:
            wait_for(lambda: all((directory / f"script.{i}").exists() for i in range(2)), "two have begun")
            for i in range(n_signals):
                if i > 0:
                    time.sleep(0.2)
                real.expect(runner.process.poll() is None, "it has ended too early")
                runner.process.send_signal(number)
            output = without_times(runner.ends(130))
        real.same(sorted(output.splitlines()), sorted(f"== {each}: stopped" for each in commands[:2]), "output")
        real.expect(not (directory / "script.2").exists(), "one more has begun")
        wait_for(lambda: not processes_of(directory), "all processes are gone")


def ctrl_c():
    """Ctrl-C ends all that run, grandchildren too; no more begin."""
    interrupted(50, "exit", 1)


def sigterm():
    """So does SIGTERM."""
    interrupted(50, "exit", 1, signal.SIGTERM)


def ctrl_c_ignored():
    """Who does not end in time is killed."""
    interrupted(0.2, "", 1)


def ctrl_c_twice():
    """The second Ctrl-C kills at once."""
    interrupted(1000, "", 2)


def terminal():
    """A line of progress on a terminal, which is gone at the end; Ctrl-C of the terminal goes to the program only."""
    with real.directory() as directory:
        script = marker(directory)
        pid, fd = pty.fork()
        if pid == 0:
            real.default_interrupt()
            command = [*real.command_of(PROGRAM), "--most=2", "echo hello", f"sh {script} 1 exit"]
            os.execvpe(command[0], command, real.ENVIRONMENT)
        seen, end = b"", time.monotonic() + real.TIME_LIMIT_S
        sent = False
        while time.monotonic() < end and select.select([fd], [], [], 20)[0]:
            try:
                seen += os.read(fd, 65536)
            except OSError:
                break
            if not sent and b"1 of 2 done" in seen and (directory / "script.1").exists():
                os.write(fd, b"\x03")
                sent = True
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = seen.decode(errors="replace")
        real.same(status, 130, f"exit status, with {text!r}")
        real.expect("== echo hello: exit status 0" in text and "hello\r\n" in text, f"the terminal showed {text!r}")
        real.expect("1 of 2 done, 0 failed, 1 running for 0 s: sh " in text, f"no progress in {text!r}")
        real.expect(text.endswith("\r\x1b[K"), f"the last line stays: {text!r}")
        wait_for(lambda: not processes_of(directory), "all processes are gone")


def usage():
    """What makes no sense is refused."""
    for wrong in ("--most=0", "--most=x", "--grace=-1", "--grace=nan", "--nonsense"):
        done = subprocess.run([*real.command_of(PROGRAM), wrong, "true"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        real.expect(done.returncode == 2 and done.stdout == b"", f"{wrong} is taken")


if __name__ == "__main__":
    sys.exit(real.main(statuses, order, many, at_most, ctrl_c, sigterm, ctrl_c_ignored, ctrl_c_twice, terminal,
                       usage))
