#!/usr/bin/python3
"""Lay out files in place: fold comments, docstrings and Markdown at 120 columns, fit rulers, then run clang-format.

    fmt.py [FILE ...]      all files of the tree when none is named

The public headers are laid out by hand, because clang-format 14 tears initialisers in macros apart; only their comments
are folded. Words that do not fit go to the next line of their paragraph, so that a text keeps the shape its author gave
it.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = 120
C_SUFFIXES = {".c", ".h", ".cpp", ".S"}
HASH_SUFFIXES = {".py", ".build", ".ini", ""}
RULER = re.compile(r"^(/\* ?|# ?)([-=])\2{9,}( .*?)?( \*/)?$")


def prefixes(line, suffix):
    """What a line's text stands behind, and what a line that continues it begins with; None for what is not folded."""
    if suffix in C_SUFFIXES:
        match = re.match(r"(\s*)(/\*|\*(?!/)) (\s{0,7})(- |\d\. )?(?!\*|--|==)(?=\S)", line)
        if match:
            star = "*" if match[2] == "*" else " *"
            return match[0], f"{match[1]}{star} {match[3]}{' ' * len(match[4] or '')}"
    elif suffix == "docstring":
        match = re.match(r'(\s*)(?:""")?(\s{0,3})(- )?(?=[^\s"])', line)
        if match:
            return match[0], match[1] + match[2] + " " * len(match[3] or "")
    elif suffix in HASH_SUFFIXES:
        match = re.match(r"(\s*# )(\s{0,3})(- )?(?!--|==)(?=\S)", line)
        if match:
            return match[0], match[1] + match[2] + " " * len(match[3] or "")
    elif suffix == ".md":
        match = re.match(r"(\s{0,3})([-*] |\d+\. )?(?!```)(?=[^\s|#>])", line)
        if match:
            return match[0], match[1] + " " * len(match[2] or "")
    return None


def continues(line, prefix, suffix):
    """Whether a line goes on with the paragraph whose lines begin with this prefix."""
    text = line[len(prefix):] if line.startswith(prefix) else ""
    if not text or re.match(r'\s|- |--|==|/|"""|[A-Z][a-z]+:', text):
        return False
    return suffix != ".md" or not re.match(r"[|#>*]|```|\d+\. ", text)


def fit_ruler(line):
    """A ruler of the full width: its title, if any, is at its end."""
    match = RULER.match(line)
    if not match or len(line) <= COLUMNS:
        return line
    rest = (match[3] or "") + (match[4] or "")
    return match[1] + match[2] * (COLUMNS - len(match[1]) - len(rest)) + rest


def fold(text, suffix):
    lines = text.split("\n")
    number, fenced, quoted = 0, False, False
    while number < len(lines):
        line = lines[number] = fit_ruler(lines[number])
        fenced ^= suffix == ".md" and line.lstrip().startswith("```")
        begins = suffix == ".py" and line.lstrip().startswith('"""')
        kind = "docstring" if quoted or begins else suffix
        if suffix == ".py" and (quoted or begins):
            quoted ^= line.count('"""') == 1
        found = None if fenced or len(line) <= COLUMNS else prefixes(line, kind)
        if found:
            cut = line.rfind(" ", len(found[0]), COLUMNS + 1)
            # The end of a comment does not stand alone.
            if cut > 0 and line[cut:] == " */":
                cut = line.rfind(" ", len(found[0]), cut)
            if kind == "docstring" and line.count('"""') == 2 and begins:
                quoted = True
            if cut > 0:
                rest, following = line[cut + 1:], lines[number + 1] if number + 1 < len(lines) else ""
                lines[number] = line[:cut].rstrip()
                if not rest.endswith(("*/", '"""')) and continues(following, found[1], kind):
                    lines[number + 1] = f"{found[1]}{rest} {following[len(found[1]):]}"
                else:
                    lines.insert(number + 1, found[1] + rest)
        number += 1
    return "\n".join(lines)


def files_of_tree():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if parts[0] not in ("build", ".git") and "__pycache__" not in parts and path.is_file():
            yield path


def main():
    formatted = []
    for path in [pathlib.Path(name).resolve() for name in sys.argv[1:]] or files_of_tree():
        if path.suffix not in C_SUFFIXES | HASH_SUFFIXES | {".md"} or path.name == "LICENSE":
            continue
        text = path.read_text(encoding="utf-8")
        folded = fold(text, path.suffix)
        if folded != text:
            path.write_text(folded, encoding="utf-8")
        if path.suffix in {".c", ".h", ".cpp"} and path.parent != ROOT / "include":
            formatted.append(str(path))
    if formatted:
        subprocess.run(["clang-format", "-i", *formatted], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
