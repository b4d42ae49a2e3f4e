"""A head as a QR code: both drawings are the same code, and it holds the note."""

import re

import segno

from audit.notes import Signer, TreeHead
from audit.qr import head_qr_svg, head_qr_text

SIGNER = Signer("scrollback/0123456789abcdef", bytes(range(32)))
# The longest that a note can be.
NOTE = SIGNER.sign(str(TreeHead(SIGNER.name, 10**17, bytes(range(32)))))


def modules() -> list[list[bool]]:
    """As the library has them, with the quiet zone around."""
    code = segno.make(NOTE, error="m", micro=False, encoding="utf-8")
    assert code.mode == "byte"
    return [[bool(module) for module in row] for row in code.matrix_iter(border=4)]


def test_the_terminal_shows_every_module_in_80_columns() -> None:
    lines = head_qr_text(NOTE).split("\n")
    light = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
    rows = [[not light[half][part] for half in line] for line in lines for part in (0, 1)]
    expected = modules()
    assert rows[: len(expected)] == expected
    assert len(lines[0]) <= 80


def test_the_picture_shows_every_module_in_the_colour_of_the_text() -> None:
    svg = head_qr_svg(NOTE)
    expected = modules()
    side = len(expected)
    rows = [[False] * side for _ in range(side)]
    for x, y, width in re.findall(r"M(\d+) (\d+)\.5h(\d+)", svg):
        for column in range(int(x), int(x) + int(width)):
            rows[int(y)][column] = True
    assert rows == expected
    assert f'viewBox="0 0 {side} {side}"' in svg
    assert 'stroke="currentColor"' in svg


def test_a_terminal_with_an_odd_number_of_rows_ends_dark() -> None:
    """What is below the last row is the terminal's own ground, not a row of the code."""
    assert len(modules()) % 2 == 1
    assert set(head_qr_text(NOTE).split("\n")[-1]) == {"▀"}
