#!/usr/bin/python3
"""The chat with several clients that are Python's streams, one of which never reads.

    test_chat.py CHAT
"""

import asyncio
import socket
import struct
import sys

import real

CHAT = sys.argv[1]


class Guest:
    """A client of the chat."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def comes(cls, server, name):
        guest = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        await guest.hears("* welcome, ", exactly=False)
        await guest.says(f"/nick {name}")
        await guest.hears(f"* you are now {name}")
        return guest

    async def says(self, text):
        self.writer.write(text.encode() + b"\n")
        await self.writer.drain()

    async def next_line(self):
        line = await asyncio.wait_for(self.reader.readline(), 20)
        real.expect(line.endswith(b"\r\n"), f"the end, or a line without one: {line!r}")
        return line.decode(errors="replace").rstrip("\r\n")

    async def hears(self, text, exactly=True):
        line = await self.next_line()
        real.expect(line == text if exactly else line.startswith(text), f"heard {line!r} instead of {text!r}")

    async def hears_the_end(self):
        real.same(await asyncio.wait_for(self.reader.read(), 20), b"", "behind the last line")
        self.writer.close()


def with_chat(test, *options):
    with real.Server(CHAT, *options, "127.0.0.1", "0") as server:
        real.bounded(test(server))


def rooms_and_names():
    """What is said is heard in the room only; names are unique; /who lists; /quit says good bye."""
    async def talk(server):
        alice = await Guest.comes(server, "alice")
        bob = await Guest.comes(server, "bob")
        await alice.hears("* guest2 comes")
        await alice.hears("* guest2 is now bob")
        await alice.says("hello, bob")
        await bob.hears("alice: hello, bob")
        await bob.says("/nick alice")
        await bob.hears("* alice is taken")
        await bob.says("/nick what a name")
        await bob.hears("* a name has", exactly=False)
        await bob.says("/join den")
        await bob.hears("* you are in den")
        await alice.hears("* bob leaves")
        await alice.says("is anybody there?")
        await bob.says("/who")
        await bob.hears("* 1 in den: bob")
        await alice.says("/join den")
        await alice.hears("* you are in den")
        await bob.hears("* alice comes")
        await alice.says("/who")
        await alice.hears("* 2 in den:", exactly=False)
        await alice.says("/help")
        await alice.hears("* /nick NAME, /join ROOM, /who, /quit, /help")
        await alice.says("/dance")
        await alice.hears("* no such command;", exactly=False)
        await bob.says("/quit")
        await bob.hears("* good bye")
        await bob.hears_the_end()
        await alice.hears("* bob leaves")
        alice.writer.write_eof()
        await alice.hears("* good bye")
        await alice.hears_the_end()

    with_chat(talk)


def strange_lines():
    """Lines that are too long are answered and skipped; control characters reach nobody's terminal."""
    async def talk(server):
        alice = await Guest.comes(server, "alice")
        bob = await Guest.comes(server, "bob")
        await alice.hears("* guest2 comes")
        await alice.hears("* guest2 is now bob")
        await bob.says("x" * 512)
        await alice.hears("bob: " + "x" * 512)
        for size in (513, 5000, 300_000):
            await bob.says("y" * size)
            await bob.hears("* that line is longer than 512 bytes")
        await bob.says("a \x1b[2J\x07\x00 b\r")
        await alice.hears("bob: a ?[2J?? b")
        await bob.says("\n\r\n")
        await bob.says("caf\u00e9")
        await alice.hears("bob: caf\u00e9")

    with_chat(talk)


def who_never_reads():
    """A client that never reads is dropped; all others hear every line, in order, and soon."""
    async def talk(server):
        speaker = await Guest.comes(server, "speaker")
        listeners = [await Guest.comes(server, f"listener{number}") for number in range(5)]
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        step = 500
        heard, gone = asyncio.Semaphore(0), asyncio.Event()

        async def speak():
            """Goes on when all listeners have heard: they read as fast as they can, which is not that fast."""
            number = 0
            while not gone.is_set() or number == 0:
                for _ in range(step):
                    await speaker.says(f"{number} " + "blah " * 80)
                    number += 1
                for _ in listeners:
                    await heard.acquire()
            await speaker.says("that was all")

        async def drain_own():
            """The speaker hears of who comes and goes."""
            while "guest7 leaves" not in await speaker.next_line():
                pass
            gone.set()

        async def listen(guest):
            number = n_left = 0
            while (line := await guest.next_line()) != "speaker: that was all":
                if line.startswith("speaker: "):
                    real.same(int(line.split()[1]), number, "the number of the line")
                    number += 1
                    if number % step == 0:
                        heard.release()
                n_left += line == "* guest7 leaves"
            real.same(n_left, 1, "how often the deaf one left")

        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            group.create_task(drain_own())
            for guest in listeners:
                group.create_task(listen(guest))
        deaf.settimeout(20)
        seen = b""
        try:
            while data := deaf.recv(65536):
                seen += data
        except ConnectionError:
            pass
        real.expect(seen.startswith(b"* welcome, guest7"), f"the deaf one had {seen[:100]!r}")
        deaf.close()
        for guest in (speaker, *listeners):
            guest.writer.close()

    with_chat(talk)


def who_reads_late():
    """Who was dropped, and reads in time, finds the reason behind what it had been sent."""
    async def talk(server):
        speaker = await Guest.comes(server, "speaker")
        late = socket.socket()
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        late.connect(("127.0.0.1", server.port))
        while not (line := await speaker.next_line()).endswith("leaves"):
            for _ in range(400):
                speaker.writer.write(b"blah " * 100 + b"\n")
            await speaker.says("/who")
            while not line.startswith("* 1 in") and not line.startswith("* 2 in"):
                line = await speaker.next_line()
            await speaker.says("/who")
        late.settimeout(20)
        seen = b""
        while data := await asyncio.to_thread(late.recv, 65536):
            seen += data
        real.expect(seen.endswith(b"* you are too slow, good bye\r\n"), f"its last words were {seen[-100:]!r}")
        late.close()
        speaker.writer.close()

    with_chat(talk)


def resets():
    """Clients that vanish, while they are sent something, are nobody's error and leave no trace."""
    async def talk(server):
        alice = await Guest.comes(server, "alice")
        bob = await Guest.comes(server, "bob")
        for number in range(20):
            client = socket.create_connection(("127.0.0.1", server.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"hello from a ghost\n" * (number % 3))
            await alice.says(f"{number}")
            client.close()
            await alice.says("-")
        await alice.says("that was all")
        while await bob.next_line() != "alice: that was all":
            pass
        await asyncio.sleep(0.1)
        await bob.says("/who")
        while not (line := await bob.next_line()).startswith("* 2 in lobby: "):
            real.expect("ghost" in line or "guest" in line, line)

    with_chat(talk)


def idle_and_stop():
    """Who is silent for too long goes; who is there when the chat stops is told."""
    async def silent(server):
        guest = await Guest.comes(server, "silent")
        await guest.hears("* you have been silent for long, good bye")
        await guest.hears_the_end()

    async def stopped(server):
        guests = [await Guest.comes(server, f"g{number}") for number in range(3)]
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        for guest in guests:
            line = await guest.next_line()
            while " comes" in line or "is now" in line or "leaves" in line:
                line = await guest.next_line()
            real.same(line, "* the server stops, good bye", "the last line")
            await guest.hears_the_end()
        await stopping

    with_chat(silent, "--idle=0.3")
    with_chat(stopped)


if __name__ == "__main__":
    sys.exit(real.main(rooms_and_names, strange_lines, who_never_reads, who_reads_late, resets,
                       idle_and_stop))
