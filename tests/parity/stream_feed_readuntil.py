"""readuntil(): a separator over several pieces, and the end of the stream before one (ST-08)."""

import asyncio

from virtual_clock import outcome_of_read, quoted, run, say

CRLF = b"\r\n"
LINE_END = b"\n"


async def feeds(reader):
    for piece in (b"first\r", b"\nsec", b"ond\r\nthird\r\n", b"\r\r\n", b"a--", b"--b---", b"rest"):
        await asyncio.sleep(1)
        reader.feed_data(piece)
    reader.feed_eof()


async def main():
    reader = asyncio.StreamReader()
    feeder = asyncio.create_task(feeds(reader))
    for _ in range(4):
        say(f"a line: {await outcome_of_read(reader.readuntil(CRLF))}")
    say(f"three dashes: {await outcome_of_read(reader.readuntil(b'---'))}")
    say(f"three dashes: {await outcome_of_read(reader.readuntil(b'---'))}")
    try:
        await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        say(f"the end after {quoted(error.partial)}")
    say(f"once more: {await outcome_of_read(reader.readuntil(LINE_END))}")
    try:
        await reader.readuntil(b"")
        say("no separator: allowed")
    except ValueError:
        say("no separator: refused")
    await feeder


run(main())
