"""What a terminal showed at a moment, as text: for the API, and for the command `screen`."""

import uuid
from typing import Annotated

import msgspec

from dashboard.lib.errors import BadRequest, CorruptData, Refused
from sessions_app.actions.terminals.reading import DAMAGED
from sessions_app.actions.terminals.screens import place_at, place_behind, screen_of, time_at
from sessions_app.api.documents import Document
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.problems import NOT_FOUND, REFUSED
from sessions_app.api.terminal_reads import terminal_of
from sessions_app.models import Terminal
from sessions_app.terminal.engine.model import EngineError

type Position = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ScreenQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    at_us: Annotated[Position | None, msgspec.Meta(description="Microseconds since the start.")] = None
    offset: Annotated[Position | None, msgspec.Meta(description="After so many bytes of output.")] = None


class ScreenCursor(Document):
    """Its place, counted from 0."""

    column: int
    row: int
    is_visible: bool


class ScreenDocument(Document):
    """The screen once `offset` bytes were out, the last of them at `at_us`."""

    terminal: uuid.UUID
    offset: int
    at_us: int
    cols: int
    rows: Annotated[
        list[str],
        msgspec.Meta(description="From the top, as many as there are, without the spaces at their ends."),
    ]
    cursor: ScreenCursor
    is_alternate: bool


def screen_document(
    terminal: Terminal, *, at_us: int | None = None, offset: int | None = None
) -> ScreenDocument:
    """At a time or after so many bytes; without either at the present end. Raises Refused."""
    try:
        if at_us is not None:
            place = place_at(terminal, at_us)
        else:
            place = place_behind(terminal, terminal.size if offset is None else offset)
        screen = screen_of(terminal, place)
        reached_us = time_at(terminal, place.offset)
    except EngineError as error:
        raise Refused(str(error)) from error
    except CorruptData as error:
        raise Refused(DAMAGED) from error
    return ScreenDocument(
        terminal=terminal.pk,
        offset=place.offset,
        at_us=reached_us,
        cols=screen.cols,
        rows=list(screen.rows),
        cursor=ScreenCursor(
            column=screen.cursor_column, row=screen.cursor_row, is_visible=screen.cursor_visible
        ),
        is_alternate=screen.is_alternate,
    )


def show_screen(call: Call, terminal_id: uuid.UUID) -> ScreenDocument:
    query: ScreenQuery = call.query
    if query.at_us is not None and query.offset is not None:
        raise BadRequest("Give at_us or offset, not both.")
    terminal = terminal_of(call.caller.person, terminal_id)
    return screen_document(terminal, at_us=query.at_us, offset=query.offset)


ENDPOINTS = (
    Endpoint(
        "show_screen",
        "GET",
        "terminals/<uuid:terminal_id>/screen",
        "What a terminal showed at a moment, as text",
        show_screen,
        answers=ScreenDocument,
        query=ScreenQuery,
        problems=(NOT_FOUND, REFUSED),
        tag="Terminals",
    ),
)
