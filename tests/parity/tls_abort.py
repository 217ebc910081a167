"""abort() with TLS: nothing is announced, what is kept is dropped, and connection_lost comes once, in a later turn;
what the peer hears is another matter (TR-03, #104)."""

import asyncio

from parity_tls import client_context, server_context
from virtual_clock import port_of, run, tell, Teller


class Served(asyncio.Protocol):
    """Says that it is lost, but not why: Python takes a connection that is cut for one that has ended (None), which an
    attacker could do; in C that is an error (TL-05)."""

    def connection_made(self, transport):
        self.transport = transport
        tell("server: connection_made()")

    def connection_lost(self, error):
        tell("server: connection_lost()")


async def connect(server, trusting):
    """The client's transport; who of two is told first that it is made is not what this is about."""
    client = Teller("client")
    client.is_quiet = True
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: client, "127.0.0.1", port_of(server), ssl=trusting, server_hostname="localhost")
    await asyncio.sleep(1)
    client.is_quiet = False
    return transport


async def main():
    served = Served()
    server = await asyncio.get_running_loop().create_server(lambda: served, "127.0.0.1", 0, ssl=server_context())
    trusting = client_context()
    transport = await connect(server, trusting)
    transport.abort()
    tell(f"aborted, closing {transport.is_closing()}")
    transport.abort()
    transport.close()
    await asyncio.sleep(1)

    # The server does not read: the client keeps something, closes, and waits, until it does no longer.
    transport = await connect(server, trusting)
    served.transport.pause_reading()
    transport.set_write_buffer_limits(high=100_000_000)
    transport.write(bytes(2_000_000))
    transport.close()
    await asyncio.sleep(1)
    tell(f"closing {transport.is_closing()}")
    transport.abort()
    tell("aborted")
    await asyncio.sleep(1)
    served.transport.abort()
    await asyncio.sleep(1)
    # Python 3.13 never returns from wait_closed() after this.
    server.close()


run(main())
