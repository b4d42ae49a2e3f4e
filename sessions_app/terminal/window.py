"""The sizes that a window may have: the same wherever one comes in and wherever one is drawn."""

#: More than any real screen has (a 5K display at 4 pixels a cell).
MAX_COLS = MAX_ROWS = 2_000
#: What such a display holds. A few bytes that clear or switch the screen touch all of its cells: output full of them
#: costs the engine 7 seconds for each megabyte at this area, and a minute in a window of 2,000 columns and rows.
MAX_CELLS = 500_000


def allowed_size(cols: int, rows: int) -> tuple[int, int]:
    """The nearest columns and rows that a window may have. Rows give way, since text is laid out in columns."""
    cols = min(max(cols, 1), MAX_COLS)
    return cols, min(max(rows, 1), MAX_ROWS, MAX_CELLS // cols)


def read_size(text: str) -> tuple[int, int]:
    """Columns and rows out of `COLSxROWS`, as the event of a resize is stored. Raises ValueError."""
    cols, _, rows = text.partition("x")
    return allowed_size(int(cols), int(rows))
