#!/usr/bin/python3
"""https_get beside real counterparts: nginx, openssl s_server, and a middleman who breaks transfers off.

    test_https.py HTTPS_GET TWIN
"""

import contextlib
import hashlib
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import certificates
import nginx
import real
import tls_peers
from downloads import GET, TWIN, Middleman, done_well, fails, get, place, run_get


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_random(path, megabytes):
    """A file; returns its hash."""
    seen = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(megabytes):
            piece = os.urandom(1_000_000)
            seen.update(piece)
            file.write(piece)
    return seen.hexdigest()


def nginx_with(ca, folder, server=""):
    leaf = ca.sign("nginx")
    return nginx.Nginx(folder, "ssl", f"ssl_certificate {leaf.pem}; ssl_certificate_key {leaf.key}; {server}")


# --------------------------------------------------------------------------------------------------------------- nginx


def fifty_megabytes():
    """From nginx, into a file and to standard output; the bytes are the same."""
    with place() as (ca, folder), nginx_with(ca, folder) as server:
        wanted = write_random(server.root / "big", 50)
        output = folder / "copy"
        done_well(get(ca, server.port, "/big", "--output", output))
        real.same((hash_of(output), pathlib.Path(f"{output}.part").exists()), (wanted, False), "the file, and a part")
        printed = done_well(get(ca, server.port, "/big"))
        real.same(hashlib.sha256(printed).hexdigest(), wanted, "standard output")


def pages():
    """Redirects, queries, an empty file, errors, names and numbers of hosts, each version of the protocol."""
    server = """
        location /moved { return 301 https://localhost:$server_port/small; }
        location /relative/a { return 302 ../small?really; }
        location /near/a { return 307 b; }
        location = /near/b { return 200 "near"; }
        location /round { return 302 /round; }
        location /plain { return 302 http://localhost/small; }
        location /elsewhere { return 302 ftp://localhost/; }
        location /query { return 200 "$request_uri"; }
        location /busy { return 503; }
        location /old { ssi on; }
        absolute_redirect off;"""
    with place() as (ca, folder), nginx_with(ca, folder, server) as there:
        (there.root / "small").write_bytes(b"small\n")
        (there.root / "empty").touch()
        for program in (GET, TWIN):
            for path, wanted in (("/small", b"small\n"), ("/moved", b"small\n"), ("/relative/a", b"small\n"),
                                 ("/near/a", b"near"), ("/empty", b""), ("/query/a?b=c#d", b"/query/a?b=c"),
                                 ("?", None), ("", None)):
                done = get(ca, there.port, path, program=program)
                if wanted is None:
                    fails(done, 4, "403")  # the folder
                else:
                    real.same(done_well(done), wanted, f"{path}")
            done = get(ca, there.port, "/small", host="127.0.0.1", program=program)
            real.same(done_well(done), b"small\n", "by number")
            for path, text in (("/missing", "404"), ("/round", "from one place to the next"),
                               ("/plain", "no URL of https"), ("/elsewhere", "no URL of https")):
                fails(get(ca, there.port, path, program=program), 4, text)
            done = get(ca, there.port, "/busy", "--tries", 2, program=program)
            fails(done, 4, "503", "next try in 0.25 s")
        output = folder / "none"
        fails(get(ca, there.port, "/missing", "--output", output), 4, "404")
        real.same(list(folder.glob("none*")), [], "files that were left")


def broken_off():
    """Resets, hang-ups and silence in the midst of it, also in the midst of a handshake: the file is whole."""
    breaks = [(6_000_000, "reset"), (100, "reset"), (9_000_000, "hang-up"), (3_000_000, "reset"), (1_500, "hang-up"),
              (8_000_000, "silence"), (7_000_000, "reset")]
    with place() as (ca, folder), nginx_with(ca, folder) as server:
        wanted = write_random(server.root / "big", 50)
        for program in (GET, TWIN):
            output = folder / "copy"
            with Middleman(server.port, breaks) as middleman:
                done = get(ca, middleman.port, "/big", "--output", output, "--timeout", 2, program=program)
                real.same((done.returncode, middleman.n), (0, 8), f"exit status and connections, with {done.stderr}")
            real.same(hash_of(output), wanted, "the file")
            notes = [int(n) for n in re.findall(rb"; (\d+) bytes are there, next try in [0-9.]+ s\n", done.stderr)]
            real.same((len(notes), sorted(notes)), (7, notes), "notes of tries that failed, further and further")
            output.unlink()
        with Middleman(server.port, breaks[:1]) as middleman:
            done = get(ca, middleman.port, "/big")
            real.same(hashlib.sha256(done.stdout).hexdigest(), wanted, "standard output")


def given_up():
    """Tries that bring nothing new are counted; what there is stays in the part, which nobody takes for the file."""
    breaks = [(2_000_000, "reset")] + [(0, "reset")] * 20
    with place() as (ca, folder), nginx_with(ca, folder) as server:
        write_random(server.root / "big", 5)
        for program in (GET, TWIN):
            output = folder / "copy"
            with Middleman(server.port, breaks) as middleman:
                done = get(ca, middleman.port, "/big", "--output", output, "--tries", 3, program=program)
                real.same(middleman.n, 3, "connections")
            size = pathlib.Path(f"{output}.part").stat().st_size
            fails(done, 1, "next try in 0.25 s", "next try in 0.5 s", f"The first {size} bytes are in {output}.part.")
            real.expect(0 < size < 2_000_000 and not output.exists(), f"{size} bytes")
            with open(f"{output}.part", "rb") as part, open(server.root / "big", "rb") as big:
                real.expect(part.read() == big.read(size), "the part is none of the file")


def interrupted():
    """Ctrl-C leaves a part and no file."""
    with (place() as (ca, folder), nginx_with(ca, folder) as server,
          Middleman(server.port, [(400_000, "silence")]) as slow):
        write_random(server.root / "big", 5)
        output, part = folder / "copy", folder / "copy.part"
        command = [*real.command_of(GET), "--ca", ca.pem, "--output", str(output), f"https://localhost:{slow.port}/big"]
        with subprocess.Popen(command, env=real.ENVIRONMENT, stderr=subprocess.PIPE,
                              preexec_fn=real.default_interrupt) as process:
            deadline = time.monotonic() + 20
            while not (part.exists() and part.stat().st_size > 100_000):
                real.expect(time.monotonic() < deadline and process.poll() is None, "no part of the file comes")
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            complaint = process.communicate(timeout=20)[1].decode()
        real.expect("interrupted" in complaint and process.returncode == 1, f"{process.returncode}: {complaint}")
        real.same((output.exists(), part.exists()), (False, True), "the file, the part")


def bad_certificates():
    """Each kind of certificate that is not accepted has its own error, and advice; s_server shows them."""
    with place() as (ca, folder), real.directory() as elsewhere:
        stranger = certificates.Authority(elsewhere, "stranger").sign("leaf")
        revoked = ca.sign("revoked")
        ca.revoke(revoked)
        weak = ("-cipher", "DEFAULT@SECLEVEL=0")
        cases = (
            (ca.sign("good"), (), 0, "", ""),
            (ca.sign("old", begin=-20, end=-2), (), 3, "expired", "clock"),
            (ca.sign("future", begin=3), (), 3, "not valid before", "clock"),
            (ca.sign("other", "DNS:example.com"), (), 3, "example.com", "name in the URL"),
            (certificates.self_signed(folder), (), 3, "signed by nobody but itself", "--ca FILE"),
            (stranger, (), 3, "stranger", "--ca FILE"),
            (revoked, (), 3, "revoked", "new certificate"),
            (ca.sign("weak", key=certificates.SHORT_RSA), weak, 3, "weak", "new certificate"),
        )
        crl = ca.revocation_list()
        for leaf, options, status, problem, advice in cases:
            with tls_peers.SServer(leaf, "-www", *options) as server:
                for program in (GET, TWIN):
                    done = get(ca, server.port, "/", "--crl", crl, program=program)
                    if status == 0:
                        real.expect(b"s_server" in done_well(done), f"{done.stdout}")
                    else:
                        fails(done, status, *((problem, advice) if program == GET else ()))
                    real.expect(status == 0 or not done.stdout, "something of the page was printed")
        # Without the list nobody knows that it was revoked; without --ca the machine's authorities count.
        with tls_peers.SServer(revoked, "-www") as server:
            done_well(get(ca, server.port, "/"))
            fails(run_get(f"https://localhost:{server.port}/"), 3, "--ca FILE")


def s_server():
    """openssl's own small web server, with each version of the protocol."""
    with place() as (ca, _):
        leaf = ca.sign("server")
        for flag, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            with tls_peers.SServer(leaf, "-www", flag) as server:
                page = done_well(get(ca, server.port, "/")).decode()
                real.expect(f"Protocol  : {version}" in page, page)


LINE = re.compile(r"[0-9.]+ (B|kB|MB) of 6\.0 MB \[#* *\] +\d+ ?%  [0-9.]+ (B|kB|MB)/s(  \d+:\d\d left)?")


def progress():
    """On a terminal a line shows bytes, per cent, rate and time, and is gone at the end."""
    with place() as (ca, folder), nginx_with(ca, folder, "limit_rate 4m;") as server:
        write_random(server.root / "big", 6)
        for program in (GET, TWIN):
            ours, theirs = pty.openpty()
            seen = b""
            command = [*real.command_of(program), "--ca", ca.pem, "--output", str(folder / "copy"),
                       f"https://localhost:{server.port}/big"]
            with subprocess.Popen(command, env=real.ENVIRONMENT, stderr=theirs) as process:
                os.close(theirs)
                with contextlib.suppress(OSError):  # a terminal that nobody has any more
                    while piece := os.read(ours, 10_000):
                        seen += piece
                real.same(process.wait(20), 0, f"exit status, with {seen}")
            os.close(ours)
            lines = [line for line in seen.decode().split("\r\033[K") if line]
            for line in lines:
                real.expect(LINE.fullmatch(line), f"the line {line!r}")
            real.expect(len(lines) >= 2 and seen.endswith(b"\r\033[K"), f"{seen}")


def nobody():
    """Nobody there, nobody who speaks TLS, nobody who answers, no such name: told at once or in time."""
    with place() as (ca, _):
        fails(get(ca, real.free_port(), "/"), 1, "host and port")
        fails(run_get("https://nobody.invalid/"), 1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            begin = time.monotonic()
            done = get(ca, silent.getsockname()[1], "/", "--timeout", 0.5)
            fails(done, 1, "nothing came for 0.5 seconds", "--timeout SECONDS")
            real.expect(time.monotonic() - begin < 10, "it took too long")
        with socket.create_server(("127.0.0.1", 0)) as plain:
            def answer():
                client, _ = plain.accept()
                with client:
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    with contextlib.suppress(ConnectionError):
                        while client.recv(1000):
                            pass

            threading.Thread(target=answer, daemon=True).start()
            fails(get(ca, plain.getsockname()[1], "/"), 1, "speak TLS")


if __name__ == "__main__":
    sys.exit(real.main(fifty_megabytes, pages, broken_off, given_up, interrupted, bad_certificates, s_server, progress,
                       nobody))
