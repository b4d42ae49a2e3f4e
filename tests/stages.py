"""What `dev.py test` and `dev.py check` run, one stage after the other, and the summary at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from tests import chromium
from tests.engine import ENGINES

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "test-results"
# Kept from one run to the next. The environment may say that nothing is to be cached, and then every process of
# pytest and every program that a test starts compiles all that it imports.
COMPILED = ROOT / ".cache" / "compiled"
BROWSER_TESTS = "tests/browser"
# pytest's exit statuses
TESTS_FAILED = 1
NO_TESTS_COLLECTED = 5
# So few that fail among thousands, while every core is busy, are asked once more with nothing beside them.
MOST_AGAIN = 3
# Processes of pytest, each with databases, servers and a browser of its own. Browser tests wait for pages: with one for
# each core the cores would wait as well. Others start programs that keep all of them busy.
CORES = psutil.cpu_count(logical=False) or 1
WORKERS = {"unit": CORES * 3 // 2, "browser": CORES * 2}
MIGRATIONS = ("manage.py", "makemigrations", "--check", "--dry-run")
CHECKS = {
    "lint": ("-m", "ruff", "check"),
    "format": ("-m", "ruff", "format", "--check"),
    # Its plugin reads Django's settings, which would make the operator's own data directory.
    "types": ("-m", "tests.engine", "sqlite", sys.executable, "-m", "mypy"),
    "migrations on sqlite": ("-m", "tests.engine", "sqlite", sys.executable, *MIGRATIONS),
    "migrations on postgres": ("-m", "tests.engine", "postgres", sys.executable, *MIGRATIONS),
    "layering": ("-m", "pytest", "-q", "tests/test_layering.py"),
}


@dataclass
class Result:
    """One line of the summary."""

    name: str
    told: str
    good: bool
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.name:26} {self.seconds:6.1f} s  {self.told}"


def run_checks() -> list[Result]:
    results = []
    for name, arguments in CHECKS.items():
        status, seconds = run(name, arguments)
        results.append(Result(name, "failed" if status else "passed", status == 0, seconds))
    return results


def run_tests(options: Sequence[str], with_browser: bool) -> list[Result]:
    """Unit tests and browser tests on each engine; `options` are the operator's own for pytest."""
    browser = (chromium.find() or chromium.install()) if with_browser else None
    if browser:
        os.environ["SCROLLBACK_TEST_BROWSER"] = browser
    results = [run_stage("unit", engine, options) for engine in ENGINES]
    for engine in ENGINES:
        # A process of their own: Playwright leaves an event loop running in the main thread.
        name = f"browser tests on {engine}"
        if browser:
            results.append(run_stage("browser", engine, options))
        elif with_browser:
            results.append(Result(name, "NO BROWSER to be had: install chromium, or say --no-browser", False))
        else:
            results.append(Result(name, "LEFT OUT, as --no-browser says", True))
    if not any("passed" in result.told for result in results):
        results.append(Result("all stages", "no test ran", False))
    return results


def run_stage(kind: str, engine: str, options: Sequence[str]) -> Result:
    name = f"{kind} tests on {engine}"
    report = REPORTS / f"{kind}-{engine}.xml"
    report.unlink(missing_ok=True)
    # Each process of pytest imports all tests that it might run.
    which = (
        ("-m", "browser", "-o", f"testpaths={BROWSER_TESTS}") if kind == "browser" else ("-m", "not browser")
    )
    parallel = ("-n", str(WORKERS[kind]), "--dist", "worksteal")
    command = ("-m", "pytest", "--engine", engine, *which, *parallel, f"--junit-xml={report}", *options)
    status, seconds = run(name, command)
    if status == NO_TESTS_COLLECTED:
        # With a selection of the operator's own it is theirs to leave a stage empty.
        return Result(name, "nothing selected" if options else "no test ran", bool(options), seconds)
    if status == TESTS_FAILED and report.exists() and len(again := failed_in(report)) <= MOST_AGAIN:
        alone = ("-n", "1", "--last-failed", "--last-failed-no-failures", "none")
        command = ("-m", "pytest", "--engine", engine, *which, *alone, *options)
        status, more = run(f"{name} that failed, alone", command)
        told = f"{counts(report)}; {'failed' if status else 'passed'} alone: {', '.join(again)}"
        return Result(name, told, status == 0, seconds + more)
    return Result(name, counts(report), status == 0, seconds)


def failed_in(report: Path) -> list[str]:
    """Names of the tests of a stage that failed."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 (pytest wrote it a moment ago)
    failed = (case for case in cases if case.find("failure") is not None or case.find("error") is not None)
    return list(dict.fromkeys(case.get("name", "") for case in failed))


def counts(report: Path) -> str:
    if not report.exists():
        return "failed before the first test"
    suite = next(ElementTree.parse(report).iter("testsuite"))  # noqa: S314 (pytest wrote it a moment ago)
    tests, skipped, failures, errors = (
        int(suite.get(name, 0)) for name in ("tests", "skipped", "failures", "errors")
    )
    failed = failures + errors
    return f"{tests - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def run(name: str, arguments: Sequence[str]) -> tuple[int, float]:
    """Run one stage of this Python in the foreground; returns its exit status and its seconds."""
    print(f"\n=== {name}", file=sys.stderr, flush=True)
    started = time.monotonic()
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(COMPILED)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            # The keyboard's interrupt reached the stage too. It is waited for: it has a server to stop.
            process.wait()
            raise
        except SystemExit:
            process.terminate()
            process.wait()
            raise
    return status, time.monotonic() - started


def main(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    what, *options = arguments
    with contextlib.suppress(KeyboardInterrupt):
        with_browser = what != "test-without-browser"
        results = run_checks() if what == "check" else run_tests(options, with_browser)
        print("\n=== summary", *results, sep="\n", file=sys.stderr, flush=True)
        return 0 if all(result.good for result in results) else 1
    return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
