"""Whole imports of files into the database, and what is there afterwards."""

import json
import uuid
from pathlib import Path
from typing import Any

from django.db import connection

from audit.actors import SYSTEM
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.report import Report
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Run,
    SearchEntry,
    SearchKind,
    Source,
    ToolCall,
)

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"


def run_import(*paths: Path | str, **options: Any) -> Report:
    return Importer(SYSTEM, **options).import_paths([str(path) for path in paths])


def contents() -> dict[str, Any]:
    """Everything an import writes, without ids that are made anew and times of writing."""
    sessions = AgentSession.objects.order_by("external_id")
    return {
        "sessions": list(sessions.values_list(
            "external_id", "title", "first_prompt", "model", "status", "started_ms", "last_activity_ms", "run_count",
            "turn_count", "message_count", "tool_call_count", "failed_tool_call_count", "total_tokens",
        )),
        "runs": sorted(Run.objects.values_list("key", "message_count", "tool_call_count", "total_tokens", "status")),
        "messages": sorted(Message.objects.values_list(
            "id", "run__key", "role", "kind", "text", "reasoning", "input_tokens", "output_tokens", "source_line")),
        "calls": sorted(ToolCall.objects.values_list(
            "id", "run__key", "name", "status", "input", "output", "ended_ms", "source_line", "result_line")),
        "words": words_found(),
    }  # fmt: skip


def words_found() -> dict[tuple[str, uuid.UUID], set[str]]:
    """By which words a search finds each message and call, as the engine's own index has them."""
    entries = SearchEntry.objects.exclude(kind=SearchKind.SESSION).values_list("pk", "kind", "object_id")
    object_of = {pk: (kind, object_id) for pk, kind, object_id in entries}
    found: dict[tuple[str, uuid.UUID], set[str]] = {}
    for entry, word in _indexed_words():
        if entry in object_of:
            found.setdefault(object_of[entry], set()).add(word)
    return found


def _indexed_words() -> list[tuple[int, str]]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            name = "temp.indexed_words"
            cursor.execute(f"CREATE VIRTUAL TABLE {name} USING fts5vocab(main, search_text, instance)")
            cursor.execute(f"SELECT doc, term FROM {name}")  # noqa: S608
        else:
            cursor.execute("SELECT id, unnest(tsvector_to_array(words)) FROM search_text")
        rows: list[tuple[int, str]] = cursor.fetchall()
        if connection.vendor == "sqlite":
            cursor.execute(f"DROP TABLE {name}")
    return rows


def assert_places_are_gapless() -> None:
    for session in AgentSession.objects.all():
        places = sorted(
            seq
            for model in (Message, ToolCall, Event)
            for seq in model.objects.filter(session=session).values_list("seq", flat=True)
        )
        assert places == list(range(1, session.last_seq + 1))


def raw_bytes(source: Source) -> bytes:
    return b"".join(chunk.read() for chunk in source.chunks.order_by("offset"))


def fork_of(file: Path) -> Path:
    """What `--resume` writes: the same records under a new session id, and then a turn of its own."""
    old, new = "fe5e1c67-53e7-4862-81ae-d0e013e3270b", "0f0f0f0f-53e7-4862-81ae-d0e013e3270b"
    copied = file.read_text().replace(old, new)
    own = {
        "parentUuid": None, "isSidechain": False, "userType": "external", "cwd": "/path/to/Demo", "sessionId": new,
        "version": "1.0.98", "gitBranch": "", "type": "user", "message": {"role": "user", "content": "Go on, please"},
        "uuid": "11111111-2222-4333-8444-555555555555", "timestamp": "2025-09-04T10:00:00.000Z",
    }  # fmt: skip
    fork = file.parent / f"{new}.jsonl"
    fork.write_text(copied + json.dumps(own) + "\n")
    return fork
