"""Read model of the lists of sessions: what a row shows, in a fixed number of queries."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from dashboard.lib.clock import now_ms
from dashboard.lib.formatting import relative_time
from dashboard.lib.keyset import Page, page_of_link
from sessions_app.access import KEEP_OWN, OPERATE, may
from sessions_app.costs import costs_of_sessions
from sessions_app.filters import SessionFilter
from sessions_app.models import AgentSession, Person, ReadMark, Star
from sessions_app.models.session import TRASHED, SessionQuerySet
from sessions_app.pricing.cost import Cost

ORDER = ("last_activity_ms", "id")
PAGE_ROWS = 50
# What a row shows; summaries and evidence stay where they are.
_COLUMNS = (
    "id", "agent", "external_id", "title", "first_prompt", "model", "status", "status_evidence", "started_ms",
    "ended_ms", "last_activity_ms", "created_ms", "archived_ms", "deleted_ms", "last_seq", "run_count",
    "message_count", "tool_call_count", "terminal_count", "total_tokens", "project__name", "project__path",
)  # fmt: skip


_FIELDS = tuple(column for column in _COLUMNS if "__" not in column)


@dataclass(frozen=True)
class SessionEntry:
    """One row."""

    session: AgentSession
    tags: Sequence[str]
    is_unread: bool
    is_starred: bool
    cost: Cost

    @property
    def drawn_from(self) -> tuple[object, ...]:
        """All that the row shows. Two that are equal look the same, so one drawing serves both."""
        session, now = self.session, now_ms()
        project = session.project and (session.project.name, session.project.path)
        ages = (relative_time(at_ms, now_ms=now) for at_ms in (session.started_ms, session.last_activity_ms))
        facts = (getattr(session, name) for name in _FIELDS)
        cost = (self.cost.amount, self.cost.unknown)
        return (*facts, project, tuple(self.tags), self.is_unread, self.is_starred, cost, *ages)


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
    """The rows with what is personal about them and what they cost: four queries, however many rows."""
    ids = [session.pk for session in sessions]
    seen = dict(ReadMark.objects.filter(person=person, session__in=ids).values_list("session_id", "seq"))
    starred = set(Star.objects.filter(person=person, session__in=ids).values_list("session_id", flat=True))
    tags = _tags_of(AgentSession.objects.filter(pk__in=ids))
    costs = costs_of_sessions(ids)
    # Who keeps no marks would have all of them unread for ever.
    marks = may(person, KEEP_OWN)
    return [
        SessionEntry(
            session,
            tags.get(session.pk, ()),
            is_unread=marks and _is_unread(session, seen.get(session.pk), person),
            is_starred=session.pk in starred,
            cost=costs[session.pk],
        )
        for session in sessions
    ]


def _is_unread(session: AgentSession, seen: int | None, person: Person) -> bool:
    if max(session.last_activity_ms, session.created_ms) <= person.read_before_ms:
        return False
    return seen is None or seen < session.last_seq


def _tags_of(sessions: QuerySet[AgentSession]) -> dict[uuid.UUID, list[str]]:
    found: dict[uuid.UUID, list[str]] = {}
    for pk, name in sessions.exclude(tags=None).order_by("tags__name").values_list("pk", "tags__name"):
        found.setdefault(pk, []).append(str(name))
    return found
