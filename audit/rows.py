"""Rows of the log as they lie in the database, read past Django so that another process can do it, and fast.

What differs between the engines when the log is read is here. A value of another kind than the column should have
(SQLite keeps anything anywhere) comes back as it is.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from audit.columns import Row

ROWS_AT_ONCE: Final = 1_024
_PAYLOADS_AT_ONCE: Final = 16
_TEXTS: Final = (
    "actor_type",
    "actor_id",
    "actor_label",
    "action",
    "target_type",
    "target_id",
    "target_label",
)


class Cursor(Protocol):
    """Of Django, of sqlite3 or of psycopg: the statements have no parameters, whose marks differ."""

    def execute(self, sql: Any, /) -> object: ...

    def fetchall(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class Payload:
    idx: int
    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Rows:
    """Reads by ranges; `is_sqlite` says how."""

    cursor: Cursor
    is_sqlite: bool

    def entries(self, start: int, end: int) -> Iterator[list[Row]]:
        """Those with `start <= idx < end` in order, some at a time."""
        for first in range(start, end, ROWS_AT_ONCE):
            where = f"FROM audit_entry WHERE idx >= {first} AND idx < {min(first + ROWS_AT_ONCE, end)} ORDER BY idx"
            yield (
                self._sqlite_entries(where) if self.is_sqlite else self._fetch(f"SELECT {_POSTGRES} {where}")
            )

    def payloads(self, start: int, end: int) -> Iterator[Payload]:
        after = start - 1
        while True:
            rows = self._fetch(
                f"SELECT idx, salt, data FROM audit_payload WHERE idx > {after} AND idx < {end}"  # noqa: S608  numbers
                f" ORDER BY idx LIMIT {_PAYLOADS_AT_ONCE}"
            )
            for idx, salt, data in rows:
                yield Payload(idx, _bytes(salt), _bytes(data))
                after = idx
            if len(rows) < _PAYLOADS_AT_ONCE:
                return

    def checkpoints(self, start: int, end: int) -> list[tuple[int, str, str]]:
        """Size, note and key of those with `start < size <= end`."""
        note = "CAST(note AS BLOB), CAST(key AS BLOB)" if self.is_sqlite else "note, key"
        rows = self._fetch(
            f"SELECT size, {note} FROM audit_checkpoint WHERE size > {start} AND size <= {end} ORDER BY size"  # noqa: S608
        )
        return [(size, _text(note), _text(key)) for size, note, key in rows]

    def _fetch(self, sql: str) -> Any:
        self.cursor.execute(sql)
        return self.cursor.fetchall()

    def _sqlite_entries(self, where: str) -> list[Row]:
        try:
            return list(self._fetch(f"SELECT {_SQLITE} {where}"))
        except Exception as error:
            # Django's own errors are not known here, where Django may not be.
            if "decode to UTF-8" not in str(error):
                raise
            return [
                (idx, _text(id_), _number(_text(at_ms)), *map(_text, texts), body, leaf)
                for idx, id_, at_ms, *texts, body, leaf in self._fetch(f"SELECT {_SQLITE_AS_BYTES} {where}")
            ]


def _dashed(column: str) -> str:
    """SQLite keeps a UUID as its 32 digits; whatever else lies there does not become one this way."""
    parts = [f"substr({column}, {at}, {count})" for at, count in ((1, 8), (9, 4), (13, 4), (17, 4))]
    return " || '-' || ".join([*parts, f"substr({column}, 21)"])


_AFTER_IDX: Final = (
    _dashed("id"), "at_ms", *_TEXTS, _dashed("session_id"), _dashed("run_id"), "decision", "CAST(body AS BLOB)",
)  # fmt: skip
_SQLITE: Final = f"idx, {', '.join(_AFTER_IDX)}, leaf"
_SQLITE_AS_BYTES: Final = f"idx, {', '.join(f'CAST({column} AS BLOB)' for column in _AFTER_IDX)}, leaf"
_POSTGRES: Final = (
    f"idx, id::text, at_ms, {', '.join(_TEXTS)}, session_id::text, run_id::text, decision,"
    " convert_to(body, 'UTF8'), leaf"
)


def opened(*, is_sqlite: bool, address: str) -> Rows:
    """On a connection of its own that reads only; `address` is a file's URI or what libpq takes."""
    if is_sqlite:
        return Rows(sqlite3.connect(address, uri=True, isolation_level=None).cursor(), is_sqlite=True)
    import psycopg

    return Rows(psycopg.connect(address, autocommit=True).cursor(binary=True), is_sqlite=False)


def _text(value: Any) -> Any:
    return bytes(value).decode("utf-8", "surrogateescape") if isinstance(value, bytes | memoryview) else value


def _number(value: Any) -> Any:
    return int(value) if type(value) is str and value.isascii() and value.isdecimal() else value


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
