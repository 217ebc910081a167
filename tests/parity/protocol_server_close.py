"""A server's close leaves its clients alone, close_clients closes them, abort_clients drops what they have (SV-04)."""
# requires: 3.13

import asyncio

from virtual_clock import Teller, run, tell, unix_path


class Client(asyncio.Protocol):
    """What the server makes of a client. Which of several goes first is left open."""

    n_lost = 0

    def connection_made(self, transport):
        self.transport = transport
        tell("server: connection_made()")

    def connection_lost(self, error):
        Client.n_lost += 1


async def serves(how):
    loop = asyncio.get_running_loop()
    path = unix_path(how)
    clients = []

    def factory():
        clients.append(Client())
        return clients[-1]

    server = await loop.create_unix_server(factory, path)
    tell(f"{how}: serving {server.is_serving()}")
    await loop.create_unix_connection(asyncio.Protocol, path)
    await asyncio.sleep(1)
    await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    server.close()
    tell(f"closed: serving {server.is_serving()}, clients closing {clients[0].transport.is_closing()}")
    await asyncio.sleep(1)
    clients[1].transport.write(b"still here")
    await asyncio.sleep(1)
    getattr(server, how)()
    tell(f"{how}: {clients[0].transport.is_closing()} {clients[1].transport.is_closing()}")
    await server.wait_closed()
    await asyncio.sleep(1)
    tell(f"{Client.n_lost} are lost")


async def main():
    await serves("close_clients")
    await serves("abort_clients")


run(main())
