"""The screen at any moment, and where in the output a moment is."""

import random
from collections.abc import Iterator

import pytest
from pytest_django import DjangoAssertNumQueries

from sessions_app.actions.terminals import screens
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.screens import (
    offset_at,
    place_at,
    place_behind,
    screen_at,
    screen_of,
    stop_screens,
    styled_screen_of,
    time_at,
)
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import EngineError, Screen
from tests.sessions_app.terminals.recorder import start_recorder
from tests.sessions_app.terminals.test_deriving import log_of, recorded

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[None]:
    yield
    stop_screens()


def replayed(data: bytes, cols: int = 80, rows: int = 24) -> Screen:
    engine = GhosttyEngine(cols, rows)
    engine.feed(data)
    return engine.screen()


def drawing(frames: int) -> bytes:
    chooser = random.Random(5)
    return b"".join(
        f"\x1b[{chooser.randint(1, 24)};{chooser.randint(1, 60)}H\x1b[3{chooser.randint(1, 7)}mframe {number}".encode()
        + (b"\x1b[2J" if number % 997 == 0 else b"")
        for number in range(frames)
    )


@pytest.mark.parametrize("is_derived", [True, False])
def test_the_screen_at_any_offset_is_that_of_a_linear_replay(workshop: Workshop, is_derived: bool) -> None:
    data = log_of(4_000) + drawing(30_000) + log_of(300, seed=3)
    terminal = recorded(data)
    if is_derived:
        derive_all(terminal.pk, workshop)
        assert TerminalKeyframe.objects.count() > 4
    chooser = random.Random(6)
    for offset in [0, 1, len(data), *(chooser.randrange(len(data)) for _ in range(25))]:
        assert screen_at(terminal, offset) == replayed(data[:offset])


def test_the_screen_has_the_size_that_the_window_had(workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"one")
    recorder.resize(40, 10)
    recorder.write(b"two")
    recorder.resize(100, 30)
    terminal = recorder.refresh()
    for _ in range(2):
        sizes = [
            (screen_at(terminal, offset).cols, len(screen_at(terminal, offset).rows))
            for offset in (0, 2, 3, 5, 6)
        ]
        assert sizes == [(80, 24), (80, 24), (40, 10), (40, 10), (100, 30)]
        derive_all(terminal.pk, workshop)
    assert screen_at(terminal, 6).rows[0] == "onetwo"


def test_beyond_the_ends_are_the_ends() -> None:
    terminal = recorded(b"all")
    assert screen_at(terminal, 99) == screen_at(terminal, 3)
    assert screen_at(terminal, -1) == screen_at(terminal, 0)


def test_colours_come_with_the_same_rows() -> None:
    terminal = recorded(b"\x1b[31mred\x1b[0m plain")
    styled = styled_screen_of(terminal, place_behind(terminal, terminal.size))
    assert "".join(text for text, _ in styled.rows[0]) == "red plain"


def test_a_moment_is_before_what_happened_later_at_the_same_place(workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"x" * 50, after_us=1_000)
    recorder.time_us = 5_000
    recorder.resize(40, 10)
    recorder.time_us = 9_000
    recorder.resize(50, 12)
    terminal = recorder.refresh()
    for _ in range(2):
        shown = [
            screen_of(terminal, place_at(terminal, time_us)) for time_us in (999, 1_000, 4_999, 5_000, 9_000)
        ]
        assert [(screen.cols, len(screen.rows)) for screen in shown] == [
            *((80, 24), (80, 24), (80, 24)),
            *((40, 10), (50, 12)),
        ]
        assert shown[2].rows[0] == "x" * 50
        styled = styled_screen_of(terminal, place_at(terminal, 4_999))
        assert (styled.cols, len(styled.rows)) == (80, 24)
        derive_all(terminal.pk, workshop)


def test_without_an_engine_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "ENGINE", "")
    with pytest.raises(EngineError, match="pyghostty"):
        screen_at(recorded(b"x"), 0)


def test_far_from_any_keyframe_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "_FARTHEST_BYTES", 1_000)
    terminal = recorded(log_of(100))
    with pytest.raises(EngineError, match="still being made"):
        screen_at(terminal, terminal.size)


def times_of(terminal: Terminal) -> list[tuple[int, int]]:
    """(time, size reached) of each write, as `recorded` spaces them."""
    return [
        (10_000 * number, min(4_000 * (number + 1), terminal.size))
        for number in range(-(-terminal.size // 4_000))
    ]


def test_times_and_offsets_lead_to_each_other() -> None:
    terminal = recorded(log_of(15_000))
    assert terminal.segments.count() > 3
    for time_us, reached in times_of(terminal):
        assert offset_at(terminal, time_us) == reached
        assert offset_at(terminal, time_us + 9_999) == reached
        assert time_at(terminal, reached) == time_us
        assert time_at(terminal, reached - 1) == time_us
    assert (offset_at(terminal, -1), time_at(terminal, 0)) == (0, 0)
    assert offset_at(terminal, 10**12) == terminal.size
    assert time_at(terminal, 10**12) == terminal.duration_us


def test_of_segments_that_began_at_one_time_the_last_is_meant(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    recorder = start_recorder()
    for number in range(40):
        recorder.write(b"12345", after_us=1_000 if number % 4 == 0 else 0)
        seal(recorder.refresh())
    terminal = recorder.refresh()
    assert terminal.segments.count() == 40
    for number in range(10):
        # However many there are.
        with django_assert_num_queries(1):
            assert offset_at(terminal, 1_000 * (number + 1)) == 20 * (number + 1)


def test_times_in_the_part_that_is_not_sealed() -> None:
    recorder = start_recorder()
    for number in range(6):
        recorder.write(b"12345", after_us=1_000)
        if number == 2:
            seal(recorder.refresh())
    terminal = recorder.refresh()
    assert (terminal.segments.count(), terminal.chunks.count()) == (1, 3)
    assert [offset_at(terminal, time_us) for time_us in (999, 1_000, 3_500, 4_000, 6_000)] == [
        0,
        5,
        15,
        20,
        30,
    ]
    assert [time_at(terminal, offset) for offset in (1, 5, 6, 16, 30)] == [1_000, 1_000, 2_000, 4_000, 6_000]


def test_a_terminal_without_output_has_an_empty_screen() -> None:
    terminal = recorded(b"")
    assert screen_at(terminal, 0).rows == ("",) * 24
    assert (offset_at(terminal, 5), time_at(terminal, 5)) == (0, 0)
