"""Where a viewer begins to draw who does not draw everything from the first byte."""

import re
from dataclasses import dataclass
from itertools import islice

from django.db.models import QuerySet

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.keyframes import first_sound
from sessions_app.actions.terminals.pieces import Cursor
from sessions_app.actions.terminals.reading import (
    events_before,
    line_start_after,
    read_bytes,
    read_stretches,
    size_at,
)
from sessions_app.actions.terminals.screens import redrawn_at, time_at
from sessions_app.actions.terminals.times import timing_of
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.terminal import wire
from sessions_app.terminal.engine.model import MAX_KEYFRAME_BYTES, EngineError

# Drawing the bytes behind a screen takes xterm.js some 30 ms for each MB.
NEAR_BYTES = 1024 * 1024
# Without a screen nearer than this, one is looked for in the bytes.
REACH_BYTES = 2 * 1024 * 1024

# What wipes all that is to be seen: a reset, the scrollback with the screen, the other screen.
_CLEARS = re.compile(
    rb"\x1bc|\x1b\[2J(?:\x1b\[[0-9;]*H)?\x1b\[3J|\x1b\[3J(?:\x1b\[[0-9;]*H)?\x1b\[2J|\x1b\[\?1049[hl]"
)


@dataclass(frozen=True, slots=True)
class Start:
    """A screen as it was after `offset` bytes and the events numbered up to `event`.

    `data` rebuilds it in a fresh terminal. Where `is_keyframe` is false it is empty, and what was drawn
    before is missing.
    """

    offset: int
    event: int
    time_us: int
    cols: int
    rows: int
    data: bytes
    is_keyframe: bool

    def encode(self) -> bytes:
        """The keyframe of the live protocol."""
        return wire.encode(wire.KeyframeFrame(self.offset, self.time_us, self.cols, self.rows, self.data))


def start_at(terminal: Terminal, offset: int, *, heavy: bool = False) -> Start | None:
    """The screen that is kept for exactly this offset, with scrollback if so asked and possible."""
    keyframes = _usable(terminal).filter(offset=offset)
    found = _first_start(keyframes.order_by("-is_heavy" if heavy else "is_heavy"))
    if found is not None:
        return found
    return _beginning(terminal) if offset == 0 else None


def start_drawn_at(
    terminal: Terminal, place: Cursor, *, scrollback_rows: int, farthest_bytes: int | None = None
) -> Start | None:
    """The screen of this very place, drawn now; None where the engine cannot do that soon, as redrawn_at.

    The server's engine takes some milliseconds for what takes a browser a tenth of a second.
    """
    try:
        drawn = redrawn_at(terminal, place, scrollback_rows=scrollback_rows, farthest_bytes=farthest_bytes)
        time_us = time_at(terminal, place.offset)
    except (EngineError, CorruptData):
        # A kept screen may lie behind the output that is damaged.
        return None
    return Start(place.offset, place.event, time_us, drawn.cols, drawn.rows, drawn.data, True)


def start_before(terminal: Terminal, end: int, *, unaided_bytes: int = REACH_BYTES) -> Start:
    """The best screen to begin with for somebody who wants to be at `end` at once.

    With scrollback where one is near, else the newest. Where none was made (yet), what follows the last
    clearing of everything; where nothing was cleared, the last `unaided_bytes` from a line on.
    """
    found = _keyframe_near(terminal, end)
    if found is not None:
        return found
    if end <= unaided_bytes:
        return _beginning(terminal)
    return _without_keyframe(terminal, end, unaided_bytes)


def is_start_near(terminal: Terminal, end: int, *, within_bytes: int) -> bool:
    """Whether start_before has a screen with scrollback, or the beginning, so near."""
    near = _usable(terminal).filter(offset__lte=end, offset__gte=end - within_bytes, is_heavy=True)
    return end <= within_bytes or near.exists()


def _keyframe_near(terminal: Terminal, end: int) -> Start | None:
    usable = _usable(terminal).filter(offset__lte=end, offset__gte=end - REACH_BYTES)
    newest_first = usable.order_by("-offset", "-is_heavy")
    near = newest_first.filter(is_heavy=True, offset__gte=end - NEAR_BYTES)
    return _first_start(near) or _first_start(newest_first)


def _first_start(keyframes: QuerySet[TerminalKeyframe]) -> Start | None:
    found = first_sound(keyframes)
    if found is None:
        return None
    return Start(found.offset, found.event, found.time_us, found.cols, found.rows, found.data, True)


def _usable(terminal: Terminal) -> QuerySet[TerminalKeyframe]:
    return TerminalKeyframe.objects.filter(terminal=terminal, size__lte=MAX_KEYFRAME_BYTES)


def _beginning(terminal: Terminal) -> Start:
    return Start(0, 0, 0, *terminal.first_size, b"", True)


def _without_keyframe(terminal: Terminal, end: int, unaided_bytes: int) -> Start:
    begin = end - min(end, REACH_BYTES)
    clear = last_clear(read_bytes(terminal.pk, begin, end))
    offset = begin + clear if clear is not None else line_start_after(terminal.pk, end - unaided_bytes, end)
    (stretch,) = islice(read_stretches(terminal.pk, offset, offset + 1), 1)
    time_us = timing_of(stretch.timing, stretch.first_us, stretch.offset - stretch.skipped).time_at(offset)
    cols, rows = size_at(terminal, offset)
    return Start(offset, events_before(terminal.pk, offset), time_us, cols, rows, b"", False)


def last_clear(output: bytes) -> int | None:
    """Where the last sequence begins behind which nothing older is to be seen; None where none is.

    Leaving the other screen brings back what was there before, so of that one only its beginning counts, and
    only while it is up.
    """
    on_main: int | None = None
    other: int | None = None
    for found in _CLEARS.finditer(output):
        sequence = found.group()
        if sequence == b"\x1b[?1049h":
            other = found.start() if other is None else other
        elif sequence == b"\x1b[?1049l":
            other = None
        elif sequence == b"\x1bc":
            on_main, other = found.start(), None
        elif other is None:
            on_main = found.start()
    return on_main if other is None else other
