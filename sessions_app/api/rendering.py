"""Makes the documents of the API from rows."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sessions_app.api.documents import (
    Attachment,
    Body,
    Cost,
    Document,
    EventDocument,
    Excerpt,
    FacetDocument,
    FacetsDocument,
    FacetValueDocument,
    FileDocument,
    FilesDocument,
    HitDocument,
    LastEdit,
    MarkedSession,
    MarkerDocument,
    MessageDocument,
    Moment,
    ProjectDocument,
    PromptDocument,
    RunDetail,
    RunDocument,
    SessionDocument,
    SourceDocument,
    TagDocument,
    TerminalDocument,
    Tokens,
    ToolCallDocument,
)
from sessions_app.costs import costs_of_runs, costs_of_sessions
from sessions_app.filters import Facets, FacetValue
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Person,
    Project,
    Run,
    Source,
    Tag,
    Terminal,
    TerminalEvent,
    ToolCall,
)
from sessions_app.pricing import cost as pricing
from sessions_app.search.find import Hit
from sessions_app.session_list import marks_of
from sessions_app.touched_files import TouchedFile, TouchedFiles


def session_documents(sessions: Sequence[AgentSession]) -> list[SessionDocument]:
    """`project` and `tags` should be loaded with the rows; what they cost is looked up for all of them at once."""
    costs = costs_of_sessions([session.pk for session in sessions])
    return [_session_document(session, costs[session.pk]) for session in sessions]


def session_document(session: AgentSession) -> SessionDocument:
    (document,) = session_documents([session])
    return document


def marked_sessions(sessions: Sequence[AgentSession], person: Person) -> list[MarkedSession]:
    """As `session_documents`, and the person's marks are looked up for all of them at once."""
    marks = marks_of(sessions, person)
    return [
        MarkedSession(**msgspec.structs.asdict(document), is_unread=own.is_unread, is_starred=own.is_starred)
        for document, own in zip(session_documents(sessions), marks, strict=True)
    ]


def _session_document(session: AgentSession, cost: pricing.Cost) -> SessionDocument:
    return SessionDocument(
        **_same(session, SessionDocument, without={"parent", "project", "tokens", "cost", "tags"}),
        parent=session.parent_id,
        project=project_document(session.project) if session.project else None,
        tokens=_tokens(session),
        cost=_cost(cost),
        tags=[tag.name for tag in session.tags.all()],
    )


def facets_document(facets: Facets) -> FacetsDocument:
    return FacetsDocument(
        counted_of=facets.counted_of,
        items=[
            FacetDocument(name=facet.name, values=[_facet_value_document(value) for value in facet.values])
            for facet in facets.items
        ],
    )


def _facet_value_document(value: FacetValue) -> FacetValueDocument:
    return FacetValueDocument(
        value=value.value,
        label=value.label,
        count=value.count,
        has_more=value.has_more,
        is_active=value.is_active,
    )


def run_documents(runs: Sequence[Run]) -> list[RunDocument]:
    """What they cost is looked up for all of them at once."""
    costs = costs_of_runs([run.pk for run in runs])
    return [_run_document(run, costs[run.pk]) for run in runs]


def _run_document(run: Run, cost: pricing.Cost) -> RunDocument:
    return RunDocument(
        **_same(run, RunDocument, without={"session", "parent", "tokens", "cost"}),
        session=run.session_id,
        parent=run.parent_id,
        tokens=_tokens(run),
        cost=_cost(cost),
    )


def run_detail(run: Run) -> RunDetail:
    (document,) = run_documents([run])
    return RunDetail(
        **msgspec.structs.asdict(document),
        input=_body(run, "input"),
        output=_body(run, "output"),
        error=run.error,
    )


def project_document(project: Project) -> ProjectDocument:
    return ProjectDocument(**_same(project, ProjectDocument))


def tag_document(tag: Tag) -> TagDocument:
    return TagDocument(**_same(tag, TagDocument))


def source_document(source: Source) -> SourceDocument:
    return SourceDocument(**_same(source, SourceDocument))


def files_document(touched: TouchedFiles) -> FilesDocument:
    return FilesDocument(
        items=[_file_document(file) for file in touched.files],
        call_count=touched.calls,
        cut_call_count=touched.cut,
        is_partial=touched.more,
    )


def _file_document(file: TouchedFile) -> FileDocument:
    call = file.last
    return FileDocument(
        path=file.path,
        edit_count=file.edits,
        failed_edit_count=file.failed,
        last=LastEdit(call=call.pk, run=call.run_id, seq=call.seq, at_ms=call.at_ms),
    )


def terminal_document(terminal: Terminal) -> TerminalDocument:
    return TerminalDocument(
        **_same(terminal, TerminalDocument, without={"session", "run"}),
        session=terminal.session_id,
        run=terminal.run_id,
    )


def marker_document(marker: TerminalEvent) -> MarkerDocument:
    return MarkerDocument(
        id=marker.pk, number=marker.number, offset=marker.offset, at_us=marker.at_us, label=marker.text
    )


def message_document(message: Message) -> MessageDocument:
    return MessageDocument(
        **_place(message),
        **_same(message, MessageDocument, without=_PLACE | {"text", "reasoning", "attachments"}),
        text=_body(message, "text"),
        reasoning=_body(message, "reasoning"),
        attachments=[
            Attachment(
                sha256=str(item.get("sha256", "")),
                media_type=str(item.get("media_type", "")),
                size=int(item.get("size", 0)),
                name=str(item.get("name", "")),
            )
            for item in message.attachments
        ],
    )


def prompt_document(message: Message) -> PromptDocument:
    return PromptDocument(
        **_same(message, PromptDocument, without={"run", "text"}),
        run=message.run_id,
        text=_body(message, "text"),
    )


def tool_call_document(call: ToolCall) -> ToolCallDocument:
    return ToolCallDocument(
        **_place(call),
        **_same(call, ToolCallDocument, without=_PLACE | {"message", "input", "output", "child_run"}),
        message=call.message_id,
        input=_body(call, "input"),
        output=_body(call, "output"),
        child_run=call.child_run_id,
    )


def event_document(event: Event) -> EventDocument:
    return EventDocument(
        **_place(event),
        **_same(event, EventDocument, without=_PLACE | {"subject"}),
        subject=event.subject_id,
    )


def hit_document(hit: Hit) -> HitDocument:
    return HitDocument(
        kind=str(hit.kind),
        session=hit.session.pk if hit.session else None,
        session_heading=hit.session.heading if hit.session else "",
        run=hit.run_id,
        object=hit.object_id,
        seq=hit.seq,
        at_ms=hit.at_ms,
        role=hit.role,
        heading=hit.heading,
        excerpt=[Excerpt(text=text, is_match=is_match) for text, is_match in hit.excerpt],
        moment=_moment(hit),
    )


def _moment(hit: Hit) -> Moment | None:
    if hit.found is None:
        return None
    return Moment(offset=hit.found.line.offset, at_us=hit.found.line.time_us, others=hit.others)


_PLACE = frozenset({"id", "seq", "at_ms", "turn", "run", "source", "source_line"})


def _place(row: Message | ToolCall | Event) -> dict[str, Any]:
    return {
        "id": row.pk,
        "seq": row.seq,
        "at_ms": row.at_ms,
        "turn": row.turn,
        "run": row.run_id,
        "source": row.source_id,
        "source_line": row.source_line,
    }


def _same(
    row: Any, document: type[Document], *, without: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The fields that the row calls by the same names."""
    return {name: getattr(row, name) for name in document.__struct_fields__ if name not in without}


def _tokens(row: AgentSession | Run) -> Tokens:
    return Tokens(
        input=row.input_tokens,
        output=row.output_tokens,
        cache_read=row.cache_read_tokens,
        cache_write=row.cache_write_tokens,
        total=row.total_tokens,
    )


def _cost(cost: pricing.Cost) -> Cost:
    return Cost(
        usd=None if cost.amount is None else f"{cost.amount.normalize():f}",
        is_complete=cost.is_complete,
        unknown_models=list(cost.unknown),
    )


def _body(row: Any, name: str) -> Body:
    return Body(
        text=getattr(row, name), size=getattr(row, f"{name}_size"), blob=getattr(row, f"{name}_blob_id")
    )
