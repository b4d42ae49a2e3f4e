"""Writes the SQLite database that a backup is."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dashboard.backup.files import sync
from dashboard.backup.manifest import Manifest
from dashboard.backup.tables import Row, Table
from dashboard.lib.errors import Refused

#: What tells a backup from any other SQLite database: the letters "SBAK".
APPLICATION_ID: Final = 0x5342414B
MANIFEST_TABLE: Final = "manifest"

_PRAGMAS: Final = (
    f"PRAGMA application_id={APPLICATION_ID}",
    # Until it is whole the file is nobody's: it need not survive anything.
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA cache_size=-8192",
)


class BackupWriter:
    """Tables one after another, then the manifest."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def begin(self, table: Table) -> None:
        # Without types, so that SQLite keeps each value as it is, and without a key: rows are read as they come.
        self._database.execute(f'CREATE TABLE "{table.name}" ({_names(table.columns)})')

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        marks = ",".join("?" * len(table.columns))
        self._database.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)  # noqa: S608  a table's own name

    def finish(self, manifest: Manifest) -> None:
        text = manifest.encode()
        self._database.execute(f"CREATE TABLE {MANIFEST_TABLE} (document, sha256)")
        self._database.execute(
            f"INSERT INTO {MANIFEST_TABLE} VALUES (?, ?)",  # noqa: S608  a constant
            (text, hashlib.sha256(text.encode()).hexdigest()),
        )


@contextmanager
def writing(file: Path, name: Path) -> Iterator[BackupWriter]:
    """Into this empty file; on the disk when it ends. `name` is what an error calls it. Raises Refused."""
    try:
        database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                database.execute(pragma)
            database.execute("BEGIN EXCLUSIVE")
            yield BackupWriter(database)
            database.execute("COMMIT")
        finally:
            database.close()
        sync(file)
    except sqlite3.Error as error:
        reason = "the disk is full" if "full" in str(error) else str(error)
        raise Refused(f"{name} cannot be written: {reason}. Nothing was left there.") from error
    except OSError as error:
        raise Refused(f"{name} cannot be written: {error.strerror}. Nothing was left there.") from error


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
