"""The engine over libghostty-vt, from the pyghostty wheel."""

import math
import re
import time

from sessions_app.terminal.engine import ordinary
from sessions_app.terminal.engine.links import Links
from sessions_app.terminal.engine.model import EngineError, Screen, StyledScreen, Unfinished
from sessions_app.terminal.engine.styles import styled_rows
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.engine.widths import to_library, unended
from sessions_app.terminal.window import allowed_size

if ENGINE:
    from sessions_app.terminal.engine.keyframe import Written, erase_halves, write_below, write_keyframe
    from sessions_app.terminal.engine.native_vt import NativeVt

#: What the library keeps for a cell, with room for the rounding of its pages.
BYTES_PER_CELL = 16

_ERASE = b"\x1b[K"
_ERASE_WITH_ZERO = re.compile(rb"\x1b\[0+K")
# A soft reset (DECSTR), which the library does not know and every `reset` and `tput init` sends. The cursor stays
# where it is, also behind the last column.
_SOFT_RESET = b"\x1b[!p"
_RESET_ALL_BUT_CURSOR = (
    b"\x1b[?6l\x1b[r\x1b[0m\x1b(B\x1b)B\x0f\x1b7\x1b[?25h\x1b[?7h\x1b[4l\x1b[?1l\x1b[?66l\x1b[?2004l\x1b[?45l"
)
# Sends the cursor to a column, or may: by repeating a character, and with another screen.
_GOES = re.compile(rb"\x1b(?:\[[0-9;]*[CGHIabf`u]|8|\[\?(?:[0-9]+;)*(?:6|47|104[789])(?:;[0-9]+)*[hl])")
_FRESH_PEN = b"\x1b[0m"
# A few bytes that repeat a character 65,535 times take the time of many pages.
_MANY_TIMES = re.compile(rb"b(?<=[0-9]{3}b)")
_REPEATED = re.compile(rb"\x1b\[([0-9]{3,})b")
_SEQUENCE = re.compile(rb"\x1b\[[0-9;:?]*[@-~]")
#: In a window of so many cells output that concerns the whole screen over and over is worth a look.
LARGE_CELLS = 16_384
# What clears, fills or switches all of the screen, up to four of that in the same order again and again: after the
# second time nothing changes any more. In the largest window 256 KB of it would take up to a minute and a half.
_WHOLE = rb"\x1b(?:c|#8|\[\??[0-3]?J|\[H|\[\?(?:47|1047|1049)[hl])"
_WHOLE_AGAIN = re.compile(rb"(%b(?:%b){0,3}?)\1{2,}" % (_WHOLE, _WHOLE))
# Asking takes one or two for each byte once it has seen some of the output; where it takes more it is asked less often.
# By the clock, as asking for the thread's own time takes longer than most answers; what another process took of it
# meanwhile counts as no more than so much.
_FIRST_NS = 10_000_000
_MOST_NS_PER_BYTE = 10
_LONGEST_NS_PER_BYTE = 4 * _MOST_NS_PER_BYTE
# The cursor goes back from the first column to the row before.
_REVERSE_WRAPS = (45, 1045)
# Left and right margins, and clusters of characters in one cell: xterm.js has neither.
_UNKNOWN_MODES = (69, 2027)


class GhosttyEngine:
    """A terminal without a window: answers nothing, and keeps at least `scrollback_rows` rows when it can."""

    def __init__(self, cols: int, rows: int, scrollback_rows: int = 1_000) -> None:
        if not ENGINE:
            raise EngineError("the pyghostty wheel is not installed")
        cols, rows = allowed_size(cols, rows)
        self.native = NativeVt(cols, rows, scrollback_rows * cols * BYTES_PER_CELL)
        # The beginning of a character that the library may have to get as another one.
        self._unended = b""
        self._links = Links()
        # A narrower window left halves of characters that could not be erased yet.
        self._has_halves = False
        # Output that came in this size, and what it took to ask whether it is ordinary.
        self._in_this_size = self._asked_ns = 0
        # What tells ordinary output in this window, with these modes, neither of which such output changes; once asked.
        self._patterns: ordinary.Ordinary | None = None
        self._has_patterns = False
        # The primary screen by number of rows above it, while it cannot change below the alternate one.
        self._below: dict[int, Written] = {}

    def is_ordinary(self, data: bytes) -> bool:
        """Whether the library takes this output, which is the next, as xterm.js does, and nothing in it clears the
        screen or puts up another one. False where that is not known."""
        native = self.native
        self._in_this_size += len(data)
        if self._in_this_size < ordinary.PAYING_BYTES or self._links.is_begun:
            return False
        if self._asked_ns > _FIRST_NS + self._in_this_size * _MOST_NS_PER_BYTE:
            return False
        patterns = self._patterns if self._has_patterns else self._patterns_now()
        if patterns is None or not native.is_idle:
            return False
        began_ns = time.perf_counter_ns()
        needed = patterns.columns_needed(self._unended + data if self._unended else data)
        self._asked_ns += min(time.perf_counter_ns() - began_ns, len(data) * _LONGEST_NS_PER_BYTE)
        if not needed:
            return needed is not None
        column, _ = native.cursor
        return column + native.wraps_next + needed <= native.cols

    def _patterns_now(self) -> ordinary.Ordinary | None:
        native = self.native
        cols = native.cols
        is_usual = cols * native.rows < LARGE_CELLS and not any(map(native.mode, _REVERSE_WRAPS))
        self._patterns = ordinary.for_width(cols) if is_usual else None
        self._has_patterns = True
        return self._patterns

    def feed(self, data: bytes, *, is_ordinary: bool = False) -> None:
        """Take output, cut anywhere. `is_ordinary` says that it is all or a part of what is known to be that."""
        data = self._unended + data if self._unended else data
        self._unended = unended(data)
        if self._unended:
            data = data[: -len(self._unended)]
        if is_ordinary:
            # It puts up no other screen and sets no mode that is unknown.
            self.native.write(data)
        else:
            self._has_patterns = False
            self._write(to_library(data))
        if self._has_halves:
            self._erase_halves()

    def _write(self, data: bytes) -> None:
        if b"\x1b" not in data and not self._links.is_begun:
            goes_on = not self.native.is_idle
            self.native.write(data)
            if goes_on:
                self._written(data)
            return
        data = self._links.hide(data)
        if self.native.cols * self.native.rows >= LARGE_CELLS:
            data = _WHOLE_AGAIN.sub(rb"\1\1", data)
        if _MANY_TIMES.search(data):
            data = _REPEATED.sub(self._repeated_less, data)
        if b"!p" in data:
            data = self._write_resetting(data)
        if b"0K" in data:
            data = _ERASE_WITH_ZERO.sub(_ERASE, data)
        if _ERASE in data:
            self._write_erasing(data)
        else:
            self.native.write(data)
        self._written(data)

    def _written(self, data: bytes) -> None:
        # Whatever leaves the alternate screen, what comes back to it within this output ends in a 7 or a 9.
        if self._below and (b"47" in data or b"49" in data or not self.native.is_alternate):
            self._below.clear()
        for mode in _UNKNOWN_MODES:
            if self.native.mode(mode):
                self.native.unset_mode(mode)

    def _repeated_less(self, sequence: re.Match[bytes]) -> bytes:
        """The same for the screen: a full screen of one character stays one, row after row."""
        cols, rows = self.native.cols, self.native.rows
        enough = (rows + 2) * cols
        # A count has 16 bits, says the library; a larger one is the largest.
        count = min(int(sequence[1][:6]), 65_535)
        return b"\x1b[%db" % (count if count <= enough else enough + (count - enough) % cols)

    def _write_resetting(self, data: bytes) -> bytes:
        """Write output up to the last soft reset, with others in place of it; the rest."""
        *parts, rest = data.split(_SOFT_RESET)
        for part in parts:
            self.native.write(part)
            column, row = self.native.cursor
            text = b""
            if self.native.wraps_next:
                # Only a character written into the last column makes the next one wrap.
                column, _, text = self.native.vt_cell(column, row)
                text = to_library(text) + _FRESH_PEN
            self.native.write(_RESET_ALL_BUT_CURSOR + b"\x1b[%d;%dH" % (row + 1, column + 1) + text)
        return rest

    def _write_erasing(self, data: bytes) -> None:
        """Write output without those sequences that erase the rest of a line behind whose end the cursor stands.

        There is nothing to erase, says xterm.js; xterm and the library step back and erase the last column.
        """
        native = self.native
        cols = native.cols
        if _GOES.search(data):
            self._write_each_erasing(data)
            return
        # A line that is shorter cannot fill the row.
        least = cols if b"\t" not in data else cols // 8
        written = start = counted = 0
        column = before = native.cursor[0] + native.wraps_next
        erase = data.find(_ERASE)
        while erase >= 0:
            if data.rfind(b"\r", max(erase - least, 0), erase) < 0 and (erase >= least or not start):
                line = data.rfind(b"\r", 0, erase) + 1
                if line != start or not counted:
                    start = counted = line
                    column = 0 if line else before
                column += _columns(data[counted:erase])
                counted = erase
                if column >= cols:
                    native.write(data[written:erase])
                    written = erase + len(_ERASE) * native.wraps_next
            erase = data.find(_ERASE, erase + 1)
        native.write(data[written:])

    def _write_each_erasing(self, data: bytes) -> None:
        """The same where the cursor is sent about: then a short text may end in the last column too."""
        native = self.native
        written, erase = 0, data.find(_ERASE)
        while erase >= 0:
            native.write(data[written:erase])
            written = erase + len(_ERASE) * native.wraps_next
            erase = data.find(_ERASE, erase + 1)
        native.write(data[written:])

    def resize(self, cols: int, rows: int) -> None:
        """Give the window another size."""
        native = self.native
        before = native.cols
        native.resize(*allowed_size(cols, rows))
        self._below.clear()
        self._has_patterns = False
        self._in_this_size = self._asked_ns = 0
        if native.is_alternate and native.cols < before:
            self._erase_halves()

    def _erase_halves(self) -> None:
        """Erase the wide characters of which a narrower window cut one half: no output leads to such a screen.

        xterm.js goes on showing the other half. In the middle of a sequence this has to wait for its end.
        """
        self._has_halves = not self.native.is_idle
        if not self._has_halves:
            erase_halves(self.native)

    def keyframe(self, scrollback_rows: int, most_bytes: float = math.inf) -> bytes:
        """VT text for a fresh terminal of this size. Raises Unfinished in a sequence that is, for too long."""
        if self._has_halves:
            raise Unfinished("the window became narrower in the middle of a sequence")
        # First of all: nothing can be copied in a sequence that is too long.
        unfinished = self.native.unfinished() + self._unended
        room = most_bytes - len(unfinished)
        link = self._links.current
        if not self.native.is_alternate:
            return write_keyframe(self.native, scrollback_rows, link).within(room) + unfinished
        below = self._below_screen(scrollback_rows)
        upper = write_keyframe(self.native, 0, link).rest
        return below.within(room - len(upper)) + upper + unfinished

    def _below_screen(self, scrollback_rows: int) -> "Written":
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


def _columns(line: bytes) -> int:
    """How many columns the cursor may go to the right at most, where no sequence sends it there."""
    text = _SEQUENCE.sub(b"", line)
    return len(text) + 7 * text.count(b"\t")
