"""Very many rows at once: as plain tuples, past the ORM, each engine in its own quickest way."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import DataError, connection, models

from dashboard.lib.db import vendor

# Rows per statement and bytes per statement: enough to amortise the call, little enough for memory.
_ROWS_PER_STATEMENT = 2_000


def bulk_insert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    ignore_existing: bool = False,
) -> None:
    """Insert many rows of plain values, in the order of `columns` (attribute names: `session_id`, not `session`).

    Values are what the column holds: UUID (or its 32 hexadecimal digits), int, str, bytes, bool, None; a JSON
    column takes its text.
    On SQLite this is one prepared statement; on Postgres COPY. About ten times faster than bulk_create,
    and like it: no signals, no defaults. With `ignore_existing`, rows whose key exists are left alone.
    """
    rows = list(rows)
    if not rows:
        return
    names = [connection.ops.quote_name(name) for name in columns_of(model, tuple(columns))]
    table = connection.ops.quote_name(model._meta.db_table)
    if vendor() == "sqlite":
        adapted = _adapted(rows, _uuid_positions(model, tuple(columns)))
        _insert_sqlite(table, names, adapted, ignore_existing)
    else:
        _copy_postgres(table, names, _binary(model, tuple(columns)), rows, ignore_existing)


def bulk_update(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Set these columns of many rows by primary key; each row of values ends with its key."""
    rows = list(rows)
    if not rows:
        return
    table = connection.ops.quote_name(model._meta.db_table)
    key = connection.ops.quote_name(str(model._meta.pk.column))
    names = [connection.ops.quote_name(name) for name in columns_of(model, tuple(columns))]
    sql = f"UPDATE {table} SET {','.join(f'{name}=%s' for name in names)} WHERE {key}=%s"  # noqa: S608
    key_name = str(model._meta.pk.attname)
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            rows = _adapted(rows, _uuid_positions(model, (*columns, key_name)))
        cursor.executemany(sql, rows)


def bulk_add(
    model: type[models.Model], key: Sequence[str], counters: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Add to the counters of rows, each found by `key`, the columns of a unique constraint.

    A row of values is a new id, the key, and what is added: it is inserted where there is none of its key.
    """
    rows = list(rows)
    if not rows:
        return
    columns = (str(model._meta.pk.attname), *key, *counters)
    table = connection.ops.quote_name(model._meta.db_table)
    names = [connection.ops.quote_name(name) for name in columns_of(model, columns)]
    unique, counted = names[1 : 1 + len(key)], names[1 + len(key) :]
    added = ",".join(f"{name}={table}.{name}+excluded.{name}" for name in counted)
    sql = (
        f"INSERT INTO {table} ({','.join(names)}) VALUES ({','.join(['%s'] * len(names))})"  # noqa: S608  names come from the model
        f" ON CONFLICT ({','.join(unique)}) DO UPDATE SET {added}"
    )
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            rows = _adapted(rows, _uuid_positions(model, columns))
        cursor.executemany(sql, rows)


@cache
def columns_of(model: type[models.Model], attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Column names of attribute names (`session_id`, not `session`)."""
    by_attribute = {field.attname: field.column for field in model._meta.concrete_fields}
    return tuple(str(by_attribute[name]) for name in attributes)


@cache
def _uuid_positions(model: type[models.Model], attributes: tuple[str, ...]) -> tuple[int, ...]:
    """Which of these columns hold UUIDs, keys of other rows among them."""
    kinds = {field.attname: _final_field(field) for field in model._meta.concrete_fields}
    return tuple(index for index, name in enumerate(attributes) if isinstance(kinds[name], models.UUIDField))


def _final_field(field: "models.Field[Any, Any]") -> "models.Field[Any, Any]":
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def _adapted(rows: Iterable[Sequence[Any]], uuid_positions: tuple[int, ...]) -> list[Sequence[Any]]:
    """SQLite keeps a UUID as 32 hexadecimal digits."""
    adapted: list[Sequence[Any]] = []
    for row in rows:
        values: list[Any] | None = None
        for index in uuid_positions:
            value = row[index]
            if isinstance(value, uuid.UUID):
                values = values or list(row)
                values[index] = value.hex
        adapted.append(values or row)
    return adapted


def _insert_sqlite(table: str, names: list[str], rows: list[Sequence[Any]], ignore_existing: bool) -> None:
    marks = ",".join(["%s"] * len(names))
    conflict = " ON CONFLICT DO NOTHING" if ignore_existing else ""
    sql = f"INSERT INTO {table} ({','.join(names)}) VALUES ({marks}){conflict}"  # noqa: S608  names come from the model
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            cursor.executemany(sql, rows[start : start + _ROWS_PER_STATEMENT])


def _uuid_bytes(value: uuid.UUID | str) -> bytes:
    return value.bytes if isinstance(value, uuid.UUID) else bytes.fromhex(value)


def _document_bytes(text: str) -> bytes:
    # Before the text stands the version of its form.
    return b"\1" + text.encode()


def _within(bits: int) -> Callable[[int], int]:
    """psycopg sends the lower bits of any number."""
    limit = 1 << (bits - 1)

    def checked(value: int) -> int:
        if -limit <= value < limit:
            return value
        raise DataError(f"{value} is out of range for an integer of {bits} bits")

    return checked


# As what the values of a column are sent, by its type without a length, and what has to be done to them before.
_SENT_AS: Final[dict[str, tuple[str, Callable[[Any], Any] | None]]] = {
    "bigint": ("int8", None),
    "integer": ("int4", _within(32)),
    "smallint": ("int2", _within(16)),
    "boolean": ("bool", None),
    "varchar": ("text", None),
    "text": ("text", None),
    "bytea": ("bytea", None),
    "timestamp with time zone": ("timestamptz", None),
    "uuid": ("bytea", _uuid_bytes),
    "jsonb": ("bytea", _document_bytes),
}


@dataclass(frozen=True)
class _Binary:
    """How rows of some columns are sent in binary: the types, and what is made of the values at which positions."""

    types: tuple[str, ...]
    conversions: tuple[tuple[int, Callable[[Any], Any]], ...]

    def values(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for index, convert in self.conversions:
            if values[index] is not None:
                values[index] = convert(values[index])
        return values


@cache
def _binary(model: type[models.Model], attributes: tuple[str, ...]) -> _Binary:
    by_attribute = {field.attname: _final_field(field) for field in model._meta.concrete_fields}
    columns = [str(by_attribute[name].rel_db_type(connection)).partition("(")[0] for name in attributes]
    sent = [_SENT_AS[column] for column in columns]
    conversions = tuple((index, convert) for index, (_, convert) in enumerate(sent) if convert is not None)
    return _Binary(tuple(kind for kind, _ in sent), conversions)


def _copy_postgres(
    table: str, names: list[str], binary: _Binary, rows: list[Sequence[Any]], ignore_existing: bool
) -> None:
    """In binary: as text, bytes are twice as long, and reading it is an eighth of what an import costs the database."""
    columns = ",".join(names)
    with connection.cursor() as cursor:
        target = table
        if ignore_existing:
            # COPY has no ON CONFLICT: fill a temporary table of the same shape, then move what is new.
            target = "pg_temp.incoming_rows"
            cursor.execute("DROP TABLE IF EXISTS pg_temp.incoming_rows")
            cursor.execute(
                f"CREATE TEMPORARY TABLE incoming_rows ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"  # noqa: S608
            )
        into = f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)"
        with connection.wrap_database_errors, cursor.copy(into) as copy:
            copy.set_types(binary.types)
            try:
                for row in rows:
                    copy.write_row(binary.values(row))
            except (AttributeError, OverflowError, TypeError, ValueError) as error:
                # As text, the database would have refused it.
                raise DataError(f"a value is not of its column's kind: {error}") from error
        if ignore_existing:
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM pg_temp.incoming_rows ON CONFLICT DO NOTHING"  # noqa: S608
            )


# 64 MB, which is also what `journal_size_limit` leaves of the log.
_BULK_CHECKPOINT_PAGES = 16_384


@contextmanager
def bulk_writing() -> Iterator[None]:
    """For many large transactions in a row on this connection, which can be done again; outside of any.

    SQLite copies its log into the database every 4 MB, which an import fills with each commit: most pages
    would be copied, and synchronised, again and again. Postgres would have each commit wait for the disk: here they
    are on it, one after the other, within a second, and all of them at the end. Whatever another connection commits
    meanwhile waits for those before it too.
    """
    with _seldom_checkpoints() if vendor() == "sqlite" else _commits_in_the_background():
        yield


@contextmanager
def _commits_in_the_background() -> Iterator[None]:
    connection.ensure_connection()
    opened = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    try:
        yield
    finally:
        # One that was lost meanwhile has taken its setting with it, and what the server had not on its disk.
        if connection.connection is opened and not opened.closed and not connection.in_atomic_block:
            with connection.cursor() as cursor:
                # A transaction that waits for the disk, and so for all before it; one that writes nothing would not.
                cursor.execute("SET synchronous_commit = on")
                cursor.execute("SELECT pg_logical_emit_message(true, 'scrollback', '')")
                cursor.execute("RESET synchronous_commit")


@contextmanager
def _seldom_checkpoints() -> Iterator[None]:
    connection.ensure_connection()
    # Directly: a PRAGMA must work too where Django refuses statements until a rollback.
    opened: sqlite3.Connection = connection.connection
    with connection.wrap_database_errors:
        (usual,) = opened.execute("PRAGMA wal_autocheckpoint").fetchone()
        opened.execute(f"PRAGMA wal_autocheckpoint={_BULK_CHECKPOINT_PAGES}")
    try:
        yield
    finally:
        # One that was closed meanwhile has taken its setting with it.
        if connection.connection is opened:
            opened.execute(f"PRAGMA wal_autocheckpoint={int(usual)}")


def refresh_statistics(tables: Iterable[type[models.Model]]) -> None:
    """What queries are planned with, once very many rows were written; some tenths of a second for each table.

    Postgres looks by itself within a minute or two, and until then takes a table of a million rows for an empty one.
    SQLite plans by the indices alone.
    """
    if vendor() == "sqlite":
        return
    names = ", ".join(connection.ops.quote_name(table._meta.db_table) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {names}")


def existing_keys[Key: (str, int)](model: type[models.Model], keys: Iterable[Key]) -> set[Key]:
    """Which of these primary keys exist already; UUIDs as 32 hexadecimal digits."""
    wanted = list(keys)
    if not wanted:
        return set()
    field = model._meta.pk
    table, key = connection.ops.quote_name(model._meta.db_table), connection.ops.quote_name(str(field.column))
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            sql = f"SELECT {key} FROM {table} WHERE {key} IN (SELECT value FROM json_each(%s))"  # noqa: S608
            cursor.execute(sql, [json.dumps(wanted)])
            return {row[0] for row in cursor.fetchall()}
        cursor.execute(
            f"SELECT {key} FROM {table} WHERE {key} = ANY(%s::{field.db_type(connection)}[])",  # noqa: S608
            [wanted],
        )
        found: list[Any] = [row[0] for row in cursor.fetchall()]
    named: set[Any] = {key.hex if isinstance(key, uuid.UUID) else key for key in found}
    return named
