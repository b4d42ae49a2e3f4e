"""A terminal's bytes and events in bounded pieces, as an engine takes them."""

import uuid
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from sessions_app.actions.terminals.reading import StoredStretch, read_stretches
from sessions_app.actions.terminals.times import times_of
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind
from sessions_app.terminal.engine.model import Output, Resize
from sessions_app.terminal.window import read_size

PIECE_BYTES = 8 * 1024 * 1024
# What was typed are events too, though the engine needs none of them.
PIECE_EVENTS = 10_000
# Writes that came together are given together: what is derived gets the time of the last of them, so that
# who looks at that time sees it.
_TOGETHER_US = 20_000
_TOGETHER_BYTES = 16 * 1024

type Item = Output | Resize


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """After `offset` bytes of output and the events numbered up to `event`."""

    offset: int = 0
    event: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What follows `start`, up to `end`."""

    start: Cursor
    end: Cursor
    items: tuple[Item, ...]
    # (offset, number) of every event in it.
    events: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        return self.end.offset - self.start.offset

    def event_before(self, offset: int) -> int:
        """The number of the last event that happened when less than `offset` bytes were out."""
        index = bisect_left(self.events, (offset, 0))
        return self.events[index - 1][1] if index else self.start.event


def read_piece(
    terminal_id: uuid.UUID, start: Cursor, end: Cursor, *, limit: int = PIECE_BYTES, with_times: bool = True
) -> Piece:
    """At most `limit` bytes and PIECE_EVENTS events of what lies between the two. Raises CorruptData.

    Without times, output has that of the first write of its row.
    """
    last = min(end.offset, start.offset + limit)
    found = TerminalEvent.objects.filter(
        terminal_id=terminal_id, number__gt=start.event, number__lte=end.event, offset__lte=last
    )
    columns = ("number", "offset", "at_us", "kind", "text")
    events = list(found.order_by("number").values_list(*columns)[: PIECE_EVENTS + 1])
    if len(events) > PIECE_EVENTS:
        events.pop()
        last = max(start.offset, events[-1][1])
    resizes = [
        Resize(number, offset, at_us, *read_size(text))
        for number, offset, at_us, kind, text in events
        if kind == TerminalEventKind.RESIZE
    ]
    reached = Cursor(last, events[-1][0] if events else start.event)
    divide = _together if with_times else _whole
    outputs = (
        output for stretch in _stretches(terminal_id, start.offset, last) for output in divide(stretch, last)
    )
    items = list(_in_order(outputs, resizes))
    if reached.offset < end.offset:
        reached = _end_with_line(items, reached, events[-1][1] if events else 0)
    return Piece(start, reached, tuple(items), tuple((offset, number) for number, offset, *_ in events))


def read_from(
    terminal_id: uuid.UUID, start: Cursor, end: Cursor, *, with_times: bool = True
) -> Iterator[Piece]:
    """Everything between the two, piece by piece. Raises CorruptData."""
    while start != end:
        piece = read_piece(terminal_id, start, end, with_times=with_times)
        if piece.end == start:
            return
        yield piece
        start = piece.end


def window_at(terminal: Terminal, cursor: Cursor) -> tuple[int, int]:
    """Columns and rows of the window at this point."""
    resizes = TerminalEvent.objects.filter(terminal=terminal, kind=TerminalEventKind.RESIZE)
    last = resizes.filter(number__lte=cursor.event).order_by("-number").values_list("text", flat=True).first()
    return terminal.first_size if last is None else read_size(last)


def _end_with_line(items: list[Item], reached: Cursor, last_event: int) -> Cursor:
    """Leave out the beginning of a line, which would be taken for all of it; the new end."""
    last = items[-1] if items else None
    if not isinstance(last, Output):
        return reached
    whole = last.data.rfind(b"\n") + 1
    if not whole or last.offset + whole < last_event:
        return reached
    items[-1] = last._replace(data=last.data[:whole])
    return Cursor(last.offset + whole, reached.event)


def _stretches(terminal_id: uuid.UUID, start: int, end: int) -> Iterator[StoredStretch]:
    return read_stretches(terminal_id, start, end) if start < end else iter(())


def _whole(stretch: StoredStretch, end: int) -> Iterator[Output]:
    yield Output(stretch.offset, stretch.first_us, stretch.data[: end - stretch.offset])


def _together(stretch: StoredStretch, end: int) -> Iterator[Output]:
    """Writes of the stretch before `end`, those that came together in one."""
    position, first, first_us, last_us = -stretch.skipped, 0, stretch.first_us, stretch.first_us
    data, size = stretch.data, min(len(stretch.data), end - stretch.offset)
    for time_us, length in times_of(stretch.timing, stretch.first_us):
        if position > first and (time_us - first_us > _TOGETHER_US or position - first >= _TOGETHER_BYTES):
            yield Output(stretch.offset + first, last_us, data[first : min(position, size)])
            first, first_us = position, time_us
        elif position <= first:
            first_us = time_us
        last_us = time_us
        position += length
        if position >= size:
            break
    if first < size:
        yield Output(stretch.offset + first, last_us, data[first:size])


def _in_order(outputs: Iterator[Output], resizes: list[Resize]) -> Iterator[Item]:
    """Resizes between the bytes where they happened: after as many as their offset says."""
    due = iter(resizes)
    resize = next(due, None)
    for output in outputs:
        rest = output
        while resize is not None and resize.offset < rest.offset + len(rest.data):
            before = resize.offset - rest.offset
            if before > 0:
                yield Output(rest.offset, rest.time_us, rest.data[:before])
                rest = Output(resize.offset, rest.time_us, rest.data[before:])
            yield resize
            resize = next(due, None)
        yield rest
    if resize is not None:
        yield from chain([resize], due)
