"""Backups in the log: everything left the console in one file, or came into it from one."""

import uuid

from audit.actors import Actor
from audit.models import Entry
from audit.record import Target, record
from dashboard.lib.db import write_transaction


def note_backup(backup_id: uuid.UUID, path: str, *, actor: Actor) -> None:
    """Call it before the first row is read: the backup holds its own entry, and what cannot be recorded is not made."""
    with write_transaction():
        record("backup.made", actor=actor, target=_target(backup_id, path))


def note_restore(
    backup_id: uuid.UUID,
    path: str,
    *,
    sha256: str,
    made_ms: int,
    version: str,
    size: int,
    root: str,
    actor: Actor,
) -> Entry:
    """In the transaction that has put the backup's rows in place: the entry stands behind those of the backup.

    `sha256` is that of the file, `size` and `root` the head of the log that it carried.
    """
    details = {"sha256": sha256, "made_ms": made_ms, "version": version, "size": size, "root": root}
    return record("backup.restored", actor=actor, target=_target(backup_id, path), details=details)


def _target(backup_id: uuid.UUID, path: str) -> Target:
    return Target("backup", str(backup_id), path)
