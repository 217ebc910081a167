"""The limit of a line is the server's for its clients, and each client's own (ST-01, ST-02)."""
# requires: 3.12

import asyncio

from virtual_clock import hang_up, outcome_of_read, port_of, run, say

LINE_END = b"\n"


async def reads_short_lines(reader, writer):
    say(f"the server: {await outcome_of_read(reader.readuntil(LINE_END))}")
    say(f"the server: {await outcome_of_read(reader.readuntil(LINE_END))}")
    say(f"the server: {await outcome_of_read(reader.readexactly(10))}")
    writer.write(b"12345\n123456\n")
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(reads_short_lines, "127.0.0.1", 0, limit=8) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), limit=5)
        writer.write(b"12345678\n123456789\n")
        await writer.drain()
        await asyncio.sleep(1)
        say(f"the client: {await outcome_of_read(reader.readuntil(LINE_END))}")
        say(f"the client: {await outcome_of_read(reader.readuntil(LINE_END))}")
        say(f"the client: {await outcome_of_read(reader.read())}")
        await hang_up(writer)


run(main())
