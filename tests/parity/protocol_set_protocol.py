"""One protocol hands its transport to the next, inside data_received and outside: who is told what from then on
(TR-01)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def upgrades(protocol, data):
    if protocol.n_received < len("upgrade\n"):
        return
    second = Teller("second")
    second.transport = protocol.transport
    tell("upgrade")
    protocol.transport.set_protocol(second)
    protocol.transport.write(b"welcome")


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("upgrade")
    server = await loop.create_unix_server(lambda: Teller("first", data=upgrades), path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    transport.write(b"upgrade\n")
    await asyncio.sleep(1)
    transport.write(b"and on")
    await asyncio.sleep(1)
    transport.set_protocol(Teller("other client"))
    tell(f"{transport.get_protocol().name}")
    transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
