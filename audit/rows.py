"""Rows of the log as they lie in the database, read past Django so that another process can do it, and fast.

What differs between the engines when the log is read is here. A value of another kind than the column should have
(SQLite keeps anything anywhere) comes back as it is.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from audit.columns import Row, odd_rows, odd_texts

ROWS_AT_ONCE: Final = 1_024
_PAYLOADS_AT_ONCE: Final = 16
# idx, action, body and leaf.
_COLUMNS_OF_BATCH: Final = (0, 6, 13, 14)
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
class Batch:
    """Entries in order, by their columns; `odd` are the whole rows that have to be parsed."""

    idx: Sequence[int]
    actions: Sequence[str]
    bodies: Sequence[bytes]
    leaves: Sequence[bytes]
    odd: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Rows:
    """Reads by ranges; `is_sqlite` says how."""

    cursor: Cursor
    is_sqlite: bool

    def entries(self, start: int, end: int) -> Iterator[Batch]:
        """Those with `start <= idx < end` in order, some at a time."""
        for first in range(start, end, ROWS_AT_ONCE):
            where = f"idx >= {first} AND idx < {min(first + ROWS_AT_ONCE, end)}"
            batch = self._sqlite_batch(where) if self.is_sqlite else None
            yield batch or self._whole_batch(where)

    def payloads(self, start: int, end: int) -> Iterator[Payload]:
        after = start - 1
        while True:
            rows = self._fetch(
                f"SELECT idx, salt, data FROM audit_payload WHERE idx > {after} AND idx < {end}"  # noqa: S608  numbers
                f" ORDER BY idx LIMIT {_PAYLOADS_AT_ONCE}"
            )
            for idx, salt, data in rows:
                yield Payload(idx, as_bytes(salt), as_bytes(data))
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

    def _sqlite_batch(self, where: str) -> Batch | None:
        """None where a column holds what is neither text nor number.

        SQLite writes the columns as JSON itself: that takes half as long as to hand out each of them, and what it
        escapes in another way than RFC 8785 is only looked at more closely.
        """
        rows = self._fetch_or_none(f"SELECT {_SQLITE_TEXTS} {_from(where)}")
        if rows is None:
            return None
        odd = odd_texts(rows)
        whole = self._whole_rows(f"idx IN ({', '.join(map(str, odd))})") if odd else ()
        idx, bodies, leaves, actions = zip(*(row[:4] for row in rows), strict=True) if rows else ((),) * 4
        return Batch(idx, actions, bodies, leaves, whole)

    def _whole_batch(self, where: str) -> Batch:
        rows = self._whole_rows(where)
        idx, actions, bodies, leaves = ([row[place] for row in rows] for place in _COLUMNS_OF_BATCH)
        return Batch(idx, actions, bodies, leaves, odd_rows(rows))

    def _whole_rows(self, where: str) -> Any:
        if not self.is_sqlite:
            return self._fetch(f"SELECT {_POSTGRES} {_from(where)}")
        rows = self._fetch_or_none(f"SELECT {_SQLITE} {_from(where)}")
        if rows is not None:
            return list(rows)
        return [
            (idx, _text(id_), _number(_text(at_ms)), *map(_text, texts), body, leaf)
            for idx, id_, at_ms, *texts, body, leaf in self._fetch(
                f"SELECT {_SQLITE_AS_BYTES} {_from(where)}"
            )
        ]

    def _fetch_or_none(self, sql: str) -> Any:
        """None where a value is not what its column says, or this SQLite cannot say it so."""
        try:
            return self._fetch(sql)
        except Exception as error:
            # Django's own errors are not known here, where Django may not be.
            if not any(trouble in str(error) for trouble in _NOT_SAID_SO):
                raise
            return None


def _from(where: str) -> str:
    return f"FROM audit_entry WHERE {where} ORDER BY idx"


def _dashed(column: str) -> str:
    """SQLite keeps a UUID as its 32 digits; whatever else lies there does not become one this way."""
    parts = [f"substr({column}, {at}, {count})" for at, count in ((1, 8), (9, 4), (13, 4), (17, 4))]
    return " || '-' || ".join([*parts, f"substr({column}, 21)"])


_AFTER_IDX: Final = (
    _dashed("id"), "at_ms", *_TEXTS, _dashed("session_id"), _dashed("run_id"), "decision", "CAST(body AS BLOB)",
)  # fmt: skip
_SQLITE: Final = f"idx, {', '.join(_AFTER_IDX)}, leaf"
# What odd_texts takes: the beginning of the text as the columns say it, ids without dashes, the target.
_SQLITE_TEXTS: Final = (
    "idx, CAST(body AS BLOB), leaf, action, json_object('action', action, 'actor', json_object('id', actor_id, 'label',"
    " actor_label, 'type', actor_type), 'at_ms', at_ms, 'decision', decision), id, session_id, run_id,"
    " json_object('id', target_id, 'label', target_label, 'type', target_type)"
)
# The last where SQLite was built without JSON.
_NOT_SAID_SO: Final = ("decode to UTF-8", "JSON cannot hold BLOB values", "no such function")
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


def as_bytes(value: Any) -> bytes:
    """What a column of bytes holds; SQLite keeps anything there."""
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
