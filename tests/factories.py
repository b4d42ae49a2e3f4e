"""Real rows for tests, each with as little said as the test needs.

Rows that stand on a session's timeline take their place with the same function as the program does, and the
session's counters move with them, so a page or an API answer made of them is true.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.test import Client

from sessions_app.actions.timeline import append_event, take_places
from sessions_app.models import (
    AgentSession,
    Blob,
    Codec,
    Event,
    EventKind,
    Message,
    MessageKind,
    MessageRole,
    ModelUsage,
    Note,
    Person,
    Project,
    ReadMark,
    Role,
    Run,
    RunKind,
    SavedView,
    SessionSource,
    SessionTag,
    Source,
    SourceChunk,
    Star,
    Status,
    Tag,
    Terminal,
    TerminalChunk,
    TerminalState,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)
from sessions_app.models.blob import INLINE_CHARS, PREVIEW_CHARS, pack, sha256_of

# 2026-03-01T12:00:00Z: a fixed moment, so that orders and texts do not depend on when the test runs.
START_MS = 1_772_366_400_000
PASSWORD = "correct horse battery"


def _unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def make_person(
    role: Role | str = Role.OPERATOR, *, username: str = "", password: str | None = None, **fields: Any
) -> Person:
    """An active person. Without a password they cannot sign in by form, but `signed_in` still works.

    Hashing a password costs a sixth of a second: give one (PASSWORD) only where the form is what is tested.
    """
    person = Person(username=username or _unique(str(role)), role=role, **fields)
    if password is None:
        person.set_unusable_password()
    else:
        person.set_password(password)
    person.save()
    return person


def signed_in(person: Person, **options: Any) -> Client:
    """A browser in which this person is signed in."""
    client = Client(**options)
    client.force_login(person)
    return client


def make_project(*, path: str = "", name: str = "") -> Project:
    path = path or f"/home/ada/{_unique('project')}"
    return Project.objects.create(path=path, name=name or path.rsplit("/", 1)[-1])


def make_session(
    *, project: Project | None = None, started_ms: int = START_MS, with_main_run: bool = False, **fields: Any
) -> AgentSession:
    """A completed session of Claude Code, empty unless `with_main_run`."""
    values: dict[str, Any] = {
        "agent": "claude-code",
        "external_id": str(uuid.uuid4()),
        "title": "Fix the login form",
        "model": "claude-opus-4-8",
        "status": Status.COMPLETED,
        "started_ms": started_ms,
        "last_activity_ms": started_ms,
        "updated_ms": started_ms,
    }
    session = AgentSession.objects.create(project=project, **{**values, **fields})
    if with_main_run:
        make_run(session)
    return session


def make_run(session: AgentSession, *, parent: Run | None = None, **fields: Any) -> Run:
    """The session's main run, or a subagent when it has a parent."""
    values: dict[str, Any] = {
        "key": _unique("agent") if parent else fields.pop("key", "main"),
        "kind": RunKind.SUBAGENT if parent else RunKind.MAIN,
        "agent_name": "general-purpose" if parent else session.agent,
        "depth": parent.depth + 1 if parent else 0,
        "model": session.model,
        "status": Status.COMPLETED,
        "started_ms": session.started_ms,
        "last_activity_ms": session.started_ms,
    }
    run = Run.objects.create(session=session, parent=parent, **{**values, **fields})
    AgentSession.objects.filter(pk=session.pk).update(run_count=F("run_count") + 1)
    return run


def make_usage(run: Run, model: str = "claude-sonnet-4-5", **counts: int) -> ModelUsage:
    """Tokens of the run with one model (`input_tokens=…`), in the sums of the run and its session as well."""
    usage = ModelUsage.objects.create(run=run, model=model, **counts)
    sums = {name: count for name, count in counts.items() if name != "cache_write_1h_tokens"}
    _count(run.session, run, **sums, total_tokens=sum(sums.values()))
    return usage


def make_message(
    session: AgentSession,
    text: str = "Please look at the login form.",
    *,
    run: Run | None = None,
    role: MessageRole | str = MessageRole.USER,
    at_ms: int | None = None,
    **fields: Any,
) -> Message:
    """The next row of the timeline; a long text goes to a blob, as an importer would put it."""
    prompt = role == MessageRole.USER
    kind = fields.pop("kind", MessageKind.PROMPT if prompt else MessageKind.REPLY)
    with transaction.atomic():
        at_ms = _next_moment(session) if at_ms is None else at_ms
        message = Message.objects.create(
            session=session,
            run=run or _main_run(session),
            seq=take_places(session.pk, 1, at_ms=at_ms),
            at_ms=at_ms,
            role=role,
            kind=kind,
            **_body("text", text),
            **fields,
        )
        _count(session, message.run, message_count=1)
        counter = {"user": "user_message_count", "assistant": "assistant_message_count"}.get(str(role))
        if counter:
            AgentSession.objects.filter(pk=session.pk).update(**{counter: F(counter) + 1})
    return message


def make_replies(session: AgentSession, texts: Sequence[str]) -> None:
    """As `make_message` of the assistant for each of many short texts, in a few statements."""
    with transaction.atomic():
        moment, run = _next_moment(session), _main_run(session)
        first = take_places(session.pk, len(texts), at_ms=moment + 1000 * (len(texts) - 1))
        assert all(len(text) <= INLINE_CHARS for text in texts)
        Message.objects.bulk_create(
            Message(
                session=session,
                run=run,
                seq=first + number,
                at_ms=moment + 1000 * number,
                role=MessageRole.ASSISTANT,
                kind=MessageKind.REPLY,
                **_body("text", text),
            )
            for number, text in enumerate(texts)
        )
        _count(session, run, message_count=len(texts))
        AgentSession.objects.filter(pk=session.pk).update(
            assistant_message_count=F("assistant_message_count") + len(texts)
        )


def make_tool_call(
    session: AgentSession,
    name: str = "Bash",
    *,
    run: Run | None = None,
    message: Message | None = None,
    input: str = '{"command": "ls"}',
    output: str = "README.md",
    at_ms: int | None = None,
    **fields: Any,
) -> ToolCall:
    """A completed call at the next place of the timeline."""
    with transaction.atomic():
        at_ms = _next_moment(session) if at_ms is None else at_ms
        values: dict[str, Any] = {
            "call_id": _unique("toolu"),
            "kind": ToolKind.SHELL if name == "Bash" else ToolKind.OTHER,
            "title": "ls",
            "status": ToolCallStatus.COMPLETED,
            "ended_ms": at_ms + 340,
        }
        call = ToolCall.objects.create(
            session=session,
            run=run or (message.run if message else None) or _main_run(session),
            message=message,
            seq=take_places(session.pk, 1, at_ms=at_ms),
            at_ms=at_ms,
            name=name,
            **_body("input", input),
            **_body("output", output),
            **{**values, **fields},
        )
        failed = int(call.status == ToolCallStatus.FAILED)
        _count(session, call.run, tool_call_count=1, failed_tool_call_count=failed)
    return call


def make_event(
    session: AgentSession,
    kind: EventKind = EventKind.NOTED,
    *,
    text: str = "",
    at_ms: int | None = None,
    **fields: Any,
) -> Event:
    with transaction.atomic():
        return append_event(
            session.pk, kind, text=text, at_ms=_next_moment(session) if at_ms is None else at_ms, **fields
        )


def make_events(session: AgentSession, texts: Sequence[str], kind: EventKind = EventKind.NOTED) -> None:
    """As `make_event` for each of many, in a few statements."""
    with transaction.atomic():
        moment = _next_moment(session)
        first = take_places(session.pk, len(texts), at_ms=moment + 1000 * (len(texts) - 1))
        Event.objects.bulk_create(
            Event(session=session, seq=first + number, at_ms=moment + 1000 * number, kind=kind, text=text)
            for number, text in enumerate(texts)
        )


def make_terminal(
    session: AgentSession | None = None, output: bytes = b"", *, started_ms: int = START_MS, **fields: Any
) -> Terminal:
    """A live terminal whose output, if any, stands in one chunk; its `timing` is empty."""
    values: dict[str, Any] = {
        "title": "make test",
        "command": json.dumps(["make", "test"]),
        "cwd": "/home/ada/project",
        "host": "workshop",
        "state": TerminalState.LIVE,
        "updated_ms": started_ms,
        "size": len(output),
    }
    terminal = Terminal.objects.create(session=session, started_ms=started_ms, **{**values, **fields})
    if output:
        TerminalChunk.objects.create(
            terminal=terminal, offset=0, size=len(output), first_us=0, last_us=0, timing=b"", data=output
        )
    if session is not None:
        AgentSession.objects.filter(pk=session.pk).update(terminal_count=F("terminal_count") + 1)
    return terminal


def make_source(
    session: AgentSession | None = None, lines: bytes = b'{"type":"user"}\n', **fields: Any
) -> Source:
    """A file whose raw lines are kept in one chunk."""
    values: dict[str, Any] = {
        "host": "workshop",
        "path": f"/home/ada/.claude/projects/{_unique('log')}.jsonl",
        "format": "claude-code",
        "size": len(lines),
        "read_offset": len(lines),
        "line_count": lines.count(b"\n"),
        "read_ms": START_MS,
    }
    source = Source.objects.create(**{**values, **fields})
    codec, data = pack(lines)
    SourceChunk.objects.create(
        source=source,
        offset=0,
        size=len(lines),
        first_line=1,
        line_count=lines.count(b"\n"),
        sha256=sha256_of(lines),
        codec=codec,
        data=data,
    )
    if session is not None:
        SessionSource.objects.create(session=session, source=source)
    return source


def make_blob(plain: bytes = b"content") -> Blob:
    codec, data = pack(plain)
    defaults = {"size": len(plain), "codec": Codec(codec), "data": data}
    return Blob.objects.get_or_create(sha256=sha256_of(plain), defaults=defaults)[0]


def make_tag(session: AgentSession, name: str) -> Tag:
    tag, _ = Tag.objects.get_or_create(name=name)
    SessionTag.objects.get_or_create(session=session, tag=tag)
    return tag


def make_star(person: Person, session: AgentSession) -> Star:
    return Star.objects.create(person=person, session=session)


def make_read_mark(person: Person, session: AgentSession, seq: int) -> ReadMark:
    return ReadMark.objects.create(person=person, session=session, seq=seq)


def make_note(
    author: Person, session: AgentSession, text: str = "Look at this again.", **fields: Any
) -> Note:
    return Note.objects.create(author=author, session=session, text=text, **fields)


def make_saved_view(
    person: Person, *, page: str = "sessions", name: str = "", query: str = "status=failed"
) -> SavedView:
    return SavedView.objects.create(person=person, page=page, name=name or _unique("view"), query=query)


def _main_run(session: AgentSession) -> Run | None:
    return session.runs.filter(parent=None).order_by("started_ms", "id").first()


def _next_moment(session: AgentSession) -> int:
    """A second for each place, so that the order of time and of places agree."""
    last = AgentSession.objects.values_list("last_seq", flat=True).get(pk=session.pk)
    return session.started_ms + 1000 * (last + 1)


def _body(field: str, text: str) -> dict[str, Any]:
    if len(text) <= INLINE_CHARS:
        return {field: text, f"{field}_size": len(text.encode())}
    blob = make_blob(text.encode())
    return {field: text[:PREVIEW_CHARS], f"{field}_size": blob.size, f"{field}_blob": blob}


def _count(session: AgentSession, run: Run | None, **amounts: int) -> None:
    changes = {name: F(name) + amount for name, amount in amounts.items()}
    AgentSession.objects.filter(pk=session.pk).update(**changes)
    if run is not None:
        Run.objects.filter(pk=run.pk).update(**changes)
