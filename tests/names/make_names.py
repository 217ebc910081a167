#!/usr/bin/python3
"""Write the names of an installed CPython's asyncio: asyncio.__all__, and the methods of its loop and its classes.

    make_names.py PYTHON        for example: make_names.py python3.13

PYTHON is asked for its names and its version; the file is asyncio-MAJOR.MINOR.txt beside this script.
"""

import pathlib
import subprocess
import sys

ASK = r'''
import asyncio, platform

# A class and the one whose methods it has as well; those are listed there.
CLASSES = [
    ("Runner", None), ("Future", None), ("Task", "Future"), ("TaskGroup", None), ("Timeout", None),
    ("Lock", None), ("Event", None), ("Condition", None), ("Semaphore", None), ("BoundedSemaphore", "Semaphore"),
    ("Barrier", None), ("Queue", None), ("LifoQueue", "Queue"), ("PriorityQueue", "Queue"),
    ("Handle", None), ("TimerHandle", "Handle"), ("Server", None), ("StreamReader", None), ("StreamWriter", None),
    ("BaseTransport", None), ("ReadTransport", "BaseTransport"), ("WriteTransport", "BaseTransport"),
    ("DatagramTransport", "BaseTransport"), ("SubprocessTransport", "BaseTransport"),
    ("BaseProtocol", None), ("Protocol", "BaseProtocol"), ("BufferedProtocol", "BaseProtocol"),
    ("DatagramProtocol", "BaseProtocol"), ("SubprocessProtocol", "BaseProtocol"),
]

def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}

print(platform.python_version(), platform.system())
print(*sorted(set(asyncio.__all__)), sep="\n")
print(*sorted("loop." + name for name in public(asyncio.AbstractEventLoop)), sep="\n")
for name, base in CLASSES:
    methods = public(getattr(asyncio, name)) - (public(getattr(asyncio, base)) if base else set())
    for method in sorted(methods):
        print(name + "." + method)
'''


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    command = [sys.argv[1], "-W", "ignore", "-c", ASK]
    told, *names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    version, system = told.split()
    path = pathlib.Path(__file__).parent / f"asyncio-{'.'.join(version.split('.')[:2])}.txt"
    head = [
        "# asyncio.__all__, then the methods of the loop, then those of each class that its base does not have.",
        f"# Written by make_names.py with CPython {version} on {system}.",
    ]
    path.write_text("\n".join(head + names) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(names)} names")


if __name__ == "__main__":
    main()
