"""A program that is forked is the one that its script would have been, and ends like it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
import pytest
from django.conf import settings

from sessions_app.terminal.engine.model import EngineError, Output
from sessions_app.terminal.engine.process import MEMORY_BYTES, EngineProcess
from tests import launching
from tests.launching.preloaded import CONSTANT_SETTINGS, ConstantSettings

# Nothing here reaches the database of the tests.
pytestmark = pytest.mark.once

DEADLINE_S = 30.0
SURROUNDINGS = "pwd; umask; echo $SPICE; ls /proc/self/fd | wc -l; read line; echo $line >&2; exit 3"


def environment(home: Path, **others: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLBACK_")}
    return {**own, "SCROLLBACK_HOME": str(home), "SPICE": "saffron", **others}


@pytest.mark.parametrize(
    ("status", "command"),
    [
        (0, ["--version"]),
        (0, ["list", "--help"]),
        (2, ["list", "--limit=0"]),
        (2, ["list", "--project", "\udcff", "--nothing"]),
        (3, ["record", "--quiet", "--server", "http://127.0.0.1:9/", "--", "sh", "-c", SURROUNDINGS]),
    ],
    ids=["version", "help", "refused", "no UTF-8", "surroundings"],
)
def test_forked_or_started_it_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, command: list[str]
) -> None:
    ended = []
    for forks in (True, False):
        monkeypatch.setattr(launching, "forks", forks)
        options: dict[str, Any] = {
            "cwd": tmp_path,
            "umask": 0o027,
            "stdin": b"a line\n",
            "timeout": DEADLINE_S,
        }
        ended.append(launching.run_program(*command, env=environment(tmp_path), **options))

    forked, started = ended
    assert forked.args == started.args
    assert (forked.returncode, forked.stdout, forked.stderr) == (status, started.stdout, started.stderr)
    assert started.returncode == status


def test_settings_are_those_of_the_program_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for forks, port in ((True, "4001"), (True, "4002"), (False, "4002")):
        monkeypatch.setattr(launching, "forks", forks)
        own = environment(tmp_path, SCROLLBACK_PORT=port, SCROLLBACK_LOG_LEVEL="ERROR")
        ended = launching.run_program("doctor", "--json", env=own, timeout=DEADLINE_S)
        told.append(json.loads(ended.stdout)["settings"])

    first, second, started = told
    assert second == started
    assert first != second


@pytest.mark.parametrize("forks", [True, False])
def test_a_signal_reaches_it_and_its_number_stays_its_own_until_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    monkeypatch.setattr(launching, "forks", forks)
    command = ("record", "--quiet", "--server", "http://127.0.0.1:9/", "--", "cat")
    pipe = subprocess.PIPE
    with launching.launch(
        *command, env=environment(tmp_path), stdin=pipe, stdout=pipe, process_group=0, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("here\n")
        program.stdin.flush()
        assert "here" in program.stdout.readline()
        assert os.getpgid(program.pid) == program.pid
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.01)
        assert program.poll() is None

        os.kill(program.pid, signal.SIGKILL)

        status = Path(f"/proc/{program.pid}/status")
        wait_until_zombie(status)
        assert program.wait(DEADLINE_S) == -signal.SIGKILL
        assert program.poll() == -signal.SIGKILL
    deadline = time.monotonic() + DEADLINE_S
    while status.exists():
        assert time.monotonic() < deadline, status.read_text()
        time.sleep(0.01)


def wait_until_zombie(status: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while "zombie" not in status.read_text():
        assert time.monotonic() < deadline, status.read_text()
        time.sleep(0.01)


@pytest.mark.parametrize("forks", [True, False])
def test_a_child_of_the_engine_answers_is_limited_and_ends(
    monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    monkeypatch.setattr(launching, "forks", forks)
    started = psutil.Process().children()
    engine = EngineProcess()
    try:
        assert engine.screen(None, 80, 24, [Output(0, 0, b"drawn")]).rows[0].rstrip() == "drawn"
        assert engine._screens._process is not None
        child = psutil.Process(engine._screens._process.pid)
        assert (child in set(psutil.Process().children()) - set(started)) != forks
        assert child.rlimit(psutil.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)
        assert os.getpgid(child.pid) == child.pid
        child.kill()
        with pytest.raises(EngineError, match="exit status -9"):
            engine.screen(None, 80, 24, [])
    finally:
        engine.stop()
    assert psutil.wait_procs([child], DEADLINE_S) == ([child], [])


def test_what_is_taken_for_the_same_everywhere_is_so(tmp_path: Path) -> None:
    program = (
        "import json, sys, dashboard.settings as s; print(json.dumps([getattr(s, n) for n in sys.argv[1:]]))"
    )
    other = environment(
        tmp_path,
        SCROLLBACK_DATABASE_URL="postgres://ada@127.0.0.1/console",
        SCROLLBACK_DEBUG="true",
        SCROLLBACK_HOST="0.0.0.0",  # noqa: S104  a setting that nobody listens with
        SCROLLBACK_HTTPS_ONLY="true",
        SCROLLBACK_LOG_LEVEL="ERROR",
    )

    read = subprocess.run(
        [sys.executable, "-c", program, *CONSTANT_SETTINGS], env=other, capture_output=True, check=True
    )

    assert json.loads(read.stdout) == [getattr(settings, name) for name in CONSTANT_SETTINGS]


def test_what_the_environment_decides_cannot_be_read_before_it_is_known() -> None:
    constant = ConstantSettings({"USE_TZ": True})

    assert constant.USE_TZ
    with pytest.raises(RuntimeError, match="SECRET_KEY"):
        _ = constant.SECRET_KEY


@pytest.mark.parametrize("name", ["SCROLLBACK_CONFIG", "SCROLLBACK_DEBUG"])
def test_what_django_looks_at_while_it_is_imported_makes_a_start_a_real_one(
    tmp_path: Path, name: str
) -> None:
    with launching.launch("--version", env=environment(tmp_path, **{name: "true"})) as program:
        assert type(program) is subprocess.Popen
    (tmp_path / "config.toml").write_text("debug = true\n")
    with launching.launch("--version", env=environment(tmp_path)) as program:
        assert type(program) is subprocess.Popen
