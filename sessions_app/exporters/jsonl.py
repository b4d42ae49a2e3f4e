"""A session as JSON Lines: each row of its timeline as one object, or the source's own lines.

Fields are those of the API's timeline, but for the bodies, which are whole here. Ids are text, times Unix
milliseconds, tokens as the source counts them.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from dashboard.lib.errors import CorruptData, Refused
from sessions_app.exporters.rows import TimelineItem, rows_of, whole
from sessions_app.models import AgentSession, Event, Message, Source, SourceChunk, ToolCall

_MESSAGE_FIELDS = (
    "role", "kind", "external_id", "model", "stop_reason", "is_hidden", "attachments", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens",
)  # fmt: skip
_CALL_FIELDS = ("call_id", "name", "kind", "title", "status", "ended_ms", "exit_status")


def timeline_lines(session: AgentSession) -> Iterator[bytes]:
    """One line for each place, from 1 to the session's last. Raises Refused when a body is damaged."""
    for document in documents_of(session, rows_of(session)):
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def documents_of(session: AgentSession, rows: Iterable[TimelineItem]) -> Iterator[dict[str, Any]]:
    """Each row as a JSON object. Raises Refused when a body is damaged."""
    keys = {pk: str(key) for pk, key in session.runs.values_list("pk", "key")}
    for row in rows:
        yield _place(row) | {"run_key": keys.get(row.run_id) if row.run_id else None} | _content(row)


def sources_of(session: AgentSession) -> list[Source]:
    """Its files, each generation of them, in the order in which they were first read."""
    return list(session.sources.defer("parser_state").order_by("created_ms", "id"))


def source_bytes(source: Source) -> Iterator[bytes]:
    """The very bytes that were read of a file, a stretch of whole lines at a time. Raises Refused."""
    for chunk in source.chunks.order_by("offset").iterator(chunk_size=1):
        yield _plain(chunk)
    # What its writer has not ended yet.
    yield bytes(source.tail)


def _plain(chunk: SourceChunk) -> bytes:
    try:
        return chunk.read()
    except CorruptData as error:
        raise Refused(f"The stored lines from line {chunk.first_line} on are damaged: {error}.") from error


def _place(row: TimelineItem) -> dict[str, Any]:
    kind = {Message: "message", ToolCall: "tool_call", Event: "event"}[type(row)]
    return {
        "type": kind,
        "id": str(row.pk),
        "seq": row.seq,
        "at_ms": row.at_ms,
        "turn": row.turn,
        "run": _text(row.run_id),
        "source": _text(row.source_id),
        "source_line": row.source_line,
    }


def _content(row: TimelineItem) -> dict[str, Any]:
    if isinstance(row, Message):
        fields = {name: getattr(row, name) for name in _MESSAGE_FIELDS}
        return fields | {"text": whole(row, "text"), "reasoning": whole(row, "reasoning")}
    if isinstance(row, ToolCall):
        fields = {name: getattr(row, name) for name in _CALL_FIELDS}
        bodies = {"input": whole(row, "input"), "output": whole(row, "output")}
        return fields | bodies | {"message": _text(row.message_id), "child_run": _text(row.child_run_id)}
    document = {"kind": row.kind, "text": row.text, "document": row.document}
    return document | {"subject": _text(row.subject_id)}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
