"""A file through a transport: behind what was written before, a part of it, and none when the transport is closing
(N-14)."""
# requires: 3.12

import asyncio
import tempfile
import zlib

from virtual_clock import Teller, run, tell, unix_path

SIZE = 300 * 1000


class Sum(asyncio.Protocol):
    def connection_made(self, transport):
        self.received = bytearray()

    def data_received(self, data):
        self.received += data

    def tells(self):
        tell(f"received {len(self.received)} bytes, {zlib.crc32(self.received):08x}")
        self.received.clear()


async def sends(transport, file, offset, count):
    sent = await asyncio.get_running_loop().sendfile(transport, file, offset, count)
    tell(f"sent {sent} bytes")


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("file")
    sink = Sum()
    server = await loop.create_unix_server(lambda: sink, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    with tempfile.TemporaryFile() as file:
        file.write(bytes(i * 7 % 251 for i in range(SIZE)))
        file.flush()
        transport.write(b"before, ")
        await sends(transport, file, 0, None)
        transport.write(b", behind")
        await asyncio.sleep(1)
        sink.tells()
        await sends(transport, file, 1000, 20)
        await asyncio.sleep(1)
        sink.tells()
        await sends(transport, file, SIZE - 5, 100)
        await asyncio.sleep(1)
        sink.tells()
        transport.close()
        try:
            await loop.sendfile(transport, file)
            tell("sent by a closing transport")
        except RuntimeError:
            tell("refused, as it is closing")
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
