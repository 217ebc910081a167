#!/usr/bin/python3
"""Install into an empty folder and use what is there as an outsider would, with pkg-config and a compiler."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import checks
import symbols

ROOT = pathlib.Path(__file__).resolve().parent.parent
PREFIX = "usr/local"
WANTED = ["include/asyncio.h", "include/asyncio_lowlevel.h", "lib/libasyncio.a", "lib/libasyncio.so",
          "lib/libasyncio.so.0", "lib/pkgconfig/asyncio.pc"]
# What the compiler wants its thunk for returns to be called: weak, so that a program may have its own.
COMPILERS_NAMES = {"__x86_return_thunk"}
# The names are those that libc has split itself into, here and on ARM, and the libraries for names and TLS, which are
# found when we are built.
ALLOWED_LIBRARIES = re.compile(r"lib(c|m|pthread|dl|cares|ssl|crypto)\.so|ld-linux")


class Installed:
    """An installation below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / PREFIX
        self.headers = sorted((self.root / "include").glob("*.h"))
        self.shared = self.root / "lib/libasyncio.so"
        self.archive = self.root / "lib/libasyncio.a"
        self.environment = dict(os.environ, PKG_CONFIG_PATH=str(self.root / "lib/pkgconfig"),
                                PKG_CONFIG_SYSROOT_DIR=str(folder), LD_LIBRARY_PATH=str(self.root / "lib"))
        for key in ("CPATH", "LIBRARY_PATH", "CFLAGS", "LDFLAGS"):
            self.environment.pop(key, None)

    def flags(self, *options):
        """What pkg-config says."""
        command = ["pkg-config", "--cflags", "--libs", *options, "asyncio"]
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True, check=True)
        return done.stdout.split()

    def build_and_run(self, compiler, source, flags):
        """Build an outside program in an empty folder, run it, read what it says."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(source, folder)
            _, problems = checks.run([compiler, source.name, "-o", "program", *flags], cwd=folder, env=self.environment)
            if problems:
                return problems
            output, problems = checks.run(["./program"], cwd=folder, env=self.environment, timeout=60)
        if not problems and output != "asyncio 0.1.0: sum 6\n":
            problems = [f"the program printed {output!r}"]
        return problems


def missing_files(installed):
    found = {str(path.relative_to(installed.root)) for path in installed.root.rglob("*") if not path.is_dir()}
    versioned = {name for name in found if re.fullmatch(r"lib/libasyncio\.so\.\d+\.\d+\.\d+", name)}
    problems = [f"{name} is not installed" for name in WANTED if name not in found]
    problems += [f"{name} is installed, though nobody needs it" for name in sorted(found - set(WANTED) - versioned)]
    return problems


def archive_names(installed):
    """Names that programs linked with the static library could meet."""
    output, problems = checks.run(["nm", "-g", "--defined-only", installed.archive])
    names = {line.split()[-1] for line in output.splitlines() if len(line.split()) == 3}
    strangers = sorted(name for name in names - COMPILERS_NAMES if not name.startswith("asyncio_"))
    return problems + [f"{name} does not start with asyncio_" for name in strangers]


def shared_object(installed):
    """What the loader reads: the soname, the libraries needed, and no stack that can be executed."""
    dynamic, problems = checks.run(["readelf", "-dlW", installed.shared])
    if "[libasyncio.so.0]" not in dynamic:
        problems.append("the soname is not libasyncio.so.0")
    for library in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if not ALLOWED_LIBRARIES.match(library):
            problems.append(f"{library} is needed, which is not among the libraries that were chosen")
    if re.search(r"GNU_STACK.*RWE", dynamic):
        problems.append("the stack is executable: an assembly file lacks .note.GNU-stack")
    if "TEXTREL" in dynamic:
        problems.append("there are text relocations")
    return problems


def branch_protection(installed):
    """Every object says that it goes along with protected jumps; one that does not turns it off for all."""
    output, problems = checks.run(["readelf", "-nW", installed.archive])
    for member in output.split("\nFile: ")[1:]:
        name = re.search(r"\((.*?)\)", member.splitlines()[0])
        if name and name[1].endswith(".o") and not re.search(r"IBT|BTI", member):
            problems.append(f"{name[1]} carries no note about branch protection")
    return problems


def main():
    cases = checks.Cases()
    with tempfile.TemporaryDirectory() as folder:
        destination = pathlib.Path(folder)
        _, problems = checks.run(["make", "-s", "install", f"DESTDIR={folder}", f"PREFIX=/{PREFIX}"], cwd=ROOT)
        cases.case("install", problems)
        if problems:
            return cases.finish()
        installed = Installed(destination)
        cases.case("install-files", missing_files(installed))
        cases.case("install-exports", symbols.compare(installed.shared, installed.headers))
        cases.case("install-archive-names", archive_names(installed))
        cases.case("install-shared-object", shared_object(installed))
        cases.case("install-branch-protection", branch_protection(installed))
        for compiler, suffix in (("cc", ".c"), ("gcc", ".c"), ("clang", ".c"), ("g++", ".cpp"), ("clang++", ".cpp")):
            source = ROOT / "tests/outside" / ("program" + suffix)
            if not shutil.which(compiler):
                cases.skip(f"install-{compiler}", f"there is no {compiler}")
                continue
            chosen = [flag for flag in installed.flags("--static") if flag != "-lasyncio"]
            archive = [f"-I{installed.root}/include", installed.archive, *chosen]
            cases.case(f"install-{compiler}-shared", installed.build_and_run(compiler, source, installed.flags()))
            cases.case(f"install-{compiler}-archive", installed.build_and_run(compiler, source, archive))
            static = ["-static", *installed.flags("--static")]
            cases.case(f"install-{compiler}-static", installed.build_and_run(compiler, source, static))
    return cases.finish()


if __name__ == "__main__":
    sys.exit(main())
