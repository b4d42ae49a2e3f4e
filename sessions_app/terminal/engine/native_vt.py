"""Screens of libghostty-vt as VT text, row by row and cell by cell."""

import re
from collections.abc import Iterator
from itertools import groupby

from pyghostty import ffi, lib

from sessions_app.terminal.engine.native import Native, check, format_options

_WIDE: int = lib.GHOSTTY_CELL_WIDE_WIDE
_SPACER_HEAD: int = lib.GHOSTTY_CELL_WIDE_SPACER_HEAD
_SPACER_TAIL: int = lib.GHOSTTY_CELL_WIDE_SPACER_TAIL
_VT: int = lib.GHOSTTY_FORMATTER_FORMAT_VT
# Making one of these costs more than using it.
_VT_ROWS = format_options(_VT)
_VT_PEN = format_options(_VT, extras=["style", "hyperlink", "charsets"])
_VT_MARGINS = format_options(_VT, extras=["tabstops", "scrolling_region"])
_USUAL_SETS = re.compile(rb"\x1b[()*+]B")
# Styles that are seen where there is no character.
_SHOWS_ON_BLANKS = re.compile(rb"\x1b\[(?:7|9|53|4[:0-9]*|48[;:][0-9;:]*)m")


class NativeVt(Native):
    """A terminal of the library that writes its screen out."""

    @property
    def palette_changes(self) -> list[tuple[int, tuple[int, int, int]]]:
        """Colours of the palette that the output changed, as (index, (red, green, blue))."""
        now, default = ffi.new("GhosttyColorRgb[256]"), ffi.new("GhosttyColorRgb[256]")
        data = lib.GHOSTTY_TERMINAL_DATA_COLOR_PALETTE
        check(lib.ghostty_terminal_get(self._handle, data, now), "get palette")
        data = lib.GHOSTTY_TERMINAL_DATA_COLOR_PALETTE_DEFAULT
        check(lib.ghostty_terminal_get(self._handle, data, default), "get palette")
        is_changed = ffi.buffer(now)[:] != ffi.buffer(default)[:]
        colours = (
            [((c.r, c.g, c.b), (d.r, d.g, d.b)) for c, d in zip(now, default, strict=True)]
            if is_changed
            else []
        )
        return [(index, colour) for index, (colour, usual) in enumerate(colours) if colour != usual]

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
        check(lib.ghostty_render_state_new(ffi.NULL, state), "rows")
        try:
            overscan = ffi.new("GhosttyRenderStateOverscan*", [above, 0])
            check(
                lib.ghostty_render_state_set(state[0], lib.GHOSTTY_RENDER_STATE_OPTION_OVERSCAN, overscan),
                "rows",
            )
            check(lib.ghostty_render_state_update(state[0], self._handle), "rows")
            check(lib.ghostty_render_state_row_iterator_new(ffi.NULL, rows), "rows")
            key = lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR
            check(lib.ghostty_render_state_get(state[0], key, rows), "rows")
            index, empty = 0, bytes(self.cols * 8)
            key = lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW
            while lib.ghostty_render_state_row_iterator_next(rows[0]):
                if index in wanted:
                    check(lib.ghostty_render_state_row_get(rows[0], key, view), "row")
                    cells = ffi.buffer(view.ptr, view.len * 8)[:]
                    if cells != empty:
                        # Whole cells of 8 bytes each, up to the last that is not empty.
                        cells = cells.rstrip(b"\0")
                        cells += bytes(-len(cells) % 8)
                        yield index, memoryview(cells).cast("Q").tolist()
                index += 1
        finally:
            lib.ghostty_render_state_row_iterator_free(rows[0])
            lib.ghostty_render_state_free(state[0])

    def _vt_row(self, cells: list[int], row: int, text: bytes) -> bytes:
        """A row as VT text, given what the library wrote for all of it."""
        if text and all(cells):
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

    def _background(self, cells: list[int]) -> bytes:
        """Cells without characters as VT text."""
        parts = [self._background_style(cell) + b" " * len(list(group)) for cell, group in groupby(cells)]
        return b"".join(parts) + b"\x1b[0m"

    def _background_style(self, cell: int) -> bytes:
        check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_CONTENT_TAG, self._enum), "cell")
        if self._enum[0] == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_PALETTE:
            number = ffi.new("uint8_t*")
            check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_COLOR_PALETTE, number), "cell")
            return b"\x1b[0;48;5;%dm" % number[0]
        if self._enum[0] == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_RGB:
            colour = ffi.new("GhosttyColorRgb*")
            check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_COLOR_RGB, colour), "cell")
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
        check(lib.ghostty_grid_ref_row(ref, self._cell), "row")
        check(lib.ghostty_row_get(self._cell[0], lib.GHOSTTY_ROW_DATA_WRAP, self._flag), "row")
        if not self._flag[0]:
            return False
        check(lib.ghostty_grid_ref_cell(ref, self._cell), "cell")
        check(lib.ghostty_cell_get(self._cell[0], lib.GHOSTTY_CELL_DATA_HAS_TEXT, self._flag), "cell")
        if self._flag[0]:
            return True
        kind = self._kind_of(self._cell[0])
        # Left free as a wide character did not fit; another one may have taken that one's place.
        return kind == _SPACER_TAIL or (
            kind == _SPACER_HEAD and self._kind_of(self._raw_cell(0, row + 1)) == _WIDE
        )

    def ends_free(self, row: int) -> bool:
        """Whether the last cell of a row was left free as a wide character did not fit."""
        return self._kind_of(self._raw_cell(self.cols - 1, row)) == _SPACER_HEAD

    def _kind_of(self, cell: int) -> int:
        check(lib.ghostty_cell_get(cell, lib.GHOSTTY_CELL_DATA_WIDE, self._enum), "cell")
        return int(self._enum[0])

    def halved_rows(self) -> list[int]:
        """Rows of the screen whose last cell holds a wide character, of which there is one half only."""
        last, above = self.cols - 1, self.scrollback_rows
        return [row for row in range(self.rows) if self._kind_of(self._raw_cell(last, above + row)) == _WIDE]

    def vt_cell(self, column: int, row: int) -> tuple[int, int, bytes]:
        """The character at or around a cell of the screen: its first column, the one behind it, and VT text."""
        row += self.scrollback_rows
        cell = self._raw_cell(column, row)
        kind = self._kind_of(cell)
        if kind == _SPACER_TAIL:
            return column - 1, column + 1, self._vt_cells(column - 1, column, row)
        text = self._vt_cells(column, column, row) or self._background_style(cell) + b" "
        return column, column + 1 + (kind == _WIDE), text
