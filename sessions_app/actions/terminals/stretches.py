"""Runs of output, cut into pieces of bounded size and length with the timing of their writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sessions_app.actions.terminals.times import times_of
from sessions_app.terminal import timing

SEGMENT_BYTES = 256 * 1024
SEGMENT_US = 10_000_000


@dataclass(slots=True)
class Stretch:
    """Consecutive output from `offset` on: its bytes, and its writes as (time in microseconds, length)."""

    offset: int
    pieces: list[bytes] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def first_us(self) -> int:
        return self.writes[0][0]

    @property
    def last_us(self) -> int:
        return self.writes[-1][0]

    @property
    def is_full(self) -> bool:
        return self.size >= SEGMENT_BYTES

    def add(self, time_us: int, piece: bytes) -> None:
        self.pieces.append(piece)
        self.writes.append((time_us, len(piece)))
        self.size += len(piece)

    def each_write(self) -> Iterator[tuple[int, bytes]]:
        return ((time_us, piece) for (time_us, _), piece in zip(self.writes, self.pieces, strict=True))

    def join(self) -> bytes:
        return b"".join(self.pieces)

    def timing(self) -> bytes:
        return timing.encode(self.writes, self.first_us)


def in_segments(offset: int, writes: Iterable[tuple[int, bytes]]) -> Iterator[Stretch]:
    """Cut output that starts at `offset` into stretches fit for a segment; the last one may be small.

    A stretch ends at SEGMENT_BYTES exactly, or before the first write that comes SEGMENT_US after its own.
    """
    stretch = Stretch(offset)
    for time_us, piece in writes:
        if stretch.size and time_us - stretch.first_us >= SEGMENT_US:
            yield stretch
            stretch = Stretch(stretch.end)
        rest = piece
        while stretch.size + len(rest) >= SEGMENT_BYTES:
            room = SEGMENT_BYTES - stretch.size
            stretch.add(time_us, rest[:room])
            rest = rest[room:]
            yield stretch
            stretch = Stretch(stretch.end)
        if rest:
            stretch.add(time_us, rest)
    if stretch.size:
        yield stretch


def writes_of(stored_timing: bytes, first_us: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The writes of a stored stretch, as (time in microseconds, bytes). Raises CorruptData."""
    position = 0
    for time_us, length in times_of(stored_timing, first_us):
        yield time_us, data[position : position + length]
        position += length
    if position < len(data):
        # Timing that covers less than the data would lose bytes; the rest came with its last write at best.
        yield first_us, data[position:]
