"""Rows that several kinds of records become."""

from typing import Any

from sessions_app.drafts import MessageDraft, MessageKind, Role
from sessions_app.importers.claude_code.reading import Entry
from sessions_app.importers.json_lines import json_text

# Longer details stay in the source's own line, which is kept.
_LONGEST_DOCUMENT = 65_536


def write_note(entry: Entry, kind: MessageKind, text: str, role: Role = "system") -> None:
    entry.draft.rows.append(
        MessageDraft(
            key=entry.key, run=entry.run.key, at_ms=entry.at_ms, role=role, kind=kind, text=text,
            place=entry.place, turn=entry.session.turn,
        )
    )  # fmt: skip


def document_of(details: dict[str, Any]) -> str:
    text = json_text(details)
    return text if len(text) <= _LONGEST_DOCUMENT else ""
