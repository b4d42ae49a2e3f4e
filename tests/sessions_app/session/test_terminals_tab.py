"""The tab with the terminals that were recorded into a session."""

import pytest
from django.test import Client
from django.urls import reverse

from sessions_app.models import AgentSession
from tests.factories import make_terminal

pytestmark = pytest.mark.django_db


def test_they_are_listed_newest_first(operator: Client, session: AgentSession) -> None:
    make_terminal(session, b"x" * 2000, title="first", duration_us=61_000_000)
    make_terminal(session, started_ms=session.started_ms + 5000, title="second", deleted_ms=1)
    page = operator.get(reverse("session-terminals", args=[session.pk])).content.decode()
    assert "first" in page
    assert "1m 01s" in page
    assert "second" not in page


def test_without_one_it_says_how_to_record_into_this_session(
    operator: Client, viewer: Client, session: AgentSession
) -> None:
    address = reverse("session-terminals", args=[session.pk])
    command = f"record --session {session.pk} -- "

    assert f'href="{address}"' in operator.get(reverse("session", args=[session.pk])).content.decode()
    page = operator.get(address).content.decode()
    assert f'href="{address}" aria-current="page"' in page
    assert command in page
    assert "<table" not in page

    for_viewers = viewer.get(address).content.decode()
    assert "No terminals yet" in for_viewers
    assert command not in for_viewers
