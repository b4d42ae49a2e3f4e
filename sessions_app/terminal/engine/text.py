"""Lines of text out of a terminal, each once.

What scrolls is listed as it leaves the screen. What is drawn with a moving cursor is listed as it stands on the
screen at the end of a slice of output, where it differs from what stood there before. Programs that clear
everything and print it again, as agents do, are recognised by what they had printed before the clear.
"""

from typing import TYPE_CHECKING

from sessions_app.terminal.engine.model import Lines

if TYPE_CHECKING:
    # Where the wheel is missing, this module is imported all the same.
    from sessions_app.terminal.engine.native_vt import NativeVt

# Lines of what was cleared that are remembered, as hashes.
_MAX_REMEMBERED = 20_000
#: A line that goes on and on is cut into parts of this size.
_MAX_LINE_BYTES = 65_536


class LineReader:
    """Follows one terminal. `runs` is what was found and not taken yet; `is_alternate` says which screen is up."""

    def __init__(self, native: "NativeVt") -> None:
        self.runs: list[Lines] = []
        self._native = native
        self.is_alternate = native.is_alternate
        # Hashes of lines: on the screen when it was last looked at; before the last clear; and since.
        self._shown: set[int] = set()
        self._scrolled = 0
        self._before: set[int] = set()
        self._since: set[int] = set()
        self._is_redrawn = False
        # Of the primary screen, while the alternate one is up.
        self._shown_below: set[int] = set()
        self._unended = b""
        native.mark_top()

    def after_output(self, offset: int, time_us: int) -> None:
        """List what left the screen since the last call."""
        native = self._native
        if native.is_alternate != self.is_alternate:
            self._switch()
            return
        if self.is_alternate:
            return
        above = native.scrollback_rows
        first = native.marked_row()
        first = 0 if first is None else first
        if first >= above:
            return
        text = self._unended + native.plain_rows(first, above, unwrap=True)
        wraps = native.row_wraps(above - 1)
        native.mark_top()
        self._scrolled += above - first
        if wraps:
            text, _, self._unended = text.rpartition(b"\n")
            # Spaces at the end of what was asked for are cut, and here they stand in the middle of a line.
            self._unended += b" " * native.spaces_at_end(above - 1)
            if len(self._unended) > _MAX_LINE_BYTES:
                text = text + b"\n" + self._unended if text else self._unended
                self._unended = b""
        else:
            self._unended = b""
        if self._shown or self._before or self._is_redrawn:
            text = self._unknown(text)
        if text:
            self.runs.append(Lines(offset, time_us, text.count(b"\n") + 1, text))

    def look(self, offset: int, time_us: int) -> None:
        """List what stands on the screen and did not at the last look."""
        native = self._native
        above = native.scrollback_rows
        lines = native.plain_rows(above, above + native.rows, unwrap=True).split(b"\n")
        if self._unended and not self.is_alternate:
            lines[0] = self._unended + lines[0]
        hashes = list(map(hash, lines))
        fresh = self._fresh(lines, hashes)
        self._shown = set(hashes)
        self._scrolled = 0
        if self._is_redrawn:
            self._remember(hashes)
        if fresh:
            self.runs.append(Lines(offset, time_us, len(fresh), b"\n".join(fresh)))

    def cleared(self) -> None:
        """All of the screen was erased. What is printed again now is known."""
        if len(self._since) * 2 >= len(self._before) or not self._is_redrawn:
            self._before, self._since = self._since | self._shown, set()
        else:
            # Cleared again before everything was printed: it goes on being the same turn.
            self._before |= self._since | self._shown
        self._is_redrawn = True
        self._shown = set()
        self._unended = b""
        self._native.mark_top()

    def resized(self, offset: int, time_us: int) -> None:
        """The window has another size: rows moved, and lines are broken elsewhere."""
        self.after_output(offset, time_us)
        self._native.mark_top()

    def _switch(self) -> None:
        self.is_alternate = self._native.is_alternate
        if self.is_alternate:
            self._shown_below, self._shown = self._shown, set()
        else:
            self._shown, self._shown_below = self._shown_below, set()
        self._native.mark_top()

    def _unknown(self, text: bytes) -> bytes:
        """Lines of `text` that were not listed from the screen, nor before the last clear."""
        lines = text.split(b"\n")
        hashes = list(map(hash, lines))
        fresh = self._fresh(lines, hashes)
        if self._is_redrawn:
            self._remember(hashes)
        if self._scrolled >= self._native.rows:
            self._shown = set()
        return b"\n".join(fresh)

    def _fresh(self, lines: list[bytes], hashes: list[int]) -> list[bytes]:
        # Mostly there is none, and then no step is taken for every line.
        fresh = set(hashes) - self._shown - self._before
        if not fresh:
            return []
        return [line for line, key in zip(lines, hashes, strict=True) if key in fresh and line]

    def _remember(self, hashes: list[int]) -> None:
        self._since.update(hashes)
        if len(self._since) > _MAX_REMEMBERED:
            # So much after a clear is no redrawing.
            self._before, self._since = set(), set()
            self._is_redrawn = False
