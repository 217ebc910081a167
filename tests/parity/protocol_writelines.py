"""writelines: several pieces, an empty one, none, more than one system call takes; they arrive in order (TR-05,
#77)."""
# requires: 3.12

import asyncio
import zlib

from virtual_clock import Teller, run, tell, unix_path


class Sum(asyncio.Protocol):
    def connection_made(self, transport):
        self.received = bytearray()

    def data_received(self, data):
        self.received += data

    def tells(self):
        tell(f"received {len(self.received)} bytes, {zlib.crc32(self.received):08x}")
        self.received.clear()


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("lines")
    sink = Sum()
    server = await loop.create_unix_server(lambda: sink, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    transport.writelines([b"one", b"", b"two", b"three"])
    transport.writelines([])
    await asyncio.sleep(1)
    sink.tells()
    transport.writelines([bytes([i % 251]) * 6500 for i in range(100)])
    transport.write(b"the end")
    await asyncio.sleep(1)
    sink.tells()
    transport.writelines([bytes([i % 251]) for i in range(3000)])
    transport.close()
    await asyncio.sleep(1)
    sink.tells()
    server.close()
    await server.wait_closed()


run(main())
