"""Out to picoclaw's files and back through our own importer, which reads them as picoclaw does."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit.actors import SYSTEM
from sessions_app.exporters import picoclaw
from sessions_app.exporters.rows import whole
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Message, Source, ToolCall
from tests.factories import make_message, make_run, make_session, make_tool_call
from tests.samples import sample

pytestmark = pytest.mark.django_db

CLAUDE = "claude-code/projects/sample-project/1af7fc5e-8455-4414-9ccd-011d40f70b2a.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
KEY = "agent:main:slack:channel:c001"


def export(session: AgentSession, folder: Path) -> Path:
    """Both files, written as the command does."""
    session.refresh_from_db()
    conversation = picoclaw.Conversation(session)
    path = folder / picoclaw.file_name(session)
    path.write_bytes(b"".join(conversation.lines()))
    path.with_suffix(".meta.json").write_bytes(conversation.meta())
    return path


def bring_in(path: Path) -> AgentSession:
    report = Importer(SYSTEM).import_paths([str(path)])
    assert report.errors == {}
    assert report.counts.skipped_lines == 0
    return AgentSession.objects.get()


def forget_everything() -> None:
    """As a fresh database has it; the words of a search lie in a table without a model."""
    sqlite = "INSERT INTO search_text(search_text) VALUES ('delete-all')"
    with connection.cursor() as cursor:
        cursor.execute(sqlite if connection.vendor == "sqlite" else "DELETE FROM search_text")
    AgentSession.objects.all().delete()
    Source.objects.all().delete()


def messages_of(session: AgentSession, **wanted: Any) -> list[tuple[Any, ...]]:
    rows = session.messages.filter(run__kind="main", **wanted).order_by("seq")
    return [
        (row.role, whole(row, "text"), whole(row, "reasoning"), row.model, row.is_hidden,
         row.external_id if row.role == "tool" else "", row.at_ms, row.attachments)
        for row in rows
    ]  # fmt: skip


def calls_of(session: AgentSession) -> list[tuple[Any, ...]]:
    rows = session.toolcalls.filter(run__kind="main").order_by("seq")
    return [(row.call_id, row.name, whole(row, "input"), whole(row, "output")) for row in rows]


def write_talk(folder: Path, messages: list[dict[str, Any]], **meta: Any) -> Path:
    path = folder / "agent_main_slack_channel_c001.jsonl"
    path.write_text("".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages))
    path.with_suffix(".meta.json").write_text(
        json.dumps({"key": KEY, "created_at": "2026-06-01T09:59:00Z", **meta})
    )
    return path


TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "forgotten", "created_at": "2026-06-01T09:59:00Z"},
    {"role": "user", "content": "Look.", "media": ["data:image/png;base64,iVBORw0KGgo="]},
    {"role": "assistant", "content": "", "reasoning_content": "Two at once.", "model_name": "m-1", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "exec", "arguments": '{"command": "ls  -l", "n": 1.0}',
         "thought_signature": "c2ln"}, "extra_content": {"google": {"x": 1}}},
        {"id": "b", "type": "function", "function": {"name": "read_file", "arguments": "not JSON"}},
    ]},
    {"role": "tool", "content": "b's " + "long " * 2000, "tool_call_id": "b"},
    {"role": "tool", "content": "", "tool_call_id": "a"},
    {"role": "tool", "content": "to nobody", "tool_call_id": "zzz"},
    {"role": "assistant", "content": "Done.\u2028 ünï", "model_name": "m-2"},
]  # fmt: skip


def test_what_came_from_picoclaw_leaves_as_the_very_lines(tmp_path: Path) -> None:
    original = write_talk(
        tmp_path, TALK, skip=1, summary="before", aliases=["pico:1"], scope={"channel": "slack"}
    )
    session = bring_in(original)

    out = tmp_path / "out"
    out.mkdir()

    exported = export(session, out)

    assert exported.read_bytes() == original.read_bytes()
    meta = json.loads(exported.with_suffix(".meta.json").read_bytes())
    assert (meta["key"], meta["skip"], meta["count"]) == (KEY, 1, 7)
    assert (meta["summary"], meta["aliases"], meta["scope"]) == ("before", ["pico:1"], {"channel": "slack"})


@pytest.mark.parametrize("has_lines", [True, False], ids=["with its source", "from the rows alone"])
def test_messages_and_tool_calls_come_back_exactly(tmp_path: Path, has_lines: bool) -> None:
    session = bring_in(write_talk(tmp_path, TALK, skip=1, summary="before"))
    before = messages_of(session), calls_of(session), session.summary, session.external_id
    assert len(before[1]) == 2
    if not has_lines:
        Message.objects.update(source=None)
    out = tmp_path / "out"
    out.mkdir()
    exported = export(session, out)
    forget_everything()

    again = bring_in(exported)

    assert (messages_of(again), calls_of(again), again.summary, again.external_id) == before


def test_the_sample_comes_back_exactly(tmp_path: Path) -> None:
    for path in sample("synthetic", "picoclaw").iterdir():
        shutil.copy(path, tmp_path)
    session = bring_in(next(tmp_path.glob("*.jsonl")))
    before = messages_of(session), calls_of(session), session.title, session.status
    out = tmp_path / "out"
    out.mkdir()
    exported = export(session, out)
    forget_everything()

    again = bring_in(exported)

    assert (messages_of(again), calls_of(again), again.title, again.status) == before


@pytest.mark.parametrize("name", [CLAUDE, CODEX])
def test_what_another_agent_did_is_read_by_picoclaw(tmp_path: Path, name: str) -> None:
    session = bring_in(sample(name))
    said = messages_of(session)
    calls = calls_of(session)
    assert calls
    exported = export(session, tmp_path)
    forget_everything()

    again = bring_in(exported)

    assert again.agent == "picoclaw"
    # Calls that no message made have got an empty one, and each answer is a message of the tool.
    kept = [
        message[:3] for message in messages_of(again) if message[0] != "tool" and (message[1] or message[2])
    ]
    assert kept == [message[:3] for message in said if message[1] or message[2]]
    assert calls_of(again) == calls


def test_each_answer_follows_the_calls_of_its_message(tmp_path: Path) -> None:
    session = make_session(with_main_run=True)
    reply = make_message(session, "", role="assistant")
    make_tool_call(session, message=reply, call_id="one", output="1")
    make_tool_call(session, message=reply, call_id="two", output="", status="unanswered", ended_ms=None)
    make_message(session, "Next.")
    make_tool_call(session, call_id="alone", output="3")

    lines = [json.loads(line) for line in export(session, tmp_path).read_bytes().splitlines()]

    assert [(line["role"], line.get("tool_call_id")) for line in lines] == [
        ("assistant", None), ("tool", "one"), ("user", None), ("assistant", None), ("tool", "alone"),
    ]  # fmt: skip
    assert [call["id"] for call in lines[0]["tool_calls"]] == ["one", "two"]


def test_what_has_no_place_is_counted() -> None:
    session = make_session(with_main_run=True)
    make_run(session, parent=session.runs.get())
    make_tool_call(session, run=session.runs.get(kind="main"), status="failed")
    session.refresh_from_db()
    conversation = picoclaw.Conversation(session)
    list(conversation.lines())

    assert conversation.losses() == [
        "1 subagent runs are left out: only the main agent's conversation has a place",
        "1 failed calls read as completed ones",
    ]


@pytest.mark.parametrize(
    ("agent", "external_id", "name"),
    [
        ("picoclaw", KEY, "agent_main_slack_channel_c001.jsonl"),
        ("picoclaw", "../../etc/passwd", "_.._etc_passwd.jsonl"),
        ("codex", "a/b\x00c", "codex_a_b_c.jsonl"),
    ],
)
def test_a_key_never_leads_to_another_folder(agent: str, external_id: str, name: str) -> None:
    assert picoclaw.file_name(AgentSession(agent=agent, external_id=external_id)) == name


def test_a_tool_call_row_is_never_lost_between_messages() -> None:
    session = make_session(with_main_run=True)
    first = make_message(session, "one", role="assistant")
    make_message(session, "two", role="assistant")
    make_tool_call(session, message=first, call_id="late")
    session.refresh_from_db()

    lines = [json.loads(line) for line in picoclaw.Conversation(session).lines()]

    ids = [call["id"] for line in lines for call in line.get("tool_calls", [])]
    assert ids == ["late"]
    assert ToolCall.objects.count() == 1
