"""The text between escape sequences: the quick way and the careful one read the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.terminal.masking.view import read, read_plainly

# Nothing here reaches a database.
pytestmark = pytest.mark.once

PIECES = st.sampled_from(
    [
        b"abc", b"\xc3\xa9", b"\r\n", b"\x1b[31m", b"\x1b[0K", b"\x1b[5;9H", b"\x1b[?25l", b"\x1b[2J", b"\x1b(B",
        b"\x1b=", b"\x1b7", b"\x1bM", b"\x1b]0;title\x07", b"\x1b]8;;http://x\x1b\\", b"\x1bPq#0\x1b\\", b"\x1b_G\x18",
        b"\x1b]0;cut", b"\x1b", b"\x1b[", b"\x1b[3", b"\x1b\x1b", b"\x1b\x80", b"\x9b31m",
    ]
)  # fmt: skip


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=10))
def test_both_ways_read_the_same(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    plainly = read_plainly(raw)
    assert plainly is not None
    drawn, strings, end = plainly
    careful = read(raw, in_string=False)
    if careful.end != end:
        # A control string that is not finished is held back whole, where the careful way reads what is there.
        careful = read(raw[:end] + b"\x1b[m", in_string=False)
    assert bytes(careful.drawn.data) == drawn
    assert bytes(careful.strings.data).strip(b"\x1b") == strings.strip(b"\x1b")


@settings(max_examples=300)
@given(st.lists(st.one_of(PIECES, st.just(b"x\b")), max_size=10))
def test_every_character_knows_where_it_came_from(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    reading = read(raw, in_string=False)
    for view in (reading.drawn, reading.redrawn or reading.drawn, reading.strings):
        for position, byte in enumerate(view.data):
            place = view.raw_position(position)
            assert raw[place] == byte or byte == 0x1B
            if byte != 0x1B:
                assert view.position_before(place) == position


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"g\bgh\bhp", b"ghp"),
        (b"abc\b\b\bxyz", b"xyz"),
        (b"a\x1b[1mb", b"ab"),
        (b"a\x1b[3Cb", b"a\x1bb"),
        (b"a\x1b]2;t\x07b", b"ab"),
        (b"pw: \b \bx", b"pw:x"),
    ],
)
def test_what_is_drawn(raw: bytes, text: bytes) -> None:
    reading = read(raw, in_string=False)
    assert bytes((reading.redrawn or reading.drawn).data) == text
