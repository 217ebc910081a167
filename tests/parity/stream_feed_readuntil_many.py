"""readuntil() with several separators takes the one that makes the result shortest (ST-08)."""
# requires: 3.13

import asyncio

from virtual_clock import outcome_of_read, quoted, run, say

LINE_END = b"\n"


async def feeds(reader):
    for piece in (b"one;two,three\n", b"four", b",", b"xA", b"By", b"--->", b"->", b"rest"):
        await asyncio.sleep(1)
        reader.feed_data(piece)
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader(limit=16)
    feeder = asyncio.create_task(feeds(reader))
    for _ in range(4):
        say(f"of three: {await outcome_of_read(reader.readuntil((b',', b';', LINE_END)))}")
    say(f"the shorter result: {await outcome_of_read(reader.readuntil((b'AB', b'xA')))}")
    say(f"whatever the order: {await outcome_of_read(reader.readuntil((b'ByZ', b'By', b'y')))}")
    say(f"one is the end of another: {await outcome_of_read(reader.readuntil((b'-->', b'->')))}")
    say(f"again: {await outcome_of_read(reader.readuntil((b'-->', b'->')))}")
    try:
        await reader.readuntil((b"\r\n", b"\n"))
    except asyncio.IncompleteReadError as error:
        say(f"the end after {quoted(error.partial)}")
    try:
        await reader.readuntil(())
        say("no separator: allowed")
    except ValueError:
        say("no separator: refused")
    try:
        await reader.readuntil((b"a", b""))
        say("an empty one: allowed")
    except ValueError:
        say("an empty one: refused")
    await feeder


run(main())
