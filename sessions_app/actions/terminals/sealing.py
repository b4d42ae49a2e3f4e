"""Turning chunks into segments.

What is sealed never changes again, so its hashes go into the audit log in the same transaction. Whoever sends output
seals it (`seal_if_due`); what nobody sends anything after is left to a thread of the server (`longest_unsealed`).
"""

import logging
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched
from typing import Any, Final

from django.db import DataError, IntegrityError
from django.db.models.functions import Length

from audit.actors import SYSTEM
from audit.record import Draft, append
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.db import explain, write_transaction
from dashboard.lib.errors import CorruptData
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals.opening import target_of
from sessions_app.actions.terminals.stretches import (
    SEGMENT_BYTES,
    SEGMENT_US,
    Stretch,
    in_segments,
    writes_of,
)
from sessions_app.drafts import PackedStretch
from sessions_app.models import Terminal, TerminalChunk, TerminalSegment, TerminalState
from sessions_app.models.blob import pack, sha256_of
from sessions_app.terminal.asciicast.model import MAX_TIME_US

logger = logging.getLogger(__name__)

SEGMENT_COLUMNS = (
    "id", "terminal_id", "offset", "size", "first_us", "last_us", "timing", "data", "codec", "sha256"
)  # fmt: skip
# So many segments are named by one entry: 250 characters each at most, within the limit of an entry's size.
_SEGMENTS_AN_ENTRY: Final = 200
#: Output that is in chunks for so long, by the clock, is sealed whatever became of its recorder.
_UNSEALED_MS: Final = SEGMENT_US // 1_000


# Whoever sends behind output that could not be sealed would try it with all that is there, each time.
_LEFT_ALONE_S: Final = 60.0
_MOST_LEFT_ALONE: Final = 1_000
_left_alone: dict[uuid.UUID, float] = {}


class UnreadableOutput(Exception):
    """Chunks are damaged or missing, or their place is taken: what was printed cannot be told, and stays as it is."""


def seal_if_due(terminal: Terminal) -> None:
    """Seal when there are 256 KB or 10 s of output in chunks, or when the recording has ended.

    Where that was impossible it is tried again a minute later.
    """
    pending = terminal.size - terminal.sealed_size
    if not pending or _left_alone.get(terminal.pk, 0.0) > time.monotonic():
        return
    if terminal.state == TerminalState.ENDED or pending >= SEGMENT_BYTES or _is_old(terminal):
        try:
            seal(terminal)
        except UnreadableOutput as error:
            # What was sent is stored. The server's thread comes to it too, and tells people.
            logger.debug("%s cannot be sealed: %s", terminal.pk, error)
            _leave_alone(terminal.pk)


def _leave_alone(terminal_id: uuid.UUID) -> None:
    now = time.monotonic()
    if len(_left_alone) >= _MOST_LEFT_ALONE:
        # Several threads do this; of those that are forgotten too soon, one look is made too many.
        _left_alone.clear()
    _left_alone[terminal_id] = now + _LEFT_ALONE_S


def longest_unsealed(moment_ms: int, but: Collection[uuid.UUID] = ()) -> uuid.UUID | None:
    """The terminal with the output that is in chunks for longest, and for 10 s or more; `but` are left out.

    It may have printed and be quiet since, be lost, or have ended as its sealing failed. Chunks with a time that is
    still to come are as old: the clock was set back.
    """
    chunks = TerminalChunk.objects.exclude(terminal_id__in=list(but)).oldest_first()
    old = chunks.committed_before(moment_ms - _UNSEALED_MS), chunks.committed_from(moment_ms + _UNSEALED_MS)
    return next((found for some in old for found in some.values_list("terminal_id", flat=True)[:1]), None)


def _is_old(terminal: Terminal) -> bool:
    first = terminal.chunks.filter(offset=terminal.sealed_size).values_list("first_us", flat=True).first()
    return first is not None and terminal.duration_us - first >= SEGMENT_US


def seal(terminal: Terminal) -> bool:
    """Replace the chunks that are there by segments. Of two that do so at once, one does nothing, and says so.

    Raises UnreadableOutput, DatabaseError.
    """
    unsealed = Terminal.objects.filter(pk=terminal.pk, sealed_size=terminal.sealed_size)
    try:
        chunks = unsealed_chunks(terminal)
        if not chunks:
            return False
        end = end_of(chunks, terminal.sealed_size)
        rows = [
            segment_row(terminal, found) for found in in_segments(terminal.sealed_size, writes_in(chunks))
        ]
    except UnreadableOutput:
        # What seems to be missing may be what another one has sealed.
        if not unsealed.exists():
            return False
        raise
    with write_transaction():
        with refused_as_unreadable():
            if not unsealed.update(sealed_size=end):
                return False
            bulk_insert(TerminalSegment, SEGMENT_COLUMNS, rows)
            TerminalChunk.objects.filter(terminal=terminal, offset__lt=end).delete()
        append(sealed_drafts(terminal, rows))
    terminal.sealed_size = end
    return True


def unsealed_chunks(terminal: Terminal) -> list[TerminalChunk]:
    """All chunks behind what is sealed, in order. Raises UnreadableOutput where they do not follow.

    That is found out before any of their bytes are read: behind a damaged one there may be any number of them.
    """
    chunks = terminal.chunks.filter(offset__gte=terminal.sealed_size).order_by("offset")
    places = chunks.annotate(length=Length("data")).values_list("offset", "size", "length")
    end = _end_of(places, terminal.sealed_size)
    return list(chunks.filter(offset__lt=end))


def end_of(chunks: Sequence[TerminalChunk], start: int) -> int:
    """Where the output in these ends, which begins at `start`. Raises UnreadableOutput where they do not follow."""
    return _end_of(((chunk.offset, chunk.size, _length(chunk)) for chunk in chunks), start)


def _length(chunk: TerminalChunk) -> int:
    try:
        return len(chunk.data)
    except TypeError:
        # A column of SQLite takes anything.
        return -1


def _end_of(places: Iterable[tuple[int, int, int]], start: int) -> int:
    """The same of their offsets, their sizes and the lengths of their bytes."""
    position = start
    for offset, size, length in places:
        # Of a size that is text none of it is true.
        if offset != position or size != length or not length > 0:
            raise UnreadableOutput(f"its output is not all there behind {position} bytes")
        position += size
    return position


def writes_in(chunks: Sequence[TerminalChunk], most_us: int = MAX_TIME_US) -> Iterator[tuple[int, bytes]]:
    """The writes of chunks, as (time in microseconds, bytes). Raises UnreadableOutput where times are none.

    None is beyond `most_us`, or before that of the write before it.
    """
    before_us = 0
    for chunk in chunks:
        try:
            for time_us, piece in writes_of(bytes(chunk.timing), chunk.first_us, chunk.read()):
                if not before_us <= time_us <= most_us:
                    raise UnreadableOutput(_without_times(chunk))
                yield time_us, piece
                before_us = time_us
        except (TypeError, CorruptData) as error:
            raise UnreadableOutput(_without_times(chunk)) from error


def _without_times(chunk: TerminalChunk) -> str:
    return f"nothing says when its output behind {chunk.offset} bytes was written"


@contextmanager
def refused_as_unreadable() -> Iterator[None]:
    """Inside, chunks are replaced, or nothing is done: what the database refuses of them is UnreadableOutput."""
    try:
        with write_transaction():
            yield
    except (DataError, IntegrityError, OverflowError) as error:
        raise UnreadableOutput(explain(error)) from error


def sealed_drafts(terminal: Terminal, rows: Sequence[tuple[Any, ...]]) -> list[Draft]:
    """The entries that say what these segments hold; `rows` are in the order of SEGMENT_COLUMNS."""
    segments = [
        {
            "offset": row[2],
            "size": row[3],
            "sha256": row[9],
            "first_us": row[4],
            "last_us": row[5],
            "timing_sha256": sha256_of(bytes(row[6])),
        }
        for row in rows
    ]
    return [
        Draft(
            "terminal.sealed",
            SYSTEM,
            target_of(terminal),
            session_id=terminal.session_id,
            details={"segments": list(some)},
        )
        for some in batched(segments, _SEGMENTS_AN_ENTRY)
    ]


def segment_row(terminal: Terminal, stretch: Stretch) -> tuple[Any, ...]:
    """The stretch as a row of TerminalSegment in the order of SEGMENT_COLUMNS."""
    plain = stretch.join()
    codec, packed = pack(plain)
    return (
        new_id(), terminal.pk, stretch.offset, stretch.size, stretch.first_us, stretch.last_us,
        stretch.timing(), packed, codec, sha256_of(plain),
    )  # fmt: skip


def packed_row(terminal: Terminal, start: int, stretch: PackedStretch) -> tuple[Any, ...]:
    """The same of a stretch that was packed by whoever read it; its offset counts from `start`."""
    return (
        new_id(), terminal.pk, start + stretch.offset, stretch.size, stretch.first_us, stretch.last_us,
        stretch.timing, stretch.data, stretch.codec, stretch.sha256,
    )  # fmt: skip
