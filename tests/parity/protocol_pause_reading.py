"""pause_reading and resume_reading: idempotent, in connection_made nothing is read, on a closing transport nothing
happens (TR-02)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def pauses(protocol):
    transport = protocol.transport
    tell(f"{protocol.name}: reading {transport.is_reading()}")
    transport.pause_reading()
    transport.pause_reading()
    tell(f"{protocol.name}: reading {transport.is_reading()}")


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("pause")
    reader = Teller("server", made=pauses)
    server = await loop.create_unix_server(lambda: reader, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    transport.write(b"first")
    await asyncio.sleep(1)
    tell("on")
    reader.transport.resume_reading()
    reader.transport.resume_reading()
    tell(f"reading {reader.transport.is_reading()}")
    await asyncio.sleep(1)
    reader.transport.pause_reading()
    transport.write(b"second")
    await asyncio.sleep(1)
    tell("on and off")
    reader.transport.resume_reading()
    reader.transport.pause_reading()
    await asyncio.sleep(1)
    tell("on")
    reader.transport.resume_reading()
    await asyncio.sleep(1)
    reader.transport.pause_reading()
    transport.write(b"third")
    transport.close()
    await asyncio.sleep(1)
    tell("the end is not seen either")
    reader.transport.resume_reading()
    await asyncio.sleep(1)
    reader.transport.resume_reading()
    reader.transport.pause_reading()
    tell(f"reading {reader.transport.is_reading()}")
    server.close()
    await server.wait_closed()


run(main())
