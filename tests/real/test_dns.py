#!/usr/bin/python3
"""dns_lookup against dnsmasq, which is told a few names, and against one that says nothing.

    test_dns.py DNS_LOOKUP
"""

import contextlib
import socket
import subprocess
import sys
import time

import real

DNS_LOOKUP = sys.argv[1]
MANY = [f"10.1.{i // 100}.{i % 100}" for i in range(100)]


def free_port():
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


@contextlib.contextmanager
def dnsmasq(*options):
    """A server of a few names; gives its port."""
    port = free_port()
    command = [real.tool("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
               "--user=", "--group=", "--pid-file=", "--listen-address=127.0.0.1", "--bind-interfaces",
               "--local=/test/", f"--port={port}", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stderr:
                if "started" in line:
                    break
            real.same(server.poll(), None, "dnsmasq's end")
            yield port
        finally:
            server.kill()


def lines_of(*arguments):
    done = subprocess.run([DNS_LOOKUP, *arguments], env=real.ENVIRONMENT, text=True, capture_output=True,
                          timeout=real.TIME_LIMIT_S, check=False)
    real.same((done.returncode, done.stderr), (0, ""), "status and standard error")
    return done.stdout.splitlines()


def names():
    """Addresses of both families, aliases, a name without an address and none at all."""
    with dnsmasq("--host-record=both.test,10.0.0.1,2001:db8::1", "--host-record=four.test,10.0.0.4",
                 "--cname=alias.test,four.test", "--txt-record=text.test,nothing") as port:
        lines = lines_of(f"--server=127.0.0.1:{port}", "both.test", "alias.test", "text.test", "missing.test",
                         "localhost")
    real.same(lines, ["both.test: 10.0.0.1 2001:db8::1", "alias.test: 10.0.0.4",
                      "text.test: the name has no address of the wanted family", "missing.test: there is no such name",
                      "localhost: 127.0.0.1 ::1"], "the lines")


def over_tcp():
    """An answer of a hundred addresses does not fit into a datagram."""
    with dnsmasq(*(f"--host-record=many.test,{address}" for address in MANY)) as port:
        lines = lines_of(f"--server=127.0.0.1:{port}", "many.test")
    real.same(lines, [" ".join(["many.test:", *sorted(MANY)])], "the lines")


def refused():
    """dnsmasq has nobody to ask for names that are not its own."""
    with dnsmasq() as port:
        lines = lines_of(f"--server=127.0.0.1:{port}", "example.org")
    real.same(lines, ["example.org: the name servers failed"], "the lines")


def silent():
    """Nobody answers: the time limit counts."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        begin = time.monotonic()
        lines = lines_of(f"--server=127.0.0.1:{udp.getsockname()[1]}", "--seconds=0.5", "a.test", "localhost")
    real.same(lines, ["a.test: not within 0.5 seconds", "localhost: 127.0.0.1 ::1"], "the lines")
    real.expect(time.monotonic() - begin < 5, "it took too long")


if __name__ == "__main__":
    sys.exit(real.main(names, over_tcp, refused, silent))
