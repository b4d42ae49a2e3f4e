"""What comes late is new to whoever marked everything read, however old the record says it is."""

import time
from pathlib import Path

import pytest
from django.test import Client

from audit.actors import SYSTEM
from sessions_app.actions.read_marks import mark_all_read
from sessions_app.actions.sessions import archive_session, tag_session, unarchive_session
from sessions_app.models import AgentSession, Person, Status
from sessions_app.nav_counts import forget_counts, nav_counts
from tests.factories import make_person, make_read_mark, signed_in
from tests.sessions_app.importers.claude_records import SESSION, assistant, text, user
from tests.sessions_app.importers.driving import lines
from tests.sessions_app.importers.importing import run_import

pytestmark = pytest.mark.django_db

BEGUN = [
    user("u1", 0, "Fix the login form"),
    assistant("a1", 5, text("Done."), stop_reason="end_turn"),
]
GONE_ON = [
    *BEGUN,
    user("u2", 60, "And the tests"),
    assistant("a2", 65, text("API Error: 500"), isApiErrorMessage=True),
]


@pytest.fixture
def ada() -> Person:
    return make_person()


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "projects" / "-home-dev-app" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(lines(BEGUN))
    run_import(path)
    return path


def all_read(person: Person) -> None:
    """And the clock has gone on since."""
    mark_all_read(person)
    person.refresh_from_db()
    time.sleep(0.002)


def shown(client: Client, query: str = "?unread=1") -> list[bool]:
    """Of each session in the list, whether it has the unread mark."""
    return [entry.is_unread for entry in client.get(f"/sessions/{query}").context["entries"]]


@pytest.mark.parametrize("was_seen", [False, True])
def test_a_failure_that_comes_late_is_unread_and_needs_the_operator(
    history: Path, ada: Person, *, was_seen: bool
) -> None:
    client, session = signed_in(ada), AgentSession.objects.get()
    if was_seen:
        make_read_mark(ada, session, session.last_seq)
    all_read(ada)
    assert shown(client) == []

    history.write_bytes(lines(GONE_ON))
    run_import(history)

    session.refresh_from_db()
    assert session.status == Status.FAILED
    assert session.last_activity_ms < ada.read_before_ms
    assert shown(client) == shown(client, "") == [True]
    assert [entry.session.pk for entry in client.get("/").context["overview"].needs_me] == [session.pk]
    forget_counts(ada)
    assert nav_counts(ada)["needs_me"] == 1
    all_read(ada)
    assert shown(client) == []


def test_what_brings_no_rows_leaves_it_read(history: Path, ada: Person) -> None:
    client, session = signed_in(ada), AgentSession.objects.get()
    all_read(ada)

    run_import(history)
    assert archive_session(session.pk, actor=SYSTEM)
    assert unarchive_session(session.pk, actor=SYSTEM)
    assert tag_session(session.pk, "later", actor=SYSTEM)

    assert shown(client) == []
    assert shown(client, "") == [False]


def test_a_history_that_is_read_again_from_its_beginning_brings_nothing_new(
    history: Path, ada: Person
) -> None:
    client = signed_in(ada)
    all_read(ada)

    history.write_bytes(lines([*BEGUN[:1], {**BEGUN[1], "note": "rewritten"}]))
    run_import(history)

    assert shown(client) == []


def test_a_clock_that_is_ahead_keeps_nothing_unread(history: Path, ada: Person) -> None:
    client = signed_in(ada)
    AgentSession.objects.update(last_activity_ms=2**42)
    assert shown(client) == [True]
    all_read(ada)
    assert shown(client) == []
    assert shown(client, "") == [False]
