"""A session as picoclaw keeps one: `<key>.jsonl` with a message on each line, and `<key>.meta.json` beside it.

What came from picoclaw leaves as the very line it was. Other messages are written in its form: arguments as
JSON text inside the call, an answer as a message of the tool. The form has no place for subagents, for events,
for the time a call took and for whether it failed; `losses` counts what a session has of that.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dashboard.lib.clock import ms_to_iso
from dashboard.lib.errors import CorruptData, Refused
from sessions_app.bodies import blob_bytes
from sessions_app.exporters.rows import SILENT_EVENTS, rows_of, whole
from sessions_app.models import (
    AgentSession,
    Event,
    EventKind,
    Message,
    MessageRole,
    Run,
    RunKind,
    SourceChunk,
    ToolCall,
    ToolCallStatus,
)

AGENT: Final = "picoclaw"
_UNSAFE_IN_NAMES: Final = re.compile(r"[^\w.-]", re.ASCII)
_UNANSWERED: Final = frozenset({ToolCallStatus.RUNNING, ToolCallStatus.UNANSWERED})
_MOST_WAITING: Final = 2_000


def key_of(session: AgentSession) -> str:
    """Its key among picoclaw's sessions: its own, or one made of the agent's name and id."""
    return session.external_id if session.agent == AGENT else f"{session.agent}:{session.external_id}"


def file_name(session: AgentSession) -> str:
    """The name that picoclaw gives the file of this key, made safe for any disk."""
    return f"{_UNSAFE_IN_NAMES.sub('_', key_of(session)).lstrip('.') or 'session'}.jsonl"


@dataclass
class Conversation:
    """Writes the lines; when they are all out, `meta()` and `losses()` say the rest."""

    session: AgentSession
    count: int = 0
    _skip: int = 0
    _is_hidden_start: bool = True
    _failed: int = 0
    _events: int = 0
    _scope: Mapping[str, Any] | None = None
    # Calls whose answer is a message of its own further down, by their id.
    _waiting: dict[str, ToolCall] = field(default_factory=dict)

    def lines(self) -> Iterator[bytes]:
        """The messages of the main agent, in order. Raises Refused when a body is damaged."""
        reader = _OwnLines(self.session)
        spoken: Message | None = None
        calls: list[ToolCall] = []
        for row in rows_of(self.session, run=_main_run(self.session)):
            if isinstance(row, Event):
                self._note(row)
                continue
            if isinstance(row, ToolCall):
                self._failed += row.status == ToolCallStatus.FAILED
                if row.message_id is not None and spoken is not None and row.message_id == spoken.pk:
                    calls.append(row)
                    continue
                yield from self._write(reader, spoken, calls)
                # A call that no message made is one that only calls.
                spoken, calls = None, [row]
                continue
            yield from self._write(reader, spoken, calls)
            spoken, calls = row, []
        yield from self._write(reader, spoken, calls)

    def meta(self) -> bytes:
        session = self.session
        aliases = session.aliases.order_by("alias").values_list("alias", flat=True)
        document: dict[str, Any] = {
            "key": key_of(session),
            "summary": session.summary,
            "skip": self._skip,
            "count": self.count,
            "created_at": ms_to_iso(session.started_ms),
            "updated_at": ms_to_iso(session.last_activity_ms),
            "aliases": list(aliases),
        }
        if self._scope is not None:
            document["scope"] = self._scope
        return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"

    def losses(self) -> list[str]:
        """What this form could not hold, one line each."""
        subagents = self.session.runs.filter(kind=RunKind.SUBAGENT).count()
        found = (
            (subagents, "subagent runs are left out: only the main agent's conversation has a place"),
            (self._events, "events are left out"),
            (0 if self.session.agent == AGENT else self._failed, "failed calls read as completed ones"),
        )
        return [f"{number:,} {what}" for number, what in found if number]

    def _write(self, reader: "_OwnLines", message: Message | None, calls: list[ToolCall]) -> Iterator[bytes]:
        if message is None and not calls:
            return
        self._hide(message)
        own = reader.line_of(message) if message is not None else None
        answered_below = self.session.agent == AGENT
        if answered_below:
            self._wait_for_answers(calls)
        if own is not None and message is not None:
            self._waiting.pop(message.external_id, None)
            yield self._counted(own)
        else:
            yield self._counted(_line(self._message(message, calls)))
        if not answered_below:
            for call in calls:
                if call.status not in _UNANSWERED or call.output_size:
                    yield self._counted(_line(_answer(call)))

    def _counted(self, line: bytes) -> bytes:
        self.count += 1
        return line

    def _hide(self, message: Message | None) -> None:
        """picoclaw hides a number of lines at the beginning, never one further down."""
        self._is_hidden_start = self._is_hidden_start and message is not None and message.is_hidden
        self._skip += self._is_hidden_start

    def _wait_for_answers(self, calls: list[ToolCall]) -> None:
        for call in calls:
            self._waiting[call.call_id] = call
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def _message(self, message: Message | None, calls: list[ToolCall]) -> dict[str, Any]:
        if message is None:
            spoken = {"role": "assistant", "content": "", "created_at": ms_to_iso(calls[0].at_ms)}
            return spoken | {"tool_calls": [_call(call) for call in calls]}
        document: dict[str, Any] = {"role": message.role, "content": whole(message, "text")}
        if message.model:
            document["model_name"] = message.model
        document["created_at"] = ms_to_iso(message.at_ms)
        reasoning = whole(message, "reasoning")
        if reasoning:
            document["reasoning_content"] = reasoning
        document |= _attachments(message)
        if calls:
            document["tool_calls"] = [_call(call) for call in calls]
        if message.role == MessageRole.TOOL:
            answered = self._waiting.pop(message.external_id, None)
            if answered is not None and not document["content"]:
                document["content"] = whole(answered, "output")
            document["tool_call_id"] = message.external_id
        return document

    def _note(self, event: Event) -> None:
        """picoclaw's importer keeps the scope of the conversation as a note in the record."""
        if self.session.agent == AGENT and event.kind == EventKind.NOTED and self._scope is None:
            try:
                document = json.loads(event.document or "null")
            except (ValueError, RecursionError):
                document = None
            if isinstance(document, dict):
                self._scope = document
                return
        self._events += event.kind not in SILENT_EVENTS


class _OwnLines:
    """Reads the lines of picoclaw's own files out of the stored chunks, one chunk in memory at a time."""

    def __init__(self, session: AgentSession) -> None:
        self._sources = set(session.sources.filter(format=AGENT).values_list("pk", flat=True))
        self._chunk: tuple[Any, int, bytes] = (None, 0, b"")

    def line_of(self, message: Message) -> bytes | None:
        """The line that this message was read from, with its newline; None when it came from elsewhere."""
        offset, size = message.source_offset, message.source_size
        if offset is None or size is None or message.source_id not in self._sources:
            return None
        source_id, start, plain = self._chunk
        if source_id != message.source_id or not start <= offset < start + len(plain):
            self._chunk = self._read(message.source_id, offset)
            _, start, plain = self._chunk
        line = plain[offset - start : offset - start + size]
        return line if line.endswith(b"\n") else line + b"\n"

    @staticmethod
    def _read(source_id: Any, offset: int) -> tuple[Any, int, bytes]:
        chunk = (
            SourceChunk.objects.filter(source_id=source_id, offset__lte=offset).order_by("-offset").first()
        )
        if chunk is None:
            raise Refused(f"The stored lines of source {source_id} begin after byte {offset}.")
        try:
            return source_id, chunk.offset, chunk.read()
        except CorruptData as error:
            raise Refused(
                f"The stored lines from line {chunk.first_line} on are damaged: {error}."
            ) from error


def _main_run(session: AgentSession) -> Run | None:
    return session.runs.filter(kind=RunKind.MAIN).order_by("started_ms", "id").first()


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": whole(call, "input")}
    return {"id": call.call_id, "type": "function", "function": function}


def _answer(call: ToolCall) -> dict[str, Any]:
    return {
        "role": "tool",
        "content": whole(call, "output"),
        "created_at": ms_to_iso(call.ended_ms or call.at_ms),
        "tool_call_id": call.call_id,
    }


def _attachments(message: Message) -> dict[str, Any]:
    """Pictures and documents as data URLs: those with a name as attachments, the others as media."""
    media: list[str] = []
    named: list[dict[str, str]] = []
    for item in message.attachments:
        content_type, name = str(item.get("media_type", "")), str(item.get("name", ""))
        content = base64.b64encode(blob_bytes(str(item["sha256"]))).decode("ascii")
        url = f"data:{content_type};base64,{content}"
        if name:
            kind = content_type.partition("/")[0]
            named.append({"type": kind, "url": url, "filename": name, "content_type": content_type})
        else:
            media.append(url)
    found: dict[str, Any] = {"media": media} if media else {}
    return found | ({"attachments": named} if named else {})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
