"""The page of one run, and what is behind its folds."""

import uuid
from typing import Any, Final, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from sessions_app import bodies, markdown
from sessions_app.access import OPERATE, READ, may
from sessions_app.costs import cost_of_run
from sessions_app.legible import legible
from sessions_app.models import Person, Run, Status, ToolCall, ToolKind
from sessions_app.run_tree import MAX_RUNS, axis_of, place
from sessions_app.sign_in import requires
from sessions_app.timeline import Timeline, calls_of
from sessions_app.views.moments import unread_moment_in
from sessions_app.views.session.frame import AGENT_NAMES, token_sum
from sessions_app.views.session.transcript import page_asked_for, place_asked_for, seq_in, transcript_context

ERROR_CHARS: Final = 20_000


@require_safe
@requires(READ)
def run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    found = _run(request, run_id)
    timeline = Timeline(found.session, found)
    at = place_asked_for(request, timeline)
    # What is over is read from its beginning; of what goes on one wants the end.
    is_over = found.status != Status.RUNNING
    opens_first = is_over and at is None and not {"before", "after"} & request.GET.keys()
    page = timeline.after(0) if opens_first else page_asked_for(request, timeline, at)
    context = {
        **transcript_context(found.session, found, page),
        "started_by": _calling(found),
        "children": _children(found),
        "token_sum": token_sum(found),
        "cost": cost_of_run(found),
        "input": markdown.to_html(found.input),
        "output": markdown.to_html(found.output),
        "error": legible(found.error[:ERROR_CHARS]),
        "program": AGENT_NAMES.get(found.session.agent, found.session.agent),
        "may_operate": may(cast(Person, request.user), OPERATE),
        "rail_path": "/runs/",
        "at": at,
        "from_top": is_over,
        "newest": f"?before={found.session.last_seq + 1}#newest" if is_over else request.path,
        "unread_moment": unread_moment_in(request),
    }
    return render(request, "sessions_app/run/run.html", context)


@require_safe
@requires(READ)
def peek(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """A run opened in place, inside the transcript of the one that started it: its newest rows."""
    found = _run(request, run_id)
    context = transcript_context(found.session, found, Timeline(found.session, found).newest())
    return render(request, "sessions_app/run/_peek.html", context)


@require_safe
@requires(READ)
def body(request: HttpRequest, run_id: uuid.UUID, part: str) -> HttpResponse:
    """A piece of what the run was asked (`input`) or answered (`output`), from byte `?from=`."""
    if part not in {"input", "output"}:
        raise Http404
    found = _run(request, run_id)
    text, blob = getattr(found, part), getattr(found, f"{part}_blob_id")
    piece = bodies.piece_of(text, blob, start=seq_in(request, "from") or 0, limit=markdown.MAX_CHARS)
    is_part = bool(request.headers.get("HX-Request"))
    below = markdown.BELOW_A_ROW if is_part else markdown.BELOW_THE_TITLE
    context = {
        "run": found,
        "session": found.session,
        "part": part,
        "piece": piece,
        "html": markdown.to_html(piece.text, below=below),
    }
    response = render(
        request, "sessions_app/run/_body.html" if is_part else "sessions_app/run/body.html", context
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


def _run(request: HttpRequest, run_id: uuid.UUID) -> Run:
    runs = Run.objects.visible_to(request.user).select_related("session", "session__project", "parent")
    return get_object_or_404(runs, pk=run_id)


def _calling(found: Run) -> ToolCall | None:
    """The tool call that started it."""
    if found.parent_id is None:
        return None
    calls = calls_of(ToolCall.objects.filter(session_id=found.session_id, kind=ToolKind.AGENT))
    by_name = calls.filter(call_id=found.spawned_by_call) if found.spawned_by_call else calls.none()
    return by_name.first() or calls.filter(child_run=found).first()


def _children(found: Run) -> list[dict[str, Any]]:
    children = list(found.children.defer("input", "output", "error").order_by("started_ms", "id")[:MAX_RUNS])
    start_ms, length_ms = axis_of([found, *children])
    places = [place(child, start_ms, length_ms) for child in children]
    return [
        {"run": child, "at": at, "size": size} for child, (at, size) in zip(children, places, strict=True)
    ]
