"""VT text that makes a fresh xterm.js look and go on like a terminal of the engine.

It is written as a program would write it: rows from the oldest on, so that those above the screen are
pushed up out of it; then what cannot be seen (tab stops, modes, scroll region, saved cursor); then the
cursor; and last the sequence that the output has begun and not ended.
"""

import re
from typing import NamedTuple

from sessions_app.terminal.engine.native_vt import NativeVt

# DEC private modes that a fresh terminal has not set: keys, mouse, paste and focus reports, reverse wrap.
_PRIVATE_MODES = (1, 9, 12, 45, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004)
_INSERT = 4
_NEW_LINE = 20
_ORIGIN = 6
_WRAP = 7
_FRESH_PEN = b"\x1b[0m"
_RESET_PEN = b"\x1b[0m\x1b]8;;\x1b\\\x1b(B\x1b)B\x1b*B\x1b+B\x0f"
_SAVING_SWITCH = 1049
_SWITCHES = (_SAVING_SWITCH, 1047, 47)
# A cell: its style, what is in it, and the end of the style.
_CHARACTER = re.compile(rb"((?:\x1b\[[0-9;:]*m)*)([^\x1b]+)(?:\x1b\[0m)?")
_REGION = re.compile(rb"\x1b\[\d+;\d+r(?=(?:\x1b\[\d+;\d+s)?\Z)")


class Written(NamedTuple):
    """VT text in two parts: each of the rows above the screen, oldest first, and all that follows them."""

    above: list[bytes]
    rest: bytes

    def within(self, most_bytes: float) -> bytes:
        """One text of at most so many bytes, without the oldest rows that do not fit; larger where `rest` alone is."""
        first, size = 0, len(self.rest) + sum(map(len, self.above))
        while size > most_bytes and first < len(self.above):
            size -= len(self.above[first])
            first += 1
        return b"".join([*self.above[first:], self.rest])


def write_keyframe(native: NativeVt, scrollback_rows: int, link: bytes) -> Written:
    """The screen that is up with up to `scrollback_rows` rows above it, without the sequence that is unfinished.

    `link` begins the link that goes on.
    """
    above, parts = _rows(native, scrollback_rows)
    _append_state(parts, native, link)
    return Written(above, b"".join(parts))


def write_below(native: NativeVt, scrollback_rows: int) -> Written:
    """The primary screen below the alternate one that is up, and the switch to an empty alternate one."""
    switch = next((number for number in _SWITCHES if native.mode(number)), _SWITCHES[0])
    # The library writes one screen at a time, and leaving the alternate one erases it. CAN ends a sequence.
    primary = native.copy(with_scrollback=scrollback_rows > 0)
    try:
        primary.write(b"\x18\x1b[?%dl" % switch)
        above, parts = _rows(primary, scrollback_rows)
        current: list[bytes] = []
        _append_pen_and_cursor(current, primary, top=0)
        if switch != _SAVING_SWITCH:
            # Looking at it moves the cursor of the copy, which is needed no more.
            _append_where_restored(parts, primary, top=0)
        parts += current
    finally:
        primary.close()
    # Switch 1049 saves the primary screen's cursor, as it did for the program. xterm.js fills the alternate screen with
    # the background that is written with at the switch.
    parts.append(b"\x1b[?%dh\x1b[H%b\x1b[2J" % (switch, _RESET_PEN))
    return Written(above, b"".join(parts))


def erase_halves(native: NativeVt) -> None:
    """Erase wide characters whose second half lies behind the last column; everything else is put back as it was."""
    rows = native.halved_rows()
    if not rows:
        return
    is_origin = native.mode(_ORIGIN)
    parts = [b"\x1b[?6l\x1b[0m", *(b"\x1b[%d;%dH\x1b[X" % (row + 1, native.cols) for row in rows)]
    if is_origin:
        parts.append(b"\x1b[?6h")
    _, region = _margins(native)
    _append_pen_and_cursor(parts, native, top=_top_of(region) if is_origin else 0)
    native.write(b"".join(parts))


def _rows(native: NativeVt, scrollback_rows: int) -> tuple[list[bytes], list[bytes]]:
    """The rows above the screen, each with what leads to the next one, and those of the screen likewise."""
    above, count = native.scrollback_rows, native.rows
    kept = min(above, scrollback_rows)
    first = above - kept
    rows = native.vt_rows(first, above + count)
    if kept:
        # The screen has to be full, or the rows above it would stay on it.
        rows += [b""] * (kept + count - len(rows))
    last, cols = len(rows) - 1, native.cols
    for index in range(last):
        row = rows[index]
        # Only a row that is full goes on in the next one.
        if not (len(row) >= cols and rows[index + 1] and native.row_wraps(first + index)):
            rows[index] = row + b"\r\n"
        elif native.ends_free(first + index):
            # There the wide character did not fit, whatever stands before it.
            rows[index] = row + b"\x1b[%dG" % cols
    return rows[:kept], [*rows[kept:], b"\x1b[0m"]


def _append_state(parts: list[bytes], native: NativeVt, link: bytes) -> None:
    tabs, region = _margins(native)
    parts.append(tabs)
    for index, (red, green, blue) in native.palette_changes:
        parts.append(b"\x1b]4;%d;rgb:%02x/%02x/%02x\x1b\\" % (index, red, green, blue))
    top = _top_of(region)
    is_origin = native.mode(_ORIGIN)
    _append_saved_cursor(parts, native, top if is_origin else 0)
    parts.extend(b"\x1b[?%dh" % number for number in _PRIVATE_MODES if native.mode(number))
    if native.mode(_NEW_LINE, is_ansi=True):
        parts.append(b"\x1b[20h")
    if not native.mode(_WRAP):
        parts.append(b"\x1b[?7l")
    parts.append(region)
    if is_origin:
        parts.append(b"\x1b[?6h")
    if not native.cursor_visible:
        parts.append(b"\x1b[?25l")
    parts.append(link)
    is_inserting = native.mode(_INSERT, is_ansi=True)
    _append_pen_and_cursor(parts, native, top=top if is_origin else 0, is_last=not is_inserting)
    if is_inserting:
        parts.append(b"\x1b[4h")


def _margins(native: NativeVt) -> tuple[bytes, bytes]:
    """Sequences that set the tab stops, if they are not those of a fresh terminal, and the scroll region."""
    text = native.vt_margins()
    home = text.index(b"\x1b[H")
    tabs, behind = text[:home], text[home:]
    default = b"\x1b[3g" + b"".join(
        b"\x1b[%dG\x1bH" % (column + 1) for column in range(8, native.cols - 1, 8)
    )
    # Left and right margins are unknown to xterm.js, which would save its cursor: they are left out.
    region = _REGION.search(behind)
    return (b"" if tabs == default else tabs), region[0] if region else b""


def _top_of(region: bytes) -> int:
    """The first row of a scroll region, given the sequence that sets it; the screen's where there is none."""
    return int(region[2:].split(b";")[0]) - 1 if region else 0


def _append_saved_cursor(parts: list[bytes], native: NativeVt, top: int) -> None:
    if native.is_idle and not native.wraps_next:
        _append_where_restored(parts, native, top)
        return
    # In the middle of a sequence nothing may be written; leaving the margin cannot be undone.
    copied = native.copy()
    try:
        copied.write(b"\x18")
        _append_where_restored(parts, copied, top)
    finally:
        copied.close()


def _append_where_restored(parts: list[bytes], native: NativeVt, top: int) -> None:
    """What DECRC would restore can only be seen by doing it; everything is put back as it was."""
    back = [b"\x1b[?6h" if native.mode(_ORIGIN) else b"\x1b[?6l", _RESET_PEN]
    _append_pen_and_cursor(back, native, top=top)
    native.write(b"\x1b8")
    column, row = native.cursor
    pen = native.vt_pen()
    native.write(b"".join(back))
    if (column, row) != (0, 0) or pen != _FRESH_PEN:
        parts.append(pen + b"\x1b[%d;%dH\x1b7" % (row + 1, column + 1) + _RESET_PEN)


def _append_pen_and_cursor(parts: list[bytes], native: NativeVt, *, top: int, is_last: bool = False) -> None:
    """What the cursor writes with, and where it stands; with `is_last` nothing but output follows."""
    column, row = native.cursor
    pen = native.vt_pen()
    wraps = native.wraps_next
    if wraps or (is_last and column):
        # Only a character written into the last column makes the next one wrap; and a mark for the last
        # character, or a request to repeat it, has to find it.
        first, end, text = native.vt_cell(column if wraps else column - 1, row)
        character = _CHARACTER.fullmatch(text)
        if character is not None and end == column + wraps and (character[1] or _FRESH_PEN) == pen:
            parts.append(b"\x1b[%d;%dH%b%b" % (row - top + 1, first + 1, pen, character[2]))
            return
        if wraps:
            parts.append(b"\x1b[%d;%dH%b%b" % (row - top + 1, first + 1, text, pen))
            return
    parts.append(pen + b"\x1b[%d;%dH" % (row - top + 1, column + 1))
