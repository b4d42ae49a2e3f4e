"""Sessions by the words of what they are called: each that has them, whatever else is in the console."""

import uuid
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from sessions_app.actions.sessions import rename_session
from sessions_app.actions.titles import keep_all_titles, keep_titles
from sessions_app.models import AgentSession, Person, SearchEntry, SearchKind, TitleWords
from sessions_app.search import index, titles
from sessions_app.search.titles import Titled, title_words
from tests.factories import (
    START_MS,
    make_message,
    make_person,
    make_project,
    make_session,
    make_tag,
    signed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    return make_person()


@pytest.fixture
def client(ada: Person) -> Client:
    return signed_in(ada)


def called(title: str, **fields: Any) -> AgentSession:
    session = make_session(title=title, **fields)
    keep_titles({session.pk: (session.title, session.first_prompt)})
    return session


def found(*texts: str) -> set[str]:
    sessions: Any = AgentSession.objects.all()
    return {session.title for session in Titled.by(texts).all_of(sessions)}


def pages(client: Client, **query: str) -> list[list[uuid.UUID]]:
    """The ids on each page of the list, as its links lead on."""
    cursor, seen = "", []
    while True:
        context = client.get("/sessions/", {**query, "after": cursor}).context
        seen.append([entry.session.pk for entry in context["entries"]])
        pager = context["pager"]
        if not pager["older"]:
            return seen
        cursor = pager["older"].partition("after=")[2].partition("&")[0]


@pytest.fixture(params=[titles.MOST_NAMED, 3], ids=["named", "walked"])
def most_named(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Whether all that have the words are named by the index, or are met on the way through the list."""
    number: int = request.param
    monkeypatch.setattr(titles, "MOST_NAMED", number)
    return number


@pytest.fixture
def hundreds(ada: Person) -> list[AgentSession]:
    """520 sessions with the word, those that came first active last, and as many without it."""
    made = AgentSession.objects.bulk_create(
        AgentSession(
            agent="codex", external_id=f"{number}", title=f"Fix {number}" if number % 2 else f"Port {number}",
            started_ms=START_MS + number, last_activity_ms=START_MS + 10_000 - number,
            status="failed" if number % 8 == 1 else "idle",
        )
        for number in range(1_040)
    )  # fmt: skip
    keep_all_titles()
    return [session for session in made if session.title.startswith("Fix")]


@pytest.mark.usefixtures("most_named")
def test_none_of_many_is_lost_and_the_last_active_come_first(
    client: Client, hundreds: list[AgentSession]
) -> None:
    listed = pages(client, q="fix")

    assert [pk for page in listed for pk in page] == [session.pk for session in hundreds]
    assert [len(page) for page in listed] == [50] * 10 + [20]
    failed = [pk for page in pages(client, q="fix", status="failed") for pk in page]
    assert failed == [session.pk for session in hundreds if session.status == "failed"]
    assert pages(client, q="nowhere") == [[]]


@pytest.mark.usefixtures("most_named")
def test_an_old_session_that_is_active_again_is_first(client: Client) -> None:
    old = called("Fix the queue", started_ms=START_MS - 10**9, last_activity_ms=START_MS + 10**6)
    for number in range(9):
        called(f"Fix {number}", started_ms=START_MS + number, last_activity_ms=START_MS + number)

    assert pages(client, q="fix")[0][0] == old.pk


def test_what_is_said_a_thousand_times_hides_no_title(client: Client) -> None:
    session = called("Rework the importer")
    other = called("Something else")
    entries = []
    for number in range(1_000):
        message = make_message(other, text="rework this", at_ms=START_MS + number)
        entries.append((index.entry_id(START_MS + number, message.pk) + number, message.pk))
    SearchEntry.objects.bulk_create(
        SearchEntry(id=entry, kind=SearchKind.MESSAGE, object_id=pk, session=other) for entry, pk in entries
    )
    index.add((entry, "rework this") for entry, _ in entries)

    assert pages(client, q="rework") == [[session.pk]]


@pytest.mark.usefixtures("most_named")
def test_every_word_must_be_there_whole_but_for_the_last() -> None:
    for title in (
        "Rework the importer",
        "Rework the export",
        "The importer",
        "Reworked imports",
        "ÄRGER_4 日本",
    ):
        called(title)
    for number in range(4):
        called("", first_prompt=f"rework import {number}")

    assert found("rework", "impo") == {"Rework the importer", ""}
    assert found("rework impo") == {"Rework the importer", ""}
    assert found("impo", "rework") == set()
    assert found("imports", "rework") == {"Reworked imports"}
    assert found("ärger_4") == {"ÄRGER_4 日本"}
    assert found("ärger") == {"ÄRGER_4 日本"}
    assert found("_4") == set()
    assert found("") == found("%") == found("...", '"') == set()


@pytest.mark.usefixtures("most_named")
def test_a_session_is_found_by_what_it_is_called_now() -> None:
    session = called("Survey", first_prompt="look at the log")
    for number in range(4):
        called(f"Survey Later {number}")
    others = found("survey") - {"Survey"}

    rename_session(session.pk, "Later", actor=SYSTEM)

    assert found("survey") == others
    assert found("later") == {*others, "Later"}
    assert found("look") == {"Later"}
    rename_session(session.pk, "", actor=SYSTEM)
    assert found("later") == others
    AgentSession.objects.filter(pk=session.pk).update(first_prompt="")
    keep_titles({session.pk: ("", "")})
    assert found("look") == set()


def test_the_index_forgets_what_was_changed() -> None:
    session = called("Survey")
    keep_titles({session.pk: ("Later", "")})

    assert Titled.by(["survey"]).named == []
    assert Titled.by(["later"]).named == [session.pk]
    TitleWords.objects.all().delete()
    assert Titled.by(["later"]).named == []


def facets(client: Client, **query: str) -> tuple[dict[str, dict[str, str]], int | None]:
    context = client.get("/sessions/facets/", query).context
    counts = {
        facet.name: {value.label: value.count_text for value in facet.values} for facet in context["facets"]
    }
    return counts, context["counted_of"]


def test_facets_of_a_search_count_what_their_links_show(client: Client) -> None:
    shop, old = make_project(path="/w/shop", name="shop"), make_project(path="/w/old", name="old")
    one = called("Fix one", agent="codex", status="idle", project=shop)
    called("Fix two", agent="codex", status="failed", project=old)
    called("Fix three", agent="claude-code", status="failed", project=shop)
    called("Port four", agent="codex", status="failed", project=shop)
    called("Fix five", agent="codex", status="failed", project=shop, archived_ms=START_MS)
    make_tag(one, "later")

    assert facets(client, q="fix", agent="codex") == (
        {
            "status": {"Idle": "1", "Failed": "1"},
            "agent": {"claude-code": "1", "codex": "2"},
            "project": {"shop": "1", "old": "1"},
            "tag": {"later": "1"},
        },
        None,
    )
    assert facets(client, q="fix", tag="later")[0]["status"] == {"Idle": "1"}
    assert facets(client, q="nowhere", status="failed")[0]["status"] == {"Failed": "0"}


def test_facets_of_very_many_say_that_there_may_be_more(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        called(f"Fix {number}", status="failed" if number else "idle", started_ms=START_MS + number)
    monkeypatch.setattr(titles, "MOST_NAMED", 4)

    counts, counted_of = facets(client, q="fix")

    assert counts["status"] == {"Failed": "4+"}
    assert counted_of == 4
    page = client.get("/sessions/facets/?q=fix").content.decode()
    assert "of the newest 4 with these words; there may be more" in page
    assert "of the newest" not in client.get("/sessions/facets/?q=4").content.decode()


@pytest.mark.parametrize("most_named", [titles.MOST_NAMED, 2])
def test_a_request_looks_the_words_up_once(
    client: Client, most_named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "MOST_NAMED", most_named)
    for number in range(5):
        make_tag(called(f"Fix {number}", agent=f"agent-{number}"), f"tag-{number}")
    client.get("/sessions/facets/")
    sign = "search_titles" if connection.vendor == "sqlite" else "array_to_tsvector"

    for address in ("/sessions/", "/sessions/facets/"):
        with CaptureQueriesContext(connection) as queries:
            client.get(address, {"q": "fix"})
        assert sum(sign in query["sql"] for query in queries) == 1
        assert len(queries) < 25


def test_a_database_of_before_gets_its_titles() -> None:
    late = make_session(title="Fix the queue", started_ms=START_MS + 1)
    early = make_session(title="", first_prompt="Fix the log", started_ms=START_MS)
    make_session(title="", first_prompt="")

    import_module("sessions_app.migrations.0016_title_words")._fill(apps)

    assert Titled.by(["fix"]).named == [late.pk, early.pk]
    assert TitleWords.objects.count() == 2


def test_words_of_a_title_stand_between_spaces() -> None:
    assert title_words("Fix the FIX", "a-b") == " a b fix the "
    assert title_words("", "—") == ""
