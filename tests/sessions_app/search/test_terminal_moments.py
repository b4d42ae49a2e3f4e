"""Where a hit in a terminal opens: the first moment at which its line stands on the screen, and not a byte before."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from sessions_app.actions.terminals import landing
from sessions_app.actions.terminals.deriving import derive
from sessions_app.actions.terminals.landing import first_shown
from sessions_app.actions.terminals.moments import Moments
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.actions.terminals.screens import screen_at
from sessions_app.actions.terminals.searching import TerminalSearch
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal
from sessions_app.search.terminals import search_text
from sessions_app.terminal.engine.model import EngineError, Line, Screen
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.line_search import LineHit, Pattern
from tests.factories import make_person, make_terminal, signed_in
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform"),
]

SPINNER = b"".join(b"\x1b[2;1H%c\x1b[9;1H" % sign for sign in b"-|/+")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    made = Workshop(EngineProcess(deadline_s=20), works_ahead=False)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found here does not depend on how busy the machine is."""
    monkeypatch.setattr(landing, "_DEADLINE_S", 600.0)


@pytest.fixture
def client() -> Client:
    return signed_in(make_person("viewer"))


def derived(recorder: Recorder, workshop: Workshop) -> Terminal:
    while derive(recorder.terminal.pk, workshop):
        pass
    return recorder.refresh()


def hits(terminal: Terminal, text: str) -> list[LineHit]:
    return [hit for batch in TerminalSearch(terminal, Pattern(text)).batches() for hit in batch]


def opened(client: Client, terminal: Terminal, hit: LineHit) -> Any:
    """What a page is answered that opens the hit as the search told it."""
    asked = {
        "offset": str(hit.line.offset),
        "text": hit.line.text,
        "start": str(hit.start),
        "end": str(hit.end),
    }
    return client.get(f"/terminals/{terminal.pk}/moment", asked)


def expect_first(terminal: Terminal, text: str, offset: int) -> None:
    """The line stands on the screen after so many bytes, and did not one byte before."""
    assert text in screen_at(terminal, offset).rows
    assert text not in screen_at(terminal, offset - 1).rows


def test_a_line_that_is_painted_again_and_again_opens_where_it_stood_first(
    client: Client, workshop: Workshop
) -> None:
    recorder = start_recorder()
    recorder.write(b"building everything\r\n", after_us=100_000)
    frames = b"".join(b"\x1b[5;1Hneedle of it\x1b[K\x1b[6;1Hframe %d\x1b[K" % number for number in range(50))
    recorder.write(frames, after_us=100_000)
    recorder.exit()
    terminal = derived(recorder, workshop)

    (hit,) = hits(terminal, "needle")
    assert hit.line.offset == len(b"building everything\r\n\x1b[5;1Hneedle of it")
    assert hit.line.time_us == 200_000
    expect_first(terminal, "needle of it", hit.line.offset)
    assert opened(client, terminal, hit).json() == {"offset": hit.line.offset, "at_us": 200_000}


def test_hits_that_come_when_time_is_up_stay_where_they_were_listed(workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[5;1Hneedle of it\x1b[K" + SPINNER * 40, after_us=100_000)
    recorder.exit()
    terminal = derived(recorder, workshop)

    (exact,) = hits(terminal, "needle")
    (listed,) = [hit for searched in search_text(terminal.pk, Pattern("needle")) for hit in searched.hits]
    assert exact.line.offset < listed.line.offset
    assert list(Moments(terminal, deadline=0.0).exact([listed])) == [listed]


def test_a_line_that_is_put_together_opens_with_its_last_part(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[?1049h\x1b[4;8Hof the rest", after_us=100_000)
    recorder.write(b"\x1b[4;1Hneedle", after_us=100_000)
    for _ in range(60):
        recorder.write(SPINNER * 3, after_us=10_000)
    recorder.exit()
    terminal = derived(recorder, workshop)

    (hit,) = hits(terminal, "needle")
    # The search has it where it was seen, which is much later.
    assert hit.line.offset > 3_000
    found = opened(client, terminal, hit).json()
    assert found == {
        "offset": len(b"\x1b[?1049h\x1b[4;8Hof the rest\x1b[4;1Hneedle"),
        "at_us": 200_000,
    }
    expect_first(terminal, "needle of the rest", found["offset"])


def test_a_line_over_what_is_not_erased_yet_opens_once_it_is(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[4;1Hwith a longer line before\x1b[4;1Hneedle\x1b[K\x1b[9;1H" + SPINNER * 40)
    recorder.exit()
    terminal = derived(recorder, workshop)

    (hit,) = hits(terminal, "needle")
    found = opened(client, terminal, hit).json()["offset"]
    expect_first(terminal, "needle", found)
    assert read_bytes(terminal.pk, 0, found).endswith(b"needle\x1b[K")


def test_a_line_that_comes_and_goes_opens_each_of_its_times(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder()
    written, expected = b"", []
    for number in range(6):
        word = (b"needle waits", b"other works")[number % 2]
        piece = b"\x1b[4;1H" + word
        recorder.write(piece + b"\x1b[K\x1b[9;1H" + SPINNER * 5, after_us=100_000)
        written += piece
        if number % 2 == 0:
            expected.append(len(written))
        written += b"\x1b[K\x1b[9;1H" + SPINNER * 5
        derived(recorder, workshop)
    recorder.exit()
    terminal = derived(recorder, workshop)

    found = [opened(client, terminal, hit).json()["offset"] for hit in hits(terminal, "needle")]
    assert found == expected
    for offset in found:
        expect_first(terminal, "needle waits", offset)


def test_one_of_many_lines_that_are_alike_opens_itself(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder(rows=10)
    recorder.write(b"".join(b"$ make needle\r\nbuilt %d\r\n" % number for number in range(40)))
    recorder.exit()
    terminal = derived(recorder, workshop)

    output = read_bytes(terminal.pk, 0, terminal.size)
    for number in (0, 1, 17, 39):
        end = output.index(b"\r\nbuilt %d\r" % number)
        hit = LineHit(Line(end, 0, "$ make needle"), 7, 13)
        assert opened(client, terminal, hit).json()["offset"] == end


def test_a_line_that_left_the_screen_before_it_was_listed_is_found(
    client: Client, workshop: Workshop
) -> None:
    recorder = start_recorder(rows=5)
    recorder.write(b"\x1b[3;8Hof parts\x1b[3;1Hneedle\x1b[5;1H" + b"hay and more hay\r\n" * 100)
    recorder.exit()
    terminal = derived(recorder, workshop)

    whole = len(b"\x1b[3;8Hof parts\x1b[3;1Hneedle")
    (hit,) = hits(terminal, "needle")
    assert opened(client, terminal, hit).json()["offset"] == whole
    expect_first(terminal, "needle of parts", whole)


def test_a_line_that_is_far_before_is_found(workshop: Workshop) -> None:
    recorder = start_recorder(rows=5)
    recorder.write(b"\x1b[3;8Hof parts\x1b[3;1Hneedle" + SPINNER * 40 + b"\x1b[5;1H" + b"hay\r\n" * 500)
    recorder.exit()
    terminal = derived(recorder, workshop)

    found = first_shown(terminal, LineHit(Line(terminal.size, 0, "needle of parts"), 0, 6))
    assert found is not None
    assert found.offset == len(b"\x1b[3;8Hof parts\x1b[3;1Hneedle")


def test_of_a_line_that_never_stands_whole_the_match_counts(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder(cols=20, rows=5)
    text = "hay " * 60 + "needle" + " hay" * 60
    recorder.write(text.encode() + b"\r\n" * 8)
    recorder.exit()
    terminal = derived(recorder, workshop)

    hit = LineHit(Line(terminal.size, 0, text), 240, 246)
    found = opened(client, terminal, hit).json()["offset"]
    assert "needle" in "".join(screen_at(terminal, found).rows)


def test_what_never_stood_there_is_said_to_be_not_found(client: Client, workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.write(b"hay\r\n" * 100)
    recorder.exit()
    terminal = derived(recorder, workshop)

    for text in ("needle", "", " ", "\0", "ha\N{RIGHT-TO-LEFT OVERRIDE}y"):
        response = opened(client, terminal, LineHit(Line(200, 0, text), 0, 6))
        assert (response.status_code, response.content) == (204, b"")


def test_it_takes_no_more_screens_than_somebody_waits_for(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start_recorder()
    recorder.write(b"hay\r\n" * 40_000)
    recorder.exit()
    terminal = derived(recorder, workshop)
    seen: list[int] = []

    def look(terminal: Terminal, offset: int) -> Screen:
        seen.append(offset)
        return screen_at(terminal, offset)

    monkeypatch.setattr(landing, "screen_at", look)
    missing = LineHit(Line(150_000, 0, "needle"), 0, 6)
    assert first_shown(terminal, missing) is None
    # Each of them once, though the line and the match in it are looked for.
    assert len(seen) == len(set(seen)) <= 40
    monkeypatch.setattr(landing, "_MOST_SCREENS", 5)
    seen.clear()
    assert first_shown(terminal, missing) is None
    assert len(seen) == 5
    monkeypatch.setattr(landing, "_DEADLINE_S", -1.0)
    assert first_shown(terminal, missing) is None
    assert len(seen) == 5


def test_without_an_engine_or_with_damaged_rows_nothing_is_found(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = LineHit(Line(3, 0, "hay"), 0, 3)
    assert opened(client, make_terminal(size=1_000), hit).status_code == 204
    recorder = start_recorder()
    recorder.write(b"hay\r\n")

    def refuse(terminal: Terminal, offset: int) -> Screen:
        raise EngineError("no engine")

    assert opened(client, recorder.refresh(), hit).status_code == 200
    monkeypatch.setattr(landing, "screen_at", refuse)
    assert opened(client, recorder.terminal, hit).status_code == 204


@pytest.mark.parametrize("parameters", [{"offset": "-1"}, {"start": "x"}, {"text": "x" * 1_001}])
def test_broken_parameters_are_refused(client: Client, parameters: dict[str, str]) -> None:
    assert client.get(f"/terminals/{make_terminal().pk}/moment", parameters).status_code == 400


def test_what_may_not_be_seen_is_not_looked_at(client: Client) -> None:
    gone = make_terminal(deleted_ms=1)
    assert client.get(f"/terminals/{gone.pk}/moment").status_code == 404
    assert Client().get(f"/terminals/{make_terminal().pk}/moment").status_code == 302
