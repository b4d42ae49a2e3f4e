"""Reads a backup, and holds it against its manifest. No database but the file itself is asked."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from dashboard.backup.manifest import Damaged, Manifest, NotABackup, TableNote
from dashboard.backup.rows import Digest
from dashboard.backup.tables import Row
from dashboard.backup.writing import APPLICATION_ID, MANIFEST_TABLE
from dashboard.lib.errors import Refused

#: What is done, how many rows of it, of how many.
type Report = Callable[[str, int, int], None]

_ROWS_AT_ONCE: Final = 8
_CHECKED_AT_ONCE: Final = 500
_OTHER_ROWS: Final = "the rows of {} are not those that were written"


class BackupReader:
    """An open backup; what it holds is believed when its hashes are right, not before."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database
        self.manifest = self._manifest()
        self._refuse_other_tables()

    def rows(self, note: TableNote) -> Iterator[Row]:
        """In the order in which they were written. Raises Damaged."""
        columns = ", ".join(f'"{column}"' for column in note.columns)
        cursor = self._execute(f'SELECT {columns} FROM "{note.name}" ORDER BY rowid')  # noqa: S608  looked at before
        with closing(cursor):
            while rows := self._fetch(cursor):
                yield from rows

    def compare(self, note: TableNote, digest: Digest) -> None:
        """Raises Damaged when these are not the rows that were written."""
        if digest.rows != note.rows:
            raise self._damaged(f"{note.name} has {digest.rows:,} rows and should have {note.rows:,}")
        if digest.sha256 != note.sha256:
            raise self._damaged(_OTHER_ROWS.format(note.name))

    def check(self, report: Report) -> None:
        """Read everything. Raises Damaged."""
        done = 0
        for note in self.manifest.tables:
            for rows in self.check_table(note):
                report("Checking", done + rows, self.manifest.rows)
            done += note.rows

    def check_table(self, note: TableNote) -> Iterator[int]:
        """Read it all; how many rows that were, now and then. Raises Damaged."""
        digest = Digest()
        for row in self.rows(note):
            self.take(note, digest, [row])
            if not digest.rows % _CHECKED_AT_ONCE:
                yield digest.rows
        self.compare(note, digest)
        yield digest.rows

    def take(self, note: TableNote, digest: Digest, rows: Sequence[Row]) -> None:
        """Add rows to their digest. Raises Damaged."""
        try:
            digest.take(rows)
        except (ValueError, TypeError) as error:
            raise self._damaged(_OTHER_ROWS.format(note.name)) from error

    def _manifest(self) -> Manifest:
        try:
            application = self._database.execute("PRAGMA application_id").fetchone()
        except sqlite3.DatabaseError as error:
            raise NotABackup(
                f"{self._path} is no backup, or is damaged at its beginning: {error}."
            ) from error
        if application != (APPLICATION_ID,):
            raise NotABackup(f"{self._path} is an SQLite database and no backup.")
        with closing(self._execute(f"SELECT document, sha256 FROM {MANIFEST_TABLE}")) as cursor:  # noqa: S608  a constant
            rows = self._fetch(cursor)
        if len(rows) != 1 or not all(isinstance(value, str) for value in rows[0]):
            raise self._damaged("it has no manifest")
        document, sha256 = rows[0]
        if hashlib.sha256(document.encode()).hexdigest() != sha256:
            raise self._damaged("its manifest is not what was written")
        try:
            return Manifest.decode(document)
        except Refused as error:
            raise type(error)(f"{self._path}: {error}") from error

    def _refuse_other_tables(self) -> None:
        """A view, or a table with another's rows, has no place in a backup."""
        found: list[Any] = []
        with closing(self._execute("SELECT type, name FROM sqlite_master")) as cursor:
            while rows := self._fetch(cursor):
                found += rows
        expected = {
            ("table", name) for name in (MANIFEST_TABLE, *(note.name for note in self.manifest.tables))
        }
        if len(found) != len(expected) or set(found) != expected:
            raise self._damaged("its tables are not those of its manifest")

    def _execute(self, sql: str) -> sqlite3.Cursor:
        try:
            return self._database.execute(sql)
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _fetch(self, cursor: sqlite3.Cursor) -> list[Any]:
        try:
            return cursor.fetchmany(_ROWS_AT_ONCE)
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, how: str) -> Damaged:
        return Damaged(f"{self._path} is damaged: {how}.")


@contextmanager
def opened(path: Path) -> Iterator[BackupReader]:
    """Raises NotABackup, Damaged, Refused."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    # Nobody changes it meanwhile, and it may lie where nothing can be written.
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
        database.execute("PRAGMA trusted_schema=OFF")
        yield BackupReader(path, database)
