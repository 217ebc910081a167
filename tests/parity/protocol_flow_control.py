"""pause_writing once when more than the high mark is kept, resume_writing once when no more than the low one is; also
when the marks change (TR-03, TR-04)."""
# requires: 3.12

import asyncio

from virtual_clock import run, tell, Teller, unix_path

MUCH = 400 * 1000


class Sink(asyncio.Protocol):
    """Reads nothing until it is told to, and counts."""

    def connection_made(self, transport):
        self.transport = transport
        self.n_received = 0
        transport.pause_reading()

    def data_received(self, data):
        self.n_received += len(data)


async def main():
    loop = asyncio.get_running_loop()
    sink = Sink()
    path = unix_path("flow")
    server = await loop.create_unix_server(lambda: sink, path)
    transport, client = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    tell(f"marks: {transport.get_write_buffer_limits()}")
    transport.write(bytes(MUCH))
    tell(f"written, more is kept: {transport.get_write_buffer_size() > 65536}")
    transport.writelines([bytes(MUCH), bytes(MUCH)])
    tell("written again")
    await asyncio.sleep(1)
    sink.transport.resume_reading()
    await asyncio.sleep(1)
    tell(f"received {sink.n_received}, kept {transport.get_write_buffer_size()}")
    sink.transport.pause_reading()
    transport.set_write_buffer_limits(high=10 * MUCH)
    tell(f"marks: {transport.get_write_buffer_limits()}")
    transport.writelines([bytes(MUCH), bytes(MUCH)])
    tell("lines written")
    transport.set_write_buffer_limits(high=0)
    tell(f"marks: {transport.get_write_buffer_limits()}")
    sink.transport.resume_reading()
    await asyncio.sleep(1)
    tell(f"received {sink.n_received}, kept {transport.get_write_buffer_size()}")
    transport.write(b"a little")
    tell("a little is written")
    transport.close()
    await asyncio.sleep(1)
    tell(f"received {sink.n_received}")
    server.close()
    await server.wait_closed()


run(main())
