"""connect_accepted_socket gives a connection that was accepted elsewhere to a protocol (N-11)."""
# requires: 3.12

import asyncio
import socket

from virtual_clock import Teller, run, tell


async def main():
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    task = asyncio.create_task(loop.sock_accept(listener))
    await asyncio.sleep(1)
    transport, protocol = await loop.create_connection(lambda: Teller("client"), *listener.getsockname())
    await asyncio.sleep(1)
    accepted, address = await task
    tell("accepted")
    transport.write(b"early")
    await asyncio.sleep(1)
    other, protocol = await loop.connect_accepted_socket(lambda: Teller("server"), accepted)
    tell(f"connected, {protocol.name}, {protocol.transport is other}")
    tell(f"the names fit: {other.get_extra_info('peername') == transport.get_extra_info('sockname')}")
    await asyncio.sleep(1)
    other.write(b"welcome")
    other.close()
    await asyncio.sleep(1)
    listener.close()


run(main())
