"""Requests with their length in front, many at once in one connection, answered in order (ST-07)."""
# requires: 3.12

import asyncio
import struct

from virtual_clock import connect, hang_up, quoted, run, say


async def read_frame(reader):
    size, = struct.unpack("!I", await reader.readexactly(4))
    return await reader.readexactly(size)


def write_frame(writer, data):
    writer.write(struct.pack("!I", len(data)))
    writer.write(data)


async def serves(reader, writer):
    try:
        while True:
            request = await read_frame(reader)
            await asyncio.sleep(0.1)
            write_frame(writer, request.upper())
            await writer.drain()
    except asyncio.IncompleteReadError as error:
        say(f"the server meets the end after {len(error.partial)} bytes of a head")
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(serves, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        for request in (b"one", b"two", b"", b"a longer one", b"last"):
            write_frame(writer, request)
        await writer.drain()
        for _ in range(5):
            say(f"answer: {quoted(await read_frame(reader))}")
        writer.write(b"\0\0")
        await hang_up(writer)


run(main())
