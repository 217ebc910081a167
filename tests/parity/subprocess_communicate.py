"""Talking to processes until they end: apart, much at a time, unread, cancelled (SP-04, SP-10)."""
# requires: 3.12

import asyncio
from asyncio.subprocess import PIPE, STDOUT

from virtual_clock import quoted

MUCH = 1 << 20


def shown(data):
    return "None" if data is None else quoted(data) if len(data) < 100 else f"{len(data)} bytes"


async def talks(command, data, **pipes):
    process = await asyncio.create_subprocess_shell(command, **pipes)
    out, err = await process.communicate(data)
    print(f"{command}: {shown(out)}, {shown(err)}, {process.returncode}")
    return out


async def main():
    await talks("cat; echo err >&2; exit 5", b"hello\n", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    await talks("cat; echo err >&2", b"hello\n", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    await talks("cat", None, stdin=PIPE, stdout=PIPE)
    await talks("exit 3", None)
    data = bytes(range(256)) * (MUCH // 256)
    out = await talks("tee /dev/stderr", data, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    print(f"the same: {out == data}")
    await talks("exec <&-; echo unread; exit 1", data, stdin=PIPE, stdout=PIPE)
    await talks("kill -TERM $$", data, stdin=PIPE, stdout=PIPE)

    # Twice: nothing more comes, and it has ended as before.
    process = await asyncio.create_subprocess_shell("echo once; exit 2", stdout=PIPE)
    for _ in range(2):
        out, err = await process.communicate()
        print(f"{shown(out)}, {shown(err)}, {process.returncode}")


asyncio.run(main())
