"""readexactly() waits for all of it, beyond the limit too; the end before that is an error with the part (ST-07)."""

import asyncio

from virtual_clock import outcome_of_read, quoted, run, say


async def feeds(reader):
    for piece in (b"ab", b"cd", b"efgh", b"0123456789", b"0123456789", b"xyz"):
        await asyncio.sleep(1)
        reader.feed_data(piece)
    await asyncio.sleep(1)
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader(limit=4)
    feeder = asyncio.create_task(feeds(reader))
    say(f"none: {await outcome_of_read(reader.readexactly(0))}")
    say(f"one: {await outcome_of_read(reader.readexactly(1))}")
    say(f"three: {await outcome_of_read(reader.readexactly(3))}")
    say(f"two: {await outcome_of_read(reader.readexactly(2))}")
    say(f"two more: {await outcome_of_read(reader.readexactly(2))}")
    say(f"twenty: {await outcome_of_read(reader.readexactly(20))}")
    try:
        await reader.readexactly(5)
    except asyncio.IncompleteReadError as error:
        say(f"five: the end after {quoted(error.partial)}")
    try:
        await reader.readexactly(5)
    except asyncio.IncompleteReadError as error:
        say(f"five: the end after {quoted(error.partial)}")
    say(f"none at the end: {await outcome_of_read(reader.readexactly(0))}")
    await feeder


run(main())
