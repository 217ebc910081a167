"""UDP by protocols: datagrams and who sent them, an empty one, a connected endpoint and one that is not (N-10,
TR-11)."""
# requires: 3.13

import asyncio
import socket

from virtual_clock import quoted, run, tell


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name, answers):
        self.name = name
        self.answers = answers
        self.peer = None

    def connection_made(self, transport):
        self.transport = transport
        tell(f"{self.name}: connection_made()")

    def connection_lost(self, error):
        tell(f"{self.name}: connection_lost({error})")

    def datagram_received(self, data, address):
        tell(f"{self.name}: datagram_received({quoted(data)}), from the peer {address == self.peer}")
        if self.answers:
            self.transport.sendto(data.upper(), address)

    def error_received(self, error):
        tell(f"{self.name}: error_received()")


async def main():
    loop = asyncio.get_running_loop()
    server, served = await loop.create_datagram_endpoint(lambda: Datagrams("server", True), ("127.0.0.1", 0))
    tell(f"it has a port: {server.get_extra_info('sockname')[1] > 0}, a peer: {server.get_extra_info('peername')}")
    client, asks = await loop.create_datagram_endpoint(
        lambda: Datagrams("client", False), remote_addr=server.get_extra_info("sockname"))
    tell(f"connected, {asks.name}, {asks.transport is client}")
    served.peer = client.get_extra_info("sockname")
    asks.peer = server.get_extra_info("sockname")
    tell(f"its peer is the server: {client.get_extra_info('peername') == asks.peer}")
    await asyncio.sleep(1)
    client.sendto(b"hello")
    await asyncio.sleep(1)
    client.sendto(b"")
    await asyncio.sleep(1)
    client.sendto(b"again", asks.peer)
    await asyncio.sleep(1)
    other, asks_too = await loop.create_datagram_endpoint(lambda: Datagrams("other", False), family=socket.AF_INET)
    asks_too.peer = asks.peer
    other.sendto(b"from another", asks.peer)
    await asyncio.sleep(1)
    client.close()
    tell(f"closing {client.is_closing()}")
    await asyncio.sleep(1)
    other.abort()
    await asyncio.sleep(1)
    server.close()
    await asyncio.sleep(1)


run(main())
