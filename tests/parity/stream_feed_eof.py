"""feed_eof() wakes who waits; what came before is read first; nothing may come behind it (ST-04)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


async def main():
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    loop.call_later(1, reader.feed_eof)
    say(f"read: {await outcome_of_read(reader.read(10))}, at the end {reader.at_eof()}")
    reader.feed_eof()
    say("a second end is harmless")
    try:
        reader.feed_data(b"late")
        say("data behind the end: allowed")
    except AssertionError:
        say("data behind the end: refused")

    reader = asyncio.StreamReader()
    reader.feed_data(b"data")
    say(f"data: at the end {reader.at_eof()}")
    reader.feed_eof()
    say(f"data and the end: at the end {reader.at_eof()}")
    say(f"read: {await outcome_of_read(reader.read(2))}, at the end {reader.at_eof()}")
    say(f"read: {await outcome_of_read(reader.read(10))}, at the end {reader.at_eof()}")
    say(f"readline: {await outcome_of_read(reader.readline())}")
    say(f"readexactly: {await outcome_of_read(reader.readexactly(1))}")
    say(f"readuntil: {await outcome_of_read(reader.readuntil(b'x'))}")
    say(f"read to the end: {await outcome_of_read(reader.read())}")


run(main())
