"""Stored output as frames of the live protocol (sessions_app/terminal/wire.py)."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sessions_app.actions.terminals.reading import event_of, read_stretches
from sessions_app.actions.terminals.times import timing_of
from sessions_app.models import TerminalEvent, TerminalEventKind
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Exit, Marker, Resize
from sessions_app.terminal.timing import Timing

FRAME_BYTES = 64 * 1024
# Of one span to a viewer, and of one answer to a player; a recording may hold any number at one place.
MAX_EVENTS = 100
MAX_WRITE_EVENTS = 20_000


@dataclass(frozen=True, slots=True)
class SpanKey:
    """Output [start, end) of a terminal with the events numbered after `event` up to `last_event`.

    With `each_write` every frame is one write of the program, at its own time, as a player needs it; else
    frames are as large as they may be, each at the time of its last byte: whoever drew it is at that moment.
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
    # Of all frames together.
    size: int


def make_span(key: SpanKey) -> Span:
    """Raises CorruptData, DatabaseError."""
    events, end = _events_of(key)
    frames: list[bytes] = []
    limits = [row.offset for row in events]
    output = (
        _cut(_writes(key, end), limits)
        if key.each_write
        else _joined(_cut(_blocks(key, end), limits), limits)
    )
    due = 0
    for position, time_us, data in output:
        while due < len(events) and limits[due] <= position:
            frames += _event_frames(events[due])
            due += 1
        frames.append(wire.encode_output(position, time_us, data))
    for row in events[due:]:
        frames += _event_frames(row)
    event = events[-1].number if events else key.event
    return Span(tuple(frames), end, event, sum(map(len, frames)))


# Consecutive output: where it begins, its time in microseconds or that of each of its bytes, the bytes.
type _Piece[When: (int, Timing)] = tuple[int, When, bytes]


def _events_of(key: SpanKey) -> tuple[list[TerminalEvent], int]:
    """The events of the span and where it ends: sooner, when there are too many for one answer."""
    if key.event >= key.last_event:
        return [], key.end
    events = TerminalEvent.objects.filter(
        terminal_id=key.terminal_id, number__gt=key.event, number__lte=key.last_event, offset__lte=key.end
    ).order_by("number")
    limit = MAX_WRITE_EVENTS if key.each_write else MAX_EVENTS
    found = list(events[: limit + 1])
    if len(found) <= limit:
        return found, key.end
    end = found[limit - 1].offset
    if key.each_write and end == key.start:
        # Whoever asks by the offset alone would be given these for ever.
        return found[:limit] + list(events.filter(offset__gt=key.start)[:limit]), key.end
    return found[:limit], end


def _cut[When: (int, Timing)](
    pieces: Iterable[_Piece[When]], limits: Sequence[int]
) -> Iterator[_Piece[When]]:
    """The pieces, divided where something happened in between."""
    index = 0
    for position, when, data in pieces:
        end = position + len(data)
        while index < len(limits) and limits[index] <= position:
            index += 1
        while index < len(limits) and limits[index] < end:
            yield position, when, data[: limits[index] - position]
            data, position = data[limits[index] - position :], limits[index]
            while index < len(limits) and limits[index] <= position:
                index += 1
        yield position, when, data


def _joined(pieces: Iterable[_Piece[Timing]], limits: Sequence[int]) -> Iterator[_Piece[int]]:
    """Small pieces in a row as one, at the time of the last byte: a frame costs more than its bytes."""
    waiting: list[bytes] = []
    size = start = last_us = 0
    boundaries = set(limits)
    for position, timing, data in pieces:
        if waiting and (size + len(data) > FRAME_BYTES or position in boundaries):
            yield start, last_us, b"".join(waiting)
            waiting, size = [], 0
        if not waiting:
            start = position
        waiting.append(data)
        size += len(data)
        last_us = timing.time_at(position + len(data) - 1)
    if waiting:
        yield start, last_us, b"".join(waiting)


def _writes(key: SpanKey, end: int) -> Iterator[_Piece[int]]:
    for stretch in read_stretches(key.terminal_id, key.start, end):
        start = stretch.offset
        for time_us, data in stretch.writes():
            if start >= end:
                return
            yield start, time_us, data[: end - start]
            start += len(data)


def _blocks(key: SpanKey, end: int) -> Iterator[_Piece[Timing]]:
    for stretch in read_stretches(key.terminal_id, key.start, end, is_recent=True):
        data = stretch.data[: end - stretch.offset]
        timing = timing_of(stretch.timing, stretch.first_us, stretch.offset - stretch.skipped)
        for within in range(0, len(data), FRAME_BYTES):
            start = stretch.offset + within
            yield start, timing, data[within : within + FRAME_BYTES]


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
