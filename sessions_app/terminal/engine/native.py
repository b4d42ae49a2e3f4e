"""The calls of libghostty-vt that the engine needs, over the cffi layer of pyghostty.

The package's own Python layer limits the scrollback by lines, which costs a count of all of them for every
line, and formats one way only. Importing this module raises ImportError where the wheel is missing.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from pyghostty import ffi, lib
from pyghostty.core import init_sized, union_fn

from sessions_app.terminal.engine.model import EngineError
from sessions_app.terminal.engine.widths import from_library

#: A sequence that is unfinished for longer than this is not carried by a keyframe: none is written there.
MAX_UNFINISHED_BYTES = 65_536
#: What links (OSC 8) are given as. The library copies a link for every character: a long one lets it take seconds
#: for a line, and a listing with links is twenty times as slow as one without.
UNKNOWN_LINK = b"\x1b]7788;"
_CELL_PIXELS = (8, 16)
_SUCCESS: int = lib.GHOSTTY_SUCCESS
_PLAIN: int = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN
_VT: int = lib.GHOSTTY_FORMATTER_FORMAT_VT
_WIDE: int = lib.GHOSTTY_CELL_WIDE_WIDE
_SPACER_HEAD: int = lib.GHOSTTY_CELL_WIDE_SPACER_HEAD
_SPACER_TAIL: int = lib.GHOSTTY_CELL_WIDE_SPACER_TAIL
_ALTERNATE: int = lib.GHOSTTY_TERMINAL_SCREEN_ALTERNATE

_grid_ref: Any = union_fn(
    "ghostty_terminal_grid_ref", "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)"
)
_grid_ref_track: Any = union_fn(
    "ghostty_terminal_grid_ref_track",
    "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyTrackedGridRef*)",
)

_USUAL_SETS = re.compile(rb"\x1b[()*+]B")
# Styles that are seen where there is no character.
_SHOWS_ON_BLANKS = re.compile(rb"\x1b\[(?:7|9|53|4[:0-9]*|48[;:][0-9;:]*)m")


def _check(result: int, what: str) -> None:
    if result != _SUCCESS:
        raise EngineError(f"{what}: libghostty-vt says {result}")


def _options(emit: int, *, unwrap: bool = False, trim: bool = False, extras: Iterable[str] = ()) -> Any:
    options = init_sized("GhosttyFormatterTerminalOptions")
    options.emit, options.unwrap, options.trim = emit, unwrap, trim
    for extra in extras:
        setattr(options.extra if hasattr(options.extra, extra) else options.extra.screen, extra, True)
    return options


# Making one of these costs more than using it.
_ROWS = _options(_PLAIN, trim=True)
_UNTRIMMED = _options(_PLAIN)
_UNWRAPPED = _options(_PLAIN, trim=True, unwrap=True)
_VT_ROWS = _options(_VT)
_VT_PEN = _options(_VT, extras=["style", "hyperlink", "charsets"])
_VT_MARGINS = _options(_VT, extras=["tabstops", "scrolling_region"])


class Native:
    """One terminal of the library. Rows count from 0, of the screen or with the scrollback above it."""

    def __init__(self, cols: int, rows: int, scrollback_bytes: int) -> None:
        handle = ffi.new("GhosttyTerminal*")
        _check(lib.ghostty_terminal_new(ffi.NULL, handle, cols, rows), "new terminal")
        self._adopt(handle[0])
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_LINES, (1 << 63) - 1)
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES, scrollback_bytes)
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_CONTINUATION_MAX_BYTES, MAX_UNFINISHED_BYTES)
        # Pictures are drawn by no viewer, and would be decoded and kept.
        nothing = ffi.new("uint64_t*", 0)
        _check(
            lib.ghostty_terminal_set(
                self._handle, lib.GHOSTTY_TERMINAL_OPT_KITTY_IMAGE_STORAGE_LIMIT, nothing
            ),
            "no pictures",
        )

    def _adopt(self, handle: Any) -> None:
        self._handle = ffi.gc(handle, lib.ghostty_terminal_free)
        self._top: Any = None
        self._short = ffi.new("uint16_t*")
        self._flag = ffi.new("bool*")
        self._size = ffi.new("size_t*")
        self._enum = ffi.new("int*")
        self._mode = ffi.new("GhosttyTerminalModeConfig*")
        self._ref = init_sized("GhosttyGridRef")
        self._point = ffi.new("GhosttyPointS*")
        self._coordinate = ffi.new("GhosttyPointCoordinate*")
        self._cell = ffi.new("uint64_t*")
        self._selection = init_sized("GhosttySelection")
        self._formatter = ffi.new("GhosttyFormatter*")
        self._pointer = ffi.new("uint8_t**")

    def close(self) -> None:
        """Give the memory back; nothing may be asked afterwards."""
        if self._top is not None:
            lib.ghostty_tracked_grid_ref_free(self._top)
            self._top = None
        ffi.release(self._handle)

    def _set_size(self, option: int, value: int) -> None:
        _check(lib.ghostty_terminal_set(self._handle, option, ffi.new("size_t*", value)), "option")

    def copy(self, *, with_scrollback: bool = False) -> "Native":
        """A terminal of its own that looks and goes on like this one."""
        restore = (
            lib.ghostty_snapshot_decoder_decode if with_scrollback else lib.ghostty_snapshot_decoder_ready
        )
        pointer = ffi.new("uint8_t**")
        _check(lib.ghostty_snapshot_encode_alloc(self._handle, ffi.NULL, pointer, self._size), "snapshot")
        length = self._size[0]
        decoder = ffi.new("GhosttySnapshotDecoder*")
        handle = ffi.new("GhosttyTerminal*")
        try:
            _check(
                lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, pointer[0], length), "read snapshot"
            )
            try:
                _check(restore(decoder[0], handle), "restore snapshot")
            finally:
                lib.ghostty_snapshot_decoder_free(decoder[0])
        finally:
            lib.ghostty_free(ffi.NULL, pointer[0], length)
        copied = Native.__new__(Native)
        copied._adopt(handle[0])
        return copied

    def write(self, data: bytes) -> None:
        """Take output, with private characters for those of another width (widths.py)."""
        lib.ghostty_terminal_vt_write(self._handle, data, len(data))

    def unset_mode(self, number: int) -> None:
        """Reset a DEC private mode."""
        self._mode.mode, self._mode.value = number, False
        _check(lib.ghostty_terminal_set(self._handle, lib.GHOSTTY_TERMINAL_OPT_MODE, self._mode), "set mode")

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of the window."""
        _check(lib.ghostty_terminal_resize(self._handle, cols, rows, *_CELL_PIXELS), "resize")

    # Numbers.

    def _get_short(self, key: int) -> int:
        _check(lib.ghostty_terminal_get(self._handle, key, self._short), "get")
        return int(self._short[0])

    def _get_flag(self, key: int) -> bool:
        _check(lib.ghostty_terminal_get(self._handle, key, self._flag), "get")
        return bool(self._flag[0])

    def _get_size(self, key: int) -> int:
        _check(lib.ghostty_terminal_get(self._handle, key, self._size), "get")
        return int(self._size[0])

    @property
    def cols(self) -> int:
        """Width in cells."""
        return self._get_short(lib.GHOSTTY_TERMINAL_DATA_COLS)

    @property
    def rows(self) -> int:
        """Height in cells."""
        return self._get_short(lib.GHOSTTY_TERMINAL_DATA_ROWS)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor."""
        return (
            self._get_short(lib.GHOSTTY_TERMINAL_DATA_CURSOR_X),
            self._get_short(lib.GHOSTTY_TERMINAL_DATA_CURSOR_Y),
        )

    @property
    def wraps_next(self) -> bool:
        """Whether the cursor stands on the last column and the next character goes to the next row."""
        return self._get_flag(lib.GHOSTTY_TERMINAL_DATA_CURSOR_PENDING_WRAP)

    @property
    def cursor_visible(self) -> bool:
        """Whether the cursor is shown (DECTCEM)."""
        return self._get_flag(lib.GHOSTTY_TERMINAL_DATA_CURSOR_VISIBLE)

    @property
    def is_alternate(self) -> bool:
        """Whether the alternate screen is up."""
        key = lib.GHOSTTY_TERMINAL_DATA_ACTIVE_SCREEN
        _check(lib.ghostty_terminal_get(self._handle, key, self._enum), "get")
        return int(self._enum[0]) == _ALTERNATE

    @property
    def scrollback_rows(self) -> int:
        """Number of rows above the screen."""
        return self._get_size(lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS)

    @property
    def palette_changes(self) -> list[tuple[int, tuple[int, int, int]]]:
        """Colours of the palette that the output changed, as (index, (red, green, blue))."""
        now, default = ffi.new("GhosttyColorRgb[256]"), ffi.new("GhosttyColorRgb[256]")
        data = lib.GHOSTTY_TERMINAL_DATA_COLOR_PALETTE
        _check(lib.ghostty_terminal_get(self._handle, data, now), "get palette")
        data = lib.GHOSTTY_TERMINAL_DATA_COLOR_PALETTE_DEFAULT
        _check(lib.ghostty_terminal_get(self._handle, data, default), "get palette")
        is_changed = ffi.buffer(now)[:] != ffi.buffer(default)[:]
        colours = (
            [((c.r, c.g, c.b), (d.r, d.g, d.b)) for c, d in zip(now, default, strict=True)]
            if is_changed
            else []
        )
        return [(index, colour) for index, (colour, usual) in enumerate(colours) if colour != usual]

    def mode(self, number: int, *, is_ansi: bool = False) -> bool:
        """Whether a mode is set: a DEC private one, or an ANSI one."""
        self._mode.mode = number | is_ansi << 15
        key = lib.GHOSTTY_TERMINAL_DATA_MODE
        _check(lib.ghostty_terminal_get(self._handle, key, self._mode), "get mode")
        return bool(self._mode.value)

    @property
    def is_idle(self) -> bool:
        """Whether no sequence or character is begun and not ended."""
        return self._get_flag(lib.GHOSTTY_TERMINAL_DATA_VT_GROUND)

    def unfinished(self) -> bytes:
        """The sequence or character that the output has begun and not ended. Raises EngineError: too long."""
        if self.is_idle:
            return b""
        length = self._size
        result = lib.ghostty_terminal_continuation_buf(self._handle, ffi.NULL, 0, length)
        if result == lib.GHOSTTY_OUT_OF_SPACE:
            buffer = ffi.new("uint8_t[]", length[0])
            result = lib.ghostty_terminal_continuation_buf(self._handle, buffer, len(buffer), length)
            _check(result, "unfinished sequence")
            unfinished = bytes(ffi.buffer(buffer, length[0]))
            return from_library(unfinished).replace(UNKNOWN_LINK, b"\x1b]8;", 1)
        _check(result, "unfinished sequence")
        return b""

    # Text.

    def _locate(self, column: int, row: int, tag: int) -> Any:
        self._point.tag = tag
        self._point.value.x, self._point.value.y = column, row
        _check(_grid_ref(self._handle, self._point[0], self._ref), "cell")
        return self._ref

    def _select(self, first: tuple[int, int], last: tuple[int, int], tag: int) -> None:
        self._selection.start = self._locate(*first, tag)[0]
        self._selection.end = self._locate(*last, tag)[0]

    def _format(self, options: Any) -> bytes:
        """What lies between the cells given to `_select`."""
        options.selection = self._selection
        _check(
            lib.ghostty_formatter_terminal_new(ffi.NULL, self._formatter, self._handle, options[0]),
            "formatter",
        )
        pointer = self._pointer
        try:
            _check(
                lib.ghostty_formatter_format_alloc(self._formatter[0], ffi.NULL, pointer, self._size),
                "format",
            )
            text = from_library(bytes(ffi.buffer(pointer[0], self._size[0])))
            lib.ghostty_free(ffi.NULL, pointer[0], self._size[0])
        finally:
            lib.ghostty_formatter_free(self._formatter[0])
        return text

    def plain_rows(self, first: int, end: int, *, unwrap: bool = False) -> bytes:
        """Text of the rows `first` to before `end`, counted from the oldest, with newlines between them.

        Spaces at the ends of rows are cut, and so are empty rows at the end. With `unwrap` rows that the
        width broke are one line.
        """
        self._select((0, first), (self.cols - 1, end - 1), lib.GHOSTTY_POINT_TAG_SCREEN)
        return self._format(_UNWRAPPED if unwrap else _ROWS)

    def spaces_at_end(self, row: int) -> int:
        """How many spaces were printed at the end of a row, counted from the oldest."""
        self._select((0, row), (self.cols - 1, row), lib.GHOSTTY_POINT_TAG_SCREEN)
        text = self._format(_UNTRIMMED)
        return len(text) - len(text.rstrip(b" "))

    def vt_rows(self, first: int, end: int) -> list[bytes]:
        """The same rows one by one as VT text, with their styles; empty ones at the end may be missing."""
        self._select((0, first), (self.cols - 1, end - 1), lib.GHOSTTY_POINT_TAG_SCREEN)
        rows = self._format(_VT_ROWS).split(b"\r\n")
        rows += [b""] * (end - first - len(rows))
        # The library leaves out rows that have nothing but a background, and writes what was never written
        # to between two words in the style of the first.
        wanted = {index for index, row in enumerate(rows) if not row or _SHOWS_ON_BLANKS.search(row)}
        if wanted:
            for index, cells in self._raw_rows(first, wanted):
                rows[index] = self._vt_row(cells, first + index, rows[index])
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def _raw_rows(self, first: int, wanted: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Cells as the library holds them, of rows given by their number after `first`, to the last not empty."""
        above = self.scrollback_rows - first
        state = ffi.new("GhosttyRenderState*")
        rows = ffi.new("GhosttyRenderStateRowIterator*")
        view = ffi.new("GhosttyCellsView*")
        _check(lib.ghostty_render_state_new(ffi.NULL, state), "rows")
        try:
            overscan = ffi.new("GhosttyRenderStateOverscan*", [above, 0])
            _check(
                lib.ghostty_render_state_set(state[0], lib.GHOSTTY_RENDER_STATE_OPTION_OVERSCAN, overscan),
                "rows",
            )
            _check(lib.ghostty_render_state_update(state[0], self._handle), "rows")
            _check(lib.ghostty_render_state_row_iterator_new(ffi.NULL, rows), "rows")
            key = lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR
            _check(lib.ghostty_render_state_get(state[0], key, rows), "rows")
            index = 0
            key = lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW
            while lib.ghostty_render_state_row_iterator_next(rows[0]):
                if index in wanted:
                    _check(lib.ghostty_render_state_row_get(rows[0], key, view), "row")
                    cells = bytes(ffi.buffer(view.ptr, view.len * 8)).rstrip(b"\0")
                    # Whole cells of 8 bytes each, up to the last that is not empty.
                    cells += bytes(-len(cells) % 8)
                    yield index, memoryview(cells).cast("Q").tolist()
                index += 1
        finally:
            lib.ghostty_render_state_row_iterator_free(rows[0])
            lib.ghostty_render_state_free(state[0])

    def _vt_row(self, cells: list[int], row: int, text: bytes) -> bytes:
        """A row as VT text, given what the library wrote for all of it."""
        if not cells or (text and all(cells)):
            return text
        parts = []
        column = 0
        for is_written, group in groupby(cells, bool):
            segment = list(group)
            end = column + len(segment)
            if is_written:
                parts.append(self._vt_cells(column, end - 1, row) or self._background(segment))
            else:
                parts.append(b"\x1b[0m" + b" " * len(segment))
            column = end
        return b"".join(parts)

    def _raw_cell(self, column: int, row: int) -> int:
        ref = self._locate(column, row, lib.GHOSTTY_POINT_TAG_SCREEN)
        _check(lib.ghostty_grid_ref_cell(ref, self._cell), "cell")
        return int(self._cell[0])

    def _background(self, cells: list[int]) -> bytes:
        """Cells without characters as VT text."""
        parts = [self._background_style(cell) + b" " * len(list(group)) for cell, group in groupby(cells)]
        return b"".join(parts) + b"\x1b[0m"

    def _background_style(self, cell: int) -> bytes:
        _check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_CONTENT_TAG, self._enum), "cell")
        if self._enum[0] == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_PALETTE:
            number = ffi.new("uint8_t*")
            _check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_COLOR_PALETTE, number), "cell")
            return b"\x1b[0;48;5;%dm" % number[0]
        if self._enum[0] == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_RGB:
            colour = ffi.new("GhosttyColorRgb*")
            _check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_COLOR_RGB, colour), "cell")
            return b"\x1b[0;48;2;%d;%d;%dm" % (colour.r, colour.g, colour.b)
        return b"\x1b[0m"

    def _vt_cells(self, first: int, last: int, row: int) -> bytes:
        self._select((first, row), (last, row), lib.GHOSTTY_POINT_TAG_SCREEN)
        return self._format(_VT_ROWS)

    def vt_pen(self) -> bytes:
        """What the cursor writes with, from the usual on, as VT text: its style, link and character sets."""
        self._select((0, 0), (0, 0), lib.GHOSTTY_POINT_TAG_ACTIVE)
        pen = self._format(_VT_PEN)[len(self._format(_VT_ROWS)) :]
        # The usual sets are written where they were asked for, and nothing where they were not.
        return _USUAL_SETS.sub(b"", pen)

    def vt_margins(self) -> bytes:
        """Tab stops, then what is in the first cell, then the scroll region if there is one, as VT text."""
        self._select((0, 0), (0, 0), lib.GHOSTTY_POINT_TAG_ACTIVE)
        return self._format(_VT_MARGINS)

    def row_wraps(self, row: int) -> bool:
        """Whether the row, counted from the oldest, is full and goes on in the next one."""
        ref = self._locate(self.cols - 1, row, lib.GHOSTTY_POINT_TAG_SCREEN)
        _check(lib.ghostty_grid_ref_row(ref, self._cell), "row")
        _check(lib.ghostty_row_get(self._cell[0], lib.GHOSTTY_ROW_DATA_WRAP, self._flag), "row")
        if not self._flag[0]:
            return False
        _check(lib.ghostty_grid_ref_cell(ref, self._cell), "cell")
        _check(lib.ghostty_cell_get(self._cell[0], lib.GHOSTTY_CELL_DATA_HAS_TEXT, self._flag), "cell")
        if self._flag[0]:
            return True
        kind = self._kind_of(self._cell[0])
        # Left free as a wide character did not fit; another one may have taken that one's place.
        return kind == _SPACER_TAIL or (
            kind == _SPACER_HEAD and self._kind_of(self._raw_cell(0, row + 1)) == _WIDE
        )

    def _kind_of(self, cell: int) -> int:
        _check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_WIDE, self._enum), "cell")
        return int(self._enum[0])

    def vt_cell(self, column: int, row: int) -> tuple[int, int, bytes]:
        """The character at or around a cell of the screen: its first column, the one behind it, and VT text."""
        row += self.scrollback_rows
        cell = self._raw_cell(column, row)
        kind = self._kind_of(cell)
        if kind == _SPACER_TAIL:
            return column - 1, column + 1, self._vt_cells(column - 1, column, row)
        text = self._vt_cells(column, column, row) or self._background_style(cell) + b" "
        return column, column + 1 + (kind == _WIDE), text

    # Rows that leave the screen.

    def mark_top(self) -> None:
        """Remember the top row of the screen, which `marked_row` follows."""
        self._point.tag = lib.GHOSTTY_POINT_TAG_ACTIVE
        self._point.value.x = self._point.value.y = 0
        if self._top is not None:
            lib.ghostty_tracked_grid_ref_free(self._top)
        top = ffi.new("GhosttyTrackedGridRef*")
        _check(_grid_ref_track(self._handle, self._point[0], top), "mark")
        self._top = top[0]

    def marked_row(self) -> int | None:
        """Where the remembered row is now, counted from the oldest; None when it is gone."""
        if self._top is None or not lib.ghostty_tracked_grid_ref_has_value(self._top):
            return None
        result = lib.ghostty_tracked_grid_ref_point(self._top, lib.GHOSTTY_POINT_TAG_SCREEN, self._coordinate)
        return int(self._coordinate.y) if result == _SUCCESS else None
