"""The record as the agent wrote it: sources, their lines, one line with its bytes."""

import uuid

from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from sessions_app.access import READ
from sessions_app.models import AgentSession, SkippedLine, Source
from sessions_app.raw_lines import PAGE_LINES, legible_beginning, line_at, lines_from
from sessions_app.sign_in import requires
from sessions_app.views.session.frame import find_session, frame, or_in_the_trash
from sessions_app.views.session.transcript import seq_in

MAX_SOURCES = 500
MAX_SKIPPED = 200


@require_safe
@requires(READ)
@or_in_the_trash
def sources(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    found = _light(session).order_by("path", "generation")
    context = {**frame(request, session, "raw"), "sources": found[:MAX_SOURCES]}
    return render(request, "sessions_app/session/raw.html", context)


@require_safe
@requires(READ)
@or_in_the_trash
def lines(request: HttpRequest, session_id: uuid.UUID, source_id: uuid.UUID) -> HttpResponse:
    """A page of lines from `?line=` on, and those that could not be read."""
    session = find_session(request, session_id)
    source = _source(session, source_id)
    first = max(1, seq_in(request, "line") or 1)
    shown = lines_from(source, first)
    numbers = [line.number for line in shown]
    reasons = dict(SkippedLine.objects.filter(source=source, line__in=numbers).values_list("line", "reason"))
    later = numbers[-1] + 1 if numbers and numbers[-1] < source.line_count else None
    context = {
        **frame(request, session, "raw"),
        "source": source,
        "lines": [(line, reasons.get(line.number, "")) for line in shown],
        "skipped": source.skipped_lines.order_by("line")[:MAX_SKIPPED],
        "earlier": max(1, first - PAGE_LINES) if first > 1 else None,
        "later": later,
        "unfinished": legible_beginning(bytes(source.tail)) if later is None else "",
    }
    return render(request, "sessions_app/session/raw_lines.html", context)


@require_safe
@requires(READ)
@or_in_the_trash
def line(request: HttpRequest, session_id: uuid.UUID, source_id: uuid.UUID, number: int) -> HttpResponse:
    session = find_session(request, session_id)
    source = _source(session, source_id)
    found = line_at(source, number)
    if found is None or found.number != number:
        raise Http404
    reason = source.skipped_lines.filter(line=number).values_list("reason", flat=True).first()
    context = {**frame(request, session, "raw"), "source": source, "line": found, "reason": reason or ""}
    return render(request, "sessions_app/session/raw_line.html", context)


@require_safe
@requires(READ)
def line_bytes(
    request: HttpRequest, session_id: uuid.UUID, source_id: uuid.UUID, number: int
) -> HttpResponse:
    """The line's own bytes as a download."""
    found = line_at(_source(find_session(request, session_id), source_id), number)
    if found is None or found.number != number:
        raise Http404
    response = HttpResponse(found.content, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="line-{number}.bin"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _source(session: AgentSession, source_id: uuid.UUID) -> Source:
    return get_object_or_404(_light(session), pk=source_id)


def _light(session: AgentSession) -> QuerySet[Source]:
    """The session's sources without what only the importer needs; of an unfinished last line only the size."""
    return session.sources.defer("parser_state", "tail").annotate(tail_size=Length("tail"))
