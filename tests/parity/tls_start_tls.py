"""A connection that becomes one with TLS in the middle: what was said before and after, the same protocols, and no
second connection_made (ST-15, #101, #102)."""

import asyncio

from parity_tls import client_context, server_context
from virtual_clock import port_of, run, tell, Teller


async def upgrade(protocol, context, **keywords):
    # Python makes another transport; in C it is the same one.
    protocol.transport = await asyncio.get_running_loop().start_tls(protocol.transport, protocol, context, **keywords)


async def main():
    loop = asyncio.get_running_loop()
    serving, trusting = server_context(), client_context()
    tasks = []
    done = asyncio.Event()

    async def upgrade_server(protocol):
        await upgrade(protocol, serving, server_side=True)
        done.set()

    def answers(protocol, data):
        if not tasks:
            # What follows in the clear goes before the handshake.
            protocol.transport.write(b"go ahead\n")
            tasks.append(loop.create_task(upgrade_server(protocol)))
        else:
            protocol.transport.write(b"nobody else has read that\n")

    served = Teller("server", data=answers)
    server = await loop.create_server(lambda: served, "127.0.0.1", 0)
    protocol = Teller("client")
    # Who of two is told first is not what this is about, here and at the end.
    protocol.is_quiet = True
    transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port_of(server))
    await asyncio.sleep(1)
    protocol.is_quiet = False
    transport.write(b"starttls\n")
    await asyncio.sleep(1)
    await upgrade(protocol, trusting, server_hostname="localhost")
    await done.wait()
    await asyncio.sleep(1)
    for side in served, protocol:
        tell(f"{side.name}: {side.transport.get_extra_info('ssl_object').version()}, "
             f"closing {side.transport.is_closing()}")
    protocol.transport.write(b"a secret\n")
    await asyncio.sleep(1)
    served.is_quiet = True
    protocol.transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
