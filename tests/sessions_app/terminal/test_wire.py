"""Frames of the live protocol, and the client that neither misses nor repeats a byte."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.follower import Follower, Hole
from sessions_app.terminal.wire import (
    EndFrame,
    ExitFrame,
    Frame,
    FrameError,
    GapFrame,
    InfoFrame,
    KeyframeFrame,
    MarkerFrame,
    OutputFrame,
    ResizeFrame,
    decode,
    encode,
)

# Nothing here reaches a database.
pytestmark = pytest.mark.once

u64 = st.integers(0, (1 << 64) - 1)
u16 = st.integers(0, (1 << 16) - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(OutputFrame, u64, u64, st.binary()),
    st.builds(ResizeFrame, u64, u64, u16, u16),
    st.builds(MarkerFrame, u64, u64, words),
    st.builds(ExitFrame, u64, u64, st.one_of(st.none(), st.integers(-(1 << 31), (1 << 31) - 1))),
    st.builds(KeyframeFrame, u64, u64, u16, u16, st.binary()),
    st.builds(GapFrame, u64, u64, u64),
    st.builds(EndFrame, u64, u64),
    st.builds(InfoFrame, u64, u64, st.dictionaries(words, st.one_of(words, st.integers(), st.none()))),
)


@given(frames)
def test_a_frame_decodes_to_itself(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


def test_the_layout_of_a_frame_is_the_documented_one() -> None:
    head = bytes.fromhex("0000000000000102 0000000000000304")

    assert encode(OutputFrame(0x102, 0x304, b"hi")) == b"\x01" + head + b"hi"
    assert encode(ResizeFrame(0x102, 0x304, 80, 24)) == b"\x02" + head + b"\x00\x50\x00\x18"
    assert encode(MarkerFrame(0x102, 0x304, "ż")) == b"\x03" + head + b"\xc5\xbc"
    assert encode(ExitFrame(0x102, 0x304, -1)) == b"\x04" + head + b"\xff\xff\xff\xff"
    assert encode(ExitFrame(0x102, 0x304, None)) == b"\x04" + head
    assert encode(KeyframeFrame(0x102, 0x304, 80, 24, b"k")) == b"\x05" + head + b"\x00\x50\x00\x18k"
    assert encode(GapFrame(0x102, 0x304, 9)) == b"\x06" + head + b"\x00" * 7 + b"\x09"
    assert encode(EndFrame(0x102, 0x304)) == b"\x07" + head
    assert encode(InfoFrame(0x102, 0x304, {"a": 1})) == b"\x08" + head + b'{"a": 1}'


@given(st.binary(max_size=40))
def test_any_message_decodes_or_is_refused(message: bytes) -> None:
    try:
        frame = decode(message)
    except FrameError:
        return
    assert decode(encode(frame)) == frame


@pytest.mark.parametrize(
    "message", [b"", b"\x01", b"\x09" + bytes(16), b"\x02" + bytes(17), b"\x08" + bytes(16) + b"[]"]
)
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(FrameError):
        decode(message)


def test_output_is_taken_at_the_expected_offset_only() -> None:
    follower = Follower()

    assert follower.receive(OutputFrame(0, 1, b"abc")) == OutputFrame(0, 1, b"abc")
    assert follower.receive(OutputFrame(0, 1, b"abc")) is None
    assert follower.receive(OutputFrame(1, 2, b"bcdef")) == OutputFrame(3, 2, b"def")
    assert follower.receive(OutputFrame(7, 3, b"h")) == Hole(6)
    assert follower.receive(OutputFrame(8, 3, b"i")) is None
    assert follower.receive(OutputFrame(6, 4, b"gh")) == OutputFrame(6, 4, b"gh")
    assert follower.receive(OutputFrame(9, 5, b"j")) == Hole(8)
    assert follower.expected == 8


def test_events_are_applied_once_and_only_where_they_happened() -> None:
    follower = Follower()
    follower.receive(OutputFrame(0, 1, b"abc"))

    assert follower.receive(ResizeFrame(3, 2, 90, 20)) == ResizeFrame(3, 2, 90, 20)
    assert follower.receive(ResizeFrame(3, 2, 90, 20)) is None
    assert follower.receive(MarkerFrame(2, 1, "old")) is None
    assert follower.receive(MarkerFrame(5, 3, "early")) == Hole(3)
    assert follower.receive(OutputFrame(3, 3, b"de")) == OutputFrame(3, 3, b"de")
    assert follower.receive(MarkerFrame(5, 3, "now")) == MarkerFrame(5, 3, "now")
    assert follower.receive(ExitFrame(5, 4, 0)) == ExitFrame(5, 4, 0)
    assert not follower.ended
    assert follower.receive(EndFrame(5, 4)) == EndFrame(5, 4)
    assert follower.ended


def test_a_late_joiner_starts_from_any_keyframe() -> None:
    follower = Follower()

    assert follower.receive(InfoFrame(5000, 9, {"state": "live"})) == InfoFrame(5000, 9, {"state": "live"})
    keyframe = KeyframeFrame(4000, 8, 80, 24, b"screen")
    assert follower.receive(keyframe) == keyframe
    assert follower.receive(OutputFrame(4000, 9, b"x")) == OutputFrame(4000, 9, b"x")


def test_a_keyframe_in_mid_stream_is_taken_only_when_a_gap_announced_it() -> None:
    follower = Follower()
    follower.receive(OutputFrame(0, 1, b"abc"))

    assert follower.receive(KeyframeFrame(2, 1, 80, 24, b"old")) is None
    assert follower.receive(KeyframeFrame(900, 1, 80, 24, b"new")) is None
    assert follower.receive(GapFrame(1, 2, 900)) == GapFrame(3, 2, 900)
    assert follower.receive(OutputFrame(900, 2, b"before its screen")) == Hole(3)
    assert follower.receive(KeyframeFrame(900, 2, 80, 24, b"new")) == KeyframeFrame(900, 2, 80, 24, b"new")
    assert follower.expected == 900


def test_a_connection_lost_between_gap_and_keyframe_is_told_the_gap_again() -> None:
    follower = Follower()
    follower.receive(OutputFrame(0, 1, b"abc"))
    follower.receive(GapFrame(3, 2, 900))
    follower.reconnected()

    assert follower.expected == 3
    assert follower.receive(KeyframeFrame(900, 2, 80, 24, b"new")) is None
    assert follower.receive(OutputFrame(3, 2, b"de")) == OutputFrame(3, 2, b"de")


@given(st.integers(0, 1 << 32))
def test_whatever_is_lost_repeated_or_cut_the_bytes_are_followed_exactly(seed: int) -> None:
    """A server that answers each hole from the expected offset, over a channel that loses and repeats."""
    chance = random.Random(seed)
    output = chance.randbytes(600)
    follower, followed, send_from = Follower(), bytearray(), 0
    for _ in range(10_000):
        if follower.expected == len(output):
            break
        start = max(0, send_from - chance.randrange(3))
        frame = OutputFrame(start, 0, output[start : start + 1 + chance.randrange(40)])
        send_from = start + len(frame.data)
        if chance.random() < 0.2:
            send_from = min(send_from, len(output) - 1)
            continue
        for _ in range(1 + chance.randrange(2)):
            applied = follower.receive(decode(encode(frame)))
            if isinstance(applied, Hole):
                send_from = applied.expected
            elif isinstance(applied, OutputFrame):
                assert applied.offset == len(followed)
                followed += applied.data
        if send_from >= len(output) and follower.expected < len(output):
            follower.reconnected()
            send_from = follower.expected
    assert bytes(followed) == output
