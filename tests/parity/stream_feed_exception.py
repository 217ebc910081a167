"""set_exception() ends a read that waits, and comes before the data in every read from then on (ST-04, ST-06)."""

import asyncio

from virtual_clock import Failure, name_of, outcome_of_read, run, say

LINE_END = b"\n"


def exception_of(reader):
    return name_of(reader.exception()) if reader.exception() else "none"


async def main():
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    say(f"exception: {exception_of(reader)}")
    loop.call_later(1, reader.set_exception, Failure(5))
    say(f"a read that waits: {await outcome_of_read(reader.read(10))}")
    say(f"exception: {exception_of(reader)}")

    reader.feed_data(b"data\n")
    say(f"read: {await outcome_of_read(reader.read(10))}")
    say(f"readline: {await outcome_of_read(reader.readline())}")
    say(f"readexactly: {await outcome_of_read(reader.readexactly(2))}")
    say(f"readuntil: {await outcome_of_read(reader.readuntil(LINE_END))}")
    say(f"read to the end: {await outcome_of_read(reader.read())}")
    reader.set_exception(Failure(6))
    say(f"another one: {await outcome_of_read(reader.read(10))}")
    say(f"at the end {reader.at_eof()}")

    reader = asyncio.StreamReader()
    loop.call_later(1, reader.feed_data, b"ab")
    loop.call_later(2, reader.set_exception, Failure(7))
    say(f"readexactly that waits: {await outcome_of_read(reader.readexactly(4))}")


run(main())
