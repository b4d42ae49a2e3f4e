"""Terminals among the results of the search over everything."""

import zlib

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from sessions_app.actions.terminals.exporting import FORMS, export_of
from sessions_app.models import Person, SearchKind, Terminal
from sessions_app.search.find import Hit, find
from sessions_app.search.query import parse
from sessions_app.terminal.engine.model import Line
from tests.dashboard.commands.calling import Caller
from tests.factories import (
    START_MS,
    make_message,
    make_person,
    make_project,
    make_session,
    make_terminal,
    signed_in,
)
from tests.sessions_app.search.terminal_texts import shown
from tests.sessions_app.search.test_find import said
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db

DAY_MS = 86_400_000


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Caller:
    return Caller(capsysbinary)


@pytest.fixture
def ada() -> Person:
    return make_person()


def hits(text: str, person: Person) -> list[Hit]:
    return list(find(parse(text), person).hits)


def lines(text: str, person: Person) -> list[str]:
    return ["".join(piece for piece, _ in hit.excerpt) for hit in hits(text, person)]


def test_a_line_with_every_word_is_a_hit_with_its_moment(ada: Person) -> None:
    terminal = make_terminal()
    shown(
        terminal,
        Line(10, 1_000_000, "the write"),
        Line(40, 2_500_001, "write lock held"),
        Line(50, 3_000_000, "x"),
    )

    (hit,) = hits("lock write", ada)
    assert (hit.kind, hit.terminal, hit.session, hit.seq) == (SearchKind.TERMINAL, terminal, None, None)
    assert hit.found is not None
    assert hit.found.line == Line(40, 2_500_001, "write lock held")
    assert (hit.at_ms, hit.others) == (START_MS + 2_500, 0)
    assert ("lock", True) in hit.excerpt


def test_words_of_different_lines_are_no_hit(ada: Person) -> None:
    shown(make_terminal(), "write", "lock")

    assert lines("write lock", ada) == []
    assert lines('"write lock"', ada) == []


def test_the_last_line_stands_for_its_block_and_the_others_are_counted(ada: Person) -> None:
    shown(make_terminal(), "needle one", "hay", "needle two", "NEEDLE three")

    (hit,) = hits("needle", ada)
    assert ("NEEDLE", True) in hit.excerpt
    assert hit.others == 2


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("модель", "Новая МОДЕЛЬ"),
        ("café", "CAFÉ au lait"),
        ("שלום", "abc שלום עולם"),
        ("漢字", "漢字 here"),
        ("snake_case", "snake_case()"),
    ],
)
def test_words_are_found_in_any_script(ada: Person, query: str, line: str) -> None:
    shown(make_terminal(), line)

    assert lines(query, ada) == [line]


def test_a_part_of_a_word_is_found_by_its_beginning_only(ada: Person) -> None:
    shown(make_terminal(), "migrations applied")

    assert lines("migr*", ada) == ["migrations applied"]
    assert lines("rations", ada) == []


def test_terminals_and_messages_stand_among_each_other_newest_first(ada: Person) -> None:
    session = make_session()
    said(session, "needle said", START_MS + 1_500)
    shown(make_terminal(session), Line(1, 1_000_000, "needle early"))
    shown(make_terminal(started_ms=START_MS + 1_000), Line(1, 1_000_000, "needle late"))

    assert lines("needle", ada) == ["needle late", "needle said", "needle early"]
    assert lines("needle kind:terminal", ada) == ["needle late", "needle early"]
    assert lines("needle kind:message", ada) == ["needle said"]


def test_qualifiers_narrow_terminals(ada: Person) -> None:
    session = make_session(agent="codex", project=make_project(path="/home/ada/app"))
    shown(make_terminal(session, cwd="/elsewhere"), "needle of codex")
    shown(make_terminal(cwd="/home/ada/app/tests"), "needle of nobody")
    shown(make_terminal(cwd="/srv", started_ms=START_MS + DAY_MS), "needle of tomorrow")

    assert lines("needle agent:codex", ada) == ["needle of codex"]
    assert lines(f"needle session:{session.pk}", ada) == ["needle of codex"]
    assert set(lines("needle project:ada/app", ada)) == {"needle of codex", "needle of nobody"}
    assert lines("needle after:2026-03-01", ada) == ["needle of tomorrow"]
    assert set(lines("needle before:2026-03-02", ada)) == {"needle of codex", "needle of nobody"}


def test_a_line_counts_by_its_own_time_not_its_blocks(ada: Person) -> None:
    shown(make_terminal(), Line(1, 0, "needle today"), Line(2, DAY_MS * 1_000, "needle tomorrow"))

    assert lines("needle before:2026-03-02", ada) == ["needle today"]


def test_deleted_terminals_and_sessions_are_not_found(ada: Person) -> None:
    shown(make_terminal(deleted_ms=START_MS), "needle of a deleted terminal")
    shown(make_terminal(make_session(deleted_ms=START_MS)), "needle of a deleted session")
    assert lines("needle", ada) == []

    shown(make_terminal(), "needle")
    assert lines("needle", ada) == ["needle"]


def test_strangers_and_disabled_people_find_nothing(ada: Person) -> None:
    shown(make_terminal(), "needle")

    assert find(parse("needle"), AnonymousUser()).hits == []
    assert lines("needle", make_person(is_active=False)) == []
    assert lines("needle", make_person("viewer")) == ["needle"]


def test_pages_of_terminals_show_every_block_once(ada: Person) -> None:
    terminal = make_terminal()
    for number in range(7):
        shown(terminal, Line(number, number * 1_000_000, f"needle {number}"))
    found, cursor = [], None
    while True:
        page = find(parse("needle kind:terminal"), ada, cursor=cursor, limit=3)
        found += [hit.found.line.offset for hit in page.hits if hit.found]
        cursor = page.next
        if cursor is None:
            break

    assert found == [6, 5, 4, 3, 2, 1, 0]


def test_one_terminal_does_not_fill_the_page_unless_only_terminals_are_asked_for(
    ada: Person, client: Client
) -> None:
    said(make_session(), "needle said", START_MS - 1_000)
    terminal = make_terminal()
    for number in range(9):
        shown(terminal, Line(number, number * 1_000_000, f"needle {number}"))
    shown(make_terminal(), Line(1, 500, "needle elsewhere"))

    results = find(parse("needle"), ada)
    assert ["".join(piece for piece, _ in hit.excerpt) for hit in results.hits] == [
        *(f"needle {number}" for number in range(8, 3, -1)),
        "needle elsewhere",
        "needle said",
    ]
    assert results.more_in == {terminal.pk}
    assert page_of(client, "needle").count(f'/terminals/{terminal.pk}/?q=needle"') == 1
    assert client.get("/api/v1/search", {"q": "needle"}).json()["more_in"] == [str(terminal.pk)]

    results = find(parse("needle kind:terminal"), ada)
    assert (len(results.hits), results.more_in) == (10, frozenset())


def test_what_hides_or_reorders_text_is_shown_as_what_it_is(ada: Person) -> None:
    shown(make_terminal(), "needle \u202egnitirw\u202c end")

    (line,) = lines("needle", ada)
    assert "\u202e" not in line
    assert "U+202E" in line


def test_a_hit_opens_where_its_line_has_just_been_written(client: Client) -> None:
    recorder = start_recorder()
    for number in range(200):
        recorder.write(b"tick %d\r\n" % number, after_us=3_000)
    terminal = recorder.refresh()
    shown(terminal, Line(terminal.size, terminal.duration_us, "tick 123"))

    offset = sum(len(b"tick %d" % number) for number in range(124)) + 2 * 123
    named = f"{offset}.{zlib.crc32(b'tick 123'):08x}"
    assert f'href="/terminals/{terminal.pk}/?t=00%3A00%3A00.372&amp;hit={named}&amp;q=tick+123"' in page_of(
        client, "tick 123"
    )
    (hit,) = client.get("/api/v1/search", {"q": "tick 123"}).json()["items"]
    assert hit["moment"] == {
        "offset": sum(len(f"tick {n}\r\n") for n in range(124)) - 2,
        "at_us": 372_000,
        "others": 0,
    }


def test_damaged_output_costs_a_hit_nothing_but_its_place(client: Client) -> None:
    terminal = make_terminal(size=1_000)
    shown(terminal, Line(500, 2_000, "needle"))

    (hit,) = client.get("/api/v1/search", {"q": "needle"}).json()["items"]
    assert hit["moment"]["offset"] == 500


@pytest.fixture
def client(ada: Person) -> Client:
    return signed_in(ada)


def page_of(client: Client, query: str) -> str:
    return client.get("/search/", {"q": query}).content.decode()


def test_the_page_leads_to_the_moment_with_what_was_looked_for(client: Client) -> None:
    terminal: Terminal = make_terminal()
    shown(terminal, Line(40, 2_500_001, "write lock held"))

    page = page_of(client, "lock write kind:terminal")
    named = f"40.{zlib.crc32(b'write lock held'):08x}"
    assert f'href="/terminals/{terminal.pk}/?t=00%3A00%3A02.501&amp;hit={named}&amp;q=write"' in page
    assert "<mark>lock</mark>" in page
    assert "Open terminal" in page
    page = page_of(client, '"write lock"')
    assert "&amp;q=write+lock" in page


def test_a_terminal_of_a_session_leads_to_the_sessions_clock_too(client: Client) -> None:
    session = make_session(started_ms=START_MS - 60_000)
    terminal = make_terminal(session)
    shown(terminal, Line(40, 2_500_001, "needle"))

    page = page_of(client, "needle")
    assert f'href="/sessions/{session.pk}/?terminal={terminal.pk}&amp;t=00%3A01%3A02.501"' in page
    assert "Open session" in page


def test_hostile_lines_stay_text(client: Client) -> None:
    shown(make_terminal(title="<b>bold</b>"), "needle <script>alert(1)</script>")

    page = page_of(client, "needle")
    assert "<script>alert(1)" not in page
    assert "<b>bold" not in page


def test_terminals_can_be_chosen(client: Client) -> None:
    shown(make_terminal(), "needle")
    make_message(make_session(), text="needle")

    page = page_of(client, "needle")
    assert 'href="/search/?q=needle%20kind%3Aterminal">Terminals' in page


def test_the_api_says_where_the_line_is(client: Client) -> None:
    terminal = make_terminal()
    shown(terminal, Line(40, 2_500_001, "needle"), Line(41, 2_500_002, "needle"))

    (hit,) = client.get("/api/v1/search", {"q": "needle"}).json()["items"]
    assert (hit["kind"], hit["object"], hit["session"]) == ("terminal", str(terminal.pk), None)
    assert hit["moment"] == {"offset": 41, "at_us": 2_500_002, "others": 1}


def test_a_recording_that_ends_after_the_last_date_is_shown_and_found(client: Client, call: Caller) -> None:
    last_ms = 253_402_300_799_999
    terminal = make_terminal(
        None,
        b"needle\r\n",
        started_ms=last_ms,
        ended_ms=last_ms + 60_000,
        duration_us=60_000_000,
        state="ended",
    )
    shown(terminal, Line(8, 60_000_000, "needle"))

    assert "31 Dec 9999" in page_of(client, "needle")
    assert call("search", "needle").status == 0
    for address in (f"/terminals/{terminal.pk}/", f"/terminals/{terminal.pk}/figures/", "/terminals/", "/"):
        assert (address, client.get(address).status_code) == (address, 200)
    for form in FORMS:
        assert (form, b"".join(export_of(terminal, form)) != b"") == (form, True)
    assert call("list", "--terminals").status == 0
    assert call("show", str(terminal.pk)).status == 0
