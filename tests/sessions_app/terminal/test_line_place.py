from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.asciicast.model import Output, Resize
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.engine import model
from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.line_place import places_in
from sessions_app.terminal.line_search import LineHit
from tests.samples import sample

# Nothing here reaches a database.
pytestmark = pytest.mark.once

WINDOW_BYTES = 64 * 1024
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8)


def hit(text: str, offset: int = 0) -> LineHit:
    return LineHit(Line(offset, 0, text), 0, len(text))


def out_for(output: bytes, *texts: str, looked: int | None = None) -> list[bytes | None]:
    """What had to be out for each of the lines, where nothing is redrawn, or as much of it was listed before."""
    places = places_in(output, [hit(text) for text in texts], len(output) if looked is None else looked)
    return [None if place is None else output[:place] for place in places]


def test_a_line_is_there_once_its_last_byte_is_out() -> None:
    assert out_for(b"one\r\ntwo words\r\nthree", "two words") == [b"one\r\ntwo words"]


def test_colours_titles_and_blank_cells_may_stand_between() -> None:
    output = b"x\r\n\x1b[1;32mbold\x1b[0m \x1b]0;title\x07wo\x1b[4mrd\x1b[5Cafter\x1b[K\r\nmore"

    assert out_for(output, "bold word     after") == [output[: output.index(b"\x1b[K")]]
    assert out_for(b"a\tb\x1b[31mc\r\n", "a       bc") == [b"a\tb\x1b[31mc"]


def test_the_last_of_the_same_lines_is_meant_and_others_come_before_it() -> None:
    output = b"same\r\nsame\r\nother\r\nsame\r\n"

    assert out_for(output, "same") == [output[:-2]]
    assert out_for(output, "same", "other", "same") == [output[:10], output[:17], output[:-2]]


def test_on_a_redrawn_screen_the_first_is_meant_since_lines_were_listed_before() -> None:
    before, frame = b"busy 7 of 9\r\n", b"\x1b[H\x1b[32mbusy\x1b[0m 7 of 9\x1b[K\r\n"
    output = before + frame * 50

    first = before + frame[: frame.index(b"\x1b[K")]
    assert out_for(output, "busy 7 of 9", looked=len(before)) == [first]
    assert out_for(output, "busy 7 of 9", "busy 7 of 9", looked=len(before)) == [
        first,
        before + frame + frame[: frame.index(b"\x1b[K")],
    ]
    assert out_for(b"9 %\r10 %\r10 %\r", "10 %", looked=0) == [b"9 %\r10 %"]


def test_the_beginning_of_another_line_is_not_meant() -> None:
    output = b"\x1b[Hline 42\x1b[2Hline \x1b[1m4\x1b[m2\x1b[3Hline 4\x1b[K\x1b[3Hline 4"

    assert out_for(output, "line 4", looked=0) == [output[: output.index(b"\x1b[K")]]


def test_a_line_that_was_written_before_is_found_on_a_redrawn_screen_too() -> None:
    output = b"done\r\n\x1b[5Hother"

    assert out_for(output, "done", "other", looked=6) == [b"done", output]


def test_a_line_put_together_from_parts_is_not_found() -> None:
    assert out_for(b"\x1b[2;5Hworld\x1b[2;1Hhey \x1b[3;1H", "hey world") == [None]
    assert out_for(b"", "x") == [None]
    assert out_for(b"anything", "") == [None]


def test_of_a_very_long_line_the_part_around_the_match_counts() -> None:
    text = "x" * 3_000 + "needle" + "y" * 3_000
    output = text.encode()
    (place,) = places_in(output, [LineHit(Line(0, 0, text), 3_000, 3_006)], 0)

    assert place is not None
    assert 3_006 <= place <= 3_200


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(st.sampled_from([b"\x1b[m", b"\x1b[38;5;9m", b""])))
def test_any_words_are_found_through_any_colours(words: list[str], colours: list[bytes]) -> None:
    colours = [*colours, *[b""] * len(words)]
    line = b" ".join(colour + word.encode() for word, colour in zip(words, colours, strict=False))
    output = b"# before\r\n" + line + b"\r\n# after"
    (place,) = places_in(output, [hit(" ".join(words))], 0)

    assert place is not None
    assert output[:place].startswith(b"# before\r\n")
    assert place <= len(output) - len(b"\r\n# after") or " ".join(words) in "# after"


@pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform")
@pytest.mark.parametrize(
    "recording", ["ls-color-R.cast", "git-log.cast", "apt-get.cast", "bash-session.cast", "vim-edit.cast"]
)
def test_each_line_that_is_found_is_on_the_screen_there(recording: str) -> None:
    items, cols, rows = items_of(sample("recorded", recording))
    deriver = Deriver(cols, rows)
    lines = [line for line in [*deriver.take(items).lines, *deriver.finish().lines] if line.text.strip()]
    deriver.close()
    output = b"".join(item.data for item in items if isinstance(item, model.Output))
    wanted: dict[int, list[str]] = {}
    missing = 0
    listed = sorted({0, *(line.offset for line in lines)})
    for line in lines[:: max(1, len(lines) // 150)]:
        start = max(0, line.offset - WINDOW_BYTES)
        looked = max(0, listed[listed.index(line.offset) - 1] - start)
        (place,) = places_in(output[start : line.offset], [hit(line.text, line.offset)], looked)
        if place is None:
            missing += 1
        wanted.setdefault(line.offset if place is None else start + place, []).append(line.text)

    for offset, screen in screens(items, cols, rows, sorted(wanted)):
        for text in wanted[offset]:
            assert squeezed(text) in squeezed(screen), f"at byte {offset}"
    # What is drawn with a moving cursor is not, but it still stands there where it was listed.
    assert missing < 80


def squeezed(text: str) -> str:
    return "".join(text.split())


def items_of(path: Path) -> tuple[list[model.Output | model.Resize], int, int]:
    items: list[model.Output | model.Resize] = []
    offset, reader = 0, Reader()
    for item in reader.read(path.read_bytes().splitlines(keepends=True)):
        if isinstance(item, Output):
            items.append(model.Output(offset, item.time_us, item.data))
            offset += len(item.data)
        elif isinstance(item, Resize):
            items.append(model.Resize(0, offset, item.time_us, item.cols, item.rows))
    assert reader.header is not None
    return items, reader.header.cols, reader.header.rows


def screens(
    items: list[model.Output | model.Resize], cols: int, rows: int, offsets: list[int]
) -> list[tuple[int, str]]:
    """The text of the screen after so many bytes, by linear replay."""
    engine, found, due = GhosttyEngine(cols, rows), [], list(offsets)
    for item in items:
        if isinstance(item, model.Resize):
            engine.resize(item.cols, item.rows)
            continue
        fed = 0
        while due and due[0] <= item.offset + len(item.data):
            engine.feed(item.data[fed : due[0] - item.offset])
            fed = due[0] - item.offset
            found.append((due.pop(0), "".join(engine.screen().rows)))
        engine.feed(item.data[fed:])
    engine.close()
    return found
