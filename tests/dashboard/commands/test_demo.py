"""The demo as a person starts it: a real server, a real recording, and nothing left at the end."""

import json
import os
import re
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
from tests.dashboard.commands.visitor import Visitor
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


# What a page or a part of one says that has nothing to show.
EMPTY = re.compile(
    r'class="empty"[^>]*>.*?empty__title">([^<]+)'
    r'|class="(?:section )?muted">((?:No notes|Nothing waits|No session is running|You have seen everything)[^<]*)',
    re.DOTALL,
)
ROWS, MESSAGES, TERMINAL = "data-row", 'class="message', "<terminal-view"


def places_of(shell: Shell) -> dict[str, str]:
    """The demo's pages, and what stands on each that has something to show."""
    sessions = {found["heading"].split()[0]: found["id"] for found in shell.json("list")["sessions"]}
    house, codex, claude = (f"/sessions/{sessions[first]}/" for first in ("Please", "The", "/orchestrator"))
    picoclaw = f"/sessions/{sessions['What']}/"
    terminals = shell.json("list", "--terminals")["terminals"]
    assert len(terminals) == 4
    return {
        "/": ROWS,
        "/sessions/": ROWS,
        "/sessions/?status=failed": "usage limit",
        "/sessions/?tag=showcase": ROWS,
        "/sessions/?starred=1": ROWS,
        house: MESSAGES,
        f"{house}runs/": ROWS,
        f"{house}terminals/": "House check",
        f"{house}files/": ROWS,
        f"{house}notes/": 'class="note"',
        f"{house}raw/": "make-believe-agent",
        codex: MESSAGES,
        f"{codex}runs/": "Linnaeus",
        f"{codex}files/": "nightly.py",
        f"{codex}raw/": "rollout-2026-02-20",
        claude: MESSAGES,
        f"{claude}runs/": ROWS,
        f"{claude}files/": ROWS,
        f"{claude}notes/": 'class="note"',
        f"{claude}raw/": "fe5e1c67",
        picoclaw: MESSAGES,
        "/runs/": ROWS,
        f"/runs/{shell.json('show', sessions['The'])['runs'][0]['id']}/": "gpt-5.3-codex",
        "/terminals/": "House check",
        "/terminals/?view=wall": "House check",
        **{f"/terminals/{found['id']}/": TERMINAL for found in terminals},
        "/search/?q=greenhouse": ROWS,
        "/search/?q=kind:terminal%20lamps": "House check",
        "/audit/": ROWS,
        "/audit/?q=action:sign_in.*": ROWS,
        "/audit/facets/": "sign_in",
        "/audit/0/": "prev",
        "/audit/head/": "qr",
        "/settings/": "demo",
        "/settings/people/": "grace",
        "/settings/tokens/": "build box",
        "/settings/views/": "Needs a look",
    }


def trouble_of(page: str, expected: str) -> str:
    """What is wrong with it, "" when it shows something."""
    found = EMPTY.search(page)
    if found is not None:
        return f"is empty: {found[1] or found[2]}"
    return "" if expected in page else f"does not show {expected!r}"


def test_the_demo_has_something_on_every_page_and_leaves_nothing(tmp_path: Path) -> None:
    own = tmp_path / "my own console"
    with running_demo(environment={"SCROLLBACK_HOME": str(own)}) as (demo, ready):
        home = ready["home"]
        shell = Shell(Path(home))
        with urllib.request.urlopen(f"{ready['url']}healthz", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["status"] == "ok"
        agents = {session["agent"] for session in shell.json("list")["sessions"]}
        assert agents == {"claude-code", "codex", "picoclaw"}
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
        visitor = Visitor(ready["url"])
        visitor.sign_in(ready["username"], ready["password"])
        troubles = dict.fromkeys(places := places_of(shell), "was not opened")

        # The live session's first file and the first signed head come by and by.
        deadline = time.monotonic() + NEWS_DEADLINE_S
        while troubles and time.monotonic() < deadline:
            found = {path: trouble_of(visitor.page(path), places[path]) for path in troubles}
            troubles = {path: trouble for path, trouble in found.items() if trouble}
        assert troubles == {}

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
