from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from audit.health import Health
from audit.record import record
from audit.signing import write_checkpoint
from audit.standing import Standing
from dashboard import overview
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.overview import HOUR_MS, activity
from dashboard.room import LITTLE_SPACE, NO_SPACE
from sessions_app import nav_counts
from sessions_app.models import AgentSession, Person, Role
from tests.factories import (
    START_MS,
    make_person,
    make_read_mark,
    make_session,
    make_source,
    make_terminal,
    signed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    return make_person()


@pytest.fixture
def client(ada: Person) -> Client:
    return signed_in(ada)


def titles(client: Client, part: str) -> list[str]:
    return [entry.session.title for entry in getattr(client.get("/").context["overview"], part)]


def test_an_empty_console_says_what_to_run(client: Client) -> None:
    assert "scrollback watch" in client.get("/").content.decode()


def test_what_waits_runs_and_ended_is_apart(client: Client, ada: Person) -> None:
    make_session(title="waits", status="waiting", status_evidence="permission prompt recorded")
    make_session(title="failed", status="failed")
    make_session(title="runs", status="running")
    make_session(title="ended", status="idle")
    make_read_mark(person=ada, session=make_session(title="seen", status="idle", last_seq=3), seq=3)

    assert sorted(titles(client, "needs_me")) == ["failed", "waits"]
    assert titles(client, "running") == ["runs"]
    assert titles(client, "ended") == ["ended"]
    assert "permission prompt recorded" in client.get("/").content.decode()


def test_a_failure_that_was_looked_at_no_longer_needs_me(client: Client, ada: Person) -> None:
    make_read_mark(person=ada, session=make_session(status="failed", last_seq=2), seq=2)

    assert titles(client, "needs_me") == []


def test_what_waits_for_an_answer_waits_however_often_one_looks(client: Client, ada: Person) -> None:
    make_read_mark(person=ada, session=make_session(title="asks", status="waiting", last_seq=2), seq=2)

    assert titles(client, "needs_me") == ["asks"]
    page = client.get("/").content.decode()
    assert 'data-count="needs_me">1<' in page
    assert "Mark seen" not in page


def test_live_terminals_show_their_last_line(client: Client) -> None:
    make_terminal(title="build", state="live", last_line="collected 62 items")

    page = client.get("/").content.decode()
    assert "collected 62 items" in page
    assert "build" in page


def test_the_page_costs_the_same_queries_however_much_there_is(client: Client) -> None:
    def cost() -> int:
        # The counts of the rail are kept for a second, which a slow machine may take over a page.
        nav_counts._remembered.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/").status_code == 200
        return len(queries)

    make_session(status="running")
    make_session(status="waiting")
    make_session(status="idle")
    make_terminal(output=b"one")
    cost()
    # Costs are asked for where there is a row that was not drawn before.
    AgentSession.objects.update(message_count=7)
    few = cost()
    for number in range(30):
        make_session(status=("running", "waiting", "idle")[number % 3])
        make_terminal(output=b"more")

    assert cost() <= few


def test_the_plot_puts_each_session_into_its_hour(ada: Person) -> None:
    now = now_ms()
    make_session(last_activity_ms=now)
    make_session(last_activity_ms=now - 3 * HOUR_MS)
    make_session(last_activity_ms=now - 3 * HOUR_MS)
    make_session(last_activity_ms=now - 30 * HOUR_MS)

    hours = activity(ada, now).hours
    assert [hour.sessions for hour in hours[-4:]] == [2, 0, 0, 1]
    assert sum(hour.sessions for hour in hours) == 3
    assert len(hours) == 24


def test_the_audit_count_is_for_those_who_may_read_the_log(client: Client) -> None:
    make_session(last_activity_ms=START_MS)

    assert client.get("/").context["overview"].health.audited is not None
    viewer = signed_in(make_person(Role.VIEWER))
    health = viewer.get("/").context["overview"].health
    assert (health.audited, health.log) == (None, None)


def test_counts_that_stop_say_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MOST_OF_DAY", 2)
    monkeypatch.setattr(overview, "MOST_SOURCES", 2)
    for _ in range(2):
        make_session(last_activity_ms=now_ms())
        make_source()
    page = client.get("/").content.decode()
    assert '<span class="count">2 sessions</span>' in page
    assert "<b>2</b> sources" in page

    make_session(last_activity_ms=now_ms())
    make_source()
    page = client.get("/").content.decode()
    assert '<span class="count">2+ sessions</span>' in page
    assert "<b>2+</b> sources" in page


@pytest.mark.parametrize(
    ("free", "verdict", "text"),
    [
        (LITTLE_SPACE, "ok", "enough room, 2.0 GB free"),
        (LITTLE_SPACE - 10**8, "warn", "little room, 1.9 GB free"),
        (NO_SPACE - 1, "fail", "no room, 200 MB free"),
    ],
)
def test_the_line_below_says_whether_there_is_room(
    client: Client, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str, text: str
) -> None:
    make_session()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))

    assert f'<span data-verdict="{verdict}">{text}</span>' in client.get("/").content.decode()


def test_a_disk_that_does_not_answer_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    make_session()
    monkeypatch.setattr("shutil.disk_usage", fail)

    assert "room unknown: Input/output error" in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("stands", "found", "verdict", "text"),
    [
        (Standing(), Health(), "ok", "signed, not verified yet"),
        (Standing(7, 1), Health(), "ok", "signed and sound"),
        (Standing(7, 1), Health(passing=("late",)), "warn", "signed late"),
        (Standing(7, 1), Health(grave=("no key",), passing=("late",)), "fail", "in trouble"),
        (Standing(7, 1, "no"), Health(), "fail", "not verified"),
        (Standing(7, 1, "no", 1_234), Health(grave=("no key",)), "fail", "broken at entry 1,234"),
    ],
)
def test_the_line_below_says_how_the_log_stands(
    client: Client, monkeypatch: pytest.MonkeyPatch, stands: Standing, found: Health, verdict: str, text: str
) -> None:
    make_session()
    monkeypatch.setattr(overview, "standing", lambda: stands)
    monkeypatch.setattr(overview, "last_health", lambda: found)
    with write_transaction():
        record("session.archived", actor=SYSTEM)
    write_checkpoint()

    assert f'data-verdict="{verdict}">{text}</a>' in client.get("/").content.decode()


def test_a_log_without_a_signed_head_is_not_called_sound(client: Client) -> None:
    make_session()

    assert 'data-verdict="warn">not signed yet</a>' in client.get("/").content.decode()
