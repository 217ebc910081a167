"""Certificates that are not what the client wants: it is told why, the server makes no protocol of it and goes on
(TL-03, N-08, #104)."""

import asyncio

from parity_tls import client_context, server_context, tls_outcome
from virtual_clock import port_of, run, tell, Teller


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Teller("server"), "127.0.0.1", 0, ssl=server_context())
    # Who of two is told first is not what this is about.
    for trusted, hostname in ("other", "localhost"), ("server", "elsewhere.test"), ("server", "localhost"):
        transports = []

        async def connect():
            transports.extend(await loop.create_connection(
                asyncio.Protocol, "127.0.0.1", port_of(server), ssl=client_context(trusted),
                server_hostname=hostname))

        tell(f"{trusted} is trusted, {hostname} wanted: {await tls_outcome(connect())}")
        await asyncio.sleep(1)
        if transports:
            transports[0].close()
        await asyncio.sleep(1)

    # The same with streams, and in an upgrade.
    async def stream():
        await asyncio.open_connection("127.0.0.1", port_of(server), ssl=client_context("other"),
                                      server_hostname="localhost")

    async def upgrade():
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        try:
            await writer.start_tls(client_context("other"), server_hostname="localhost")
        finally:
            writer.close()

    tell(f"stream: {await tls_outcome(stream())}")
    await asyncio.sleep(1)
    tell(f"upgrade: {await tls_outcome(upgrade())}")
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
