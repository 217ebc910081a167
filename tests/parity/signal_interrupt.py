"""Ctrl-C cancels the main task, unless the program has a handler of its own for it (R-04, SG-01)."""

import asyncio
import os
import signal

from virtual_clock import VirtualLoop, name_of, say


def press():
    os.kill(os.getpid(), signal.SIGINT)


async def sleeps():
    loop = asyncio.get_running_loop()
    loop.call_later(1, press)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as error:
        say(f"sleeps: {name_of(error)}")
        await asyncio.sleep(1)
        say("cleaned up")
        raise


async def swallows():
    loop = asyncio.get_running_loop()
    loop.call_later(1, press)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as error:
        say(f"swallows: {name_of(error)}")
    return 7


async def listens():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, say, "handler")
    for _ in range(3):
        press()
        await asyncio.sleep(1)
    return 8


def play(main):
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            say(f"result: {runner.run(main())}")
    except KeyboardInterrupt:
        say("interrupted")


# A shell may have started us with Ctrl-C ignored, which is respected.
signal.signal(signal.SIGINT, signal.default_int_handler)
play(sleeps)
play(swallows)
play(listens)
