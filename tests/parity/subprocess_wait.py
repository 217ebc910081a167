"""Processes and their ends: returncode, waits, signals, streams (SP-01, SP-02, SP-03, SP-05)."""
# requires: 3.12

import asyncio
import signal
from asyncio.subprocess import DEVNULL, PIPE

from virtual_clock import quoted


async def waits(process, name):
    try:
        print(f"{name}: {await process.wait()}")
    except asyncio.CancelledError:
        print(f"{name}: cancelled")


async def signalled(number):
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
    print(f"running: {process.returncode}")
    if number == signal.SIGTERM:
        process.terminate()
    elif number == signal.SIGKILL:
        process.kill()
    else:
        process.send_signal(number)
    print(f"signal {int(number)}: {await process.wait()}, {process.returncode}")
    try:
        process.kill()
    except ProcessLookupError:
        print("gone")


async def main():
    # Any number of tasks wait; a wait that is cancelled changes nothing.
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    waiters = [asyncio.create_task(waits(process, f"waiter {i}")) for i in range(3)]
    await asyncio.sleep(0)
    waiters[1].cancel()
    await asyncio.sleep(0)
    print(f"running: {process.returncode}, {process.stderr}")
    process.stdin.write(b"one\ntwo")
    process.stdin.close()
    await asyncio.wait(waiters)
    print(f"ended: {process.returncode}")

    # What it has said can be read afterwards.
    line = await process.stdout.readline()
    print(f"{quoted(line)}, {quoted(await process.stdout.read())}, {process.stdout.at_eof()}")
    print(f"again: {await process.wait()}")

    # Lines to and fro.
    process = await asyncio.create_subprocess_shell("while read x; do echo \"<$x>\"; done", stdin=PIPE, stdout=PIPE)
    for text in (b"a\n", b"b c\n"):
        process.stdin.write(text)
        await process.stdin.drain()
        print(quoted(await process.stdout.readline()))
    process.stdin.write_eof()
    print(f"{quoted(await process.stdout.read())}, {await process.wait()}")

    # The shell's own codes, and what cannot be run.
    process = await asyncio.create_subprocess_shell("no-such-command", stderr=DEVNULL)
    print(await process.wait())
    try:
        await asyncio.create_subprocess_exec("no-such-program")
    except FileNotFoundError:
        print("not found")

    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1):
        await signalled(number)


asyncio.run(main())
