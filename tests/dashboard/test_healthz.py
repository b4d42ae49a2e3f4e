"""What a load balancer, a supervisor and `doctor` ask."""

import time

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client

from audit import triggers
from audit.actors import SYSTEM
from audit.keys import key_path
from audit.models import Log
from audit.record import record
from audit.signing import CheckpointWriter, tree_head, write_checkpoint
from sessions_app.models import Role
from tests.audit.attacks import drop_triggers
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


def damage_of(name: str) -> None:
    log = Log.objects.get()
    if name == "frontier":
        Log.objects.update(frontier=bytes(log.frontier)[:-1])
    elif name == "size":
        Log.objects.update(size=log.size + 1)
    else:
        drop_triggers()
        Log.objects.all().delete()
        triggers.install()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["frontier", "size", "row"])
def test_a_log_that_cannot_be_appended_to_is_told_and_refuses_what_has_to_be_recorded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        record("sign_in.succeeded", actor=SYSTEM)
    client = signed_in(make_person(Role.OPERATOR))
    monkeypatch.setattr("audit.health._known", None)
    assert Client().get("/healthz").status_code == 200
    damage_of(name)
    monkeypatch.setattr("audit.health._known", None)
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert "audit verify" in answer.json()["reason"]
    assert "audit verify" in client.get("/audit/head/").content.decode()
    with (
        pytest.raises(DatabaseError, match="must follow" if name == "size" else "audit verify"),
        transaction.atomic(),
    ):
        record("sign_in.succeeded", actor=SYSTEM)


@pytest.mark.django_db(transaction=True)
def test_a_damaged_head_is_refused_with_what_to_do_and_signs_nothing() -> None:
    client = signed_in(make_person(Role.OPERATOR))
    with transaction.atomic():
        record("sign_in.succeeded", actor=SYSTEM)
    Log.objects.update(frontier=b"x")
    refused = client.post("/settings/tokens/add/", {"name": "ci", "scopes": ["read"], "days": "30"})
    assert refused.status_code == 503
    assert "audit verify" in refused.content.decode()
    writer = CheckpointWriter(everybodys=True)
    writer.start()
    deadline = time.monotonic() + 10
    while not writer.trouble:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writer.stop()
    assert "audit verify" in writer.trouble
