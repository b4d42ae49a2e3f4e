"""`among` finds what `in` finds."""

import pytest

from dashboard.lib.ids import new_id
from sessions_app.models import AgentSession, Star
from tests.factories import make_person, make_session

pytestmark = pytest.mark.django_db


def test_it_finds_what_in_finds() -> None:
    sessions = [make_session() for _ in range(3)]
    wanted = [sessions[0].pk, sessions[2].pk, new_id()]
    assert set(AgentSession.objects.filter(pk__among=wanted)) == {sessions[0], sessions[2]}
    person = make_person()
    for session in sessions:
        Star.objects.create(person=person, session=session)
    starred = Star.objects.filter(session__among=wanted)
    assert {star.session_id for star in starred} == {sessions[0].pk, sessions[2].pk}
    assert set(starred) == set(Star.objects.filter(session__in=wanted))


def test_of_nothing_it_finds_nothing() -> None:
    make_session()
    assert not AgentSession.objects.filter(pk__among=[]).exists()
