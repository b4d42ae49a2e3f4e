"""The page of one terminal, and its output in every form."""

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.lib.formatting import clock_ms
from sessions_app.access import READ
from sessions_app.actions.terminals.exporting import as_asciicast, as_text, file_name
from sessions_app.models import Terminal
from sessions_app.sign_in import me, requires


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
