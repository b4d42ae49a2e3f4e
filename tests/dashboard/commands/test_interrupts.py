"""Ctrl C: the program says that it stopped, soon, and the next one goes on."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psycopg
import pytest

from tests.dashboard.commands.shell import Shell
from tests.launching import SCROLLBACK
from tests.samples import sample

HISTORY_ID = "019c8a59-e9dd-71f0-9ae3-4079fe9726a9"
HISTORY = f"codex/sessions/rollout-2026-02-23T12-54-34-{HISTORY_ID}.jsonl"
# Several commits' worth: 4 MB each.
COPIES = 24
PATIENCE_S = 60.0
SOON_S = 10.0

STARTED_AND_INTERRUPTED = """
import os, signal, sys
from dashboard.cli import main

class Interrupting:
    def find_spec(self, name, *rest):
        if name == "django.apps":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["scrollback", "list"]
sys.exit(main())
"""


def grow_histories(folder: Path) -> None:
    folder.mkdir()
    content = sample(HISTORY).read_text()
    for _ in range(COPIES):
        name = str(uuid.uuid4())
        history = folder / f"rollout-2026-02-23T12-54-34-{name}.jsonl"
        history.write_text(content.replace(HISTORY_ID, name))


def count_of(table: str, shell: Shell) -> int:
    """How many rows are committed; none while there is no table."""
    url, sql = shell.environment["SCROLLBACK_DATABASE_URL"], f"SELECT count(*) FROM {table}"  # noqa: S608
    with contextlib.suppress(sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        if url.startswith("sqlite"):
            with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
                return int(database.execute(sql).fetchone()[0])
        with psycopg.connect(url) as postgres:
            row = postgres.execute(sql.encode()).fetchone()
            return int(row[0]) if row else 0
    return 0


@pytest.mark.parametrize(
    ("number", "status", "last_words"),
    [(signal.SIGINT, 130, b"Stopped.\n"), (signal.SIGKILL, -signal.SIGKILL, b"")],
)
def test_an_import_that_is_interrupted_or_killed_is_gone_on_with_by_the_next_one(
    shell: Shell, tmp_path: Path, number: signal.Signals, status: int, last_words: bytes
) -> None:
    grow_histories(tmp_path / "histories")
    importing = subprocess.Popen(
        [str(SCROLLBACK), "import", str(tmp_path / "histories")],
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not count_of("sessions_app_message", shell):
        assert importing.poll() is None, importing.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    importing.send_signal(number)
    said, errors = importing.communicate(timeout=SOON_S)

    assert (importing.returncode, said, errors) == (status, b"", last_words)
    written = count_of("sessions_app_source", shell)
    assert 0 < written < COPIES
    again = shell.json("import", tmp_path / "histories")
    assert again["sources"] == COPIES - written
    sessions = shell.json("list", "--limit", "100")["sessions"]
    assert len(sessions) == COPIES
    assert {(found["message_count"], found["tool_call_count"]) for found in sessions} == {
        (sessions[0]["message_count"], 365)
    }
    assert count_of("sessions_app_message", shell) % COPIES == 0


@pytest.mark.once
def test_a_program_that_is_interrupted_while_it_starts_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STARTED_AND_INTERRUPTED],
        env=Shell(tmp_path).environment,
        capture_output=True,
        timeout=PATIENCE_S,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"Stopped.\n")
