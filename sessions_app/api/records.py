"""The record behind the sessions: what the sources said line by line, what people noted, and the audit log."""

import uuid
from typing import Annotated, Any

import msgspec
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404

from audit.models import Entry
from audit.query import Query, Term
from audit.reading import note_opening, note_reading
from sessions_app.access import READ_AUDIT
from sessions_app.api.documents import Document, SourceDocument
from sessions_app.api.endpoint import OCTETS, Call, Endpoint
from sessions_app.api.paging import Limit, Page, PageQuery, paged
from sessions_app.api.problems import NOT_FOUND, REFUSED
from sessions_app.api.rendering import source_document
from sessions_app.api.sessions import session_of
from sessions_app.filters import MAX_VALUE_CHARS
from sessions_app.models import Note, SkippedLine, Source
from sessions_app.raw_lines import LINE_CHARS, PAGE_LINES, line_at, lines_from


class NoteDocument(Document):
    id: uuid.UUID
    author: str
    seq: Annotated[int | None, msgspec.Meta(description="The place on the timeline that it is about.")]
    text: str
    created_ms: int


class LineDocument(Document):
    number: int
    offset: Annotated[int, msgspec.Meta(description="Of its first byte in the source.")]
    size: int
    text: Annotated[str, msgspec.Meta(description=f"Its first {LINE_CHARS} characters.")]
    reason: Annotated[str, msgspec.Meta(description="Why it was not read; empty when it was.")]


class LinePage(msgspec.Struct, kw_only=True):
    """Lines in their order. `next` is the number to pass as `line` for those that follow, null at the end."""

    items: list[LineDocument]
    next: int | None
    unfinished_size: Annotated[
        int, msgspec.Meta(description="Bytes behind the last line, which have no line end yet.")
    ]


class LineQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    line: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1, description="The first line wanted, from 1.")] = 1
    limit: Limit = PAGE_LINES


class EntryDocument(Document):
    idx: Annotated[int, msgspec.Meta(description="Its place in the log, from 0 without a gap.")]
    id: uuid.UUID
    at_ms: int
    actor_type: str
    actor_id: str
    actor_label: str
    action: str
    target_type: str
    target_id: str
    target_label: str
    session_id: uuid.UUID | None
    run_id: uuid.UUID | None
    decision: str


class EntryDetail(EntryDocument):
    body: Annotated[str, msgspec.Meta(description="The canonical JSON text of the entry, as it is kept.")]


class EntryQuery(PageQuery, kw_only=True, forbid_unknown_fields=True):
    """The filters of the page /audit/."""

    action: Annotated[
        str, msgspec.Meta(max_length=60, description="An action, or a family of them: `terminal.*`.")
    ] = ""
    actor: Annotated[str, msgspec.Meta(max_length=MAX_VALUE_CHARS, description="The name of who did it.")] = (
        ""
    )


def list_notes(call: Call, session_id: uuid.UUID) -> Any:
    session = session_of(call.caller.person, session_id)
    rows = Note.objects.filter(session=session, deleted_ms=None).select_related("author")
    return paged(rows, call.query, _note_document, order=("created_ms", "id"))


def list_sources(call: Call) -> Any:
    """What was read of them and why it could not be used is in their lines."""
    return paged(_sources_of_nothing(), call.query, source_document, order=("created_ms", "id"))


def list_lines(call: Call, session_id: uuid.UUID, source_id: uuid.UUID) -> LinePage:
    return _lines(_source(call, session_id, source_id), call.query)


def list_lines_of_source(call: Call, lone_source_id: uuid.UUID) -> LinePage:
    return _lines(get_object_or_404(_sources_of_nothing(), pk=lone_source_id), call.query)


def _lines(source: Source, query: LineQuery) -> LinePage:
    shown = lines_from(source, query.line, query.limit)
    numbers = [line.number for line in shown]
    reasons = dict(SkippedLine.objects.filter(source=source, line__in=numbers).values_list("line", "reason"))
    return LinePage(
        items=[
            LineDocument(
                number=line.number,
                offset=line.offset,
                size=line.size,
                text=line.legible,
                reason=reasons.get(line.number, ""),
            )
            for line in shown
        ],
        next=numbers[-1] + 1 if numbers and numbers[-1] < source.line_count else None,
        unfinished_size=len(source.tail),
    )


def read_line(call: Call, session_id: uuid.UUID, source_id: uuid.UUID, number: int) -> HttpResponse:
    return _line(_source(call, session_id, source_id), number)


def read_line_of_source(call: Call, lone_source_id: uuid.UUID, number: int) -> HttpResponse:
    return _line(get_object_or_404(_sources_of_nothing(), pk=lone_source_id), number)


def _line(source: Source, number: int) -> HttpResponse:
    found = line_at(source, number)
    if found is None or found.number != number:
        raise Http404
    return HttpResponse(found.content, content_type=OCTETS)


def list_entries(call: Call) -> Any:
    query: EntryQuery = call.query
    note_reading(_as_on_the_page(query), actor=call.caller.actor)
    rows = Entry.objects.all().with_action(query.action).by_actor(query.actor).defer("body")
    return paged(rows, query, _entry_document, order=("idx",))


def show_entry(call: Call, idx: int) -> EntryDetail:
    entry = get_object_or_404(Entry, idx=idx)
    note_opening(idx, with_payload=False, actor=call.caller.actor)
    return EntryDetail(**{name: getattr(entry, name) for name in EntryDetail.__struct_fields__})


def _source(call: Call, session_id: uuid.UUID, source_id: uuid.UUID) -> Source:
    session = session_of(call.caller.person, session_id)
    source: Source = get_object_or_404(session.sources.defer("parser_state"), pk=source_id)
    return source


def _sources_of_nothing() -> QuerySet[Source]:
    return Source.objects.of_nothing().defer("parser_state")


def _as_on_the_page(query: EntryQuery) -> Query:
    """The filters in the language of the page's box, so that reading the same either way is recorded once."""
    terms = [Term("action", query.action)] if query.action else []
    # A * in a name is no pattern here.
    terms += [Term.exactly("actor", query.actor)] if query.actor else []
    return Query(tuple(terms))


def _note_document(note: Note) -> NoteDocument:
    return NoteDocument(
        id=note.pk, author=note.author.username, seq=note.seq, text=note.text, created_ms=note.created_ms
    )


def _entry_document(entry: Entry) -> EntryDocument:
    return EntryDocument(**{name: getattr(entry, name) for name in EntryDocument.__struct_fields__})


ENDPOINTS = (
    Endpoint(
        "list_notes",
        "GET",
        "sessions/<uuid:session_id>/notes",
        "What people noted on a session, the newest first",
        list_notes,
        answers=Page[NoteDocument],
        query=PageQuery,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "list_lines",
        "GET",
        "sessions/<uuid:session_id>/sources/<uuid:source_id>/lines",
        "The lines of a source, as its agent wrote them",
        list_lines,
        answers=LinePage,
        query=LineQuery,
        problems=(NOT_FOUND, REFUSED),
    ),
    Endpoint(
        "read_line",
        "GET",
        "sessions/<uuid:session_id>/sources/<uuid:source_id>/lines/<int:number>",
        "The bytes of one line",
        read_line,
        answers=bytes,
        problems=(NOT_FOUND, REFUSED),
    ),
    Endpoint(
        "list_sources",
        "GET",
        "sources",
        "Files of which neither a session nor a terminal could be made, the newest first",
        list_sources,
        answers=Page[SourceDocument],
        query=PageQuery,
    ),
    Endpoint(
        "list_lines_of_source",
        "GET",
        "sources/<uuid:lone_source_id>/lines",
        "The lines of such a file",
        list_lines_of_source,
        answers=LinePage,
        query=LineQuery,
        problems=(NOT_FOUND, REFUSED),
    ),
    Endpoint(
        "read_line_of_source",
        "GET",
        "sources/<uuid:lone_source_id>/lines/<int:number>",
        "The bytes of one of these lines",
        read_line_of_source,
        answers=bytes,
        problems=(NOT_FOUND, REFUSED),
    ),
    Endpoint(
        "list_entries",
        "GET",
        "audit/entries",
        "Entries of the audit log, the newest first",
        list_entries,
        answers=Page[EntryDocument],
        query=EntryQuery,
        right=READ_AUDIT,
        tag="Audit",
    ),
    Endpoint(
        "show_entry",
        "GET",
        "audit/entries/<int:idx>",
        "One entry with its canonical text",
        show_entry,
        answers=EntryDetail,
        right=READ_AUDIT,
        problems=(NOT_FOUND,),
        tag="Audit",
    ),
)
