"""The engine over libghostty-vt, from the pyghostty wheel. `ENGINE` is empty where the wheel is missing."""

import re
from importlib.metadata import PackageNotFoundError, version

from sessions_app.terminal.engine.model import EngineError, Screen, StyledScreen
from sessions_app.terminal.engine.styles import styled_rows
from sessions_app.terminal.engine.widths import to_library, unended

try:
    from sessions_app.terminal.engine.keyframe import WRITER, write_below, write_keyframe
    from sessions_app.terminal.engine.native import Native

    ENGINE = f"ghostty-{version('pyghostty')}/{WRITER}"
except (ImportError, OSError, PackageNotFoundError):
    ENGINE = ""

#: Windows that terminals really have; the library allocates by the number of cells.
MAX_COLS = 4_096
MAX_ROWS = 2_048
# What the library keeps for a cell, with room for the rounding of its pages.
_BYTES_PER_CELL = 16

_ERASE = b"\x1b[K"
_SEQUENCE = re.compile(rb"\x1b\[[0-9;:?]*[@-~]")
# Left and right margins, and clusters of characters in one cell: xterm.js has neither.
_UNKNOWN_MODES = (69, 2027)


class GhosttyEngine:
    """A terminal without a window: answers nothing, and keeps at least `scrollback_rows` rows when it can."""

    def __init__(self, cols: int, rows: int, scrollback_rows: int = 1_000) -> None:
        if not ENGINE:
            raise EngineError("the pyghostty wheel is not installed")
        cols, rows = allowed_size(cols, rows)
        self.native = Native(cols, rows, scrollback_rows * cols * _BYTES_PER_CELL)
        # The beginning of a character that the library may have to get as another one.
        self._unended = b""
        # The primary screen by number of rows above it, while it cannot change below the alternate one.
        self._below: dict[int, bytes] = {}

    def feed(self, data: bytes) -> None:
        """Take output, cut anywhere."""
        data = self._unended + data if self._unended else data
        self._unended = unended(data)
        if self._unended:
            data = data[: -len(self._unended)]
        data = to_library(data)
        if b"\x1b" not in data:
            self.native.write(data)
            return
        if _ERASE in data and not self.native.is_alternate:
            self._write_erasing(data)
        else:
            self.native.write(data)
        # Whatever leaves the alternate screen, what comes back to it within this output ends in a 7 or a 9.
        if self._below and (b"47" in data or b"49" in data or not self.native.is_alternate):
            self._below.clear()
        for mode in _UNKNOWN_MODES:
            if self.native.mode(mode):
                self.native.unset_mode(mode)

    def _write_erasing(self, data: bytes) -> None:
        """Write output without those sequences that erase the rest of a line behind whose end the cursor stands.

        There is nothing to erase, says xterm.js; xterm and the library step back and erase the last column.
        """
        native = self.native
        cols, column = native.cols, native.cursor[0]
        written = start = 0
        for line in data.split(b"\r"):
            if len(line) + column >= cols or b"\t" in line:
                erase = line.find(_ERASE)
                # A sequence has three bytes at least.
                is_short = column + len(line) - 3 * line.count(b"\x1b") < cols and b"\t" not in line
                counted = 0
                while erase >= 0 and not is_short:
                    between = _SEQUENCE.sub(b"", line[counted:erase])
                    column += len(between) + 7 * between.count(b"\t")
                    counted = erase
                    if column >= cols:
                        native.write(data[written : start + erase])
                        written = start + erase + len(_ERASE) * native.wraps_next
                    erase = line.find(_ERASE, erase + 1)
            column = 0
            start += len(line) + 1
        native.write(data[written:])

    def resize(self, cols: int, rows: int) -> None:
        """Give the window another size."""
        self.native.resize(*allowed_size(cols, rows))
        self._below.clear()

    def keyframe(self, scrollback_rows: int) -> bytes:
        """VT text for a fresh terminal of this size. Raises EngineError when a sequence is unfinished too long."""
        return (
            write_keyframe(self.native, scrollback_rows, self._below_screen(scrollback_rows)) + self._unended
        )

    def _below_screen(self, scrollback_rows: int) -> bytes:
        if not self.native.is_alternate:
            return b""
        below = self._below.get(scrollback_rows)
        if below is None:
            below = self._below[scrollback_rows] = write_below(self.native, scrollback_rows)
        return below

    def screen(self) -> Screen:
        """What is to be seen now."""
        native = self.native
        column, row = native.cursor
        rows = self.rows()
        return Screen(native.cols, rows, column, row, native.cursor_visible, native.is_alternate)

    def styled(self) -> StyledScreen:
        """What is to be seen now, with its colours."""
        native = self.native
        column, row = native.cursor
        above, count = native.scrollback_rows, native.rows
        rows = styled_rows(native.vt_rows(above, above + count), count)
        return StyledScreen(native.cols, rows, column, row, native.cursor_visible, native.is_alternate)

    def rows(self) -> tuple[str, ...]:
        """Text of the rows of the screen."""
        native = self.native
        above, count = native.scrollback_rows, native.rows
        rows = native.plain_rows(above, above + count).decode("utf-8", "replace").split("\n")
        rows += [""] * (count - len(rows))
        return tuple(rows)

    def close(self) -> None:
        """Give its memory back."""
        self.native.close()


def allowed_size(cols: int, rows: int) -> tuple[int, int]:
    """The nearest size that a terminal may have."""
    return min(max(cols, 1), MAX_COLS), min(max(rows, 1), MAX_ROWS)
