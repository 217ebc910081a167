"""Handshakes that take too long, on both sides: when they are given up, and that no protocol is made (TL-02).

How that is called is not told: Python's ConnectionAbortedError is -ETIMEDOUT in C, like every other time that is up. A
server that gives up cuts the connection, which the client here sees as its end or as a reset."""

import asyncio

from parity_tls import client_context, server_context
from virtual_clock import port_of, run, tell, Teller


class Silent(asyncio.Protocol):
    """Answers nothing."""

    def __init__(self, name):
        self.name = name

    def connection_made(self, transport):
        tell(f"{self.name}: connection_made()")

    def connection_lost(self, error):
        tell(f"{self.name}: connection_lost()")


async def main():
    loop = asyncio.get_running_loop()
    trusting = client_context()
    silent = await loop.create_server(lambda: Silent("silent server"), "127.0.0.1", 0)

    async def connect(timeout):
        await loop.create_connection(lambda: Teller("client"), "127.0.0.1", port_of(silent), ssl=trusting,
                                     server_hostname="localhost", ssl_handshake_timeout=timeout)

    for timeout in 5, None:
        try:
            await connect(timeout)
        except OSError:
            given_up = loop.time()
        await asyncio.sleep(1)
        tell(f"client: given up at {given_up:.0f}")

    server = await loop.create_server(lambda: Teller("server"), "127.0.0.1", 0, ssl=server_context(),
                                      ssl_handshake_timeout=7)
    await loop.create_connection(lambda: Silent("silent client"), "127.0.0.1", port_of(server))
    await asyncio.sleep(10)
    tell("over")
    for each in silent, server:
        each.close()
        await each.wait_closed()


run(main())
