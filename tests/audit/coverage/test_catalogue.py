"""The catalogue and the code name the same actions."""

from collections.abc import Callable

import pytest
from django.db import transaction

from audit import catalog
from audit.actors import SYSTEM
from audit.models import Entry
from audit.own_actions import OWN_ACTIONS
from audit.record import Draft, append, append_apart, record
from audit.stream import StreamWriter
from dashboard.lib.ids import new_id
from sessions_app import audit_actions
from tests.audit.coverage.code import call_sites, recorded_names
from tests.audit.coverage.exceptions import NOT_WALKED
from tests.audit.coverage.scenarios import SCENARIOS

CATALOGUED = {**audit_actions.AUDIT_ACTIONS, **OWN_ACTIONS}


def test_every_entry_is_written_under_a_catalogued_name() -> None:
    found = list(recorded_names())
    assert len({place for place, _ in found}) > 30
    unknown = [(place, name) for place, name in found if name not in CATALOGUED]
    assert not unknown


def test_every_catalogued_action_is_used() -> None:
    used = {name for _, name in recorded_names()} | audit_actions.RETIRED
    assert set(CATALOGUED) - used == set()


def test_every_action_is_walked_or_has_its_reason() -> None:
    walked = {name for scenario in SCENARIOS.values() for name in scenario.entries}
    assert set(CATALOGUED) - walked == set(NOT_WALKED), "walk it, or say why it cannot be"
    assert walked <= set(CATALOGUED)
    assert {name for name in NOT_WALKED if catalog.action(name).is_retired} == audit_actions.RETIRED


def test_every_action_has_its_sentence_and_says_how_strict_it_is() -> None:
    for name, sentence in CATALOGUED.items():
        found = catalog.action(name)
        assert found.sentence == sentence
        assert name.count(".") == 1
    assert not catalog.action("request.denied").is_strict
    assert catalog.action("person.role_changed").is_strict
    assert not catalog.action("session.exported").changes_state
    assert catalog.action("session.archived").changes_state


def test_a_retired_action_still_reads_and_is_not_written_any_more() -> None:
    assert catalog.sentence_of("access.denied") == "was refused"
    with pytest.raises(catalog.UnknownAction):
        catalog.require("access.denied")


def test_what_is_said_of_an_action_that_is_not_there_is_refused() -> None:
    with pytest.raises(catalog.UnknownAction):
        catalog.register({"a.done": "did a"}, best_effort={"b.done"})


def test_call_sites_are_found() -> None:
    assert len(call_sites()) > 30


def test_what_may_be_lost_changes_nothing() -> None:
    lost = {name for name in CATALOGUED if not catalog.action(name).is_strict}
    assert {name for name in lost if catalog.action(name).changes_state} == set()
    assert lost == {"audit.lost", *audit_actions.BEST_EFFORT}
    with pytest.raises(catalog.WrongWay):
        catalog.register({"a.done": "did a"}, best_effort={"a.done"})
    with pytest.raises(catalog.UnknownAction):
        catalog.action("a.done")


@pytest.mark.django_db
def test_an_entry_is_written_as_its_action_promises() -> None:
    """Best effort apart from any change, what changes state in its transaction, and what is strict and changes nothing
    either way."""
    ways: dict[str, Callable[[str], object]] = {
        "record": lambda name: record(name, actor=SYSTEM),
        "append": lambda name: append([Draft(name, SYSTEM)]),
        "apart": lambda name: append_apart([Draft(name, SYSTEM)]),
        "stream": lambda name: StreamWriter().write([Draft(name, SYSTEM, id=new_id())]),
    }
    taken = {}
    for name in CATALOGUED:
        if catalog.action(name).is_retired:
            continue
        found = set()
        for way, write in ways.items():
            size = Entry.objects.count()
            try:
                with transaction.atomic():
                    write(name)
            except catalog.WrongWay:
                assert Entry.objects.count() == size, "what is refused is not written"
            else:
                found.add(way)
        taken[name] = found
    within, apart = {"record", "append"}, {"apart", "stream"}
    for name, found in taken.items():
        action = catalog.action(name)
        assert found == (within if action.is_strict else set()) | (
            set() if action.changes_state else apart
        ), name
    assert taken["person.role_changed"] == within
    assert taken["file.written"] == taken["request.denied"] == apart
    assert taken["policy.decided"] == within | apart
