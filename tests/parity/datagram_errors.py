"""What goes wrong with a datagram is told, and the endpoint goes on (TR-11, #100)."""
# requires: 3.12

import asyncio

from virtual_clock import name_of, quoted, refused, run, tell


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name):
        self.name = name

    def connection_made(self, transport):
        self.transport = transport
        tell(f"{self.name}: connection_made()")

    def connection_lost(self, error):
        tell(f"{self.name}: connection_lost({error})")

    def datagram_received(self, data, address):
        tell(f"{self.name}: datagram_received({quoted(data)})")

    def error_received(self, error):
        tell(f"{self.name}: error_received({name_of(error)})")


async def main():
    loop = asyncio.get_running_loop()
    server, protocol = await loop.create_datagram_endpoint(lambda: Datagrams("server"), ("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, protocol = await loop.create_datagram_endpoint(lambda: Datagrams("client"), remote_addr=address)
    client.sendto(b"one")
    await asyncio.sleep(1)
    server.close()
    await asyncio.sleep(1)
    client.sendto(b"into nothing")
    await asyncio.sleep(1)
    tell(f"closing {client.is_closing()}")
    tell(f"to another address: {refused(client.sendto, b'x', ('127.0.0.1', 1))}")
    server, protocol = await loop.create_datagram_endpoint(lambda: Datagrams("second server"), address)
    client.sendto(b"two")
    await asyncio.sleep(1)
    try:
        await loop.create_datagram_endpoint(lambda: Datagrams("third server"), address)
        tell("a third server: bound")
    except OSError:
        tell("a third server: failed")
    tell(f"neither address nor family: {await fails(loop.create_datagram_endpoint(lambda: Datagrams('none')))}")
    client.close()
    server.close()
    await asyncio.sleep(1)


async def fails(awaitable):
    try:
        await awaitable
    except ValueError:
        return "refused"
    return "allowed"


run(main())
