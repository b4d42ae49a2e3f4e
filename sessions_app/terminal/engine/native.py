"""The calls of libghostty-vt that the engine needs, over the cffi layer of pyghostty.

The package's own Python layer limits the scrollback by lines, which costs a count of all of them for every
line, and formats one way only. Importing this module raises ImportError where the wheel is missing.
"""

from collections.abc import Iterable
from typing import Any, Self

from pyghostty import ffi, lib
from pyghostty.core import init_sized, union_fn

from sessions_app.terminal.engine.links import shown
from sessions_app.terminal.engine.model import EngineError, Unfinished
from sessions_app.terminal.engine.widths import from_library

#: A sequence that is unfinished for longer than this is not carried by a keyframe: none is written there.
MAX_UNFINISHED_BYTES = 65_536
_CELL_PIXELS = (8, 16)
_WRAP = 7
_SUCCESS: int = lib.GHOSTTY_SUCCESS
_PLAIN: int = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN
_ALTERNATE: int = lib.GHOSTTY_TERMINAL_SCREEN_ALTERNATE

_grid_ref: Any = union_fn(
    "ghostty_terminal_grid_ref", "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)"
)
_grid_ref_track: Any = union_fn(
    "ghostty_terminal_grid_ref_track",
    "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyTrackedGridRef*)",
)


def check(result: int, what: str) -> None:
    if result != _SUCCESS:
        raise EngineError(f"{what}: libghostty-vt says {result}")


def format_options(emit: int, *, unwrap: bool = False, trim: bool = False, extras: Iterable[str] = ()) -> Any:
    options = init_sized("GhosttyFormatterTerminalOptions")
    options.emit, options.unwrap, options.trim = emit, unwrap, trim
    for extra in extras:
        setattr(options.extra if hasattr(options.extra, extra) else options.extra.screen, extra, True)
    return options


# Making one of these costs more than using it.
_ROWS = format_options(_PLAIN, trim=True)
_UNTRIMMED = format_options(_PLAIN)
_UNWRAPPED = format_options(_PLAIN, trim=True, unwrap=True)


class Native:
    """One terminal of the library. Rows count from 0, of the screen or with the scrollback above it."""

    def __init__(self, cols: int, rows: int, scrollback_bytes: int) -> None:
        handle = ffi.new("GhosttyTerminal*")
        check(lib.ghostty_terminal_new(ffi.NULL, handle, cols, rows), "new terminal")
        self._adopt(handle[0])
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_LINES, (1 << 63) - 1)
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES, scrollback_bytes)
        self._set_size(lib.GHOSTTY_TERMINAL_OPT_CONTINUATION_MAX_BYTES, MAX_UNFINISHED_BYTES)
        # Pictures are drawn by no viewer, and would be decoded and kept.
        nothing = ffi.new("uint64_t*", 0)
        check(
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
        check(lib.ghostty_terminal_set(self._handle, option, ffi.new("size_t*", value)), "option")

    def copy(self, *, with_scrollback: bool = False) -> Self:
        """A terminal of its own that looks and goes on like this one.

        Raises Unfinished: the library copies no string that is not ended and has certain 8-bit controls in it.
        """
        restore = (
            lib.ghostty_snapshot_decoder_decode if with_scrollback else lib.ghostty_snapshot_decoder_ready
        )
        pointer = ffi.new("uint8_t**")
        result = lib.ghostty_snapshot_encode_alloc(self._handle, ffi.NULL, pointer, self._size)
        if result == lib.GHOSTTY_INVALID_VALUE and not self.is_idle:
            raise Unfinished("a string with 8-bit controls")
        check(result, "snapshot")
        length = self._size[0]
        decoder = ffi.new("GhosttySnapshotDecoder*")
        handle = ffi.new("GhosttyTerminal*")
        try:
            check(
                lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, pointer[0], length), "read snapshot"
            )
            try:
                check(restore(decoder[0], handle), "restore snapshot")
            finally:
                lib.ghostty_snapshot_decoder_free(decoder[0])
        finally:
            lib.ghostty_free(ffi.NULL, pointer[0], length)
        copied = type(self).__new__(type(self))
        copied._adopt(handle[0])
        return copied

    def write(self, data: bytes) -> None:
        """Take output, with private characters for those of another width (widths.py)."""
        lib.ghostty_terminal_vt_write(self._handle, data, len(data))

    def unset_mode(self, number: int) -> None:
        """Reset a DEC private mode."""
        self._put_mode(number, on=False)

    def _put_mode(self, number: int, *, on: bool) -> None:
        self._mode.mode, self._mode.value = number, on
        check(lib.ghostty_terminal_set(self._handle, lib.GHOSTTY_TERMINAL_OPT_MODE, self._mode), "set mode")

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of the window."""
        # Like xterm.js it breaks the lines of the primary screen anew, also while a program wants none broken.
        wraps = self.mode(_WRAP)
        self._put_mode(_WRAP, on=True)
        try:
            check(lib.ghostty_terminal_resize(self._handle, cols, rows, *_CELL_PIXELS), "resize")
        finally:
            self._put_mode(_WRAP, on=wraps)

    # Numbers.

    def _get_short(self, key: int) -> int:
        check(lib.ghostty_terminal_get(self._handle, key, self._short), "get")
        return int(self._short[0])

    def _get_flag(self, key: int) -> bool:
        check(lib.ghostty_terminal_get(self._handle, key, self._flag), "get")
        return bool(self._flag[0])

    def _get_size(self, key: int) -> int:
        check(lib.ghostty_terminal_get(self._handle, key, self._size), "get")
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
        check(lib.ghostty_terminal_get(self._handle, key, self._enum), "get")
        return int(self._enum[0]) == _ALTERNATE

    @property
    def scrollback_rows(self) -> int:
        """Number of rows above the screen."""
        return self._get_size(lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS)

    def mode(self, number: int, *, is_ansi: bool = False) -> bool:
        """Whether a mode is set: a DEC private one, or an ANSI one."""
        self._mode.mode = number | is_ansi << 15
        key = lib.GHOSTTY_TERMINAL_DATA_MODE
        check(lib.ghostty_terminal_get(self._handle, key, self._mode), "get mode")
        return bool(self._mode.value)

    @property
    def is_idle(self) -> bool:
        """Whether no sequence or character is begun and not ended."""
        return self._get_flag(lib.GHOSTTY_TERMINAL_DATA_VT_GROUND)

    def unfinished(self) -> bytes:
        """The sequence or character that the output has begun and not ended. Raises Unfinished: it is too long."""
        if self.is_idle:
            return b""
        length = self._size
        result = lib.ghostty_terminal_continuation_buf(self._handle, ffi.NULL, 0, length)
        if result == lib.GHOSTTY_OUT_OF_SPACE:
            buffer = ffi.new("uint8_t[]", length[0])
            result = lib.ghostty_terminal_continuation_buf(self._handle, buffer, len(buffer), length)
            check(result, "unfinished sequence")
            unfinished = bytes(ffi.buffer(buffer, length[0]))
            return shown(from_library(unfinished))
        if result != _SUCCESS:
            raise Unfinished(f"a sequence that is too long: libghostty-vt says {result}")
        return b""

    # Text.

    def _locate(self, column: int, row: int, tag: int) -> Any:
        self._point.tag = tag
        self._point.value.x, self._point.value.y = column, row
        check(_grid_ref(self._handle, self._point[0], self._ref), "cell")
        return self._ref

    def _select(self, first: tuple[int, int], last: tuple[int, int], tag: int) -> None:
        self._selection.start = self._locate(*first, tag)[0]
        self._selection.end = self._locate(*last, tag)[0]

    def _format(self, options: Any) -> bytes:
        """What lies between the cells given to `_select`."""
        options.selection = self._selection
        check(
            lib.ghostty_formatter_terminal_new(ffi.NULL, self._formatter, self._handle, options[0]),
            "formatter",
        )
        pointer = self._pointer
        try:
            check(
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

    def _raw_cell(self, column: int, row: int) -> int:
        ref = self._locate(column, row, lib.GHOSTTY_POINT_TAG_SCREEN)
        check(lib.ghostty_grid_ref_cell(ref, self._cell), "cell")
        return int(self._cell[0])

    # Rows that leave the screen.

    def mark_top(self) -> None:
        """Remember the top row of the screen, which `marked_row` follows."""
        self._point.tag = lib.GHOSTTY_POINT_TAG_ACTIVE
        self._point.value.x = self._point.value.y = 0
        if self._top is not None:
            lib.ghostty_tracked_grid_ref_free(self._top)
        top = ffi.new("GhosttyTrackedGridRef*")
        check(_grid_ref_track(self._handle, self._point[0], top), "mark")
        self._top = top[0]

    def marked_row(self) -> int | None:
        """Where the remembered row is now, counted from the oldest; None when it is gone."""
        if self._top is None or not lib.ghostty_tracked_grid_ref_has_value(self._top):
            return None
        result = lib.ghostty_tracked_grid_ref_point(self._top, lib.GHOSTTY_POINT_TAG_SCREEN, self._coordinate)
        return int(self._coordinate.y) if result == _SUCCESS else None
