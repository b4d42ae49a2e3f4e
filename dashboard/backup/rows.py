"""Rows as a backup has them, read from the database, and the hash over them: the same on both engines."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from dashboard.backup.tables import Row, Table
from dashboard.lib.errors import Refused


def rows_of(table: Table) -> Iterator[Row]:
    """All rows of the database's table in the order of their keys, a few in memory at a time.

    Inside of a transaction, on Postgres a cursor of the server's. Raises Refused, DatabaseError.
    """
    chosen = table.model._base_manager.order_by("pk").values_list(*table.attributes)
    try:
        for row in chosen.iterator(chunk_size=table.rows_at_once):
            yield table.plain(row)
    except ValueError as error:
        # SQLite keeps anything anywhere; what was put there past the program may be no value of its column.
        raise Refused(f"The table {table.name} holds a value that cannot be read: {error}.") from error


def _hash_of(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    raise TypeError(f"{type(value)} does not stand in a backup")


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_hash_of).encode


@dataclass(slots=True)
class Digest:
    """SHA-256 over rows in their order; docs/backup.md says over which bytes, so that others can compute it."""

    rows: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def take(self, rows: Iterable[Row]) -> None:
        """Raises ValueError: a text is none."""
        for row in rows:
            self._hash.update(_encode(list(row)).encode())
            self._hash.update(b"\n")
            self.rows += 1

    @property
    def sha256(self) -> str:
        return str(self._hash.hexdigest())
