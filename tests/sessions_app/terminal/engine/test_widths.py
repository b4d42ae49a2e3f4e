"""The engine and xterm.js agree how wide every emoji is, and what was replaced to this end comes back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.widths import from_library, to_library, unended
from tests.sessions_app.terminal.engine.judge import Look, judging

# Nothing here reaches a database.
pytestmark = pytest.mark.once

_ROWS = 256


def test_every_emoji_and_symbol_is_as_wide_as_in_xterm() -> None:
    blocks = [range(start, start + _ROWS) for start in (0x2600, *range(0x1F000, 0x20000, _ROWS))]
    # Two are one column wide for the library, and no other character can stand for them; six are in nobody's use.
    exceptions = {0x1F93B, 0x1F946, *range(0x268A, 0x2690)}
    with judging() as judge:
        for block in blocks:
            characters = [chr(code) for code in block if code not in exceptions]
            # A bar in the third column stands next to a wide character, or behind a space.
            output = "\r\n".join(f"{character}\x1b[3G|" for character in characters).encode()
            engine = GhosttyEngine(10, _ROWS)
            engine.feed(output)
            (state,) = judge.replay(10, _ROWS, [output, Look()])
            assert list(engine.screen().rows) == state["rows"]


@given(st.text())
def test_replaced_characters_come_back(text: str) -> None:
    # Private characters of the last plane may come back as what they stand for.
    data = text.encode("utf-8", "replace")
    if b"\xf4\x8f" not in data and b"\xef\xa0" not in data:
        assert from_library(to_library(data)) == data
    assert len(to_library(data)) == len(data)


@given(st.text(st.sampled_from("a🇯🪄☰é😀\x1b[!p]8;"), max_size=20), st.lists(st.integers(0, 80), max_size=5))
def test_characters_cut_anywhere_are_replaced_whole(text: str, cuts: list[int]) -> None:
    data = text.encode()
    held, taken = b"", b""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for first, last in pairwise(places):
        part = held + data[first:last]
        held = unended(part)
        taken += to_library(part[: len(part) - len(held)])
    assert taken + to_library(held) == to_library(data)
