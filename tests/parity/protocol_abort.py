"""abort drops what is kept: connection_lost(None) in a later turn, and nothing else (TR-01)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def aborts(protocol):
    protocol.transport.write(b"never arrives" * 100000)
    protocol.transport.abort()
    transport = protocol.transport
    tell(f"{protocol.name}: closing {transport.is_closing()}, kept {transport.get_write_buffer_size()}")
    transport.abort()
    transport.close()


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("abort")
    server = await loop.create_unix_server(lambda: asyncio.Protocol(), path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("one", made=aborts), path)
    await asyncio.sleep(1)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("two"), path)
    await asyncio.sleep(1)
    transport.abort()
    tell(f"aborted, closing {transport.is_closing()}, reading {transport.is_reading()}")
    await asyncio.sleep(1)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("three"), path)
    await asyncio.sleep(1)
    transport.write(b"much" * 1000000)
    transport.close()
    tell(f"closed, more is kept: {transport.get_write_buffer_size() > 0}")
    transport.abort()
    tell(f"aborted, kept {transport.get_write_buffer_size()}")
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
