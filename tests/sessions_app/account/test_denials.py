"""Refusals are written down, and cannot flood the log."""

import json
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.test import Client

from audit.actors import Actor, anonymous
from audit.models import Entry
from sessions_app import sign_in
from sessions_app.actions import denials
from sessions_app.actions.denials import MOST_IN_WINDOW, WINDOW_S, DenialLimit, note_denied
from sessions_app.models import Role
from tests.factories import make_person, make_session, signed_in

ADA = Actor("person", "7", "ada")
GRACE = Actor("person", "8", "grace")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_a_minute_is_written_and_the_next_says_how_many_were_not() -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    assert [limit.take(ADA, "POST", "/a") for _ in range(4)] == [0, None, None, None]
    assert limit.take(GRACE, "POST", "/a") == 0
    assert limit.take(ADA, "POST", "/b") == 3
    clock.now = WINDOW_S
    assert limit.take(ADA, "POST", "/a") == 0


def test_changing_the_path_does_not_flood_the_log() -> None:
    limit = DenialLimit(Clock())
    taken = [limit.take(ADA, "POST", f"/{number}") for number in range(MOST_IN_WINDOW + 5)]
    assert taken == [0] * MOST_IN_WINDOW + [None] * 5


def test_all_who_are_not_known_share_one_limit() -> None:
    limit = DenialLimit(Clock())
    taken = [limit.take(anonymous(f"10.0.0.{number}"), "GET", "/a") for number in range(MOST_IN_WINDOW + 5)]
    assert taken == [0] * MOST_IN_WINDOW + [None] * 5
    assert limit.take(ADA, "GET", "/a") == 0


@pytest.fixture
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "note_denied", partial(note_denied, limit=DenialLimit()))


def written() -> list[tuple[str, str, str, str]]:
    """Who, the path, the method and the right that was missing."""
    found = Entry.objects.filter(action="request.denied", decision="deny").order_by("idx")
    details = [json.loads(entry.body)["details"] for entry in found]
    return [
        (entry.actor_label, entry.target_label, one["method"], one["right"])
        for entry, one in zip(found, details, strict=True)
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_page_that_one_may_not_see_is_not_there_and_it_is_written_down() -> None:
    viewer = signed_in(make_person(Role.VIEWER, username="vera"))
    auditor = signed_in(make_person(Role.AUDITOR, username="otto"))
    for _ in range(5):
        assert viewer.get("/audit/export/csv/?q=actor:ada").status_code == 404
        assert viewer.get("/audit/news/?newer_than=3", headers={"HX-Request": "true"}).status_code == 404
        assert viewer.head("/settings/people/").status_code == 404
        assert auditor.get("/settings/people/").status_code == 404
    assert viewer.get("/nothing/here/").status_code == 404
    assert written() == [
        ("vera", "/audit/export/csv/", "GET", "read_audit"),
        ("vera", "/audit/news/", "GET", "read_audit"),
        ("vera", "/settings/people/", "HEAD", "administer"),
        ("otto", "/settings/people/", "GET", "administer"),
    ]
    assert "actor:ada" not in "".join(Entry.objects.values_list("body", flat=True))


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_visitor_who_is_led_to_the_sign_in_leaves_nothing() -> None:
    for path in (
        "/",
        "/audit/",
        "/audit/export/csv/",
        "/settings/people/",
        f"/sessions/{make_session().pk}/",
    ):
        assert Client().get(path).status_code == 302
        assert Client().get(path, headers={"HX-Request": "true"}).status_code == 401
    assert not Entry.objects.filter(action="request.denied").exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_refusal_that_cannot_be_written_is_said_and_written_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = signed_in(make_person(Role.VIEWER, username="vera"))
    viewer.raise_request_exception = False

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(denials, "record", fail)
        # The test's own database goes with its connection.
        patch.setattr(connection, "close", lambda: None)
        for _ in range(2):
            refused = viewer.get("/settings/people/")
            assert refused.status_code == 503
            assert "people" not in refused.content.decode().lower()
    assert not written()

    assert viewer.get("/settings/people/").status_code == 404
    assert written() == [("vera", "/settings/people/", "GET", "administer")]
    (entry,) = Entry.objects.filter(action="request.denied")
    assert json.loads(entry.body)["details"]["withheld"] == 2
