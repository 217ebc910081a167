"""Counts the words of files: producers walk through directories, workers read what they find, a queue is in between.

    pipeline.py [--timeout=SECONDS] [--top=N] PATH...

Files and directories are read by threads, because that blocks. All else is done by tasks, which take turns, so that
what they share needs no lock.
"""

import argparse
import asyncio
import collections
import os
import re
import stat
import sys

PRODUCERS, WORKERS, LONGEST_WORD = 2, 4, 63
EXIT_TIMED_OUT, EXIT_INTERRUPTED = 124, 130
WORD = re.compile(rb"[A-Za-z\x80-\xff]+")


class Census:
    """What all tasks share."""

    def __init__(self, roots):
        self.files = asyncio.Queue(16)
        self.words = collections.Counter()
        self.n_files = self.n_failed = 0
        self.roots = roots
        self.terminal = sys.stderr.isatty()

    def file_failed(self, path, error):
        self.n_failed += 1
        print(f"{'\r\033[K' if self.terminal else ''}pipeline: {path}: {error.strerror}", file=sys.stderr)


def list_directory(path):
    """In a thread: no hidden entries, no links, which may lead back, and no pipes, which may never end."""
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if entry.name[0] != "." and not entry.is_symlink()
                      and not stat.S_ISFIFO(entry.stat(follow_symlinks=False).st_mode))


def read_words(path):
    """In a thread."""
    with open(path, "rb") as file:
        return [word[:LONGEST_WORD] for word in WORD.findall(file.read().lower())]


async def walk(census, path):
    """Puts the files at and below a path into the queue."""
    try:
        entries = await asyncio.to_thread(list_directory, path)
    except NotADirectoryError:
        await census.files.put(path)
    except OSError as error:
        census.file_failed(path, error)
    else:
        for entry in entries:
            await walk(census, entry)


async def produce(census):
    while census.roots:
        await walk(census, census.roots.pop(0))


async def work(census):
    try:
        while path := await census.files.get():
            try:
                census.words.update(await asyncio.to_thread(read_words, path))
                census.n_files += 1
            except OSError as error:
                census.file_failed(path, error)
    except asyncio.QueueShutDown:
        pass


async def run_pipeline(census):
    """The workers end when the producers have, and the queue is empty."""
    async with asyncio.TaskGroup() as workers:
        for _ in range(WORKERS):
            workers.create_task(work(census))
        async with asyncio.TaskGroup() as producers:
            for _ in range(PRODUCERS):
                producers.create_task(produce(census))
        census.files.shutdown()


async def show_progress(census):
    try:
        while True:
            print(f"\r{census.n_files} files, {census.words.total()} words", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(0.1)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


async def count_all(census, seconds):
    progress = asyncio.create_task(show_progress(census)) if census.terminal else None
    try:
        async with asyncio.timeout(seconds):
            await run_pipeline(census)
    finally:
        if progress:
            progress.cancel()
            await asyncio.wait([progress])


def print_results(census, top):
    frequent_first = sorted(census.words.items(), key=lambda item: (-item[1], item[0]))
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    for word, count in frequent_first[:top]:
        print(f"{count:7} {word.decode('utf-8', 'surrogateescape')}")
    print(f"{census.n_files} files, {census.words.total()} words, {len(census.words)} of them different, "
          f"{census.n_failed} unreadable")


def main():
    parser = argparse.ArgumentParser(prog="pipeline", description="Count the words of files.")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("--top", type=int, default=10, metavar="N")
    parser.add_argument("path", nargs="+")
    options = parser.parse_args()
    census = Census(options.path)
    try:
        asyncio.run(count_all(census, options.timeout))
    except KeyboardInterrupt:
        print(f"pipeline: interrupted after {census.n_files} files", file=sys.stderr)
        return EXIT_INTERRUPTED
    except TimeoutError:
        print(f"pipeline: timed out after {census.n_files} files", file=sys.stderr)
        return EXIT_TIMED_OUT
    print_results(census, options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
