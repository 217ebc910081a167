"""Runs command lines, some at a time, and prints what each has said when it has ended.

    run_commands.py [--most=N] [--grace=SECONDS] [COMMAND...]      without one, each line of standard input is a command

    --most=N           at a time, the number of processors
    --grace=SECONDS    that commands have to end when they are asked to, 5; then they are killed

A command's output, standard error included, comes as a whole, below a line that says how the command ended; so it is in
order of completion, and never mixed. On a terminal a line at the bottom shows what is going on.

Ctrl-C and SIGTERM begin no more commands and stop those that run, with all that they have started; a second one kills
them. The exit status is 0 when all commands had status 0, else 1, and 130 after Ctrl-C or SIGTERM.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys


class Runner:
    def __init__(self, options, lines):
        self.most, self.grace, self.lines = options.most, options.grace, lines
        self.waiting = iter(enumerate(lines))
        self.running = {}  # by number, when each began
        self.n_done = self.n_failed = 0
        self.stopping = False
        self.on_terminal = sys.stderr.isatty()

    def hide_progress(self):
        if self.on_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def show_progress(self):
        if not self.on_terminal:
            return
        self.hide_progress()
        oldest = self.lines[min(self.running)] if self.running else ""
        seconds = asyncio.get_running_loop().time() - self.began
        print(f"{'stopping: ' if self.stopping else ''}{self.n_done} of {len(self.lines)} done, "
              f"{self.n_failed} failed, {len(self.running)} running for {seconds:.0f} s: {oldest:.40}",
              end="", file=sys.stderr, flush=True)

    async def keep_showing(self):
        while True:
            self.show_progress()
            await asyncio.sleep(0.5)

    def how_it_ended(self, process):
        if self.stopping:
            return "stopped"
        code = process.returncode
        return signal.strsignal(-code) if code < 0 else f"exit status {code}"

    async def stop(self, process):
        """Asks a command and all of its process group to end. The others may take longer than the first, but not longer
        than there is time; when this task is cancelled again, all are killed now."""
        with contextlib.suppress(ProcessLookupError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(self.grace):
                os.killpg(process.pid, signal.SIGTERM)
                while True:
                    os.killpg(process.pid, 0)
                    await asyncio.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()

    async def run_command(self, number, line):
        began = self.running[number] = asyncio.get_running_loop().time()
        self.show_progress()
        # A cancel while it starts would leave the process to itself.
        start = asyncio.create_task(asyncio.create_subprocess_shell(
            line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            process_group=0))
        output = b""
        try:
            process = await asyncio.shield(start)
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process = await start
            await self.stop(process)
            raise
        finally:
            self.hide_progress()
            del self.running[number]
            self.n_done += 1
            self.n_failed += self.stopping or process.returncode != 0
            print(f"== {line}: {self.how_it_ended(process)}, {asyncio.get_running_loop().time() - began:.2f} s",
                  flush=True)
            sys.stdout.buffer.write(output + (b"\n" if output and not output.endswith(b"\n") else b""))
            sys.stdout.buffer.flush()
            self.show_progress()

    async def work(self):
        for number, line in self.waiting:
            await self.run_command(number, line)
            if self.stopping:
                break

    async def run_all(self):
        def stop_all():
            self.stopping = True
            for worker in workers:
                worker.cancel()

        loop = asyncio.get_running_loop()
        self.began = loop.time()
        workers = [asyncio.create_task(self.work()) for _ in range(self.most)]
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop_all)
        progress = asyncio.create_task(self.keep_showing())
        await asyncio.wait(workers)
        progress.cancel()
        self.hide_progress()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=os.cpu_count())
    parser.add_argument("--grace", type=float, default=5)
    parser.add_argument("commands", nargs="*")
    options = parser.parse_args()
    if options.most < 1 or not options.grace >= 0:
        parser.error("--most is at least 1, --grace at least 0")
    lines = options.commands or [line for line in sys.stdin.read().splitlines() if line]
    runner = Runner(options, lines)
    asyncio.run(runner.run_all())
    return 130 if runner.stopping else int(runner.n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
