"""Puts a backup into an empty database: all of it, or nothing."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import DatabaseError, DataError, IntegrityError

from audit.actors import Actor
from audit.keys import KeyUnavailable
from audit.models import Entry, Log
from audit.record import lock_log
from audit.restored import key_trouble, put_log
from audit.signing import write_checkpoint
from dashboard.backup.files import sha256_of_file
from dashboard.backup.manifest import Manifest
from dashboard.backup.reading import BackupReader, Report, opened
from dashboard.backup.rows import Digest, rows_of
from dashboard.backup.tables import APPS, Row, Table, tables
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.db import explain, sqlite_path
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import counted
from dashboard.lib.interrupts import held_interrupts
from dashboard.lib.loading import loading, number_on, settle_references
from dashboard.lib.schema import applied_migrations, require_schema
from sessions_app.actions.backups import note_restore
from sessions_app.actions.word_index import Indexed, index_everything
from sessions_app.models import AgentSession, Person, SearchEntry, Source, Terminal

_LOG_APP: Final = "audit"


@dataclass(frozen=True)
class Restored:
    """`key_trouble` says why nothing can be signed yet and what to do, "" when all is well."""

    manifest: Manifest
    sha256: str
    words: Indexed
    key_trouble: str


def restore_backup(path: Path, report: Report, *, actor: Actor) -> Restored:
    """Fill the database, whose tables are made where there are none, with what this file holds.

    Raises Refused, DatabaseError, KeyboardInterrupt; the database is as empty as it was then.
    """
    with opened(path) as reader:
        _refuse_other_schema(reader.manifest)
        sha256 = sha256_of_file(path)
        # A Ctrl C that was held back is heard before the commit.
        with loading(), held_interrupts() as interrupts:

            def go_on(what: str, done: int, rows: int) -> None:
                interrupts.check()
                report(what, done, rows)

            # Whoever would append waits: nothing else that is recorded happens meanwhile.
            lock_log()
            _refuse_filled_database()
            trouble = _fill(reader, go_on)
            _compare(reader.manifest, go_on)
            number_on([table.model for table in tables()])
            words = _index(go_on)
            _note(reader.manifest, path, sha256, actor)
        return Restored(reader.manifest, sha256, words, trouble or _sign())


def _refuse_other_schema(manifest: Manifest) -> None:
    """Makes the tables of an empty database."""
    require_schema()
    ours, theirs = applied_migrations(APPS), manifest.migrations
    newer = sorted(set(theirs) - set(ours))
    if newer:
        raise Refused(
            f"The backup was made by a newer Scrollback, {manifest.version} (it has {newer[-1]}). "
            "Update the program; nothing was changed."
        )
    older = sorted(set(ours) - set(theirs))
    if older:
        raise Refused(
            f"The backup was made by an older Scrollback, {manifest.version} (it lacks {older[-1]}). Restore it with "
            "that version, and start `scrollback serve` of this one on the database then; nothing was changed."
        )
    known = [(table.name, table.columns) for table in tables()]
    if [(note.name, note.columns) for note in manifest.tables] != known:
        raise Refused("The backup has other tables than this Scrollback, whose migrations it has.")


def _refuse_filled_database() -> None:
    # The tables were made with a log that is empty.
    filled = [table for table in tables() if table.model is not Log and table.model._base_manager.exists()]
    if not filled and not Log.objects.filter(size__gt=0).exists():
        return
    kinds = (
        (Person.objects.people(), "person", "people"), (AgentSession.objects, "session", ""),
        (Source.objects, "source", ""), (Terminal.objects, "terminal", ""),
        (Entry.objects, "entry of the audit log", "entries of the audit log"),
    )  # fmt: skip
    found = [(rows.count(), noun, plural) for rows, noun, plural in kinds]
    there = ", ".join(counted(number, noun, plural) for number, noun, plural in found if number)
    kind = "sqlite:///FILE" if sqlite_path() else "postgres://…"
    raise Refused(
        f"This database is not empty ({there or 'it has rows'}), and nobody can take entries out of an audit log. "
        f"Name a new one with SCROLLBACK_DATABASE_URL ({kind}) and restore before the first `serve`; "
        "nothing was changed."
    )


def _fill(reader: BackupReader, report: Report) -> str:
    """Write every row; why the log cannot be signed from here on, "" when it can. Raises Refused."""
    trouble, done = None, 0
    for table, note in zip(tables(), reader.manifest.tables, strict=True):
        if trouble is None and table.model._meta.app_label != _LOG_APP:
            # All of the log is there.
            trouble = key_trouble()
        digest = Digest()
        try:
            for rows in table.batches(reader.rows(note)):
                reader.take(note, digest, rows)
                _insert(table, rows)
                report("Restoring", done + digest.rows, reader.manifest.rows)
            settle_references()
        except (DataError, IntegrityError, ValueError) as error:
            # Is it the file, or the database?
            for _ in reader.check_table(note):
                pass
            raise Refused(
                f"A row of {table.name} cannot be stored here: {explain(error)}. Nothing was restored."
            ) from error
        reader.compare(note, digest)
        done += digest.rows
    return trouble or ""


def _insert(table: Table, rows: Sequence[Row]) -> None:
    """Raises DataError, IntegrityError, ValueError."""
    stored = [table.stored(row) for row in rows]
    if table.model is Log:
        for values in stored:
            put_log(Log(**dict(zip(table.attributes, values, strict=True))))
    else:
        bulk_insert(table.model, table.attributes, stored)


def _compare(manifest: Manifest, report: Report) -> None:
    """What the database has now, as it reads it itself. Raises Refused."""
    done = 0
    for table, note in zip(tables(), manifest.tables, strict=True):
        digest = Digest()
        for rows in table.batches(rows_of(table)):
            digest.take(rows)
            report("Comparing", done + digest.rows, manifest.rows)
        if (digest.rows, digest.sha256) != (note.rows, note.sha256):
            raise Refused(
                f"The rows of {table.name} are not in the database as they are in the backup. Nothing was restored."
            )
        done += digest.rows


def _index(report: Report) -> Indexed:
    entries = SearchEntry.objects.count()
    return index_everything(lambda done: report("Indexing words", done, entries))


def _note(manifest: Manifest, path: Path, sha256: str, actor: Actor) -> None:
    note_restore(
        uuid.UUID(manifest.id),
        str(path.absolute()),
        sha256=sha256,
        made_ms=manifest.made_ms,
        version=manifest.version,
        size=manifest.audit.size,
        root=manifest.audit.root,
        actor=actor,
    )


def _sign() -> str:
    """Why the head is not signed. Everything is in place by now."""
    try:
        write_checkpoint()
    except KeyUnavailable as error:
        return str(error)
    except DatabaseError as error:
        return f"The newest entries of the audit log are not signed yet: {explain(error)}"
    return ""
