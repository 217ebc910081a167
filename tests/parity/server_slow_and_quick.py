"""A client that does not read delays nobody but itself (ST-12)."""
# requires: 3.12

import asyncio

from virtual_clock import hang_up, quoted, run, say, unix_path

SIZE = 1024 * 1024


async def serves(reader, writer):
    while request := await reader.readline():
        if request == b"much\n":
            writer.write(bytes(SIZE))
        writer.write(b"answer to " + request)
        await writer.drain()
    await hang_up(writer)


async def asks(path, name, requests):
    reader, writer = await asyncio.open_unix_connection(path)
    for request in requests:
        writer.write(request)
        say(f"{name}: {quoted(await reader.readline())}")
        await asyncio.sleep(1)
    await hang_up(writer)


async def main():
    path = unix_path("slow")
    async with await asyncio.start_unix_server(serves, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"much\n")
        writer.write(b"little\n")
        await asyncio.sleep(0.5)
        await asks(path, "quick", (b"one\n", b"two\n", b"three\n"))
        data = await reader.readexactly(SIZE)
        say(f"slow: {len(data)} bytes")
        say(f"slow: {quoted(await reader.readline())}")
        say(f"slow: {quoted(await reader.readline())}")
        await hang_up(writer)


run(main())
