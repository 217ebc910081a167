#!/usr/bin/python3
"""Configure and build one variant of the project in build/VARIANT; everything that builds goes through here.

    build.py VARIANT [TARGET ...]     configure when needed, then run ninja
    build.py --list                   the variants

Meson notices changed files by itself, but not new ones, like a golden transcript that turns an example into a test; so
the names of all source files are kept beside the build, and a change of them configures again. A lock lets two of these
run in one tree.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SOURCE_FOLDERS = ("include", "src", "tests", "examples", "bench")
SOURCE_SUFFIXES = {".c", ".cpp", ".h", ".S", ".out"}

# Developers' variants treat warnings as errors; what users install does not, because their compiler may know new ones.
STRICT = ["-Dwerror=true"]
# Linking with "no undefined symbols" and sanitizers whose runtime is only in the program do not go together.
SANITIZED = STRICT + ["-Db_lundef=false"]


class Variant:
    """What a build directory is made with, and how its programs run.

    No `cc` means the user's choice. `needs` are groups of tools/setup, `wrapper` is a command to put before a program,
    and `slowness` multiplies the tests' time limits."""

    def __init__(self, about, options, cc=None, cxx=None, needs=(), run_environment=None, wrapper="", slowness=1):
        self.about = about
        self.options = options
        self.environment = {key: value for key, value in (("CC", cc), ("CXX", cxx)) if value}
        self.needs = ("build", *needs)
        self.run_environment = run_environment or {}
        self.wrapper = wrapper
        self.slowness = slowness


GCC = {"cc": "gcc", "cxx": "g++"}
CLANG = {"cc": "clang", "cxx": "clang++", "needs": ("clang",)}
UNOPTIMISED = {"slowness": 2}
# gcc sees ghosts in instrumented code; the plain variants keep these warnings on.
ADDRESS_SANITIZED = SANITIZED + ["-Db_sanitize=address,undefined",
                                 "-Dc_args=-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-format-truncation"]
ADDRESS_SANITIZER = {"ASAN_OPTIONS": "strict_string_checks=1:check_initialization_order=1",
                     "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}

# Debian's musl comes without the kernel's headers; behind its own it may have those of glibc.
KERNEL_HEADERS = f"-idirafter/usr/include -idirafter/usr/include/{platform.machine()}-linux-gnu"

VARIANTS = {
    "dev": Variant("-O2 with assertions: make, make run, make test", STRICT),
    "release": Variant("what make install installs",
                       ["-Doptimization=2", "-Ddebug=true", "-Db_ndebug=true", "-Db_lto=true", "-Dtests=false",
                        "-Dexamples=false"]),
    "bench": Variant("the benchmarks, without assertions",
                     STRICT + ["-Doptimization=2", "-Ddebug=true", "-Db_ndebug=true", "-Dtests=false",
                               "-Dexamples=false", "-Dbench=true", "-Db_lto=true"]),
    "asan": Variant("AddressSanitizer and UBSan", ADDRESS_SANITIZED, **GCC, slowness=4,
                    run_environment=ADDRESS_SANITIZER),
    "hostile": Variant("tiny capacities, moved memory, short transfers, late cancels, under both sanitizers",
                       ADDRESS_SANITIZED + ["-Doptimization=1", "-Ddebug=true", "-Dhostile=true"], **GCC, slowness=4,
                       run_environment=ADDRESS_SANITIZER),
    # gcc 12's ThreadSanitizer dies above 8,128 fibers, so it is clang's.
    "tsan": Variant("ThreadSanitizer", SANITIZED + ["-Db_sanitize=thread"], **CLANG, slowness=6,
                    run_environment={"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}),
    "valgrind": Variant("for Valgrind", STRICT + ["-Doptimization=1", "-Ddebug=true"], **GCC, needs=("valgrind",),
                        wrapper="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite "
                                "--errors-for-leak-kinds=definite --track-origins=yes --num-callers=30",
                        slowness=20),
    "gcc-O2-lto": Variant("gcc, whole-program optimised", STRICT + ["-Db_lto=true"], **GCC),
    "gcc-O0": Variant("gcc, unoptimised", STRICT + ["-Dbuildtype=debug"], **GCC, **UNOPTIMISED),
    "clang-O2-lto": Variant("clang, whole-program optimised", STRICT + ["-Db_lto=true"], **CLANG),
    "clang-O0": Variant("clang, unoptimised", STRICT + ["-Dbuildtype=debug"], **CLANG, **UNOPTIMISED),
    "fuzz": Variant("the fuzzers, with AddressSanitizer and UBSan",
                    SANITIZED + ["-Db_sanitize=address,undefined", "-Dtests=false", "-Dexamples=false", "-Dfuzz=true",
                                 "-Dc_args=-fsanitize=fuzzer-no-link"], **CLANG),
    "musl": Variant("the library alone, with another libc",
                    STRICT + ["-Dtests=false", "-Dexamples=false", "-Dcares=disabled", "-Dopenssl=disabled",
                              f"-Dc_args={KERNEL_HEADERS}"],
                    cc="musl-gcc", needs=("musl",)),
    "aarch64": Variant("for 64-bit ARM, run by qemu", STRICT + ["--cross-file=tools/aarch64.ini"], needs=("aarch64",),
                       wrapper="qemu-aarch64 -L /usr/aarch64-linux-gnu", slowness=10),
}


class BuildError(Exception):
    """A build that did not succeed; what went wrong has been printed."""


@contextlib.contextmanager
def locked(name):
    """Hold a variant's lock, because neither meson nor ninja keeps a second one out of its directory."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f".{name}.lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another build of {name}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ingredients():
    """What a configuration was made from: the names of all sources, and Meson's files with their text, because ninja
    would otherwise notice their change, and configure with many words."""
    found = {}
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SOURCE_SUFFIXES:
                found[str(path.relative_to(ROOT))] = ""
            elif path.name == "meson.build":
                found[str(path.relative_to(ROOT))] = digest(path)
    for name in ("meson.build", "meson_options.txt", "tools/aarch64.ini"):
        found[name] = digest(ROOT / name)
    return found


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unlisted():
    """Sources that no meson.build names, so that nobody compiles them: forgotten, or about to be added."""
    missing = []
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in {".c", ".cpp", ".S"} or path.parent.name == "outside":
                continue
            for parent in path.parents:
                if (parent / "meson.build").exists():
                    lists = (parent / "meson.build").read_text(encoding="utf-8")
                    name = str(path.relative_to(parent))
                    # The switch is named by its processor; programs of examples and parity by their stem.
                    if not (f"'{name}'" in lists or f"'{path.stem}'" in lists or name.startswith("switch_")):
                        missing.append(path.relative_to(ROOT))
                    break
    return missing


def meson_environment(variant):
    environment = dict(os.environ)
    if variant.environment:  # flags of the user's compiler are not meant for this one
        for key in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "AR"):
            environment.pop(key, None)
    environment.update(variant.environment)
    return environment


def configure(name, extra_options=()):
    """Bring build/NAME to its variant's options; does nothing when it is there already."""
    variant = VARIANTS[name]
    directory = BUILD / name
    stamp = directory / "variant.json"
    options = variant.options + list(extra_options)
    wanted = {"options": options, "environment": variant.environment, "ingredients": ingredients()}
    try:
        present = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        present = None
    if present == wanted and (directory / "build.ninja").exists():
        return
    command = ["meson", "setup", str(directory), str(ROOT)] + options
    # An option that is named again gets its new value; one that is named no longer would keep its old one.
    keys = [{option.partition("=")[0] for option in each} for each in (present["options"] if present else [], options)]
    if present and keys[0] <= keys[1] and present["environment"] == variant.environment:
        if (directory / "build.ninja").exists():
            command.insert(2, "--reconfigure")
    elif directory.exists():
        shutil.rmtree(directory)
    print(f"configuring build/{name} ({variant.about})", flush=True)
    done = subprocess.run(command, env=meson_environment(variant), cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        print(done.stdout, end="")
        raise BuildError
    for path in unlisted():
        print(f"note: no meson.build lists {path}")
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def prepare(name, extra_options=()):
    """Install what a variant needs, and configure it."""
    if subprocess.run([ROOT / "tools/setup", *VARIANTS[name].needs], check=False).returncode:
        raise BuildError
    with locked(name):
        configure(name, extra_options)


def compile_targets(name, targets=()):
    """Run ninja for these targets, or for all."""
    command = ["ninja", "-C", str(BUILD / name), *targets]
    # Without a terminal only what goes wrong is worth a line.
    quiet = not sys.stdout.isatty()
    sys.stdout.flush()
    with locked(name):
        if quiet:
            done = subprocess.run(command + ["--quiet"], check=False, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            if done.stdout != "ninja: no work to do.\n":
                print(done.stdout, end="", flush=True)
        else:
            done = subprocess.run(command, check=False)
        if done.returncode:
            raise BuildError


def main():
    parser = argparse.ArgumentParser(description="Configure and build one variant of the project.")
    parser.add_argument("--list", action="store_true", help="list the variants")
    parser.add_argument("--option", action="append", default=[], metavar="MESON_OPTION", help="as -Dprefix=/usr")
    parser.add_argument("variant", nargs="?", choices=VARIANTS)
    parser.add_argument("target", nargs="*")
    options = parser.parse_args()
    if options.list:
        for name, variant in VARIANTS.items():
            print(f"{name:12} {variant.about}")
        return 0
    if not options.variant:
        parser.error("which variant?")
    try:
        prepare(options.variant, options.option)
        compile_targets(options.variant, options.target)
    except BuildError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
