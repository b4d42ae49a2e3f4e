"""Search inside one terminal: derived text, what is newer, the exact moment, and what patterns may do."""

import json
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from sessions_app.actions.terminals.deriving import derive
from sessions_app.actions.terminals.screens import screen_at
from sessions_app.actions.terminals.searching import Outcome, TerminalSearch
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import AgentSession, Terminal, TerminalText
from sessions_app.search import terminals
from sessions_app.search.turns import Turns
from sessions_app.terminal.asciicast.model import Output
from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.line_search import LineHit, Pattern
from sessions_app.views import terminal_search
from tests.factories import make_person, make_session, make_terminal, signed_in
from tests.sessions_app.search.terminal_texts import write_block
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db
needs_engine = pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform")


def search(
    terminal: Terminal, text: str, *, is_regex: bool = False, **options: Any
) -> tuple[list[LineHit], Outcome]:
    terminal.refresh_from_db()
    running = TerminalSearch(terminal, Pattern(text, is_regex=is_regex), **options)
    hits = [hit for batch in running.batches() for hit in batch]
    return hits, running.outcome


def texts(terminal: Terminal, text: str, **options: Any) -> list[str]:
    return [hit.line.text for hit in search(terminal, text, **options)[0]]


@pytest.fixture(scope="module", autouse=True)
def workshop() -> Iterator[Workshop]:
    made = Workshop(EngineProcess(deadline_s=20), works_ahead=False)
    _workshops.append(made)
    yield made
    _workshops.clear()
    made.stop()


_workshops: list[Workshop] = []


def derived(recorder: Recorder) -> Terminal:
    """Its terminal, with everything derived that was written so far."""
    while derive(recorder.terminal.pk, _workshops[0]):
        pass
    return recorder.refresh()


def with_blocks(*blocks: list[Line]) -> Terminal:
    """An ended terminal whose text was derived."""
    size = blocks[-1][-1].offset
    terminal = make_terminal(
        None, b"x" * size, state="ended", ended_ms=1, derived_end=True, derived_size=size
    )
    for block in blocks:
        write_block(terminal, block)
    return terminal


def numbered(first: int, count: int, text: str = "line") -> list[Line]:
    return [Line(number, number * 10, f"{text} {number}") for number in range(first, first + count)]


def test_hits_come_oldest_first_from_all_blocks() -> None:
    terminal = with_blocks(*(numbered(1 + start, 50) for start in range(0, 5_000, 50)))

    found, outcome = search(terminal, "99")
    assert [hit.line.offset for hit in found] == [n for n in range(1, 5_001) if "99" in str(n)]
    assert outcome == Outcome(len(found), False, 1.0)


def test_a_search_can_begin_anywhere() -> None:
    terminal = with_blocks(*(numbered(1 + start, 50) for start in range(0, 500, 50)))

    assert texts(terminal, "line", start=499) == ["line 499", "line 500"]
    assert texts(terminal, "line", start=130, limit=1) == ["line 130"]


def test_the_number_of_hits_is_limited_and_said_to_be() -> None:
    terminal = with_blocks(*(numbered(1 + start, 50) for start in range(0, 500, 50)))

    found, outcome = search(terminal, "line", limit=120)
    assert [hit.line.offset for hit in found] == list(range(1, 121))
    assert (outcome.hits, outcome.is_cut) == (120, True)


def searched_on(terminal: Terminal, text: str, *, limit: int) -> list[list[LineHit]]:
    """The hits of one search after the other, each from where the one before says."""
    found, start = [], 0
    while True:
        hits, outcome = search(terminal, text, start=start, limit=limit)
        found.append(hits)
        if outcome.next is None:
            return found
        assert outcome.next > start
        start = outcome.next


def test_a_search_goes_on_where_it_was_cut_and_neither_loses_nor_repeats() -> None:
    terminal = with_blocks(*(numbered(1 + start, 50) for start in range(0, 500, 50)))

    found = searched_on(terminal, "line", limit=120)
    assert [hit.line.offset for hits in found for hit in hits] == list(range(1, 501))
    assert [len(hits) for hits in found] == [120, 120, 120, 120, 20]


def test_lines_that_were_listed_together_are_never_parted() -> None:
    blocks = [[Line(100 * block, 0, f"line {block} {part}") for part in range(7)] for block in range(1, 30)]
    terminal = with_blocks(*blocks)

    found = searched_on(terminal, "line", limit=10)
    assert [hit.line.text for hits in found for hit in hits] == [
        line.text for block in blocks for line in block
    ]
    assert {len(hits) for hits in found} == {14, 7}


@needs_engine
def test_lines_of_one_slice_are_all_reached() -> None:
    """A thousand of them are in one slice of output, at places that are found in it."""
    recorder = start_recorder()
    recorder.write(b"".join(b"a%d\r\n" % number for number in range(6_000)))
    recorder.exit()

    found = searched_on(derived(recorder), "a", limit=1_000)
    assert [hit.line.text for hits in found for hit in hits] == [f"a{number}" for number in range(6_000)]
    assert len(found) > 3


@pytest.mark.parametrize("known", [0, 3_000])
def test_what_nobody_derived_yet_is_gone_on_with_too(known: int) -> None:
    recorder = start_recorder()
    recorder.write(b"".join(b"a%d\r\n" % number for number in range(3_000)))
    if known:
        derived(recorder)
    recorder.write(b"".join(b"a%d\r\n" % number for number in range(3_000, 9_000)))

    found = [hit.line.text for hits in searched_on(recorder.terminal, "a", limit=1_000) for hit in hits]
    # What stands on the screen in the end is found there again by a search that began behind it.
    assert list(dict.fromkeys(found)) == [f"a{number}" for number in range(9_000)]
    assert len(found) < 9_000 + 2 * 24


def test_blocks_that_are_written_anew_meanwhile_lose_and_repeat_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminals, "_FIRST_BLOCKS", 1)
    monkeypatch.setattr(terminals, "_BATCH_BLOCKS", 1)
    terminal = with_blocks(numbered(1, 5), numbered(6, 5), numbered(11, 5))
    running = TerminalSearch(terminal, Pattern("line"))
    batches = terminals._batches(terminal.pk, -1)
    (first,) = next(batches)
    # The deriver joins the small blocks.
    TerminalText.objects.filter(terminal=terminal).delete()
    write_block(terminal, numbered(1, 15))
    (second,) = next(batches)
    hits = [
        hit.line.offset
        for batch in (first, second)
        for hit in terminals._search_batch(batch, Pattern("line"), -1, None).hits
    ]
    assert hits == list(range(1, 16))
    assert [hit.line.offset for batch in running.batches() for hit in batch] == list(range(1, 16))


def test_what_lies_around_a_damaged_block_is_found_and_that_it_is_not_all_is_told() -> None:
    terminal = with_blocks(numbered(1, 5), numbered(6, 5), numbered(11, 5))
    assert not search(terminal, "line")[1].damaged
    TerminalText.objects.filter(terminal=terminal, offset=6).update(data=b"no block")

    found, outcome = search(terminal, "line")
    assert [hit.line.offset for hit in found] == [*range(1, 6), *range(11, 16)]
    assert (outcome.damaged, outcome.searched, outcome.next) == (True, 1.0, None)


def test_time_that_is_up_ends_the_search_with_the_share_that_was_searched() -> None:
    chosen = random.Random(1)
    noise = ["".join(chosen.choices("abcxyz ", k=110)) for _ in range(600)]
    blocks = [
        [Line(1 + 600 * block + number, 0, text) for number, text in enumerate(noise)] for block in range(200)
    ]
    terminal = with_blocks(*blocks)
    started = time.monotonic()

    found, outcome = search(terminal, r"(.{0,50}a.{0,50}b.{0,50}){3}c.{20}Z", is_regex=True, deadline_s=0.6)
    assert time.monotonic() - started < 5
    assert (found, outcome.is_cut) == ([], False)
    assert 0 <= outcome.searched < 1
    assert outcome.next is not None
    assert outcome.searched == pytest.approx(outcome.next / terminal.size, abs=0.01)


def test_what_nobody_derived_yet_is_found_in_the_bytes() -> None:
    recorder = start_recorder()
    recorder.write(b"building the \x1b[31mneedle\x1b[0m of it\r\nhay\r\n" * 2)
    recorder.write(b"more hay\r\n" * 60)

    assert recorder.terminal.derived_size == 0
    (hit, *_), outcome = search(recorder.terminal, "needle of")
    assert hit.line.text == "building the needle of it"
    assert hit.line.time_us == 1_000
    assert outcome.searched == 1.0


@pytest.mark.parametrize("start", [0, 6])
def test_while_what_was_derived_is_forgotten_its_output_is_searched(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a rebuild that was cut off leaves it, where no server goes on with it for want of an engine."""
    recorder = start_recorder()
    recorder.write(b"hay\r\n" * 4_000 + b"needle one\r\n" + b"hay\r\n" * 4_000)
    write_block(recorder.terminal, [Line(20_012, 0, "needle one"), Line(40_012, 0, "hay")])
    Terminal.objects.update(derived_size=-1)

    assert texts(recorder.terminal, "needle", start=start) == ["needle one"]
    recorder.refresh()
    running = TerminalSearch(recorder.terminal, Pattern("needle"), start=start)
    batches = running.batches()
    next(batches)
    monkeypatch.setattr(time, "monotonic", lambda: math.inf)
    assert list(batches) == []
    monkeypatch.undo()
    assert running.outcome.next is not None
    assert texts(recorder.terminal, "needle", start=running.outcome.next) == ["needle one"]


def test_the_newest_output_is_found_behind_what_was_derived() -> None:
    recorder = start_recorder()
    recorder.write(b"needle one\r\n" + b"hay\r\n" * 100)
    derived(recorder)
    recorder.write(b"needle two\r\n" + b"hay\r\n" * 100)
    recorder.write(b"and needle thr")

    assert texts(recorder.terminal, "needle") == ["needle one", "needle two", "and needle thr"]


def test_a_line_that_was_half_derived_is_found_whole() -> None:
    recorder = start_recorder()
    recorder.write(b"hay\r\n" * 50 + b"comp")
    derived(recorder)
    recorder.write(b"iling done\r\n" + b"hay\r\n" * 50)

    assert "compiling done" in texts(recorder.terminal, "compiling")


@needs_engine
def test_what_stands_on_the_screen_is_found_once() -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[?1049h\x1b[2J\x1b[5;10Hneedle\x1b[7;3Hstatus")
    derived(recorder)

    assert len(texts(recorder.terminal, "needle")) == 1
    recorder.write(b"\x1b[8;3Hand so on")
    assert len(texts(recorder.terminal, "needle")) == 1
    assert len(texts(recorder.terminal, "so on")) == 1


@needs_engine
def test_redrawn_screens_are_searched_as_they_were_seen() -> None:
    recorder = start_recorder(rows=10)
    for number in range(40):
        frame = "".join(f"\x1b[{row};1Hrow {row} of frame {number}\x1b[K" for row in range(1, 9))
        recorder.write(f"\x1b[H{frame}".encode(), after_us=500_000)
    recorder.exit()
    terminal = derived(recorder)

    (hit,), _ = search(terminal, "row 3 of frame 17")
    assert hit.line.text in screen_at(terminal, hit.line.offset).rows


@needs_engine
def test_a_line_longer_than_the_screen_is_wide_is_found_across_its_rows() -> None:
    recorder = start_recorder(cols=20)
    recorder.write(b"a long line that runs over the edge of the screen\r\n" + b"hay\r\n" * 100)
    recorder.exit()

    assert texts(derived(recorder), "over the edge of the screen") == [
        "a long line that runs over the edge of the screen"
    ]


@needs_engine
def test_a_hit_opens_where_its_line_has_just_been_written() -> None:
    recorder = start_recorder(rows=24)
    recorder.write(b"".join(b"\x1b[32mline\x1b[0m %d\r\n" % number for number in range(5_000)))
    recorder.exit()
    terminal = derived(recorder)

    for number in (0, 17, 2_500, 4_999):
        hit = next(hit for hit in search(terminal, f"line {number}")[0] if hit.line.text == f"line {number}")
        assert f"line {number}" in screen_at(terminal, hit.line.offset).rows
        assert f"line {number}" not in screen_at(terminal, hit.line.offset - 1).rows


@needs_engine
def test_a_hit_has_the_time_of_its_own_write() -> None:
    recorder = start_recorder()
    for number in range(300):
        recorder.write(b"tick %d\r\n" % number, after_us=3_000)
    recorder.exit()
    terminal = derived(recorder)

    found, _ = search(terminal, "tick 123")
    assert [hit.line.time_us for hit in found] == [124 * 3_000]


@needs_engine
def test_the_same_line_again_is_a_hit_of_its_own_at_its_own_place() -> None:
    recorder = start_recorder(rows=5)
    for _ in range(3):
        recorder.write(b"needle\r\n" + b"".join(b"hay %d\r\n" % n for n in range(50)), after_us=100_000)
    recorder.exit()

    found, _ = search(derived(recorder), "needle")
    assert [hit.line.time_us for hit in found] == [100_000, 200_000, 300_000]


def test_unicode_is_folded_and_right_to_left_text_found() -> None:
    recorder = start_recorder()
    recorder.write("\r\n".join(["Новая МОДЕЛЬ", "שלום עולם", "🙂 smile", ""]).encode())

    assert texts(recorder.terminal, "модель") == ["Новая МОДЕЛЬ"]
    assert texts(recorder.terminal, "עולם") == ["שלום עולם"]
    (hit,), _ = search(recorder.terminal, "smile")
    assert hit.line.text[hit.start : hit.end] == "smile"


# The address


@pytest.fixture
def client() -> Client:
    return signed_in(make_person("viewer"))


def answer(client: Client, terminal: Terminal, **parameters: str) -> list[dict[str, Any]]:
    response: Any = client.get(f"/terminals/{terminal.pk}/search", parameters)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-ndjson"

    async def gather() -> bytes:
        return b"".join([piece async for piece in cast(AsyncIterator[bytes], response.streaming_content)])

    return [json.loads(line) for line in async_to_sync(gather)().decode().splitlines()]


def test_hits_are_json_lines_and_the_last_says_how_it_went(client: Client) -> None:
    terminal = with_blocks([Line(5, 1_500, "🙂 a Needle"), Line(9, 2_500, "hay"), Line(12, 3_500, "needles")])

    assert answer(client, terminal, q="needle") == [
        {"offset": 5, "at_us": 1_500, "text": "🙂 a Needle", "start": 4, "end": 10, "place": "5.c930491b"},
        {"offset": 12, "at_us": 3_500, "text": "needles", "start": 0, "end": 6, "place": "12.6b016366"},
        {"done": True, "hits": 2, "is_cut": False, "searched": 1.0, "next": None},
    ]
    assert [hit.get("text") for hit in answer(client, terminal, q="n.*S", regex="1")[:-1]] == []
    assert [hit["text"] for hit in answer(client, terminal, q="^need", regex="1")[:-1]] == ["needles"]
    assert [hit["offset"] for hit in answer(client, terminal, q="needle", **{"from": "6"})[:-1]] == [12]


def test_of_a_very_long_line_what_stands_around_the_match_is_sent(client: Client) -> None:
    terminal = with_blocks([Line(5, 0, "x" * 30_000 + "needle" + "y" * 30_000)])

    hit, _ = answer(client, terminal, q="needle")
    assert len(hit["text"]) == terminal_search.MAX_LINE_CHARS
    assert hit["text"][hit["start"] : hit["end"]] == "needle"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"q": ""}, "nothing to look for"),
        ({"q": "x" * 501}, "longer than 500"),
        ({"q": "(", "regex": "1"}, "cannot be read"),
        ({"q": "(a)\\1", "regex": "1"}, "cannot be read"),
        ({"q": "a*", "regex": "1"}, "every line"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_is_answered_in_words(
    client: Client, parameters: dict[str, str], words: str
) -> None:
    (last,) = answer(client, make_terminal(), **parameters)
    assert last["done"]
    assert words in last["error"]


def test_a_nul_and_hostile_bytes_are_looked_for_like_anything_else(client: Client) -> None:
    for text in ("\0", "a\0b", "\x1b[31m", "'; DROP TABLE", "%", "\u202e"):
        assert answer(client, with_blocks(numbered(1, 3)), q=text)[-1]["hits"] == 0


@pytest.mark.parametrize("parameters", [{"regex": "yes"}, {"from": "-1"}, {"from": "x"}, {"from": "9" * 30}])
def test_broken_parameters_are_refused(client: Client, parameters: dict[str, str]) -> None:
    assert client.get(f"/terminals/{make_terminal().pk}/search", {"q": "x", **parameters}).status_code == 400


def test_what_may_not_be_seen_is_not_searched(client: Client) -> None:
    gone = make_terminal(deleted_ms=1)
    of_session = make_terminal(make_session())
    AgentSession.objects.update(deleted_ms=1)
    for terminal in (gone, of_session):
        assert client.get(f"/terminals/{terminal.pk}/search?q=x").status_code == 404
    assert Client().get(f"/terminals/{make_terminal().pk}/search?q=x").status_code == 302


def test_too_many_searches_at_once_are_told_to_wait(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_search, "_turns", Turns(of_all=0, of_each=0))
    monkeypatch.setattr(terminal_search, "_TURN_S", 0.01)

    (last,) = answer(client, make_terminal(), q="x")
    assert "still running" in last["error"]


def test_turns_are_counted_for_each_person_and_for_all() -> None:
    turns = Turns(of_all=3, of_each=2)
    assert [turns.take(who) for who in ("ada", "ada", "ada", "bob", "cleo")] == [
        True,
        True,
        False,
        True,
        False,
    ]
    turns.give_back("ada")
    assert turns.take("cleo")
    assert not turns.take("ada")


def test_turns_are_given_back_when_a_search_ends(client: Client) -> None:
    terminal = with_blocks(numbered(1, 3))
    for _ in range(10):
        assert answer(client, terminal, q="line")[-1]["hits"] == 3


def test_whoever_leaves_gives_the_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(of_all=1, of_each=1)
    monkeypatch.setattr(terminal_search, "_turns", turns)
    person = make_person()
    terminal = with_blocks(*(numbered(1 + start, 50) for start in range(0, 5_000, 50)))
    search = TerminalSearch(terminal, Pattern("line"))

    async def leave_after_the_first_hits() -> None:
        lines = cast(AsyncGenerator[bytes], terminal_search._lines(search, person.pk))
        assert await anext(lines)
        assert not turns.take(person.pk)
        await lines.aclose()

    async_to_sync(leave_after_the_first_hits)()
    assert turns.take(person.pk)


def test_a_damaged_block_is_said_to_be_damaged(client: Client) -> None:
    terminal = with_blocks(numbered(1, 3))
    TerminalText.objects.update(data=b"\x09nothing", codec="raw", size=8)

    last = answer(client, terminal, q="nothing")[-1]
    assert "damaged" in last["note"]
    assert (last["searched"], "error" in last) == (1, False)


def test_output_that_is_written_meanwhile_is_no_harm() -> None:
    recorder = start_recorder()
    recorder.write(b"needle\r\n")
    recorder.refresh()
    running = TerminalSearch(recorder.terminal, Pattern("needle"))
    recorder.send(Output(9_000, b"needle again\r\n" * 100))

    assert [hit.line.text for batch in running.batches() for hit in batch] == ["needle"]
