"""Small pictures of screens: what they show, and that nothing a program prints gets out of them."""

import time
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal import picture
from sessions_app.terminal.box_drawing import ARMS
from sessions_app.terminal.engine.model import Style, StyledScreen
from sessions_app.terminal.picture import CELL_HEIGHT, CELL_WIDTH, draw
from sessions_app.terminal.picture_paint import paint_of

# Nothing here reaches a database.
pytestmark = pytest.mark.once

PLAIN = Style()


type Row = Sequence[tuple[str, Style]]


def screen(
    lines: Sequence[Row], cols: int = 80, rows: int = 24, cursor: tuple[int, int] | None = None
) -> StyledScreen:
    filled = [tuple(line) for line in lines] + [()] * (rows - len(lines))
    column, row = cursor or (0, 0)
    return StyledScreen(cols, tuple(filled), column, row, cursor is not None, is_alternate=False)


def parsed(
    *lines: Row, cols: int = 80, rows: int = 24, cursor: tuple[int, int] | None = None
) -> ElementTree.Element:
    """The picture as a tree: that it is well-formed XML is what keeps it inside its element."""
    return ElementTree.fromstring(draw(screen(lines, cols, rows, cursor)))  # noqa: S314  our own output


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter("text")]


def spans(svg: ElementTree.Element) -> list[tuple[str, str, str]]:
    """(place, class, text) of each."""
    return [(span.get("x", ""), span.get("class", ""), span.text or "") for span in svg.iter("tspan")]


def paths(svg: ElementTree.Element) -> dict[str, str]:
    """What is drawn, by how it is painted."""
    return {path.get("class", path.get("color", "")): path.get("d", "") for path in svg.iter("path")}


def test_words_stand_in_their_cells_with_their_colours() -> None:
    svg = parsed([("one  two", Style(foreground=2, bold=True))], [("three", PLAIN)])
    assert spans(svg) == [("0", "bold green", "one"), ("30", "bold green", "two"), ("0", "", "three")]
    assert [text.get("y") for text in svg.iter("text")] == ["10", "23"]
    assert svg.get("viewBox") == f"0 0 {80 * CELL_WIDTH} {24 * CELL_HEIGHT}"


def test_text_flows_on_where_every_character_is_one_cell_wide() -> None:
    svg = parsed([("ab", PLAIN), ("cd", Style(foreground=9)), ("ef", PLAIN)])
    assert spans(svg) == [("0", "", "ab"), ("", "bright-red", "cd")]
    assert texts(svg) == ["abcdef"]


def test_what_follows_a_wide_or_unusual_character_stands_in_its_own_cell() -> None:
    svg = parsed([("漢→é x", PLAIN)])
    assert spans(svg) == [("0", "", "漢"), ("12", "", "→"), ("18", "", "é x")]


def test_characters_are_as_wide_as_the_engine_has_them() -> None:
    # Newer than Unicode 11, of which xterm.js knows the widths; flags are two letters there.
    assert [picture.width_of(character) for character in "a漢\N{MELTING FACE}\N{GRINNING FACE}\u0301\u200d☰"] == [
        1, 2, 1, 2, 0, 0, 1,
    ]  # fmt: skip


def test_marks_stay_on_their_character_and_are_few() -> None:
    svg = parsed([("a" + "\u0301" * 5_000 + "b", PLAIN)], [("字" + "\u0301" * 9, PLAIN)])
    assert texts(svg) == ["a" + "\u0301" * picture.MAX_MARKS + "b", "字" + "\u0301" * picture.MAX_MARKS]
    assert spans(svg)[1] == ("6", "", "b")


def test_what_would_turn_the_text_around_is_left_out() -> None:
    assert texts(parsed([("\u202eabc\u2066d\x1b\x00", PLAIN)])) == ["abcd"]


def test_markup_is_text() -> None:
    hostile = "</svg><script>alert('1')</script>&amp;\"<img src=x onerror=alert(1)>"
    svg = parsed([(hostile, PLAIN)])
    assert texts(svg) == [hostile]
    assert {element.tag for element in svg.iter()} == {"svg", "text", "tspan"}


def test_inverse_text_takes_the_colours_of_the_theme() -> None:
    svg = parsed([("ab", Style(inverse=True)), ("c", Style(foreground=1, background=4, inverse=True))])
    assert [name for _, name, _ in spans(svg)] == ["on ground", "on dark blue"]
    assert paths(svg) == {"ink": "M0 0h12v13h-12z", "red": "M12 0h6v13h-6z"}


def test_fixed_colours_are_attributes_and_text_on_them_is_legible() -> None:
    assert paint_of(Style(foreground=196)).text == ' color="#ff0000"'
    assert paint_of(Style(foreground=244)).text == ' color="#808080"'
    assert paint_of(Style(foreground="#102030", faint=True)).text == ' class="faint" color="#102131"'
    dark, light = (paint_of(Style(foreground=15, background=colour)).text for colour in (236, 255))
    assert (dark, light) == (' class="on dark bright-white"', ' class="on light bright-white"')
    assert paint_of(Style(foreground=208, inverse=True)).text == ' class="on light"'
    assert paint_of(Style(foreground=15, background=1)).text == ' class="on dark bright-white"'
    assert paint_of(Style(foreground=1, inverse=True)).text == ' class="on ground"'
    assert paint_of(Style(background=236)).behind == ' color="#303030"'


def test_invisible_text_takes_its_room_only() -> None:
    assert spans(parsed([("secret", Style(invisible=True)), ("x", PLAIN)])) == [("36", "", "x")]


def test_frames_and_bars_are_lines_and_surfaces() -> None:
    drawn = paths(parsed([("┌──┐", Style(foreground=8))], [("██▌░", Style(foreground=2))], [("━", PLAIN)]))
    assert drawn == {
        "line bright-black": "M3 6.5v6.5M3 6.5h3M6 6.5h12M21 6.5v6.5M21 6.5h-3",
        "green": "M0 13h12v13h-12zM12 13h3v13h-3z",
        "quarter green": "M18 13h6v13h-6z",
        "line heavy": "M0 32.5h6",
    }


WEIGHTS = {"LIGHT": 1, "SINGLE": 1, "HEAVY": 2, "DOUBLE": 3}
WAYS = {"UP": [0], "RIGHT": [1], "DOWN": [2], "LEFT": [3], "VERTICAL": [0, 2], "HORIZONTAL": [1, 3]}


@pytest.mark.parametrize("character", ARMS)
def test_the_arms_of_box_drawing_are_those_of_its_names(character: str) -> None:
    name = unicodedata.name(character).removeprefix("BOX DRAWINGS ")
    clauses = name.split(" AND ") if sum(name.count(weight) for weight in WEIGHTS) > 1 else [name]
    arms = [0, 0, 0, 0]
    for clause in clauses:
        weight = next(WEIGHTS[word] for word in clause.split() if word in WEIGHTS)
        for word in clause.split():
            for way in WAYS.get(word, []):
                arms[way] = weight
    assert ARMS[character] == tuple(arms)


def test_the_cursor_is_where_the_screen_has_it() -> None:
    assert paths(parsed(cursor=(3, 2)))["cursor"] == "M18 26h6v13h-6z"
    assert "cursor" not in paths(parsed(cursor=None))


def test_a_window_of_one_cell_is_not_blown_up() -> None:
    svg = parsed([("x", PLAIN)], cols=1, rows=1, cursor=(0, 0))
    assert svg.get("viewBox") == f"0 0 {picture.MIN_COLUMNS * CELL_WIDTH} {picture.MIN_ROWS * CELL_HEIGHT}"


def test_of_a_huge_window_the_part_with_the_cursor_is_drawn() -> None:
    lines: Sequence[Row] = [[(f"{number} " + "x" * 600, PLAIN)] for number in range(200)]
    svg = parsed(*lines, cols=500, rows=200, cursor=(0, 199))
    assert svg.get("viewBox") == f"0 0 {picture.MAX_COLUMNS * CELL_WIDTH} {picture.MAX_ROWS * CELL_HEIGHT}"
    shown = texts(svg)
    assert [text.split()[0] for text in shown] == [str(number) for number in range(120, 200)]
    assert max(map(len, shown)) == picture.MAX_COLUMNS
    assert texts(parsed(*lines, cols=500, rows=200, cursor=(0, 5)))[0].startswith("5 ")


def test_a_screen_in_a_thousand_colours_stays_small() -> None:
    colours = (f"#{number * 7919 & 0xFFFFFF:06x}" for number in range(50_000))
    lines = [[("漢", Style(foreground=next(colours))) for _ in range(250)] for _ in range(200)]
    assert len(draw(screen(lines, 500, 200))) < 150_000


def test_ten_million_marks_end_in_time() -> None:
    lines = [[("e" + "\u0301" * 400_000, PLAIN)] for _ in range(24)]
    started = time.perf_counter()
    assert len(draw(screen(lines))) < 5_000
    assert time.perf_counter() - started < 1


@given(
    st.lists(
        st.lists(
            st.tuples(st.text(max_size=40), st.builds(Style, st.none() | st.integers(0, 255))), max_size=4
        )
    ),
    st.integers(1, 500),
    st.integers(1, 200),
)
def test_any_text_is_one_well_formed_picture(
    lines: list[list[tuple[str, Style]]], cols: int, rows: int
) -> None:
    svg = parsed(*lines[:rows], cols=cols, rows=rows, cursor=(cols - 1, rows - 1))
    allowed = {"svg", "g", "text", "tspan", "path"}
    assert {element.tag for element in svg.iter()} <= allowed
