"""Handlers of signals: each signal is a call, the latest handler gets it, a removed one none (SG-01, SG-02, SG-03)."""

import asyncio
import contextvars
import os
import signal

from virtual_clock import refused, run, say

colour = contextvars.ContextVar("colour", default="none")


def send(number):
    os.kill(os.getpid(), number)


def says_colour():
    say(f"in {colour.get()}")
    colour.set("blue")


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, say, "USR1")
    loop.add_signal_handler(signal.SIGUSR2, say, "USR2")
    send(signal.SIGUSR1)
    await asyncio.sleep(1)
    send(signal.SIGUSR2)
    send(signal.SIGUSR1)
    send(signal.SIGUSR1)
    say("sent three")
    await asyncio.sleep(1)

    send(signal.SIGUSR1)
    loop.add_signal_handler(signal.SIGUSR1, say, "another")
    await asyncio.sleep(1)
    send(signal.SIGUSR1)
    say(f"removed: {loop.remove_signal_handler(signal.SIGUSR1)}")
    say(f"removed: {loop.remove_signal_handler(signal.SIGUSR1)}")
    await asyncio.sleep(1)

    came = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, came.set)
    loop.call_later(0.5, send, signal.SIGUSR1)
    await came.wait()
    say("came")
    colour.set("red")
    loop.add_signal_handler(signal.SIGUSR1, says_colour)
    colour.set("green")
    send(signal.SIGUSR1)
    await asyncio.sleep(1)
    send(signal.SIGUSR1)
    await asyncio.sleep(1)
    say(f"and here {colour.get()}")
    say(f"removed: {loop.remove_signal_handler(signal.SIGUSR1)}")

    say(f"KILL: {refused(loop.add_signal_handler, signal.SIGKILL, say, '')}")
    say(f"STOP: {refused(loop.add_signal_handler, signal.SIGSTOP, say, '')}")
    say(f"0: {refused(loop.add_signal_handler, 0, say, '')}")
    say(f"1000: {refused(loop.add_signal_handler, 1000, say, '')}")


run(main())
