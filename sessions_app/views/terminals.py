"""The page of one terminal, and its output in every form."""

import uuid

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.lib.streaming import streamed
from sessions_app.access import READ
from sessions_app.actions.exports import note_terminal_export
from sessions_app.actions.terminals.exporting import FORMS, export_of, file_name
from sessions_app.actors import actor_of
from sessions_app.models import Terminal
from sessions_app.sign_in import me, requires
from sessions_app.views.moments import moment_us_in, unread_moment_in


@require_safe
@requires(READ)
def terminal(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_visible_to(request).select_related("session"), pk=terminal_id)
    context = {"terminal": found, "at_us": moment_us_in(request), "unread_moment": unread_moment_in(request)}
    return render(request, "sessions_app/terminals/terminal.html", context)


@require_safe
@requires(READ)
def figures(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """What the heading says of the terminal, fetched again when it changed."""
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    return render(request, "sessions_app/terminals/_figures.html", {"terminal": found})


@require_safe
@requires(READ)
def recording(request: HttpRequest, terminal_id: uuid.UUID, form: str) -> StreamingHttpResponse:
    """A download; text is shown in the browser, where a screen reader can read it, unless `?save` asks for it."""
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    shown = form == "text" and "save" not in request.GET
    if request.method == "GET":
        note_terminal_export(found, form, actor=actor_of(me(request)))
    return streamed(
        export_of(found, form), file_name(found, FORMS[form].ending), FORMS[form].content_type, shown=shown
    )


def _visible_to(request: HttpRequest) -> QuerySet[Terminal]:
    visible: QuerySet[Terminal] = Terminal.objects.all().visible_to(me(request))
    return visible
