"""The API says of each thing what its page shows."""

from typing import Any

import pytest
from django.test import Client

from sessions_app.actions.read_marks import mark_all_read
from sessions_app.models import Role, Scope, SourceState
from sessions_app.models.blob import sha256_of
from tests.factories import (
    START_MS,
    make_person,
    make_read_mark,
    make_session,
    make_source,
    make_star,
    signed_in,
)
from tests.sessions_app.api.client import Api

pytestmark = pytest.mark.django_db


def marks(item: dict[str, Any]) -> tuple[bool, bool]:
    return item["is_unread"], item["is_starred"]


def marks_in_list(client: Client) -> dict[str, tuple[bool, bool]]:
    """{title: (unread, starred)} as the page of sessions shows them."""
    page = client.get("/sessions/")
    found = {entry.session.title: (entry.is_unread, entry.is_starred) for entry in page.context["entries"]}
    assert page.content.decode().count("data-unread") == sum(unread for unread, _ in found.values())
    return found


def test_what_is_unread_and_starred_is_as_on_the_page_of_the_tokens_owner() -> None:
    api, other = Api(), Api()
    make_read_mark(api.person, make_session(title="seen", last_seq=4), 4)
    make_read_mark(api.person, make_session(title="went on", last_seq=5), 4)
    make_star(api.person, make_session(title="starred"))
    make_star(other.person, make_session(title="another's star"))

    def said(asking: Api, **query: str) -> dict[str, tuple[bool, bool]]:
        items = asking.read("sessions", "list_sessions", **query)["items"]
        for item in items:
            assert marks(asking.read(f"sessions/{item['id']}", "show_session")) == marks(item)
            named = asking.read("sessions/named", "show_named_session", name=item["title"])
            assert marks(named) == marks(item)
        return {item["title"]: marks(item) for item in items}

    mine = said(api)
    assert mine == {
        "seen": (False, False),
        "went on": (True, False),
        "starred": (True, True),
        "another's star": (True, False),
    }
    assert mine == marks_in_list(signed_in(api.person))
    assert said(api, unread="1") == {title: both for title, both in mine.items() if both[0]}
    assert said(api, starred="1") == {title: both for title, both in mine.items() if both[1]}
    theirs = said(other)
    assert theirs == marks_in_list(signed_in(other.person))
    assert (theirs["seen"], theirs["another's star"]) == ((True, False), (True, True))
    mark_all_read(api.person)
    assert [title for title, both in said(api).items() if both[0]] == []


def test_to_who_keeps_no_marks_nothing_is_unread() -> None:
    make_session()
    auditor = signed_in(make_person(Role.AUDITOR))
    of_recorders = Api(make_person(is_system=True), [Scope.WRITE])
    for client in (auditor, of_recorders.client):
        (item,) = client.get("/api/v1/sessions").json()["items"]
        assert marks(item) == (False, False)
        assert client.get("/api/v1/sessions?unread=1").json()["items"] == []
    assert list(marks_in_list(auditor).values()) == [(False, False)]
    assert auditor.get("/sessions/?unread=1").context["entries"] == []


def test_a_source_has_the_hash_that_its_tab_shows() -> None:
    session = make_session()
    lines = b'{"type":"user"}\n'
    make_source(session, lines, sha256=sha256_of(lines), sha256_size=len(lines))
    make_source(None, lines, sha256=sha256_of(lines), sha256_size=len(lines))
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/sources", "list_sources_of_session")["items"]
    page = signed_in(api.person).get(f"/sessions/{session.pk}/raw/").content.decode()
    assert f"SHA-256 of the first {item['sha256_size']} bytes: {item['sha256']}" in page
    (alone,) = api.read("sources", "list_sources")["items"]
    assert (alone["sha256"], alone["sha256_size"], alone["deleted_ms"]) == (
        sha256_of(lines),
        len(lines),
        None,
    )


def test_a_source_that_is_gone_says_since_when_as_the_head_of_its_session() -> None:
    session = make_session()
    make_source(session, state=SourceState.DELETED, deleted_ms=START_MS + 7)
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/sources", "list_sources_of_session")["items"]
    (loss,) = signed_in(api.person).get(f"/sessions/{session.pk}/raw/").context["losses"]
    assert (item["state"], item["deleted_ms"]) == ("deleted", loss.at_ms) == ("deleted", START_MS + 7)
