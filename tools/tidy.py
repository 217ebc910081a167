#!/usr/bin/python3
"""Check the house rules, those that a program can check; a test, so it prints one line a rule and then the sum.

Lengths only warn. What has to stay as it is stands in tools/tidy_exceptions.txt, one a line, with its reason:

    RULE WHERE -- why

where WHERE is as in the report: a path, or path:name for a function or a call.
"""

import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import build
import symbols

ROOT = build.ROOT
EXCEPTIONS = ROOT / "tools/tidy_exceptions.txt"
FLOORS = ["base", "coro", "backend", "loop", "task", "lib"]
C_SUFFIXES = {".c", ".h", ".cpp", ".S"}
TEXT_SUFFIXES = C_SUFFIXES | {".py", ".md", ".txt", ".build", ".ini", ".yml", ""}
SKIPPED_FOLDERS = {"build", ".git", "__pycache__"}
MAX_COLUMNS = 120
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 600

EVERYWHERE = ("",)
SOURCES = ("src/",)
# (calls, where they are banned, where they are allowed all the same, what to use instead)
BANNED_CALLS = [
    ("strcpy strcat stpcpy strncpy strncat sprintf vsprintf gets strtok", EVERYWHERE, (),
     "snprintf, or memcpy with a known length"),
    ("atoi atol atof", SOURCES, (), "strtol or strtod, and check what they say"),
    ("setjmp longjmp _setjmp _longjmp sigsetjmp siglongjmp getcontext setcontext makecontext swapcontext", EVERYWHERE,
     (), "the switch of src/coro"),
    ("alloca strdupa", EVERYWHERE, (), "an array of fixed size, or the allocator of src/base/mem.h"),
    ("signal bsd_signal sysv_signal", ("src/", "examples/"), (), "sigaction, or asyncio_loop_add_signal_handler"),
    ("sleep usleep nanosleep clock_nanosleep", ("src/", "tests/"), (), "asyncio_sleep on the virtual clock"),
    ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc", SOURCES,
     ("src/base/mem.c",), "the allocator of src/base/mem.h, which can be replaced and made to fail"),
    ("clock_gettime gettimeofday time", SOURCES, ("src/backend/",), "the loop's clock, which may be virtual"),
    ("epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect", SOURCES, ("src/backend/",),
     "an operation of the back end: no other floor blocks"),
    ("getaddrinfo getnameinfo gethostbyname", SOURCES, ("src/loop/dns_nss.c",), "the resolver of src/loop/dns.c"),
    ("rand random srand srandom drand48 lrand48", ("src/", "tests/"), (),
     "a seeded generator, or the run cannot be repeated"),
    ("printf vprintf puts putchar perror", SOURCES, (), "the log of src/base/log.h, or a FILE that the caller gave"),
    ("exit atexit", SOURCES, (), "an error for the caller, who decides whether to end the program"),
]

UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|[Ff]or" r" now)\b")
MACHINE_PATH = re.compile(r"(?<![\w.:/*$}~-])/(?:wo" r"rk|ro" r"ot|ho" r"me|Us" r"ers|mn" r"t)/\w")
TOOL_NAMES = re.compile(r"\b(?:__asan_|__tsan_|__lsan_|__msan_|__sanitizer_|VALGRIND_)\w+")
# Their size depends on the user's flags.
UNSTABLE_TYPES = re.compile(r"\b(?:off_t|ino_t|time_t|struct\s+(?:stat|timespec|timeval|dirent))\b")


class Report:
    """Collects problems by rule, and knows the exceptions."""

    def __init__(self):
        self.problems = {}
        self.warnings = []
        self.exceptions = {}
        self.used = set()
        if EXCEPTIONS.exists():
            for number, line in enumerate(EXCEPTIONS.read_text(encoding="utf-8").splitlines(), 1):
                self.read_exception(line, number)

    def read_exception(self, line, number):
        if not line.strip() or line.startswith("#"):
            return
        match = re.fullmatch(r"(\S+)\s+(\S+)\s+--\s+(\S.*)", line)
        if match:
            self.exceptions[match[1], match[2]] = match[3]
        else:
            name = EXCEPTIONS.relative_to(ROOT)
            self.rule("exceptions").append(f"{name}:{number}: not of the form RULE WHERE -- why")

    def rule(self, name):
        """The list of a rule's problems; asking for it makes the rule known."""
        return self.problems.setdefault(name, [])

    def excepted(self, rule, where):
        if (rule, where) not in self.exceptions:
            return False
        self.used.add((rule, where))
        return True

    def finish(self):
        for rule, where in sorted(self.exceptions.keys() - self.used):
            self.rule("exceptions").append(f"{EXCEPTIONS.relative_to(ROOT)}: {rule} {where} is not needed any more")
        failed = 0
        for warning in self.warnings:
            print(f"# warning: {warning}")
        for rule, problems in self.problems.items():
            for problem in problems:
                print(f"# {problem}")
            print(f"{'not ok' if problems else 'ok'} tidy-{rule}")
            failed += bool(problems)
        print(f"# {len(self.problems) - failed} passed, {failed} failed, 0 skipped")
        return 1 if failed else 0


class Source:
    """A file of the tree: its text, and for C its code without comments and strings."""

    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.is_c = path.suffix in C_SUFFIXES
        self.code = symbols.strip(self.text) if self.is_c and path.suffix != ".S" else ""

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def at(self, offset):
        return f"{self.name}:{self.line_of(offset)}"


def tree():
    """All text files of the tree."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if not SKIPPED_FOLDERS.intersection(parts) and path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield Source(path)


def check_text(source, report):
    """Columns, tabs, blanks, unfinished business, paths of somebody's machine."""
    layout, unfinished, paths = report.rule("layout"), report.rule("unfinished"), report.rule("machine-paths")
    tabs_allowed = source.path.name == "Makefile"
    for number, line in enumerate(source.lines, 1):
        where = f"{source.name}:{number}"
        free = source.path.suffix == ".md" and (line.startswith("|") or "://" in line)
        if len(line) > MAX_COLUMNS and not free:
            layout.append(f"{where}: {len(line)} columns, at most {MAX_COLUMNS}")
        if "\t" in line and not tabs_allowed:
            layout.append(f"{where}: a tab")
        if line != line.rstrip():
            layout.append(f"{where}: blanks at the end of the line")
        if match := UNFINISHED.search(line):
            if not report.excepted("unfinished", source.name):
                unfinished.append(f"{where}: \"{match[0]}\": finish it, or write down what is missing where users look")
        if MACHINE_PATH.search(line):
            paths.append(f"{where}: the path of somebody's machine")
    if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
        layout.append(f"{source.name}: must end with one line end")


def check_includes(source, report):
    """Floors, and who may know of sanitizers and Valgrind."""
    floors, tools = report.rule("floors"), report.rule("tools-in-coro")
    parts = source.path.relative_to(ROOT).parts
    if parts[0] != "src" or len(parts) < 3:
        return
    own = parts[1]
    for match in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", source.text, re.MULTILINE):
        included = match[2]
        if re.match(r"(sanitizer|valgrind)/", included) and own != "coro":
            tools.append(f"{source.at(match.start())}: <{included}> belongs to src/coro; give it a function for this")
        if match[1] != '"':
            continue
        places = ((source.path.parent / included).resolve(), (ROOT / "src" / included).resolve())
        target = next((place for place in places if place.exists()), None)
        if not target:
            continue  # the compiler will say so
        if ROOT / "src" not in target.parents:
            floors.append(f"{source.at(match.start())}: \"{included}\" is not below src; public headers go in <>")
        elif FLOORS.index(target.relative_to(ROOT / "src").parts[0]) > FLOORS.index(own):
            floors.append(f"{source.at(match.start())}: {own} includes \"{included}\", of a floor above")
    if own != "coro":
        for match in TOOL_NAMES.finditer(source.code):
            tools.append(f"{source.at(match.start())}: {match[0]} belongs to src/coro; give it a function for this")


def check_calls(source, report):
    problems = report.rule("banned-calls")
    for calls, banned, allowed, instead in BANNED_CALLS:
        if not source.name.startswith(banned) or source.name.startswith(allowed or ("\0",)):
            continue
        # Members and pointers of that name are other functions.
        for match in re.finditer(r"(?<![\w.>*])(" + "|".join(calls.split()) + r")\s*\(", source.code):
            if not report.excepted("banned-calls", f"{source.name}:{match[1]}"):
                problems.append(f"{source.at(match.start())}: {match[1]}(): use {instead}")


def check_first_line(source, report):
    problems = report.rule("first-line")
    # A file whose header says it for both begins with that header.
    begins = (f"/* {source.path.name} -- ", f"#include \"{source.path.stem}.h\"\n")
    if source.name.startswith(("src/", "include/")) and not source.text.startswith(begins):
        problems.append(f"{source.name}: must begin with \"/* {source.path.name} -- what it owns\", or with its header")
    if source.path.suffix == ".h" and "\n#pragma once\n" not in source.text:
        problems.append(f"{source.name}: has no #pragma once")


def check_lengths(source, report):
    """Warnings: long files, and functions by their braces in the first column."""
    if len(source.lines) > MAX_FILE_LINES and not report.excepted("file-length", source.name):
        report.warnings.append(f"{source.name}: {len(source.lines)} lines, more than {MAX_FILE_LINES}")
    begin = None
    for number, line in enumerate(source.code.splitlines(), 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin is not None:
            length = number - begin - 1
            if length > MAX_FUNCTION_LINES:
                name = function_name(source, begin)
                if not report.excepted("function-length", f"{source.name}:{name}"):
                    report.warnings.append(f"{source.name}:{begin}: {name}() has {length} lines, more than "
                                           f"{MAX_FUNCTION_LINES}")
            begin = None


def function_name(source, brace_line):
    """The name in front of the last parameter list above a line."""
    head = "\n".join(source.code.splitlines()[max(0, brace_line - 8):brace_line - 1])
    head = re.split(r"[;}]", head)[-1]
    names = re.findall(r"(\w+)\s*\(", head)
    return names[0] if names else "?"


def check_public_header(source, report):
    """Contracts, and names that cannot meet the user's."""
    contracts, names, types = report.rule("contracts"), report.rule("public-names"), report.rule("public-types")
    try:
        declared = symbols.declarations(source.text)
    except SystemExit as problem:
        names.append(str(problem))
        return
    previous_end = None
    for name, offset, body in declared:
        begin = source.text.rfind("\n", 0, offset) + 1
        above = source.text[:begin]
        # Functions that follow one another without a blank line share one contract.
        shared = previous_end is not None and not source.text[previous_end:begin].strip("; \n") \
            and "\n\n" not in source.text[previous_end:begin]
        if above.rstrip(" ").endswith("*/\n") or shared:
            previous_end = offset + len("ASYNCIO_API") + len(body)
        else:
            contracts.append(f"{source.at(offset)}: {name} has no comment directly above that says what it promises")
            previous_end = None
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", source.text, re.MULTILINE):
        if not match[1].lower().startswith("asyncio_"):
            names.append(f"{source.at(match.start())}: macro {match[1]} does not start with ASYNCIO_")
    for match in re.finditer(r"\b(struct|enum|union)\s+(\w+)\s*[{;]", source.code):
        if not match[2].startswith("asyncio_"):
            names.append(f"{source.at(match.start())}: {match[1]} {match[2]} does not start with asyncio_")
    for match in re.finditer(r"\btypedef\s+(?:struct|enum|union)\b[^;()]*[{;]", source.code):
        names.append(f"{source.at(match.start())}: no typedef for a struct: functions may have the same name")
    for match in UNSTABLE_TYPES.finditer(source.code):
        types.append(f"{source.at(match.start())}: the size of {match[0]} depends on the user's flags")


def check_lists(report):
    """Every source is listed for the build, and every list names what is there."""
    problems = report.rule("build-lists")
    for path in build.unlisted():
        problems.append(f"{path}: no meson.build lists it")
    lists = (ROOT / "tests/meson.build").read_text(encoding="utf-8")
    tests = re.search(r"test_files = \[(.*?)\]", lists, re.DOTALL)
    known = {pathlib.Path(name).stem for name in re.findall(r"'([^']+)'", tests[1])} if tests else set()
    for name in sorted(set(re.findall(r"'(test_\w+)'", lists)) - known):
        problems.append(f"tests/meson.build: {name} stands in a table but not in test_files")
    for folder in [ROOT / "src" / floor for floor in FLOORS] + [ROOT / "tests"]:
        for name in re.findall(r"'([\w/]+\.(?:c|cpp|S))'", (folder / "meson.build").read_text(encoding="utf-8")):
            if not (folder / name).exists():
                problems.append(f"{(folder / 'meson.build').relative_to(ROOT)}: {name} is not there")


def main():
    report = Report()
    for source in tree():
        check_text(source, report)
        if not source.is_c:
            continue
        check_includes(source, report)
        check_calls(source, report)
        check_first_line(source, report)
        check_lengths(source, report)
        if source.name.startswith("include/"):
            check_public_header(source, report)
    check_lists(report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
