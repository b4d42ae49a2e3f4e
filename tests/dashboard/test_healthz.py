"""What a load balancer, a supervisor and `doctor` ask."""

import time

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from audit.actors import SYSTEM
from audit.keys import key_path
from audit.record import record
from audit.signing import tree_head, write_checkpoint
from sessions_app.models import Role
from tests.factories import make_person, signed_in

pytestmark = pytest.mark.django_db


def test_a_console_with_its_database_is_well() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_console_without_its_database_says_so_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "cursor", away)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["reason"]


@pytest.mark.django_db(transaction=True)
def test_a_lost_key_is_told_within_seconds_and_on_every_page_of_who_may_read_the_log() -> None:
    with transaction.atomic():
        record("sign_in.succeeded", actor=SYSTEM)
    write_checkpoint()
    head = tree_head()
    assert head is not None
    key_path(head.origin).unlink()

    deadline = time.monotonic() + 5
    while Client().get("/healthz").status_code == 200:
        assert time.monotonic() < deadline, "it should be noticed within five seconds"
        time.sleep(0.05)

    told = "Something is wrong with the audit log"
    for role, is_told in ((Role.OPERATOR, True), (Role.AUDITOR, True), (Role.VIEWER, False)):
        page = signed_in(make_person(role, username=role)).get("/sessions/").content.decode()
        assert (told in page, "new-key" in page) == (is_told, is_told), role


def test_a_thread_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.health.faults", lambda: ["The server's own thread audit-verifying fails: x."])
    monkeypatch.setattr("audit.health._known", None)
    answer = Client().get("/healthz")
    assert (answer.status_code, "audit-verifying" in answer.json()["reason"]) == (503, True)
