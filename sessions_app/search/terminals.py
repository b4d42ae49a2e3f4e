"""Search inside one terminal, over the lines that were derived from its output, oldest first.

Blocks are read in batches, a few at once, and batches are searched beside each other by a few threads while the next
ones are read: unpacking and searching let go of the interpreter, so on two cores 1 GB of text takes about a second.
What comes out keeps its order.
"""

import os
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import batched
from typing import Any

import psycopg
from django.db import connection
from django.db.models import QuerySet

from dashboard.lib.db import vendor
from dashboard.lib.errors import CorruptData
from sessions_app.models import TerminalText
from sessions_app.models.blob import unpack
from sessions_app.terminal.line_search import LineHit, Pattern, find_in_block
from sessions_app.terminal.lines import LinesError

# Four MB of text, one of what earlier versions made: long enough to be worth a thread's while, short enough to be
# stopped after.
_BATCH_BLOCKS = 16
# The first hit is waited for.
_FIRST_BLOCKS = 1
# Asked for at once. A question costs as much as the search of a batch, most of it not for what it brings.
_ASKED_BATCHES = 4
_THREADS = min(4, os.cpu_count() or 1)
# Of one search: others' first batches come behind them.
_MOST_WAITING = _THREADS + 2


# Offsets of the first and the last line, size, codec, data.
type _Row = tuple[int, int, int, str, Any]


@dataclass(frozen=True, slots=True)
class Searched:
    """Everything before and at offset `end` was looked at; `hits` are those since the one before.

    But for blocks that could not be read, where any are `damaged`.
    """

    end: int
    hits: list[LineHit]
    damaged: bool = False


def search_text(
    terminal_id: uuid.UUID, pattern: Pattern, *, after: int = -1, deadline: float | None = None
) -> Iterator[Searched]:
    """Lines at offsets beyond `after` that match, batch by batch. Raises TimeIsUp."""
    waiting: deque[Future[Searched]] = deque()
    try:
        for batches in _batches(terminal_id, after):
            for batch in batches:
                while waiting and (len(waiting) >= _MOST_WAITING or waiting[0].done()):
                    yield waiting.popleft().result()
                # These keep the threads busy while the next ones are read.
                waiting.append(_threads().submit(_search_batch, batch, pattern, after, deadline))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: Sequence[_Row]
    # Lines up to there were in the batch before.
    after: int


def _search_batch(batch: _Batch, pattern: Pattern, after: int, deadline: float | None) -> Searched:
    hits: list[LineHit] = []
    is_damaged = False
    for _, _, size, codec, data in batch.rows:
        try:
            hits += find_in_block(unpack(bytes(data), codec, size), pattern, deadline=deadline)
        except (CorruptData, LinesError):
            is_damaged = True
    last = max(after, batch.after)
    if hits and hits[0].line.offset <= last:
        hits = [hit for hit in hits if hit.line.offset > last]
    return Searched(batch.rows[-1][1], hits, is_damaged)


def _batches(terminal_id: uuid.UUID, after: int) -> Iterator[list[_Batch]]:
    """All blocks with lines beyond `after`, a few batches at a time.

    The last blocks of a live terminal are written anew together with what comes, so whoever asks again begins
    with whichever block goes on beyond the last line seen.
    """
    blocks = TerminalText.objects.filter(terminal_id=terminal_id).order_by("offset")
    size = _FIRST_BLOCKS
    while rows := _rows_beyond(blocks, after, size):
        batches = []
        for some in batched(rows, _BATCH_BLOCKS):
            batches.append(_Batch(some, after))
            after = some[-1][1]
        yield batches
        size = min(2 * size, _ASKED_BATCHES * _BATCH_BLOCKS)


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
