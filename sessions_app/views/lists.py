"""The lists of sessions and of runs."""

import uuid
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.lib.clock import now_ms
from dashboard.lib.errors import BadRequest
from dashboard.lib.keyset import Page, page_of_link
from dashboard.lib.text import cut
from sessions_app import markdown
from sessions_app.access import KEEP_ACCOUNT, KEEP_OWN, OPERATE, READ, may
from sessions_app.actions import read_marks
from sessions_app.actions.saved_views import save_view
from sessions_app.costs import cost_of_session
from sessions_app.filters import Filter, RunFilter, SessionFilter, distinct_agents, session_facets
from sessions_app.models import AgentSession, Person, Project, Run, SavedView, Status
from sessions_app.nav_counts import forget_counts
from sessions_app.session_list import PAGE_ROWS, entries_of, session_page, trash_of
from sessions_app.sign_in import requires

# Of the newest reply: what it is about.
_PEEKED_CHARS = 600
_FILTER_NAMES = {
    "q": "Title",
    "show": "Shown",
    "status": "Status",
    "agent": "Agent",
    "project": "Project",
    "tag": "Tag",
    "starred": "Starred",
    "unread": "Unread",
    "kind": "Kind",
    "session": "Session",
}


@require_safe
@requires(READ)
def sessions(request: HttpRequest) -> HttpResponse:
    person = cast(Person, request.user)
    chosen = SessionFilter.read(request.GET.dict())
    page = session_page(person, chosen, after=request.GET.get("after"), before=request.GET.get("before"))
    context = {
        "chosen": chosen,
        "entries": entries_of(page.rows, person),
        "pager": _pager(chosen, page),
        "chips": _chips(chosen, "/sessions/"),
        "shelves": _shelves(chosen),
        "saved_views": SavedView.objects.filter(person=person, page="sessions"),
        "kept": [(name, value) for name, value in chosen.active.items() if name != "q"],
        "is_first_page": page.is_lost or not {"after", "before"} & request.GET.keys(),
        "is_lost": page.is_lost,
        "may_operate": may(person, OPERATE),
    }
    return render(request, "sessions_app/lists/sessions.html", context)


@require_safe
@requires(READ)
def session_facets_part(request: HttpRequest) -> HttpResponse:
    """The facets with their counts, fetched after the list is there: they never keep it waiting."""
    person = cast(Person, request.user)
    chosen = SessionFilter.read(request.GET.dict())
    facets = session_facets(AgentSession.objects.visible_to(person), chosen, person)
    context = {"facets": facets.items, "counted_of": facets.counted_of}
    return render(request, "sessions_app/lists/_facets.html", context)


@require_safe
@requires(READ)
def session_peek(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """The pane that shows a session without leaving the list."""
    person = cast(Person, request.user)
    found = AgentSession.objects.visible_to(person) | trash_of(person)
    session = get_object_or_404(found.select_related("project"), pk=session_id)
    newest = session.messages.filter(role="assistant").exclude(text="").order_by("-seq").first()
    context = {
        "session": session,
        "cost": cost_of_session(session),
        "newest_reply": markdown.to_html(cut(newest.text, _PEEKED_CHARS)) if newest else "",
        "runs": session.runs.order_by("started_ms")[:8],
    }
    return render(request, "sessions_app/lists/_peek.html", context)


def back_to_list(request: HttpRequest) -> str:
    """The sessions again with the filters that they were sent from; never another address."""
    query = request.POST.get("query", "")
    return reverse("sessions") + (query if query.startswith("?") else "")


@require_POST
@requires(KEEP_OWN)
def mark_all_read(request: HttpRequest) -> HttpResponse:
    person = cast(Person, request.user)
    before_ms = read_marks.mark_all_read(person)
    forget_counts(person)
    messages.success(
        request, "Everything is marked as read", extra_tags=reverse("sessions-read-undo", args=[before_ms])
    )
    return redirect(back_to_list(request))


@require_POST
@requires(KEEP_OWN)
def take_back_all_read(request: HttpRequest, before_ms: int) -> HttpResponse:
    """What the toast of it offers."""
    if before_ms > now_ms():
        raise BadRequest("This moment is still to come.")
    person = cast(Person, request.user)
    read_marks.take_back_all_read(person, before_ms)
    forget_counts(person)
    messages.success(request, "What was unread is unread again")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect("sessions")


@require_POST
@requires(KEEP_ACCOUNT)
def save_sessions_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters in force under a name."""
    query = request.POST.get("query", "").removeprefix("?")
    view = save_view("sessions", request.POST.get("name", ""), query, person=cast(Person, request.user))
    messages.success(request, f"Saved as {view.name}.")
    return redirect(back_to_list(request))


@require_safe
@requires(READ)
def runs(request: HttpRequest) -> HttpResponse:
    person = cast(Person, request.user)
    chosen = RunFilter.read(request.GET.dict())
    rows = chosen.apply(Run.objects.visible_to(person)).select_related(
        "session", "session__project", "parent"
    )
    page = page_of_link(
        rows.defer("input", "output", "error"),
        order=("started_ms", "id"),
        limit=PAGE_ROWS,
        after=request.GET.get("after"),
        before=request.GET.get("before"),
    )
    context = {
        "chosen": chosen,
        "runs": page.rows,
        "pager": _pager(chosen, page),
        "chips": _chips(chosen, "/runs/"),
        "statuses": _choices(chosen, "status", [(str(s.value), str(s.label)) for s in Status]),
        "all_kinds": chosen.query_string(kind=""),
        "kinds": _choices(chosen, "kind", [("main", "Main agents"), ("subagent", "Subagents")]),
        "agents": _choices(
            chosen,
            "agent",
            [(a, a) for a in distinct_agents(AgentSession.objects.visible_to(person))],
        ),
        "is_first_page": page.is_lost or not {"after", "before"} & request.GET.keys(),
        "is_lost": page.is_lost,
    }
    return render(request, "sessions_app/lists/runs.html", context)


def _pager(chosen: Filter, page: Page[Any]) -> dict[str, str]:
    """Links to the newer and the older page, filters kept."""
    base = chosen.query_string()
    joint = f"{base}&" if base else "?"
    return {
        "newer": f"{joint}before={page.previous}" if page.previous else "",
        "older": f"{joint}after={page.next}" if page.next else "",
    }


def _chips(chosen: Filter, path: str) -> list[dict[str, str]]:
    return [
        {
            "name": _FILTER_NAMES[name],
            "value": _chip_value(name, value),
            "remove": path + chosen.query_string(**{name: ""}),
        }
        for name, value in chosen.active.items()
    ]


def _chip_value(name: str, value: str) -> str:
    if name == "project":
        found = Project.objects.filter(pk=value).values_list("name", flat=True).first()
        return found or value[:8]
    return "yes" if name in {"starred", "unread"} else value


def _shelves(chosen: SessionFilter) -> list[dict[str, Any]]:
    """The links above the list: what is shown at all."""
    shelves = [
        ("All", {"show": "", "unread": "", "starred": ""}),
        ("Unread", {"show": "", "unread": "1", "starred": ""}),
        ("Starred", {"show": "", "unread": "", "starred": "1"}),
        ("Archived", {"show": "archived", "unread": "", "starred": ""}),
        ("Trash", {"show": "trash", "unread": "", "starred": ""}),
    ]
    return [
        {
            "name": name,
            "href": reverse("sessions") + chosen.query_string(**changes),
            "current": all(getattr(chosen, key) == value for key, value in changes.items()),
        }
        for name, changes in shelves
    ]


def _choices(chosen: Filter, name: str, values: list[tuple[str, str]]) -> list[dict[str, Any]]:
    active = getattr(chosen, name)
    return [
        {
            "name": label,
            "href": chosen.query_string(**{name: "" if value == active else value}) or "?",
            "current": value == active,
        }
        for value, label in values
    ]
