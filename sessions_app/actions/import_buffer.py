"""Timeline rows and words of one transaction, gathered from all of its sources and written together.

A tree of histories is many small files: a statement for each table and file costs more than the rows do.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from dashboard.lib.db import bulk_insert, existing_ids
from dashboard.lib.ids import new_id
from sessions_app.actions.import_rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    TOOL_CALL_COLUMNS,
    PreparedRow,
    RowKind,
)
from sessions_app.models import Event, Message, SearchEntry, SessionSource, ToolCall
from sessions_app.search import index

_TABLES: dict[RowKind, tuple[type[Message] | type[ToolCall] | type[Event], tuple[str, ...]]] = {
    # Messages first: calls name them.
    "message": (Message, MESSAGE_COLUMNS),
    "tool_call": (ToolCall, TOOL_CALL_COLUMNS),
    "event": (Event, EVENT_COLUMNS),
}
_IDS_PER_QUERY = 2_000


class RowBuffer:
    """`flush` before anything in the transaction reads timeline rows; `finish` before the commit."""

    def __init__(self, rows: Iterable[PreparedRow]) -> None:
        """Looks up which of all the rows that may be written are in the database already."""
        ids: dict[RowKind, list[str]] = {kind: [] for kind in _TABLES}
        for row in rows:
            ids[row.kind].append(row.id)
        self._known = {kind: existing_ids(model, ids[kind]) for kind, (model, _) in _TABLES.items()}
        self._rows: dict[RowKind, list[tuple[Any, ...]]] = {kind: [] for kind in _TABLES}
        self._words: list[tuple[int, str, str, str, str]] = []
        self._session_sources: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]] = []

    def take_new(self, rows: Iterable[PreparedRow]) -> list[PreparedRow]:
        """Those whose id was not met before, here or in the database. They are known from now on."""
        fresh = []
        for row in rows:
            if not any(row.id in known for known in self._known.values()):
                self._known[row.kind].add(row.id)
                fresh.append(row)
        return fresh

    def existing_messages(self, ids: set[str]) -> set[str]:
        """Which of these messages are in the database, or will be."""
        known = ids & self._known["message"]
        return known | existing_ids(Message, ids - known)

    def add(self, kind: RowKind, row: tuple[Any, ...]) -> None:
        self._rows[kind].append(row)

    def add_words(self, at_ms: int, kind: str, object_id: str, session_id: str, indexable: str) -> None:
        """What the search shall find something by; `indexable` is what index.indexable made of its text."""
        entry = index.entry_id(at_ms, uuid.UUID(object_id))
        self._words.append((entry, kind, object_id, session_id, indexable))

    def add_session_source(self, session_id: uuid.UUID, source_id: uuid.UUID) -> None:
        self._session_sources.append((new_id(), session_id, source_id))

    def flush(self) -> None:
        for kind, (model, columns) in _TABLES.items():
            rows, self._rows[kind] = self._rows[kind], []
            bulk_insert(model, columns, rows)

    def finish(self) -> None:
        self.flush()
        bulk_insert(
            SessionSource, ("id", "session_id", "source_id"), self._session_sources, ignore_existing=True
        )
        words = self._with_own_ids()
        bulk_insert(SearchEntry, ("id", "kind", "object_id", "session_id"), [row[:4] for row in words])
        index.add_indexable([(row[0], row[4]) for row in words])

    def _with_own_ids(self) -> list[tuple[int, str, str, str, str]]:
        """Entries of one millisecond may clash in their lower bits; the later one takes the next free id."""
        taken = _existing_entries([row[0] for row in self._words])
        found = []
        for wanted, kind, object_id, session_id, indexable in self._words:
            entry = wanted
            while entry in taken or (entry != wanted and SearchEntry.objects.filter(pk=entry).exists()):
                entry += 1
            taken.add(entry)
            found.append((entry, kind, object_id, session_id, indexable))
        return found


def _existing_entries(ids: list[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(ids), _IDS_PER_QUERY):
        part = ids[start : start + _IDS_PER_QUERY]
        found.update(SearchEntry.objects.filter(pk__in=part).values_list("pk", flat=True))
    return found
