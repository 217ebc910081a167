#!/usr/bin/python3
"""The client of the echo server over TLS beside real counterparts: openssl s_server, Python's ssl, servers that fail.

    test_tls_client.py TLS_ECHO TWIN
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

import certificates
import real
import tls_peers

ECHO, TWIN = sys.argv[1:3]
VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


@contextlib.contextmanager
def authority():
    with real.directory() as folder:
        yield certificates.Authority(folder)


def client(port, ca, *words, options=(), host="localhost", program=ECHO):
    """Runs the client to its end."""
    return subprocess.run([*real.command_of(program), "client", "--ca", ca.pem, *options, host, str(port), *words],
                          env=real.ENVIRONMENT, capture_output=True, text=True, timeout=real.TIME_LIMIT_S, check=False,
                          stdin=subprocess.DEVNULL)


def fails(done, status, *texts):
    real.same((done.returncode, done.stdout), (status, ""), f"exit status and output, with {done.stderr!r}")
    real.expect(done.stderr.startswith("tls_echo: "), done.stderr)
    for text in texts:
        real.expect(text in done.stderr, f"no {text!r} in {done.stderr!r}")


def echo(connection):
    """What the servers of Python's ssl do here."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.unwrap()


# ---------------------------------------------------------------------------------------------------- openssl s_server


def versions():
    """s_server, which sends lines back reversed, with each version of the protocol and an application protocol."""
    with authority() as ca:
        leaf = ca.sign("server")
        for flag, version in VERSIONS.items():
            for options, protocol in (((), "not agreed on"), (("-alpn", "h2,echo"), "echo")):
                with tls_peers.SServer(leaf, flag, "-rev", *options) as server:
                    for program in (ECHO, TWIN):
                        done = client(server.port, ca, "hello", options=("--verbose",), program=program)
                        real.same((done.returncode, done.stdout), (0, "olleh\n"), f"exit status, output; {done.stderr}")
                        for text in (f"{version}, ", " new session, ", f"protocol {protocol}\n", "subject CN=server, "):
                            real.expect(text in done.stderr, f"no {text!r} in {done.stderr!r}")
                    real.expect(f"SHA-256 {leaf.fingerprint}" in client(server.port, ca, options=("--verbose",)).stderr,
                                "the fingerprint")


def sessions():
    """A session is resumed at the next connection, by s_server and by Python's ssl."""
    wanted = ["new", "resumed", "resumed"]
    with authority() as ca:
        leaf = ca.sign("server")
        for flag, version in VERSIONS.items():
            with tls_peers.SServer(leaf, flag, "-rev") as server:
                resumes(server, ca, version, wanted, "olleh\n")
            context = tls_peers.server_context(leaf)
            context.maximum_version = context.minimum_version = getattr(ssl.TLSVersion, version.replace(".", "_"))
            with tls_peers.PythonServer(context, echo) as server:
                resumes(server, ca, version, wanted, "hello\n")
            # A server that gives none: new sessions, and nothing is wrong with that.
            with tls_peers.SServer(leaf, flag, "-rev", "-no_ticket", "-no_cache", "-num_tickets", "0") as server:
                resumes(server, ca, version, ["new"] * 3, "olleh\n")


def resumes(server, ca, version, wanted, line):
    done = client(server.port, ca, "hello", options=("--rounds", "3", "--verbose"))
    real.same((done.returncode, done.stdout), (0, line * 3), f"exit status, output; {done.stderr}")
    real.same(re.findall(r"(\w+) session,", done.stderr), wanted, f"sessions of {version}")


def client_certificates():
    """A server that wants to know who we are: it is told, or turns us away."""
    with authority() as ca:
        leaf, alice = ca.sign("server"), ca.sign("alice")
        for flag in VERSIONS:
            wanted = ("-Verify", "1", "-verify_return_error", "-CAfile", ca.pem)
            with tls_peers.SServer(leaf, flag, "-rev", *wanted) as server:
                for program in (ECHO, TWIN):
                    done = client(server.port, ca, "hello", options=("--cert", alice.pem, "--key", alice.key),
                                  program=program)
                    real.same((done.returncode, done.stdout), (0, "olleh\n"), f"exit status, output; {done.stderr}")
                    real.expect("CN = alice" in server.wait_for(b"CN = alice"), "s_server did not see the certificate")
                alert = "certificate required" if flag == "-tls1_3" else "handshake failure"
                fails(client(server.port, ca), 1, alert)


def bad_certificates():
    """Each kind that is not accepted has its own error."""
    with authority() as ca, real.directory() as elsewhere:
        stranger = certificates.Authority(elsewhere, "stranger").sign("leaf")
        revoked = ca.sign("revoked")
        ca.revoke(revoked)
        crl = ca.revocation_list()
        cases = (
            (ca.sign("good"), (), "localhost", 0, None),
            (ca.sign("good"), (), "127.0.0.1", 0, None),
            (ca.sign("name only", "DNS:localhost"), (), "127.0.0.1", 3, "127.0.0.1"),
            (ca.sign("old", begin=-20, end=-2), (), "localhost", 3, "expired"),
            (ca.sign("future", begin=3), (), "localhost", 3, "not valid before"),
            (ca.sign("other", "DNS:example.com"), (), "localhost", 3, "localhost"),
            (certificates.self_signed(elsewhere), (), "localhost", 3, "signed by nobody but itself"),
            (stranger, (), "localhost", 3, "stranger"),
            (revoked, (), "localhost", 3, "revoked"),
            (ca.sign("weak", key=certificates.SHORT_RSA), ("-cipher", "DEFAULT@SECLEVEL=0"), "localhost", 3, "weak"),
        )
        for flag in VERSIONS:
            for leaf, options, host, status, text in cases:
                with tls_peers.SServer(leaf, flag, "-rev", *options) as server:
                    done = client(server.port, ca, "hello", options=("--crl", crl), host=host)
                    if status == 0:
                        real.same((done.returncode, done.stdout), (0, "olleh\n"), f"exit status, output; {done.stderr}")
                    else:
                        fails(done, status, text)
                    if flag == "-tls1_3":
                        real.same(client(server.port, ca, options=("--crl", crl), host=host, program=TWIN).returncode,
                                  status, "exit status of the twin")


# -------------------------------------------------------------------------------------------------------- Python's ssl


def python_servers():
    """Python's blocking ssl, and its asyncio as the twin has it, echo a long line."""
    message = "long " * 20_000
    with authority() as ca:
        leaf = ca.sign("server")
        for program in (ECHO, TWIN):
            with tls_peers.PythonServer(tls_peers.server_context(leaf), echo) as server:
                real.same(client(server.port, ca, message, program=program).stdout, message + "\n", "what came back")
            real.same(server.problems, [], "what the server had to complain of")
            for other in (ECHO, TWIN):
                with real.Server(other, "server", "--cert", leaf.pem, "--key", leaf.key, "0") as server:
                    done = client(server.port, ca, message, program=program)
                    real.same((done.returncode, done.stdout), (0, message + "\n"), f"what came back; {done.stderr}")


# ---------------------------------------------------------------------------------------------------- Servers that fail


@contextlib.contextmanager
def plain_server(serve):
    """serve(connection) is called for one client after the other, without TLS. Gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with contextlib.suppress(OSError), connection:
                        connection.settimeout(real.TIME_LIMIT_S)
                        serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(real.TIME_LIMIT_S)


def no_tls():
    """What answers is no TLS, or hangs up or resets in the midst of the handshake."""
    def speak(words):
        def serve(connection):
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(10_000):
                pass
        return serve

    def hang_up(connection):
        connection.recv(10_000)

    def reset(connection):
        connection.recv(10_000)
        tls_peers.reset(connection)

    with authority() as ca:
        for serve in (speak(b"220 mail.example.com ESMTP\r\n"), speak(os.urandom(3000)), speak(b"\x16\x03\x03\x40"),
                      speak(b"\x15\x03\x03\x00\x02\x02\x28"), hang_up, reset, speak(b"")):
            with plain_server(serve) as port:
                fails(client(port, ca), 1)
        fails(client(real.free_port(), ca), 1, "refused")


def breaks_off():
    """A server that resets or hangs up in the midst of the conversation, without the announcement that TLS wants."""
    def read_line(connection):
        line = b""
        while not line.endswith(b"\n"):
            line += connection.recv(10_000)
        return line

    def hang_up(connection):
        connection.sendall(read_line(connection)[:3])

    def reset(connection):
        read_line(connection)
        tls_peers.reset(connection)

    def end(connection):
        connection.sendall(read_line(connection)[:3])
        connection.unwrap()

    with authority() as ca:
        leaf = ca.sign("server")
        for serve, text in ((hang_up, "hung up"), (reset, "reset by peer"), (end, "ended before")):
            with tls_peers.PythonServer(tls_peers.server_context(leaf), serve) as server:
                done = client(server.port, ca, "hello")
                real.same(done.returncode, 1, f"exit status, with {done.stderr!r}")
                real.expect(done.stdout in ("", "hel") and text in done.stderr, f"{done}")


def silent():
    """A server that says nothing: the handshake has its time limit."""
    with authority() as ca, socket.create_server(("127.0.0.1", 0)) as listener:
        fails(client(listener.getsockname()[1], ca), 1)


if __name__ == "__main__":
    sys.exit(real.main(versions, sessions, client_certificates, bad_certificates, python_servers, no_tls, breaks_off,
                       silent))
