"""A signed head as a QR code: the shortest way off a machine that is only looked at.

The code holds the note itself, so that what a camera reads can be given to `audit verify --head` as it is.
"""

from itertools import groupby, zip_longest
from typing import Final

import segno

# Modules of light around the code, without which no reader finds it.
_QUIET: Final = 4
#: Two rows of modules in a line of text, by whether the upper and the lower one are light.
_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def head_qr_svg(note: str) -> str:
    """The code in the colour of the text around it; its ground is the page's, and has to be lighter."""
    rows = _dark_modules(note)
    path = "".join(_runs(row, y) for y, row in enumerate(rows))
    side = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="none" stroke="currentColor" d="{path}"/></svg>'
    )


def head_qr_text(note: str) -> str:
    """The code for a terminal, its light modules drawn: terminals are dark, and readers know both ways round."""
    rows = _dark_modules(note)
    blank = [True] * len(rows)
    lines = [
        "".join(_HALVES[not upper, not lower] for upper, lower in zip(above, below, strict=True))
        for above, below in zip_longest(rows[::2], rows[1::2], fillvalue=blank)
    ]
    return "\n".join(lines)


def _dark_modules(note: str) -> list[list[bool]]:
    code = segno.make(note, error="m", micro=False, encoding="utf-8")
    return [[bool(module) for module in row] for row in code.matrix_iter(border=_QUIET)]


def _runs(row: list[bool], y: int) -> str:
    """A line for each run of dark modules, through their middle."""
    drawn, x = [], 0
    for is_dark, run in groupby(row):
        width = len(list(run))
        if is_dark:
            drawn.append(f"M{x} {y}.5h{width}")
        x += width
    return "".join(drawn)
