"""A buffered protocol names the memory that is read into, and one protocol can follow the other kind (TR-10)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


class Buffered(asyncio.BufferedProtocol):
    def __init__(self, name):
        self.name = name
        self.memory = bytearray(16)
        self.received = bytearray()

    def connection_made(self, transport):
        self.transport = transport
        tell(f"{self.name}: connection_made()")

    def connection_lost(self, error):
        tell(f"{self.name}: connection_lost({error})")

    def get_buffer(self, hint):
        return self.memory

    def buffer_updated(self, size):
        self.received += self.memory[:size]
        if b"\n" in self.received:
            tell(f"{self.name}: the line is there, {len(self.received)} bytes")
            self.received.clear()

    def eof_received(self):
        tell(f"{self.name}: eof_received(), {len(self.received)} bytes without a line's end")


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("buffered")
    reader = Buffered("server")
    server = await loop.create_unix_server(lambda: reader, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    transport.write(b"short\n")
    await asyncio.sleep(1)
    transport.write(b"a line that is longer than the memory for it\n")
    await asyncio.sleep(1)
    other = Teller("another")
    reader.transport.set_protocol(other)
    tell(f"the protocol is {reader.transport.get_protocol().name}")
    transport.write(b"to another")
    await asyncio.sleep(1)
    reader.transport.set_protocol(reader)
    transport.write(b"the rest")
    transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
