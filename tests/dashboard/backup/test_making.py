"""How a backup is made: of one moment, recorded first, whole or not at all."""

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from audit import catalog
from audit.actors import command_line
from audit.models import Entry
from audit.signing import tree_head
from dashboard.backup import making, reading, rows
from dashboard.backup.making import make_backup
from dashboard.backup.writing import BackupWriter
from dashboard.lib.errors import Refused
from sessions_app.actions.sessions import rename_session
from sessions_app.models import AgentSession, Blob, Event
from tests.audit.coverage.scenarios import ADA
from tests.dashboard.backup.consoles import Console
from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell, only_line
from tests.endurance.disks import small_disk
from tests.factories import make_blob, make_message, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_home")]


def silent(_what: str, _done: int, _rows: int) -> None:
    pass


def backups() -> list[Entry]:
    return list(Entry.objects.filter(action="backup.made"))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_the_file_is_its_owners_and_says_what_is_in_it(call: Caller, tmp_path: Path) -> None:
    make_message(make_session(with_main_run=True), "hello")
    path = tmp_path / "a.backup"
    made = call("backup", path, "--json").document

    assert path.stat().st_mode & 0o777 == 0o600
    assert made["bytes"] == path.stat().st_size
    assert left(tmp_path) == ["a.backup"]
    with closing(sqlite3.connect(path)) as database:
        (text,) = database.execute("SELECT text FROM sessions_app_message").fetchone()
    assert text == "hello"
    checked = call("backup", "--check", path, "--json").document
    assert (checked["is_sound"], checked["trouble"]) == (True, "")
    assert {name: checked[name] for name in made if name != "bytes"} == {
        name: value for name, value in made.items() if name != "bytes"
    }
    said = call("backup", "--check", path)
    assert (said.status, said.errors) == (0, "")
    assert "is whole" in said.text
    assert "root " + made["audit"]["root"] in said.text
    assert "audit-" in call("backup", tmp_path / "b.backup").text


def test_a_name_that_is_no_utf8_is_the_name_of_the_file(call: Caller, tmp_path: Path) -> None:
    path = tmp_path / "a\udcff.backup"

    assert call("backup", path, "--json").document["file"] == str(
        tmp_path / "a\N{REPLACEMENT CHARACTER}.backup"
    )
    assert path.exists()
    assert "is whole" in call("backup", "--check", path).text


def test_it_holds_its_own_entry_and_a_signed_head_over_it(call: Caller, tmp_path: Path) -> None:
    made = call("backup", tmp_path / "a.backup", "--json").document

    (entry,) = backups()
    assert (entry.target_id, entry.target_label) == (made["id"], str(tmp_path / "a.backup"))
    assert entry.actor_type == "command"
    assert made["audit"]["size"] == entry.idx + 1
    head = tree_head()
    assert head is not None
    assert made["audit"]["root"] == head.root.hex()
    assert made["audit"]["note"].splitlines()[:2] == [made["audit"]["origin"], str(made["audit"]["size"])]


def test_the_entry_is_there_before_the_first_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    read = rows.rows_of

    def rows_of(table):  # type: ignore[no-untyped-def]
        seen.append(len(backups()))
        return read(table)

    monkeypatch.setattr(making, "rows_of", rows_of)
    make_backup(tmp_path / "a.backup", silent, actor=command_line())
    assert seen[0] == 1


def test_what_cannot_be_recorded_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As after an update that lost a line of the catalogue: the entry is refused for real.
    monkeypatch.delitem(catalog._actions, "backup.made")
    with pytest.raises(catalog.UnknownAction):
        make_backup(tmp_path / "a.backup", silent, actor=command_line())
    assert left(tmp_path) == []


def test_it_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    sessions = [make_session(title="before") for _ in range(4)]
    wrote = []

    def write_meanwhile() -> None:
        try:
            for session in sessions:
                rename_session(session.pk, "after", actor=ADA)
            make_session(title="after")
            wrote.append(True)
        finally:
            connection.close()

    def report(what: str, _done: int, _rows: int) -> None:
        if what == "Backing up" and not wrote:
            writer = threading.Thread(target=write_meanwhile)
            writer.start()
            # Nobody waits for the backup.
            writer.join()

    made = make_backup(tmp_path / "a.backup", report, actor=command_line())

    assert wrote
    assert AgentSession.objects.filter(title="after").count() == 5
    with closing(sqlite3.connect(tmp_path / "a.backup")) as database:
        titles = [title for (title,) in database.execute("SELECT title FROM sessions_app_agentsession")]
        (entries,) = database.execute("SELECT count(*) FROM audit_entry").fetchone()
        (events,) = database.execute("SELECT count(*) FROM sessions_app_event").fetchone()
    assert titles == ["before"] * 4
    assert entries == made.manifest.audit.size == Entry.objects.count() - 4
    assert events == Event.objects.count() - 4


def test_a_file_that_is_there_is_never_written_over(call: Caller, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("mine")
    ended = call("backup", path)

    assert (ended.status, ended.raw, path.read_text()) == (2, b"", "mine")
    assert (
        ended.errors
        == f"scrollback: {path} is there already, and a backup is never written over anything. "
        + ("Name another file.\n")
    )
    assert backups() == []


def test_a_file_that_comes_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"

    def report(*_: object) -> None:
        path.write_text("mine")

    with pytest.raises(Refused, match="is there already"):
        make_backup(path, report, actor=command_line())
    assert (left(tmp_path), path.read_text()) == (["a.backup"], "mine")


@pytest.mark.parametrize("name", ["none/a.backup", "file/a.backup"])
def test_a_path_that_cannot_be_written_is_refused_in_a_line(call: Caller, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    ended = call("backup", tmp_path / name)

    assert (ended.status, ended.raw, ended.errors.count("\n")) == (2, b"", 1)
    assert "cannot be written" in ended.errors
    assert backups() == []


def test_an_interrupted_one_leaves_nothing(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_session()
    read = rows.rows_of

    def rows_of(table):  # type: ignore[no-untyped-def]
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(making, "rows_of", read)
        return read(table)

    monkeypatch.setattr(making, "rows_of", rows_of)
    ended = call("backup", tmp_path / "a.backup")

    assert (ended.status, ended.raw, ended.errors) == (130, b"", "Stopped.\n")
    assert left(tmp_path) == []
    # The connection is good for what comes next.
    assert AgentSession.objects.count() == 1


def test_a_full_disk_leaves_nothing(call: Caller) -> None:
    for number in range(8):
        make_blob(os.urandom(400_000) + bytes([number]))
    with small_disk(2) as disk:
        ended = call("backup", disk.folder / "a.backup")
        there = list(disk.folder.iterdir())

    assert (ended.status, ended.raw, there) == (2, b"", [])
    assert ended.errors == (
        f"scrollback: {disk.folder / 'a.backup'} cannot be written: the disk is full. Nothing was left there.\n"
    )
    assert Blob.objects.count() == 8


def test_what_does_not_read_as_it_was_written_is_not_left(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a stick that forgets."""
    make_session(title="before")
    read = reading.opened

    def open_forgotten(path: Path):  # type: ignore[no-untyped-def]
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE sessions_app_agentsession SET title = 'other'")
        return read(path)

    monkeypatch.setattr(making, "opened", open_forgotten)
    ended = call("backup", tmp_path / "a.backup")

    assert (ended.status, ended.errors.count("\n")) == (2, 1)
    assert "does not read as it was written" in ended.errors
    assert left(tmp_path) == []


def test_memory_holds_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        make_blob(os.urandom(500_000) + bytes([number]))
    largest = []
    add = BackupWriter.add

    def note_and_add(self, table, portion):  # type: ignore[no-untyped-def]
        largest.append(sum(len(value) for row in portion for value in row if isinstance(value, bytes)))
        add(self, table, portion)

    monkeypatch.setattr(BackupWriter, "add", note_and_add)
    make_backup(tmp_path / "a.backup", silent, actor=command_line())

    assert sum(largest) > 20_000_000
    assert max(largest) < 5_000_000


def test_a_database_that_is_away_is_said_in_a_line(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home", "postgres://nobody@127.0.0.1:9/none")
    ended = shell.run("backup", tmp_path / "a.backup")

    assert (ended.returncode, left(tmp_path)) == (2, [])
    assert "Postgres cannot be reached" in only_line(ended.stderr)


@pytest.mark.once  # No database is asked.
def test_a_backup_is_checked_without_a_database(original: Console, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home", "postgres://nobody@127.0.0.1:9/none")
    checked = shell.json("backup", "--check", original.backup)

    assert checked["is_sound"]
    assert checked["sha256"] == original.made["sha256"]
    assert not (tmp_path / "home" / "scrollback.sqlite3").exists()
    with reading.opened(original.backup) as reader:
        assert json.loads(reader.manifest.encode())["tables"]
