"""read() gives what is there, waits for the first byte, and gives b"" at the end (ST-04, ST-06)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


async def feeds(reader):
    await asyncio.sleep(1)
    reader.feed_data(b"")
    say("fed nothing")
    await asyncio.sleep(1)
    reader.feed_data(b"one")
    await asyncio.sleep(1)
    reader.feed_data(b"two")
    reader.feed_data(b"three")
    await asyncio.sleep(1)
    reader.feed_data(b"four")
    await asyncio.sleep(1)
    reader.feed_data(b"five")
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader()
    feeder = asyncio.create_task(feeds(reader))
    say(f"read(100): {await outcome_of_read(reader.read(100))}")
    say(f"read(4): {await outcome_of_read(reader.read(4))}")
    say(f"read(1): {await outcome_of_read(reader.read(1))}")
    say(f"read(0): {await outcome_of_read(reader.read(0))}")
    say(f"read(100): {await outcome_of_read(reader.read(100))}")
    say(f"all the rest: {await outcome_of_read(reader.read())}")
    say(f"at the end: {await outcome_of_read(reader.read(100))}, {await outcome_of_read(reader.read())}")
    await feeder


run(main())
