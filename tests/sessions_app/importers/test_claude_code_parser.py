"""What becomes of Claude Code's records: real files first, then each kind of record by itself."""

import base64
import json
from typing import Any

import pytest

from sessions_app.drafts import MAIN_RUN, Attachment, Tokens
from sessions_app.importers.claude_code import FORMAT
from tests.samples import sample
from tests.sessions_app.importers.claude_records import assistant, call, result, session_of, text, user
from tests.sessions_app.importers.driving import WrittenSession, drive_file

# Nothing here reaches a database.
pytestmark = pytest.mark.once

DONE = {"status": "completed", "content": "A"}
PROJECT = ("claude-code", "projects", "sample-project")
REAL = "fe5e1c67-53e7-4862-81ae-d0e013e3270b"


@pytest.fixture(scope="module")
def real() -> WrittenSession:
    outcome = drive_file(FORMAT, sample(*PROJECT, f"{REAL}.jsonl"))
    assert not outcome.skipped
    assert not outcome.unknown
    return outcome.only


def test_the_real_session_has_170_replies_of_51_933_output_tokens(real: WrittenSession) -> None:
    assert len(real.messages(role="assistant")) == 170
    assert real.tokens.output == 51_933
    assert real.tokens == Tokens(818, 51_933, 3_647_854, 137_976, 3_838_581)


def test_the_sums_of_runs_are_the_sum_of_the_session(real: WrittenSession) -> None:
    assert sum(tokens.output for tokens in real.spent.values()) == 51_933
    assert set(real.spent) == set(real.runs)


def test_the_real_session_has_one_main_run_and_five_subagents_each_with_its_call(
    real: WrittenSession,
) -> None:
    children = [run for run in real.runs.values() if run.kind == "subagent"]
    assert len(real.runs) == 6
    assert [run.title for run in children] == [
        "Build TODO components", "Setup Next.js project", "Create data models", "Implement state management",
        "Create main page integration",
    ]  # fmt: skip
    for run in children:
        [spawner] = real.calls(call_id=run.spawned_by)
        assert (spawner.run, spawner.kind, spawner.child_run) == (MAIN_RUN, "agent", run.key)
        assert run.parent == MAIN_RUN
        assert run.agent_name == "general-purpose"
        assert run.status == "completed"
        assert run.status_evidence.startswith("result of the Task call, recorded 2025-09-03T0")
        assert json.loads(spawner.input)["prompt"].strip() == run.input.strip()
        assert run.output == spawner.output
        assert run.ended_ms == spawner.ended_ms


def test_no_record_of_the_real_session_is_an_orphan(real: WrittenSession) -> None:
    assert {row.run for row in real.rows} == set(real.runs)
    assert not real.messages(role="tool")
    assert len(real.calls()) == 167
    assert all(call.ended_ms is not None for call in real.calls())
    by_run = {key: sum(row.run == key for row in real.messages()) for key in real.runs}
    assert sum(by_run.values()) == 178
    assert by_run[MAIN_RUN] == 12


def test_the_real_session_heads_with_its_command_and_ends_idle(real: WrittenSession) -> None:
    facts = real.facts
    assert facts.first_prompt == "/orchestrator create TODO app by Next.js"
    # Its one summary line names a record of another session.
    assert facts.title == ""
    assert (facts.cwd, facts.agent_version, facts.model) == (
        "/path/to/Demo",
        "1.0.98",
        "claude-sonnet-4-20250514",
    )
    assert facts.turns == 2
    assert (facts.status, facts.status_evidence) == ("idle", "turn completed, recorded 2025-09-03T01:02:03Z")
    assert (facts.started_ms, facts.last_activity_ms) == (1756860751217, 1756861323665)


def test_a_call_keeps_its_input_as_the_line_has_it(real: WrittenSession) -> None:
    content = sample(*PROJECT, f"{REAL}.jsonl").read_bytes()
    for row in real.calls():
        assert row.place is not None
        line = content[row.place.offset : row.place.offset + row.place.size]
        assert f'"input":{row.input}' in line.decode()


def test_a_result_knows_its_own_line(real: WrittenSession) -> None:
    content = sample(*PROJECT, f"{REAL}.jsonl").read_bytes()
    for row in real.calls():
        assert row.result_place is not None
        line = content[row.result_place.offset : row.result_place.offset + row.result_place.size]
        assert f'"tool_use_id":"{row.call_id}"'.encode() in line


def test_the_rate_limit_of_a_real_session_is_an_error_and_the_session_failed() -> None:
    session = drive_file(FORMAT, sample("claude-code", "misc", "happy-rate-limit.jsonl")).only
    assert [message.kind for message in session.messages()] == ["prompt", "error"]
    assert session.facts.status == "failed"
    assert session.facts.status_evidence.endswith("recorded 2026-07-21T23:52:28Z")
    assert session.facts.model == ""


def test_two_sessions_in_one_file_stay_apart() -> None:
    outcome = drive_file(FORMAT, sample("claude-code", "misc", "polylogue-claude-normalization-main.jsonl"))
    main, other = (
        outcome.sessions["claude-normalization-main"],
        outcome.sessions["claude-normalization-other"],
    )
    assert [message.text for message in other.messages()] == ["An independent session.", "Other reply."]
    assert other.facts.parent_external_id == ""
    assert [message.text for message in main.messages(kind="prompt")] == ["Review the parser."]
    assert main.tokens == Tokens(145, 48, 975, 305, 1473)
    assert not outcome.skipped + outcome.unknown


def test_the_first_of_two_records_with_one_uuid_survives() -> None:
    outcome = drive_file(FORMAT, sample("claude-code", "misc", "polylogue-claude-normalization-main.jsonl"))
    assert not [
        row for row in outcome.sessions["claude-normalization-main"].messages() if "duplicate" in row.text
    ]


def test_an_unanswered_call_a_failed_one_and_a_background_one_are_told_apart() -> None:
    outcome = drive_file(FORMAT, sample("claude-code", "misc", "polylogue-claude-normalization-main.jsonl"))
    session = outcome.sessions["claude-normalization-main"]
    assert {row.call_id: row.status for row in session.calls()} == {
        "tool-bg": "completed", "tool-missing": "unanswered", "tool-fg": "failed",
    }  # fmt: skip
    [notified] = session.events(kind="task.notified")
    assert notified.text.endswith("failed with exit code 7")
    assert '"call_id":"tool-bg"' in notified.document
    assert session.events(kind="turn.aborted")


def test_a_goal_status_is_an_event() -> None:
    session = drive_file(FORMAT, sample("claude-code", "misc", "happy-goal-status-attachment.jsonl")).only
    assert [event.text for event in session.events()] == [
        "Goal not met: replace this goal with edited fixture objective"
    ]


def test_records_of_one_answer_become_one_message_with_the_largest_usage() -> None:
    session = session_of(
        user("u1", 0, "Go"),
        assistant(
            "a1", 1, {"type": "thinking", "thinking": "Hm.", "signature": "x"}, message_id="m", output=3
        ),
        assistant("a2", 2, text("First."), message_id="m", output=3),
        assistant(
            "a3", 3, call("t1", "Bash", command="ls"), message_id="m", output=70, stop_reason="tool_use"
        ),
        assistant("a4", 4, text("Second."), message_id="m", output=60),
    )
    [message] = session.messages(role="assistant")
    assert (message.text, message.reasoning, message.stop_reason) == ("First.\n\nSecond.", "Hm.", "tool_use")
    assert (message.key, message.output_tokens, message.cache_write_tokens) == ("a1", 70, 20)
    assert session.calls()[0].message == ("a1", message.at_ms)


def test_the_same_message_id_under_another_request_is_another_message() -> None:
    first, second = (
        assistant("a1", 1, text("One"), message_id="m"),
        assistant("a2", 2, text("Two"), message_id="m"),
    )
    session = session_of(first, second | {"requestId": "req_other"})
    assert [message.text for message in session.messages()] == ["One", "Two"]


def test_cache_writes_are_summed_from_their_parts_where_the_sum_is_missing() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "x": 5},
    }
    session = session_of(assistant("a1", 1, text("Hi"), message={"usage": usage}))
    assert session.tokens == Tokens(1, 2, 0, 9, 12)


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        ("Fix the login", "prompt", "Fix the login"),
        ("/home/dev is full", "prompt", "/home/dev is full"),
        ("/compact", "command", "/compact"),
        ("/compact keep the plan", "command", "/compact keep the plan"),
        ("<command-name>/status</command-name>\n<command-args></command-args>", "command", "/status"),
        ("<bash-input>git status</bash-input>", "command", "! git status"),
        ("<local-command-stdout>ok</local-command-stdout>", "context", None),
        ("<system-reminder>\nBe brief\n</system-reminder>", "context", None),
        ("<ide_opened_file>a.py</ide_opened_file>", "context", None),
        ("<b>bold</b> is what I want", "prompt", "<b>bold</b> is what I want"),
    ],
)  # fmt: skip
def test_what_a_person_typed_is_told_from_what_a_program_wrote(
    content: str, kind: str, shown: str | None
) -> None:
    [message] = session_of(user("u1", 0, content)).messages()
    assert (message.kind, message.text) == (kind, content if shown is None else shown)


def test_meta_compaction_and_program_origins_are_no_prompts() -> None:
    session = session_of(
        user("u1", 0, "Expanded command", isMeta=True),
        user("u2", 1, "This session is continued from…", isCompactSummary=True),
        user("u3", 2, "A teammate says", promptSource="system"),
        user("u4", 3, "Task ended", origin={"kind": "task-notification"}),
        user("u5", 4, "Typed", promptSource="typed", origin={"kind": "human"}),
    )
    assert [message.kind for message in session.messages()] == [
        "context",
        "summary",
        "context",
        "context",
        "prompt",
    ]
    assert (session.facts.turns, session.facts.first_prompt) == (1, "Typed")


def test_context_beside_a_prompt_becomes_a_message_of_its_own() -> None:
    blocks = [text("<ide_selection>line 3</ide_selection>"), text("Explain this")]
    context, prompt = session_of(user("u1", 0, blocks)).messages()
    assert (context.kind, context.key, prompt.kind, prompt.key) == ("context", "u1#context", "prompt", "u1")


def test_a_command_for_the_model_opens_a_turn_and_one_for_the_program_does_not() -> None:
    session = session_of(
        user("u1", 0, "<command-name>/clear</command-name>\n<command-message>clear</command-message>"),
        user("u2", 1, "<command-message>review</command-message>\n<command-name>/review</command-name>"),
    )
    assert (session.facts.turns, session.facts.first_prompt) == (1, "/review")
    assert session.facts.status == "unfinished"


def test_pictures_are_kept_and_broken_ones_are_named() -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    session = session_of(
        user(
            "u1",
            0,
            [
                text("Look"),
                {"type": "image", "source": picture},
                {"type": "image", "source": {"data": "iVBO!Rw0K"}},
            ],
        )
    )
    [message] = session.messages()
    assert message.attachments == [Attachment("image/png", b"\x89PNG")]
    assert message.text == "Look\n\n[image that cannot be read]"


def test_a_picture_alone_is_a_prompt() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
    [message] = session_of(
        user("u1", 0, [{"type": "document", "title": "plan.pdf", "source": source}])
    ).messages()
    assert (message.kind, message.attachments[0].name) == ("prompt", "plan.pdf")


def test_a_result_of_many_parts_is_one_text() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
    reference = {"type": "tool_reference", "tool_name": "Grep"}
    session = session_of(
        assistant("a1", 0, call("t1", "Read", file_path="/a.png")),
        result("u1", 1, "t1", [text("Here:"), picture, reference, "tail"]),
    )
    assert session.calls()[0].output == "Here:\n[image: image/png, 6 bytes]\n[tool: Grep]\ntail"


@pytest.mark.parametrize(
    ("content", "details", "is_error", "expected"),
    [
        ("done", {"stdout": "done", "interrupted": False}, None, ("completed", None)),
        ("half", {"stdout": "half", "interrupted": True}, None, ("cancelled", None)),
        ("Exit code 127\nno such command", "Error: Exit code 127", True, ("failed", 127)),
        ("<status>completed</status>", {"exitCode": 3}, None, ("completed", 3)),
        ("Exit code 4", {"exitCode": 3}, True, ("failed", 3)),
        (
            "The user doesn't want to proceed with this tool use.",
            "User rejected tool use",
            True,
            ("cancelled", None),
        ),
        ("[Request interrupted by user for tool use]", None, True, ("cancelled", None)),
    ],
)
def test_how_a_command_ended(
    content: str, details: Any, is_error: bool | None, expected: tuple[str, int | None]
) -> None:
    session = session_of(
        assistant("a1", 0, call("t1", "Bash", command="make")),
        result("u1", 1, "t1", content, details=details, is_error=is_error),
    )
    [row] = session.calls()
    assert (row.status, row.exit_status) == expected
    assert row.output == content


def test_a_result_without_its_call_is_kept_as_a_message() -> None:
    [message] = session_of(result("u1", 1, "t-gone", "late output")).messages()
    assert (message.role, message.text, message.external_id) == ("tool", "late output", "t-gone")


def test_a_call_that_the_run_went_on_without_is_unanswered() -> None:
    session = session_of(
        user("u1", 0, "Go"), assistant("a1", 1, call("t1", "Bash")), user("u2", 2, "Never mind"),
        assistant("a2", 3, text("Fine.")), following=True,
    )  # fmt: skip
    assert session.calls()[0].status == "unanswered"
    assert session.facts.status == "idle"


def test_an_answer_that_comes_without_a_result_leaves_the_call_unanswered() -> None:
    session = session_of(
        assistant("a1", 1, call("t1", "Bash")), assistant("a2", 3, text("Fine.")), following=True
    )
    assert session.calls()[0].status == "unanswered"
    assert session.facts.status == "idle"


@pytest.mark.parametrize(
    ("block", "kind", "title"),
    [
        (call("t", "Bash", command="git   status\n-s", description="Look"), "shell", "git status -s"),
        (call("t", "BashOutput", bash_id="bash_1"), "shell", "bash_1"),
        (call("t", "KillShell", shell_id="bash_1"), "shell", "bash_1"),
        (call("t", "Read", file_path="/a/b.py", limit=3), "read", "/a/b.py"),
        (call("t", "Write", content="x" * 500, file_path="/a/b.py"), "write", "/a/b.py"),
        (call("t", "MultiEdit", file_path="/a/b.py", edits=[]), "edit", "/a/b.py"),
        (call("t", "NotebookEdit", notebook_path="/n.ipynb", new_source="1"), "edit", "/n.ipynb"),
        (call("t", "Grep", pattern="def x", path="src"), "search", "def x in src"),
        (call("t", "Glob", pattern="**/*.py"), "search", "**/*.py"),
        (call("t", "WebFetch", url="https://example.org", prompt="Read"), "web", "https://example.org"),
        (call("t", "WebSearch", query="django 6.1"), "web", "django 6.1"),
        (call("t", "Task", description="Find it", prompt="Look for it"), "agent", "Find it"),
        (call("t", "Workflow", scriptPath="/w.js"), "agent", "/w.js"),
        (
            call("t", "TodoWrite", todos=[DONE, {"status": "in_progress", "content": "B"}]),
            "plan",
            "1 of 2 done: B",
        ),
        (call("t", "ExitPlanMode", plan="# Plan\nDo"), "plan", "# Plan Do"),
        (call("t", "mcp__db__query", sql="select 1", limit=5, deep={}), "other", "sql: select 1, limit: 5"),
        (call("t", "AskUserQuestion", questions=[{"question": "Which?"}]), "other", "Which?"),
        ({"type": "tool_use", "id": "t", "name": "Odd", "input": [1, 2]}, "other", ""),
    ],
)  # fmt: skip
def test_tools_have_a_kind_and_a_title(block: dict[str, Any], kind: str, title: str) -> None:
    [row] = session_of(assistant("a1", 0, block)).calls()
    assert (row.kind, row.title) == (kind, title)
