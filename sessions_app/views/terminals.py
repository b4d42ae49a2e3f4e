"""The list of terminals, the page of one, and its output in every form."""

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from dashboard.lib.formatting import clock_ms
from dashboard.lib.keyset import page_of
from sessions_app.access import READ
from sessions_app.actions.terminals.exporting import as_asciicast, as_text, file_name
from sessions_app.models import Terminal, TerminalState
from sessions_app.sign_in import me, requires
from sessions_app.terminal_pictures import pictures_of

PAGE_ROWS = 50

@require_safe
@requires(READ)
def terminals(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    if state and state not in TerminalState.values:
        raise BadRequest("There is no such state of a terminal: live, ended or lost.")
    rows = _visible_to(request).select_related("session").defer("environment")
    page = page_of(
        rows.filter(state=state) if state else rows,
        order=("started_ms", "id"),
        limit=PAGE_ROWS,
        after=request.GET.get("after"),
        before=request.GET.get("before"),
    )
    context = {"page": page, "state": state, "states": TerminalState.choices}
    return render(request, "sessions_app/terminals/list.html", context)


@require_safe
@requires(READ)
def row(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """One row of the list, fetched again when it changed; nothing when it is gone."""
    terminal = _visible_to(request).select_related("session").filter(pk=terminal_id).first()
    if terminal is None:
        return HttpResponse()
    return render(request, "sessions_app/terminals/_row.html", {"terminal": terminal})


@require_safe
@requires(READ)
def picture(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """One small picture of the wall, fetched again when its terminal changed; nothing when it is gone."""
    for found in pictures_of(list(_visible_to(request).select_related("session").filter(pk=terminal_id))):
        return render(request, "sessions_app/terminals/_picture.html", {"picture": found})
    return HttpResponse()


@require_safe
@requires(READ)
def terminal(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(_visible_to(request).select_related("session"), pk=terminal_id)
    context = {"terminal": found, "at_ms": clock_ms(request.GET.get("t", ""))}
    return render(request, "sessions_app/terminals/terminal.html", context)


@require_safe
@requires(READ)
def recording_cast(request: HttpRequest, terminal_id: uuid.UUID) -> StreamingHttpResponse:
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    return _file(as_asciicast(found), file_name(found, "cast"), "application/x-asciicast")


@require_safe
@requires(READ)
def recording_text(request: HttpRequest, terminal_id: uuid.UUID) -> StreamingHttpResponse:
    """Shown in the browser, where a screen reader can read it; `?save` downloads it."""
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    name = file_name(found, "txt")
    return _file(as_text(found), name, "text/plain; charset=utf-8", shown="save" not in request.GET)


def _visible_to(request: HttpRequest) -> QuerySet[Terminal]:
    visible: QuerySet[Terminal] = Terminal.objects.all().visible_to(me(request))
    return visible


def _file(
    pieces: Iterator[bytes], name: str, content_type: str, *, shown: bool = False
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_in_steps(pieces), content_type=content_type)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    return response


async def _in_steps(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the database a piece at a time: a synchronous iterator would be read whole before it is sent."""
    step: Any = sync_to_async(next)
    while (piece := await step(pieces, None)) is not None:
        yield piece
