"""drain() waits while too much is kept, until the peer has read; then everything has arrived in order (ST-12)."""
# requires: 3.12

import asyncio
import zlib

from virtual_clock import hang_up, run, say, unix_path

SIZE = 4 * 1024 * 1024


async def reads_late(reader, writer):
    await asyncio.sleep(2)
    say("the server begins to read")
    data = await reader.readexactly(SIZE)
    say(f"the server has {len(data)} bytes, {zlib.crc32(data):08x}")
    await hang_up(writer)


async def main():
    data = bytes(i * 7 % 251 for i in range(SIZE))
    path = unix_path("drain")
    async with await asyncio.start_unix_server(reads_late, path):
        reader, writer = await asyncio.open_unix_connection(path)
        say(f"kept: {writer.transport.get_write_buffer_size()}")
        await writer.drain()
        writer.write(data)
        say(f"much is kept: {writer.transport.get_write_buffer_size() > 65536}")
        await writer.drain()
        drained = asyncio.get_running_loop().time()
        say(f"at the end: {len(await reader.read(1))}")
        say(f"drained at {drained:.3f}, kept: {writer.transport.get_write_buffer_size()}")
        await writer.drain()
        await hang_up(writer)


run(main())
