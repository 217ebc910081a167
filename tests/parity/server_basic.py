"""A server serves several clients at a time, each in a task of its own (ST-02, SV-01)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, port_of, quoted, run, say

served = 0


async def greets(reader, writer):
    global served
    name = await reader.readline()
    await asyncio.sleep(1)
    writer.write(b"hello, " + name)
    await hang_up(writer)
    served += 1


async def visits(server, name, delay):
    await asyncio.sleep(delay)
    reader, writer = await connect(server)
    writer.write(name + b"\n")
    say(f"{name.decode()} is greeted: {quoted(await reader.read())}")
    await hang_up(writer)


async def main():
    server = await asyncio.start_server(greets, "127.0.0.1", 0)
    say(f"serving {server.is_serving()}, sockets {len(server.sockets)}")
    say(f"on a port: {port_of(server) > 0}, this loop's: {server.get_loop() is asyncio.get_running_loop()}")
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate((b"alice", b"bob", b"carol")):
            group.create_task(visits(server, name, number * 0.1))
    server.close()
    await server.wait_closed()
    say(f"serving {server.is_serving()}, sockets {len(server.sockets)}, {served} served")


run(main())
