import pytest
from django.test import Client

from audit.actors import Actor
from audit.record import Target, record
from sessions_app.models import Role
from tests.factories import make_person, signed_in

pytestmark = pytest.mark.django_db


def write(count: int, action: str = "session.archived", actor: str = "ada") -> None:
    for number in range(count):
        record(action, actor=Actor("person", "1", actor), target=Target("session", "2", f"<b>{number}</b>"))


@pytest.fixture
def client() -> Client:
    return signed_in(make_person(Role.AUDITOR))


def shown(client: Client, query: str = "") -> list[int]:
    return [entry.idx for entry, _ in client.get(f"/audit/{query}").context["entries"]]


def test_entries_are_listed_newest_first_in_pages(client: Client) -> None:
    write(70)

    first = client.get("/audit/").context
    assert [entry.idx for entry, _ in first["entries"]] == list(range(69, 9, -1))
    assert shown(client, first["pager"]["older"]) == list(range(9, -1, -1))


def test_filters_narrow(client: Client) -> None:
    write(2)
    write(1, "session.deleted")
    write(1, actor="bob")

    assert shown(client, "?action=session.deleted") == [2]
    assert shown(client, "?actor=bob") == [3]
    assert client.get("/audit/?action=no.such").status_code == 400


def test_an_entry_shows_what_was_recorded(client: Client) -> None:
    write(1)

    page = client.get("/audit/0/").content.decode()
    assert "ada" in page
    assert "&lt;b&gt;0" in page
    assert "<b>0</b>" not in page
    assert client.get("/audit/7/").status_code == 404


def test_viewers_do_not_see_the_log() -> None:
    write(1)
    viewer = signed_in(make_person(Role.VIEWER))

    assert viewer.get("/audit/").status_code == 404
    assert viewer.get("/audit/0/").status_code == 404
