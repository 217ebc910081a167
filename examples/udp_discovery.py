"""Finds services on the local network: who offers some answers whoever asks a multicast group.

    udp_discovery.py serve NAME=PORT...    answers for these until Ctrl-C
    udp_discovery.py find [NAME...]        asks for these, or for all, and prints what is found

    --group=239.255.77.7    the group            --port=7788       its port; serve: 0 takes one that is free
    --interface=NAME        the network          --seconds=1       find: how long to wait for answers

A question is "find NAME" or "find *", an answer "here NAME PORT": where it comes from is where the service is. As
datagrams get lost, a question is repeated after 50, 100, 200 ... milliseconds, and answers count once.
"""

import argparse
import asyncio
import socket
import struct
import sys

FIRST_PAUSE = 0.05  # seconds until a question is repeated for the first time


def interface_number(options):
    return socket.if_nametoindex(options.interface) if options.interface else 0


def membership(options):
    """What the kernel calls a struct ip_mreqn."""
    return struct.pack("@4s4si", socket.inet_aton(options.group), bytes(4), interface_number(options))


class Answers(asyncio.DatagramProtocol):
    """Answers questions, for each service that they are about."""

    def __init__(self, services):
        self.services = services

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        words = data.decode(errors="replace").split()
        if len(words) < 2 or words[0] != "find":
            return
        for name, port in self.services.items():
            if words[1] in ("*", name):
                self.transport.sendto(f"here {name} {port}".encode(), address)


async def serve(options):
    services = dict(text.split("=", 1) for text in options.names)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Bound to the group's address, the port is shared with whoever else serves on this machine.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((options.group, options.port))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership(options))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Answers(services), sock=sock)
    print("serving on {}:{}".format(*sock.getsockname()), flush=True)
    try:
        await asyncio.Event().wait()  # Ctrl-C cancels it
    finally:
        transport.close()


class Questions(asyncio.DatagramProtocol):
    """Takes a note of each answer."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.found = set()
        self.complete = asyncio.Event()

    def missing(self):
        return [name for name in self.wanted if name not in (found for found, _ in self.found)]

    def datagram_received(self, data, address):
        words = data.decode(errors="replace").split()
        if len(words) < 3 or words[0] != "here":
            return
        # The port of the answer is not that of the service.
        self.found.add((words[1], f"{address[0]}:{words[2]}"))
        if self.wanted and not self.missing():
            self.complete.set()


async def find(options):
    """Returns what was found, and what was not."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                    struct.pack("@4s4si", bytes(4), bytes(4), interface_number(options)))
    sock.bind(("", 0))
    transport, questions = await loop.create_datagram_endpoint(lambda: Questions(options.names), sock=sock)
    end, pause = loop.time() + options.seconds, FIRST_PAUSE
    while (now := loop.time()) < end and not questions.complete.is_set():
        for name in questions.missing() or ["*"]:
            transport.sendto(f"find {name}".encode(), (options.group, options.port))
        try:
            async with asyncio.timeout_at(min(now + pause, end)):
                await questions.complete.wait()
        except TimeoutError:
            pause *= 2
    transport.close()
    return questions.found, questions.missing()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["serve", "find"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--group", default="239.255.77.7")
    parser.add_argument("--port", type=int, default=7788)
    parser.add_argument("--interface")
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    if options.action == "serve":
        try:
            asyncio.run(serve(options))
        except KeyboardInterrupt:
            pass
        return 0
    found, missing = asyncio.run(find(options))
    for name, place in sorted(found):
        print(f"{name} at {place}")
    for name in missing:
        print(f"udp_discovery: nobody offers {name}", file=sys.stderr)
    return 1 if missing or not found else 0


if __name__ == "__main__":
    sys.exit(main())
