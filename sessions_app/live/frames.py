"""Stored output as frames of the live protocol, read once for all viewers that stand at the same place."""

import asyncio
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from sessions_app.actions.terminals.reading import StoredStretch, event_of, read_events, read_stretches
from sessions_app.live.reading import submit
from sessions_app.models import TerminalEvent, TerminalEventKind
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Marker, Resize
from sessions_app.terminal.timing import Timing

FRAME_BYTES = 64 * 1024
REMEMBERED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be sent of one stretch of a terminal, and where the next one begins."""

    frames: tuple[bytes, ...]
    end: int
    # The number of the newest event among the frames.
    event: int

    @property
    def size(self) -> int:
        return sum(map(len, self.frames))


@dataclass(frozen=True, slots=True)
class SpanKey:
    """Output [start, end) of a terminal with the events numbered after `event` up to `last_event`."""

    terminal_id: uuid.UUID
    start: int
    end: int
    event: int
    last_event: int


async def read_span(key: SpanKey) -> Span:
    """From memory, from a read that another viewer waits for, or from the database. Raises DatabaseError."""
    # Shielded: a viewer that leaves must not cancel the read of the others.
    return await asyncio.shield(asyncio.wrap_future(_shared.future(key)))


def make_span(key: SpanKey) -> Span:
    """Raises MissingOutput, DatabaseError."""
    frames: list[bytes] = []
    number = key.event
    events = read_events(key.terminal_id, after=key.event, until=key.last_event)
    due = [row for row in events if row.offset <= key.end]
    position = key.start
    for stretch in read_stretches(key.terminal_id, key.start, key.end) if key.end > key.start else ():
        timing = Timing.decode(stretch.timing, stretch.first_us, stretch.offset - stretch.skipped)
        while position < min(stretch.end, key.end):
            while due and due[0].offset <= position:
                number = due[0].number
                frames += _event_frames(due.pop(0))
            limit = min(stretch.end, key.end, position + FRAME_BYTES, due[0].offset if due else key.end)
            frames.append(_output_frame(stretch, timing, position, limit))
            position = limit
    for row in due:
        number = row.number
        frames += _event_frames(row)
    return Span(tuple(frames), key.end, number)


def _output_frame(stretch: StoredStretch, timing: Timing, start: int, end: int) -> bytes:
    data = stretch.data[start - stretch.offset : end - stretch.offset]
    return wire.encode(wire.OutputFrame(start, timing.time_at(start), data))


def _event_frames(row: TerminalEvent) -> Iterator[bytes]:
    """The frame of an event; what was typed is not shown to viewers."""
    if row.kind == TerminalEventKind.INPUT:
        return
    event = event_of(row)
    if isinstance(event, Resize):
        yield wire.encode(wire.ResizeFrame(row.offset, row.at_us, event.cols, event.rows))
    elif isinstance(event, Marker):
        yield wire.encode(wire.MarkerFrame(row.offset, row.at_us, event.label))
    else:
        yield wire.encode(wire.ExitFrame(row.offset, row.at_us, event.status))  # type: ignore[union-attr]


class _Shared:
    """The newest spans, by their place; output never changes, so nothing here is ever out of date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: OrderedDict[SpanKey, Future[Span]] = OrderedDict()
        self._bytes = 0

    def future(self, key: SpanKey) -> Future[Span]:
        with self._lock:
            found = self._futures.get(key)
            if found is not None:
                self._futures.move_to_end(key)
                return found
            future = self._futures[key] = submit(make_span, key)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    def _keep(self, key: SpanKey, done: Future[Span]) -> None:
        with self._lock:
            if done.cancelled() or done.exception() is not None:
                self._futures.pop(key, None)
                return
            self._bytes += done.result().size
            while self._bytes > REMEMBERED_BYTES:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        for key, future in self._futures.items():
            if future.done():
                self._bytes -= future.result().size
                del self._futures[key]
                return


_shared = _Shared()
