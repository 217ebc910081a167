#!/usr/bin/python3
"""Check in the built library that no floor uses a function of one above it: that the loop links without tasks, for
example.

    check_floors.py LIBRARY.a FLOOR...     floors from the ground up, as the objects' names begin
"""

import collections
import re
import subprocess
import sys


def read_objects(library):
    """Object name -> (names it defines, names it uses)."""
    output = subprocess.run(["nm", "-gA", library], text=True, capture_output=True, check=True).stdout
    objects = collections.defaultdict(lambda: (set(), set()))
    for line in output.splitlines():
        match = re.match(r".*?:([^:]+\.o):\s*[0-9a-f]*\s+(\w)\s+(\S+)$", line)
        if match:
            defined, used = objects[match[1]]
            (used if match[2] in "Uw" else defined).add(match[3])
    return objects


def main():
    library, floors = sys.argv[1], sys.argv[2:]
    objects = read_objects(library)
    floor_of = {name: next((floor for floor in floors if name.startswith(floor + "_")), None) for name in objects}
    home = {symbol: name for name, (defined, _) in objects.items() for symbol in defined}
    failed = 0
    for level, floor in enumerate(floors):
        problems = []
        for name in sorted(objects):
            if floor_of[name] != floor:
                continue
            for symbol in sorted(objects[name][1] & home.keys()):
                above = floor_of[home[symbol]]
                if above in floors[level + 1:]:
                    problems.append(f"{name} uses {symbol}, which {home[symbol]} of floor {above} defines")
        for problem in problems:
            print(f"# {problem}")
        print(f"{'not ok' if problems else 'ok'} links-without-floors-above-{floor}")
        failed += bool(problems)
    strangers = sorted(name for name in objects if not floor_of[name])
    for name in strangers:
        print(f"# {name} is on no floor")
    print(f"{'not ok' if strangers or not objects else 'ok'} every-object-on-a-floor")
    failed += bool(strangers or not objects)
    print(f"# {len(floors) + 1 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
