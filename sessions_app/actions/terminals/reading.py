"""Reading a terminal back by offset, for sockets, pages and exports."""

import uuid
from collections.abc import Buffer, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.stretches import writes_of
from sessions_app.actions.terminals.times import times_of
from sessions_app.models import (
    Terminal,
    TerminalChunk,
    TerminalEvent,
    TerminalEventKind,
    TerminalSegment,
)
from sessions_app.models.blob import Codec, unpack
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.window import read_size


@dataclass(frozen=True, slots=True)
class StoredStretch:
    """Plain bytes of a stored row from `offset` on, with the timing of the whole row.

    `skipped` bytes of the row lie before `offset` and were read already.
    """

    offset: int
    data: bytes
    first_us: int
    last_us: int
    timing: bytes
    skipped: int = 0

    @property
    def end(self) -> int:
        return self.offset + len(self.data)

    def writes(self) -> Iterator[tuple[int, bytes]]:
        """The writes, as (time in microseconds, bytes). Raises CorruptData."""
        skip = self.skipped
        for time_us, piece in writes_of(self.timing, self.first_us, bytes(skip) + self.data):
            if skip < len(piece):
                yield time_us, piece[skip:]
            skip = max(0, skip - len(piece))


#: What a person is told where stored bytes of a terminal raise CorruptData.
DAMAGED: Final = (
    "What is stored of this terminal is damaged: scrollback terminals rebuild with its id repairs its screens "
    "and text, a backup its output."
)

# A line is not looked for any further: on a screen that redraws itself there may be none.
_LONGEST_LINE = 4096


def read_stretches(
    terminal_id: uuid.UUID, start: int, end: int, *, is_recent: bool = False
) -> Iterator[StoredStretch]:
    """Consecutive stretches from `start` on; the last one may reach beyond `end`. Raises CorruptData.

    What `is_recent` is looked for in chunks first, which spares a question.

    Takes no lock. Sealing may move bytes from chunks to a segment meanwhile: what is missing in one place
    is then in the other, and each step looks again.
    """
    position = start
    places: tuple[_Place, ...] = _SEALED_LAST if is_recent else _SEALED_FIRST
    while position < end:
        for model in places:
            rows = _rows_from(model, terminal_id, position, end)
            if rows:
                break
        else:
            raise CorruptData(f"terminal {terminal_id} has no row at {position} of {end}")
        places = _SEALED_FIRST if model is TerminalSegment else _SEALED_LAST
        for row in rows:
            if row.offset > position:
                break
            skipped = position - row.offset
            data = row.plain[skipped:]
            yield StoredStretch(position, data, row.first_us, row.last_us, row.timing, skipped)
            position += len(data)


def check_output(terminal: Terminal) -> None:
    """Read all of its output, and when it was written, for nothing else. Raises CorruptData."""
    for stretch in read_stretches(terminal.pk, 0, terminal.size):
        times_of(stretch.timing, stretch.first_us)


def read_output(terminal_id: uuid.UUID, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) in pieces no longer than a stored row. Raises CorruptData."""
    for stretch in read_stretches(terminal_id, start, end):
        yield stretch.data[: end - stretch.offset]


def read_bytes(terminal_id: uuid.UUID, start: int, end: int) -> bytes:
    return b"".join(read_output(terminal_id, start, end))


def stored_segments(terminal_id: uuid.UUID, start: int, end: int) -> bytes | None:
    """The bytes [start, end) as zstd frames in a row, as they are stored; None unless whole segments are that."""
    rows = TerminalSegment.objects.filter(terminal_id=terminal_id, offset__gte=start, offset__lt=end)
    position = start
    frames = []
    for segment in rows.order_by("offset"):
        if segment.offset != position or segment.codec != Codec.ZSTD:
            return None
        frames.append(bytes(segment.data))
        position += segment.size
    return b"".join(frames) if frames and position == end else None


def read_tails(ends: Mapping[uuid.UUID, int], limit: int) -> dict[uuid.UUID, bytes]:
    """For {terminal: offset}, the at most `limit` bytes before that offset: two queries for all of them.

    Bytes that are in no row, or in a damaged one, are left out.
    """
    return read_spans({terminal_id: (max(0, end - limit), end) for terminal_id, end in ends.items()})


def read_spans(spans: Mapping[uuid.UUID, tuple[int, int]]) -> dict[uuid.UUID, bytes]:
    """For {terminal: (start, end)}, the bytes between the two, likewise."""
    if not spans:
        return {}
    # Chunks first: what is sealed between the two looks is then met twice, not missed.
    rows = [*_rows_in(TerminalChunk, spans), *_rows_in(TerminalSegment, spans)]
    positions = {terminal_id: start for terminal_id, (start, _) in spans.items()}
    found: dict[uuid.UUID, list[bytes]] = {terminal_id: [] for terminal_id in spans}
    for row in sorted(rows, key=lambda row: row.offset):
        position, end = positions[row.terminal_id], spans[row.terminal_id][1]
        if row.offset + row.size > position:
            with suppress(CorruptData):
                found[row.terminal_id].append(row.read()[max(0, position - row.offset) : end - row.offset])
            positions[row.terminal_id] = row.offset + row.size
    return {terminal_id: b"".join(pieces) for terminal_id, pieces in found.items()}


def _rows_in(
    model: type[TerminalSegment] | type[TerminalChunk], spans: Mapping[uuid.UUID, tuple[int, int]]
) -> list[TerminalSegment | TerminalChunk]:
    """The rows with the bytes of each span, beginning with the one in which it begins."""
    near = Q()
    for terminal_id, (start, end) in spans.items():
        of_terminal = model._default_manager.filter(terminal_id=terminal_id)
        first = of_terminal.filter(offset__lte=start).order_by("-offset").values("offset")[:1]
        near |= Q(terminal_id=terminal_id, offset__gte=Coalesce(first, 0), offset__lt=end)
    return list(model._default_manager.filter(near).defer("timing"))


def read_items(terminal: Terminal) -> Iterator[Event]:
    """Everything up to the terminal's present end in the order of its time, as asciicast has it. Raises CorruptData."""
    rows = TerminalEvent.objects.filter(terminal=terminal, number__lte=terminal.event_count)
    events = cast(Generator[TerminalEvent], rows.order_by("number").iterator(chunk_size=1_000))
    # Output may be damaged: Postgres keeps what is not read to its end.
    with closing(events):
        yield from _in_order(terminal, events)


def _in_order(terminal: Terminal, events: Iterator[TerminalEvent]) -> Iterator[Event]:
    event = next(events, None)
    offset = 0
    for stretch in read_stretches(terminal.pk, 0, terminal.size):
        for time_us, data in stretch.writes():
            piece = data[: terminal.size - offset]
            while event is not None and event.offset < offset + len(piece):
                cut = event.offset - offset
                if cut > 0:
                    yield Output(time_us, piece[:cut])
                    piece, offset = piece[cut:], event.offset
                yield event_of(event)
                event = next(events, None)
            if piece:
                yield Output(time_us, piece)
                offset += len(piece)
    while event is not None:
        yield event_of(event)
        event = next(events, None)


def event_of(row: TerminalEvent) -> Input | Resize | Marker | Exit:
    """A stored event in the form that asciicast and the live protocol share."""
    match row.kind:
        case TerminalEventKind.INPUT:
            return Input(row.at_us, bytes(row.data))
        case TerminalEventKind.RESIZE:
            return Resize(row.at_us, *read_size(row.text))
        case TerminalEventKind.MARKER:
            return Marker(row.at_us, row.text)
    return Exit(row.at_us, int(row.text) if row.text else None)


def size_at(terminal: Terminal, offset: int) -> tuple[int, int]:
    """Columns and rows that the window had when byte `offset` was written."""
    resizes = TerminalEvent.objects.filter(terminal=terminal, kind=TerminalEventKind.RESIZE)
    last = resizes.filter(offset__lte=offset).order_by("-number").first()
    if last is None:
        return terminal.first_size
    return read_size(last.text)


def line_start_after(terminal_id: uuid.UUID, near: int, end: int) -> int:
    """The start of the first line after `near`, or `near` itself when no line starts soon."""
    head = read_bytes(terminal_id, near, min(end, near + _LONGEST_LINE))
    return near + head.find(b"\n") + 1 if b"\n" in head else near


def events_before(terminal_id: uuid.UUID, offset: int) -> int:
    """The number of the newest event that happened when less than `offset` bytes were out; 0 for none."""
    before = TerminalEvent.objects.filter(terminal_id=terminal_id, offset__lt=offset)
    return before.aggregate(newest=Max("number"))["newest"] or 0


type _Place = type[TerminalSegment] | type[TerminalChunk]

# Sealing moves bytes from chunks to a segment: between the first two looks the chunk may have become one.
_SEALED_FIRST: tuple[_Place, ...] = (TerminalSegment, TerminalChunk, TerminalSegment)
_SEALED_LAST: tuple[_Place, ...] = (TerminalChunk, TerminalSegment)

# Rows of one look: segments are up to 256 KB; chunks, of which there may be hundreds, are that much together.
_SEGMENTS_AT_ONCE = 16
_CHUNKS_AT_ONCE = 256
_COLUMNS = ("offset", "size", "first_us", "last_us", "timing", "data")


class _Row(NamedTuple):
    """A stored row; instances of the models cost more than the reading."""

    offset: int
    size: int
    first_us: int
    last_us: int
    stored_timing: Buffer
    data: Buffer
    codec: str = Codec.RAW

    @property
    def timing(self) -> bytes:
        return bytes(self.stored_timing)

    @property
    def plain(self) -> bytes:
        """All of it: whoever reads on behind the last byte would do so for ever. Raises CorruptData."""
        return unpack(bytes(self.data), self.codec, self.size)


def _rows_from(model: _Place, terminal_id: uuid.UUID, position: int, end: int) -> list[_Row]:
    """The row that holds the byte at `position` and some of those behind it; nothing when none holds it."""
    of_terminal = model._default_manager.filter(terminal_id=terminal_id)
    first = of_terminal.filter(offset__lte=position).order_by("-offset").values("offset")[:1]
    is_sealed = model is TerminalSegment
    near = of_terminal.filter(offset__gte=first, offset__lt=end).order_by("offset")
    limit, columns = (_SEGMENTS_AT_ONCE, (*_COLUMNS, "codec")) if is_sealed else (_CHUNKS_AT_ONCE, _COLUMNS)
    rows = [_Row(*values) for values in near.values_list(*columns)[:limit]]
    return rows if rows and rows[0].offset + rows[0].size > position else []
