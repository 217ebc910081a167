"""Both ends of a connection know both addresses (ST-16)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, port_of, quoted, run, say


async def tells(reader, writer):
    host, port = writer.get_extra_info("peername")
    writer.write(b"%s %d\n" % (host.encode(), port))
    host, port = writer.get_extra_info("sockname")
    writer.write(b"%s %d\n" % (host.encode(), port))
    await hang_up(writer)


async def main():
    async with await asyncio.start_server(tells, "127.0.0.1", 0) as server:
        reader, writer = await connect(server)
        for name in ("sockname", "peername"):
            host, port = writer.get_extra_info(name)
            same = await reader.readline() == b"%s %d\n" % (host.encode(), port)
            say(f"{name}: {host}, the server says the same: {same}")
        say(f"the server's port: {port == port_of(server)}")
        say(f"the end: {quoted(await reader.readline())}")
        await hang_up(writer)


run(main())
