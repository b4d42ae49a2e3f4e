"""Turning chunks into segments.

What is sealed never changes again, so its hashes go into the audit log in the same transaction.
"""

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any, Final

from audit.actors import SYSTEM
from audit.record import Draft, append
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.db import write_transaction
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

SEGMENT_COLUMNS = (
    "id", "terminal_id", "offset", "size", "first_us", "last_us", "timing", "data", "codec", "sha256"
)  # fmt: skip
# So many segments are named by one entry: 250 characters each at most, within the limit of an entry's size.
_SEGMENTS_AN_ENTRY: Final = 200


def seal_if_due(terminal: Terminal) -> None:
    """Seal when there are 256 KB or 10 s of output in chunks, or when the recording has ended."""
    pending = terminal.size - terminal.sealed_size
    if pending and (terminal.state == TerminalState.ENDED or pending >= SEGMENT_BYTES or _is_old(terminal)):
        seal(terminal)


def _is_old(terminal: Terminal) -> bool:
    first = terminal.chunks.filter(offset=terminal.sealed_size).values_list("first_us", flat=True).first()
    return first is not None and terminal.duration_us - first >= SEGMENT_US


def seal(terminal: Terminal) -> None:
    """Replace the chunks that are there by segments. Of two that do so at once, one does nothing."""
    chunks = list(terminal.chunks.filter(offset__gte=terminal.sealed_size).order_by("offset"))
    rows = [segment_row(terminal, stretch) for stretch in in_segments(terminal.sealed_size, _writes(chunks))]
    if not chunks:
        return
    end = chunks[-1].offset + chunks[-1].size
    with write_transaction():
        sealed = Terminal.objects.filter(pk=terminal.pk, sealed_size=terminal.sealed_size)
        if not sealed.update(sealed_size=end):
            return
        bulk_insert(TerminalSegment, SEGMENT_COLUMNS, rows)
        TerminalChunk.objects.filter(terminal=terminal, offset__lt=end).delete()
        append(sealed_drafts(terminal, rows))
    terminal.sealed_size = end


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


def _writes(chunks: Sequence[TerminalChunk]) -> Iterator[tuple[int, bytes]]:
    for chunk in chunks:
        yield from writes_of(bytes(chunk.timing), chunk.first_us, chunk.read())


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
