"""The settings that a server was started with are in the log."""

import json
from typing import Any

import pytest

from audit.actors import SYSTEM
from audit.models import Entry
from sessions_app.actions.console_settings import note_settings

pytestmark = pytest.mark.django_db
FIRST = {"log_level": "INFO", "serve.port": "8765"}


def newest() -> Any:
    found = Entry.objects.newest_first().first()
    assert found is not None
    return json.loads(found.body)["details"]


def test_the_first_start_writes_what_is_in_force() -> None:
    assert note_settings("box", FIRST, actor=SYSTEM)
    assert newest()["settings"] == FIRST


def test_the_same_settings_are_not_written_again() -> None:
    note_settings("box", FIRST, actor=SYSTEM)
    assert not note_settings("box", dict(FIRST), actor=SYSTEM)
    assert Entry.objects.count() == 1


def test_what_differs_is_named_with_what_it_was() -> None:
    note_settings("box", FIRST, actor=SYSTEM)
    assert note_settings("box", {"log_level": "DEBUG", "debug": "true"}, actor=SYSTEM)
    assert newest()["changed"] == {
        "debug": {"before": None, "after": "true"},
        "log_level": {"before": "INFO", "after": "DEBUG"},
        "serve.port": {"before": "8765", "after": None},
    }


def test_each_machine_has_its_own() -> None:
    note_settings("box", FIRST, actor=SYSTEM)
    assert note_settings("attic", FIRST, actor=SYSTEM)
    assert not note_settings("box", FIRST, actor=SYSTEM)
