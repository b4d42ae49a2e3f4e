"""Where in the output a line was written: what stands on the screen right behind that is the line.

Text is derived in slices, so a line that rushes by is known to a few thousand bytes. In those the line itself is
looked for: as it is, else between sequences that only colour it or move over blank cells.
"""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence

from sessions_app.terminal.line_search import LineHit

# Of a longer line what stands around the match is enough.
_MAX_CHARS = 400
_AROUND_CHARS = 120
# Sequences that leave a line in one piece. A cursor that moves to the right leaves blank cells behind.
_SEQUENCE = re.compile(
    rb"\x1b\[(?P<right>\d*C)"
    rb"|\x1b\[[?>=!]?[\d;:]*[ \"'$]?[mKhlpqsuXP]"
    rb"|\x1b[()][0-9A-Za-z]"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|[\x00\x07\x0e\x0f]"
)
_BLANK = rb"[ \t]+"


def places_in(output: bytes, hits: Sequence[LineHit]) -> list[int | None]:
    """For each of some hits, which became readable together at the end of `output`, how much of it had to be out.

    None where the line is not found: it was put together from parts.
    """
    places: list[int | None] = [None] * len(hits)
    plain = _Plain(output)
    bound = len(output)
    # From the last one on: the same line may have been there before, and belongs to what was found before.
    for number in range(len(hits) - 1, -1, -1):
        text = _text_of(hits[number]).encode("utf-8", "replace")
        found = plain.last(text, bound) or plain.last(text, len(output))
        if found is not None:
            bound, places[number] = found
    return places


def _text_of(hit: LineHit) -> str:
    text = hit.line.text
    if len(text) > _MAX_CHARS:
        text = text[max(0, hit.start - _AROUND_CHARS) : hit.start + _AROUND_CHARS]
    return text.strip()


class _Plain:
    """Output, and the same without the sequences that do not matter, made when it is asked for."""

    def __init__(self, output: bytes) -> None:
        self._output = output
        self._text: bytes | None = None
        # Where the pieces between the sequences start: in `_text`, and in the output.
        self._starts: list[int] = []
        self._origins: list[int] = []

    def last(self, text: bytes, bound: int) -> tuple[int, int] | None:
        """Start and end of the last place before `bound` where the text stands."""
        if not text:
            return None
        start = self._output.rfind(text, 0, bound)
        if start >= 0:
            return start, start + len(text)
        return self._last_between_sequences(text, bound)

    def _last_between_sequences(self, text: bytes, bound: int) -> tuple[int, int] | None:
        pattern = re.compile(_BLANK.join(map(re.escape, text.split())))
        plain = self._without_sequences()
        for found in deque(pattern.finditer(plain, 0, self._place_of(bound)), maxlen=1):
            return self._origin_of(found.start()), self._origin_of(found.end() - 1) + 1
        return None

    def _without_sequences(self) -> bytes:
        if self._text is None:
            parts: list[bytes] = []
            size = position = 0
            for sequence in _SEQUENCE.finditer(self._output):
                piece = self._output[position : sequence.start()] + b" " * bool(sequence["right"])
                self._starts.append(size)
                self._origins.append(position)
                parts.append(piece)
                size += len(piece)
                position = sequence.end()
            self._starts.append(size)
            self._origins.append(position)
            self._text = b"".join([*parts, self._output[position:]])
        return self._text

    def _origin_of(self, place: int) -> int:
        """Where in the output the byte at `place` of the text stands."""
        piece = bisect_right(self._starts, place) - 1
        return self._origins[piece] + place - self._starts[piece]

    def _place_of(self, origin: int) -> int:
        """How much of the text stands before `origin`."""
        piece = max(bisect_left(self._origins, origin) - 1, 0)
        end = self._starts[piece + 1] if piece + 1 < len(self._starts) else len(self._text or b"")
        return min(self._starts[piece] + max(0, origin - self._origins[piece]), end)
