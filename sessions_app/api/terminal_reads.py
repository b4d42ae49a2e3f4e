"""Terminals, read back. What recorders send is in terminals.py."""

import uuid
from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from dashboard.lib.errors import CorruptData, Refused
from dashboard.lib.streaming import streamed
from sessions_app.actions.exports import note_terminal_export
from sessions_app.actions.terminals.exporting import FORMS, export_of, file_name
from sessions_app.actions.terminals.reading import DAMAGED, read_bytes
from sessions_app.api.documents import MarkerDocument, TerminalDocument
from sessions_app.api.endpoint import OCTETS, Call, Endpoint
from sessions_app.api.paging import Page, PageQuery, paged
from sessions_app.api.problems import NOT_FOUND, REFUSED
from sessions_app.api.rendering import marker_document, terminal_document
from sessions_app.models import Person, Terminal, TerminalEvent, TerminalEventKind

MAX_OUTPUT_BYTES = 4 * 1024 * 1024


class TerminalQuery(PageQuery, kw_only=True, forbid_unknown_fields=True):
    state: Literal["live", "ended", "lost"] | None = None
    session: Annotated[uuid.UUID | None, msgspec.Meta(description="A session's id.")] = None


class OutputQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1, description="The first byte wanted.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_OUTPUT_BYTES, description="Bytes at most.")] = 1024 * 1024


class ExportQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    form: Annotated[
        Literal["asciicast", "asciicast2", "asciicast1", "text", "ansi"],
        msgspec.Meta(
            description="asciicast is version 3, asciicast1 output alone; ansi the very bytes, without their times."
        ),
    ] = msgspec.field(name="as", default="asciicast")


def list_terminals(call: Call) -> Any:
    rows = _visible_to(call.caller.person)
    if call.query.state is not None:
        rows = rows.filter(state=call.query.state)
    if call.query.session is not None:
        rows = rows.filter(session=call.query.session)
    return paged(rows.defer("environment"), call.query, terminal_document, order=("started_ms", "id"))


def show_terminal(call: Call, terminal_id: uuid.UUID) -> TerminalDocument:
    return terminal_document(terminal_of(call.caller.person, terminal_id))


def read_output(call: Call, terminal_id: uuid.UUID) -> HttpResponse:
    """Raw bytes from `offset` on, none at the end. Headers say where the next start and how many exist."""
    terminal = terminal_of(call.caller.person, terminal_id)
    start = min(call.query.offset, terminal.size)
    end = min(start + call.query.limit, terminal.size)
    try:
        response = HttpResponse(read_bytes(terminal.pk, start, end), content_type=OCTETS)
    except CorruptData as error:
        raise Refused(DAMAGED) from error
    response["Scrollback-Next-Offset"] = str(end)
    response["Scrollback-Size"] = str(terminal.size)
    # Bytes of a program are never shown by a browser as a page.
    response["Content-Disposition"] = f'attachment; filename="{terminal.pk}.bin"'
    return response


def list_markers(call: Call, terminal_id: uuid.UUID) -> Any:
    terminal = terminal_of(call.caller.person, terminal_id)
    rows = TerminalEvent.objects.filter(terminal=terminal, kind=TerminalEventKind.MARKER).defer("data")
    return paged(rows, call.query, marker_document, order=("number",))


def export_terminal(call: Call, terminal_id: uuid.UUID) -> StreamingHttpResponse:
    """The whole recording up to its present end, as a file of any length."""
    terminal = terminal_of(call.caller.person, terminal_id)
    form = FORMS[call.query.form]
    if call.request.method == "GET":
        note_terminal_export(terminal, call.query.form, actor=call.caller.actor)
    return streamed(export_of(terminal, call.query.form), file_name(terminal, form.ending), form.content_type)


def terminal_of(person: Person, terminal_id: uuid.UUID) -> Terminal:
    """The terminal if this person may see it; Http404 otherwise."""
    terminal: Terminal = get_object_or_404(_visible_to(person), pk=terminal_id)
    return terminal


def _visible_to(person: Person) -> Any:
    terminals: Any = Terminal.objects.all()
    return terminals.visible_to(person)


ENDPOINTS = (
    Endpoint(
        "list_terminals",
        "GET",
        "terminals",
        "Terminals, the last started first",
        list_terminals,
        answers=Page[TerminalDocument],
        query=TerminalQuery,
        tag="Terminals",
    ),
    Endpoint(
        "show_terminal",
        "GET",
        "terminals/<uuid:terminal_id>",
        "One terminal",
        show_terminal,
        answers=TerminalDocument,
        problems=(NOT_FOUND,),
        tag="Terminals",
    ),
    Endpoint(
        "read_terminal_output",
        "GET",
        "terminals/<uuid:terminal_id>/output",
        "The bytes that a terminal's program wrote",
        read_output,
        answers=bytes,
        query=OutputQuery,
        problems=(NOT_FOUND, REFUSED),
        tag="Terminals",
    ),
    Endpoint(
        "export_terminal",
        "GET",
        "terminals/<uuid:terminal_id>/recording",
        "A terminal as a file",
        export_terminal,
        answers=bytes,
        query=ExportQuery,
        problems=(NOT_FOUND,),
        tag="Terminals",
    ),
    Endpoint(
        "list_terminal_markers",
        "GET",
        "terminals/<uuid:terminal_id>/markers",
        "The named moments of a terminal, the last first",
        list_markers,
        answers=Page[MarkerDocument],
        query=PageQuery,
        problems=(NOT_FOUND,),
        tag="Terminals",
    ),
)
