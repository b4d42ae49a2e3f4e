"""The first run, and the links by which people choose a password."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.errors import Refused
from sessions_app.actions import setup
from sessions_app.actions.people import change_password, disable_person
from sessions_app.actions.tokens import ensure_agent_token
from sessions_app.models import Person, Role, SetupLink
from tests.factories import PASSWORD, make_person, signed_in

pytestmark = pytest.mark.django_db

FORM = {"username": "Ada", "display_name": "Ada Lovelace", "password": PASSWORD, "again": PASSWORD}


def first_link() -> str:
    path = setup.issue_setup_link()
    assert path is not None
    return path


def test_the_first_operator_is_made_signed_in_and_written_down() -> None:
    path, client = first_link(), Client()
    assert "Set up the console" in client.get(path).content.decode()
    answer = client.post(path, FORM)
    assert answer["Location"] == "/"
    assert client.get("/settings/people/").status_code == 200
    ada = Person.objects.get()
    assert (ada.username, ada.display_name, ada.role) == ("ada", "Ada Lovelace", Role.OPERATOR)
    assert list(Entry.objects.order_by("idx").values_list("action", flat=True)) == [
        "setup.offered",
        "person.created",
        "setup.completed",
        "sign_in.succeeded",
    ]
    assert PASSWORD not in "".join(Entry.objects.values_list("body", flat=True))


def test_a_link_works_once() -> None:
    path = first_link()
    Client().post(path, FORM)
    for answer in (Client().get(path), Client().post(path, {**FORM, "username": "eve"})):
        assert answer.status_code == 404
    assert Person.objects.count() == 1


def test_no_other_link_works_once_somebody_exists() -> None:
    first, second = first_link(), first_link()
    assert Client().get(second).status_code == 200
    Client().post(first, FORM)
    assert Client().get(second).status_code == 404
    assert Client().post(second, {**FORM, "username": "eve"}).status_code == 404
    assert setup.issue_setup_link() is None


def test_a_wrong_or_expired_link_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    path = first_link()
    assert Client().get(path[:-2] + "x/").status_code == 404
    assert Client().get("/setup/%00/").status_code == 404
    later = SetupLink.objects.get().expires_ms
    monkeypatch.setattr(setup, "now_ms", lambda: later)
    assert Client().get(path).status_code == 404
    assert Client().post(path, FORM).status_code == 404
    assert not Person.objects.exists()


def test_only_a_hash_of_the_link_is_kept() -> None:
    path = first_link()
    token = path.split("/")[2]
    assert token not in str(vars(SetupLink.objects.get()))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"again": "something else"}, "not the same"),
        ({"password": "short", "again": "short"}, "at least 10"),
        ({"password": "password1234", "again": "password1234"}, "too common"),
        ({"username": "adalovelace", "password": "adalovelace1", "again": "adalovelace1"}, "too similar"),
        ({"username": "Ada Lovelace"}, "Lower-case letters"),
        ({"username": "local:recorder"}, "Lower-case letters"),
        ({"username": ""}, "required"),
        ({"username": "a\x00b"}, "Null characters"),
    ],
)
def test_a_mistake_is_shown_at_its_field_and_the_link_still_works(
    changes: dict[str, str], message: str
) -> None:
    path, client = first_link(), Client()
    answer = client.post(path, {**FORM, **changes})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert message in page
    assert 'aria-invalid="true"' in page
    assert PASSWORD not in page
    assert not Person.objects.exists()
    assert client.post(path, FORM).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_many_clients_that_race_exactly_one_makes_a_person() -> None:
    tokens = [first_link().split("/")[2] for _ in range(2)]
    outcomes: list[Any] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        try:
            start.wait(10)
            outcomes.append(setup.create_first_operator(tokens[number % 2], f"person-{number}", PASSWORD))
        except Refused as refusal:
            outcomes.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 8
    assert [type(outcome) for outcome in outcomes].count(Person) == 1
    assert Person.objects.count() == 1
    assert Entry.objects.filter(action="setup.completed").count() == 1


def test_the_owner_of_the_agent_token_does_not_count_as_somebody() -> None:
    ensure_agent_token()
    assert Person.objects.filter(is_system=True).count() == 1
    assert Client().post(first_link(), FORM).status_code == 302


def test_a_link_lets_a_person_choose_a_password_whatever_delay_a_sign_in_has() -> None:
    person = make_person(Role.VIEWER, username="ben")
    for _ in range(5):
        Client().post("/sign-in/", {"username": "ben", "password": "wrong wrong"})
    path, client = setup.invite(person, actor=SYSTEM), Client()
    assert "ben" in client.get(path).content.decode()
    answer = client.post(path, {"password": PASSWORD, "again": PASSWORD})
    assert answer["Location"] == "/"
    assert client.get("/settings/").status_code == 200
    assert Client().get(path).status_code == 404
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert person.role == Role.VIEWER


def test_a_new_link_ends_the_one_before_and_a_new_password_all() -> None:
    person = make_person(Role.VIEWER)
    first = setup.invite(person, actor=SYSTEM)
    second = setup.invite(person, actor=SYSTEM)
    assert Client().get(first).status_code == 404
    assert Client().get(second).status_code == 200
    change_password(person.pk, PASSWORD, actor=SYSTEM)
    assert Client().get(second).status_code == 404


def test_the_link_of_a_disabled_person_is_not_there() -> None:
    make_person()
    person = make_person(Role.VIEWER)
    path = setup.invite(person, actor=SYSTEM)
    disable_person(person.pk, actor=SYSTEM)
    assert Client().get(path).status_code == 404
    assert Client().post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 404


def test_whoever_is_signed_in_becomes_the_person_of_the_link() -> None:
    client = signed_in(make_person(username="ada"))
    ben = make_person(Role.VIEWER, username="ben")
    path = setup.invite(ben, actor=SYSTEM)
    client.post(path, {"password": PASSWORD, "again": PASSWORD})
    assert client.get("/settings/people/").status_code == 404
    assert "ben" in client.get("/settings/").content.decode()


def test_a_link_that_was_used_between_looking_and_sending_changes_nothing() -> None:
    person = make_person(Role.VIEWER)
    token = setup.invite(person, actor=SYSTEM).split("/")[2]
    setup.choose_password(token, PASSWORD)
    with pytest.raises(setup.UsedLink):
        setup.choose_password(token, "another fine one")
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert Entry.objects.filter(action="person.password_changed").count() == 1


def test_a_link_that_expired_between_looking_and_sending_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = first_link().split("/")[2]
    expires_ms = SetupLink.objects.get().expires_ms
    monkeypatch.setattr(setup, "now_ms", lambda: expires_ms)
    with pytest.raises(setup.UsedLink):
        setup.create_first_operator(first, "ada", PASSWORD)
    assert not Person.objects.exists()
