"""writelines() sends its pieces as one, also empty ones, also behind what is kept (ST-11)."""
# requires: 3.12

import asyncio
import zlib

from virtual_clock import hang_up, quoted, run, say, unix_path

SIZE = 256 * 1024


async def reads_all(reader, writer):
    say(f"the server has {quoted(await reader.readline())}")
    say(f"the server has {quoted(await reader.readline())}")
    await asyncio.sleep(1)
    data = await reader.read()
    say(f"the server has {len(data)} bytes, {zlib.crc32(data):08x}")
    await hang_up(writer)


async def main():
    path = unix_path("writelines")
    async with await asyncio.start_unix_server(reads_all, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.writelines([b"one", b", two", b"", b", three\n"])
        await writer.drain()
        writer.writelines([])
        writer.writelines([b"", b""])
        writer.writelines([b"four\n"])
        await writer.drain()
        pieces = [bytes([65 + i]) * SIZE for i in range(12)]
        writer.writelines(pieces)
        writer.writelines([b"the", b" end"])
        say(f"all is sent: {writer.transport.get_write_buffer_size() == 0}")
        await writer.drain()
        writer.write_eof()
        say(f"at the end: {len(await reader.read())}")
        await hang_up(writer)


run(main())
