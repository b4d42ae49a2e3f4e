"""A log from before the tree becomes one whole tree, whose heads say so."""

import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.canonical import entry_text
from audit.models import Entry
from audit.tree import leaf_hash, root_of
from tests.dashboard.commands.shell import Shell

ROOT = Path(__file__).parents[3]
COLUMNS = (
    "idx", "id", "at_ms", "actor_type", "actor_id", "actor_label", "action", "target_type", "target_id",
    "target_label", "session_id", "run_id", "decision", "body",
)  # fmt: skip


def entry(idx: int) -> Entry:
    made = Entry(
        idx=idx, id=uuid.uuid5(uuid.NAMESPACE_OID, str(idx)), at_ms=1_700_000_000_000 + idx, actor_type="person",
        actor_id="7", actor_label="Söhne 日本", action="session.renamed", target_type="session", target_id=str(idx),
        target_label='a "title"', session_id=uuid.uuid5(uuid.NAMESPACE_URL, str(idx)), decision="allow",
    )  # fmt: skip
    made.body = entry_text(made, {"n": idx})
    return made


def insert(url: str, entries: list[Entry]) -> None:
    rows: list[list[Any]] = [[getattr(each, name) for name in COLUMNS] for each in entries]
    statement = f"INSERT INTO audit_entry ({','.join(COLUMNS)}) VALUES ({','.join(['%s'] * len(COLUMNS))})"  # noqa: S608
    if url.startswith("sqlite"):
        plain = [[value.hex if isinstance(value, uuid.UUID) else value for value in row] for row in rows]
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            database.executemany(statement.replace("%s", "?"), plain)
        database.close()
        return
    with psycopg.connect(url) as server, server.cursor() as cursor:
        cursor.executemany(statement, rows)


def migrate(shell: Shell, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", *arguments, "--verbosity", "0"],
        env=shell.environment,
        capture_output=True,
    )


@pytest.mark.parametrize("count", [1, 600])
def test_a_log_from_before_the_tree_is_carried_over(first_shell: Shell, count: int) -> None:
    assert migrate(first_shell, "audit", "0001").returncode == 0
    entries = [entry(idx) for idx in range(count)]
    insert(first_shell.environment["SCROLLBACK_DATABASE_URL"], entries)

    assert migrate(first_shell).returncode == 0

    head = first_shell.json("audit", "head")
    assert head["size"] == count
    assert head["root"] == root_of([leaf_hash(each.body.encode()) for each in entries]).hex()
    verified = first_shell.json("audit", "verify")
    assert {one["outcome"] for one in verified["verdicts"].values()} <= {"sound", "unchecked"}


def test_a_log_with_an_entry_missing_is_not_migrated(first_shell: Shell) -> None:
    assert migrate(first_shell, "audit", "0001").returncode == 0
    insert(first_shell.environment["SCROLLBACK_DATABASE_URL"], [entry(idx) for idx in (0, 1, 3)])

    refused = migrate(first_shell)

    assert refused.returncode != 0
    assert b"audit entry 2 is missing" in refused.stderr


@pytest.mark.parametrize("target", ["0001", "zero"])
def test_a_log_with_entries_is_not_dropped(shell: Shell, target: str) -> None:
    shell.json("audit", "hold", "0", "0", "--why", "an entry")
    before = shell.json("audit", "verify")["size"]
    refused = migrate(shell, "audit", target)
    assert refused.returncode != 0
    assert b"audit log has entries" in refused.stderr
    assert b"Traceback" not in refused.stderr
    assert shell.json("audit", "verify")["size"] == before + 1
    # As far as nothing of it is lost.
    assert migrate(shell, "audit", "0003").returncode == 0
    assert migrate(shell).returncode == 0
    assert shell.json("audit", "verify")["is_sound"]
