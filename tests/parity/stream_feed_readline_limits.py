"""readline() drops a line that is too long: all of it if its end has come, else what has come (ST-09)."""

import asyncio

from virtual_clock import quoted, run, say


async def line_of(reader):
    try:
        return quoted(await reader.readline())
    except ValueError:
        return "LimitOverrun"


async def main():
    reader = asyncio.StreamReader(limit=3)
    reader.feed_data(b"abc\nabcd\nxy\n")
    say(f"exactly the limit: {await line_of(reader)}")
    say(f"one more: {await line_of(reader)}")
    say(f"the next line: {await line_of(reader)}")

    reader.feed_data(b"abcdefgh")
    say(f"without an end: {await line_of(reader)}")
    reader.feed_data(b"ij\nk\n")
    say(f"what came later: {await line_of(reader)}, {await line_of(reader)}")

    reader.feed_data(b"abc")
    task = asyncio.create_task(line_of(reader))
    await asyncio.sleep(1)
    say(f"the limit without an end: done {task.done()}")
    reader.feed_data(b"d")
    say(f"one more: {await task}")
    reader.feed_data(b"\nz")
    reader.feed_eof()
    say(f"the rest: {await line_of(reader)}, {await line_of(reader)}, {await line_of(reader)}")


run(main())
