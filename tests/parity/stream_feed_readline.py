"""readline(): lines in pieces, several in one piece, and a last one without its end (ST-09)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


async def feeds(reader):
    for piece in (b"he", b"llo\nwor", b"ld\n\n", b"three\nfour\nfi", b"ve"):
        await asyncio.sleep(1)
        reader.feed_data(piece)
    await asyncio.sleep(1)
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader()
    feeder = asyncio.create_task(feeds(reader))
    for _ in range(8):
        say(f"{await outcome_of_read(reader.readline())}")
    await feeder


run(main())
