"""What is not restored, and that nothing is left of it; and the key that no backup holds."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from audit.models import Checkpoint, Entry, Log, Subtree
from audit.notes import Signer
from audit.verification import verify
from dashboard.backup import restoring
from dashboard.backup.tables import tables
from dashboard.lib import bulk
from dashboard.lib.loading import number_on
from sessions_app.models import AgentSession
from sessions_app.search import index
from tests.audit.attacks import drop_triggers
from tests.dashboard.backup.consoles import Console
from tests.dashboard.commands.calling import Caller, Ended
from tests.dashboard.commands.shell import Shell, only_line
from tests.factories import make_session

pytestmark = pytest.mark.django_db(transaction=True)
at_hand = pytest.mark.usefixtures("key_at_hand")


def assert_nothing_is_there() -> None:
    filled = {table.name for table in tables() if table.model._base_manager.exists()}
    # The row that the tables are made with; a test's own flush takes it too.
    assert filled <= {"audit_log"}
    assert not Log.objects.filter(size__gt=0).exists()
    assert index.candidates([index.Term("the")], before=None, after=None, limit=1) == []
    assert not connection.in_atomic_block


def assert_refused(ended: Ended, *said: str) -> None:
    assert (ended.status, ended.raw, ended.errors.count("\n")) == (2, b"", 1), ended
    for part in said:
        assert part in ended.errors
    assert_nothing_is_there()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def change_manifest(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """As another version would have written it."""
    with closing(sqlite3.connect(path)) as database, database:
        (text,) = database.execute("SELECT document FROM manifest").fetchone()
        document = json.loads(text)
        edit(document)
        text = json.dumps(document, separators=(",", ":"))
        database.execute(
            "UPDATE manifest SET document = ?, sha256 = ?", (text, hashlib.sha256(text.encode()).hexdigest())
        )


DAMAGES: dict[str, tuple[str, ...]] = {
    "a text": ("UPDATE sessions_app_message SET text = text || 'x' WHERE rowid = 3",),
    "some bytes": ("UPDATE sessions_app_sourcechunk SET data = zeroblob(length(data)) WHERE rowid = 1",),
    "a number": ("UPDATE sessions_app_agentsession SET last_seq = last_seq + 1 WHERE rowid = 1",),
    "the kind of a value": ("UPDATE sessions_app_agentsession SET last_seq = CAST(last_seq AS TEXT) WHERE rowid = 1",),
    "a key": ("UPDATE sessions_app_message SET id = 'nothing of the kind' WHERE rowid = 1",),
    "a row that is gone": ("DELETE FROM sessions_app_event WHERE rowid = 2",),
    "a row too many": ("INSERT INTO sessions_app_tag VALUES ('0199000000007000800000000000000a', 'new')",),
    "two rows in another order": (
        "UPDATE sessions_app_message SET rowid = 1000000 WHERE rowid = 1",
    ),
    "an entry of the log": ("UPDATE audit_entry SET actor_label = 'eve' WHERE rowid = 1",),
    "the manifest": ("UPDATE manifest SET document = replace(document, '\"format\":1', '\"format\": 1')",),
    "a table that is gone": ("DROP TABLE sessions_app_star",),
    "a view in a table's place": ("ALTER TABLE sessions_app_tag RENAME TO other",
                                  "CREATE VIEW sessions_app_tag AS SELECT * FROM other"),
    "text that is none": ("UPDATE sessions_app_message SET text = CAST(x'ff41' AS TEXT) WHERE rowid = 1",),
}  # fmt: skip


@at_hand
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_noticed_and_nothing_of_it_restored(
    call: Caller, copy: Path, damage: str
) -> None:
    change(copy, *DAMAGES[damage])

    assert_refused(call("restore", copy), "is damaged")
    checked = call("backup", "--check", copy)
    assert (checked.status, checked.raw, checked.errors.count("\n")) == (1, b"", 1)
    assert "is damaged" in checked.errors
    document = call("backup", "--check", copy, "--json")
    assert (document.status, document.document["is_sound"]) == (1, False)


@at_hand
def test_bytes_of_the_file_that_were_lost_are_noticed(call: Caller, copy: Path) -> None:
    whole = copy.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:5000] + bytes(8192) + whole[13192:]):
        copy.write_bytes(broken)
        assert_refused(call("restore", copy), str(copy))
        assert call("backup", "--check", copy).status in {1, 2}


@at_hand
@pytest.mark.parametrize("kind", ["text", "empty", "database", "folder", "missing"])
def test_what_is_no_backup_is_refused(call: Caller, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other"
    if kind == "text":
        path.write_text("not this one " * 1000)
    elif kind == "empty":
        path.touch()
    elif kind == "database":
        change(path, "CREATE TABLE manifest (document, sha256)")
    elif kind == "folder":
        path.mkdir()
    said = "cannot be read" if kind in {"folder", "missing"} else "no backup"

    assert_refused(call("restore", path), str(path), said)
    assert call("backup", "--check", path).status == 2


def test_a_file_that_is_refused_makes_no_tables(first_database: Shell, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x" * 5000)
    ended = first_database.run("restore", tmp_path / "other")

    assert ended.returncode == 2
    assert "is no backup" in only_line(ended.stderr)
    if first_database.environment["SCROLLBACK_DATABASE_URL"].startswith("sqlite"):
        assert not (tmp_path / "empty.sqlite3").exists()


@pytest.fixture
def first_database(tmp_path: Path, empty_database_url: str) -> Shell:
    return Shell(tmp_path, empty_database_url)


def _add_migration(manifest: dict[str, Any]) -> None:
    manifest["migrations"].append("sessions_app.9999_later")
    manifest["version"] = "9.0"


def _drop_migration(manifest: dict[str, Any]) -> None:
    manifest["migrations"].pop()
    manifest["version"] = "0.0.9"


@at_hand
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_add_migration, ("newer Scrollback, 9.0", "sessions_app.9999_later", "Update the program")),
        (_drop_migration, ("older Scrollback, 0.0.9", "Restore it with that version")),
        (lambda manifest: manifest.update(format=2), ("in the form 2", "update the program")),
        (lambda manifest: manifest.pop("engine"), ("is damaged", "manifest")),
        (lambda manifest: manifest["tables"][0]["columns"].reverse(), ("other tables",)),
    ],
)
def test_a_backup_of_another_version_is_refused(
    call: Caller, copy: Path, edit: Callable[[dict[str, Any]], None], said: tuple[str, ...]
) -> None:
    change_manifest(copy, edit)
    assert_refused(call("restore", copy), *said)


@at_hand
def test_a_database_with_something_in_it_is_left_as_it_is(call: Caller, original: Console) -> None:
    session = make_session(title="mine")
    ended = call("restore", original.backup)

    assert (ended.status, ended.raw, ended.errors.count("\n")) == (2, b"", 1)
    assert "This database is not empty (1 session)" in ended.errors
    assert "SCROLLBACK_DATABASE_URL" in ended.errors
    assert list(AgentSession.objects.values_list("pk", flat=True)) == [session.pk]
    assert not Entry.objects.exists()


@at_hand
def test_a_log_that_has_an_entry_is_not_emptied_for_a_backup(
    call: Caller, original: Console, tmp_path: Path
) -> None:
    call("backup", tmp_path / "own.backup")
    ended = call("restore", original.backup)

    assert (ended.status, ended.errors.count("\n")) == (2, 1)
    assert "1 entry of the audit log" in ended.errors
    assert [entry.action for entry in Entry.objects.all()] == ["backup.made"]


@at_hand
@pytest.mark.parametrize("step", ["bulk_insert", "_compare", "index_everything", "note_restore"])
def test_an_interrupted_restore_leaves_the_database_empty(
    call: Caller, original: Console, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(restoring, step)

    def interrupt(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, step, interrupt)
        ended = call("restore", original.backup)

    assert (ended.status, ended.raw, ended.errors) == (130, b"", "Stopped.\n")
    assert_nothing_is_there()
    # And it can be done then.
    assert call("restore", original.backup).status == 0
    assert Entry.objects.count() == original.made["audit"]["size"] + 1


@at_hand
def test_rows_that_arrive_otherwise_than_they_were_sent_are_noticed(
    call: Caller, original: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = bulk.bulk_insert

    def lose_one(model: Any, columns: Any, rows: Any) -> None:
        insert(model, columns, rows[1:] if model is apps.get_model("sessions_app.Event") else rows)

    monkeypatch.setattr(restoring, "bulk_insert", lose_one)
    assert_refused(call("restore", original.backup), "sessions_app_event", "Nothing was restored")


@at_hand
def test_rows_that_name_what_is_not_there_are_refused(call: Caller, copy: Path) -> None:
    """Hashes and all: as a program that is wrong would have written it."""
    change(copy, "DELETE FROM sessions_app_project")
    empty = hashlib.sha256(b"").hexdigest()

    def forget(manifest: dict[str, Any]) -> None:
        (table,) = (table for table in manifest["tables"] if table["name"] == "sessions_app_project")
        table.update(rows=0, sha256=empty)

    change_manifest(copy, forget)
    assert_refused(call("restore", copy))


@at_hand
def test_a_text_that_is_damaged_itself_is_restored_as_it_is_and_told(call: Caller, copy: Path) -> None:
    """It was so when the backup was made, which keeps what there is."""
    change(copy, "UPDATE sessions_app_blob SET data = x'00' WHERE codec = 'zstd'")
    repair(copy, "sessions_app_blob")
    ended = call("restore", copy)

    assert ended.status == 1
    assert "Restored " in ended.text
    assert "cannot be searched but for its beginning" in ended.errors


# ── The key ──────────────────────────────────────────────────────────────────────────────────────────────
@at_hand
def test_with_its_key_the_log_is_signed_at_once(call: Caller, original: Console) -> None:
    ended = call("restore", original.backup)

    assert (ended.status, ended.errors) == (0, "")
    assert (
        Checkpoint.objects.latest("size").size == Entry.objects.count() == original.made["audit"]["size"] + 1
    )
    assert verify().is_sound


def test_without_its_key_it_is_restored_and_says_what_to_do(
    call: Caller, original: Console, own_home: Path
) -> None:
    ended = call("restore", original.backup)

    assert (ended.status, ended.errors.count("\n")) == (1, 1)
    assert "Restored " in ended.text
    assert str(own_home / f"audit-{Log.objects.get().log_id.hex[:16]}.key") in ended.errors
    assert "audit new-key --why" in ended.errors
    assert not list(own_home.glob("*.key"))
    assert Checkpoint.objects.latest("size").size == original.made["audit"]["size"]
    assert call("audit", "new-key", "--why", "lost with the machine").status == 0
    assert verify().is_sound
    assert Checkpoint.objects.latest("size").size == Entry.objects.count()


def test_another_key_in_its_place_is_refused_before_it_signs(
    call: Caller, original: Console, own_home: Path
) -> None:
    (name,) = (path.name for path in original.shell.home.glob("audit-*.key"))
    origin = original.made["audit"]["origin"]
    (own_home / name).write_text(Signer.new(origin).written() + "\n")

    assert_refused(call("restore", original.backup), str(own_home / name), "another key", "audit new-key")
    (own_home / name).unlink()
    assert call("restore", original.backup).status == 1


@at_hand
def test_a_key_that_an_entry_put_in_place_and_that_signed_nothing_yet_is_the_right_one(
    call: Caller, original: Console, tmp_path: Path, own_home: Path, target: Shell
) -> None:
    """A backup between the entry of a new key and its first signature: the key that is replaced is no stranger."""
    assert target.json("restore", original.backup)["losses"] == []
    target.json("audit", "new-key", "--why", "as every year")
    target.json("backup", tmp_path / "later.backup")
    newest = target.json("backup", "--check", tmp_path / "later.backup")["audit"]["size"]
    change(tmp_path / "later.backup", f"DELETE FROM audit_checkpoint WHERE size > {newest - 2}")  # noqa: S608
    repair(tmp_path / "later.backup", "audit_checkpoint")
    (key,) = target.home.glob("audit-*.key")
    (own_home / key.name).write_bytes(key.read_bytes())

    ended = call("restore", tmp_path / "later.backup")

    assert (ended.status, ended.errors) == (0, "")
    assert verify().is_sound


def repair(path: Path, name: str) -> None:
    """Let the manifest agree with what the table holds now."""
    from dashboard.backup.rows import Digest

    digest = Digest()
    with closing(sqlite3.connect(path)) as database:
        digest.take(database.execute(f'SELECT * FROM "{name}" ORDER BY rowid'))  # noqa: S608

    def edit(manifest: dict[str, Any]) -> None:
        (table,) = (table for table in manifest["tables"] if table["name"] == name)
        table.update(rows=digest.rows, sha256=digest.sha256)

    change_manifest(path, edit)


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────────
def test_the_next_row_of_a_numbered_table_comes_after_those_that_were_loaded() -> None:
    # They would refuse parts of the tree of a log that has no entries.
    drop_triggers()
    Subtree.objects.create(pk=41, level=1, number=0, hash=bytes(32))
    number_on([Subtree])

    # SQLite never gives a number again, also one of another test that was undone.
    assert Subtree.objects.create(level=1, number=1, hash=bytes(32)).pk > 41
