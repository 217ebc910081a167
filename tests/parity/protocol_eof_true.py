"""eof_received that returns true keeps the transport open to write, until it is closed (TR-07)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def answers(protocol):
    protocol.transport.write(b"the answer")
    tell(f"{protocol.name}: closing {protocol.transport.is_closing()}, reading {protocol.transport.is_reading()}")


async def main():
    loop = asyncio.get_running_loop()
    servers = []
    path = unix_path("eof")

    def factory():
        servers.append(Teller("server", stays=True, eof=answers))
        return servers[-1]

    server = await loop.create_unix_server(factory, path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    tell(f"client: can write eof {transport.can_write_eof()}")
    transport.write(b"the question")
    transport.write_eof()
    transport.write_eof()
    await asyncio.sleep(1)
    tell(f"client: closing {transport.is_closing()}")
    tell(f"server: closing {servers[0].transport.is_closing()}")
    servers[0].transport.write(b", and more")
    await asyncio.sleep(1)
    servers[0].transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
