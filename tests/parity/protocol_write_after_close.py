"""What is written after close, write_eof or abort: nothing arrives, and only after write_eof it is an error (TR-09)."""
# requires: 3.13

import asyncio

from virtual_clock import Teller, refused, run, tell, unix_path


async def visits(path, ending):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)
    transport.write(b"before")
    await asyncio.sleep(1)
    tell(f"{ending}")
    getattr(transport, ending)()
    tell(f"closing {transport.is_closing()}")
    tell(f"write: {refused(transport.write, b'after')}")
    tell(f"write nothing: {refused(transport.write, b'')}")
    tell(f"kept: {transport.get_write_buffer_size()}")
    await asyncio.sleep(1)
    tell(f"close: {refused(transport.close)}")
    tell(f"abort: {refused(transport.abort)}")
    await asyncio.sleep(1)


async def main():
    path = unix_path("late")
    server = await asyncio.get_running_loop().create_unix_server(lambda: Teller("server", stays=True), path)
    await visits(path, "close")
    await visits(path, "write_eof")
    await visits(path, "abort")
    server.close_clients()
    server.close()
    await server.wait_closed()


run(main())
