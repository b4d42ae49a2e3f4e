"""Read model of the lists of sessions: what a row shows, in a fixed number of queries."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dashboard.lib.clock import now_ms
from dashboard.lib.formatting import relative_time
from dashboard.lib.keyset import Page, page_of_link
from sessions_app.access import KEEP_OWN, OPERATE, may
from sessions_app.costs import costs_of_sessions
from sessions_app.filters import SessionFilter
from sessions_app.models import AgentSession, Person, ReadMark, SessionTag, Star
from sessions_app.models.session import TRASHED, SessionQuerySet
from sessions_app.pricing.cost import Cost

ORDER = ("last_activity_ms", "id")
PAGE_ROWS = 50
# What a row shows; summaries and evidence stay where they are.
_COLUMNS = (
    "id", "agent", "external_id", "title", "first_prompt", "model", "status", "status_evidence", "started_ms",
    "ended_ms", "last_activity_ms", "created_ms", "archived_ms", "deleted_ms", "last_seq", "run_count",
    "message_count", "tool_call_count", "terminal_count", "total_tokens", "updated_ms", "project__name",
    "project__path",
)  # fmt: skip


_FIELDS = tuple(column for column in _COLUMNS if "__" not in column)


class _Costs:
    """What the sessions of a page cost: one query for all of them, once the first row is really drawn."""

    def __init__(self, ids: Sequence[uuid.UUID]) -> None:
        self._ids = ids

    @cached_property
    def by_session(self) -> dict[uuid.UUID, Cost]:
        return costs_of_sessions(self._ids)


@dataclass(frozen=True, eq=False)
class SessionEntry:
    """One row. Two are equal when they look the same, so one drawing serves both."""

    session: AgentSession
    tags: Sequence[str]
    is_unread: bool
    is_starred: bool
    costs: _Costs

    @property
    def cost(self) -> Cost:
        return self.costs.by_session[self.session.pk]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionEntry) and self._look == other._look

    def __hash__(self) -> int:
        return hash(self._look)

    @cached_property
    def _look(self) -> tuple[object, ...]:
        """All that the row shows, at the moment it was first asked for.

        `updated_ms` stands for what it cost: tokens are only ever counted together with it.
        """
        session, now = self.session, now_ms()
        project = session.project and (session.project.name, session.project.path)
        ages = (relative_time(at_ms, now_ms=now) for at_ms in (session.started_ms, session.last_activity_ms))
        facts = (getattr(session, name) for name in _FIELDS)
        return (*facts, project, tuple(self.tags), self.is_unread, self.is_starred, *ages)


def sessions_of(person: Person, chosen: SessionFilter) -> SessionQuerySet:
    """The sessions that the filter leaves of what this person may see; the trash only for operators."""
    sessions: SessionQuerySet = AgentSession.objects.visible_to(person)
    if chosen.show == "trash":
        sessions = trash_of(person)
    return chosen.apply(sessions, person)


def trash_of(person: Person) -> SessionQuerySet:
    """The sessions in the trash, for who may bring them back."""
    trashed = SessionQuerySet(AgentSession).filter(TRASHED)
    return trashed if may(person, OPERATE) else trashed.none()


def session_page(
    person: Person, chosen: SessionFilter, *, after: str | None = None, before: str | None = None
) -> Page[AgentSession]:
    return page_of_link(
        with_columns(sessions_of(person, chosen)), order=ORDER, limit=PAGE_ROWS, after=after, before=before
    )


def with_columns(sessions: SessionQuerySet) -> SessionQuerySet:
    return sessions.select_related("project").only(*_COLUMNS)


def entries_of(sessions: Sequence[AgentSession], person: Person) -> list[SessionEntry]:
    """The rows with what is personal about them and what they cost: three queries, and a fourth when a row is drawn."""
    ids = [session.pk for session in sessions]
    seen = dict(ReadMark.objects.filter(person=person, session__in=ids).values_list("session_id", "seq"))
    starred = set(Star.objects.filter(person=person, session__in=ids).values_list("session_id", flat=True))
    tags = _tags_of(ids)
    costs = _Costs(ids)
    # Who keeps no marks would have all of them unread for ever.
    marks = may(person, KEEP_OWN)
    return [
        SessionEntry(
            session,
            tags.get(session.pk, ()),
            is_unread=marks and _is_unread(session, seen.get(session.pk), person),
            is_starred=session.pk in starred,
            costs=costs,
        )
        for session in sessions
    ]


def _is_unread(session: AgentSession, seen: int | None, person: Person) -> bool:
    if max(session.last_activity_ms, session.created_ms) <= person.read_before_ms:
        return False
    return seen is None or seen < session.last_seq


def _tags_of(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    found: dict[uuid.UUID, list[str]] = {}
    tagged = SessionTag.objects.filter(session__in=ids).order_by("tag__name")
    for pk, name in tagged.values_list("session_id", "tag__name"):
        found.setdefault(pk, []).append(name)
    return found
