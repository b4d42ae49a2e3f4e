"""What migrations make of the sessions that are there."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from sessions_app.models import AgentSession
from tests.factories import make_session

migration = import_module("sessions_app.migrations.0018_session_arrived_ms")


@pytest.mark.django_db(transaction=True)
def test_a_session_has_arrived_when_it_was_active_last_or_was_made() -> None:
    """So what everybody had read stays read."""
    make_session(title="old", last_activity_ms=1_000, created_ms=2_000)
    make_session(title="live", last_activity_ms=3_000, created_ms=2_000)

    for step in (migration.drop, migration.add):
        with connection.schema_editor() as editor:
            step(apps, editor)

    assert dict(AgentSession.objects.values_list("title", "arrived_ms")) == {"old": 2_000, "live": 3_000}
    session = make_session(title="new")
    session.refresh_from_db()
    assert session.arrived_ms == session.created_ms
