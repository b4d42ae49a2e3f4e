"""Auditors only read: nothing that they could send reaches any code, and no page offers them to."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from audit.models import Entry
from sessions_app.access import AUDITOR_SENDS_TO
from sessions_app.models import Role, SavedView, Star
from tests.factories import PASSWORD, make_person, make_saved_view, make_session, signed_in
from tests.sessions_app.access.table import TABLE
from tests.sessions_app.access.test_matrix import PAGES, World

pytestmark = pytest.mark.django_db

SENDING = re.compile(
    r'<form[^>]*method="post"[^>]*>|hx-(?:post|put|patch|delete)="[^"]*"|read-url="[^"]*"', re.IGNORECASE
)
ADDRESS = re.compile(r'(?:action|hx-\w+|read-url)="([^"]*)"')


def offers(page: str) -> list[str]:
    """The addresses that a page offers to send something to."""
    found = [ADDRESS.search(tag[0]) for tag in SENDING.finditer(page)]
    return [match[1] if match else "" for match in found]


def test_no_page_offers_an_auditor_to_send_anything_but_what_is_theirs() -> None:
    auditor = make_person(Role.AUDITOR, password=PASSWORD)
    world = World(auditor)
    make_session(status="failed", with_main_run=True)
    client = signed_in(auditor)
    looked_at, wrong = 0, []
    for route, row in PAGES.items():
        if "GET" not in row.methods or row.kind == "open":
            continue
        path = world.path(route, row)
        answer = client.get(path)
        if (
            answer.status_code != 200
            or answer.streaming
            or not answer["Content-Type"].startswith("text/html")
        ):
            continue
        looked_at += 1
        for address in offers(answer.content.decode()):
            target = address.partition("?")[0] or path
            if resolve(target).url_name not in AUDITOR_SENDS_TO:
                wrong.append(f"{path} offers {target}")
    assert wrong == []
    assert looked_at > 25


def test_the_same_pages_offer_an_operator_more() -> None:
    person = make_person()
    world = World(person)
    page = signed_in(person).get(
        world.path("sessions/<uuid:session_id>/", TABLE["sessions/<uuid:session_id>/"])
    )
    names = {
        resolve(address.partition("?")[0]).url_name for address in offers(page.content.decode()) if address
    }
    assert names - AUDITOR_SENDS_TO >= {"session-archive", "session-star", "session-read"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_what_an_auditor_sends_reaches_no_view(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session()
    client = signed_in(make_person(Role.AUDITOR, username="otto"))

    def reached(*_: Any, **__: Any) -> None:
        raise AssertionError("the action ran")

    monkeypatch.setattr("sessions_app.actions.sessions.archive_session", reached)
    assert client.generic(method, f"/sessions/{session.pk}/archive/").status_code == 403
    assert client.generic(method, f"/sessions/{session.pk}/star/").status_code == 403
    assert client.generic(method, "/audit/").status_code == 403
    assert not Star.objects.exists()
    denied = Entry.objects.filter(action="request.denied")
    assert [(entry.actor_label, entry.decision) for entry in denied] == [("otto", "deny")] * 3


def test_an_auditor_keeps_their_account_and_their_views() -> None:
    auditor = make_person(Role.AUDITOR, password=PASSWORD)
    view = make_saved_view(auditor)
    client = signed_in(auditor)
    assert client.post("/audit/views/", {"name": "Denied", "query": "?q=decision:deny"}).status_code == 302
    assert client.post(f"/settings/views/{view.pk}/rename/", {"name": "Other"}).status_code == 302
    assert client.post(f"/settings/views/{view.pk}/delete/").status_code == 302
    assert [kept.name for kept in SavedView.objects.filter(person=auditor)] == ["Denied"]
    again = {"current": PASSWORD, "password": "another long phrase", "again": "another long phrase"}
    assert client.post("/settings/password/", again).status_code == 302
    assert client.post("/sign-out/").status_code == 302


def test_every_named_exception_is_an_address() -> None:
    from django.urls import get_resolver

    assert set(get_resolver().reverse_dict) | {None} >= AUDITOR_SENDS_TO


def test_a_stranger_is_still_let_in() -> None:
    make_person(Role.AUDITOR, username="otto", password=PASSWORD)
    answer = Client().post("/sign-in/", {"username": "otto", "password": PASSWORD})
    assert answer.status_code == 302
