"""What becomes of records beside the conversation, and where a session stands when its record ends."""

from typing import Any

import pytest

from sessions_app.drafts import MAIN_RUN
from tests.sessions_app.importers.claude_records import (
    SESSION,
    assistant,
    at,
    call,
    read,
    record,
    result,
    session_of,
    text,
    user,
)

CALLED = assistant("a1", 5, call("t", "Bash"))
ASKED = assistant("a1", 5, call("t", "AskUserQuestion"))
FAILED = record("system", "s1", 5, subtype="api_error", error={"status": 529}, maxRetries=10)


@pytest.mark.parametrize(
    ("ending", "following", "status", "evidence"),
    [
        ([user("u1", 5, "Go")], False, "unfinished", "prompt without a reply"),
        ([user("u1", 5, "Go")], True, "running", "prompt without a reply"),
        ([CALLED], True, "running", "tool call Bash without a result"),
        ([ASKED], True, "waiting", "tool call AskUserQuestion without a result"),
        ([ASKED], False, "unfinished", "tool call AskUserQuestion without a result"),
        ([CALLED, result("u1", 5, "t", "ok")], True, "running", "tool result without a reply"),
        ([assistant("a1", 5, text("Done."))], True, "idle", "turn completed"),
        ([CALLED, user("u2", 5, "[Request interrupted by user]")], True, "idle", "turn interrupted"),
        (
            [FAILED | {"retryAttempt": 1}],
            True, "running", "API error 529, attempt 1 of 10",
        ),
        (
            [FAILED | {"retryAttempt": 10}],
            True, "failed", "API error 529, attempt 10 of 10",
        ),
    ],
)  # fmt: skip
def test_status_is_read_from_the_newest_record(
    ending: list[Any], following: bool, status: str, evidence: str
) -> None:
    facts = session_of(*ending, following=following).facts
    assert (facts.status, facts.status_evidence) == (status, facts.status_evidence)
    assert facts.status_evidence.startswith(evidence)
    assert facts.status_evidence.endswith("recorded 2026-05-04T10:00:05Z")
    assert facts.status_ms == 1_777_888_805_250


def test_a_title_given_by_a_person_stands_against_one_made_by_the_program() -> None:
    session = session_of(
        {"type": "summary", "summary": "From the summary", "leafUuid": "a1"},
        user("u1", 0, "Go"),
        assistant("a1", 1, text("Done.")),
        {"type": "custom-title", "customTitle": "Mine", "sessionId": SESSION},
        {"type": "ai-title", "aiTitle": "Made up", "sessionId": SESSION},
    )
    assert (session.facts.title, session.facts.summary) == ("Mine", "From the summary")


def test_a_summary_of_another_conversation_is_no_title() -> None:
    session = session_of({"type": "summary", "summary": "Elsewhere", "leafUuid": "x"}, user("u1", 0, "Go"))
    assert (session.facts.title, session.facts.first_prompt) == ("", "Go")


def test_a_file_of_summaries_alone_makes_no_session() -> None:
    outcome = read({"type": "summary", "summary": "Elsewhere", "leafUuid": "x"})
    assert not outcome.sessions
    assert not outcome.skipped + outcome.unknown


def test_system_records_become_events_and_notices() -> None:
    session = session_of(
        user("u1", 0, "Go"),
        record("system", "s1", 1, subtype="compact_boundary", content="Conversation compacted",
               compactMetadata={"trigger": "auto", "preTokens": 155_000}),
        record("system", "s2", 2, subtype="turn_duration", durationMs=325_282),
        record("system", "s3", 3, subtype="stop_hook_summary", hookCount=1, hookInfos=[{"command": "lint"}],
               hookErrors=["x"]),
        record("system", "s4", 4, subtype="informational", content="Switched", level="info"),
        record("system", "s5", 5, subtype="local_command", content="<command-name>/mcp</command-name>"),
        record("system", "s6", 6, subtype="local_command", content="<local-command-stdout>ok"),
        record("system", "s7", 7, subtype="away_summary", content="You were refactoring."),
        record("system", "s8", 8, subtype="bridge_status", content="Connected", url="https://example.org/x"),
        record("system", "s9", 9, content="Plain note"),
    )  # fmt: skip
    assert [(event.kind, event.text) for event in session.events()] == [
        ("session.compacted", "Context compacted (auto, 155,000 tokens before)"),
        ("turn.ended", "Turn took 325.3 s"),
        ("hook.ran", "Stop hook: lint (1 failed)"),
        ("record.noted", "Connected"),
    ]
    assert [(row.kind, row.text) for row in session.messages(role="system")] == [
        ("notice", "Switched"), ("command", "/mcp"), ("context", "<local-command-stdout>ok"),
        ("notice", "You were refactoring."), ("notice", "Plain note"),
    ]  # fmt: skip
    assert session.facts.summary == "You were refactoring."


def test_snapshots_pull_requests_and_changed_modes_are_events() -> None:
    snapshot = {"messageId": "u1", "trackedFileBackups": {"a.py": {"version": 1}}, "timestamp": at(0)}
    session = session_of(
        {"type": "file-history-snapshot", "messageId": "u1", "snapshot": snapshot, "isSnapshotUpdate": False},
        user("u1", 0, "Go"),
        {"type": "permission-mode", "permissionMode": "default", "sessionId": SESSION},
        {"type": "permission-mode", "permissionMode": "plan", "sessionId": SESSION},
        {"type": "permission-mode", "permissionMode": "plan", "sessionId": SESSION},
        {"type": "pr-link", "prNumber": 7, "prUrl": "https://example.org/7", "prRepository": "a/b",
         "sessionId": SESSION, "timestamp": at(9)},
    )  # fmt: skip
    assert [(event.kind, event.text) for event in session.events()] == [
        ("files.snapshotted", "1 file tracked"), ("mode.changed", "Permission mode: plan"),
        ("record.noted", "Pull request #7 in a/b"),
    ]  # fmt: skip
    assert '"a.py":{"version":1}' in session.events()[0].document


def test_a_snapshot_before_the_first_record_belongs_to_the_first_session_of_the_file() -> None:
    snapshot = {"type": "file-history-snapshot", "messageId": "u1", "snapshot": {"trackedFileBackups": {}}}
    for cuts in ({1}, {2}, set[int]()):
        outcome = read(snapshot, user("u1", 0, "Go"), user("u2", 1, "On", sessionId="other"), cuts=cuts)
        assert [event.text for event in outcome.sessions[SESSION].events()] == ["0 files tracked"]
        assert not outcome.sessions["other"].events()


def test_a_file_of_snapshots_alone_makes_no_session() -> None:
    snapshot = {"type": "file-history-snapshot", "messageId": "u1", "snapshot": {}}
    outcome = read(*[snapshot | {"messageId": f"u{number}"} for number in range(40)])
    assert not outcome.sessions
    assert len(outcome.skipped) == 8


def test_attachments_are_context_and_a_queued_prompt_is_a_prompt_of_the_same_turn() -> None:
    file = {"type": "file", "filename": "/a.py", "content": {"type": "text", "file": {"content": "x = 1"}}}
    session = session_of(
        user("u1", 0, "Go"),
        record("attachment", "t1", 1, attachment=file),
        record("attachment", "t2", 2, attachment={"type": "queued_command", "prompt": "Also this"}),
        record("attachment", None, 3, attachment={"type": "queued_command", "prompt": [text("And that")]}),
        record("attachment", "t4", 4, attachment={"type": "hook_success", "hookName": "SessionStart"}),
        record("attachment", "t5", 5, attachment={"type": "deferred_tools_delta", "addedNames": ["X"]}),
    )  # fmt: skip
    assert [(row.kind, row.text) for row in session.messages()] == [
        ("prompt", "Go"), ("context", "[file /a.py]\n\nx = 1"),
        ("prompt", "Also this"), ("prompt", "And that"),
    ]  # fmt: skip
    assert [event.kind for event in session.events()] == ["hook.ran", "record.noted"]
    assert session.facts.turns == 1


def test_progress_and_bookkeeping_leave_no_row() -> None:
    normalized = [
        {"type": "assistant", "message": {"content": [text("again")], "usage": {"output_tokens": 9}}}
    ]
    outcome = read(
        user("u1", 0, "Go"),
        record("progress", "p1", 1, data={"type": "agent_progress", "normalizedMessages": normalized}),
        {"type": "last-prompt", "lastPrompt": "Go", "sessionId": SESSION},
        {"type": "bridge-session", "bridgeSessionId": "b", "sessionId": SESSION},
        {"type": "queue-operation", "operation": "enqueue", "content": "later", "sessionId": SESSION},
        {"type": "agent-name", "agentName": "lead", "sessionId": SESSION},
    )  # fmt: skip
    assert len(outcome.only.rows) == 1
    assert outcome.only.tokens.output == 0
    assert outcome.only.runs[MAIN_RUN].agent_name == "lead"
    assert not outcome.skipped + outcome.unknown


def test_an_unknown_type_is_reported_and_stops_nothing() -> None:
    outcome = read(user("u1", 0, "Go"), {"type": "brand-new", "sessionId": SESSION}, user("u2", 1, "On"))
    assert [(place.line, reason) for place, reason in outcome.unknown] == [
        (2, 'record of unknown type "brand-new"')
    ]
    assert len(outcome.only.messages()) == 2


def test_a_change_of_model_is_an_event() -> None:
    session = session_of(
        assistant("a1", 0, text("One")),
        assistant("a2", 1, text("Two"), message={"model": "claude-opus-4-8"}),
    )
    assert [event.text for event in session.events(kind="model.changed")] == [
        "claude-sonnet-4-5 → claude-opus-4-8"
    ]
    assert session.facts.model == "claude-opus-4-8"


def test_records_without_a_time_take_the_time_before_them() -> None:
    session = session_of(
        user("u1", 5, "Go"), user("u2", 0, "On", timestamp=None), user("u3", 0, "Up", timestamp="soon")
    )
    assert len({message.at_ms for message in session.messages()}) == 1
    [first] = session_of(user("u1", 0, "Go", timestamp=None), modified_ms=1_780_000_000_000).messages()
    assert first.at_ms == 1_780_000_000_000


def test_a_clock_that_goes_back_widens_the_session_to_both_sides() -> None:
    facts = session_of(user("u1", 50, "Go"), assistant("a1", 20, text("Done."))).facts
    assert (facts.last_activity_ms or 0) - (facts.started_ms or 0) == 30_000


def test_a_record_without_uuid_is_named_by_its_place() -> None:
    first, second = session_of(user(None, 0, "Go"), user(None, 0, "Go")).messages()
    assert first.key == f"{SESSION}@0"
    assert second.key != first.key
