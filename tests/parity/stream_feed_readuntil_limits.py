"""readuntil() with more than the limit before the separator takes nothing, and tells how much to skip (ST-08)."""

import asyncio

from virtual_clock import outcome_of_read, run, say

CRLF = b"\r\n"
LINE_END = b"\n"


async def overrun(reader, separator):
    try:
        await reader.readuntil(separator)
        say("found")
    except asyncio.LimitOverrunError as error:
        skipped = await outcome_of_read(reader.readexactly(error.consumed))
        say(f"LimitOverrun, {error.consumed} consumed: {skipped}")


async def main():
    reader = asyncio.StreamReader(limit=8)
    reader.feed_data(b"12345678\n123456789\nshort\n")
    say(f"exactly the limit: {await outcome_of_read(reader.readuntil(LINE_END))}")
    await overrun(reader, b"\n")
    say(f"what is left: {await outcome_of_read(reader.readuntil(LINE_END))}")
    say(f"a short one: {await outcome_of_read(reader.readuntil(LINE_END))}")

    reader.feed_data(b"no separator at all")
    await overrun(reader, b"\n")
    say("a part of the separator is at the end")
    reader.feed_data(b"0123456789\r")
    await overrun(reader, b"\r\n")
    reader.feed_data(b"\n")
    say(f"its second part: {await outcome_of_read(reader.readuntil(CRLF))}")
    reader.feed_data(b"1234567890")
    reader.feed_eof()
    say("the end of the stream, and too much before it")
    await overrun(reader, b"\n")
    say(f"at the end: {await outcome_of_read(reader.read())}, {reader.at_eof()}")


run(main())
