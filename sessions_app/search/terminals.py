"""Search inside one terminal, over the lines that were derived from its output, oldest first.

Blocks are read in batches, and searched beside each other by a few threads: unpacking and searching let go of the
interpreter, so on two cores 1 GB of text takes about a second. What comes out keeps its order.
"""

import os
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from django.db import connection
from django.db.models import QuerySet

from dashboard.lib.db import vendor
from sessions_app.models import TerminalText
from sessions_app.models.blob import unpack
from sessions_app.terminal.line_search import LineHit, Pattern, find_in_block

# Two MB of text: long enough to be worth a thread's while, short enough to be stopped after.
_BATCH_BLOCKS = 32
# The first hit is waited for.
_FIRST_BLOCKS = 2
_THREADS = min(4, os.cpu_count() or 1)


# Offsets of the first and the last line, size, codec, data.
type _Row = tuple[int, int, int, str, Any]


@dataclass(frozen=True, slots=True)
class Searched:
    """Everything before and at offset `end` was looked at; `hits` are those since the one before."""

    end: int
    hits: list[LineHit]


def search_text(
    terminal_id: uuid.UUID, pattern: Pattern, *, after: int = -1, deadline: float | None = None
) -> Iterator[Searched]:
    """Lines at offsets beyond `after` that match, batch by batch. Raises TimeIsUp, LinesError, CorruptData."""
    waiting: deque[Future[Searched]] = deque()
    try:
        for batch in _batches(terminal_id, after):
            waiting.append(_threads().submit(_search_batch, batch, pattern, after, deadline))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: list[_Row]
    # Lines up to there were in the batch before.
    after: int


def _search_batch(batch: _Batch, pattern: Pattern, after: int, deadline: float | None) -> Searched:
    hits: list[LineHit] = []
    for _, _, size, codec, data in batch.rows:
        hits += find_in_block(unpack(bytes(data), codec, size), pattern, deadline=deadline)
    last = max(after, batch.after)
    if hits and hits[0].line.offset <= last:
        hits = [hit for hit in hits if hit.line.offset > last]
    return Searched(batch.rows[-1][1], hits)


def _batches(terminal_id: uuid.UUID, after: int) -> Iterator[_Batch]:
    """All blocks with lines beyond `after`.

    The last blocks of a live terminal are written anew together with what comes, so the next batch begins
    with whichever block goes on beyond the last line seen.
    """
    blocks = TerminalText.objects.filter(terminal_id=terminal_id).order_by("offset")
    limit = _FIRST_BLOCKS
    while rows := _rows_beyond(blocks, after, limit):
        yield _Batch(rows, after)
        after = rows[-1][1]
        limit = min(2 * limit, _BATCH_BLOCKS)


def _rows_beyond(blocks: QuerySet[TerminalText], after: int, limit: int) -> list[_Row]:
    holding = blocks.filter(offset__lte=after).reverse().values_list("offset", "end").first()
    wanted = blocks.filter(offset__gt=after)
    if holding is not None and holding[1] > after:
        wanted = blocks.filter(offset__gte=holding[0])
    return _fetched(wanted.values_list("offset", "end", "size", "codec", "data")[:limit])


def _fetched(rows: QuerySet[Any, _Row]) -> list[_Row]:
    """The rows; from Postgres in its binary form, as writing bytes out in hexadecimal costs as much as the search."""
    if vendor() == "sqlite":
        return list(rows)
    statement, parameters = rows.query.sql_with_params()
    connection.ensure_connection()
    # Django's own cursors take text only.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, binary=True)
        return list(cursor.fetchall())


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="terminal-search")
