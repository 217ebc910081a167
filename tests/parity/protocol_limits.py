"""The marks of flow control: what is made of one that is not given, and what is refused (TR-03)."""
# requires: 3.12

import asyncio

from virtual_clock import Teller, refused, run, tell, unix_path


async def main():
    loop = asyncio.get_running_loop()
    path = unix_path("limits")
    server = await loop.create_unix_server(lambda: Teller("server"), path)
    transport, protocol = await loop.create_unix_connection(lambda: Teller("client"), path)
    await asyncio.sleep(1)

    def shows(what):
        low, high = transport.get_write_buffer_limits()
        tell(f"{what}: low {low}, high {high}, kept {transport.get_write_buffer_size()}")

    shows("at first")
    transport.set_write_buffer_limits(high=1000)
    shows("high 1000")
    transport.set_write_buffer_limits(low=1000)
    shows("low 1000")
    transport.set_write_buffer_limits(high=10, low=10)
    shows("both 10")
    tell(f"high below low: {refused(lambda: transport.set_write_buffer_limits(high=9, low=10))}")
    shows("afterwards")
    transport.set_write_buffer_limits(high=0)
    shows("high 0")
    transport.set_write_buffer_limits(low=0)
    shows("low 0")
    transport.set_write_buffer_limits()
    shows("neither")
    transport.close()
    await asyncio.sleep(1)
    server.close()
    await server.wait_closed()


run(main())
