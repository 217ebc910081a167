#!/usr/bin/python3
"""The names that the public headers export: the one list behind the symbol map and the tests of names.

    symbols.py --map FILE HEADER...        write the linker's version script
    symbols.py --list HEADER...            print "name version-node" lines
    symbols.py --check LIBRARY HEADER...   compare a shared library's exports with the headers

Names of asyncio.h are stable; those of asyncio_lowlevel.h may change with every release and stand under a node of their
own, so that a program which uses them says so in its own symbol table.
"""

import argparse
import pathlib
import re
import subprocess
import sys

STABLE = "ASYNCIO_0.1"
UNSTABLE = "ASYNCIO_UNSTABLE"
MARKS = re.compile(r"\bASYNCIO_(?:API|ASYNC)\b")


def strip(text):
    """C text without comments, string contents and preprocessor lines; line numbers stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])

    text = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.MULTILINE)


def declarations(text):
    """Every marked declaration of a header as (name, offset of its mark, its text)."""
    text = strip(text)
    found = []
    for mark in MARKS.finditer(text):
        body = re.compile(r"[^;{]*").match(text, mark.end())[0]
        name = re.search(r"\b(asyncio_\w+)\s*\(", body) or re.search(r"\b(asyncio_\w+)\s*(?:\[[^\]]*\]\s*)*$", body)
        if not name:
            raise SystemExit(f"symbols.py: no name found in: {' '.join(body.split())}")
        found.append((name[1], mark.start(), body))
    return found


def exported(headers):
    """Name -> version node for all headers; a header with "lowlevel" in its name is the unstable one."""
    nodes = {}
    for header in headers:
        node = UNSTABLE if "lowlevel" in header.name else STABLE
        for name, _, _ in declarations(header.read_text()):
            if name in nodes:
                raise SystemExit(f"symbols.py: {name} is declared twice")
            nodes[name] = node
    return nodes


def write_map(path, nodes):
    lines = ["# Written by tools/symbols.py from the public headers."]
    for node in (STABLE, UNSTABLE):
        names = sorted(name for name in nodes if nodes[name] == node)
        lines.append(f"{node} {{")
        if names:
            lines.append("global:")
            lines += [f"    {name};" for name in names]
        if node == UNSTABLE:
            lines += ["local:", "    *;"]
        lines.append("};")
    path.write_text("\n".join(lines) + "\n")


def library_exports(library, nm="nm"):
    """Name -> version node of what a shared library defines for others."""
    output = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    nodes = {}
    for line in output.splitlines():
        name, _, version = line.split()[-1].partition("@")
        if line.split()[-2] != "A":  # the version nodes themselves
            nodes[name] = version.lstrip("@")
    return nodes


def compare(library, headers):
    """Sentences about each difference between a library's exports and the headers."""
    wanted, found = exported(headers), library_exports(library)
    problems = [f"{name} is declared in a public header but not defined"
                for name in sorted(wanted.keys() - found.keys())]
    problems += [f"{name} is exported but in no public header" for name in sorted(found.keys() - wanted.keys())]
    problems += [f"{name} is exported under {found[name]}, not {wanted[name]}"
                 for name in sorted(wanted.keys() & found.keys()) if wanted[name] != found[name]]
    problems += [f"{name} does not start with asyncio_" for name in sorted(found) if not name.startswith("asyncio_")]
    return problems


def main():
    parser = argparse.ArgumentParser(description="The names that the public headers export.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--map", type=pathlib.Path, metavar="FILE")
    what.add_argument("--list", action="store_true")
    what.add_argument("--check", type=pathlib.Path, metavar="LIBRARY")
    parser.add_argument("headers", nargs="+", type=pathlib.Path, metavar="HEADER")
    options = parser.parse_args()

    if options.map:
        write_map(options.map, exported(options.headers))
    elif options.list:
        for name, node in sorted(exported(options.headers).items()):
            print(name, node)
    else:
        problems = compare(options.check, options.headers)
        for problem in problems:
            print(f"# {problem}")
        print("not ok exports" if problems else "ok exports")
        return 1 if problems else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
