"""What one client says, all the others hear; each has a queue and a task that empties it (ST-02, Q-01)."""
# requires: 3.12

import asyncio

from virtual_clock import connect, hang_up, quoted, run, say

members = {}


async def sends(queue, writer):
    while text := await queue.get():
        writer.write(text)
        await writer.drain()


async def joins(reader, writer):
    name = (await reader.readline()).rstrip()
    queue = members[name] = asyncio.Queue()
    sender = asyncio.create_task(sends(queue, writer))
    while line := await reader.readline():
        for other, other_queue in members.items():
            if other != name:
                other_queue.put_nowait(name + b": " + line)
    del members[name]
    queue.put_nowait(None)
    await sender
    await hang_up(writer)


async def listens(reader, name):
    while line := await reader.readline():
        say(f"{name.decode()} hears {quoted(line)}")


async def main():
    server = await asyncio.start_server(joins, "127.0.0.1", 0)
    clients = []
    for name in (b"alice", b"bob", b"carol"):
        reader, writer = await connect(server)
        writer.write(name + b"\n")
        clients.append((writer, asyncio.create_task(listens(reader, name))))
        await asyncio.sleep(1)
    say(f"{len(members)} members")
    clients[0][0].write(b"hello, bob\n")
    await asyncio.sleep(1)
    clients[1][0].write(b"hello, alice\nand carol\n")
    await asyncio.sleep(1)
    for writer, listener in clients:
        writer.write_eof()
        await listener
        await asyncio.sleep(1)
        say(f"{len(members)} members")
        await hang_up(writer)
    server.close()
    await server.wait_closed()


run(main())
