"""What the pages of the audit log are told about people, sessions, runs and terminals."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from audit.actors import Actor
from audit.columns import parsed
from audit.models import Entry
from audit.surroundings import Place, SavedQuery, SessionName
from dashboard.lib.formatting import clock, precise_clock
from sessions_app.actors import requester
from sessions_app.audit_actions import REPORTED
from sessions_app.models import AgentSession, Run, SavedView, Terminal
from sessions_app.sign_in import me


class ConsoleSurroundings:
    def actor(self, request: HttpRequest) -> Actor:
        return requester(request)

    def names_of(self, sessions: Collection[uuid.UUID]) -> Mapping[uuid.UUID, SessionName]:
        if not sessions:
            return {}
        rows = AgentSession.objects.filter(pk__in=list(sessions), deleted_ms=None)
        rows = rows.select_related("project").only(
            "id", "title", "first_prompt", "agent", "external_id", "project__name"
        )
        return {row.pk: SessionName(row.heading, row.project.name if row.project else "") for row in rows}

    def projects_of(self, sessions: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        rows = (
            AgentSession.objects.filter(pk__in=list(sessions)).exclude(project=None).exclude(project__name="")
        )
        return dict(rows.values_list("pk", "project__name"))

    def sessions_of(self, project: str) -> Any:
        return AgentSession.objects.filter(project__name=project).values("pk")

    def places_of(self, entry: Entry, request: HttpRequest) -> Sequence[Place]:
        person, at_ms = me(request), happened_ms(entry)
        found: list[Place] = []
        session = (
            AgentSession.objects.visible_to(person).filter(pk=entry.session_id).first()
            if entry.session_id
            else None
        )
        if session is not None:
            found.append(_moment_of_session(session, at_ms))
        if entry.run_id and (run := Run.objects.visible_to(person).filter(pk=entry.run_id).first()):
            found.append(Place(f"Run {run}", reverse("run", args=[run.pk]), "runs"))
        found += [_moment_of_terminal(terminal, at_ms) for terminal in _terminals(entry, at_ms, person)]
        return found

    def saved_queries(self, request: HttpRequest) -> Sequence[SavedQuery]:
        views = SavedView.objects.filter(person=me(request), page="audit").order_by("name")
        return [SavedQuery(view.name, view.query) for view in views]


def happened_ms(entry: Entry) -> int:
    """When it happened: what a sandbox reports reaches the log later, and says itself when it saw it."""
    if entry.action not in REPORTED:
        return entry.at_ms
    details = (parsed(entry.body.encode("utf-8", "surrogateescape")) or {}).get("details")
    observed_ms = details.get("observed_ms") if isinstance(details, dict) else None
    return observed_ms if isinstance(observed_ms, int) else entry.at_ms


def _moment_of_session(session: AgentSession, at_ms: int) -> Place:
    offset_ms = at_ms - session.started_ms
    end_ms = session.ended_ms or session.last_activity_ms
    href = reverse("session", args=[session.pk])
    if not 0 <= offset_ms <= max(0, end_ms - session.started_ms):
        # An import or an archiving happened when the session was over: its clock knows no such moment.
        return Place("The session", href, "sessions")
    return Place(f"The session at {clock(offset_ms)}", f"{href}?t={precise_clock(offset_ms)}", "sessions")


def _terminals(entry: Entry, at_ms: int, person: Any) -> list[Terminal]:
    """The terminal that the entry is about; else those of its session that were open at the moment."""
    visible = Terminal.objects.visible_to(person)
    if entry.target_type == "terminal":
        return list(visible.filter(pk=entry.target_id)) if _is_id(entry.target_id) else []
    if entry.session_id is None:
        return []
    there = visible.filter(session=entry.session_id, started_ms__lte=at_ms).order_by("-started_ms")[:20]
    return [terminal for terminal in there if at_ms <= terminal.started_ms + terminal.duration_us // 1000][:3]


def _moment_of_terminal(terminal: Terminal, at_ms: int) -> Place:
    offset_ms = at_ms - terminal.started_ms
    href = reverse("terminal", args=[terminal.pk])
    if not 0 <= offset_ms <= terminal.duration_us // 1000:
        return Place(f"Terminal {terminal}", href, "terminals")
    return Place(
        f"Terminal {terminal} at {clock(offset_ms)}", f"{href}?t={precise_clock(offset_ms)}", "terminals"
    )


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
