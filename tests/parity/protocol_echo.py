"""A protocol that answers each line, and one that asks: who is told what, in which order (TR-06)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, run, tell, unix_path


def answers(protocol, data):
    protocol.line = getattr(protocol, "line", b"") + data
    while b"\n" in protocol.line:
        line, protocol.line = protocol.line.split(b"\n", 1)
        protocol.transport.write(line.upper() + b"\n")


def hangs_up_behind_two_lines(protocol, data):
    if protocol.n_received == len("HELLO\nWORLD\n"):
        protocol.transport.close()


async def main():
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    path = unix_path("echo")
    server = await loop.create_unix_server(
        lambda: Teller("server", data=answers, lost=lambda protocol: gone.set()), path)
    await asyncio.sleep(1)
    transport, protocol = await loop.create_unix_connection(
        lambda: Teller("client", data=hangs_up_behind_two_lines), path)
    await asyncio.sleep(1)
    tell(f"connected, {protocol.name}, {protocol.transport is transport}, closing {transport.is_closing()}")
    transport.write(b"hello\n")
    await asyncio.sleep(1)
    transport.write(b"world\n")
    await gone.wait()
    tell(f"over, closing {transport.is_closing()}")
    server.close()
    await server.wait_closed()


run(main())
