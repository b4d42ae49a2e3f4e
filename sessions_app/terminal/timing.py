"""When each byte of a run of output was written, in a few bytes per write.

The encoding is a pair of varints (LEB128, as in protobuf) for every write: microseconds since the write
before it, or since `base_us` for the first, then the number of bytes written. It goes with a chunk or
segment whose first byte lies at `base_offset` of the recording and whose first write is not before
`base_us`.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

_MAX_VARINT_BYTES = 10
# What columns of the database hold.
_MAX_TIME_US = 2**63 - 1


class TimingError(ValueError):
    """The bytes are no timing."""


def encode(writes: Iterable[tuple[int, int]], base_us: int = 0) -> bytes:
    """Timing of writes given as (time in microseconds, number of bytes). Times must not decrease."""
    encoded = bytearray()
    before_us = base_us
    for time_us, length in writes:
        if time_us < before_us or length < 0:
            raise ValueError(f"write of {length} bytes at {time_us} us after {before_us} us")
        _append_varint(encoded, time_us - before_us)
        _append_varint(encoded, length)
        before_us = time_us
    return bytes(encoded)


def decode(encoded: bytes, base_us: int = 0) -> list[tuple[int, int]]:
    """Writes as (time in microseconds, number of bytes). Raises TimingError."""
    numbers = _varints(encoded)
    if len(numbers) % 2:
        raise TimingError("a write has no length")
    times = accumulate(numbers[::2], initial=base_us)
    next(times)
    writes = list(zip(times, numbers[1::2], strict=True))
    if writes and writes[-1][0] > _MAX_TIME_US:
        raise TimingError("a time is out of range")
    return writes


@dataclass(frozen=True, slots=True)
class Timing:
    """Decoded timing. `times_us[i]` is the time of the write that ends at offset `ends[i]`."""

    base_us: int
    base_offset: int
    times_us: list[int]
    ends: list[int]

    @classmethod
    def decode(cls, encoded: bytes, base_us: int = 0, base_offset: int = 0) -> "Timing":
        """Timing of a run that starts at `base_offset`. Raises TimingError."""
        writes = decode(encoded, base_us)
        ends = list(accumulate((length for _, length in writes), initial=base_offset))
        return cls(base_us, base_offset, [time_us for time_us, _ in writes], ends[1:])

    def offset_at(self, time_us: int) -> int:
        """Offset up to which output had been written at `time_us`, writes of that very moment included."""
        index = bisect_right(self.times_us, time_us)
        return self.ends[index - 1] if index else self.base_offset

    def time_at(self, offset: int) -> int:
        """Time at which the byte at `offset` was written; behind the run, that of its last write."""
        if not self.times_us:
            return self.base_us
        index = bisect_right(self.ends, offset)
        return self.times_us[min(index, len(self.times_us) - 1)]


def offset_at(encoded: bytes, time_us: int, base_us: int = 0, base_offset: int = 0) -> int:
    """`Timing.offset_at` for one question."""
    return Timing.decode(encoded, base_us, base_offset).offset_at(time_us)


def time_at(encoded: bytes, offset: int, base_us: int = 0, base_offset: int = 0) -> int:
    """`Timing.time_at` for one question."""
    return Timing.decode(encoded, base_us, base_offset).time_at(offset)


def _append_varint(encoded: bytearray, number: int) -> None:
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)


def _varints(encoded: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift >= 7 * _MAX_VARINT_BYTES:
                raise TimingError("a number is longer than 64 bits")
        else:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise TimingError("the last number is cut off")
    return numbers
