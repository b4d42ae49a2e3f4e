"""The other tabs of a session: runs, terminals, files, notes."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from sessions_app.access import READ
from sessions_app.models import Note, Run, Terminal
from sessions_app.run_tree import tree_of
from sessions_app.sign_in import requires
from sessions_app.touched_files import touched_files
from sessions_app.views.session.frame import find_session, frame, or_in_the_trash

MAX_TERMINALS = 200
MAX_NOTES = 500


@require_safe
@requires(READ)
@or_in_the_trash
def runs(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    first: Run | None = None
    if request.GET.get("from"):
        first = get_object_or_404(session.runs, pk=_uuid(request.GET["from"]))
    context = {**frame(request, session, "runs"), "tree": tree_of(session, first)}
    return render(request, "sessions_app/session/runs.html", context)


@require_safe
@requires(READ)
@or_in_the_trash
def terminals(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    found = Terminal.objects.visible_to(request.user).filter(session=session).order_by("-started_ms", "-id")
    context = {**frame(request, session, "terminals"), "terminals": found[:MAX_TERMINALS]}
    return render(request, "sessions_app/session/terminals.html", context)


@require_safe
@requires(READ)
@or_in_the_trash
def files(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    context = {**frame(request, session, "files"), "touched": touched_files(session)}
    return render(request, "sessions_app/session/files.html", context)


@require_safe
@requires(READ)
@or_in_the_trash
def notes(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    found = Note.objects.filter(session=session, deleted_ms=None).select_related("author")
    context = {**frame(request, session, "notes"), "notes": found[:MAX_NOTES]}
    return render(request, "sessions_app/session/notes.html", context)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise BadRequest("This link is broken: it names no run.") from error
