"""A reader that keeps twice its limit pauses who feeds it, and never waits while it is paused (ST-05, #89)."""

import asyncio

from virtual_clock import outcome_of_read, run, say


class Source:
    """What a reader asks to pause and to go on: as much of a transport as it needs."""

    def __init__(self):
        self.is_loud = True

    def pause_reading(self):
        if self.is_loud:
            say("pause")

    def resume_reading(self):
        if self.is_loud:
            say("resume")


async def main():
    reader = asyncio.StreamReader(limit=4)
    source = Source()
    reader.set_transport(source)
    reader.feed_data(b"12345678")
    say("twice the limit is not too much")
    reader.feed_data(b"9")
    say("one more is, and is told once")
    reader.feed_data(b"0")
    say(f"read: {await outcome_of_read(reader.read(5))}")
    say("five are left")
    say(f"read: {await outcome_of_read(reader.read(1))}")
    say(f"read: {await outcome_of_read(reader.read(4))}")

    # How often a reader pauses that somebody waits for is its own affair.
    source.is_loud = False
    reader.feed_data(b"123456789")
    asyncio.get_running_loop().call_later(1, reader.feed_data, b"0abcdefghij")
    say(f"readexactly: {await outcome_of_read(reader.readexactly(20))}")
    reader.feed_data(b"123456789")
    asyncio.get_running_loop().call_later(1, reader.feed_eof)
    say(f"to the end: {await outcome_of_read(reader.read())}")


run(main())
