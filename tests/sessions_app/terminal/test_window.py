"""One limit for every size, wherever it comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.window import MAX_CELLS, MAX_COLS, MAX_ROWS, allowed_size, read_size


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_every_size_becomes_one_that_stays_as_it_is(cols: int, rows: int) -> None:
    size = allowed_size(cols, rows)
    assert 1 <= size[0] <= MAX_COLS
    assert 1 <= size[1] <= MAX_ROWS
    assert size[0] * size[1] <= MAX_CELLS
    assert allowed_size(*size) == size


@pytest.mark.parametrize("size", [(1, 1), (80, 24), (1, MAX_ROWS), (MAX_COLS, 1), (1_280, 360)])
def test_a_size_that_a_screen_can_have_is_kept(size: tuple[int, int]) -> None:
    assert allowed_size(*size) == size


def test_rows_give_way_and_columns_stay() -> None:
    assert allowed_size(2_000, 2_000) == (2_000, 250)


def test_a_stored_size_that_was_allowed_once_is_read_as_one_that_is() -> None:
    assert read_size("90x20") == (90, 20)
    assert read_size("2000x2000") == (2_000, 250)
