"""Read model of the lists of sessions: what a row shows, in a fixed number of queries."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, cast

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from dashboard.lib.clock import now_ms
from dashboard.lib.formatting import relative_time
from dashboard.lib.keyset import Page, page_of_link
from sessions_app.access import OPERATE, keeps_marks, may
from sessions_app.costs import costs_of_sessions
from sessions_app.filters import SessionFilter
from sessions_app.models import AgentSession, Person, Project, ReadMark, SessionTag, Star
from sessions_app.models.session import TRASHED, SessionQuerySet
from sessions_app.pricing.cost import Cost

ORDER = ("last_activity_ms", "id")
PAGE_ROWS = 50
# What a row shows; summaries and evidence stay where they are.
_COLUMNS = frozenset({
    "id", "project_id", "agent", "external_id", "title", "first_prompt", "model", "status", "status_evidence",
    "started_ms", "ended_ms", "last_activity_ms", "arrived_ms", "archived_ms", "deleted_ms", "last_seq", "run_count",
    "message_count", "tool_call_count", "terminal_count", "total_tokens", "updated_ms",
})  # fmt: skip
# In the order in which a model is made of them.
_FIELDS = tuple(field.attname for field in AgentSession._meta.concrete_fields if field.attname in _COLUMNS)
_PROJECT_FIELDS = ("id", "path", "name")


class SessionFacts(Protocol):
    """A row as the database gave it: a named tuple of _FIELDS and of the project's path and name.

    Most rows of a page were drawn before and are never asked for as models, which would cost more than reading them.
    """

    id: uuid.UUID
    started_ms: int
    last_activity_ms: int
    arrived_ms: int
    last_seq: int
    project__path: str | None
    project__name: str | None

    def __getitem__(self, places: slice, /) -> tuple[Any, ...]: ...


class _Costs:
    """What the sessions of a page cost: one query for all of them, once the first row is really drawn."""

    def __init__(self, ids: Sequence[uuid.UUID]) -> None:
        self._ids = ids

    @cached_property
    def by_session(self) -> dict[uuid.UUID, Cost]:
        return costs_of_sessions(self._ids)


class Marks(NamedTuple):
    """What is one person's own about a session."""

    is_unread: bool
    is_starred: bool


@dataclass(frozen=True, eq=False)
class SessionEntry:
    """One row. Two are equal when they look the same, so one drawing serves both."""

    facts: SessionFacts
    tags: tuple[str, ...]
    is_unread: bool
    is_starred: bool
    costs: _Costs

    @cached_property
    def session(self) -> AgentSession:
        """With the fields that a row shows; others are fetched when they are asked for."""
        session = AgentSession.from_db(DEFAULT_DB_ALIAS, _FIELDS, self.facts[: len(_FIELDS)])
        if session.project_id is not None:
            values = (session.project_id, self.facts.project__path, self.facts.project__name)
            session.project = Project.from_db(DEFAULT_DB_ALIAS, _PROJECT_FIELDS, values)
        return session

    @property
    def cost(self) -> Cost:
        return self.costs.by_session[self.facts.id]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionEntry) and self._look == other._look

    def __hash__(self) -> int:
        return hash(self._look)

    @cached_property
    def _look(self) -> tuple[object, ...]:
        """All that the row shows, at the moment it was first asked for.

        `updated_ms` stands for what it cost: tokens are only ever counted together with it.
        """
        now, facts = now_ms(), self.facts
        ages = (relative_time(at_ms, now_ms=now) for at_ms in (facts.started_ms, facts.last_activity_ms))
        return (facts, self.tags, self.is_unread, self.is_starred, *ages)


def sessions_of(person: Person, chosen: SessionFilter) -> SessionQuerySet:
    """The sessions that the filter leaves of what this person may see; the trash only for operators."""
    return chosen.apply(_within_reach(person, chosen), person)


def on_shelf(person: Person, chosen: SessionFilter) -> SessionQuerySet:
    """Those of them that lie where the filter's `show` looks, whatever else it says."""
    return chosen.shelf(_within_reach(person, chosen))


def _within_reach(person: Person, chosen: SessionFilter) -> SessionQuerySet:
    sessions: SessionQuerySet = AgentSession.objects.visible_to(person)
    return trash_of(person) if chosen.show == "trash" else sessions


def trash_of(person: Person) -> SessionQuerySet:
    """The sessions in the trash, for who may bring them back."""
    trashed = SessionQuerySet(AgentSession).filter(TRASHED)
    return trashed if may(person, OPERATE) else trashed.none()


def session_page(
    person: Person, chosen: SessionFilter, *, after: str | None = None, before: str | None = None
) -> Page[SessionFacts]:
    return page_of_link(
        facts_of(sessions_of(person, chosen)), order=ORDER, limit=PAGE_ROWS, after=after, before=before
    )


def facts_of(sessions: QuerySet[AgentSession]) -> QuerySet[AgentSession, SessionFacts]:
    """What rows are made of, for `entries_of`."""
    facts = sessions.values_list(*_FIELDS, "project__path", "project__name", named=True)
    return cast("QuerySet[AgentSession, SessionFacts]", facts)


def with_columns(sessions: SessionQuerySet) -> SessionQuerySet:
    """Models with what `facts_of` reads."""
    columns = (*_FIELDS, *(f"project__{name}" for name in _PROJECT_FIELDS))
    return sessions.select_related("project").only(*columns)


def entries_of(rows: Sequence[SessionFacts], person: Person) -> list[SessionEntry]:
    """The rows with what is personal about them and what they cost: three queries, and a fourth when a row is drawn."""
    ids = [row.id for row in rows]
    tags = _tags_of(ids)
    costs = _Costs(ids)
    return [
        SessionEntry(row, tuple(tags.get(row.id, ())), marks.is_unread, marks.is_starred, costs)
        for row, marks in zip(rows, marks_of(rows, person), strict=True)
    ]


def marks_of(rows: Sequence[SessionFacts] | Sequence[AgentSession], person: Person) -> list[Marks]:
    """The person's marks of each row, with two queries for all of them."""
    ids = [row.id for row in rows]
    seen = dict(ReadMark.objects.filter(person=person, session__among=ids).values_list("session_id", "seq"))
    starred = set(Star.objects.filter(person=person, session__among=ids).values_list("session_id", flat=True))
    keeps = keeps_marks(person)
    read_before_ms = person.read_before_ms
    return [
        Marks(keeps and _is_unread(row, seen.get(row.id), read_before_ms), row.id in starred) for row in rows
    ]


def _is_unread(row: SessionFacts | AgentSession, seen: int | None, read_before_ms: int) -> bool:
    if row.arrived_ms <= read_before_ms:
        return False
    return seen is None or seen < row.last_seq


def _tags_of(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    found: dict[uuid.UUID, list[str]] = {}
    tagged = SessionTag.objects.filter(session__among=ids).order_by("tag__name")
    for pk, name in tagged.values_list("session_id", "tag__name"):
        found.setdefault(pk, []).append(name)
    return found
