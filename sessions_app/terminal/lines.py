"""Lines of a terminal's text, each with the place where it was to be read, packed into blocks for the search.

A block is `1`, the number of runs, the runs, and the text. A run is a number of consecutive lines that became
readable together, with its offset and its time as differences to the run before it; all of them varints
(LEB128), differences zigzag-coded as in protobuf. The text is UTF-8 with a newline between the lines, so that
a whole block is searched as one string and only the hits are taken apart.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from typing import Protocol

from sessions_app.terminal.engine.model import Line, Lines

#: Text of a block, in bytes; the last run is never divided, so a block may be larger by one run. Four of a quarter of
#: it have half as many words more in the index.
BLOCK_BYTES = 262_144
_VERSION = 1
_MAX_SHIFT = 70


class LinesError(ValueError):
    """The bytes are no block of lines."""


class _Found(Protocol):
    @property
    def number(self) -> int: ...


class _Pattern(Protocol):
    def find(self, text: bytes, *, deadline: float | None = None) -> Iterator[_Found]: ...


def blocks(runs: Iterable[Lines], size: int = BLOCK_BYTES) -> Iterator[list[Lines]]:
    """The runs in groups of about `size` bytes of text; what has one offset is never in two groups."""
    block: list[Lines] = []
    held = 0
    for run in runs:
        if held >= size and block[-1].offset != run.offset:
            yield block
            block, held = [], 0
        block.append(run)
        held += len(run.text) + 1
    if block:
        yield block


def runs_of(lines: Iterable[Line]) -> Iterator[Lines]:
    """Lines put together with those of the same place and time. Raises ValueError: one holds a newline."""
    for (offset, time_us), group in groupby(lines, lambda line: (line.offset, line.time_us)):
        texts = [line.text for line in group]
        # A terminal never holds half of a character.
        joined = "\n".join(texts).encode("utf-8", "replace")
        if joined.count(b"\n") != len(texts) - 1:
            raise ValueError("a line holds a newline")
        yield Lines(offset, time_us, len(texts), joined)


def encode_lines(lines: Iterable[Line]) -> bytes:
    """A block. Raises ValueError when a text holds a newline."""
    return encode_runs(runs_of(lines))


def encode_runs(runs: Iterable[Lines]) -> bytes:
    """A block, without a step for every line."""
    held = list(runs)
    encoded = bytearray([_VERSION])
    _append_varint(encoded, len(held))
    before_offset = before_us = 0
    for run in held:
        _append_varint(encoded, run.line_count)
        _append_signed(encoded, run.offset - before_offset)
        _append_signed(encoded, run.time_us - before_us)
        before_offset, before_us = run.offset, run.time_us
    return bytes(encoded) + b"\n".join([run.text for run in held])


def decode_runs(data: bytes) -> list[Lines]:
    """The runs of a block. Raises LinesError."""
    block = Block(data)
    lines = block.text.split(b"\n")
    starts = [0, *block.ends]
    return [
        Lines(offset, time_us, end - start, b"\n".join(lines[start:end]))
        for offset, time_us, start, end in zip(
            block.offsets, block.times_us, starts, block.ends, strict=False
        )
    ]


def decode_lines(data: bytes) -> list[Line]:
    """The lines of a block. Raises LinesError."""
    block = Block(data)
    return [block.line(number) for number in range(block.count)]


def find_lines(data: bytes, pattern: _Pattern, *, deadline: float | None = None) -> Iterator[Line]:
    """The lines of a block in which a pattern of line_search.py matches. Raises LinesError, TimeIsUp."""
    block = Block(data)
    for found in pattern.find(block.text, deadline=deadline):
        yield block.line(found.number)


class Block:
    """A block whose lines are taken apart only where they are asked for. Raises LinesError.

    `text` is that of all lines, UTF-8 with newlines between them; `count` says how many they are. For each run
    there is the number of the line behind it in `ends`, its place in `offsets` and its time in `times_us`.
    """

    def __init__(self, data: bytes) -> None:
        runs, start = _read_runs(data)
        self.ends = list(accumulate(count for count, _, _ in runs))
        self.offsets = list(accumulate(offset for _, offset, _ in runs))
        self.times_us = list(accumulate(time_us for _, _, time_us in runs))
        self.count = self.ends[-1] if runs else 0
        self.text = data[start:]
        self._lines: list[bytes] | None = None
        if self.text.count(b"\n") != max(self.count - 1, 0) or (not self.count and self.text):
            raise LinesError("the number of lines is not that of the runs")

    def line(self, number: int) -> Line:
        """A line by its number, from 0."""
        if self._lines is None:
            self._lines = self.text.split(b"\n")
        run = bisect_right(self.ends, number)
        text = self._lines[number].decode("utf-8", "replace")
        return Line(self.offsets[run], self.times_us[run], text)

    def listed_before(self, number: int) -> int | None:
        """The last offset at which lines of the block were listed before that line was; None for the first ones."""
        offset = self.offsets[bisect_right(self.ends, number)]
        before = bisect_left(self.offsets, offset)
        return self.offsets[before - 1] if before else None


def _read_runs(data: bytes) -> tuple[list[tuple[int, int, int]], int]:
    """Runs as (number of lines, change of offset, change of time), and where the text starts."""
    if not data or data[0] != _VERSION:
        raise LinesError("an unknown version")
    count, position = _varint(data, 1)
    if count * 3 > len(data):
        raise LinesError("more runs than bytes")
    runs = []
    for _ in range(count):
        lines, position = _varint(data, position)
        offset, position = _varint(data, position)
        time_us, position = _varint(data, position)
        if not lines:
            raise LinesError("a run without lines")
        runs.append((lines, offset >> 1 ^ -(offset & 1), time_us >> 1 ^ -(time_us & 1)))
    return runs, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(data) and shift < _MAX_SHIFT:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise LinesError("a number is cut off or too long")


def _append_signed(encoded: bytearray, number: int) -> None:
    _append_varint(encoded, number << 1 if number >= 0 else ~(number << 1))


def _append_varint(encoded: bytearray, number: int) -> None:
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
