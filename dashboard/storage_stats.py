"""How much there is of what, within a limit of time: a database of years must not keep its operator waiting.

Sizes on disk are those that the engine counts (pages of tables and their indexes); content is the plain size of
bodies, before compression.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, connection, models, transaction
from django.db.models import Sum

from audit.models import Entry
from dashboard.lib.db import database_size, vendor
from sessions_app.models import (
    AgentSession,
    Blob,
    Event,
    Message,
    ModelUsage,
    Run,
    SearchEntry,
    SessionSource,
    SourceChunk,
    Terminal,
    TerminalChunk,
    TerminalEvent,
    TerminalKeyframe,
    TerminalSegment,
    TerminalText,
    TitleWords,
    ToolCall,
)
from sessions_app.models.people import COMMAND_LINE

# Steps of SQLite's virtual machine between two looks at the clock: a few milliseconds.
_STEPS: Final = 50_000
# Word indexes, which on SQLite keep themselves in tables named after them.
_SEARCH_TABLES: Final = ("search_text", "search_titles")
BIGGEST_SESSIONS: Final = 10


@dataclass(frozen=True)
class Kind:
    """One kind of content. None is what was not known in time."""

    name: str
    rows: int | None
    content_bytes: int | None
    disk_bytes: int | None


@dataclass(frozen=True)
class BigSession:
    session: AgentSession
    source_bytes: int


@dataclass(frozen=True)
class Stats:
    database_bytes: int
    kinds: Sequence[Kind]
    biggest: Sequence[BigSession] | None
    seconds: float

    @property
    def is_partial(self) -> bool:
        return self.biggest is None or any(kind.rows is None for kind in self.kinds)


# Models whose rows make up a kind, and whether the first has a field `size` to sum.
_KINDS: Final[tuple[tuple[str, tuple[type[models.Model], ...], bool], ...]] = (
    ("sessions", (AgentSession,), False),
    ("runs", (Run, ModelUsage), False),
    ("messages", (Message,), False),
    ("tool calls", (ToolCall,), False),
    ("events", (Event,), False),
    ("raw lines", (SourceChunk,), True),
    ("blobs", (Blob,), True),
    ("terminals", (Terminal, TerminalSegment, TerminalChunk, TerminalEvent), True),
    ("keyframes", (TerminalKeyframe,), True),
    ("terminal text", (TerminalText,), True),
    ("search", (SearchEntry, TitleWords), False),
    ("audit", (Entry,), False),
)


def collect(limit_seconds: float) -> Stats:
    """Raises DatabaseError when the database is away."""
    started = time.monotonic()
    size = database_size()
    limit = Limit(started + limit_seconds)
    counted = [(name, rows, *_count(limit, rows, has_size)) for name, rows, has_size in _KINDS]
    biggest = limit.within(_biggest)
    # Last, as SQLite looks at every page for it.
    tables = limit.within(_disk_bytes) or {}
    kinds = [
        Kind(name, number, content, _disk_of(tables, _tables_of(name, rows)))
        for name, rows, number, content in counted
    ]
    return Stats(size, kinds, biggest, time.monotonic() - started)


class Limit:
    """Runs queries until the time is up; the one that is running then ends without a result."""

    def __init__(self, ends: float) -> None:
        self._ends = ends

    def within[Result](self, query: Callable[[], Result]) -> Result | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            return None
        try:
            with self._sqlite() if vendor() == "sqlite" else self._postgres(left):
                return query()
        except DatabaseError:
            if time.monotonic() >= self._ends:
                return None
            raise

    @contextmanager
    def _sqlite(self) -> Iterator[None]:
        connection.ensure_connection()
        handle: Any = connection.connection
        handle.set_progress_handler(lambda: time.monotonic() >= self._ends, _STEPS)
        try:
            yield
        finally:
            handle.set_progress_handler(None, 0)

    @contextmanager
    def _postgres(self, left: float) -> Iterator[None]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)", [str(max(1, int(left * 1000)))]
            )
            yield


def _count(
    limit: Limit, kinds: tuple[type[models.Model], ...], has_size: bool
) -> tuple[int | None, int | None]:
    """Rows of the first model, for the others are what these are made of, and the sum of their sizes."""
    rows = limit.within(kinds[0]._default_manager.count)
    return rows, limit.within(lambda: _content_bytes(kinds[0])) if has_size else None


def _tables_of(name: str, kinds: tuple[type[models.Model], ...]) -> list[str]:
    return [model._meta.db_table for model in kinds] + (list(_SEARCH_TABLES) if name == "search" else [])


def _content_bytes(kind: type[models.Model]) -> int:
    return int(kind._default_manager.aggregate(total=Sum("size"))["total"] or 0)


def _disk_of(tables: dict[str, int], names: Sequence[str]) -> int | None:
    return sum(tables.get(name, 0) for name in names) if tables else None


def _disk_bytes() -> dict[str, int]:
    """Bytes of each table with its indexes; empty where SQLite was built without its counter of pages."""
    with connection.cursor() as cursor:
        if vendor() == "postgresql":
            cursor.execute("SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables")
            return {str(name): int(size) for name, size in cursor.fetchall()}
        cursor.execute("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute(
            "SELECT s.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name"
            " WHERE d.aggregate = TRUE GROUP BY s.tbl_name"
        )
        found: dict[str, int] = {}
        for name, size in cursor.fetchall():
            owners = (owner for owner in _SEARCH_TABLES if str(name).startswith(f"{owner}_"))
            table = next(owners, str(name))
            found[table] = found.get(table, 0) + int(size)
        return found


def _biggest() -> list[BigSession]:
    """Sessions whose files are the largest, as they were read."""
    totals = (
        SessionSource.objects.values("session")
        .annotate(total=Sum("source__read_offset"))
        .order_by("-total")
        .values_list("session", "total")[:BIGGEST_SESSIONS]
    )
    sizes = dict(totals)
    sessions = AgentSession.objects.visible_to(COMMAND_LINE).select_related("project").filter(pk__in=sizes)
    found = [BigSession(session, sizes[session.pk]) for session in sessions]
    return sorted(found, key=lambda big: big.source_bytes, reverse=True)
