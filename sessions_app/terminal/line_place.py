"""Where in the output a line was written: what stands on the screen right behind that is the line.

Text is derived in slices, so a line that rushes by is known to a few thousand bytes. In those the line itself is
looked for: as it is, else between sequences that only colour it or move over blank cells. What rushed by was written
last, while a screen that is redrawn shows the same line again and again: there the first one is looked for.
"""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence

from sessions_app.terminal.engine.deriver import MOVES
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
# Text goes on in the same line: what was found is the beginning of another one.
_NO_MORE_TEXT = rb"(?![^\x00-\x20\x7f])"
# A row is written again from its beginning.
_REWRITES = re.compile(rb"\r(?=[^\r\n])")


def places_in(output: bytes, hits: Sequence[LineHit], looked: int) -> list[int | None]:
    """For each of some hits, which became readable together at the end of `output`, how much of it had to be out.

    At `looked` bytes of it lines were listed before; what came since then says whether the screen is redrawn. None
    where the line is not found: it was put together from parts.
    """
    texts = [text_around(hit).encode("utf-8", "replace") for hit in hits]
    since = output[looked:]
    is_redrawn = _REWRITES.search(since) is not None or MOVES.search(since) is not None
    firsts = _firsts(since, texts) if is_redrawn else [None] * len(hits)
    if None not in firsts:
        return [looked + first for first in firsts if first is not None]
    return [
        last if first is None else looked + first
        for first, last in zip(firsts, _lasts(output, texts), strict=True)
    ]


def text_around(hit: LineHit) -> str:
    """The line of the hit; of a long one, what stands around the match."""
    text = hit.line.text
    if is_cut(hit):
        text = text[max(0, hit.start - _AROUND_CHARS) : hit.start + _AROUND_CHARS]
    return text.strip()


def is_cut(hit: LineHit) -> bool:
    """Whether `text_around` is a part of the line."""
    return len(hit.line.text) > _MAX_CHARS


def _firsts(output: bytes, texts: Sequence[bytes]) -> list[int | None]:
    """Where each of the lines is whole for the first time; one that is there twice, for the second time then."""
    plain = _Plain(output)
    after: dict[bytes, int] = {}
    places = []
    for text in texts:
        place = plain.first(text, after.get(text, 0))
        if place is not None:
            after[text] = place
        places.append(place)
    return places


def _lasts(output: bytes, texts: Sequence[bytes]) -> list[int | None]:
    """Where each of the lines is whole for the last time, the same one before that."""
    places: list[int | None] = [None] * len(texts)
    plain = _Plain(output)
    bound = len(output)
    # From the last one on: the same line may have been there before, and belongs to what was found before.
    for number in range(len(texts) - 1, -1, -1):
        found = plain.last(texts[number], bound) or plain.last(texts[number], len(output))
        if found is not None:
            bound, places[number] = found
    return places


class _Plain:
    """Output, and the same without the sequences that do not matter, made when it is asked for."""

    def __init__(self, output: bytes) -> None:
        self._output = output
        self._text: bytes | None = None
        # Where the pieces between the sequences start: in `_text`, and in the output.
        self._starts: list[int] = []
        self._origins: list[int] = []

    def first(self, text: bytes, after: int) -> int | None:
        """The end of the first place behind `after` where the text stands, and no more text in the same line."""
        if not text:
            return None
        plain = self._without_sequences()
        found = re.compile(_pattern(text) + _NO_MORE_TEXT).search(plain, self._place_of(after))
        return None if found is None else self._origin_of(found.end() - 1) + 1

    def last(self, text: bytes, bound: int) -> tuple[int, int] | None:
        """Start and end of the last place before `bound` where the text stands."""
        if not text:
            return None
        start = self._output.rfind(text, 0, bound)
        if start >= 0:
            return start, start + len(text)
        return self._last_between_sequences(text, bound)

    def _last_between_sequences(self, text: bytes, bound: int) -> tuple[int, int] | None:
        pattern = re.compile(_pattern(text))
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


def _pattern(text: bytes) -> bytes:
    return _BLANK.join(map(re.escape, text.split()))
