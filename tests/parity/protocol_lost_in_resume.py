"""resume_writing on a transport that is closing: connection_lost comes once, and what is written there is still sent
(TR-09, #81)."""
# requires: 3.13

import asyncio

from virtual_clock import Teller, run, tell, unix_path

MUCH = 400 * 1000


class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.n_received = 0
        transport.pause_reading()

    def data_received(self, data):
        self.n_received += len(data)

    def connection_lost(self, error):
        tell(f"sink: had {self.n_received} bytes")


def writes_more(protocol):
    protocol.transport.write(b"more")


async def visits(resumed):
    loop = asyncio.get_running_loop()
    path = unix_path("resume")
    sink = Sink()
    server = await loop.create_unix_server(lambda: sink, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client", resumed=resumed), path)
    await asyncio.sleep(1)
    transport.write(bytes(MUCH))
    transport.close()
    tell("closed")
    await asyncio.sleep(1)
    sink.transport.resume_reading()
    await asyncio.sleep(1)
    tell(f"client: closing {transport.is_closing()}")
    server.close()
    await server.wait_closed()


async def main():
    await visits(lambda protocol: protocol.transport.close())
    await visits(writes_more)


run(main())
