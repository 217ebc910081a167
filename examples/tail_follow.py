"""Prints the last lines of files, and then what is added to them, as `tail -F` does.

    tail_follow.py [--lines=N] FILE...      N: 10

A file is followed by its name. When another one takes it, as when a log is rotated, the rest of the old one is printed
first, and then the new one from its beginning; one that is not there, or no longer, is waited for; one that has become
shorter is printed from its beginning. What is special about a file is told on standard error.

Python's library is not told of what happens to files, so this one looks again and again. Ends with Ctrl-C, or when
nobody reads the output any more.
"""

import argparse
import asyncio
import os
import sys

PAUSE_S = 0.2


class Followed:
    last = None

    def __init__(self, path, several):
        self.path, self.several = path, several
        self.file = None

    def tell(self, text):
        print(f"tail_follow: {self.path} {text}", file=sys.stderr, flush=True)

    def print(self, data):
        if not data:
            return
        if self.several and Followed.last is not self:
            between = "" if Followed.last is None else "\n"
            sys.stdout.write(f"{between}==> {self.path} <==\n")
            sys.stdout.flush()
            Followed.last = self
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def print_last(self, n_lines):
        try:
            self.file = open(self.path, "rb")
        except OSError as error:
            self.tell(f"cannot be opened: {error.strerror}")
        else:
            lines = self.file.readlines()
            self.print(b"".join(lines[-n_lines:] if n_lines else []))

    def look_at(self):
        try:
            same = self.file and os.path.samestat(os.stat(self.path), os.fstat(self.file.fileno()))
            new = None if same else open(self.path, "rb")
        except OSError as error:
            same, new = False, None
            if self.file:
                self.print(self.file.read())
                self.tell(f"is gone: {error.strerror}")
                self.file.close()
                self.file = None
        if new:
            if self.file:
                self.print(self.file.read())
                self.file.close()
            self.tell("is another file now" if self.file else "has appeared")
            self.file = new
        if self.file:
            if os.fstat(self.file.fileno()).st_size < self.file.tell():
                self.tell("has become shorter")
                self.file.seek(0)
            self.print(self.file.read())


async def follow(options):
    files = [Followed(path, len(options.files) > 1) for path in options.files]
    for followed in files:
        await asyncio.to_thread(followed.print_last, options.lines)
    while True:
        await asyncio.sleep(PAUSE_S)
        for followed in files:
            await asyncio.to_thread(followed.look_at)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", "--lines", type=int, default=10)
    parser.add_argument("files", nargs="+")
    try:
        asyncio.run(follow(parser.parse_args()))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
