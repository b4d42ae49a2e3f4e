"""What the API answers with. Names are those of the models; times are Unix milliseconds, sizes bytes."""

import uuid
from typing import Annotated, Literal

import msgspec

from sessions_app.filters import COUNT_LIMIT


class Document(msgspec.Struct, kw_only=True):
    """A JSON object of an answer."""


class Tokens(Document):
    input: int
    output: int
    cache_read: int
    cache_write: int
    total: int


class Cost(Document):
    """At list prices, or those of the operator's settings: what the tokens would cost, and no bill."""

    usd: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)?$")] | None,
        msgspec.Meta(description="US dollars, a decimal number as text; null when no price is known."),
    ]
    is_complete: Annotated[
        bool, msgspec.Meta(description="False where tokens have no known price, or none were counted.")
    ]
    unknown_models: Annotated[
        list[str], msgspec.Meta(description="Models of which a price is missing; `usd` is without that.")
    ]


class Body(Document):
    """A text: the whole, or where `blob` names one the beginning. `size` is the whole's, in UTF-8 bytes."""

    text: str
    size: int
    blob: str | None


class ProjectDocument(Document):
    id: uuid.UUID
    name: str
    path: str


class TagDocument(Document):
    id: uuid.UUID
    name: str


class SessionDocument(Document):
    id: uuid.UUID
    agent: str
    external_id: str
    parent: uuid.UUID | None
    project: ProjectDocument | None
    title: str
    heading: Annotated[str, msgspec.Meta(description="What a person calls it: title, first prompt or id.")]
    first_prompt: str
    cwd: str
    branch: str
    model: str
    agent_version: str
    status: str
    status_evidence: str
    started_ms: int
    ended_ms: int | None
    last_activity_ms: int
    archived_ms: int | None
    last_seq: Annotated[
        int, msgspec.Meta(description="The newest place on the timeline; 0 when it is empty.")
    ]
    run_count: int
    turn_count: int
    message_count: int
    tool_call_count: int
    failed_tool_call_count: int
    terminal_count: int
    skipped_line_count: int
    tokens: Tokens
    cost: Cost
    tags: list[str]


class MarkedSession(SessionDocument):
    """A session with what is the caller's own about it: of a token its owner's."""

    is_unread: Annotated[
        bool,
        msgspec.Meta(
            description="False as well for who keeps no marks: auditors, recorders of this machine."
        ),
    ]
    is_starred: bool


class FacetValueDocument(Document):
    value: Annotated[str, msgspec.Meta(description="What the filter takes.")]
    label: str
    count: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=COUNT_LIMIT, description="Sessions with this value and the other filters that are set."
        ),
    ]
    has_more: Annotated[
        bool,
        msgspec.Meta(
            description=f"There are more: {COUNT_LIMIT:,} are counted at most, or see `counted_of`."
        ),
    ]
    is_active: Annotated[bool, msgspec.Meta(description="The filter is set to it.")]


class FacetDocument(Document):
    name: Annotated[
        str, msgspec.Meta(description="The name of the filter: `status`, `agent`, `project` or `tag`.")
    ]
    values: list[FacetValueDocument]


class FacetsDocument(Document):
    """Of agents and tags the first 20 by name, of projects those of the newest sessions, at most 12."""

    items: list[FacetDocument]
    counted_of: Annotated[
        int | None,
        msgspec.Meta(
            description="Very many sessions have the words of `q`: only so many of them, the newest, were counted, "
            "and values of others may be left out. Otherwise null."
        ),
    ]


class RunDocument(Document):
    id: uuid.UUID
    session: uuid.UUID
    parent: uuid.UUID | None
    kind: Literal["main", "subagent"]
    key: str
    agent_name: str
    title: str
    model: str
    depth: int
    status: str
    status_evidence: str
    exit_status: int | None
    started_ms: int
    ended_ms: int | None
    last_activity_ms: int
    message_count: int
    tool_call_count: int
    failed_tool_call_count: int
    tokens: Tokens
    cost: Cost


class RunDetail(RunDocument):
    """A run with what it was asked and what it answered."""

    input: Body
    output: Body
    error: str


class SourceDocument(Document):
    id: uuid.UUID
    host: str
    path: str
    generation: int
    format: str
    size: int
    sha256: Annotated[
        str,
        msgspec.Meta(
            pattern="^([0-9a-f]{64})?$",
            description="Of the file's first `sha256_size` bytes; empty when none was taken.",
        ),
    ]
    sha256_size: int
    read_offset: int
    line_count: int
    skipped_line_count: int
    unknown_line_count: int
    state: str
    error: str
    created_ms: int
    read_ms: int | None
    deleted_ms: Annotated[
        int | None, msgspec.Meta(description="When the file was missed, or found to be another one.")
    ]


class LastEdit(Document):
    call: uuid.UUID
    run: uuid.UUID | None
    seq: int
    at_ms: int


class FileDocument(Document):
    """A file as edits and writes named it."""

    path: str
    edit_count: int
    failed_edit_count: int
    last: LastEdit


class FilesDocument(Document):
    """Files that edits and writes named, the last edited first; what shell commands did is not known."""

    items: list[FileDocument]
    call_count: Annotated[int, msgspec.Meta(description="Edits and writes that were read for this.")]
    cut_call_count: Annotated[
        int, msgspec.Meta(description="Of these, long patches of which only the beginning was read.")
    ]
    is_partial: Annotated[bool, msgspec.Meta(description="There are older edits, which were not read.")]


class Attachment(Document):
    sha256: str
    media_type: str
    size: int
    name: str


class TimelineDocument(Document, tag_field="type"):
    """What the three kinds of rows have in common: the place, the time, and where it was read from."""

    id: uuid.UUID
    seq: int
    at_ms: int
    turn: int
    run: uuid.UUID | None
    source: uuid.UUID | None
    source_line: int | None


class MessageDocument(TimelineDocument, tag="message"):
    role: str
    kind: str
    model: str
    stop_reason: str
    is_hidden: bool
    text: Body
    reasoning: Body
    attachments: list[Attachment]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class PromptDocument(Document):
    """A message of the timeline that asked for something: a line of the outline."""

    id: uuid.UUID
    seq: int
    at_ms: int
    turn: int
    run: uuid.UUID | None
    kind: Literal["prompt", "command"]
    text: Body


class ToolCallDocument(TimelineDocument, tag="tool_call"):
    message: uuid.UUID | None
    call_id: str
    name: str
    kind: str
    title: str
    status: str
    ended_ms: int | None
    exit_status: int | None
    input: Body
    output: Body
    child_run: uuid.UUID | None


class EventDocument(TimelineDocument, tag="event"):
    kind: str
    text: str
    document: Annotated[str, msgspec.Meta(description="Details as JSON text; empty when there are none.")]
    subject: Annotated[uuid.UUID | None, msgspec.Meta(description="The row that the event is about.")]


type TimelineItem = MessageDocument | ToolCallDocument | EventDocument


class TerminalDocument(Document):
    id: uuid.UUID
    session: uuid.UUID | None
    run: uuid.UUID | None
    title: str
    command: Annotated[str, msgspec.Meta(description="The argument vector as JSON text.")]
    cwd: str
    host: str
    cols: int
    rows: int
    state: Literal["live", "ended", "lost"]
    exit_status: int | None
    started_ms: int
    is_start_known: Annotated[
        bool,
        msgspec.Meta(description="False: the recording does not say, `started_ms` is the time of its file."),
    ]
    ended_ms: int | None
    duration_us: int
    size: Annotated[int, msgspec.Meta(description="Bytes of output so far.")]
    event_count: int
    last_line: str


class MarkerDocument(Document):
    """A named moment: after `offset` bytes of output, `at_us` after the start."""

    id: uuid.UUID
    number: Annotated[int, msgspec.Meta(description="Among all events of the terminal, from 1.")]
    offset: int
    at_us: int
    label: str


class Excerpt(Document):
    text: str
    is_match: bool


class Moment(Document):
    offset: Annotated[int, msgspec.Meta(description="Bytes of output by which the line was to be read.")]
    at_us: Annotated[int, msgspec.Meta(description="Microseconds since the terminal started.")]
    others: Annotated[int, msgspec.Meta(description="Lines around there that hold all of it too.")]


class HitDocument(Document):
    kind: str
    session: Annotated[uuid.UUID | None, msgspec.Meta(description="Null for a terminal of no session.")]
    session_heading: str
    run: uuid.UUID | None
    object: Annotated[
        uuid.UUID | None, msgspec.Meta(description="The message, tool call or terminal that holds it.")
    ]
    seq: Annotated[int | None, msgspec.Meta(description="The place on the session's timeline.")]
    at_ms: int
    role: str
    heading: str
    excerpt: list[Excerpt]
    moment: Annotated[Moment | None, msgspec.Meta(description="Of a hit in a terminal: where its line is.")]
