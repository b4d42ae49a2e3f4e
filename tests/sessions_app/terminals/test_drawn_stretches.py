"""Stretches that begin with a screen drawn for them: the very moment that was asked for, and what follows it."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from sessions_app.actions.terminals import screens
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.pieces import Cursor, Piece
from sessions_app.actions.terminals.playing import DRAWN_ROWS, stretch_of_moment, stretch_of_place
from sessions_app.actions.terminals.refusals import Refusals
from sessions_app.actions.terminals.screens import place_at, place_behind, screen_at, stop_screens
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.starting import start_drawn_at
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal
from sessions_app.terminal import wire
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import (
    MAX_KEYFRAME_BYTES,
    EngineBusy,
    EngineError,
    Redrawn,
    Screen,
    Unfinished,
)
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE
from tests.factories import make_person, signed_in
from tests.sessions_app.terminal.engine.recordings import true_colours
from tests.sessions_app.terminals.keyframes import make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder
from tests.sessions_app.terminals.test_deriving import log_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform"),
]


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[None]:
    yield
    stop_screens()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn here does not depend on how busy the machine is."""
    monkeypatch.setattr(screens, "_REDRAW_S", 600.0)


def recording(seed: int) -> Recorder:
    """Logs, moved cursors, both screens and resizes, some of them while nothing is written."""
    chooser = random.Random(seed)
    recorder = start_recorder()
    for number in range(60):
        piece = chooser.choice(
            [
                log_of(chooser.randint(1, 400), seed=number),
                b"".join(
                    b"\x1b[%d;%dH\x1b[3%dmframe %d" % (*chooser.choices(range(1, 20), k=2), step % 8, step)
                    for step in range(300)
                ),
                b"\x1b[?1049h\x1b[2J" if chooser.random() < 0.5 else b"\x1b[?1049l",
            ]
        )
        recorder.write(piece, after_us=chooser.choice([1, 700, 3_000_000]))
        if chooser.random() < 0.2:
            recorder.time_us += chooser.choice([0, 900])
            recorder.resize(chooser.randint(60, 100), chooser.randint(15, 40))
        if chooser.random() < 0.1:
            recorder.mark(f"mark {number}")
        if chooser.random() < 0.1:
            seal(recorder.refresh())
    recorder.exit()
    recorder.refresh()
    return recorder


def decoded(frames: tuple[bytes, ...]) -> list[wire.Frame]:
    return [wire.decode(frame) for frame in frames]


class Viewer:
    """Draws frames as a page does."""

    def __init__(self, keyframe: wire.Frame) -> None:
        assert isinstance(keyframe, wire.KeyframeFrame)
        self.offset = keyframe.offset
        self._engine = GhosttyEngine(keyframe.cols, keyframe.rows)
        self._engine.feed(keyframe.data)

    def draw(self, frame: wire.Frame) -> None:
        if isinstance(frame, wire.OutputFrame):
            assert frame.offset == self.offset
            self.offset += len(frame.data)
            self._engine.feed(frame.data)
        elif isinstance(frame, wire.ResizeFrame):
            self._engine.resize(frame.cols, frame.rows)

    @property
    def screen(self) -> Screen:
        return self._engine.screen()

    @property
    def rows_above(self) -> int:
        return self._engine.native.scrollback_rows


@pytest.mark.parametrize("is_derived", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_screen_of_a_moment_is_drawn_and_what_follows_leads_on(
    workshop: Workshop, seed: int, is_derived: bool
) -> None:
    terminal = recording(seed).terminal
    if is_derived:
        derive_all(terminal.pk, workshop)
        terminal.refresh_from_db()
    chooser = random.Random(seed)
    for _ in range(12):
        offset = chooser.randrange(terminal.size)
        played = stretch_of_place(terminal, offset)
        keyframe, *rest = decoded(played.frames)
        viewer = Viewer(keyframe)
        assert keyframe.offset == offset
        assert viewer.screen == screen_at(terminal, offset)
        for frame in rest:
            viewer.draw(frame)
        assert viewer.offset == played.end
        # What happened at the end may belong to the next stretch.
        if played.end == terminal.size:
            assert viewer.screen == screen_at(terminal, played.end)
        assert played.is_final


def test_a_moment_is_before_what_happened_later_at_the_same_place() -> None:
    recorder = start_recorder()
    recorder.write(b"one", after_us=1_000)
    recorder.time_us = 5_000
    recorder.resize(40, 10)
    recorder.time_us = 9_000
    recorder.resize(50, 12)
    terminal = recorder.refresh()
    sizes = []
    for time_us in (0, 999, 1_000, 4_999, 5_000, 9_000, 10**9):
        first = decoded(stretch_of_moment(terminal, time_us=time_us).frames)[0]
        assert isinstance(first, wire.KeyframeFrame)
        sizes.append((first.offset, first.cols, first.rows))
    assert sizes == [
        *((0, 80, 24), (0, 80, 24), (3, 80, 24), (3, 80, 24)),
        *((3, 40, 10), (3, 50, 12), (3, 50, 12)),
    ]
    later = decoded(stretch_of_moment(terminal, time_us=4_999).frames)[1:]
    assert [(frame.cols, frame.rows) for frame in later if isinstance(frame, wire.ResizeFrame)] == [
        (40, 10),
        (50, 12),
    ]


def test_some_of_what_left_the_screen_is_above_it(workshop: Workshop) -> None:
    recorder = start_recorder()
    for number in range(10):
        recorder.write(log_of(1_500, seed=number))
    terminal = recorder.refresh()
    derive_all(terminal.pk, workshop)
    # Also just behind a keyframe, which carries none.
    for row in terminal.keyframes.filter(offset__gt=100_000, is_heavy=False):
        viewer = Viewer(decoded(stretch_of_place(terminal, row.offset + 10).frames)[0])
        assert viewer.rows_above == DRAWN_ROWS


def colourful(cols: int, rows: int, pictures: int) -> Recorder:
    """Pictures of twenty rows, one after the other, in a window of this size."""
    recorder = start_recorder()
    recorder.resize(cols, rows)
    for seed in range(pictures):
        recorder.write(true_colours(cols, 20, seed))
    recorder.refresh()
    return recorder


def test_of_pictures_in_many_colours_as_many_rows_are_above_the_screen_as_a_viewer_is_given() -> None:
    """With all that are asked for the screen would be larger, and none."""
    recorder = colourful(120, 40, 16)
    played = stretch_of_place(recorder.terminal, recorder.terminal.size - 5)
    keyframe = decoded(played.frames)[0]
    assert keyframe.offset == recorder.terminal.size - 5
    viewer = Viewer(keyframe)
    assert isinstance(keyframe, wire.KeyframeFrame)
    assert MAX_KEYFRAME_BYTES - 10_000 < len(keyframe.data) <= MAX_KEYFRAME_BYTES
    assert 0 < viewer.rows_above < DRAWN_ROWS
    assert viewer.screen == screen_at(recorder.terminal, keyframe.offset)


def test_a_screen_that_is_too_large_alone_is_none_to_begin_with() -> None:
    recorder = colourful(300, 100, 7)
    played = stretch_of_place(recorder.terminal, recorder.terminal.size)
    assert decoded(played.frames)[0] == wire.KeyframeFrame(0, 0, 80, 24, b"")
    assert played.end == recorder.terminal.size


def test_a_place_is_behind_all_that_happened_there() -> None:
    terminal = recording(3).terminal
    events = list(terminal.events.order_by("number").values_list("number", "offset", "at_us"))
    for number, offset, at_us in events:
        same = [one for one in events if one[1] == offset]
        assert place_behind(terminal, offset).event == same[-1][0]
        by_then = [one for one in events if one[1] <= place_at(terminal, at_us).offset and one[2] <= at_us]
        assert place_at(terminal, at_us).event == by_then[-1][0] >= number


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def ask(client: Client, terminal: Terminal, rest: str) -> Any:
    return client.get(f"/terminals/{terminal.pk}/stretch?{rest}")


def test_what_was_drawn_may_be_kept_for_ever_once_nothing_can_come_between(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"x" * 1_000_000, after_us=1_000)
    recorder.write(b"y" * 2_000_000, after_us=1_000)
    version = client.get(f"/terminals/{recorder.terminal.pk}/map").json()["version"]
    for query, is_final in (("us=1000", True), ("to=5", True), ("us=2000", False), ("to=2999000", False)):
        answer = ask(client, recorder.terminal, f"{query}&v={version}")
        assert answer.status_code == 200
        assert ("immutable" in answer.get("Cache-Control", "")) is is_final, query
    recorder.exit()
    assert "immutable" in ask(client, recorder.terminal, f"us=2000&v={version}")["Cache-Control"]
    assert "immutable" not in ask(client, recorder.terminal, "us=2000&v=other").get("Cache-Control", "")


def test_where_nothing_can_be_drawn_a_kept_screen_is_taken(
    client: Client, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start_recorder()
    recorder.write(log_of(12_000))
    terminal = recorder.refresh()
    derive_all(terminal.pk, workshop)
    monkeypatch.setattr(screens, "ENGINE", "")
    offsets = set(terminal.keyframes.values_list("offset", flat=True))
    played = stretch_of_place(terminal, 600_000)
    assert decoded(played.frames)[0].offset in offsets
    assert played.end > 600_000
    assert not played.is_final


@dataclass
class Drawings:
    """What the engine is asked to draw, and how that ends."""

    count: int = 0
    turns_s: list[float] = field(default_factory=list)
    ends: Exception | Redrawn = field(default_factory=lambda: Redrawn(80, 24, b"<drawn>"))

    def draw(self, turn_s: float) -> Redrawn:
        self.count += 1
        self.turns_s.append(turn_s)
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends

    def asked_for(self, terminal: Terminal, offset: int) -> bool:
        """Whether the engine is asked when somebody wants that place."""
        before = self.count
        stretch_of_place(terminal, offset)
        return self.count > before


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Drawings:
    drawings = Drawings()
    monkeypatch.setattr(screens, "_refusals", Refusals(last_s=3_600))
    monkeypatch.setattr(EngineProcess, "redraw", lambda *_, turn_s, **__: drawings.draw(turn_s))
    return drawings


def long_recording() -> Terminal:
    """5 MB, of which those from 1,000,000 to 4,900,000 have no keyframe."""
    recorder = start_recorder()
    for _ in range(5):
        recorder.write(b"x" * 1_000_000)
    for offset in (500_000, 1_000_000, 4_900_000):
        make_keyframe(recorder.terminal, offset)
    return recorder.refresh()


@pytest.mark.parametrize(
    "ends",
    [EngineError("no answer within 1 s"), Redrawn(80, 24, b"x" * (MAX_KEYFRAME_BYTES + 1))],
    ids=["late", "large"],
)
def test_what_could_not_be_drawn_is_not_tried_again_nearby_for_a_while(
    drawings: Drawings, monkeypatch: pytest.MonkeyPatch, ends: Exception | Redrawn
) -> None:
    terminal, other = long_recording(), long_recording()
    drawings.ends = ends
    assert drawings.asked_for(terminal, 1_400_000)
    for offset in (1_400_000, 1_000_000, 2_400_000, 4_990_000):
        assert not drawings.asked_for(terminal, offset)
    # What is before the keyframe that it was tried from is no part of it, nor is another terminal.
    assert drawings.asked_for(other, 1_400_000)
    assert drawings.asked_for(terminal, 700_000)

    monkeypatch.setattr(screens, "_refusals", Refusals(last_s=0))
    drawings.ends = ends
    assert drawings.asked_for(terminal, 1_400_000)
    assert drawings.asked_for(terminal, 1_400_000)


@pytest.mark.parametrize(
    ("ends", "around"), [(EngineError("late"), 100_000), (Unfinished("within a long string"), 64 * 1024)]
)
def test_as_far_around_what_could_not_be_drawn_as_it_tells_of(
    drawings: Drawings, monkeypatch: pytest.MonkeyPatch, ends: EngineError, around: int
) -> None:
    monkeypatch.setattr(screens, "_REFUSED_BYTES", 100_000)
    terminal = long_recording()
    drawings.ends = ends
    assert drawings.asked_for(terminal, 2_500_000)
    drawings.ends = Redrawn(80, 24, b"<drawn>")
    assert not drawings.asked_for(terminal, 2_500_000 - around)
    assert not drawings.asked_for(terminal, 2_500_000 + around)
    assert drawings.asked_for(terminal, 2_500_000 - around - 1)
    assert drawings.asked_for(terminal, 2_500_000 + around + 1)


def test_who_has_no_other_screen_waits_for_the_engine(
    drawings: Drawings, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = long_recording()
    monkeypatch.setattr(screens, "_REFUSED_BYTES", 1_500_000)
    assert drawings.asked_for(terminal, 2_500_000)
    assert drawings.asked_for(terminal, 2_500_001)
    assert drawings.turns_s == [0.25, 5.0]


def test_that_others_had_the_engine_is_no_reason_not_to_try_again(drawings: Drawings) -> None:
    terminal = long_recording()
    drawings.ends = EngineBusy("others")
    assert drawings.asked_for(terminal, 1_400_000)
    assert drawings.asked_for(terminal, 1_400_000)


def test_so_far_from_a_keyframe_nothing_is_read_to_draw_a_screen(
    drawings: Drawings, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = long_recording()
    read: list[int] = []

    def read_from(terminal_id: uuid.UUID, start: Cursor, end: Cursor, *, with_times: bool) -> Iterator[Piece]:
        read.append(end.offset - start.offset)
        return iter(())

    monkeypatch.setattr(screens, "read_from", read_from)

    def is_drawn_within(farthest_bytes: int | None, offset: int = 2_500_001) -> bool:
        place = place_behind(terminal, offset)
        return start_drawn_at(terminal, place, scrollback_rows=0, farthest_bytes=farthest_bytes) is not None

    assert is_drawn_within(1_500_000, 2_500_000)
    assert not is_drawn_within(1_500_000)
    assert read == [1_500_000]
    # Who has nothing else waits longer.
    assert is_drawn_within(None)
    assert drawings.asked_for(terminal, 2_500_001)
    monkeypatch.setattr(screens, "_FARTHEST_BYTES", 1_400_000)
    assert not is_drawn_within(None)
    # And once there is a keyframe it is drawn at once.
    make_keyframe(terminal, 2_400_000)
    assert is_drawn_within(1_500_000)


@pytest.mark.parametrize("query", ["us=x", "us=-1", "to=-1", "to=1e3", "us=" + "9" * 40])
def test_what_is_no_place_is_refused(client: Client, query: str) -> None:
    recorder = start_recorder()
    recorder.write(b"x")
    assert ask(client, recorder.terminal, query).status_code == 400
