"""Lines that a program broke itself at the right margin, put together again."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

#: In a narrower window nearly every line would be full by chance.
MIN_WIDTH = 20
_NARROW_CONTEXT = 8


@dataclass(frozen=True, slots=True)
class JoinedText:
    """`text` without the line ends behind full lines."""

    text: bytes
    _starts: list[int]
    _origins: list[int]

    def position_before(self, position: int) -> int:
        """Where the character at `position` was in the text with all its line ends."""
        piece = bisect_right(self._starts, position) - 1
        return self._origins[piece] + position - self._starts[piece]

    def position_after(self, position: int) -> int:
        """Where the character at `position` of the text with all its line ends is."""
        piece = bisect_right(self._origins, position) - 1
        end = self._starts[piece + 1] if piece + 1 < len(self._starts) else len(self.text)
        return min(self._starts[piece] + position - self._origins[piece], end)


def join_full_lines(text: bytes, width: int) -> JoinedText | None:
    """None when no line is full."""
    pieces, starts, origins = [], [0], [0]
    position = 0
    for end, following in _full_lines(text, width):
        pieces.append(text[position:end])
        starts.append(starts[-1] + end - position)
        origins.append(following)
        position = following
    return JoinedText(b"".join([*pieces, text[position:]]), starts, origins) if pieces else None


def _full_lines(text: bytes, width: int) -> Iterator[tuple[int, int]]:
    """Where each full line ends, and where the text goes on behind its line end."""
    start = 0
    for line in text.split(b"\n"):
        if len(line) >= width:
            piece_start = start
            for piece in line.split(b"\r"):
                end = piece_start + len(piece)
                following = _line_end(text, end)
                if following is not None and _columns(piece) == width:
                    yield end, following
                elif text[end : end + 1] == b"\r" and piece[-1:] == b" " and _columns(piece[:-1]) == width:
                    # An editor of lines writes a space behind the margin, which wraps, and goes back over it.
                    yield end - 1, end + 1
                piece_start = end + 1
        start += len(line) + 1


def _line_end(text: bytes, end: int) -> int | None:
    """Where the next line begins if one ends at `end`; the rest of its line end may still come."""
    if text[end : end + 1] == b"\n":
        return end + 1
    if text[end : end + 2] == b"\r\n":
        return end + 2
    return end + 1 if text[end:] == b"\r" else None


def line_context(text: bytes, width: int | None) -> bytes:
    """The end of `text` that must be known to see where a word or a full line begins."""
    least = len(text) - _NARROW_CONTEXT
    if width is None:
        return text[max(0, least) :]
    # A carriage return at the end may be the first half of a line end.
    end = len(text) - text.endswith(b"\r")
    line = max(text.rfind(b"\n", 0, end), text.rfind(b"\r", 0, end)) + 1
    return text[max(min(line, least), least - width, 0) :]


def _columns(line: bytes) -> int:
    if line.isascii():
        return len(line)
    text = line.decode("utf-8", "replace")
    # A line of a drawn screen holds few kinds of characters, most of them one column wide.
    return len(text) + sum(_beyond_one(one) * text.count(one) for one in set(text) if one > "\x7f")


@lru_cache(maxsize=4_096)
def _beyond_one(character: str) -> int:
    """How many columns more than one it takes: -1, 0 or 1."""
    if unicodedata.combining(character):
        return -1
    return 1 if unicodedata.east_asian_width(character) in "WF" else 0
