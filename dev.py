#!/usr/bin/env python3
"""Set up and run Scrollback from a checkout, with nothing but Python's standard library.

    python3 dev.py run [-- serve options]      set up what is missing, then `scrollback serve`
    python3 dev.py test [-- pytest options]    every test on SQLite and Postgres, in a real browser too
    python3 dev.py check                       ruff, mypy, migrations, layering
    python3 dev.py bench [NAME]                the benchmarks

Everything is kept inside the checkout (.venv, .cache, static/vendor). This file keeps to Python 3.8, so that an
old interpreter can find a newer one or say in one line what is missing. `docs/development.md` tells the rest.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
VENV_PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed.json"
UNFINISHED = VENV / "unfinished"
VENDOR_STAMP = ROOT / "static" / "vendor" / ".stamp"
MINIMUM = (3, 12)
PREFERRED_MINORS = (13, 12, 14, 15)
LOCKS = {name: ROOT / "requirements" / (name + ".lock") for name in ("run", "dev", "node")}
PROJECT_INPUTS = (
    "pyproject.toml",
    "frontend/package.json",
    "frontend/package-lock.json",
    "frontend/hatch_build.py",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_TESTS_COLLECTED = 5  # pytest's exit code


class Failure(Exception):
    """Something the person at the keyboard can act on; its text is one line."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    started = time.monotonic()
    say("· %s …" % text)
    yield
    say("  done in %.1f s" % (time.monotonic() - started))


# --- a Python that is new enough -----------------------------------------------------------------------------


def python_places() -> List[Path]:
    """Folders that may hold a `python3.N`, the operator's own PATH first."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    uv = Path(
        os.environ.get("UV_PYTHON_INSTALL_DIR")
        or Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "uv" / "python"
    )
    places = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    places += sorted(pyenv.glob("versions/*/bin"), reverse=True)
    places += sorted(uv.glob("*/bin"), reverse=True)
    places += [Path("/usr/local/bin"), Path("/opt/homebrew/bin")]
    places += sorted(Path("/Library/Frameworks/Python.framework/Versions").glob("*/bin"), reverse=True)
    return places


def usable_python(candidate: Path) -> bool:
    """Whether it starts, is new enough and can make a venv (pyenv's shims and Debian's split may not)."""
    probe = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < %r)" % (MINIMUM,)
    try:
        return subprocess.run([str(candidate), "-c", probe], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def find_python() -> str:
    this = getattr(sys, "_base_executable", None) or sys.executable
    if sys.version_info[:2] >= MINIMUM and usable_python(Path(this)):
        return str(this)
    places = python_places()
    names = ["python3.%d" % minor for minor in PREFERRED_MINORS] + ["python3", "python"]
    for candidate in (place / name for name in names for place in places):
        if os.access(str(candidate), os.X_OK) and usable_python(candidate):
            return str(candidate)
    raise Failure(
        "no Python 3.%d or newer with venv was found: this one is %s (%s), and PATH, pyenv's versions, uv's and "
        "the usual folders hold none. Install Python 3.13 (apt install python3.13-venv, pyenv install 3.13, "
        "uv python install 3.13 or brew install python@3.13) and run this again."
        % (MINIMUM[1], sys.version.split()[0], sys.executable)
    )


# --- the virtual environment ---------------------------------------------------------------------------------


def digest(*paths: Path) -> str:
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(path.read_bytes() + b"\0")
    return hashed.hexdigest()


def wanted(groups: Sequence[str]) -> Dict[str, str]:
    stamps = {group: digest(LOCKS[group]) for group in groups}
    stamps["project"] = digest(*(ROOT / name for name in PROJECT_INPUTS))
    return stamps


def installed() -> Dict[str, str]:
    if UNFINISHED.exists() or not VENV_PYTHON.exists():
        return {}
    try:
        stamps: Dict[str, str] = json.loads(INSTALLED.read_text())
    except (OSError, ValueError):
        return {}
    if not VENDOR_STAMP.exists():
        stamps.pop("project", None)
    return stamps


def missing(groups: Sequence[str]) -> List[str]:
    have = installed()
    return [name for name, stamp in wanted(groups).items() if have.get(name) != stamp]


def set_up(groups: Sequence[str]) -> None:
    """Make .venv hold the locked packages of `groups` and the project itself; does nothing when it already does."""
    if not missing(groups):
        return
    with set_up_by_one_process_at_a_time():
        todo = missing(groups)
        if not todo:
            return
        have = installed()
        if not have:
            python = find_python()
            with step("Making .venv with %s" % python):
                tool([python, "-m", "venv", "--clear", str(VENV)], "the virtual environment")
        if "project" in todo and not shutil.which("npm"):
            groups = [*groups, "node"]
        for group, stamp in wanted(groups).items():
            if have.get(group) != stamp:
                install_project() if group == "project" else install_group(group)
                have[group] = stamp
                INSTALLED.write_text(json.dumps(have))


@contextlib.contextmanager
def set_up_by_one_process_at_a_time() -> Iterator[None]:
    import fcntl

    CACHE.mkdir(exist_ok=True)
    with open(str(CACHE / "set-up.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_group(group: str) -> None:
    lock = LOCKS[group]
    count = sum("==" in line for line in lock.read_text().splitlines())
    with step("Installing up to %d packages from requirements/%s" % (count, lock.name)):
        # Left behind by a kill half-way, where pip cannot tell what is whole: the next set-up then starts afresh.
        UNFINISHED.touch()
        pip("--no-deps", "--require-hashes", "--no-compile", "-r", str(lock))
        # On all cores at once this takes a third of the time pip needs for it.
        subprocess.run([str(VENV_PYTHON), "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")], stdout=-3)
        UNFINISHED.unlink()


def install_project() -> None:
    with step("Installing Scrollback and fetching its browser assets"):
        pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def pip(*arguments: str) -> None:
    command = [str(VENV_PYTHON), "-m", "pip", "install", "-q", "--retries", "2", *arguments]
    tool(command, "the packages")


def tool_environment() -> Dict[str, str]:
    """Downloads are cached inside the checkout unless the operator has named a place for them."""
    environment = dict(os.environ)
    environment.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    environment.setdefault("npm_config_cache", str(CACHE / "npm"))
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["PATH"] = os.pathsep.join([str(VENV / "bin"), environment.get("PATH", os.defpath)])
    environment.pop("PYTHONHOME", None)
    return environment


def tool(command: Sequence[str], subject: str, cwd: Path = ROOT) -> str:
    """Run a set-up program quietly and return its output; its whole output is kept when it fails."""
    done = subprocess.run(
        list(command),
        cwd=str(cwd),
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise Failure(explanation(done.stdout, subject))
    return done.stdout


def explanation(output: str, subject: str) -> str:
    log = CACHE / "set-up.log"
    with contextlib.suppress(OSError):
        CACHE.mkdir(exist_ok=True)
        log.write_text(output)
    signs = (
        (("No space left on device", "ENOSPC"), "the disk is full"),
        (
            ("DO NOT MATCH THE HASHES", "EINTEGRITY"),
            "a downloaded file does not match the lock; it was refused",
        ),
        (
            ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "ProxyError")
            + (
                "Connection refused",
                "ENOTFOUND",
                "EAI_AGAIN",
                "ECONNREFUSED",
                "ETIMEDOUT",
                "Temporary failure",
            ),
            "the package registry cannot be reached; is the network up?",
        ),
    )
    for marks, meaning in signs:
        if any(mark in output for mark in marks):
            return "%s could not be installed: %s (details: %s)" % (subject, meaning, log)
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    reason = next((line for line in reversed(lines) if "rror" in line.split(" ")[0]), lines[-1])
    return "%s could not be installed: %s (details: %s)" % (subject, reason, log)


# --- a browser for the tests ---------------------------------------------------------------------------------


def find_browser() -> Optional[str]:
    """The path of a Chromium, installed if the machine offers one; None when it cannot be had."""
    named = os.environ.get("SCROLLBACK_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if named:
        return named
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("No browser found: installing the distribution's `chromium` with apt-get, as this is root.")
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=2)
        if shutil.which("chromium"):
            return shutil.which("chromium")
    return unpack_browser_from_npm()


def unpack_browser_from_npm() -> Optional[str]:
    package = ROOT / "frontend" / "browser"
    unpacked = CACHE / "browser"
    unpacked.mkdir(parents=True, exist_ok=True)
    script = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"
    node = shutil.which("node", path=tool_environment()["PATH"])
    if not node or not shutil.which("npm"):
        return None
    say("No browser found: unpacking the npm package @sparticuz/chromium into .cache.")
    try:
        tool(["npm", "ci", "--ignore-scripts", "--silent"], "a browser", cwd=package)
        path = tool(
            ["env", "TMPDIR=%s" % unpacked, node, "--input-type=module", "-e", script],
            "a browser",
            cwd=package,
        ).strip()
        tool([path, "--version"], "a browser")
    except Failure as failure:
        say(str(failure))
        return None
    return path


# --- the commands --------------------------------------------------------------------------------------------


def command_run(arguments: Sequence[str]) -> int:
    own, serve = split(arguments)
    refuse(own)
    set_up(["run"])
    scrollback = str(VENV / "bin" / "scrollback")
    sys.stdout.flush()
    os.execv(scrollback, [scrollback, "serve", *serve])


def command_bench(arguments: Sequence[str]) -> int:
    set_up(["run", "dev"])
    return follow([str(VENV_PYTHON), "-m", "benchmarks", *arguments])


def command_check(arguments: Sequence[str]) -> int:
    refuse(arguments)
    set_up(["run", "dev"])
    python = str(VENV_PYTHON)
    migrations = [python, "manage.py", "makemigrations", "--check", "--dry-run"]
    commands = (
        ("lint", [python, "-m", "ruff", "check", "."]),
        ("format", [python, "-m", "ruff", "format", "--check", "."]),
        ("types", [python, "-m", "mypy"]),
        ("migrations on SQLite", [python, "-m", "tests.engine", "sqlite", *migrations]),
        ("migrations on Postgres", [python, "-m", "tests.engine", "postgres", *migrations]),
        ("layering", [python, "-m", "pytest", "-q", "tests/test_layering.py"]),
    )
    results: List[Tuple[str, str, bool, float]] = []
    for name, command in commands:
        say("\n=== %s" % name)
        started = time.monotonic()
        good = follow(command) == 0
        results.append((name, "passed" if good else "FAILED", good, time.monotonic() - started))
    return summary(results)


def command_test(arguments: Sequence[str]) -> int:
    own, chosen = split(arguments)
    refuse([option for option in own if option != "--no-browser"])
    set_up(["run", "dev"])
    stages = [("unit", engine, ["-m", "not browser"]) for engine in ("sqlite", "postgres")]
    stages += [("browser", engine, ["-m", "browser"]) for engine in ("sqlite", "postgres")]
    browser = None if "--no-browser" in own else find_browser()
    results: List[Tuple[str, str, bool, float]] = []
    for kind, engine, options in stages:
        name = "%s tests on %s" % (kind, engine)
        if kind == "browser" and browser is None:
            results.append((name, *without_browser("--no-browser" in own)))
            continue
        say("\n=== %s" % name)
        started = time.monotonic()
        told, good = run_stage(kind, engine, [*options, *chosen], browser, bool(chosen))
        results.append((name, told, good, time.monotonic() - started))
    if not any("passed" in told or "failed" in told for _, told, _, _ in results):
        results.append(("all stages", "no test ran", False, 0.0))
    return summary(results)


def without_browser(told_to: bool) -> Tuple[str, bool, float]:
    if told_to:
        return "LEFT OUT, as --no-browser says", True, 0.0
    return "FAILED: no browser to be had (install chromium, or say --no-browser)", False, 0.0


def run_stage(
    kind: str, engine: str, options: Sequence[str], browser: Optional[str], selected: bool
) -> Tuple[str, bool]:
    """Run pytest once; returns what the summary says of it and whether it was good."""
    report = CACHE / "test-results" / ("%s-%s.xml" % (kind, engine))
    with contextlib.suppress(FileNotFoundError):
        report.unlink()
    environment = dict(os.environ)
    if browser:
        environment["SCROLLBACK_TEST_BROWSER"] = browser
    command = [str(VENV_PYTHON), "-m", "pytest", "--engine", engine, "--junit-xml", str(report), *options]
    code = follow(command, environment)
    if code == NO_TESTS_COLLECTED and selected:
        return "nothing selected", True
    return counts(report), code == 0


def counts(report: Path) -> str:
    from xml.etree import ElementTree

    if not report.exists():
        return "FAILED before any test ran"
    suite = next(ElementTree.parse(str(report)).iter("testsuite"))  # noqa: S314 (pytest wrote it a moment ago)
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    told = "%d passed, %d failed" % (total - failed - skipped, failed)
    return told + (", %d skipped" % skipped if skipped else "")


def summary(results: Sequence[Tuple[str, str, bool, float]]) -> int:
    say("\n=== summary")
    for name, told, good, seconds in results:
        say("%s %-26s %6.1f s  %s" % ("✓" if good else "✗", name, seconds, told))
    return 0 if all(good for _, _, good, _ in results) else 1


def follow(command: Sequence[str], environment: Optional[Dict[str, str]] = None) -> int:
    """Run in the foreground; an interrupt or a termination reaches it and is waited for, so that it can clean up."""
    with subprocess.Popen(list(command), cwd=str(ROOT), env=environment) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def split(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """What stands before the first `--` and what stands after it."""
    given = list(arguments)
    if "--" not in given:
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def refuse(unknown: Sequence[str]) -> None:
    if unknown:
        raise Failure("unknown option %s; options for the program itself stand after `--`" % unknown[0])


COMMANDS = {"run": command_run, "test": command_test, "check": command_check, "bench": command_bench}


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help") or "--help" in split(arguments)[0]:
        print(__doc__)
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        say("dev.py: unknown command %s; there are %s" % (arguments[0], ", ".join(COMMANDS)))
        return 2
    try:
        return command(arguments[1:])
    except Failure as failure:
        say("dev.py: %s" % failure)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        say("dev.py: %s: %s" % (error.strerror, error.filename or ROOT))
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
