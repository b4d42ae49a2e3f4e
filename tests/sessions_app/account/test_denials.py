"""Refusals are written down, and cannot flood the log."""

import json
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.test import Client

from audit.actors import SYSTEM, Actor, anonymous
from audit.models import Entry
from audit.record import Target
from sessions_app import sign_in
from sessions_app.actions import denials
from sessions_app.actions.denials import (
    MOST_IN_WINDOW,
    WINDOW_S,
    DenialLimit,
    Refusal,
    WithheldDenials,
    note_denied,
    path_without_secrets,
)
from sessions_app.actions.setup import UsedLink, invite, issue_setup_link
from sessions_app.models import Role
from sessions_app.views import account
from tests.factories import PASSWORD, make_person, make_session, signed_in

ADA = Actor("person", "7", "ada")
GRACE = Actor("person", "8", "grace")


def post(actor: Actor, path: str) -> Refusal:
    return Refusal(actor, Target("page", "", path), {"method": "POST", "right": "administer"})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_a_minute_is_written_and_the_next_says_how_many_were_not() -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    assert [limit.take(post(ADA, "/a")) for _ in range(4)] == [0, None, None, None]
    assert limit.take(post(GRACE, "/a")) == 0
    assert limit.take(post(ADA, "/b")) == 3
    clock.now = WINDOW_S
    assert limit.take(post(ADA, "/a")) == 0


def test_changing_the_path_does_not_flood_the_log() -> None:
    limit = DenialLimit(Clock())
    taken = [limit.take(post(ADA, f"/{number}")) for number in range(MOST_IN_WINDOW + 5)]
    assert taken == [0] * MOST_IN_WINDOW + [None] * 5


def test_all_who_are_not_known_share_one_limit() -> None:
    limit = DenialLimit(Clock())
    taken = [limit.take(post(anonymous(f"10.0.0.{number}"), "/a")) for number in range(MOST_IN_WINDOW + 5)]
    assert taken == [0] * MOST_IN_WINDOW + [None] * 5
    assert limit.take(post(ADA, "/a")) == 0


def test_delayed_sign_ins_are_counted_apart_from_other_refusals() -> None:
    limit, stranger = DenialLimit(Clock()), anonymous("10.0.0.1")
    delayed = Refusal(stranger, None, {"address": "10.0.0.1"}, is_delay=True)
    assert [limit.take(delayed) for _ in range(3)] == [0, None, None]
    assert limit.take(post(stranger, "/a")) == 0
    assert limit.next_due(everything=True) == (delayed, 1)


def test_what_is_withheld_last_is_due_after_its_minute_and_once() -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    for number in range(50):
        limit.take(post(ADA, f"/{number % 2}"))
    clock.now = WINDOW_S - 0.1
    assert limit.next_due() is None
    clock.now = WINDOW_S
    assert limit.next_due() == (post(ADA, "/1"), 47)
    assert limit.next_due() is None
    # It begins another minute.
    assert limit.take(post(ADA, "/1")) is None
    assert limit.next_due() is None
    assert limit.next_due(everything=True) == (post(ADA, "/1"), 0)


def test_what_is_withheld_of_more_actors_than_are_watched_is_not_lost() -> None:
    limit = DenialLimit(Clock())
    many = [Actor("person", str(number), "x") for number in range(denials._MOST_ACTORS + 1)]
    for actor in many:
        for _ in range(2):
            limit.take(post(actor, "/a"))
    assert limit.next_due() == (post(many[0], "/a"), 0)
    assert limit.next_due() is None


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/setup/s3cret-link_/", "/setup/…/"),
        ("/setup/s3cret", "/setup/…"),
        ("/setup/s3cret/more/", "/setup/…/more/"),
        ("/settings/people/", "/settings/people/"),
    ],
)
def test_the_secret_part_of_an_address_is_left_out(path: str, shown: str) -> None:
    assert path_without_secrets(path) == shown


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
        patch.setattr(denials, "append_apart", fail)
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


def waiting() -> list[int]:
    found = Entry.objects.filter(action="request.denied").order_by("idx")
    return [json.loads(entry.body)["details"]["withheld"] for entry in found]


def deny(limit: DenialLimit, times: int) -> None:
    for _ in range(times):
        note_denied("POST", "/settings/people/", "administer", actor=ADA, limit=limit)


@pytest.mark.django_db
def test_a_server_writes_the_count_when_the_minute_is_over() -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    thread = WithheldDenials(limit)
    deny(limit, 500)
    thread.look()
    assert waiting() == [0]
    clock.now = WINDOW_S
    thread.look()
    thread.look()
    # The last of them, and 498 between it and the first.
    assert waiting() == [0, 498]
    assert written() == [("ada", "/settings/people/", "POST", "administer")] * 2


@pytest.mark.django_db(transaction=True)
def test_a_server_that_ends_writes_what_was_withheld() -> None:
    limit = DenialLimit()
    thread = WithheldDenials(limit)
    deny(limit, 5)
    thread.start()
    thread.stop()
    assert waiting() == [0, 3]


@pytest.mark.django_db
def test_a_count_that_cannot_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    deny(limit, 5)
    clock.now = WINDOW_S

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(denials, "append_apart", fail)
        with pytest.raises(OperationalError):
            WithheldDenials(limit).look()
        # The server ends meanwhile: it is said in its own log.
        WithheldDenials(limit).ended()
    clock.now = 2 * WINDOW_S
    WithheldDenials(limit).look()
    assert waiting() == [0, 3]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_a_login_sends_to_the_api_is_refused_and_written_down(method: str) -> None:
    auditor = signed_in(make_person(Role.AUDITOR, username="otto"))
    operator = signed_in(make_person(username="ada"))
    for client in (auditor, operator, Client()):
        for path in ("/api/v1/sessions", "/api/v1/nothing/here"):
            assert client.generic(method, path).status_code == 401
    assert auditor.generic(method, "/healthz").status_code == 403
    assert operator.generic(method, "/healthz").status_code == 405
    assert written() == [
        ("otto", "/api/v1/sessions", method, "send"),
        ("otto", "/api/v1/nothing/here", method, "send"),
        ("ada", "/api/v1/sessions", method, "send"),
        ("ada", "/api/v1/nothing/here", method, "send"),
        ("otto", "/healthz", method, "send"),
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_set_up_link_that_does_not_work_is_written_down_without_its_secret() -> None:
    path = issue_setup_link()
    assert path is not None
    token = path.split("/")[2]
    form = {"username": "ada", "display_name": "", "password": PASSWORD, "again": PASSWORD}
    assert Client().post(path, form).status_code == 302
    for number in range(40):
        assert Client().get(f"/setup/guess-{number}/").status_code == 404
    assert Client().get(path).status_code == 404
    assert Client(REMOTE_ADDR="10.0.0.9").post(path, form).status_code == 404
    assert written() == [
        ("127.0.0.1", "/setup/…/", "GET", "set-up link"),
        ("10.0.0.9", "/setup/…/", "POST", "set-up link"),
    ]
    assert waiting() == [0, 40]
    bodies = "".join(Entry.objects.values_list("body", flat=True))
    assert token not in bodies
    assert "guess-" not in bodies


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_link_that_somebody_else_uses_meanwhile_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    path = invite(make_person(Role.VIEWER), actor=SYSTEM)

    def used(*_: object) -> None:
        raise UsedLink

    monkeypatch.setattr(account, "choose_password", used)
    assert Client().post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 404
    assert written() == [("127.0.0.1", "/setup/…/", "POST", "set-up link")]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_limit")
def test_a_form_from_elsewhere_on_a_working_link_does_not_tell_the_link() -> None:
    path = invite(make_person(Role.VIEWER), actor=SYSTEM)
    client = signed_in(make_person(username="ada"), enforce_csrf_checks=True)
    assert client.post(path, {}).status_code == 403
    assert written() == [("ada", "/setup/…/", "POST", "csrf")]
    assert path.split("/")[2] not in "".join(Entry.objects.values_list("body", flat=True))
