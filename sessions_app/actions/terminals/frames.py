"""Stored output as frames of the live protocol (sessions_app/terminal/wire.py)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from sessions_app.actions.terminals.reading import StoredStretch, event_of, read_events, read_stretches
from sessions_app.models import TerminalEvent, TerminalEventKind
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Exit, Marker, Resize
from sessions_app.terminal.timing import Timing

FRAME_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SpanKey:
    """Output [start, end) of a terminal with the events numbered after `event` up to `last_event`.

    With `each_write` every frame is one write of the program, at its own time, as a player needs it; else
    frames are as large as they may be.
    """

    terminal_id: uuid.UUID
    start: int
    end: int
    event: int
    last_event: int
    each_write: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of one stretch of a terminal, and where the next one begins."""

    frames: tuple[bytes, ...]
    end: int
    # The number of the newest event among the frames.
    event: int

    @property
    def size(self) -> int:
        return sum(map(len, self.frames))


def make_span(key: SpanKey) -> Span:
    """Raises MissingOutput, DatabaseError."""
    frames: list[bytes] = []
    number = key.event
    events = read_events(key.terminal_id, after=key.event, until=key.last_event)
    due = [row for row in events if row.offset <= key.end]
    for start, end, time_us, data in _pieces(key):
        position = start
        while position < end:
            while due and due[0].offset <= position:
                number = due[0].number
                frames += _event_frames(due.pop(0))
            limit = min(end, due[0].offset) if due else end
            frames.append(
                wire.encode(wire.OutputFrame(position, time_us, data[position - start : limit - start]))
            )
            position = limit
    for row in due:
        number = row.number
        frames += _event_frames(row)
    return Span(tuple(frames), key.end, number)


type _Piece = tuple[int, int, int, bytes]


def _pieces(key: SpanKey) -> Iterator[_Piece]:
    """Output as (start, end, time in microseconds, bytes), cut at the end of the span."""
    stretches = read_stretches(key.terminal_id, key.start, key.end) if key.end > key.start else ()
    for stretch in stretches:
        for start, time_us, data in _writes(stretch) if key.each_write else _blocks(stretch):
            if start < key.end:
                end = min(start + len(data), key.end)
                yield start, end, time_us, data


def _writes(stretch: StoredStretch) -> Iterator[tuple[int, int, bytes]]:
    start = stretch.offset
    for time_us, data in stretch.writes():
        yield start, time_us, data
        start += len(data)


def _blocks(stretch: StoredStretch) -> Iterator[tuple[int, int, bytes]]:
    timing = Timing.decode(stretch.timing, stretch.first_us, stretch.offset - stretch.skipped)
    for start in range(stretch.offset, stretch.end, FRAME_BYTES):
        within = start - stretch.offset
        yield start, timing.time_at(start), stretch.data[within : within + FRAME_BYTES]


def _event_frames(row: TerminalEvent) -> Iterator[bytes]:
    """The frame of an event; what was typed is not shown to viewers."""
    if row.kind == TerminalEventKind.INPUT:
        return
    event = event_of(row)
    if isinstance(event, Resize):
        yield wire.encode(wire.ResizeFrame(row.offset, row.at_us, event.cols, event.rows))
    elif isinstance(event, Marker):
        yield wire.encode(wire.MarkerFrame(row.offset, row.at_us, event.label))
    elif isinstance(event, Exit):
        yield wire.encode(wire.ExitFrame(row.offset, row.at_us, event.status))
