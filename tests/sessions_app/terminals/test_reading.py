"""A terminal read over the API: what its screen showed, and its named moments."""

import json
from collections.abc import Iterator

import pytest

from sessions_app.actions.terminals import screens
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.exporting import as_asciicast
from sessions_app.actions.terminals.reading import size_at
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.actions.terminals.starting import start_before
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal, TerminalChunk
from tests.factories import START_MS, make_person, make_session, make_terminal, signed_in
from tests.sessions_app.api.client import Api, problem_of
from tests.sessions_app.api.test_as_on_pages import queries_of
from tests.sessions_app.terminals.recorder import Recorder, start_recorder
from tests.sessions_app.terminals.test_deriving import log_of, recorded

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def screens_end() -> Iterator[None]:
    yield
    stop_screens()


@pytest.fixture
def recorder() -> Recorder:
    recorder = start_recorder(cols=20, rows=3)
    recorder.write(b"\x1b[31mfirst\x1b[0m  \r\n", after_us=1_000)
    recorder.resize(30, 4)
    recorder.write(b"\x1b[?1049h\x1b[?25l\x1b[2;5Hsecond", after_us=1_000)
    recorder.refresh()
    return recorder


def test_a_screen_is_said_with_its_size_and_cursor_as_its_picture_shows_it(recorder: Recorder) -> None:
    api, path = Api(), f"terminals/{recorder.terminal.pk}/screen"
    before = api.read(path, "show_screen", at_us=1_999)
    assert before == {
        "terminal": str(recorder.terminal.pk),
        "offset": 18,
        "at_us": 1_000,
        "cols": 30,
        "rows": ["first", "", "", ""],
        "cursor": {"column": 0, "row": 1, "is_visible": True},
        "is_alternate": False,
    }
    after = api.read(path, "show_screen")
    assert after["rows"] == ["", "    second", "", ""]
    assert after["cursor"] == {"column": 10, "row": 1, "is_visible": False}
    assert (after["offset"], after["at_us"], after["is_alternate"]) == (recorder.terminal.size, 2_000, True)
    assert api.read(path, "show_screen", offset=0)["cols"] == 20
    pictures = [
        signed_in(api.person).get(f"/terminals/{recorder.terminal.pk}/screen?at_us={at_us}").content.decode()
        for at_us in (1_999, 2_000)
    ]
    assert ["first" in picture for picture in pictures] == [True, False]
    assert ["second" in picture for picture in pictures] == [False, True]


def test_a_moment_is_before_what_happened_later_at_the_same_place() -> None:
    recorder = start_recorder()
    recorder.write(b"one", after_us=1_000)
    recorder.time_us = 5_000
    recorder.resize(40, 10)
    recorder.time_us = 9_000
    recorder.resize(50, 12)
    api, path = Api(), f"terminals/{recorder.terminal.pk}/screen"
    shown = [api.read(path, "show_screen", at_us=at_us) for at_us in (999, 1_000, 4_999, 5_000, 9_000, 10**9)]
    assert [(screen["offset"], screen["cols"], len(screen["rows"])) for screen in shown] == [
        *((0, 80, 24), (3, 80, 24), (3, 80, 24)),
        *((3, 40, 10), (3, 50, 12), (3, 50, 12)),
    ]
    # By its offset it is the one behind all that happened there.
    assert api.read(path, "show_screen", offset=3)["cols"] == 50


def test_a_screen_costs_the_same_queries_wherever_it_lies(workshop: Workshop) -> None:
    terminal = recorded(log_of(8_000))
    derive_all(terminal.pk, workshop)
    api = Api()
    api.get("sessions")
    counts = {
        queries_of(api, f"terminals/{terminal.pk}/screen?offset={terminal.size * part // 4 - 1}")
        for part in (3, 4)
    }
    assert len(counts) == 1


def test_a_screen_that_cannot_be_had_is_said(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    api, path = Api(), f"terminals/{recorder.terminal.pk}/screen"
    assert problem_of(api.get(path, at_us=1, offset=1)) == (400, "/problems/bad-request")
    assert problem_of(api.get(path, at_us=-1)) == (400, "/problems/bad-request")
    assert problem_of(api.get(path, at="1s")) == (400, "/problems/bad-request")
    with monkeypatch.context() as without_engine:
        without_engine.setattr(screens, "ENGINE", "")
        assert problem_of(api.get(path)) == (422, "/problems/refused")
    TerminalChunk.objects.filter(terminal=recorder.terminal, offset=0).delete()
    assert problem_of(api.get(path)) == (422, "/problems/refused")


def test_markers_are_those_of_the_players_map(recorder: Recorder) -> None:
    for number in range(5):
        recorder.mark(f"step {number}")
        recorder.write(b"more")
    api, path = Api(), f"terminals/{recorder.terminal.pk}/markers"
    first = api.read(path, "list_terminal_markers", limit=3)
    rest = api.read(path, "list_terminal_markers", limit=3, cursor=first["next"])
    items = [*first["items"], *rest["items"]]
    assert [item["label"] for item in items] == [f"step {number}" for number in (4, 3, 2, 1, 0)]
    # The change of the window's size is an event too, and no marker.
    assert ([item["number"] for item in items], rest["next"]) == ([6, 5, 4, 3, 2], None)
    player = signed_in(api.person).get(f"/terminals/{recorder.terminal.pk}/map").json()
    marked = [event[1:] for event in player["events"] if event[0] == "marker"]
    assert [[item["offset"], item["at_us"], item["label"]] for item in items] == marked[::-1]


def test_of_a_terminal_in_the_trash_nothing_is_told() -> None:
    of_session = make_terminal(make_session(deleted_ms=START_MS))
    alone = start_recorder().terminal
    Terminal.objects.filter(pk=alone.pk).update(deleted_ms=START_MS)
    for terminal in (of_session, alone):
        for part in ("screen", "markers"):
            answer = Api().get(f"terminals/{terminal.pk}/{part}")
            assert problem_of(answer) == (404, "/problems/not-found"), part


def test_a_window_of_any_size_that_is_stored_is_read_as_it_is_drawn(workshop: Workshop) -> None:
    """A window had two thousand columns and rows once."""
    recorder = start_recorder(cols=2_000, rows=2_000)
    assert recorder.terminal.first_size == (2_000, 250)
    recorder.write(b"before", after_us=1_000)
    recorder.resize(90, 20)
    recorder.write(b"after", after_us=1_000)
    recorder.resize(2_000, 2_000)
    Terminal.objects.update(first_cols=2_000, first_rows=2_000)
    recorder.terminal.events.filter(number=2).update(text="2000x2000")
    terminal = recorder.refresh()
    derive_all(terminal.pk, workshop)

    assert terminal.first_size == (2_000, 250)
    assert size_at(terminal, 0) == (2_000, 250)
    assert size_at(terminal, terminal.size) == (2_000, 250)
    start = start_before(terminal, 0)
    assert (start.cols, start.rows) == (2_000, 250)
    header, _, _ = b"".join(as_asciicast(terminal, 3)).partition(b"\n")
    assert json.loads(header)["term"]["rows"] == 250
    page = signed_in(make_person()).get(f"/terminals/{terminal.pk}/").content.decode()
    assert 'cols="2000" rows="250"' in page
