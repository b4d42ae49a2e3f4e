"""What Prometheus gets, and who else."""

import re
import time

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from audit.record import record
from audit.signing import write_checkpoint
from audit.standing import Standing
from dashboard import metrics
from dashboard.lib.db import write_transaction
from sessions_app.actions.tokens import create_token, revoke_token
from sessions_app.actors import actor_of
from sessions_app.models import Person, Role, Scope
from tests.factories import make_message, make_person, make_session, make_terminal, signed_in

pytestmark = pytest.mark.django_db

ELSEWHERE = "192.0.2.7"
_SAMPLE = re.compile(r'([a-z_]+)(?:\{(\w+="[^"]*")\})? (-?[0-9.]+(?:e[+-]?\d+)?)')


@pytest.fixture(autouse=True)
def counted_anew() -> None:
    metrics.forget_counts()


def samples(text: str) -> dict[str, float]:
    """{name or name{label}: value}; every line must be a comment or a sample of a described metric."""
    found, described = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in described, line
            found[match[1] + (f"{{{match[2]}}}" if match[2] else "")] = float(match[3])
    return found


def scrape() -> dict[str, float]:
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.content.endswith(b"\n")
    return samples(answer.content.decode())


def bearer(person: Person, *scopes: Scope) -> dict[str, str]:
    _, text = create_token(person, "prometheus", scopes, actor=actor_of(person))
    return {"Authorization": f"Bearer {text}"}


def test_a_console_in_use_tells_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.standing._standing", Standing(verified_size=3, contents_size=2))
    session = make_session(with_main_run=True)
    make_message(session)
    make_terminal(session)
    make_terminal(state="ended")
    with write_transaction():
        record("session.archived", actor=SYSTEM)
    write_checkpoint()
    Client().get("/sessions/")

    found = scrape()

    assert found["scrollback_sessions"] == 1
    assert (found["scrollback_terminals"], found["scrollback_live_terminals"]) == (2, 1)
    assert found["scrollback_audit_entries"] == found["scrollback_audit_signed_entries"] == 1
    assert found["scrollback_audit_verified_entries"] == 3
    assert found["scrollback_audit_contents_verified_entries"] == 2
    assert 0 <= found["scrollback_audit_checkpoint_age_seconds"] < 60
    assert found["scrollback_audit_sound"] in {0, 1}
    assert found["scrollback_database_up"] == 1
    assert found["scrollback_live_sockets"] == 0
    assert found["scrollback_database_bytes"] > 100_000
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_resident_memory_bytes"] > 10_000_000
    assert found['scrollback_http_requests_total{status="3xx"}'] == 1
    assert {name for name in found if name.startswith("scrollback_rows_written_total")} == {
        f'scrollback_rows_written_total{{table="{table}"}}' for table in ("messages", "tool_calls", "events")
    }


@pytest.mark.django_db(transaction=True)
def test_rows_that_are_written_are_counted() -> None:
    session = make_session(with_main_run=True)
    name = 'scrollback_rows_written_total{table="messages"}'

    def written() -> float:
        if connection.vendor == "postgresql":
            # It tells what a connection has done once a second, or when it is asked to.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_force_next_flush()")
        return scrape()[name]

    before = written()
    make_message(session)
    make_message(session)

    deadline = time.monotonic() + 10
    while written() != before + 2:
        assert time.monotonic() < deadline, (before, written())


def test_counting_happens_once_a_minute_and_a_scrape_reads_no_table() -> None:
    make_session()
    scrape()
    make_session()

    with CaptureQueriesContext(connection) as queries:
        found = scrape()

    assert found["scrollback_sessions"] == 1
    assert len(queries) <= 6
    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]


def test_without_the_database_the_process_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "cursor", away)
    found = scrape()

    assert found["scrollback_database_up"] == 0
    assert found["process_cpu_seconds_total"] > 0
    assert "scrollback_sessions" not in found


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("address", [ELSEWHERE, "127.0.0.1"])
def test_a_token_may_read_metrics_when_it_may_read(scope: Scope, address: str) -> None:
    headers = bearer(make_person(), scope)

    status = Client(headers=headers, REMOTE_ADDR=address).get("/metrics").status_code

    assert status == (403 if scope == Scope.AUDIT else 200)


def test_from_elsewhere_nobody_else_is_answered() -> None:
    person = make_person()
    token, text = create_token(person, "old", [Scope.READ], actor=actor_of(person))
    revoke_token(token, actor=actor_of(person))

    stranger = Client(REMOTE_ADDR=ELSEWHERE)
    assert stranger.get("/metrics").status_code == 401
    assert stranger.get("/metrics", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert stranger.get("/metrics", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    for role in Role:
        client = signed_in(make_person(role, username=f"a-{role}"))
        assert client.get("/metrics", REMOTE_ADDR=ELSEWHERE).status_code == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_token(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_on_this_machine_speaks_for_others(header: str) -> None:
    assert Client().get("/metrics", headers={header: "192.0.2.7"}).status_code == 401


@pytest.mark.parametrize("address", ["", "unix:", "10.0.0.1", "::ffff:10.0.0.1", "128.0.0.1"])
def test_an_address_that_is_not_of_this_machine_needs_one(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_metrics_are_only_read(method: str) -> None:
    assert Client().generic(method, "/metrics").status_code == 405
