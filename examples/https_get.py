"""Downloads a file by https.

    https_get.py [--output FILE] [--ca FILE] [--crl FILE] [--timeout SECONDS] [--tries N] URL

Without --output the file goes to standard output. With it, what has come is in FILE.part until all is there; only then
it is renamed, so that a part is never taken for the whole. A transfer that breaks off is gone on with where it stopped,
after a pause; a try counts as failed, of N (5), when it brought nothing new. The parts are of one version of the file:
when it has changed on the server the download begins anew. Nothing for so many SECONDS (30) is a failure too. On a
terminal a line shows how far it is.

The server's certificate is checked: by the authorities that the machine trusts or, with --ca, that one only; --crl is
a list of revoked certificates. Ends with 0 when the file is there, 1 when it is not, 2 for wrong usage, 3 when the
certificate was not accepted, 4 when the server answered with an error.
"""

import argparse
import asyncio
import contextlib
import os
import re
import ssl
import sys
import urllib.parse

MOST_REDIRECTS, MOST_FIELDS, PIECE = 5, 200, 16 * 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 15


class Refused(Exception):
    """The server's error, for good."""


class Later(Exception):
    """The server's error, perhaps over soon."""


class NotHttp(Exception):
    """What comes is not what was asked for."""


def parse_url(text):
    url = urllib.parse.urlsplit(text)
    if url.scheme != "https" or not url.hostname or url.username is not None or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(text)
    return url._replace(netloc=f"{url.netloc.rpartition('@')[2]}", path=url.path or "/", fragment="")


def parse_size(text, base):
    if not re.fullmatch(r"\d{1,15}" if base == 10 else r"[0-9a-fA-F]{1,15}", text):
        raise NotHttp(f"'{text:.60}' is no number of bytes")
    return int(text, base)


class Answer:
    """What stands before the body."""

    def __init__(self, status, fields):
        self.status, self.fields = status, fields
        self.is_chunked = "transfer-encoding" in fields
        if self.is_chunked and fields["transfer-encoding"].lower() != "chunked":
            raise NotHttp("the server sends in a way that nobody asked for")
        self.length = parse_size(fields["content-length"], 10) if "content-length" in fields else None
        part = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", fields.get("content-range", ""))
        self.first = int(part[1]) if part else None
        self.whole = int(part[2]) if part and part[2] != "*" else None
        # A weak tag does not promise the same bytes, nor does a date in whose second there may have been two versions.
        self.version = fields.get("etag", "")
        if not self.version and fields.get("date", "") not in ("", fields.get("last-modified")):
            self.version = fields.get("last-modified", "")
        if self.version.startswith("W/"):
            self.version = ""


class Download:
    def __init__(self, options):
        self.url, self.options = options.url, options
        self.file = None  # until the first byte is there
        self.part = options.output + ".part" if options.output else None
        self.offset, self.whole, self.version = 0, None, ""
        self.has_begun = False  # a server has answered

    # -------------------------------------------------------------------------------------------- Request and answer

    async def send_request(self, writer):
        target = urllib.parse.urlunsplit(("", "", self.url.path, self.url.query, ""))
        lines = [f"GET {target} HTTP/1.1", f"Host: {self.url.netloc}", "User-Agent: https_get", "Accept: */*",
                 "Accept-Encoding: identity", "Connection: close"]
        if self.offset:
            lines += [f"Range: bytes={self.offset}-", f"If-Range: {self.version}"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()

    async def read_line(self, reader):
        try:
            line = await reader.readline()
        except ValueError:
            raise NotHttp("the server's answer has a line without an end") from None
        if not line.endswith(b"\n"):
            raise EOFError
        return line.rstrip(b"\r\n").decode("latin-1")

    async def read_answer(self, reader):
        for _ in range(10):
            line = await self.read_line(reader)
            status = re.match(r"HTTP/1\.[01] (\d{3})", line)
            if not status:
                raise NotHttp(f"the server does not speak HTTP/1.1: '{line:.60}'")
            fields = {}
            for _ in range(MOST_FIELDS):
                if not (line := await self.read_line(reader)):
                    break
                name, colon, value = line.partition(":")
                name, value = name.lower(), value.strip()
                if not name or not colon or (name == "content-length" and fields.get(name, value) != value):
                    raise NotHttp(f"the server's answer has a line that is none of HTTP: '{line:.60}'")
                fields[name] = value
            else:
                break
            if status[1] >= "200":  # 100 and the like say only that there is more to come
                return Answer(int(status[1]), fields)
        raise NotHttp("the server's answer does not come to its point")

    # -------------------------------------------------------------------------------------------------------- Output

    def begin_anew(self):
        """Forgets what has come."""
        if self.offset and not self.part:
            raise NotHttp("the file on the server has changed, or parts of it cannot be had, and the first "
                          f"{self.offset} bytes are printed already; use --output FILE")
        if self.offset:
            self.file.seek(0)
            self.file.truncate()
        self.offset, self.whole, self.version = 0, None, ""

    def finish_output(self):
        """Gives the whole file its name. The order is what makes it safe against a machine that stops in between."""
        self.file.flush()
        if self.part:
            os.fsync(self.file.fileno())
            self.file.close()
            os.rename(self.part, self.options.output)

    async def take(self, reader, size):
        """Writes the next `size` bytes of the body, or all up to its end if that is None. Each piece wins time."""
        while size is None or size > 0:
            piece = await reader.read(PIECE if size is None else min(size, PIECE))
            if not piece and size is None:
                return
            if not piece:
                raise EOFError
            self.file.write(piece)
            self.offset += len(piece)
            size = None if size is None else size - len(piece)
            self.patience.reschedule(asyncio.get_running_loop().time() + self.options.timeout)

    async def take_chunks(self, reader):
        """A body of which nobody knew the length when it began."""
        size = 1
        while size:
            size = parse_size(re.split("[; \t]", await self.read_line(reader))[0], 16)
            await self.take(reader, size)
            # Behind each piece is an empty line, behind the last one there may be others before it.
            while await self.read_line(reader):
                if size:
                    raise NotHttp("a chunk is longer than its size")

    # --------------------------------------------------------------------------------------------------------- Tries

    def prepare(self, answer):
        """Makes sure that what comes fits behind what is there."""
        if not self.file:
            self.file = open(self.part, "wb") if self.part else sys.stdout.buffer
        if answer.status == 206:
            if (not self.offset or answer.first != self.offset or (answer.version or self.version) != self.version
                    or None not in (self.whole, answer.whole) and answer.whole != self.whole):
                raise NotHttp("the server sends a part that nobody asked for")
            self.whole = self.whole or answer.whole
        else:
            self.begin_anew()
            self.whole = None if answer.is_chunked else answer.length
            self.version = answer.version

    async def converse(self, reader, writer):
        """Returns whether the whole file is there; if not, it is to be asked for again, perhaps at another URL."""
        await self.send_request(writer)
        answer = await self.read_answer(reader)
        self.has_begun = True
        if answer.status in (301, 302, 303, 307, 308):
            here, there = urllib.parse.urlunsplit(self.url), answer.fields.get("location", "")
            try:
                self.url = parse_url(urllib.parse.urljoin(here, there))
            except ValueError:
                raise Refused(f"the server sends us to '{there:.200}', which is no URL of https") from None
            return False
        if answer.status == 416 and self.offset:  # the file has become shorter
            self.begin_anew()
            return False
        if answer.status not in (200, 206):
            raise (Later if answer.status >= 500 or answer.status == 429 else Refused)(
                f"the server answered {answer.status}")
        self.prepare(answer)
        if answer.is_chunked:
            await self.take_chunks(reader)
        else:
            await self.take(reader, answer.length)
        if self.whole is not None and self.offset != self.whole:
            raise NotHttp(f"the server sent {self.offset} bytes in place of {self.whole}")
        return True

    async def connect_and_converse(self):
        async with asyncio.timeout(self.options.timeout) as self.patience:
            reader, writer = await asyncio.open_connection(self.url.hostname, self.url.port or 443, ssl=self.context,
                                                           happy_eyeballs_delay=0.25, ssl_shutdown_timeout=2)
            try:
                is_there = await self.converse(reader, writer)
            except BaseException:
                writer.transport.abort()
                raise
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()  # the file is there; how they part is no matter
            return is_there

    async def try_once(self):
        if self.offset and not self.version:
            self.begin_anew()
        for _ in range(MOST_REDIRECTS + 1):
            if await self.connect_and_converse():
                return
        raise Refused("the server sends us from one place to the next")

    async def try_often(self):
        """Tries until the file is there, or N tries in a row have brought nothing that was not there before."""
        furthest = n_failed = 0
        while True:
            try:
                return await self.try_once()
            except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError, EOFError, Later) as error:
                problem = error
            except ssl.SSLError:
                raise
            except OSError as error:  # where nobody has ever answered it is rather a wrong URL
                if not self.has_begun or (error.errno and not isinstance(error, (ConnectionError, TimeoutError))):
                    raise
                problem = error
            n_failed = 1 if self.offset > furthest else n_failed + 1
            if n_failed >= self.options.tries:
                raise problem
            furthest = max(furthest, self.offset)
            pause = min(FIRST_PAUSE_S * 2 ** (n_failed - 1), LONGEST_PAUSE_S)
            print(f"https_get: {problem or type(problem).__name__}; {self.offset} bytes are there, "
                  f"next try in {pause:g} s", file=sys.stderr)
            await asyncio.sleep(pause)

    # ------------------------------------------------------------------------------------------------------ Progress

    async def show_progress(self):
        """Draws a line until it is cancelled."""
        rate, before = None, 0
        try:
            while True:
                await asyncio.sleep(0.2)
                now = max(self.offset - before, 0) / 0.2
                rate = now if rate is None else 0.85 * rate + 0.15 * now
                before = self.offset
                line = f"\r\033[K{self.offset / 1e6:.1f} MB"
                if self.whole:
                    share = self.offset / self.whole
                    line += f" of {self.whole / 1e6:.1f} MB [{'#' * int(share * 30):30}] {share:4.0%}"
                line += f"  {rate / 1e6:.1f} MB/s"
                if self.whole and rate:
                    minutes, seconds = divmod(int((self.whole - self.offset) / rate) + 1, 60)
                    line += f"  {minutes}:{seconds:02} left"
                print(line, end="", file=sys.stderr, flush=True)
        finally:
            print("\r\033[K", end="", file=sys.stderr)

    async def run(self):
        self.context = ssl.create_default_context(cafile=self.options.ca)
        self.context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        if self.options.crl:
            self.context.load_verify_locations(self.options.crl)
            self.context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        progress = asyncio.create_task(self.show_progress()) if sys.stderr.isatty() else None
        try:
            await self.try_often()
            self.finish_output()
        finally:
            if progress:
                progress.cancel()
                await asyncio.wait([progress])


def main():
    parser = argparse.ArgumentParser(prog="https_get")
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--ca", metavar="FILE")
    parser.add_argument("--crl", metavar="FILE")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS")
    parser.add_argument("--tries", type=int, default=5, metavar="N")
    parser.add_argument("url", type=parse_url, metavar="URL")
    download = Download(parser.parse_args())
    status = 1
    try:
        asyncio.run(download.run())
        return 0
    except ssl.SSLCertVerificationError as error:
        problem, status = error.verify_message, 3
    except (Refused, Later) as error:
        problem, status = error, 4
    except TimeoutError:
        problem = f"nothing came for {download.options.timeout:g} seconds"
    except (OSError, EOFError, NotHttp) as error:
        problem = getattr(error, "strerror", None) or error or type(error).__name__
    except KeyboardInterrupt:
        problem = "interrupted"
    print(f"https_get: {problem}", file=sys.stderr)
    if download.part and download.offset:
        print(f"The first {download.offset} bytes are in {download.part}.", file=sys.stderr)
    elif download.part and download.file:
        os.unlink(download.part)
    return status


if __name__ == "__main__":
    sys.exit(main())
