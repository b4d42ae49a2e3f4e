"""Sessions, and what belongs to one: its timeline, runs, sources."""

import uuid
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from dashboard.lib.errors import BadRequest
from sessions_app.api.documents import (
    FacetsDocument,
    FilesDocument,
    MarkedSession,
    PromptDocument,
    RunDocument,
    SourceDocument,
    TimelineItem,
)
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, PageQuery, paged, paged_together
from sessions_app.api.problems import NOT_FOUND, REFUSED
from sessions_app.api.rendering import (
    event_document,
    facets_document,
    files_document,
    marked_sessions,
    message_document,
    prompt_document,
    run_documents,
    source_document,
    tool_call_document,
)
from sessions_app.filters import MAX_VALUE_CHARS, SessionFilter, session_facets
from sessions_app.lookup import find_session
from sessions_app.models import PROMPT_KINDS, AgentSession, Event, Message, Person, Run, ToolCall
from sessions_app.touched_files import touched_files

type Text = Annotated[str, msgspec.Meta(max_length=MAX_VALUE_CHARS)]
type Place = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
type StatusName = Literal[
    "running", "waiting", "failed", "idle", "unfinished", "completed", "cancelled", "unknown"
]


class FacetQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The filters of the page /sessions/."""

    q: Annotated[Text, msgspec.Meta(description="Words of the title or first prompt.")] = ""
    status: StatusName | None = None
    agent: Text = ""
    project: Annotated[uuid.UUID | None, msgspec.Meta(description="A project's id.")] = None
    tag: Text = ""
    starred: Annotated[Literal["1"] | None, msgspec.Meta(description="Only what the caller starred.")] = None
    unread: Annotated[Literal["1"] | None, msgspec.Meta(description="Only what the caller has not seen.")] = (
        None
    )
    show: Annotated[
        Literal["archived", "all"] | None,
        msgspec.Meta(description="Without it: what is neither archived nor deleted."),
    ] = None

    def as_filter(self) -> SessionFilter:
        given = {name: getattr(self, name) for name in FacetQuery.__struct_fields__}
        return SessionFilter.read({name: str(value) for name, value in given.items() if value is not None})


class SessionQuery(FacetQuery, kw_only=True, forbid_unknown_fields=True):
    cursor: Cursor | None = None
    limit: Limit = DEFAULT_LIMIT


class NameQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=MAX_VALUE_CHARS,
            description="An id, its beginning or end, the agent's own id, or the title.",
        ),
    ]


class TimelineQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[Place | None, msgspec.Meta(description="Rows beyond this place, the nearest first.")] = (
        None
    )
    before: Annotated[Place | None, msgspec.Meta(description="The last rows before this place.")] = None
    run: Annotated[uuid.UUID | None, msgspec.Meta(description="Only the rows of this run.")] = None
    limit: Limit = DEFAULT_LIMIT


class PromptQuery(PageQuery, kw_only=True, forbid_unknown_fields=True):
    run: Annotated[uuid.UUID | None, msgspec.Meta(description="Only the prompts of this run.")] = None


class TimelinePage(msgspec.Struct, kw_only=True):
    """Rows in the order of their places. `last_seq` is the newest place there is.

    `next` leads on in the direction asked for: pass it as `after`, or as `before` when that was given. It is
    null at the end.
    """

    items: list[TimelineItem]
    next: int | None
    last_seq: int


def list_sessions(call: Call) -> Any:
    sessions: Any = AgentSession.objects.all()
    rows = call.query.as_filter().apply(sessions.visible_to(call.caller.person), call.caller.person)
    rows = rows.select_related("project").prefetch_related("tags").defer("summary")
    return paged_together(
        rows,
        call.query,
        lambda found: marked_sessions(found, call.caller.person),
        order=("last_activity_ms", "id"),
    )


def show_facets(call: Call) -> FacetsDocument:
    person = call.caller.person
    sessions: Any = AgentSession.objects.all()
    return facets_document(session_facets(sessions.visible_to(person), call.query.as_filter(), person))


def show_session(call: Call, session_id: uuid.UUID) -> MarkedSession:
    return _marked(call, session_of(call.caller.person, session_id))


def show_named_session(call: Call) -> MarkedSession:
    return _marked(call, find_session(call.query.name, call.caller.person))


def _marked(call: Call, session: AgentSession) -> MarkedSession:
    (document,) = marked_sessions([session], call.caller.person)
    return document


def show_timeline(call: Call, session_id: uuid.UUID) -> TimelinePage:
    query: TimelineQuery = call.query
    if query.after is not None and query.before is not None:
        raise BadRequest("Give after or before, not both.")
    session = session_of(call.caller.person, session_id)
    backwards = query.before is not None
    edge = query.before if query.before is not None else query.after or 0
    found: list[Any] = []
    for rows in (session.messages.all(), session.toolcalls.all(), session.events.all()):
        found += _stretch(rows, query.run, edge, backwards=backwards)[: query.limit + 1]
    # Each table gave its own nearest rows, so the nearest of all are among them.
    found.sort(key=lambda row: row.seq, reverse=backwards)
    page = list(islice(found, query.limit))
    more = len(found) > query.limit
    leads_on = page[-1].seq if page and more else None
    if backwards:
        page.reverse()
    return TimelinePage(items=[_item(row) for row in page], next=leads_on, last_seq=session.last_seq)


def list_prompts(call: Call, session_id: uuid.UUID) -> Any:
    session = session_of(call.caller.person, session_id)
    rows = session.messages.filter(kind__in=PROMPT_KINDS).defer("reasoning", "attachments")
    if call.query.run is not None:
        rows = rows.filter(run=call.query.run)
    return paged(rows, call.query, prompt_document, order=("seq",))


def list_runs_of_session(call: Call, session_id: uuid.UUID) -> Any:
    session = session_of(call.caller.person, session_id)
    rows = Run.objects.filter(session=session).defer("input", "output", "error")
    return paged_together(rows, call.query, run_documents, order=("started_ms", "id"))


def list_sources_of_session(call: Call, session_id: uuid.UUID) -> Any:
    session = session_of(call.caller.person, session_id)
    rows = session.sources.defer("parser_state")
    return paged(rows, call.query, source_document, order=("created_ms", "id"))


def show_files(call: Call, session_id: uuid.UUID) -> FilesDocument:
    return files_document(touched_files(session_of(call.caller.person, session_id)))


def session_of(person: Person, session_id: uuid.UUID) -> AgentSession:
    """The session if this person may see it; Http404 otherwise."""
    sessions: Any = AgentSession.objects.all()
    rows = sessions.visible_to(person).select_related("project").prefetch_related("tags")
    session: AgentSession = get_object_or_404(rows, pk=session_id)
    return session


def _stretch(rows: QuerySet[Any], run: uuid.UUID | None, edge: int, *, backwards: bool) -> QuerySet[Any]:
    if run is not None:
        rows = rows.filter(run=run)
    return (
        rows.filter(seq__lt=edge).order_by("-seq") if backwards else rows.filter(seq__gt=edge).order_by("seq")
    )


def _item(row: Message | ToolCall | Event) -> TimelineItem:
    if isinstance(row, Message):
        return message_document(row)
    return tool_call_document(row) if isinstance(row, ToolCall) else event_document(row)


ENDPOINTS = (
    Endpoint(
        "list_sessions",
        "GET",
        "sessions",
        "Sessions, the last active first",
        list_sessions,
        answers=Page[MarkedSession],
        query=SessionQuery,
    ),
    Endpoint(
        "show_session_facets",
        "GET",
        "sessions/facets",
        "What the list of sessions can be filtered by further, with the numbers that each filter would leave",
        show_facets,
        answers=FacetsDocument,
        query=FacetQuery,
    ),
    Endpoint(
        "show_session",
        "GET",
        "sessions/<uuid:session_id>",
        "One session",
        show_session,
        answers=MarkedSession,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "show_named_session",
        "GET",
        "sessions/named",
        "The one session that is called so",
        show_named_session,
        answers=MarkedSession,
        query=NameQuery,
        problems=(REFUSED,),
    ),
    Endpoint(
        "show_timeline",
        "GET",
        "sessions/<uuid:session_id>/timeline",
        "Messages, tool calls and events in the order of their places",
        show_timeline,
        answers=TimelinePage,
        query=TimelineQuery,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "list_prompts",
        "GET",
        "sessions/<uuid:session_id>/prompts",
        "What the agents of a session were asked, the last first",
        list_prompts,
        answers=Page[PromptDocument],
        query=PromptQuery,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "list_runs_of_session",
        "GET",
        "sessions/<uuid:session_id>/runs",
        "The runs of a session, the last started first",
        list_runs_of_session,
        answers=Page[RunDocument],
        query=PageQuery,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "list_sources_of_session",
        "GET",
        "sessions/<uuid:session_id>/sources",
        "The files that a session was read from",
        list_sources_of_session,
        answers=Page[SourceDocument],
        query=PageQuery,
        problems=(NOT_FOUND,),
    ),
    Endpoint(
        "show_files",
        "GET",
        "sessions/<uuid:session_id>/files",
        "The files that a session's edits and writes named, the last edited first",
        show_files,
        answers=FilesDocument,
        problems=(NOT_FOUND,),
    ),
)
