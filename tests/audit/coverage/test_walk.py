"""Every action is walked: what changes state leaves its entry, and any call that appends one is missed without it."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest
from django.apps import apps
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from audit.models import Entry
from sessions_app.actions import read_marks, sources
from tests.audit.coverage.code import ROOT, CallSite, call_sites, public_writers, units
from tests.audit.coverage.exceptions import EXCEPTIONS, PARTS, WITHIN
from tests.audit.coverage.scenarios import SCENARIOS, Act, Scenario
from tests.factories import make_message, make_person, make_session, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def stored() -> dict[str, Counter[str]]:
    """Every row of every table of ours but the log's."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.app_label == "audit":
                continue
            table = model._meta.db_table
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            found[table] = Counter(repr(row) for row in cursor.fetchall())
    return found


def written_since(size: int) -> list[str]:
    return list(Entry.objects.filter(idx__gte=size).order_by("idx").values_list("action", flat=True))


def trouble_of(scenario: Scenario) -> str:
    """What is wrong with it, "" when nothing is. Everything it did is undone."""
    with undone():
        act = scenario.prepare()
        return _trouble(act, scenario)


def _trouble(act: Act, scenario: Scenario) -> str:
    before, size = stored(), Entry.objects.count()
    act()
    changed = [table for table, rows in stored().items() if rows != before[table]]
    entries = written_since(size)
    if changed and not entries:
        return f"changed {', '.join(changed)} and left no entry"
    if tuple(entries) != scenario.entries:
        return f"left the entries {entries}"
    return ""


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_leaves_its_entries(name: str) -> None:
    assert trouble_of(SCENARIOS[name]) == ""


def test_every_action_that_writes_is_walked_or_has_its_reason() -> None:
    walked = {unit for scenario in SCENARIOS.values() for unit in scenario.covers}
    told = walked | set(PARTS) | set(EXCEPTIONS)
    assert public_writers() - told == set(), "it writes: walk it, or say why it leaves no entry"
    assert told - set(units()) == set(), "it is no longer there"
    assert set(PARTS.values()) | set(WITHIN) <= walked
    assert not walked & set(EXCEPTIONS)


def test_a_part_is_called_by_the_action_that_has_its_entry() -> None:
    for part, whole in PARTS.items():
        reached, new = set[str](), {whole.rpartition(".")[2]}
        while new:
            reached |= new
            new = {
                called
                for unit in units().values()
                if unit.last_name in new or unit.name.split(".")[-2] in new
                for called in unit.calls
            } - reached
        assert part.rpartition(".")[2] in reached, part


def test_what_may_leave_no_entry_leaves_none() -> None:
    session, person, source = make_session(), make_person(), make_source()
    message = make_message(session)
    before = stored()
    read_marks.take_back_all_read(person, read_marks.mark_all_read(person))
    read_marks.mark_all_read(person)
    read_marks.mark_read(session.pk, message.seq, person)
    read_marks.take_back_read(session.pk, 0, person)
    read_marks.mark_read(session.pk, message.seq, person)
    sources.note_source_error(source.pk, "is a folder")
    sources.note_same_content(source.pk, size=1, modified_ns=1, inode="1:2")
    assert stored() != before
    assert not Entry.objects.exists()


# ── Without any one of the calls, something is missed ────────────────────────────────────────────────────
class Muted:
    """Stands in for `record` or `append` in one module, and does nothing when called from the muted site."""

    def __init__(self, real: Any, site: CallSite | None, seen: set[int]) -> None:
        self._real, self._site, self._seen = real, site, seen

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        line = sys._getframe(1).f_lineno
        self._seen.add(line)
        if self._site is not None and self._site.first_line <= line <= self._site.last_line:
            return []
        return self._real(*args, **kwargs)


def module_of(site: CallSite) -> Any:
    name = ".".join(site.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return import_module(name)


#: record() is itself a call of append(), which every entry passes.
SITES = [site for site in call_sites() if site.path != ROOT / "audit" / "record.py"]


@pytest.fixture(scope="module")
def reached() -> dict[CallSite, list[str]]:
    """Which scenarios come by which call; filled by the first test that asks."""
    return {}


def scenarios_by(site: CallSite, known: dict[CallSite, list[str]]) -> list[str]:
    if not known:
        known.update({each: [] for each in SITES})
        for name, scenario in SCENARIOS.items():
            with ExitStack() as stack:
                seen: dict[tuple[Any, str], set[int]] = {}
                for each in SITES:
                    key = (module_of(each), each.function)
                    if key not in seen:
                        seen[key] = set()
                        double = Muted(getattr(*key), None, seen[key])
                        stack.enter_context(patch.object(*key, double))
                trouble_of(scenario)
            for each in SITES:
                lines = seen[module_of(each), each.function]
                if any(each.first_line <= line <= each.last_line for line in lines):
                    known[each].append(name)
    return known[site]


@pytest.mark.parametrize("site", SITES, ids=str)
def test_an_entry_that_is_not_appended_is_missed(site: CallSite, reached: dict[CallSite, list[str]]) -> None:
    names = scenarios_by(site, reached)
    assert names, "no scenario comes by this call"
    module = module_of(site)
    with patch.object(module, site.function, Muted(getattr(module, site.function), site, set())):
        assert any(is_noticed(SCENARIOS[name]) for name in names)


def is_noticed(scenario: Scenario) -> bool:
    """The walk sees that something is wrong, or the action itself cannot go on without its entry."""
    try:
        return trouble_of(scenario) != ""
    except ValueError:
        return True
