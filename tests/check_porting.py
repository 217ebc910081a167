#!/usr/bin/python3
"""Compare docs/porting.md with the names of CPython's asyncio and with the public headers.

    check_porting.py ROOT

  - every name of tests/names/*.txt stands in the page's tables once, and the tables have no other;
  - a C name in a table, or under "Only here", exists in a header; a row that is "to come" has none yet;
  - every function of asyncio.h stands in a table or under "Only here".
"""

import pathlib
import re
import sys

CODE = re.compile(r"`([^`]+)`")
C_NAME = re.compile(r"\b(?:asyncio|ASYNCIO)_\w+(?:\.h)?")
IDENTIFIER = re.compile(r"\b(?:asyncio|ASYNCIO)_\w+")
FUNCTION = re.compile(r"\bASYNCIO_(?:API|ASYNC)\b[^;{(]*?\b(asyncio_[a-z]\w*)\s*\(")
PAGE = "docs/porting.md"
TABLE_HEAD = "| Python | here |"
LIST_HEAD = "## Only here"
TO_COME = "to come"


class Row:
    def __init__(self, number, line):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.where = f"{PAGE}:{number}"
        self.names = CODE.findall(cells[0])
        self.to_come = cells[1] == TO_COME
        self.mentioned = c_names(" ".join(cells[1:]))
        self.says_something = bool(cells[1])


def c_names(text):
    """The C names in the code of a text; names of header files are not among them."""
    return {name for code in CODE.findall(text) for name in C_NAME.findall(code) if not name.endswith(".h")}


def read_page(path):
    """The rows of the tables of names, and the C names of the list."""
    rows, listed = [], {}
    in_table = in_list = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            in_list = line == LIST_HEAD
        if not line.startswith("|"):
            in_table = False
        elif line.startswith(TABLE_HEAD):
            in_table = True
        elif in_table and not line.startswith("|---"):
            rows.append(Row(number, line))
        if in_list:
            listed.update((name, f"{PAGE}:{number}") for name in c_names(line))
    return rows, listed


def read_names(folder):
    """Name -> the lists that have it."""
    names = {}
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                names.setdefault(line, []).append(path.name)
    return names


def code_of(header):
    """A header's text without its comments."""
    return re.sub(r"/\*.*?\*/", " ", header.read_text(encoding="utf-8"), flags=re.DOTALL)


def check_names(rows, names):
    seen = {}
    for row in rows:
        if not row.names:
            yield f"{row.where}: no name in the first column"
        if not row.says_something:
            yield f"{row.where}: nothing in the second column; write \"none\" or \"{TO_COME}\""
        for name in row.names:
            if name in seen:
                yield f"{row.where}: {name} stands at {seen[name]} too"
            elif name not in names:
                yield f"{row.where}: {name} is in none of the lists of tests/names"
            seen.setdefault(name, row.where)
    for name in sorted(names.keys() - seen.keys()):
        yield f"{PAGE}: {name} of {names[name][0]} is missing"


def check_c_names(rows, listed, known):
    for row in rows:
        for name in sorted(row.mentioned - known) if not row.to_come else ():
            yield f"{row.where}: no header declares {name}"
    for name, where in sorted(listed.items()):
        if name not in known:
            yield f"{where}: no header declares {name}"


def check_functions(rows, listed, functions):
    mentioned = set(listed).union(*(row.mentioned for row in rows))
    for name in sorted(functions - mentioned):
        yield f"{PAGE}: {name} is neither in a table nor under \"Only here\""


def expected(name):
    """What a Python name would be called here: where that exists, its row cannot be "to come"."""
    owner, _, method = name.rpartition(".")
    return f"asyncio_{owner.lower()}_{method}" if owner else f"asyncio_{name}"


def check_to_come(rows, known):
    for row in rows:
        for name in row.names if row.to_come else ():
            if expected(name) in known:
                yield f"{row.where}: {name} is \"{TO_COME}\", but there is {expected(name)}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    rows, listed = read_page(root / PAGE)
    names = read_names(root / "tests/names")
    headers = {path.name: code_of(path) for path in sorted((root / "include").glob("*.h"))}
    known = {name for text in headers.values() for name in IDENTIFIER.findall(text)}
    functions = {re.sub("_kw$", "", name) for name in FUNCTION.findall(headers["asyncio.h"])
                 if not name.startswith("asyncio__")}
    wrong = [*check_names(rows, names), *check_c_names(rows, listed, known), *check_to_come(rows, known),
             *check_functions(rows, listed, functions)]
    print("not ok porting" if wrong else "ok porting")
    for each in wrong:
        print(f"    {each}")
    print(f"# {0 if wrong else 1} passed, {1 if wrong else 0} failed, 0 skipped")
    n_to_come = sum(len(row.names) for row in rows if row.to_come)
    print(f"# {len(names)} names of Python, {n_to_come} of them to come; {len(functions)} functions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
