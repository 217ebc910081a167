#!/usr/bin/python3
"""udp_discovery finds what its twin of Python's asyncio offers, and the other way round, by multicast on the loopback
interface.

    test_discovery.py UDP_DISCOVERY UDP_DISCOVERY_PY
"""

import contextlib
import itertools
import socket
import struct
import subprocess
import sys
import threading
import time

import real

OURS, TWIN = sys.argv[1:]
GROUP = "239.255.77.8"
NETWORK = (f"--group={GROUP}", "--interface=lo")


def own_address():
    """From where this machine sends to the group."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                        struct.pack("@4s4si", bytes(4), bytes(4), socket.if_nametoindex("lo")))
        sock.connect((GROUP, 9))
        return sock.getsockname()[0]


try:
    HOST = own_address()
except OSError as error:
    print(f"# this machine does not send to groups by its loopback interface: {error}")
    sys.exit(77)  # Meson's "skipped"


def serve(program, *services, port=0):
    return real.Server(program, "serve", *services, *NETWORK, f"--port={port}")


def find(program, port, *names, seconds=5):
    """What a seeker prints, and its exit status."""
    done = subprocess.run([*real.command_of(program), "find", *names, *NETWORK, f"--port={port}",
                           f"--seconds={seconds}"], env=real.ENVIRONMENT, text=True, capture_output=True,
                          timeout=real.TIME_LIMIT_S, check=False)
    return done.stdout.splitlines(), done.stderr.splitlines(), done.returncode


def one_service():
    """Each finds what each offers."""
    for server, seeker in itertools.product((OURS, TWIN), repeat=2):
        with serve(server, "chat=8080", "files=9000") as served:
            real.same(find(seeker, served.port, "files"), ([f"files at {HOST}:9000"], [], 0), "one service")


def all_services():
    """Several serve on one port, ours and theirs; who asks for all hears from all, each once."""
    with serve(OURS, "chat=8080") as first, serve(TWIN, "files=9000", "mail=25", port=first.port), \
            serve(OURS, "chat=8081", port=first.port):
        for seeker in (OURS, TWIN):
            lines, complaints, status = find(seeker, first.port, seconds=0.5)
            real.same((lines, complaints, status),
                      ([f"chat at {HOST}:8080", f"chat at {HOST}:8081", f"files at {HOST}:9000",
                        f"mail at {HOST}:25"], [], 0), "all services")


def nobody():
    """Nobody answers: the time limit counts."""
    with serve(OURS, "chat=8080") as served:
        for seeker in (OURS, TWIN):
            begin = time.monotonic()
            real.same(find(seeker, served.port, "mail", seconds=0.3),
                      ([], ["udp_discovery: nobody offers mail"], 1), "nothing")
            real.expect(time.monotonic() - begin < 5, "it took too long")


@contextlib.contextmanager
def forgetful(answers):
    """A server that has lost the first two questions, and answers the third with what it is told. Gives its port."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((GROUP, 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        struct.pack("@4s4si", socket.inet_aton(GROUP), bytes(4), socket.if_nametoindex("lo")))
        sock.settimeout(10)

        def work():
            for _ in range(2):
                sock.recv(100)
            _, address = sock.recvfrom(100)
            for answer in answers:
                sock.sendto(answer, address)

        worker = threading.Thread(target=work)
        worker.start()
        yield sock.getsockname()[1]
        worker.join()


def repeated():
    """Questions that are lost are asked again; nonsense and what comes twice does not count."""
    for seeker in (OURS, TWIN):
        with forgetful([b"", b"here", b"\xff\xfe", b"here b 2", b"here b 2", b"here a 1"]) as port:
            real.same(find(seeker, port, "a", "b"), ([f"a at {HOST}:1", f"b at {HOST}:2"], [], 0), "answers")


if __name__ == "__main__":
    sys.exit(real.main(one_service, all_services, nobody, repeated))
