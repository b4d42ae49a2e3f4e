"""What can be derived where there is no engine: text without a screen, and empty screens where all was cleared."""

import re
from collections.abc import Iterable

from sessions_app.terminal.engine.model import Derived, Keyframe, Lines, Output, Resize
from sessions_app.terminal.plaintext import PlainText

#: Name of this way to derive.
PLAIN = "plain/1"

# Everything is erased and the cursor is at home, or the terminal is as it was when it was switched on.
_CLEAR = re.compile(rb"\x1bc|(?:\x1b\[[23]J)+\x1b\[(?:1;1)?H(?:\x1b\[[23]J)*|\x1b\[(?:1;1)?H(?:\x1b\[[23]J)+")
_SLICE_BYTES = 16 * 1024
_KEYFRAME_BYTES = 64 * 1024


class PlainDeriver:
    """Takes what Deriver takes. It keeps no screen, so a clear that two writes divide is not seen."""

    def __init__(self, cols: int, rows: int, start: Keyframe | None = None) -> None:
        self._cols, self._rows = (cols, rows) if start is None else (start.cols, start.rows)
        self._offset = start.offset if start else 0
        self._event = start.event if start else 0
        self._time_us = start.time_us if start else 0
        self._keyframe_offset = self._offset
        self._text = PlainText()

    def take(self, items: Iterable[Output | Resize]) -> Derived:
        """What comes out of these items, which follow those before."""
        keyframes: list[Keyframe] = []
        runs: list[Lines] = []
        for item in items:
            self._time_us = item.time_us
            if isinstance(item, Resize):
                self._event, self._cols, self._rows = item.event, item.cols, item.rows
                continue
            for position in range(0, len(item.data), _SLICE_BYTES):
                self._slice(item.data[position : position + _SLICE_BYTES], keyframes, runs)
        return Derived(self._offset, self._event, tuple(keyframes), tuple(runs))

    def finish(self) -> Derived:
        """The last line."""
        runs: list[Lines] = []
        self._append(self._text.finish(), runs)
        return Derived(self._offset, self._event, (), tuple(runs))

    @property
    def memory_bytes(self) -> int:
        """What it may take at most: a line."""
        return 1 << 20

    def close(self) -> None:
        """Nothing is held."""

    def _slice(self, data: bytes, keyframes: list[Keyframe], runs: list[Lines]) -> None:
        for clear in _CLEAR.finditer(data):
            offset = self._offset + clear.end()
            if offset - self._keyframe_offset >= _KEYFRAME_BYTES:
                self._keyframe_offset = offset
                keyframes.append(
                    Keyframe(offset, self._event, self._time_us, self._cols, self._rows, False, b"")
                )
        self._offset += len(data)
        self._append(self._text.feed(data), runs)

    def _append(self, lines: list[str], runs: list[Lines]) -> None:
        texts = [line for line in lines if line]
        if texts:
            joined = "\n".join(texts).encode("utf-8", "replace")
            runs.append(Lines(self._offset, self._time_us, len(texts), joined))
