"""What went into a backup comes out of it, on either engine and from one to the other."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from audit.record import Attachment, record
from sessions_app.models import Person, SignInFailure
from tests.audit.coverage.scenarios import ADA
from tests.audit.logs import grow, prune
from tests.audit.seal_attacks import set_scene
from tests.dashboard.backup.consoles import Console, furnished, rows_beside_the_log, searches
from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell
from tests.databases import copied
from tests.factories import (
    make_note,
    make_person,
    make_project,
    make_read_mark,
    make_run,
    make_saved_view,
    make_star,
    make_tag,
    make_tool_call,
    make_usage,
)

IS_POSTGRES = os.environ["SCROLLBACK_DATABASE_URL"].startswith("postgres")
needs_both_engines = pytest.mark.skipif(
    not IS_POSTGRES, reason="where Postgres is tested, both engines are there"
)


def restored(shell: Shell, original: Console) -> object:
    found = shell.json("restore", original.backup)
    assert found["losses"] == []
    return found


def assert_same(shell: Shell, original: Console, folder: Path) -> None:
    again = shell.json("backup", folder / "again.backup")
    assert rows_beside_the_log(again) == rows_beside_the_log(original.made)
    assert searches(shell) == original.found


def test_a_restored_console_is_the_one_that_was_backed_up(
    original: Console, target: Shell, tmp_path: Path
) -> None:
    found = target.json("restore", original.backup)

    made = original.made
    assert (found["sha256"], found["rows"], found["losses"]) == (made["sha256"], made["rows"], [])
    assert found["audit"] == {name: made["audit"][name] for name in ("size", "root")}
    assert found["search_entries"] == made["tables"]["sessions_app_searchentry"]["rows"] > 100
    assert_same(target, original, tmp_path)
    assert [query for query, (hits, _) in original.found.items() if not hits] == []


def test_the_restored_log_is_sound_and_goes_on(original: Console, target: Shell, tmp_path: Path) -> None:
    head = tmp_path / "signed.head"
    head.write_text(original.made["audit"]["note"])
    restored(target, original)

    first = target.json("audit", "verify", "--head", head, "--state", tmp_path / "heads")
    target.json("user", "add", "grace", "--role", "viewer")
    second = target.json("audit", "verify", "--head", head, "--state", tmp_path / "heads")

    size = original.made["audit"]["size"]
    # Behind what the backup held stand the restore, then the first verification, the person and her link.
    assert (first["is_sound"], first["size"]) == (True, size + 1)
    assert {name: verdict["outcome"] for name, verdict in first["verdicts"].items()} == dict.fromkeys(
        first["verdicts"], "sound"
    )
    assert (second["is_sound"], second["size"]) == (True, size + 4)


def test_the_log_says_what_was_restored_from_where(original: Console, target: Shell) -> None:
    restored(target, original)

    made = original.made
    entries = log_of(target)
    (backup,) = (entry for entry in entries[: made["audit"]["size"]] if entry["action"] == "backup.made")
    newest = entries[made["audit"]["size"]]
    assert newest["action"] == "backup.restored"
    assert newest["target"] == {"type": "backup", "id": made["id"], "label": str(original.backup)}
    assert backup["target"]["id"] == made["id"]
    assert newest["actor"]["type"] == backup["actor"]["type"] == "command"
    assert newest["details"] == {
        "sha256": made["sha256"], "made_ms": made["made_ms"], "version": made["version"],
        "size": made["audit"]["size"], "root": made["audit"]["root"],
    }  # fmt: skip


def log_of(shell: Shell) -> list[dict[str, Any]]:
    """The entries as they stand in a backup of it."""
    with closing(sqlite3.connect(_backup_of(shell))) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM audit_entry ORDER BY idx")]


def _backup_of(shell: Shell) -> Path:
    path = shell.home / "log.backup"
    shell.json("backup", path)
    return path


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Shell:
    home = tmp_path / "sqlite"
    home.mkdir(mode=0o700)
    return Shell(home, f"sqlite:///{home}/console.sqlite3")


@needs_both_engines
def test_from_postgres_to_sqlite(original: Console, on_sqlite: Shell, tmp_path: Path) -> None:
    for key in original.shell.home.glob("audit-*.key"):
        shutil.copy2(key, on_sqlite.home)
    restored(on_sqlite, original)

    assert_same(on_sqlite, original, tmp_path)
    assert on_sqlite.json("audit", "verify", "--state", tmp_path / "heads")["is_sound"]


@needs_both_engines
def test_from_sqlite_to_postgres(on_sqlite: Shell, empty_database_url: str, tmp_path: Path) -> None:
    source = furnished(on_sqlite, tmp_path / "sqlite.backup")
    assert source.made["engine"].startswith("SQLite")
    postgres = Shell(on_sqlite.home, empty_database_url)
    restored(postgres, source)

    assert_same(postgres, source, tmp_path)
    assert postgres.json("audit", "verify", "--state", tmp_path / "heads")["is_sound"]


#: What a test can hardly have beside the rest: it is looked at with the rows that importers make.
_ELSEWHERE = {
    "sessions_app_terminalkeyframe", "sessions_app_terminaltext", "sessions_app_searchentry",
    "sessions_app_skippedline", "sessions_app_sessionalias", "sessions_app_terminalevent",
}  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_every_table_comes_back_with_rows_in_it(
    call: Caller, own_home: Path, empty_database_url: str, tmp_path: Path
) -> None:
    grow(random.Random(1), 300)
    prune(0, 120)
    scene = set_scene(random.Random(2))
    person = make_person(username="grace", last_login=datetime(2026, 11, 29, 12, 30, 1, 250_000, tzinfo=UTC))
    Person.objects.filter(pk=person.pk).update(read_before_ms=2**53 + 1)
    make_project()
    run = make_run(scene.session, key="child")
    make_usage(run)
    make_tool_call(scene.session, output="wörd " * 2_000)
    make_star(person, scene.session)
    make_tag(scene.session, "späßchen")
    make_note(person, scene.session, "eins\nzwei \U0001f642 'quoted' \"twice\" \\ %s")
    make_read_mark(person, scene.session, 3)
    make_saved_view(person)
    scene.session.sources.add(scene.source)
    token_of(person)
    SignInFailure.objects.create(key="grace 127.0.0.1")
    with transaction.atomic():
        record("note.added", actor=ADA, attachment=Attachment(bytes(range(256))))

    made = call("backup", tmp_path / "all.backup", "--json").document
    empty = {name for name, table in made["tables"].items() if not table["rows"]}
    target = Shell(own_home, empty_database_url)
    found = target.json("restore", tmp_path / "all.backup")
    again = target.json("backup", tmp_path / "again.backup")

    assert empty <= _ELSEWHERE
    assert found["losses"] == []
    assert rows_beside_the_log(again) == rows_beside_the_log(made)
    # Of the log what was there is there, and the entries of the restore and of the second backup.
    assert again["audit"]["size"] == made["audit"]["size"] + 2
    for name in ("audit_subtree", "audit_payload", "audit_pruning"):
        assert again["tables"][name] == made["tables"][name]
    verified = target.json("audit", "verify", "--state", tmp_path / "heads")
    assert verified["is_sound"], verified


def token_of(person: Person) -> None:
    from sessions_app.actions.tokens import create_token

    create_token(person, "laptop", ["read", "audit"], actor=ADA)


@pytest.fixture
def second_empty_database(migrated_database: str, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "second"
    folder.mkdir()
    with copied(migrated_database, folder) as url:
        yield url


def test_a_restored_console_is_restored_again(
    original: Console, target: Shell, second_empty_database: str, tmp_path: Path
) -> None:
    restored(target, original)
    second = tmp_path / "second.backup"
    target.json("backup", second)
    third = Shell(target.home, second_empty_database)
    assert third.json("restore", second)["losses"] == []

    assert rows_beside_the_log(third.json("backup", tmp_path / "third.backup")) == rows_beside_the_log(
        original.made
    )
    assert third.json("audit", "verify", "--state", tmp_path / "heads")["is_sound"]
