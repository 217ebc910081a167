#!/usr/bin/python3
"""The echo server over TLS beside real counterparts: openssl s_client, curl, Python's ssl, and clients who give up.

    test_tls.py TLS_ECHO TWIN
"""

import asyncio
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

import certificates
import real
import tls_peers

ECHO, TWIN = sys.argv[1:3]
VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


@contextlib.contextmanager
def authority():
    with real.directory() as folder:
        yield certificates.Authority(folder)


def serving(certificate, *options, program=ECHO):
    return real.Server(program, "server", "--cert", certificate.pem, "--key", certificate.key, *options, "0")


# ----------------------------------------------------------------------------------------------------- openssl s_client


def versions():
    """s_client with each version of the protocol, with and without an application protocol."""
    with authority() as ca:
        for program in (ECHO, TWIN):
            with serving(ca.sign("server"), program=program) as server:
                for flag, version in VERSIONS.items():
                    for options, wanted in (((), "No ALPN negotiated"), (("-alpn", "echo"), "ALPN protocol: echo")):
                        with tls_peers.SClient(server.port, ca, flag, *options) as client:
                            client.echo("hello")
                            client.echo("x" * 10_000)
                            printed = client.end()
                            real.same(client.process.returncode, 0, "exit status of s_client")
                        for text in (f"New, {version}, Cipher is", "Verify return code: 0 (ok)", wanted):
                            real.expect(text in printed, f"{server.name}, {version}: no {text!r} in {printed}")
                with tls_peers.SClient(server.port, ca, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0") as client:
                    client.wait_for(refusal(program, "protocol version"))
                    real.expect("New, (NONE)" in client.end(), f"TLS 1.1: {client.printed}")
                real.same(server.stop(), f"4 clients, 0 resumed, {4 * 10_007} bytes\n", "what the server counted")


def refusal(program, alert):
    """What s_client tells of a server that does not accept it: Python's asyncio hangs up without a word."""
    return b"unexpected eof" if program == TWIN else f"alert {alert}".encode()


def sessions():
    """A session is resumed by the next s_client, and by one that connects again and again."""
    with authority() as ca:
        for program in (ECHO, TWIN):
            with serving(ca.sign("server"), program=program) as server:
                for flag, version in VERSIONS.items():
                    file = str(ca.folder / f"session{flag}")
                    with tls_peers.SClient(server.port, ca, flag, "-sess_out", file) as client:
                        client.echo("hello")
                        client.end()
                    with tls_peers.SClient(server.port, ca, flag, "-sess_in", file) as client:
                        client.echo("hello")
                        real.expect(f"Reused, {version}, Cipher is" in client.end(), f"{version}: {client.printed}")
                with tls_peers.SClient(server.port, ca, "-tls1_2", "-reconnect") as client:
                    client.echo("hello")
                    real.same(client.end().count("Reused, TLSv1.2"), 5, "sessions resumed by -reconnect")
                # Whoever hangs up right after the handshake may be gone before the server asks about its session.
                counted = re.fullmatch("10 clients, ([2-7]) resumed, 30 bytes\n", server.stop())
                real.expect(counted, "what the server counted")


def client_certificates():
    """Clients have to show a certificate of the right authority; each of the others is told so by an alert."""
    with authority() as ca, real.directory() as folder:
        wanted = certificates.Authority(folder, "authority of clients")
        good, other = wanted.sign("alice"), ca.sign("mallory")
        old = wanted.sign("bob", begin=-9, end=-2)
        for program in (ECHO, TWIN):
            with serving(ca.sign("server"), "--client-ca", wanted.pem, program=program) as server:
                for flag in VERSIONS:
                    with tls_peers.SClient(server.port, ca, flag, "-cert", good.pem, "-key", good.key) as client:
                        client.echo("hello")
                        client.end()
                        real.same(client.process.returncode, 0, "exit status of s_client")
                    for alert, leaf in (("unknown ca", other), ("certificate expired", old), (None, None)):
                        options = ("-cert", leaf.pem, "-key", leaf.key) if leaf else ()
                        alert = alert or ("certificate required" if flag == "-tls1_3" else "handshake failure")
                        with tls_peers.SClient(server.port, ca, flag, *options) as client:
                            client.wait_for(refusal(program, alert))
                            client.end()
                real.same(server.stop(), "2 clients, 0 resumed, 12 bytes\n", "what the server counted")


# -------------------------------------------------------------------------------------------------------- Python's ssl


def blocking_python():
    """Python's blocking sockets: much data, and an end that both sides announce."""
    with authority() as ca, serving(ca.sign("server")) as server:
        context = tls_peers.client_context(ca, protocols=["http/1.1", "echo"])
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            plain = socket.create_connection(("127.0.0.1", server.port), timeout=real.TIME_LIMIT_S)
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                real.same(client.selected_alpn_protocol(), "echo", "the protocol that was agreed on")
                for size in (1, 16 * 1024 + 1, 60_000):
                    data = os.urandom(size)
                    client.sendall(data)
                    seen = b""
                    while len(seen) < size and (piece := client.recv(size)):
                        seen += piece
                    real.expect(seen == data, f"other bytes of {size}")
                client.unwrap().close()  # waits for the server's announcement


async def visit(context, port, data, everybody):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost",
                                                   ssl_handshake_timeout=real.TIME_LIMIT_S)
    await everybody.wait()
    writer.write(data)
    echoed = await reader.readexactly(len(data))
    real.expect(echoed == data, "other bytes")
    writer.close()
    await writer.wait_closed()


def many_clients(program, n, size):
    async def drive(ca, port):
        everybody = asyncio.Barrier(n)
        context = tls_peers.client_context(ca)
        await asyncio.gather(*(visit(context, port, os.urandom(size), everybody) for _ in range(n)))

    with authority() as ca, serving(ca.sign("server"), program=program) as server:
        real.bounded(drive(ca, server.port))
        real.same(server.stop(), f"{n} clients, 0 resumed, {n * size} bytes\n", "what the server counted")


def two_hundred_python_clients():
    """All connected at once, each with bytes of its own."""
    many_clients(ECHO, 200, 50_000)


def python_twin():
    """The same of the server in Python: what the driver asks for is what Python does."""
    many_clients(TWIN, 50, 20_000)


def by_curl():
    """curl gets its own request back, as a page of HTTP 0.9, which ends with the server."""
    with authority() as ca, serving(ca.sign("server")) as server:
        url = f"https://localhost:{server.port}/hello"
        command = [real.tool("curl"), "-sSN", "--http0.9", "--noproxy", "*", "--cacert", ca.pem, url]
        with tls_peers.Process(command) as curl:
            curl.wait_for(b"GET /hello HTTP/1.1")
            real.same(server.stop().split(",")[0], "1 clients", "what the server counted")
            curl.end()
            real.same(curl.process.returncode, 0, f"exit status of curl, which printed {curl.printed}")


# ----------------------------------------------------------------------------------------------------- A server's life


def fingerprint_seen(port, ca):
    context = tls_peers.client_context(ca)
    with socket.create_connection(("127.0.0.1", port), timeout=real.TIME_LIMIT_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            return hashlib.sha256(client.getpeercert(binary_form=True)).hexdigest()


def renewed():
    """SIGHUP: new clients see the new certificate, an old connection goes on; what cannot be read changes nothing."""
    with authority() as ca:
        first, second = ca.sign("first"), ca.sign("second")
        used = certificates.Certificate(ca.folder / "used.pem", ca.folder / "used.key")
        for program in (ECHO, TWIN):
            install(first, used)
            with serving(used, program=program) as server, tls_peers.SClient(server.port, ca) as old:
                old.echo("hello")
                real.expect(b"CN = first" in old.printed, "the first certificate")
                install(second, used)
                real.same(fingerprint_seen(server.port, ca), first.fingerprint, "before SIGHUP")
                server.process.send_signal(signal.SIGHUP)
                real.same(server.process.stdout.readline(), "renewed\n", "what the server printed")
                with tls_peers.SClient(server.port, ca) as new:
                    new.echo("hello")
                    real.expect("CN = second" in new.end(), "the second certificate")
                old.echo("still here")

                pathlib.Path(used.pem).write_text("no certificate")
                server.process.send_signal(signal.SIGHUP)
                complaint = server.process.stderr.readline()
                real.expect(complaint.startswith(f"tls_echo: {used.pem}: "), complaint)
                real.same(fingerprint_seen(server.port, ca), second.fingerprint, "after a SIGHUP in vain")
                old.echo("and here")
                old.end()


def install(certificate, place):
    shutil.copy(certificate.pem, place.pem)
    shutil.copy(certificate.key, place.key)


def terminated():
    """SIGTERM: nobody else gets in, clients may finish, those who stay get a proper end."""
    with authority() as ca:
        for program in (ECHO, TWIN):
            with serving(ca.sign("server"), program=program) as server:
                with tls_peers.SClient(server.port, ca) as client:
                    client.echo("hello")
                    server.process.send_signal(signal.SIGTERM)
                    wait_until(lambda: refused(server.port), "the server still listens")
                    client.echo("one more")
                    client.end()
                real.same(server.process.wait(10), 0, "exit status")
                real.same(server.process.stdout.read(), "1 clients, 0 resumed, 15 bytes\n", "what the server counted")
            if program == ECHO:  # Python's leaves its clients without a word
                with serving(ca.sign("server")) as server, tls_peers.SClient(server.port, ca) as client:
                    client.echo("hello")
                    server.process.send_signal(signal.SIGTERM)
                    client.wait_for(b"closed")
                    real.same(server.process.wait(10), 0, "exit status")


def wait_until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        real.expect(time.monotonic() < deadline, what)
        time.sleep(0.02)


def refused(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return False
    return True


# ------------------------------------------------------------------------------------------------------ Who gives up


def client_hello():
    """The first message of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def give_up(port, n):
    """Clients who reset: before a word, within the first one, or when the server has answered it."""
    hello = client_hello()
    for number in range(n):
        client = socket.create_connection(("127.0.0.1", port), timeout=real.TIME_LIMIT_S)
        client.sendall((b"", hello[:len(hello) // 2], hello)[number % 3])
        if number % 3 == 2:
            client.recv(100)
        tls_peers.reset(client)


def memory_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def n_descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def aborted_handshakes():
    """Two thousand of them leave memory and descriptors as they were."""
    with authority() as ca, serving(ca.sign("server")) as server:
        at_first = n_descriptors(server.process)
        give_up(server.port, 500)
        fingerprint_seen(server.port, ca)
        before = memory_kib(server.process)
        give_up(server.port, 2000)
        fingerprint_seen(server.port, ca)
        grown = memory_kib(server.process) - before
        real.expect(grown < 600 or "ASAN_OPTIONS" in os.environ, f"2,000 aborted handshakes left {grown} KiB")
        wait_until(lambda: n_descriptors(server.process) <= at_first, "descriptors of clients who are gone")


def not_tls():
    """What is no TLS at all, or no more of it than half a record, ends that client only, and quietly."""
    words = (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", os.urandom(5000), b"\0" * 100,
             b"\x16\x03\x01\x40\x01" + b"x" * 17000,
             client_hello()[:5] + os.urandom(600))
    with authority() as ca, serving(ca.sign("server")) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for word in words:
            with socket.create_connection(("127.0.0.1", server.port), timeout=real.TIME_LIMIT_S) as client:
                client.sendall(word)
                with contextlib.suppress(ConnectionError):
                    while client.recv(1000):  # an alert, perhaps, and the end
                        pass
        # A client that breaks off after the handshake, and one whose bytes are changed on their way.
        for number in range(20):
            plain = socket.create_connection(("127.0.0.1", server.port), timeout=real.TIME_LIMIT_S)
            client = tls_peers.client_context(ca).wrap_socket(plain, server_hostname="localhost")
            client.sendall(b"x" * 50_000)
            if number % 2:
                tls_peers.reset(client)
            else:
                with socket.socket(fileno=client.detach()) as raw:
                    raw.settimeout(real.TIME_LIMIT_S)
                    with contextlib.suppress(ConnectionError):
                        raw.sendall(b"\x17\x03\x03\x00\x20" + b"y" * 32)
                        while raw.recv(65536):
                            pass
        fingerprint_seen(server.port, ca)
        for each in silent:
            each.close()


def misuse():
    """Wrong words get the usage, files that will not do are told by name."""
    with authority() as ca:
        good, other = ca.sign("good"), ca.sign("other")
        nothing = str(ca.folder / "nothing.pem")
        (ca.folder / "garbage.pem").write_text("garbage")
        garbage = str(ca.folder / "garbage.pem")
        for words in ((), ("server",), ("server", "0"), ("client", "localhost"), ("both", "a", "1"),
                      ("client", "a", "x"), ("server", "--cert", good.pem, "--nonsense", "0")):
            done = end_of(*words)
            real.expect(done.returncode == 2 and "usage:" in done.stderr, f"{words}: {done}")
        for cert, key in ((nothing, good.key), (garbage, good.key), (good.pem, other.key), (good.pem, nothing),
                          (good.pem, garbage)):
            done = end_of("server", "--cert", cert, "--key", key, "0")
            real.expect(done.returncode == 1 and done.stderr.startswith(f"tls_echo: {cert}: "), f"{key}: {done}")
        done = end_of("server", "--cert", good.pem, "--key", good.key, "--client-ca", nothing, "0")
        real.expect(done.returncode == 1 and nothing in done.stderr, f"{done}")
        with serving(good) as server:
            done = end_of("server", "--cert", good.pem, "--key", good.key, str(server.port))
            real.expect(done.returncode == 1 and f"127.0.0.1:{server.port}" in done.stderr and "in use" in done.stderr,
                        f"{done}")


def end_of(*words):
    return subprocess.run([*real.command_of(ECHO), *words], capture_output=True, text=True, timeout=real.TIME_LIMIT_S,
                          check=False, env=real.ENVIRONMENT, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(real.main(versions, sessions, client_certificates, blocking_python, two_hundred_python_clients,
                       python_twin, by_curl, renewed, terminated, aborted_handshakes, not_tls, misuse))
