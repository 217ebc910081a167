"""Copies a file, whole or not at all.

    file_copy.py FROM TO      TO is a file or a directory

The copy grows under a name of its own beside its destination, is brought to the disk and then takes its name, in one
step. So whoever looks at TO sees the old file or the new one, and after Ctrl-C, SIGTERM or on a full disk nothing is
left of a half copy. It has the permissions of the original. On a terminal a bar shows how far it is.

The exit status is 0, 1 after an error, and 130 after Ctrl-C or SIGTERM.
"""

import asyncio
import os
import pathlib
import signal
import stat
import sys
import tempfile

PIECE = 4 * 1024 * 1024
BAR_WIDTH = 40


def show_progress(done, size):
    part = min(done / size, 1) if size else 1
    bar = "#" * int(BAR_WIDTH * part)
    print(f"\r[{bar:{BAR_WIDTH}}] {100 * part:3.0f} %, {done / 1e6:.0f} of {size / 1e6:.0f} MB", end="",
          file=sys.stderr, flush=True)


async def copy_bytes(source, target, size):
    done, n = 0, 1
    while n:
        if sys.stderr.isatty():
            show_progress(done, size)
        # A cancel must not leave a thread that still writes.
        piece = asyncio.ensure_future(asyncio.to_thread(os.copy_file_range, source, target, PIECE))
        try:
            n = await asyncio.shield(piece)
        except asyncio.CancelledError:
            await piece
            raise
        done += n
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return done


async def copy_file(source, to):
    about = os.fstat(source)
    if not stat.S_ISREG(about.st_mode):
        raise OSError("not a regular file")
    if to.exists() and (not to.is_file() or os.path.samestat(to.stat(), about)):
        raise FileExistsError(f"{to} is no other regular file")
    target, temporary = tempfile.mkstemp(dir=to.parent, prefix=to.name + ".")
    try:
        done = await copy_bytes(source, target, about.st_size)
        os.fchmod(target, stat.S_IMODE(about.st_mode))
        await asyncio.to_thread(os.fsync, target)
        os.rename(temporary, to)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(target)
    return done


async def run(name, to):
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    source = os.open(name, os.O_RDONLY)
    try:
        return await copy_file(source, to)
    finally:
        os.close(source)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: file_copy.py FROM TO")
    to = pathlib.Path(sys.argv[2])
    if to.is_dir():
        to /= pathlib.Path(sys.argv[1]).name
    try:
        done = asyncio.run(run(sys.argv[1], to))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("file_copy: stopped, nothing is copied", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"file_copy: {error}", file=sys.stderr)
        return 1
    print(f"{to}: {done} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
