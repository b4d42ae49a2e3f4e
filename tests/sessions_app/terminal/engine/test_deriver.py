"""Where keyframes are made, and which lines are listed when."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest

from sessions_app.terminal.engine.deriver import SPACING, Deriver, Spacing
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import (
    MAX_KEYFRAME_BYTES,
    Derived,
    Keyframe,
    Line,
    Output,
    Resize,
    Unfinished,
)
from sessions_app.terminal.engine.text import LineReader
from tests.sessions_app.terminal.engine.recordings import Recording, sampled, true_colours, written

# Nothing here reaches a database.
pytestmark = pytest.mark.once

MEGABYTE = 1024 * 1024
RECORDED = ["agent-tui.cast", "bash-session.cast", "git-log.cast", "rich-demo.cast", "vim-edit.cast"]


def _derived(recording: Recording, spacing: Spacing = SPACING, *, piece: int = 1_000) -> list[Derived]:
    deriver = Deriver(recording.cols, recording.rows, spacing=spacing)
    items = recording.items
    taken = [deriver.take(items[first : first + piece]) for first in range(0, len(items), piece)]
    return [*taken, deriver.finish()]


def _lines(derived: Iterable[Derived]) -> list[Line]:
    return [line for part in derived for line in part.lines]


def _texts(writes: Sequence[bytes], cols: int = 80, rows: int = 24) -> list[str]:
    return [line.text for line in _lines(_derived(written(cols, rows, writes)))]


def _keyframes(derived: Iterable[Derived]) -> list[Keyframe]:
    return [keyframe for part in derived for keyframe in part.keyframes]


# Lines.


def test_every_line_of_a_log_is_listed_once_in_order() -> None:
    lines = [f"line {number} of a log" for number in range(5_000)]
    recording = written(
        80, 24, ["\r\n".join(lines[first : first + 7]).encode() + b"\r\n" for first in range(0, 5_000, 7)]
    )
    listed = [line.text for line in _lines(_derived(recording)) if line.text]
    assert listed == lines


@pytest.mark.parametrize(("cols", "rows"), [(80, 24), (200, 60), (8, 5), (5, 2_048)])
def test_short_lines_are_all_listed_however_many_come_at_once(cols: int, rows: int) -> None:
    lines = [str(number) for number in range(60_000)]
    listed = _texts(["".join(f"{line}\r\n" for line in lines).encode()], cols=cols, rows=rows)
    assert [text for text in listed if text] == lines


def test_rows_of_a_narrow_window_are_all_listed() -> None:
    words = [f"word{number:06}" for number in range(5_000)]
    listed = _texts([" ".join(words).encode() + b"\r\n" * 20], cols=4, rows=5)
    assert "".join(listed).split() == words


def test_a_line_is_listed_near_where_it_was_printed() -> None:
    recording = written(80, 24, [b"%06d\r\n" % number for number in range(50_000)], every_us=10)
    for line in _lines(_derived(recording)):
        if line.text:
            printed = (int(line.text) + 1) * 8
            assert printed <= line.offset <= printed + SPACING.slice_bytes + 24 * 8
            assert line.time_us == (line.offset - 1) // 8 * 10


def test_rows_that_the_width_broke_are_one_line() -> None:
    long = "a sentence that is much longer than the window is wide, and goes on and on"
    assert _texts([f"{long}\r\n".encode() * 3 + b"end\r\n" * 30], cols=20, rows=5)[:3] == [long] * 3


def test_a_line_that_several_slices_bring_is_whole() -> None:
    listed = _texts([b"x" * 1_000] * 40 + [b"\r\n" * 30], cols=20, rows=5)
    assert [len(text) for text in listed if text] == [40_000]


def test_an_endless_line_is_cut_into_parts() -> None:
    listed = _texts([b"y" * 60_000] * 20 + [b"\r\n"])
    assert sum(map(len, listed)) == 1_200_000
    assert max(map(len, listed)) <= 65_536 + SPACING.slice_bytes


def test_lines_that_are_printed_again_in_a_log_are_listed_again() -> None:
    assert Counter(_texts([b"retrying\r\n" * 200]))["retrying"] == 200


def test_what_is_printed_again_after_a_clear_is_listed_once() -> None:
    """As an agent does with all of its transcript, for every key that is pressed."""
    writes = []
    for turn in range(30):
        transcript = b"".join(b"message %d\r\n" % number for number in range(100 + turn))
        writes.append(b"\x1b[2J\x1b[3J\x1b[H" + transcript + b"> turn %d" % turn)
    listed = Counter(text for text in _texts(writes) if text.startswith("message"))
    assert listed == Counter(f"message {number}" for number in range(129))


def test_what_is_remembered_of_what_was_cleared_is_bounded() -> None:
    deriver = Deriver(80, 24)
    page = b"".join(b"kept line %d\r\n" % number for number in range(1_000))
    offset = 0
    for number in range(3_000):
        once = b"".join(b"only once %d %d\r\n" % (number, part) for part in range(40))
        data = b"\x1b[2J\x1b[3J\x1b[H" + (page if number < 3 else b"") + once
        deriver.take([Output(offset, 0, data)])
        offset += len(data)
    text = deriver._text
    assert len(text._before) + len(text._since) + len(text._shown) < 50_000


def test_a_redrawn_screen_lists_a_row_when_it_changes() -> None:
    frame = b"\x1b[Hheader\x1b[K\r\nprogress %d\x1b[K\r\nfooter\x1b[K"
    writes = [
        b"\x1b[?1049h",
        *(frame % (number // 100) + b" " * 200 for number in range(500)),
        b"\x1b[?1049lbye",
    ]
    listed = Counter(_texts(writes))
    assert listed["header"] == listed["footer"] == 1
    assert {f"progress {number}": 1 for number in range(5)}.items() <= listed.items()


def test_rows_above_the_cursor_that_are_rewritten_are_listed() -> None:
    writes = [b"building\r\n"]
    for number in range(40):
        writes += [b"step %d\r\nplease wait\r\n" % number, b"\x1b[2A\x1b[J" + b" \r" * 1_000]
    listed = Counter(_texts(writes))
    assert listed["building"] == 1
    assert sum(text.startswith("step ") for text in listed) >= 4


def test_what_stands_on_the_screen_when_nothing_happens_is_listed_then() -> None:
    writes = [b"make\r\nerror: no rule\r\n$ ", b"ls\r\n", b"done\r\n"]
    recording = written(80, 24, writes, every_us=60_000_000)
    found = [line for line in _lines(_derived(recording)) if line.text == "error: no rule"]
    assert [(line.offset, line.time_us) for line in found] == [(len(writes[0]), 0)]


FRAMES = [
    b"\x1b[H\x1b[2JEvery 2.0s: date                                 workshop\r\n\r\nat %03d seconds\r\n",
    b"\x1b[H\x1b[JEvery 2.0s: date                                 workshop\r\n\r\nat %03d seconds\r\n",
    b"\x1b[HEvery 2.0s: date                                      workshop\x1b[3;1Hat %03d seconds",
    b"\x1b[?1049h\x1b[3;1Hat %03d seconds\x1b[?25l",
    b"\rat %03d seconds",
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_whatever_stood_for_a_while_is_listed_however_little_was_written(
    frame: bytes, size: tuple[int, int]
) -> None:
    recording = written(*size, [frame % second for second in range(2_000)], every_us=2_000_000)
    listed = Counter(line.text for line in _lines(_derived(recording, piece=10**9)))
    assert {f"at {second:03} seconds": 1 for second in range(2_000)}.items() <= listed.items()


@pytest.mark.parametrize(("size", "bytes_per_look"), [((80, 24), 8), ((2_000, 250), 496)])
def test_pauses_without_end_cost_a_bounded_number_of_looks(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], bytes_per_look: int
) -> None:
    """A file may claim ten years between any two bytes."""
    looks = 0

    def look(*_: object) -> None:
        nonlocal looks
        looks += 1

    monkeypatch.setattr(LineReader, "look", look)
    events = 20_000
    recording = written(*size, [b"x", b"\r"] * (events // 2), every_us=10 * 365 * 86_400_000_000)
    _derived(recording, piece=10**9)
    paid = events + SPACING.saved_up * SPACING.look_bytes
    assert looks <= paid // bytes_per_look + paid // SPACING.look_bytes + 1
    assert looks >= paid // bytes_per_look


def test_a_screen_is_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a clear it is as it was at the pause: what is paid for is left for what changed."""
    seen = []
    monkeypatch.setattr(LineReader, "look", lambda _, offset, time_us: seen.append(offset))
    frame = FRAMES[1] % 1
    _derived(written(80, 24, [frame] * 20, every_us=2_000_000))
    assert seen == [len(frame) * (number + 1) for number in range(20)]


def test_text_below_the_alternate_screen_comes_back_without_being_listed_again() -> None:
    listed = Counter(_texts([b"$ vim\r\n", b"\x1b[?1049h\x1b[Hfile\x1b[?1049l", b"$ exit\r\n", b"\r\n" * 50]))
    assert (listed["$ vim"], listed["file"], listed["$ exit"]) == (1, 1, 1)


def test_every_piece_of_a_live_recording_is_listed_when_it_comes() -> None:
    deriver = Deriver(80, 24)
    offset = 0
    for number in range(200):
        data = b"line %d\r\n" % number
        derived = deriver.take([Output(offset, number, data)])
        offset += len(data)
        assert [line.text for line in derived.lines] == [f"line {number}"]
    assert deriver.finish().lines == ()


def test_the_last_screen_is_listed_at_the_end() -> None:
    assert _texts([b"one\r\ntwo\r\nthree"]) == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["git-log.cast", "ls-color-R.cast", "gcc-errors.cast"])
def test_pieces_of_any_size_list_the_same_lines(name: str) -> None:
    recording = sampled("recorded", name)
    whole = {line.text for line in _lines(_derived(recording, piece=10**9))}
    assert {line.text for line in _lines(_derived(recording, piece=37))} >= whole - {""}


@pytest.mark.parametrize("name", RECORDED)
def test_offsets_and_times_of_lines_do_not_go_back(name: str) -> None:
    lines = _lines(_derived(sampled("recorded", name)))
    assert all(
        before.offset <= after.offset and before.time_us <= after.time_us for before, after in pairwise(lines)
    )


# Keyframes.


def test_light_keyframes_lie_at_most_a_segment_apart_and_heavy_ones_sixteen() -> None:
    recording = written(120, 40, [b"%0100d\r\n" % number for number in range(100_000)])
    keyframes = _keyframes(_derived(recording))
    light = [keyframe.offset for keyframe in keyframes if not keyframe.is_heavy]
    heavy = [keyframe.offset for keyframe in keyframes if keyframe.is_heavy]
    assert light[-1] == heavy[-1] == recording.size
    assert max(after - before for before, after in pairwise([0, *light])) <= SPACING.light_bytes
    assert set(heavy) <= set(light)
    assert (
        max(after - before for before, after in pairwise([0, *heavy]))
        <= SPACING.heavy_bytes + SPACING.light_bytes
    )
    assert len(light) == pytest.approx(recording.size / SPACING.light_bytes, rel=0.1, abs=2)


def test_a_heavy_keyframe_of_many_colours_has_as_many_rows_as_viewers_are_given() -> None:
    """Half blocks in two true colours, as pictures are shown with: a thousand rows would be five times as large."""
    keyframes = _keyframes(_derived(written(120, 40, [true_colours(120, 10, seed) for seed in range(100)])))
    restored: dict[tuple[int, bool], GhosttyEngine] = {}
    for keyframe in keyframes:
        engine = restored[keyframe.offset, keyframe.is_heavy] = GhosttyEngine(120, 40)
        engine.feed(keyframe.data)
    heavy = [keyframe for keyframe in keyframes if keyframe.is_heavy]
    assert len(heavy) > 1
    for keyframe in heavy:
        assert MAX_KEYFRAME_BYTES - 10_000 < len(keyframe.data) <= MAX_KEYFRAME_BYTES
        assert restored[keyframe.offset, True].native.scrollback_rows > 100
        assert restored[keyframe.offset, True].screen() == restored[keyframe.offset, False].screen()


def test_slow_output_gets_a_keyframe_every_ten_seconds() -> None:
    recording = written(80, 24, [b"x" * 78 + b"\r\n"] * 5_000, every_us=10_000)
    times = [keyframe.time_us for keyframe in _keyframes(_derived(recording))]
    assert max(after - before for before, after in pairwise([0, *times])) <= 11_000_000


@pytest.mark.parametrize(
    "sequence", [b"\x1b[2J", b"\x1b[3J", b"\x1bc", b"\x1b[?1049h", b"\x1b[H\x1b[J", b"\x1b[2J\x1b[3J\x1b[H"]
)
def test_a_keyframe_follows_a_clear_or_a_switch(sequence: bytes) -> None:
    recording = written(80, 24, [b"before\r\n" * 10 + sequence + b"after\r\n" * 10])
    offsets = [keyframe.offset for keyframe in _keyframes(_derived(recording))]
    assert 80 + len(sequence.removesuffix(b"\x1b[H")) in [*offsets, 83]


@pytest.mark.parametrize("string", [b"\x1b_\x9d", b"\x1b^\x90"])
def test_where_the_library_copies_no_terminal_there_is_a_keyframe_once_the_string_has_ended(
    string: bytes,
) -> None:
    """It refuses one in such a string, which random bytes bring about."""
    engine = GhosttyEngine(80, 24)
    engine.feed(b"before " + string)
    with pytest.raises(Unfinished):
        engine.keyframe(0)
    engine.feed(b"not shown\x1b\\after")
    keyframe = engine.keyframe(0)
    restored = GhosttyEngine(80, 24)
    restored.feed(keyframe)
    assert restored.screen() == engine.screen()
    assert engine.screen().rows[0] == "before after"


def test_a_keyframe_follows_a_resize_with_the_new_size() -> None:
    items = (Output(0, 0, b"text\r\n"), Resize(1, 6, 5, 100, 30), Output(6, 9, b"more\r\n"))
    first = _keyframes(_derived(Recording(80, 24, items)))[0]
    assert (first.offset, first.event, first.time_us, first.cols, first.rows) == (6, 1, 5, 100, 30)


def test_there_is_one_keyframe_of_a_kind_at_an_offset() -> None:
    items: list[Output | Resize] = [
        Resize(1, 0, 0, 90, 30),
        Output(0, 1, b"a\x1b[2J"),
        Resize(2, 5, 2, 91, 30),
    ]
    items += [Resize(3, 5, 3, 92, 30), Output(5, 4, b"b"), Resize(4, 6, 5, 93, 30)]
    derived = _derived(Recording(80, 24, tuple(items)), piece=1)
    keyframes = _keyframes(derived)
    places = [(keyframe.offset, keyframe.is_heavy) for keyframe in keyframes]
    assert len(set(places)) == len(places)
    assert keyframes[-1].cols == 93


@pytest.mark.parametrize(
    "sequence", [b"\x1b[2J\x1b[3J\x1b[H", b"\x1b[?1049h", b"\x1b[?1049l\x1b[?1049h", b"\x1bc"]
)
def test_a_program_that_clears_all_the_time_gets_a_bounded_number_of_keyframes(sequence: bytes) -> None:
    recording = written(80, 24, [sequence + b"\x1b[41mx" * 20] * 20_000)
    keyframes = _keyframes(_derived(recording))
    assert len(keyframes) <= recording.size / MEGABYTE * 24 + 40
    assert sum(len(keyframe.data) for keyframe in keyframes) < recording.size / 5


def test_a_window_that_changes_all_the_time_gets_a_bounded_number_of_keyframes() -> None:
    items: list[Output | Resize] = []
    for number in range(5_000):
        items += [
            Output(number * 20, number, b"x" * 20),
            Resize(number, number * 20 + 20, number, 80 + number % 9, 24),
        ]
    assert len(_keyframes(_derived(Recording(80, 24, tuple(items))))) <= 60


@pytest.mark.parametrize("name", RECORDED)
def test_a_deriver_goes_on_from_any_keyframe(name: str) -> None:
    recording = sampled("recorded", name)
    spacing = Spacing(light_bytes=recording.size // 10 + 1, light_least_bytes=0)
    whole = Deriver(recording.cols, recording.rows, spacing=spacing)
    keyframes = whole.take(recording.items).keyframes
    for keyframe in keyframes:
        cut = recording.cut_at([keyframe.offset])
        rest = [
            item
            for item in cut.items
            if (item.event > keyframe.event if isinstance(item, Resize) else item.offset >= keyframe.offset)
        ]
        resumed = Deriver(1, 1, keyframe)
        derived = resumed.take(rest)
        assert derived.offset == recording.size
        assert resumed.screen() == whole.screen()
    assert keyframes


def test_a_size_that_no_window_has_is_brought_into_bounds() -> None:
    for size in ((0, 0), (10**6, 10**6), (1, 10**9)):
        deriver = Deriver(*size)
        deriver.take([Output(0, 0, b"hello"), Resize(1, 5, 0, *size), Output(5, 0, b"hello")])
        assert deriver.finish().keyframes


# Without the engine.


def test_a_child_without_the_wheel_refuses_whatever_it_is_asked() -> None:
    program = """
import sys
sys.modules["pyghostty"] = None
from sessions_app.terminal.engine.child import Work
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.engine.messages import derived_of, encode_request, screen_of
from sessions_app.terminal.engine.model import EngineError, Output
print(repr(ENGINE))
work = Work()
items = [Output(0, 0, b"one\\r\\ntwo")]
for ask, read in (("finish", derived_of), ("screen", screen_of)):
    try:
        read(work.answer(b"".join(encode_request(ask, "a", None, 80, 24, items))))
    except EngineError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert said.splitlines() == ["''", *["the pyghostty wheel is not installed"] * 2]
