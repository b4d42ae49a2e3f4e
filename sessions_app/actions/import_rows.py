"""Drafts made into rows. Everything here happens before the transaction opens.

Columns and values stand side by side in one order, because rows of an import go to the database as plain
tuples (dashboard.lib.bulk.bulk_insert).
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import Literal

from dashboard.lib.ids import derived_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobStore
from sessions_app.drafts import (
    Attachment,
    EventDraft,
    MessageDraft,
    MessageGrowth,
    Place,
    SessionDraft,
    Tokens,
    ToolCallDraft,
)
from sessions_app.search import index

NO_PLACE = (None, None, None)

# `session_id`, `run_id`, `seq` and `source_id` come first: they are known in the transaction only.
TIMELINE_COLUMNS = ("session_id", "run_id", "seq", "source_id", "id", "at_ms", "turn",
                    "source_offset", "source_size", "source_line")  # fmt: skip
MESSAGE_COLUMNS = (
    *TIMELINE_COLUMNS, "role", "kind", "external_id", "model", "stop_reason", "is_hidden",
    "text", "text_size", "text_blob_id", "reasoning", "reasoning_size", "reasoning_blob_id", "attachments",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
)  # fmt: skip
TOOL_CALL_COLUMNS = (
    *TIMELINE_COLUMNS, "message_id", "child_run_id", "call_id", "name", "kind", "title", "status", "ended_ms",
    "exit_status", "input", "input_size", "input_blob_id", "output", "output_size", "output_blob_id",
    "result_offset", "result_size", "result_line",
)  # fmt: skip
EVENT_COLUMNS = (*TIMELINE_COLUMNS, "kind", "text", "document", "subject_id")


type RowKind = Literal["message", "tool_call", "event"]


@dataclass(slots=True)
class PreparedRow:
    """One row waiting for its place: `rest` are the columns after the first four.

    Plain values only, and no text twice: rows come from the process that reads. Ids are 32 hexadecimal digits,
    which both engines take as they are.
    """

    id: str
    kind: RowKind
    run: str | None
    rest: tuple[object, ...]
    # What the search shall find it by, as the index takes it; "" for nothing. And its place in the index.
    searchable: index.Indexable = ""
    entry: int = 0
    # Of a message: its role, its model, and what it cost.
    role: str = ""
    model: str = ""
    spent: Tokens | None = None
    # Of a tool call: the message that made it, the run that it started, and how it ended.
    message_id: str | None = None
    child_run: str = ""
    is_failed: bool = False


@dataclass(slots=True)
class PreparedSession:
    """A session's draft, whose rows are here instead."""

    draft: SessionDraft
    rows: list[PreparedRow] = field(default_factory=list)
    highest_turn: int = 0


def row_id(agent: str, key: str, at_ms: int) -> uuid.UUID:
    return derived_id(at_ms, agent, key)


def prepare(draft: SessionDraft, blobs: BlobStore) -> PreparedSession:
    """Takes the rows out of the draft."""
    rows, draft.rows = draft.rows, []
    prepared = PreparedSession(draft, highest_turn=max((row.turn for row in rows), default=0))
    for row in rows:
        if isinstance(row, MessageDraft):
            prepared.rows.append(_message(draft, row, blobs))
        elif isinstance(row, ToolCallDraft):
            prepared.rows.append(_tool_call(draft.agent, row, blobs))
        else:
            prepared.rows.append(_event(draft.agent, row))
    return prepared


def attachment_list(attachments: list[Attachment], blobs: BlobStore) -> list[dict[str, str | int]]:
    return [
        {
            "sha256": blobs.keep(attachment.content),
            "media_type": cut(storable(attachment.media_type), 100),
            "size": len(attachment.content),
            "name": cut(storable(attachment.name), 200),
        }
        for attachment in attachments
    ]


def _place(place: Place | None) -> tuple[int | None, int | None, int | None]:
    return NO_PLACE if place is None else (place.offset, place.size, place.line)


def _searchable(text: str) -> index.Indexable:
    return index.indexable(storable(text)) if text and not text.isspace() else ""


def _message(session: SessionDraft, draft: MessageDraft, blobs: BlobStore) -> PreparedRow:
    identity = row_id(session.agent, draft.key, draft.at_ms)
    attachments = attachment_list(draft.attachments, blobs) if draft.attachments else []
    model = model_text(draft.model)
    rest = (
        identity.hex, draft.at_ms, draft.turn, *_place(draft.place), draft.role, draft.kind,
        cut(storable(draft.external_id), 200), model,
        cut(storable(draft.stop_reason), 60), draft.is_hidden,
        *blobs.body(draft.text), *blobs.body(draft.reasoning), json.dumps(attachments),
        draft.input_tokens, draft.output_tokens, draft.cache_read_tokens, draft.cache_write_tokens,
    )  # fmt: skip
    text = f"{draft.text}\n{draft.reasoning}" if draft.reasoning else draft.text
    return PreparedRow(
        identity.hex, "message", draft.run, rest, _searchable(text), index.entry_id(draft.at_ms, identity),
        role=draft.role, model=model,
        spent=spent_on(draft) if session.tokens_from_messages else None,
    )  # fmt: skip


def spent_on(draft: MessageDraft | MessageGrowth) -> Tokens:
    parts = (draft.input_tokens, draft.output_tokens, draft.cache_read_tokens, draft.cache_write_tokens)
    return Tokens(*parts, total=sum(parts), cache_write_1h=draft.cache_write_1h_tokens)


def model_text(model: str) -> str:
    return cut(storable(model), 120)


def _tool_call(agent: str, draft: ToolCallDraft, blobs: BlobStore) -> PreparedRow:
    identity = row_id(agent, draft.key, draft.at_ms)
    result = _place(draft.result_place)
    # message_id and child_run_id are put in between by the writer, who knows whether they exist.
    rest = (
        identity.hex, draft.at_ms, draft.turn, *_place(draft.place),
        cut(storable(draft.call_id), 200), cut(storable(draft.name), 200), draft.kind,
        cut(storable(draft.title), 300), draft.status, draft.ended_ms, draft.exit_status,
        *blobs.body(draft.input), *blobs.body(draft.output), *result,
    )  # fmt: skip
    return PreparedRow(
        identity.hex, "tool_call", draft.run, rest,
        _searchable(f"{draft.name}\n{draft.input}\n{draft.output}"), index.entry_id(draft.at_ms, identity),
        message_id=row_id(agent, *draft.message).hex if draft.message else None,
        child_run=draft.child_run, is_failed=draft.status == "failed",
    )  # fmt: skip


def _event(agent: str, draft: EventDraft) -> PreparedRow:
    identity = row_id(agent, draft.key, draft.at_ms).hex
    rest = (
        identity, draft.at_ms, draft.turn, *_place(draft.place), draft.kind,
        cut(storable(draft.text), 500), storable(draft.document), None,
    )  # fmt: skip
    return PreparedRow(identity, "event", draft.run, rest)
