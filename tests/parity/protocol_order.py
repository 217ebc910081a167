"""connection_made, data_received, eof_received, connection_lost: each in a turn of its own, and what was called soon in
between; seen from the one who hangs up, then from the other (TR-06)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def later(protocol, text):
    asyncio.get_running_loop().call_soon(tell, f"{protocol.name}: {text}")


def writes_and_hangs_up(protocol):
    later(protocol, "a turn behind connection_made")
    protocol.transport.write(b"hi")
    protocol.transport.close()
    tell(f"{protocol.name}: closing {protocol.transport.is_closing()}")


def hangs_up(protocol, data):
    if protocol.n_received < len("hello"):
        return
    later(protocol, "a turn behind data_received")
    tell(f"{protocol.name}: data_received")
    protocol.transport.close()


async def visits(name, server_factory, client_factory):
    path = unix_path(name)
    server = await asyncio.get_running_loop().create_unix_server(server_factory, path)
    transport, protocol = await asyncio.get_running_loop().create_unix_connection(client_factory, path)
    await asyncio.sleep(1)
    transport.write(b"hello")
    await asyncio.sleep(1)
    transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


async def main():
    one = Teller("one", made=writes_and_hangs_up, lost=lambda p: later(p, "a turn behind connection_lost"))
    two = Teller("two", made=lambda p: later(p, "a turn behind connection_made"),
                 eof=lambda p: later(p, "a turn behind eof_received"))
    three = Teller("three", data=hangs_up, lost=lambda p: later(p, "a turn behind connection_lost"))
    await visits("one", asyncio.Protocol, lambda: one)
    await visits("two", lambda: two, asyncio.Protocol)
    await visits("three", lambda: three, asyncio.Protocol)


run(main())
