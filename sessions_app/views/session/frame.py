"""What every tab of a session shares: finding it, its header, its tabs, its neighbours."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from sessions_app.access import OPERATE, may
from sessions_app.costs import cost_of_session
from sessions_app.models import AgentSession, Person, ReadMark, Run, SourceState, Star
from sessions_app.session_list import trash_of
from sessions_app.timeline import run_id_at

AGENT_NAMES = {
    "claude-code": "Claude Code",
    "codex": "Codex",
    "gemini": "Gemini",
    "goose": "Goose",
    "opencode": "OpenCode",
    "picoclaw": "picoclaw",
    "asciicast": "Recording",
}


@dataclass(frozen=True)
class Tab:
    name: str
    label: str
    href: str
    count: int | None
    current: bool


def find_session(request: HttpRequest, session_id: uuid.UUID) -> AgentSession:
    """The session, when this person may see it; Http404 otherwise."""
    sessions = AgentSession.objects.visible_to(request.user).select_related("project")
    return get_object_or_404(sessions.defer("summary"), pk=session_id)


def or_in_the_trash[**P](page: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """A page of a session that is in the trash says so, to who may bring it back."""

    @wraps(page)
    def found(*args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return page(*args, **kwargs)
        except Http404:
            request = cast(HttpRequest, args[0])
            session = get_object_or_404(trash_of(cast(Person, request.user)), pk=kwargs["session_id"])
            context = {"session": session, "rail_path": "/sessions/"}
            return render(request, "sessions_app/session/trashed.html", context)

    return found


def find_run(request: HttpRequest, session: AgentSession, main: Run | None) -> Run | None:
    """The run named by `?run=`, else that of the row at `?at=`, else the main one.

    Http404 for a run of another session.
    """
    named = request.GET.get("run")
    if not named:
        at = request.GET.get("at", "")
        run_id = run_id_at(session, int(at)) if at.isascii() and at.isdecimal() and len(at) < 19 else None
        return (
            light_runs(session).filter(pk=run_id).first() if run_id and run_id != (main and main.pk) else main
        )
    try:
        run_id = uuid.UUID(named)
    except ValueError:
        run_id = uuid.UUID(int=0)
    if main is not None and run_id == main.pk:
        return main
    return get_object_or_404(light_runs(session), pk=run_id)


def light_runs(session: AgentSession) -> QuerySet[Run]:
    """Its runs without their bodies."""
    return session.runs.defer("input", "output", "error")


def frame(request: HttpRequest, session: AgentSession, tab: str) -> dict[str, Any]:
    """The context of session/_frame.html."""
    newer, older = neighbours(request, session)
    return {
        **header(request, session),
        "rail_path": "/sessions/",
        "tabs": tabs(session, tab),
        "tab": tab,
        "newer": newer,
        "older": older,
    }


def header(request: HttpRequest, session: AgentSession) -> dict[str, Any]:
    """The context of session/_header.html, which actions answer with as well."""
    person = cast(Person, request.user)
    mark = ReadMark.objects.filter(person=person, session=session).values_list("seq", flat=True).first()
    return {
        "session": session,
        "agent_name": AGENT_NAMES.get(session.agent, session.agent),
        "may_operate": may(person, OPERATE),
        "starred": Star.objects.filter(person=person, session=session).exists(),
        "tags": list(session.tags.all()),
        "read_seq": mark or 0,
        "token_sum": token_sum(session),
        "cost": cost_of_session(session),
        "losses": losses_of(session),
    }


@dataclass(frozen=True)
class TokenSum:
    """The counts as exact numbers, and how they make the total."""

    parts: list[tuple[str, str]]
    total: str
    note: str


def token_sum(counted: AgentSession | Run) -> TokenSum:
    read, written = counted.cache_read_tokens, counted.cache_write_tokens
    parts = [
        ("Input", counted.input_tokens),
        ("Output", counted.output_tokens),
        ("Cache read", read),
        ("Cache write", written),
    ]
    both = counted.input_tokens + counted.output_tokens
    if counted.total_tokens == both + read + written:
        note = "The sum of the four."
    elif counted.total_tokens == both:
        note = "Input and output; what was read from the cache is part of the input."
    else:
        note = "The total as the source itself counts it."
    return TokenSum([(name, f"{number:,}") for name, number in parts], f"{counted.total_tokens:,}", note)


@dataclass(frozen=True)
class Loss:
    """Files that no longer hold what was read of them: when the last was missed, and how many lines are kept here."""

    words: str
    at_ms: int
    lines: int


def losses_of(session: AgentSession) -> list[Loss]:
    """What became of the session's sources, where it is not what they were."""
    groups = session.sources.values("state").annotate(
        number=Count("pk"), at_ms=Max("deleted_ms"), lines=Sum("line_count")
    )
    found = {group["state"]: group for group in groups.order_by("state")}
    # What was rewritten is there a second time, as another generation of the same file.
    files = sum(group["number"] for state, group in found.items() if state != SourceState.TRUNCATED)
    return [
        Loss(words(group["number"], files), group["at_ms"], group["lines"])
        for state, words in ((SourceState.DELETED, _deleted), (SourceState.TRUNCATED, _rewritten))
        if (group := found.get(state))
    ]


def _deleted(number: int, files: int) -> str:
    if files == 1:
        return "Source deleted at"
    return f"{number} of {files} sources deleted{', the last' if number > 1 else ''} at"


def _rewritten(number: int, files: int) -> str:
    if number > 1:
        return f"{'Sources' if files > 1 else 'Source'} rewritten {number} times, the last at"
    return f"1 of {files} sources rewritten at" if files > 1 else "Source rewritten at"


def tabs(session: AgentSession, current: str) -> list[Tab]:
    entries: list[tuple[str, str, int | None]] = [
        ("transcript", "Transcript", None),
        ("runs", "Runs", session.run_count),
        ("terminals", "Terminals", session.terminal_count),
        ("files", "Files", None),
        ("notes", "Notes", None),
        ("raw", "Raw", None),
    ]
    return [
        Tab(name, label, _address(session, name), number, name == current) for name, label, number in entries
    ]


def _address(session: AgentSession, tab: str) -> str:
    name = "session" if tab == "transcript" else f"session-{tab}"
    return reverse(name, args=[session.pk])


def neighbours(
    request: HttpRequest, session: AgentSession
) -> tuple[AgentSession | None, AgentSession | None]:
    """The listed sessions just above and below this one in the list, newest first."""
    sessions = (
        AgentSession.objects.visible_to(request.user)
        .listed()
        .only("id", "title", "first_prompt", "agent", "external_id")
    )
    at, key = session.last_activity_ms, session.pk
    newer = sessions.filter(last_activity_ms__gte=at).filter(Q(last_activity_ms__gt=at) | Q(id__gt=key))
    older = sessions.filter(last_activity_ms__lte=at).filter(Q(last_activity_ms__lt=at) | Q(id__lt=key))
    return newer.order_by("last_activity_ms", "id").first(), older.order_by(
        "-last_activity_ms", "-id"
    ).first()
