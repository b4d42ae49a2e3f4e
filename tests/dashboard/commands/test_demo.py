"""The demo as a person starts it: a real server, a real recording, and nothing left at the end."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.demo import HISTORIES, MARKER
from tests.browser.running import free_port
from tests.dashboard.commands.shell import Shell, only_line
from tests.launching import SCROLLBACK

pytestmark = pytest.mark.once
START_DEADLINE_S = 60.0
NEWS_DEADLINE_S = 30.0


@contextmanager
def running_demo(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """The demo and what it said when it was ready."""
    command = [str(SCROLLBACK), "demo", "--json", "--port", str(free_port()), *map(str, arguments)]
    with subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, process_group=0
    ) as demo:
        assert demo.stdout is not None
        try:
            yield demo, json.loads(demo.stdout.readline())
        finally:
            demo.terminate()
            demo.wait(START_DEADLINE_S)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NEWS_DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes_of(home: str) -> list[str]:
    """Command lines of whatever still runs on this data directory."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if f"SCROLLBACK_HOME={home}\0".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def test_the_demo_has_something_on_every_page_and_leaves_nothing(tmp_path: Path) -> None:
    own = tmp_path / "my own console"
    with running_demo(environment={"SCROLLBACK_HOME": str(own)}) as (demo, ready):
        home = ready["home"]
        shell = Shell(Path(home))
        with urllib.request.urlopen(f"{ready['url']}healthz", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["status"] == "ok"
        agents = {session["agent"] for session in shell.json("list")["sessions"]}
        assert agents >= {"claude-code", "picoclaw"}
        assert {person["username"] for person in shell.json("user", "list")["people"]} == {
            "demo",
            "ada",
            "grace",
        }
        wait_for(lambda: any(found["status"] == "running" for found in shell.json("list")["sessions"]))
        wait_for(
            lambda: any(
                found["size"] for found in shell.json("list", "--terminals", "--status", "live")["terminals"]
            )
        )
        # The agent's session has its terminal beside it.
        (terminal,) = shell.json("list", "--terminals", "--status", "live")["terminals"]
        session = shell.json("show", terminal["session"])["session"]
        assert session["agent"] == "claude-code"
        assert session["heading"].startswith("Please look after the house")
        assert session["terminal_count"] == 1
        assert ready["username"] == "demo"
        assert ready["password"]

        demo.send_signal(signal.SIGINT)
        assert demo.wait(START_DEADLINE_S) == 0

    assert not Path(home).exists()
    assert processes_of(home) == []
    assert not own.exists()


def test_a_named_folder_is_kept_and_used_again(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with running_demo("--home", home) as (_, first):
        pass
    with running_demo("--home", home) as (_, second):
        count = len(Shell(home).json("user", "list")["people"])

    assert (home / MARKER).exists()
    assert count == 3
    assert first["password"] != second["password"]
    assert processes_of(str(home)) == []


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada")

    ended = Shell(tmp_path).run("demo", "--home", tmp_path)

    assert ended.returncode == 2
    assert "holds something else already" in only_line(ended.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_each_history_names_where_it_is_from() -> None:
    named = (HISTORIES / "SOURCES.md").read_text()
    files = [path for path in HISTORIES.rglob("*") if path.is_file() and path.name != "SOURCES.md"]

    assert sum(path.stat().st_size for path in files) < 1_000_000
    for path in files:
        top = path.relative_to(HISTORIES)
        assert (
            any(str(part)[:8] in named for part in (top.parts[-1], *top.parts[1:]))
            or f"`{top.parts[0]}/`" in named
        )
