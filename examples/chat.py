"""A chat: clients, telnet or nc, send lines, and what one says all others in its room hear.

    chat.py [--idle=SECONDS] [HOST [PORT]]

Each client has a task that reads its lines, and one that sends it what stands in its queue. Nobody waits for a client
that does not read: when its queue is full, it is told so and dropped. It needs Python 3.13.
"""

import argparse
import asyncio
import itertools
import re
import sys

LONGEST_LINE, LONGEST_NAME, MOST_QUEUED, MOST_SHOWN = 512, 16, 64, 50
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}")
NAME_RULE = f"* a name has 1 to {LONGEST_NAME} letters, digits, '-' and '_'"


class Member:
    def __init__(self, reader, writer, name):
        self.reader, self.writer = reader, writer
        self.lines = asyncio.Queue(MOST_QUEUED)  # to be sent
        self.name, self.room = name, "lobby"
        self.is_dropped = False

    def drop(self):
        """Who does not read what is said gets no more of it."""
        self.is_dropped = True
        self.lines.shutdown(immediate=True)
        self.writer.write(b"* you are too slow, good bye\r\n")
        self.writer.close()
        # A close waits until everything is sent. In C it has a time limit.
        asyncio.get_running_loop().call_later(5, self.writer.transport.abort)

    async def answer(self, line):
        """Waits until there is room in the queue: a member delays itself only."""
        await self.lines.put(line)

    async def send_lines(self):
        """A task: sends what stands in the queue, until the queue is shut down."""
        try:
            while True:
                self.writer.write((await self.lines.get()).encode(errors="surrogateescape") + b"\r\n")
                await self.writer.drain()
        except (asyncio.QueueShutDown, ConnectionError):
            pass

    async def read_line(self):
        """A line without its end, and with a '?' for each character that could play tricks on a terminal; None for one
        that was too long, which is skipped."""
        is_too_long = False
        while True:
            try:
                line = await self.reader.readuntil(b"\n")
                break
            except asyncio.LimitOverrunError as error:
                is_too_long = True
                await self.reader.readexactly(error.consumed)
        line = line.rstrip(b"\r\n").decode(errors="surrogateescape")
        return None if is_too_long else re.sub(r"[\x00-\x1f\x7f]", "?", line)


class Chat:
    def __init__(self, idle):
        self.idle = idle
        self.members = []
        self.tasks = set()
        self.guests = itertools.count(1)

    def tell_room(self, room, but, line):
        """Tells everybody in a room but one, without waiting for anybody."""
        for member in self.members:
            if member is not but and not member.is_dropped and member.room == room:
                try:
                    member.lines.put_nowait(line)
                except asyncio.QueueFull:
                    member.drop()

    def find(self, name):
        return any(member.name == name for member in self.members)

    async def rename(self, member, name):
        if not NAME.fullmatch(name):
            return await member.answer(NAME_RULE)
        if self.find(name):
            return await member.answer(f"* {name} is taken")
        self.tell_room(member.room, member, f"* {member.name} is now {name}")
        member.name = name
        await member.answer(f"* you are now {name}")

    async def join(self, member, room):
        if not NAME.fullmatch(room):
            return await member.answer(NAME_RULE)
        self.tell_room(member.room, member, f"* {member.name} leaves")
        member.room = room
        self.tell_room(member.room, member, f"* {member.name} comes")
        await member.answer(f"* you are in {room}")

    async def list_room(self, member):
        names = [other.name for other in reversed(self.members) if other.room == member.room]
        more = " ..." if len(names) > MOST_SHOWN else ""
        await member.answer(f"* {len(names)} in {member.room}: {' '.join(names[:MOST_SHOWN])}{more}")

    async def obey(self, member, line):
        command, _, word = line.partition(" ")
        if command == "/nick" and word:
            await self.rename(member, word)
        elif command == "/join" and word:
            await self.join(member, word)
        elif line == "/who":
            await self.list_room(member)
        elif line == "/quit":
            raise EOFError
        else:
            prefix = "" if line == "/help" else "no such command; there are "
            await member.answer(f"* {prefix}/nick NAME, /join ROOM, /who, /quit, /help")

    async def converse(self, member):
        await member.answer(f"* welcome, {member.name}; /help tells what there is")
        while True:
            line = await asyncio.wait_for(member.read_line(), self.idle)
            if line is None:
                await member.answer(f"* that line is longer than {LONGEST_LINE} bytes")
            elif line.startswith("/"):
                await self.obey(member, line)
            elif line:
                self.tell_room(member.room, member, f"{member.name}: {line}")
                # Those who read shall have it before the next one comes, however many lines have come at once.
                await asyncio.sleep(0)

    async def serve_member(self, reader, writer):
        self.tasks.add(task := asyncio.current_task())
        task.add_done_callback(self.tasks.discard)
        name = next(name for number in self.guests if not self.find(name := f"guest{number}"))
        member = Member(reader, writer, name)
        self.members.append(member)
        self.tell_room(member.room, member, f"* {member.name} comes")
        sender = asyncio.create_task(member.send_lines())
        why = ""
        try:
            await self.converse(member)
        except TimeoutError:
            why = "you have been silent for long, "
        except asyncio.CancelledError:
            why = "the server stops, "
            raise
        except (EOFError, ConnectionError, asyncio.QueueShutDown):
            pass
        finally:
            self.members.remove(member)
            self.tell_room(member.room, member, f"* {member.name} leaves")
            if not member.is_dropped and not member.lines.full():
                member.lines.put_nowait(f"* {why}good bye")
            member.lines.shutdown(immediate=member.is_dropped)
            # What stands in the queue is sent, if the client reads it.
            await asyncio.wait([sender], timeout=1)
            sender.cancel()
            await asyncio.wait([sender])
            writer.close()

    async def serve(self, host, port):
        server = await asyncio.start_server(self.serve_member, host, port, limit=LONGEST_LINE)
        host, port = server.sockets[0].getsockname()[:2]
        print(f"serving on {host}:{port}", flush=True)
        try:
            await asyncio.Event().wait()  # Ctrl-C cancels it
        finally:
            server.close()
            for task in list(self.tasks):
                task.cancel()
            if self.tasks:
                await asyncio.wait(list(self.tasks))


def main():
    parser = argparse.ArgumentParser(prog="chat")
    parser.add_argument("--idle", type=float, default=600, metavar="SECONDS")
    parser.add_argument("host", nargs="?", default="127.0.0.1")
    parser.add_argument("port", nargs="?", type=int, default=8889)
    options = parser.parse_args()
    try:
        asyncio.run(Chat(options.idle).serve(options.host, options.port))
    except OSError as error:
        print(f"chat: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
