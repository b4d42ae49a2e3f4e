"""Keyframes and text out of a recording, piece by piece."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sessions_app.terminal.engine.ghostty import BYTES_PER_CELL, GhosttyEngine
from sessions_app.terminal.engine.model import (
    MAX_KEYFRAME_BYTES,
    Derived,
    Keyframe,
    Output,
    Resize,
    Screen,
    Unfinished,
)
from sessions_app.terminal.engine.text import LineReader
from sessions_app.terminal.window import allowed_size

#: Rows above the screen that a heavy keyframe carries, where so many fit into MAX_KEYFRAME_BYTES.
HEAVY_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far apart keyframes and looks at the screen are. Distances are bytes of output where nothing else is said."""

    light_bytes: int = 256 * 1024
    #: With as much output at least: what is less takes no time to replay.
    light_us: int = 10_000_000
    light_least_bytes: int = 32 * 1024
    heavy_bytes: int = 4 * 1024 * 1024
    #: A line of text is located within so many.
    slice_bytes: int = 16 * 1024
    #: What stood on the screen for so long was there to be read.
    pause_us: int = 1_000_000
    #: Output that pays for an extra keyframe (at a clear, a switch or a resize): so much, and so often its size.
    extra_bytes: int = 64 * 1024
    extra_times: int = 16
    #: Output that pays for a look at the screen.
    look_bytes: int = 1_024
    #: For one at rest, when nothing was written for `pause_us`, there is one in each recorded second at most: so much
    #: for so many cells, which is less than any program draws. Who claims pauses where there are none pays with bytes.
    rest_bytes: int = 8
    rest_cells: int = 8_192
    #: Keyframes and looks that can be paid for in advance.
    saved_up: int = 32


SPACING = Spacing()

#: Sequences after which rows above the cursor's may change. A sample of a slice tells what kind of output it is;
#: what a moved cursor left on the screen leaves it in the end, and is listed then.
MOVES = re.compile(rb"\x1b(?:\[[?>]?[0-9;]*[ABEFHJLMSTdfr]|[78Mc])")
_SAMPLE_BYTES = 1_024
# All of the screen is erased, or another one is put up.
_CUT = re.compile(rb"\x1b(?:\[(?:[23]J|\?(?:1049|1047|47)[hl]|(?:1;1)?H\x1b\[0?J)|c)")
# What leaves the screen is listed before there are more rows above it than the engine keeps.
_MOST_LINES = HEAVY_ROWS // 2
_LINES = re.compile(rb"(?:[^\n]*\n){1,%d}|[^\n]+" % _MOST_LINES)
# What may stand between sequences that belong together.
_BETWEEN = re.compile(rb"(?:\x1b#8)*(?:\x1b\[H)?(?:\x1b#8)*")


class Deriver:
    """Feeds an engine with what it is given, and says what is to be kept of it."""

    def __init__(
        self, cols: int, rows: int, start: Keyframe | None = None, spacing: Spacing = SPACING
    ) -> None:
        """An empty terminal of this size, or the one of a keyframe. Raises EngineError."""
        if start is not None:
            cols, rows = start.cols, start.rows
        self._cols, self._rows = allowed_size(cols, rows)
        self._engine = GhosttyEngine(self._cols, self._rows, HEAVY_ROWS)
        self._offset = self._event = self._time_us = 0
        if start is not None:
            self._engine.feed(start.data)
            self._offset, self._event, self._time_us = start.offset, start.event, start.time_us
        self._text = LineReader(self._engine.native)
        self._slice_offset = self._offset
        self._times: list[tuple[int, int]] = []
        self._is_ordinary = False
        self._keyframes: list[Keyframe] = []
        self._light_offset, self._light_us = self._offset, self._time_us
        self._heavy_offset = self._offset
        self._has_heavy = start is not None and start.is_heavy
        self._owes_keyframe = False
        self._spacing = spacing
        self._keyframe_credit = spacing.saved_up * spacing.extra_bytes
        self._look_credit = self._rest_credit = spacing.saved_up * spacing.look_bytes
        # Where the screen was last looked at, if it has the same size since; an empty one needs no look.
        self._looked_offset = 0 if start is None else -1

    def take(self, items: Iterable[Output | Resize]) -> Derived:
        """What comes out of these items, which follow those before. Raises EngineError."""
        before = self._offset
        for item in _slices(items, self._spacing):
            if isinstance(item, Resize):
                self._resize(item)
            else:
                self._slice(item)
        if self._offset != before:
            # What is live comes in small pieces, and is to be found at once.
            self._see()
        return self._taken()

    def finish(self) -> Derived:
        """What is left at the end of the recording, and a heavy keyframe. Raises EngineError."""
        self._see()
        self._add_keyframe(is_heavy=True)
        return self._taken()

    def screen(self) -> Screen:
        """What is to be seen now."""
        return self._engine.screen()

    @property
    def memory_bytes(self) -> int:
        """What it may take at most."""
        return (self._rows + HEAVY_ROWS) * self._cols * BYTES_PER_CELL

    def close(self) -> None:
        """Give its memory back."""
        self._engine.close()

    def _taken(self) -> Derived:
        keyframes, runs = tuple(self._keyframes), tuple(self._text.runs)
        self._keyframes.clear()
        self._text.runs.clear()
        return Derived(self._offset, self._event, keyframes, runs)

    def _resize(self, item: Resize) -> None:
        self._event, self._time_us = item.event, item.time_us
        size = allowed_size(item.cols, item.rows)
        if size == (self._cols, self._rows):
            return
        self._look()
        self._cols, self._rows = size
        self._engine.resize(*size)
        self._looked_offset = -1
        self._text.resized(self._offset, self._time_us)
        self._add_extra_keyframe()

    def _slice(self, piece: "_Slice") -> None:
        spacing = self._spacing
        data = piece.data
        self._slice_offset, self._times = self._offset, piece.times
        self._keyframe_credit += min(
            len(data), spacing.saved_up * spacing.extra_bytes - self._keyframe_credit
        )
        most = spacing.saved_up * spacing.look_bytes
        self._look_credit = min(self._look_credit + len(data), most)
        self._rest_credit = min(self._rest_credit + len(data), most)
        moves = self._is_ordinary = False
        if b"\x1b" in data:
            moves = _moves(data)
            self._is_ordinary = self._engine.is_ordinary(data)
            if not self._is_ordinary and _has_cut(data):
                data = self._feed_cuts(data)
        if self._is_due(len(data), piece.times[-1][1]):
            room = spacing.light_bytes - (self._offset - self._light_offset)
            middle = _good_end(data[: max(room, 1)])
            self._feed(data[:middle])
            self._add_keyframe(is_heavy=self._offset - self._heavy_offset >= spacing.heavy_bytes)
            data = data[middle:]
        self._feed(data)
        if piece.rests:
            self._look_at_rest()
        if moves or piece.pauses or self._text.is_alternate:
            self._look()
        if self._owes_keyframe:
            self._add_extra_keyframe()

    def _feed_cuts(self, data: bytes) -> bytes:
        """Feed up to the last sequence that erases the screen or puts up another one; the rest."""
        position = 0
        cut = _CUT.search(data)
        while cut is not None:
            start, end = cut.span()
            while (following := _CUT.match(data, _behind(_BETWEEN, data, end))) is not None:
                end = following.end()
            self._feed(data[position:start])
            self._cut(data[start:end])
            position = end
            cut = _CUT.search(data, position)
        return data[position:] if position else data

    def _cut(self, sequence: bytes) -> None:
        """Feed a sequence that erases the screen or puts up another one."""
        self._look()
        self._feed(sequence)
        if b"J" in sequence or b"c" in sequence:
            self._text.cleared()
        self._add_extra_keyframe()

    def _feed(self, data: bytes) -> None:
        for part in _few_lines(data):
            self._engine.feed(part, is_ordinary=self._is_ordinary)
            self._offset += len(part)
            written = self._offset - self._slice_offset
            self._time_us = self._times[bisect_left(self._times, (written,))][1]
            self._text.after_output(self._offset, self._time_us)

    def _look(self) -> None:
        if self._looked_offset != self._offset and self._look_credit >= self._spacing.look_bytes:
            self._look_credit -= self._spacing.look_bytes
            self._see()

    def _look_at_rest(self) -> None:
        spacing = self._spacing
        price = -(-self._cols * self._rows // spacing.rest_cells) * spacing.rest_bytes
        if self._rest_credit >= price:
            self._rest_credit -= price
            self._see()

    def _see(self) -> None:
        if self._looked_offset != self._offset:
            self._looked_offset = self._offset
            self._text.look(self._offset, self._time_us)

    def _is_due(self, coming: int, time_us: int) -> bool:
        held = self._offset + coming - self._light_offset
        spacing = self._spacing
        return held >= spacing.light_bytes or (
            held >= spacing.light_least_bytes and time_us - self._light_us >= spacing.light_us
        )

    def _add_extra_keyframe(self) -> None:
        if self._keyframe_credit < self._spacing.extra_bytes:
            return
        # There is one keyframe of a kind at an offset: another one has to wait for the next byte.
        self._owes_keyframe = self._offset == self._light_offset or not self._offset
        if not self._owes_keyframe:
            size = self._add_keyframe(is_heavy=False)
            self._keyframe_credit -= max(self._spacing.extra_bytes, self._spacing.extra_times * size)

    def _add_keyframe(self, *, is_heavy: bool) -> int:
        """Keep the screen as it is now; how many bytes that takes."""
        try:
            light = self._engine.keyframe(0)
            heavy = self._engine.keyframe(HEAVY_ROWS, MAX_KEYFRAME_BYTES) if is_heavy else b""
        except Unfinished:
            # An endless sequence: there is a keyframe once it has ended.
            return 0
        if self._offset != self._light_offset:
            self._light_offset, self._light_us = self._offset, self._time_us
            self._keyframes.append(self._keyframe(light, is_heavy=False))
        if is_heavy and not (self._has_heavy and self._offset == self._heavy_offset):
            self._heavy_offset, self._has_heavy = self._offset, True
            self._keyframes.append(self._keyframe(heavy, is_heavy=True))
        return len(light) + len(heavy)

    def _keyframe(self, data: bytes, *, is_heavy: bool) -> Keyframe:
        return Keyframe(self._offset, self._event, self._time_us, self._cols, self._rows, is_heavy, data)


def _few_lines(data: bytes) -> list[bytes]:
    """The same in parts of _MOST_LINES."""
    if data.count(b"\n") > _MOST_LINES:
        return _LINES.findall(data)
    return [data] if data else []


def _moves(data: bytes) -> bool:
    sample = data if len(data) <= 2 * _SAMPLE_BYTES else data[:_SAMPLE_BYTES] + data[-_SAMPLE_BYTES:]
    return MOVES.search(sample) is not None


def _has_cut(data: bytes) -> bool:
    """Whether one may be in it. Where sequences are dense, finding none with the pattern takes longer."""
    return (
        (b"J" in data and (b"[2J" in data or b"[3J" in data or b"H\x1b[J" in data))
        or (b"?" in data and (b"[?1049" in data or b"[?47" in data or b"[?1047" in data))
        or b"\x1bc" in data
    )


def _behind(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    """Where what the pattern takes from `start` on ends."""
    found = pattern.match(data, start)
    return start if found is None else found.end()


def _good_end(data: bytes) -> int:
    """Where in `data` a keyframe is best made: after the last whole line, or before the last sequence."""
    end = data.rfind(b"\n") + 1
    return end or max(data.rfind(b"\x1b"), 0) or len(data)


def _slices(items: Iterable[Output | Resize], spacing: Spacing) -> "Iterator[_Slice | Resize]":
    """Output in slices of bounded size, and resizes."""
    most, pause_us = spacing.slice_bytes, spacing.pause_us
    parts: list[bytes] = []
    times: list[tuple[int, int]] = []
    held = start_us = 0
    for item in items:
        time_us = item.time_us
        rests = bool(times) and time_us - times[-1][1] >= pause_us
        if isinstance(item, Resize):
            if parts:
                yield _Slice(b"".join(parts), times, True, rests)
                parts, times, held = [], [], 0
            yield item
            continue
        data = item.data
        pauses = time_us - start_us >= pause_us
        if parts and (pauses or held + len(data) > most):
            yield _Slice(b"".join(parts), times, pauses, rests)
            parts, times, held = [], [], 0
        if len(data) > most:
            whole = len(data) - len(data) % most
            for position in range(0, whole, most):
                yield _Slice(data[position : position + most], [(most, time_us)], False, False)
            data = data[whole:]
        if data:
            start_us = start_us if parts else time_us
            parts.append(data)
            held += len(data)
            times.append((held, time_us))
    if parts:
        yield _Slice(b"".join(parts), times, False, False)


class _Slice(NamedTuple):
    """Output of some writes; for each of them where it ends in `data` and its time.

    `pauses` after a second in which it was written, or before the window changes; `rests` where nothing follows for
    a second.
    """

    data: bytes
    times: list[tuple[int, int]]
    pauses: bool
    rests: bool
