"""A line that does not come in time is not lost when it comes later (C-07, ST-09)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


async def feeds(reader):
    for piece in (b"quick\n", b"ha", b"lf\n", b"la", b"te\n"):
        reader.feed_data(piece)
        await asyncio.sleep(0.8)
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader()
    feeder = asyncio.create_task(feeds(reader))
    result = None
    while result != '""':
        result = await outcome_of_read(asyncio.wait_for(reader.readline(), 0.5))
        say(result)
    await feeder


run(main())
