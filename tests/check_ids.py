#!/usr/bin/python3
"""Check that every id of ids.txt is named by a test, in its sentence or in its name, and that tests name no other ids.

A sentence names ids as they are: "L-02 #2: ...". A name, for tests that have no sentence, has them between underscores:
EV_03, bug_53. An id is exempt only with a reason, and no longer when a test names it.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
FAMILIES = "SP|SG|EV|CV|SM|ST|SV|IO|TR|TL|R|T|C|F|X|L|E|B|Q|D|N"
ID = re.compile(rf"\b(?:{FAMILIES})-\d\d\b|#\d+\b")
LINE = re.compile(rf"((?:{FAMILIES})-\d\d|#\d+) (exempt: )?(\S.*)")
TEST = re.compile(r"^TEST(?:_\w+)?\(\s*(\w+)\s*,((?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*)\)", re.MULTILINE)
TEXT = re.compile(r"\"((?:[^\"\\]|\\.)*)\"")
ID_IN_NAME = re.compile(rf"(?:^|_)({FAMILIES})_?(\d\d)(?=_|$)")
BUG_IN_NAME = re.compile(r"(?:^|_)bug_?(\d+)(?=_|$)")


def read_ids(path):
    """Ids and, for exempt ones, the reason; and what is wrong with the file itself."""
    ids, wrong = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("# "):
            continue
        match = LINE.fullmatch(line)
        if not match:
            wrong.append(f"{path.name}:{number}: neither an id with a phrase nor a comment: {line}")
        elif match[1] in ids:
            wrong.append(f"{path.name}:{number}: {match[1]} stands twice")
        else:
            ids[match[1]] = match[3] if match[2] else None
    return ids, wrong


def named_by(path):
    """The ids that each test of a file names."""
    for match in TEST.finditer(path.read_text(encoding="utf-8")):
        sentence = " ".join(TEXT.findall(match[2]))
        found = set(ID.findall(sentence))
        found |= {f"{family}-{number}" for family, number in ID_IN_NAME.findall(match[1])}
        found |= {f"#{number}" for number in BUG_IN_NAME.findall(match[1])}
        yield match[1], found


def main():
    ids, wrong = read_ids(HERE / "ids.txt")
    tested = {}
    n_tests = 0
    for path in sorted([*HERE.glob("*.c"), *HERE.glob("*.cpp")]):
        for test, found in named_by(path):
            n_tests += 1
            for each in found:
                tested.setdefault(each, f"{path.name}: {test}")
    wrong += [f"{where} names {each}, which ids.txt does not have" for each, where in sorted(tested.items())
              if each not in ids]
    wrong += [f"{each} is exempt, but {tested[each]} tests it" for each, reason in ids.items()
              if reason and each in tested]
    missing = [each for each, reason in ids.items() if not reason and each not in tested]
    if missing:
        wrong.append(f"{len(missing)} of {len(ids)} ids have no test: {' '.join(missing)}")
    print("not ok ids" if wrong else "ok ids")
    for each in wrong:
        print(f"    {each}")
    print(f"# {0 if wrong else 1} passed, {1 if wrong else 0} failed, 0 skipped")
    print(f"# {n_tests} tests, {len(ids)} ids, {sum(1 for reason in ids.values() if reason)} exempt")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
