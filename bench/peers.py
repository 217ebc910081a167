"""Builds and finds the peers that Meson does not know: Go and Rust programs, and Debian's Python with uvloop.

Everything goes below BUILD/peers and is kept there, so that only the first build takes time. Nothing is fetched from
the network: Go programs use the standard library only, Rust programs the crates of Debian's librust packages.
"""

import os
import pathlib
import re
import shutil
import subprocess

from cases import Failed, output_of

PYTHON = "/usr/bin/python3"
CRATES = pathlib.Path("/usr/share/cargo/registry")
# Debian's own compilers, also where another set stands first in PATH; elsewhere whatever there is.
DEBIAN = "/usr/bin:/bin"
# One set of features for all programs, so that tokio is compiled once; what a server would use, without the macros.
TOKIO_FEATURES = ("rt", "rt-multi-thread", "net", "io-util", "time", "sync", "parking_lot")

MANIFEST = """[package]
name = "{name}"
version = "0.0.0"
edition = "2021"

[workspace]

[[bin]]
name = "{name}"
path = "{source}"

[dependencies]
tokio = {{ version = "1", features = [{features}] }}

[profile.release]
opt-level = 3
lto = "thin"
codegen-units = 1
"""


def tool(name):
    return shutil.which(name, path=DEBIAN) or shutil.which(name)


def run(command, log_file, environment=None, folder=None):
    """Run a compiler; its output is kept. Failed with its last error line when it does not succeed."""
    with open(log_file, "w", encoding="utf-8") as log:
        done = subprocess.run([str(word) for word in command], env={**os.environ, **(environment or {})}, cwd=folder,
                              stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = pathlib.Path(log_file).read_text(encoding="utf-8").splitlines()
        errors = [line for line in lines if "error" in line] or lines or ["it says nothing"]
        raise Failed(f"cannot be built: {errors[0].strip()}")


def go_program(name, source, build_dir):
    """Compile one file of Go to a program. Returns: its path; Failed with the reason why there is none."""
    go = tool("go")
    if not go:
        raise Failed("no Go compiler (Debian: golang-go)")
    folder = pathlib.Path(build_dir).resolve() / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    # Modules are off: a file of the standard library's packages needs none.
    run([go, "build", "-o", folder / name, pathlib.Path(source).resolve()], folder / f"{name}.log",
        {"GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOCACHE": str(folder / "go-cache")})
    return folder / name


def rust_program(name, source, build_dir):
    """Compile one file of Rust with tokio to a program. Returns: its path; Failed with the reason why there is none."""
    cargo, rustc = tool("cargo"), tool("rustc")
    if not cargo or not rustc:
        raise Failed("no Rust compiler (Debian: cargo, rustc)")
    if not list(CRATES.glob("tokio-1.*")):
        raise Failed("no tokio among the system's crates (Debian: librust-tokio-dev)")
    peers = pathlib.Path(build_dir).resolve() / "peers"
    folder = peers / name
    folder.mkdir(parents=True, exist_ok=True)
    manifest = MANIFEST.format(name=name, source=pathlib.Path(source).resolve(),
                               features=", ".join(f'"{feature}"' for feature in TOKIO_FEATURES))
    if not (folder / "Cargo.toml").exists() or (folder / "Cargo.toml").read_text(encoding="utf-8") != manifest:
        (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
    target = peers / "rust"
    run([cargo, "build", "--release", "--offline", "--config", 'source.crates-io.replace-with="system"', "--config",
         f'source.system.directory="{CRATES}"'], peers / f"{name}.log",
        {"RUSTC": rustc, "CARGO_TARGET_DIR": str(target), "CARGO_HOME": str(peers / "cargo-home"), "RUSTFLAGS": ""},
        folder)
    return target / "release" / name


def python_loops():
    """The Python loops that there are: {impl: None, or the reason why it is absent}."""
    found = {"cpython": None, "uvloop": None}
    if not pathlib.Path(PYTHON).exists():
        return dict.fromkeys(found, f"no {PYTHON}")
    try:
        output_of([PYTHON, "-c", "import uvloop"])
    except Failed:
        found["uvloop"] = "not installed (Debian: python3-uvloop)"
    return found


def version_of(command, pattern=r"(\d[\w.+-]*)"):
    """The first version number that a command prints, or None."""
    try:
        match = re.search(pattern, output_of(command))
    except Failed:
        return None
    return match[1] if match else None


def debian_version(package):
    return version_of(["dpkg-query", "-W", "-f", "${Version}", package], r"(?:\d+:)?(\d+\.\d+(?:\.\d+)?)")


def package_version(name):
    return version_of(["pkg-config", "--modversion", name])


def versions():
    """{what: version} of all peers that are there."""
    crates = sorted(CRATES.glob("tokio-1.*"))
    found = {
        "libuv": package_version("libuv"),
        "libev": debian_version("libev-dev"),
        "libevent": package_version("libevent"),
        "state-threads": package_version("st"),
        "Boost.Context": debian_version("libboost-context-dev"),
        "Go": version_of([tool("go") or "go", "version"], r"go([\d.]+)"),
        "tokio": crates[-1].name.partition("-")[2] if crates else None,
        "rustc": version_of([tool("rustc") or "rustc", "--version"]),
        "CPython": version_of([PYTHON, "--version"]),
        "uvloop": version_of([PYTHON, "-c", "import uvloop; print(uvloop.__version__)"]),
        "gcc": version_of(["gcc", "-dumpfullversion"]),
    }
    return {what: version for what, version in found.items() if version}
