"""Makes a backup: everything in one file, as it was in one moment, while a server goes on writing."""

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from audit.actors import Actor
from audit.keys import KeyUnavailable
from audit.signing import newest_checkpoint, tree_head, write_checkpoint
from dashboard.backup.files import new_file, sha256_of_file
from dashboard.backup.manifest import FORMAT, Damaged, HeadNote, Manifest, TableNote
from dashboard.backup.reading import Report, opened
from dashboard.backup.rows import Digest, rows_of
from dashboard.backup.tables import APPS, Table, tables
from dashboard.backup.writing import BackupWriter, writing
from dashboard.lib.clock import now_ms
from dashboard.lib.db import engine_version, read_snapshot
from dashboard.lib.ids import new_id
from dashboard.lib.interrupts import held_interrupts
from dashboard.lib.schema import applied_migrations
from sessions_app.actions.backups import note_backup


@dataclass(frozen=True)
class Made:
    """`sha256` is that of the file."""

    manifest: Manifest
    bytes: int
    sha256: str


def make_backup(path: Path, report: Report, *, actor: Actor) -> Made:
    """Write everything into this file, which is not there yet, and read it again.

    Raises Refused, DatabaseError, KeyboardInterrupt; nothing is left at `path` then.
    """
    backup_id = new_id()
    with new_file(path) as pending:
        with held_interrupts() as interrupts:

            def go_on(what: str, done: int, rows: int) -> None:
                interrupts.check()
                report(what, done, rows)

            note_backup(backup_id, str(path.absolute()), actor=actor)
            # Without the key nothing is refused; whoever signs beside this tells what is wrong with it.
            with suppress(KeyUnavailable):
                # The backup should hold a signed head with its own entry in it.
                write_checkpoint()
            with writing(pending, path) as writer, read_snapshot():
                manifest = _write(writer, str(backup_id), go_on)
                writer.finish(manifest)
            _read_again(pending, path, manifest, go_on)
        made = Made(manifest, pending.stat().st_size, sha256_of_file(pending))
    return made


def _write(writer: BackupWriter, backup_id: str, report: Report) -> Manifest:
    """Inside of the snapshot."""
    made_ms = now_ms()
    head = _head()
    total = sum(table.model._base_manager.count() for table in tables())
    notes: list[TableNote] = []
    done = 0
    for table in tables():
        digest = Digest()
        writer.begin(table)
        for rows in table.batches(rows_of(table)):
            writer.add(table, rows)
            digest.take(rows)
            report("Backing up", done + digest.rows, total)
        notes.append(_note(table, digest))
        done += digest.rows
    return Manifest(
        format=FORMAT,
        id=backup_id,
        made_ms=made_ms,
        version=version("scrollback"),
        engine=engine_version(),
        migrations=applied_migrations(APPS),
        tables=tuple(notes),
        audit=head,
    )


def _note(table: Table, digest: Digest) -> TableNote:
    return TableNote(table.name, table.columns, digest.rows, digest.sha256)


def _head() -> HeadNote:
    head, signed = tree_head(), newest_checkpoint()
    if head is None:
        raise RuntimeError("the entry of this backup is not in its own snapshot")
    return HeadNote(head.origin, head.size, head.root.hex(), signed.note if signed else "")


def _read_again(pending: Path, path: Path, manifest: Manifest, report: Report) -> None:
    try:
        with opened(pending) as reader:
            if reader.manifest != manifest:
                raise Damaged("its manifest is not the one that was written")
            reader.check(report)
    except Damaged as error:
        raise Damaged(
            f"{path} does not read as it was written ({error}) Nothing was left there; look after that disk."
        ) from error
