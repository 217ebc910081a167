"""A connection that is refused, a factory that makes no protocol, an address in use: what the calls say (N-01,
N-03)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, port_of, run, tell, unix_path


async def tries(what, awaitable):
    try:
        transport, protocol = await awaitable
        tell(f"{what}: connected")
        transport.close()
    except ConnectionRefusedError:
        tell(f"{what}: refused")
    except OSError:
        tell(f"{what}: failed")


def makes_none():
    raise RuntimeError("there is none")


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("refused")
    await tries("nobody", loop.create_unix_connection(lambda: Teller("client"), path))
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = port_of(server)
    await tries("somebody", loop.create_connection(lambda: Teller("client"), "127.0.0.1", port))
    await asyncio.sleep(1)
    try:
        await loop.create_connection(makes_none, "127.0.0.1", port)
        tell("no protocol: connected")
    except RuntimeError:
        tell("no protocol: an error")
    await asyncio.sleep(1)
    await tries("a second server", loop.create_server(lambda: Teller("second"), "127.0.0.1", port))
    server.close()
    await server.wait_closed()
    await tries("nobody any more", loop.create_connection(lambda: Teller("client"), "127.0.0.1", port))


run(main())
