#!/usr/bin/python3
"""Compile each public header alone, and programs that use them, with every compiler and standard that is promised."""

import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True

import checks

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror"]
LANGUAGES = [
    # In C++ a function hides the constructor of the struct that has its name, so -Wshadow is for C only.
    # (suffix, compilers, standards, warnings that only this language has)
    (".c", ("gcc", "clang"), ("c11", "c17", "c2x", "gnu11"),
     ["-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"]),
    (".cpp", ("g++", "clang++"), ("c++17", "c++20"), ["-Wold-style-cast", "-Wzero-as-null-pointer-constant"]),
]


def sources(folder, suffix):
    """The files to compile: each header once and twice, all together, and the program of an outsider."""
    headers = sorted(path.name for path in (ROOT / "include").glob("*.h"))
    texts = {name.removesuffix(".h"): f"#include <{name}>\n" * 2 for name in headers}
    texts["reversed"] = "".join(f"#include <{name}>\n" for name in reversed(headers))
    for name, text in texts.items():
        path = folder / (name + suffix)
        # Pedantic compilers want a translation unit to declare something.
        path.write_text(text + "extern int something;\n", encoding="utf-8")
        yield path
    yield ROOT / "tests/outside" / ("program" + suffix)


def main():
    cases = checks.Cases()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for suffix, compilers, standards, warnings in LANGUAGES:
            files = list(sources(pathlib.Path(folder), suffix))
            for compiler in compilers:
                if not shutil.which(compiler):
                    cases.skip(f"headers-{compiler}", f"there is no {compiler}")
                    continue
                for standard in standards:
                    for path in files:
                        command = [compiler, f"-std={standard}", *WARNINGS, *warnings, "-I", ROOT / "include",
                                   "-fsyntax-only", path]
                        jobs.append((f"headers-{compiler}-{standard}-{path.stem}", pool.submit(checks.run, command)))
        for name, job in jobs:
            cases.case(name, job.result()[1])
    return cases.finish()


if __name__ == "__main__":
    sys.exit(main())
