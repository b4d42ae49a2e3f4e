"""Drafts made into rows. Everything here happens before the transaction opens.

Columns and values stand side by side in one order, because rows of an import go to the database as plain
tuples (dashboard.lib.db.bulk_insert).
"""

import json
import uuid
from dataclasses import dataclass, field

from dashboard.lib.ids import derived_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobStore
from sessions_app.drafts import (
    Attachment,
    EventDraft,
    MessageDraft,
    Place,
    SessionDraft,
    TimelineDraft,
    ToolCallDraft,
)

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


@dataclass(slots=True)
class PreparedRow:
    """One row waiting for its place: `rest` are the columns after the first four."""

    id: uuid.UUID
    run: str | None
    draft: TimelineDraft
    rest: tuple[object, ...]
    # What the search shall find it by; "" for nothing.
    searchable: str = ""


@dataclass(slots=True)
class PreparedSession:
    draft: SessionDraft
    rows: list[PreparedRow] = field(default_factory=list)
    bodies: dict[str, tuple[tuple[str, int, str | None], ...]] = field(default_factory=dict)


def row_id(agent: str, key: str, at_ms: int) -> uuid.UUID:
    return derived_id(at_ms, agent, key)


def prepare(draft: SessionDraft, blobs: BlobStore) -> PreparedSession:
    prepared = PreparedSession(draft=draft)
    for row in draft.rows:
        if isinstance(row, MessageDraft):
            prepared.rows.append(_message(draft.agent, row, blobs))
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


def _message(agent: str, draft: MessageDraft, blobs: BlobStore) -> PreparedRow:
    identity = row_id(agent, draft.key, draft.at_ms)
    attachments = attachment_list(draft.attachments, blobs) if draft.attachments else []
    rest = (
        identity, draft.at_ms, draft.turn, *_place(draft.place), draft.role, draft.kind,
        cut(storable(draft.external_id), 200), cut(storable(draft.model), 120),
        cut(storable(draft.stop_reason), 60), draft.is_hidden,
        *blobs.body(draft.text), *blobs.body(draft.reasoning), json.dumps(attachments),
        draft.input_tokens, draft.output_tokens, draft.cache_read_tokens, draft.cache_write_tokens,
    )  # fmt: skip
    searchable = f"{draft.text}\n{draft.reasoning}" if draft.reasoning else draft.text
    return PreparedRow(identity, draft.run, draft, rest, searchable)


def _tool_call(agent: str, draft: ToolCallDraft, blobs: BlobStore) -> PreparedRow:
    identity = row_id(agent, draft.key, draft.at_ms)
    result = _place(draft.result_place)
    # message_id and child_run_id are put in between by the writer, who knows whether they exist.
    rest = (
        identity, draft.at_ms, draft.turn, *_place(draft.place),
        cut(storable(draft.call_id), 200), cut(storable(draft.name), 200), draft.kind,
        cut(storable(draft.title), 300), draft.status, draft.ended_ms, draft.exit_status,
        *blobs.body(draft.input), *blobs.body(draft.output), *result,
    )  # fmt: skip
    return PreparedRow(identity, draft.run, draft, rest, f"{draft.name}\n{draft.input}\n{draft.output}")


def _event(agent: str, draft: EventDraft) -> PreparedRow:
    identity = row_id(agent, draft.key, draft.at_ms)
    rest = (
        identity, draft.at_ms, draft.turn, *_place(draft.place), draft.kind,
        cut(storable(draft.text), 500), storable(draft.document), None,
    )  # fmt: skip
    return PreparedRow(identity, draft.run, draft, rest)
