"""A cancelled readexactly(), readuntil() or read() loses nothing that had come (ST-07, ST-08)."""

import asyncio

from virtual_clock import outcome_of_read, run, say

LINE_END = b"\n"


async def main():
    reader = asyncio.StreamReader()

    task = asyncio.create_task(outcome_of_read(reader.readexactly(10)))
    await asyncio.sleep(1)
    reader.feed_data(b"1234")
    await asyncio.sleep(1)
    task.cancel()
    say(f"readexactly: {await task}")
    say(f"what had come: {await outcome_of_read(reader.read(3))}")

    task = asyncio.create_task(outcome_of_read(reader.readuntil(b"\n")))
    await asyncio.sleep(1)
    reader.feed_data(b"56")
    await asyncio.sleep(1)
    task.cancel()
    say(f"readuntil: {await task}")
    reader.feed_data(b"\n")
    say(f"the line: {await outcome_of_read(reader.readuntil(LINE_END))}")

    task = asyncio.create_task(outcome_of_read(reader.read(5)))
    await asyncio.sleep(1)
    task.cancel()
    say(f"read: {await task}")
    reader.feed_data(b"last")
    reader.feed_eof()
    say(f"read: {await outcome_of_read(reader.read(5))}")


run(main())
