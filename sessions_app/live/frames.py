"""Spans of output and screens to begin with, read once for all viewers that stand at the same place."""

import asyncio
import math
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sessions_app.actions.terminals.frames import Span, SpanKey, make_span
from sessions_app.actions.terminals.screens import place_behind
from sessions_app.actions.terminals.starting import Start, is_start_near, start_before, start_drawn_at
from sessions_app.live.reading import submit
from sessions_app.live.sender import step_end
from sessions_app.models import Terminal

SPANS_BYTES = 16 * 1024 * 1024
STARTS_BYTES = 4 * 1024 * 1024
# Keyframes are made a little after the bytes, so a better screen may be there soon.
START_LASTS_S = 1.0
# So far from the kept screen with rows above it, one is drawn: at places that are the same for all viewers. With a
# thousand rows above it, as a heavy keyframe has, it would take a quarter longer.
FAR_BYTES = 64 * 1024
DRAWN_EVERY_BYTES = 32 * 1024
DRAWN_ROWS = 400
# Terminals of which the last one that was drawn is kept.
_DRAWN_TERMINALS = 8
# From a keyframe at most so far away: the threads that read this are needed for news and handshakes too.
_FARTHEST_DRAWN_BYTES = 4 * 1024 * 1024
# Most are drawn in a tenth of that. Who has waited so long for those of others takes one that is kept.
_TURN_S = 0.1


async def read_span(key: SpanKey) -> Span:
    """From memory, from a read that another viewer waits for, or from the database. Raises DatabaseError."""
    return await _wait(_spans.future(key))


async def read_start(terminal_id: uuid.UUID, end: int, last_event: int, unaided_bytes: int) -> "SharedStart":
    """As read_span, the screen with which a viewer begins who wants to be at `end` at once, and knows of that event."""
    return await _wait(_starts.future(_StartKey(terminal_id, end, last_event, unaided_bytes)))


def read_ahead(key: SpanKey) -> None:
    """Read a span in this thread before those are told who will ask for it. Raises DatabaseError."""
    _spans.fill(key)


async def _wait[Value](future: Future[Value]) -> Value:
    if future.done():
        return future.result()
    # Shielded: a viewer that leaves must not cancel the read of the others.
    return await asyncio.shield(asyncio.wrap_future(future))


@dataclass(frozen=True, slots=True)
class SharedStart:
    """The frame is the same bytes for all who get it."""

    start: Start
    frame: bytes

    @property
    def size(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class _StartKey:
    terminal_id: uuid.UUID
    end: int
    last_event: int
    unaided_bytes: int


def _make_start(key: _StartKey) -> SharedStart:
    terminal = Terminal.objects.get(pk=key.terminal_id)
    start = None
    if not is_start_near(terminal, key.end, within_bytes=FAR_BYTES):
        start = _drawings.start(terminal, key.end - key.end % DRAWN_EVERY_BYTES)
    start = start or start_before(terminal, key.end, unaided_bytes=key.unaided_bytes)
    if start.offset < key.end:
        # They ask for what follows next: read here, it spares them the way to the event loop and back.
        end = step_end(start.offset, key.end)
        read_ahead(SpanKey(terminal.pk, start.offset, end, start.event, key.last_event))
    return SharedStart(start, start.encode())


class _Drawings:
    """Of the terminals that were drawn last the newest screen each. The engine draws one at a time, and so does this.

    Its callers are the threads that news, other terminals and handshakes need, so none waits for long.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._kept: OrderedDict[uuid.UUID, Start] = OrderedDict()

    def start(self, terminal: Terminal, offset: int) -> Start | None:
        """The screen of this place; None where it cannot be drawn, or others take their time over theirs."""
        kept = self._find(terminal.pk, offset)
        if kept is None and self._turn.acquire(timeout=_TURN_S):
            try:
                # Who had the turn may have wanted the same.
                kept = self._find(terminal.pk, offset) or self._draw(terminal, offset)
            finally:
                self._turn.release()
        return kept

    def _find(self, terminal_id: uuid.UUID, offset: int) -> Start | None:
        with self._lock:
            kept = self._kept.get(terminal_id)
            if kept is None or kept.offset != offset:
                return None
            self._kept.move_to_end(terminal_id)
            return kept

    def _draw(self, terminal: Terminal, offset: int) -> Start | None:
        place = place_behind(terminal, offset)
        drawn = start_drawn_at(
            terminal, place, scrollback_rows=DRAWN_ROWS, farthest_bytes=_FARTHEST_DRAWN_BYTES
        )
        if drawn is not None:
            with self._lock:
                self._kept[terminal.pk] = drawn
                self._kept.move_to_end(terminal.pk)
                while len(self._kept) > _DRAWN_TERMINALS:
                    self._kept.popitem(last=False)
        return drawn


_drawings = _Drawings()


@dataclass(slots=True)
class _Entry[Value]:
    future: Future[Value]
    made: float
    # Of the value, once it is there and counted.
    size: int = 0


class _Shared[Key, Value: Span | SharedStart]:
    """The newest values by their key, up to so many bytes, each for so long."""

    def __init__(self, make: Callable[[Key], Value], *, limit: int, lasts_s: float = math.inf) -> None:
        self._make = make
        self._limit = limit
        self._lasts_s = lasts_s
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._bytes = 0

    def future(self, key: Key) -> Future[Value]:
        now = time.monotonic()
        with self._lock:
            found = self._entries.get(key)
            if found is not None and now - found.made < self._lasts_s:
                self._entries.move_to_end(key)
                return found.future
            self._drop(key)
            future = submit(self._make, key)
            entry = self._entries[key] = _Entry(future, now)
        future.add_done_callback(lambda done: self._keep(key, entry))
        return future

    def fill(self, key: Key) -> None:
        with self._lock:
            if key in self._entries:
                return
        future: Future[Value] = Future()
        future.set_result(self._make(key))
        with self._lock:
            if key in self._entries:
                return
            entry = self._entries[key] = _Entry(future, time.monotonic())
        self._keep(key, entry)

    def _keep(self, key: Key, entry: _Entry[Value]) -> None:
        with self._lock:
            if self._entries.get(key) is not entry:
                return
            if entry.future.cancelled() or entry.future.exception() is not None:
                del self._entries[key]
                return
            entry.size = entry.future.result().size
            self._bytes += entry.size
            for oldest in list(self._entries) if self._bytes > self._limit else ():
                if self._entries[oldest].size:
                    self._drop(oldest)
                if self._bytes <= self._limit:
                    break

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        self._bytes -= entry.size if entry else 0


_spans: _Shared[SpanKey, Span] = _Shared(make_span, limit=SPANS_BYTES)
_starts: _Shared[_StartKey, SharedStart] = _Shared(_make_start, limit=STARTS_BYTES, lasts_s=START_LASTS_S)
