"""What recorders send: docs/recording.md is the contract."""

import uuid
from typing import Annotated, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError

from sessions_app.access import OPERATE
from sessions_app.actions.terminals import (
    NewTerminal,
    NoSuchSession,
    OffsetMismatch,
    TerminalEnded,
    add_marker,
    append_output,
    open_terminal,
)
from sessions_app.actions.terminals.output import MAX_LABEL_CHARS
from sessions_app.api.documents import Document, MarkerDocument
from sessions_app.api.endpoint import JSON, Call, Endpoint
from sessions_app.api.problems import (
    BAD_REQUEST,
    CONFLICT,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    ProblemType,
)
from sessions_app.api.rendering import marker_document
from sessions_app.models import Terminal
from sessions_app.terminal.batch import CONTENT_TYPE, BatchError, decode_batch
from sessions_app.terminal.window import MAX_CELLS, MAX_COLS, MAX_ROWS

OFFSET_MISMATCH: Final = ProblemType("offset-mismatch", 409, "Output is missing before what was sent")
NO_SUCH_SESSION: Final = ProblemType("no-such-session", 422, "The session of this recording is not here")
TERMINAL_ENDED: Final = ProblemType("terminal-ended", 409, "The recording has ended")

# docs/recording.md promises this much to every recorder.
MAX_BODY_BYTES: Final = 1024 * 1024

type Words = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=128 * 1024)]], msgspec.Meta(max_length=4096)
]
type Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]


class TerminalOpening(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a recorder says when it starts. Unknown members are refused, so a typing error does not pass."""

    started_ms: Annotated[Moment, msgspec.Meta(description="The zero of every time in the recording.")]
    id: uuid.UUID | None = None
    title: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    command: Words = []
    cwd: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    host: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    cols: Annotated[int, msgspec.Meta(ge=1, le=MAX_COLS)] = 80
    rows: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=MAX_ROWS, description=f"Cut where the window had more than {MAX_CELLS:,} cells."
        ),
    ] = 24
    session: uuid.UUID | None = None
    input_recorded: bool = False
    env: Annotated[dict[str, str], msgspec.Meta(max_length=40)] = {}


class Committed(Document):
    """How much is stored: bytes of output, and number of other events. Send what follows."""

    offset: int
    events: int


class OpenedTerminal(Committed):
    id: uuid.UUID
    state: str


class NewMarker(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL_CHARS)]
    id: Annotated[
        uuid.UUID | None, msgspec.Meta(description="Made by the sender; sent again, it changes nothing.")
    ] = None


def put_terminal(call: Call, terminal_id: uuid.UUID) -> HttpResponse:
    """Open a terminal, or learn where to go on. Answers 201 for a new one and 200 for one that is there."""
    opening: TerminalOpening = call.body
    if opening.id not in (None, terminal_id):
        raise Problem(BAD_REQUEST, "The id in the body is not the one in the address.")
    try:
        terminal, is_new = open_terminal(_new_terminal(terminal_id, opening), actor=call.caller.actor)
    except NoSuchSession as error:
        raise Problem(NO_SUCH_SESSION, str(error)) from error
    answer = OpenedTerminal(
        id=terminal.pk, offset=terminal.size, events=terminal.recorded_event_count, state=terminal.state
    )
    return _made(answer, is_new)


def post_output(call: Call, terminal_id: uuid.UUID) -> Committed:
    """Append a batch (newline-delimited JSON); the answer is what is committed after it."""
    try:
        batch = decode_batch(_body_of(call.request))
    except BatchError as error:
        raise Problem(BAD_REQUEST, f"The batch is wrong: {error}.", members={"index": error.index}) from error
    try:
        committed = append_output(terminal_id, batch, actor=call.caller.actor)
    except Terminal.DoesNotExist:
        raise Problem(NOT_FOUND, "There is no such terminal; open it first.") from None
    except (OffsetMismatch, TerminalEnded) as error:
        kind = OFFSET_MISMATCH if isinstance(error, OffsetMismatch) else TERMINAL_ENDED
        members = {"offset": error.committed.offset, "events": error.committed.events}
        raise Problem(kind, str(error), members=members) from error
    return Committed(offset=committed.offset, events=committed.events)


def post_marker(call: Call, terminal_id: uuid.UUID) -> HttpResponse:
    """Name the present end of a live terminal. Answers 201 for a new marker and 200 for one that is there."""
    wanted: NewMarker = call.body
    try:
        marker, is_new = add_marker(terminal_id, wanted.label, actor=call.caller.actor, marker_id=wanted.id)
    except Terminal.DoesNotExist:
        raise Problem(NOT_FOUND, "There is no such terminal.") from None
    except TerminalEnded as error:
        raise Problem(TERMINAL_ENDED, str(error)) from error
    return _made(marker_document(marker), is_new)


def _made(answer: Document, is_new: bool) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(answer), status=201 if is_new else 200, content_type=JSON)


def _new_terminal(terminal_id: uuid.UUID, opening: TerminalOpening) -> NewTerminal:
    return NewTerminal(
        id=terminal_id,
        started_ms=opening.started_ms,
        cols=opening.cols,
        rows=opening.rows,
        title=opening.title or "",
        command=opening.command,
        cwd=opening.cwd,
        host=opening.host,
        session_id=opening.session,
        input_recorded=opening.input_recorded,
        environment=opening.env,
    )


def _body_of(request: HttpRequest) -> bytes:
    if request.content_type != CONTENT_TYPE:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send the batch as {CONTENT_TYPE}.")
    # What the header claims is refused before it is read; a body without the header is cut by Django.
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY_BYTES:
        raise Problem(TOO_LARGE, f"A batch may have at most {MAX_BODY_BYTES} bytes.")
    try:
        body = request.body
    except (UnreadablePostError, RawPostDataException) as error:
        raise Problem(BAD_REQUEST, "The body broke off.") from error
    if len(body) > MAX_BODY_BYTES:
        raise Problem(TOO_LARGE, f"A batch may have at most {MAX_BODY_BYTES} bytes.")
    return body


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        "put_terminal",
        "PUT",
        "terminals/<uuid:terminal_id>",
        "Start to record a terminal, or go on",
        put_terminal,
        answers=OpenedTerminal,
        body=TerminalOpening,
        right=OPERATE,
        creates=True,
        problems=(CONFLICT, NO_SUCH_SESSION),
        tag="Recording",
    ),
    Endpoint(
        "append_terminal_output",
        "POST",
        "terminals/<uuid:terminal_id>/output",
        "Append what the program wrote",
        post_output,
        answers=Committed,
        right=OPERATE,
        raw_body=CONTENT_TYPE,
        problems=(NOT_FOUND, OFFSET_MISMATCH, TERMINAL_ENDED, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
        tag="Recording",
    ),
    Endpoint(
        "add_terminal_marker",
        "POST",
        "terminals/<uuid:terminal_id>/markers",
        "Name this moment of a live terminal",
        post_marker,
        answers=MarkerDocument,
        body=NewMarker,
        right=OPERATE,
        creates=True,
        problems=(NOT_FOUND, CONFLICT, TERMINAL_ENDED),
        tag="Recording",
    ),
)
