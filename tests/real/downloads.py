"""What the tests of https_get share: its runs, servers that answer by a script, a middleman who breaks off."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

import certificates
import real
import tls_peers

GET, TWIN = sys.argv[1:3]


@contextlib.contextmanager
def place():
    """An authority, and a fresh folder for what is downloaded."""
    with real.directory() as folder:
        yield certificates.Authority(folder), folder


def run_get(*words, program=GET, **keywords):
    return subprocess.run([*real.command_of(program), *words], env=real.ENVIRONMENT, timeout=real.TIME_LIMIT_S,
                          check=False, stdin=subprocess.DEVNULL,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords})


def get(ca, port, path, *options, host="localhost", **keywords):
    return run_get("--ca", ca.pem, *map(str, options), f"https://{host}:{port}{path}", **keywords)


def done_well(done):
    """Returns what was printed."""
    real.same((done.returncode, done.stderr), (0, b""), "exit status and standard error")
    return done.stdout


def fails(done, status, *texts):
    """That status, a complaint with those texts."""
    complaint = done.stderr.decode()
    real.same(done.returncode, status, f"exit status, with {complaint!r}")
    real.expect(complaint.startswith("https_get: "), complaint)
    for text in texts:
        real.expect(text in complaint, f"no {text!r} in {complaint!r}")


# -------------------------------------------------------------------------------------------------- Servers by a script


class Scripted(tls_peers.PythonServer):
    """With it, clients get one answer after the other, the last one again and again. An answer is bytes, and how the
    connection ends: "end", as it ought to, "hang-up" or "reset". `requests` are the heads that came."""

    def __init__(self, certificate, *answers):
        super().__init__(tls_peers.server_context(certificate), self.answer)
        self.answers, self.requests = answers, []

    def answer(self, connection):
        request = b""
        while b"\r\n\r\n" not in request and (piece := connection.recv(10_000)):
            request += piece
        data, end = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request.decode())
        connection.sendall(data)
        if end == "end":
            connection.unwrap()
        elif end == "reset":
            time.sleep(0.1)  # a reset overtakes what was sent before it
            tls_peers.reset(connection)


def head(status, *lines):
    """What stands before a body."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def from_script(ca, leaf, *answers, options=(), program=GET):
    with Scripted(leaf, *answers) as server:
        done = get(ca, server.port, "/a", *options, program=program)
    return done, server.requests


# --------------------------------------------------------------------------------------------------------- A middleman


class Middleman:
    """Hands bytes on to a port, but breaks connection after connection off as `breaks` says: after so many bytes from
    the server, by a "reset", by a "hang-up", or by "silence". Connections beyond those are left alone. `n` is how many
    there were."""

    def __init__(self, port, breaks):
        self.port_behind, self.breaks = port, list(breaks)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.n = 0

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                size, how = self.breaks[self.n] if self.n < len(self.breaks) else (None, None)
                self.n += 1
                threading.Thread(target=self.hand_on, args=(client, size, how), daemon=True).start()

    def hand_on(self, client, left, how):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port_behind)) as server:
            threading.Thread(target=self.hand_back, args=(client, server), daemon=True).start()
            while left is None or left > 0:
                piece = server.recv(65536 if left is None else min(left, 65536))
                if not piece:
                    break
                client.sendall(piece)
                left = None if left is None else left - len(piece)
            if how == "reset":
                client.shutdown(socket.SHUT_RD)  # ends the other thread's wait, which would put the reset off
                tls_peers.reset(client)
            elif how == "silence":
                while client.recv(1000):  # until the client has had enough
                    pass
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    def hand_back(self, client, server):
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                server.sendall(piece)

    def __exit__(self, kind, error, trace):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
