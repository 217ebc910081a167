#!/usr/bin/python3
"""https_get and servers that answer by a script: bodies of all kinds, nonsense, ends that are none, versions.

    test_https_answers.py HTTPS_GET TWIN
"""

import os
import sys

import real
from downloads import GET, TWIN, Scripted, done_well, fails, from_script, get, head, place, run_get


def bodies():
    """With a length, in chunks, up to the end; with lines that mean nothing to us, and answers before the answer."""
    chunks = b"5\r\nhello\r\n1;x=y\r\n \r\n00A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    answers = (
        (head("200 OK", "Content-Length: 5") + b"hello", b"hello"),
        (head("200 OK", "content-length:5", "CONTENT-LENGTH:  5 ") + b"hello and more", b"hello"),
        (head("200 OK", "Transfer-Encoding: chunked") + chunks, b"hello 0123456789"),
        (head("200 OK", "Transfer-Encoding: Chunked", "Content-Length: 3") + chunks, b"hello 0123456789"),
        (head("200 OK") + b"hello", b"hello"),
        (b"HTTP/1.0 200\nX: y\n\nhello", b"hello"),
        (head("100 Continue") + head("103 Early Hints", "Link: x") + head("200 OK") + b"x" * 100_000, b"x" * 100_000),
        (head("200 OK", "Content-Length: 0"), b""),
    )
    with place() as (ca, _):
        leaf = ca.sign("server")
        for program in (GET, TWIN):
            for answer, wanted in answers:
                done, _ = from_script(ca, leaf, (answer, "end"), program=program)
                real.same(done_well(done), wanted, f"body of {answer[:100]}")


def nonsense():
    """What is no HTTP, or promises what does not come, ends with an error; nothing is made of it."""
    ok = head("200 OK", "Transfer-Encoding: chunked")
    answers = (
        b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2\r\n\r\n", b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        head("200 OK", ": x"), head("200 OK", "Content-Length: -1"), head("200 OK", "Content-Length: 5, 5"),
        head("200 OK", "Content-Length: 5", "Content-Length: 6") + b"hello!",
        head("200 OK", "Content-Length: 99999999999999999999"), head("200 OK", "Content-Length: 0x5") + b"hello",
        head("200 OK", "Transfer-Encoding: gzip"), head("200 OK", "X: " + "x" * 100_000), b"x" * 100_000,
        head("200 OK", *["X: y"] * 1000), head("100 Continue") * 300, ok + b"x\r\n", ok + b"-5\r\nhello", ok + b"\r\n",
        ok + b"0x5\r\nhello\r\n0\r\n\r\n", ok + b"5\r\nhello!\r\n0\r\n\r\n", ok + b"fffffffffffffffff\r\n",
        head("206 Partial Content", "Content-Range: bytes 5-9/10") + b"hello",
    )
    with place() as (ca, folder):
        leaf = ca.sign("server")
        for program in (GET, TWIN):
            for answer in answers:
                done, requests = from_script(ca, leaf, (answer, "end"), options=("--output", folder / "copy"),
                                             program=program)
                fails(done, 1)
                seen = (len(requests), (folder / "copy").exists())
                real.same(seen, (1, False), f"requests, whether there is a file, for {answer[:60]}")


def truncated():
    """An end that nobody has announced is no end, whatever it cuts off."""
    whole = head("200 OK", "Content-Length: 5") + b"hello", "end"
    with place() as (ca, folder):
        leaf, output = ca.sign("server"), folder / "copy"
        for broken in (b"", b"HTTP/1.1 20", head("200 OK")[:-2], head("200 OK") + b"hel", head("200 OK") + b"hello",
                       head("200 OK", "Content-Length: 5") + b"hel",
                       head("200 OK", "Transfer-Encoding: chunked") + b"5\r\nhe",
                       head("200 OK", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"):
            for end in ("hang-up", "reset"):
                done, requests = from_script(ca, leaf, (broken, end), whole, options=("--output", output))
                seen = (done.returncode, len(requests))
                real.same(seen, (0, 2), f"{broken} by {end}: exit status, tries; {done.stderr}")
                real.same(output.read_bytes(), b"hello", f"{broken} by {end}: the file")
                output.unlink()
        done, _ = from_script(ca, leaf, (head("200 OK") + b"hel", "hang-up"), whole)
        fails(done, 1, "the peer hung up", "use --output FILE")
        real.same(done.stdout, b"hel", "what is printed when it cannot be taken back")


def versions():
    """Parts are asked for only of the version that there is, and never mixed with another one."""
    a, b = os.urandom(300_000), os.urandom(300_000)
    date, earlier, later = (f"Mon, 0{day} Jan 2024 10:00:00 GMT" for day in (8, 7, 9))

    def whole(data, *lines, size=None):
        end = "end" if size is None else "hang-up"
        return head("200 OK", f"Content-Length: {len(data)}", *lines) + data[:size], end

    def part(data, first, *lines, whole=None):
        return head("206 Partial Content", f"Content-Length: {len(data) - first}",
                    f"Content-Range: bytes {first}-{len(data) - 1}/{whole or len(data)}", *lines) + data[first:], "end"

    half = 150_000
    tag, dates = 'ETag: "a"', (f"Last-Modified: {earlier}", f"Date: {date}")
    # What the server answers first and then, what of it is asked for the second time, and which file it makes.
    cases = (
        (whole(a, tag, size=half), part(a, half, tag), 'If-Range: "a"', a),
        (whole(a, tag, *dates, size=half), part(a, half, tag), 'If-Range: "a"', a),
        (whole(a, *dates, size=half), part(a, half, *dates), f"If-Range: {earlier}", a),
        (whole(a, tag, size=half), whole(b, 'ETag: "b"'), 'If-Range: "a"', b),
        (whole(a, tag, size=half), (head("416 Range Not Satisfiable", "Content-Range: bytes */9"), "end"),
         'If-Range: "a"', None),
        # No version, a weak one, one that may be two.
        (whole(a, size=half), whole(b), None, b),
        (whole(a, 'ETag: W/"a"', *dates, size=half), whole(b, 'ETag: W/"a"'), None, b),
        (whole(a, f"Last-Modified: {date}", f"Date: {date}", size=half), whole(b, *dates), None, b),
        # Servers that send another part or another version than they were asked for.
        (whole(a, tag, size=half), part(b, half, 'ETag: "b"'), 'If-Range: "a"', "error"),
        (whole(a, tag, size=half), part(a, half - 1, tag), 'If-Range: "a"', "error"),
        (whole(a, tag, size=half), part(a + b, half, tag), 'If-Range: "a"', "error"),
        (whole(a, tag, size=half), (head("206 Partial Content", tag) + a[half:], "end"), 'If-Range: "a"', "error"),
    )
    with place() as (ca, folder):
        leaf, output = ca.sign("server"), folder / "copy"
        for program in (GET, TWIN):
            for first, second, condition, wanted in cases:
                answers = (first, second) if wanted is not None else (first, second, whole(b))
                done, requests = from_script(ca, leaf, *answers, options=("--output", output), program=program)
                real.same(len(requests), len(answers), f"requests, with {done.stderr}")
                if condition:
                    asked = f"Range: bytes={half}-\r\n{condition}\r\n" in requests[1]
                else:
                    asked = "Range" not in requests[1]
                real.expect(asked, f"the second request was {requests[1]}")
                if wanted == "error":
                    fails(done, 1, "a part that nobody asked for")
                    real.expect(not output.exists(), "a mixture was taken for the file")
                else:
                    real.expect(done.returncode == 0 and output.read_bytes() == (wanted or b), f"{done}")
                    output.unlink()
            # What is printed cannot be taken back.
            done, _ = from_script(ca, leaf, whole(a, tag, size=half), whole(b, 'ETag: "b"'), program=program)
            fails(done, 1, "use --output FILE")
            real.expect(done.stdout == a[:half], "what was printed")


def misuse():
    """Wrong words get the usage; an output that cannot be written is told by name."""
    for words in ((), ("http://localhost/",), ("localhost",), ("https://",), ("https://a b/",), ("https://a/\r\nX:y",),
                  ("https://a:0/",), ("https://a:99999/",), ("https://a:1x/",), ("https://u:p@a/",), ("https://[::1/",),
                  ("--tries", "0", "https://a/"), ("--timeout", "-1", "https://a/"), ("--nonsense", "https://a/"),
                  ("https://a/", "https://b/"), ("https://" + "a" * 5000,)):
        done = run_get(*words)
        real.expect(done.returncode == 2 and b"usage: https_get" in done.stderr, f"{words}: {done}")
    with place() as (ca, folder):
        fails(run_get("--ca", str(folder / "nothing"), "https://localhost/"), 1, "nothing: ")
        leaf, answer = ca.sign("server"), (head("200 OK") + b"x" * 200_000, "end")
        done, _ = from_script(ca, leaf, answer, options=("--output", folder / "no" / "copy"))
        fails(done, 1, "copy.part: No such")
        with Scripted(leaf, answer) as server, open("/dev/full", "wb") as full:
            fails(get(ca, server.port, "/", stdout=full), 1, "No space left", "Make room")


if __name__ == "__main__":
    sys.exit(real.main(bodies, nonsense, truncated, versions, misuse))
