"""The timing of a run of output: times and offsets, there and back."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.timing import Timing, TimingError, decode, encode, offset_at, time_at

# Nothing here reaches a database.
pytestmark = pytest.mark.once

gaps_and_lengths = st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 1 << 40)), max_size=40)
bases = st.integers(0, 10**15)


def writes_of(gaps: list[tuple[int, int]], base_us: int) -> list[tuple[int, int]]:
    times = list(accumulate((gap for gap, _ in gaps), initial=base_us))[1:]
    return [(time_us, length) for time_us, (_, length) in zip(times, gaps, strict=True)]


@given(gaps_and_lengths, bases)
def test_decoding_gives_back_what_was_encoded(gaps: list[tuple[int, int]], base_us: int) -> None:
    writes = writes_of(gaps, base_us)

    assert decode(encode(writes, base_us), base_us) == writes


@given(gaps_and_lengths, bases, st.integers(0, 10**6), st.integers(0, 10**16))
def test_the_offset_at_a_time_is_what_had_been_written_by_then(
    gaps: list[tuple[int, int]], base_us: int, base_offset: int, time_us: int
) -> None:
    writes = writes_of(gaps, base_us)
    written = sum(length for at_us, length in writes if at_us <= time_us)

    assert offset_at(encode(writes, base_us), time_us, base_us, base_offset) == base_offset + written


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=30), bases)
def test_the_time_at_an_offset_is_that_of_the_write_that_holds_the_byte(
    gaps: list[tuple[int, int]], base_us: int
) -> None:
    writes = writes_of(gaps, base_us)
    encoded = encode(writes, base_us)
    times_of_bytes = [time_us for time_us, length in writes for _ in range(length)]

    for offset, time_us in enumerate(times_of_bytes):
        assert time_at(encoded, offset + 7, base_us, base_offset=7) == time_us
    assert time_at(encoded, 7 + len(times_of_bytes), base_us, 7) == (writes[-1][0] if writes else base_us)


def test_a_typical_write_takes_four_bytes() -> None:
    assert len(encode([(n * 12_000, 900) for n in range(1, 101)])) == 400


def test_before_the_first_write_nothing_was_written() -> None:
    timing = Timing.decode(encode([(500, 3)], 100), 100, 1000)

    assert timing.offset_at(499) == 1000
    assert timing.offset_at(500) == 1003


@pytest.mark.parametrize("encoded", [b"\x80", b"\x01", b"\x01\x80", b"\xff" * 11 + b"\x00\x00"])
def test_what_is_no_timing_is_refused(encoded: bytes) -> None:
    with pytest.raises(TimingError):
        decode(encoded)


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(encoded: bytes) -> None:
    try:
        writes = decode(encoded)
    except TimingError:
        return
    assert [time_us for time_us, _ in writes] == sorted(time_us for time_us, _ in writes)


def test_times_that_go_back_are_not_encoded() -> None:
    with pytest.raises(ValueError, match="after 10 us"):
        encode([(10, 1), (9, 1)])
