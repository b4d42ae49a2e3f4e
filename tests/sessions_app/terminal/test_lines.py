"""Blocks of lines come back as they were, and are searched without being taken apart."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.line_search import Pattern
from sessions_app.terminal.lines import (
    Block,
    LinesError,
    blocks,
    decode_lines,
    decode_runs,
    encode_lines,
    encode_runs,
    find_lines,
    runs_of,
)

# Nothing here reaches a database.
pytestmark = pytest.mark.once

_texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30)
_lines = st.lists(
    st.builds(
        Line, st.integers(0, 1 << 50) | st.integers(0, 3), st.integers(0, 1 << 52) | st.integers(0, 2), _texts
    ),
    max_size=40,
)


@given(_lines)
def test_lines_come_back_as_they_were(lines: list[Line]) -> None:
    assert decode_lines(encode_lines(lines)) == lines


def test_a_line_with_a_newline_is_refused() -> None:
    with pytest.raises(ValueError, match="newline"):
        encode_lines([Line(0, 0, "a\nb")])


def test_a_line_knows_when_others_were_listed_before_it() -> None:
    lines = [Line(5, 0, "a"), Line(5, 0, "b"), Line(9, 1, "c"), Line(9, 2, "d"), Line(12, 3, "e")]
    block = Block(encode_lines(lines))

    assert [block.listed_before(number) for number in range(5)] == [None, None, 5, 5, 9]


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_block_or_refused(data: bytes) -> None:
    try:
        lines = decode_lines(data)
    except LinesError:
        return
    assert len(lines) <= len(data)


@given(_lines, st.integers(0, 200))
def test_a_block_cut_short_is_refused_or_has_other_lines(lines: list[Line], length: int) -> None:
    encoded = encode_lines(lines)
    cut = encoded[:length]
    if len(cut) < len(encoded):
        with suppress(LinesError):
            assert decode_lines(cut) != lines


@given(_lines)
def test_runs_come_back_as_they_were(lines: list[Line]) -> None:
    runs = list(runs_of(lines))
    assert decode_runs(encode_runs(runs)) == runs
    assert sum(run.line_count for run in runs) == len(lines)


@given(_lines, st.integers(1, 80))
def test_groups_hold_every_run_once_and_divide_no_offset(lines: list[Line], size: int) -> None:
    runs = list(runs_of(lines))
    groups = list(blocks(runs, size))
    assert [run for group in groups for run in group] == runs
    assert all(before[-1].offset != after[0].offset for before, after in pairwise(groups))
    for group in groups:
        before_last = sum(len(run.text) + 1 for run in group if run.offset != group[-1].offset)
        assert before_last < size


@given(_lines, st.sampled_from(["a", "0", "é", "ß", " "]))
def test_every_line_with_the_text_is_found_whatever_its_case(lines: list[Line], needle: str) -> None:
    pattern = Pattern(needle)
    expected = [line for line in lines if pattern.search(line.text)]
    assert list(find_lines(encode_lines(lines), pattern)) == expected


def test_lines_keep_their_own_place_and_time() -> None:
    block = encode_lines([Line(5, 6, "an ERROR"), Line(5, 6, "none"), Line(7, 8, "Error"), Line(3, 1, "")])
    assert list(find_lines(block, Pattern("error"))) == [Line(5, 6, "an ERROR"), Line(7, 8, "Error")]


def test_many_lines_of_one_moment_take_little_more_than_their_text() -> None:
    lines = [Line(10**9 + number // 100, 10**12, f"line {number}") for number in range(1_000)]
    assert len(encode_lines(lines)) < sum(len(line.text) + 1 for line in lines) + 100
