"""A proxy copies both directions, with half closes, and both ends of it are closed at the end (ST-14)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say


async def copies(reader, writer):
    total = 0
    while data := await reader.read(7):
        writer.write(data)
        await writer.drain()
        total += len(data)
    writer.write_eof()
    return total


async def reverses(reader, writer):
    while line := await reader.readline():
        writer.write(line.rstrip()[::-1] + b"\n")
        await asyncio.sleep(0.5)
    writer.write(b"bye\n")
    await hang_up(writer)


async def main():
    totals = []
    inner = await asyncio.start_server(reverses, "127.0.0.1", 0)

    async def forwards(reader, writer):
        to_reader, to_writer = await connect(inner)
        totals[:] = await asyncio.gather(copies(reader, to_writer), copies(to_reader, writer))
        await hang_up(to_writer)
        await hang_up(writer)

    outer = await asyncio.start_server(forwards, "127.0.0.1", 0)
    reader, writer = await connect(outer)
    writer.write(b"hello, world\nasyncio\nlevel\n")
    writer.write_eof()
    while line := await reader.readline():
        say(quoted(line))
    await hang_up(writer)
    for server in (outer, inner):
        server.close()
        await server.wait_closed()
    say(f"{totals[0]} bytes there, {totals[1]} back")


run(main())
