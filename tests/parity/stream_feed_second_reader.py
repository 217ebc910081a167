"""One task at a time reads: a second one is refused, and the first gets its data (ST-04)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


async def reads(name, awaitable):
    try:
        say(f"{name}: {await outcome_of_read(awaitable)}")
    except RuntimeError:
        say(f"{name}: refused")


async def main():
    reader = asyncio.StreamReader()
    first = asyncio.create_task(reads("the first", reader.readline()))
    await asyncio.sleep(1)
    await reads("read", reader.read(10))
    await reads("readline", reader.readline())
    await reads("readexactly", reader.readexactly(3))
    await reads("readuntil", reader.readuntil(b"x"))
    reader.feed_data(b"hello\nworld\n")
    await first
    await reads("the next", reader.readline())

    cancelled = asyncio.create_task(reads("who is cancelled", reader.readline()))
    await asyncio.sleep(1)
    cancelled.cancel()
    await cancelled
    reader.feed_data(b"for the next\n")
    await reads("the next", reader.readline())


run(main())
