"""Subagents in all the places where Claude Code has kept them, forks, and which files are its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sessions_app.drafts import MAIN_RUN, Draft, SourceFacts
from sessions_app.importers.claude_code import FORMAT
from tests.samples import sample
from tests.sessions_app.importers.claude_records import (
    PATH,
    SESSION,
    assistant,
    call,
    read,
    record,
    result,
    session_of,
    text,
    user,
)
from tests.sessions_app.importers.driving import Outcome, drive, drive_file, lines

WORKFLOW = "22220000-0000-4000-8000-000000000002"
SHOWN = "55550000-0000-4000-8000-000000000001"
FOLDER = PATH.removesuffix(".jsonl")


def side(uuid: str, second: int, prompt: str, parent: str | None = None) -> dict[str, Any]:
    return user(uuid, second, prompt, isSidechain=True, parentUuid=parent)


def test_a_subagent_beside_its_parent_attaches_to_the_session_of_its_records() -> None:
    outcome = drive_file(
        FORMAT, sample("claude-code", "projects", "sample-project", "agent-test-hash-123.jsonl")
    )
    session = outcome.sessions["5c0375b4-57a5-4f26-b12d-d022ee4e51b7"]
    assert set(session.runs) == {MAIN_RUN, "test-hash-123"}
    run = session.runs["test-hash-123"]
    assert (run.kind, run.parent, run.status, run.input) == (
        "subagent",
        MAIN_RUN,
        "completed",
        "Run the test suite",
    )
    assert run.output == "I'll run the test suite for you."
    assert session.facts.status is None
    assert session.facts.turns == 0


def test_a_sidecar_names_a_subagent_and_the_call_that_started_it(tmp_path: Path) -> None:
    transcript = sample("claude-code", "subagents-2.1", SHOWN, "subagents", "agent-showcol1.jsonl")
    folder = tmp_path / SHOWN / "subagents"
    folder.mkdir(parents=True)
    shutil.copy(transcript, folder)
    shutil.copy(sample("synthetic", "claude-code", "agent-showcol1.meta.json"), folder)
    run = drive_file(FORMAT, folder / transcript.name).sessions[SHOWN].runs["showcol1"]
    assert (run.agent_name, run.title, run.spawned_by, run.parent) == (
        "Explore", "Survey src/web", "toolu_01demo", MAIN_RUN,
    )  # fmt: skip


@pytest.mark.parametrize("sidecar", [b"", b"[]", b"\xff\x00", b'{"toolUseId": 7, "spawnDepth": "deep"}'])
def test_a_broken_sidecar_costs_nothing_but_its_facts(sidecar: bytes) -> None:
    transcript = sample("claude-code", "subagents-2.1", SHOWN, "subagents", "agent-showcol1.jsonl")
    outcome = drive_file(FORMAT, transcript, companions={"agent-showcol1.meta.json": sidecar})
    assert outcome.sessions[SHOWN].runs["showcol1"].status == "completed"


def test_a_nested_subagent_lies_below_the_agent_that_its_sidecar_names() -> None:
    for facts, parent in (({"spawnDepth": 2, "parentAgentId": "a1"}, "a1"), ({"spawnDepth": 2}, None)):
        companions = {"agent-b2.meta.json": json.dumps(facts).encode()}
        content = lines([user("u1", 0, "Dig", isSidechain=True, agentId="b2")])
        outcome = drive(FORMAT, content, f"{FOLDER}/subagents/agent-b2.jsonl", companions=companions)
        assert outcome.sessions[SESSION].runs["b2"].parent == parent


def test_a_workflow_its_agent_and_its_journal_are_one_session_in_any_order() -> None:
    folder = sample("claude-code", "subagents-2.1")
    files = [
        folder / f"{WORKFLOW}.jsonl",
        folder / WORKFLOW / "subagents" / "workflows" / "wf_sp01" / "agent-agsp0001.jsonl",
        folder / WORKFLOW / "subagents" / "workflows" / "wf_sp01" / "journal.jsonl",
    ]
    for order in (files, files[::-1]):
        outcome = Outcome()
        for path in order:
            drive_file(FORMAT, path, outcome=outcome)
        session = outcome.only
        assert set(session.runs) == {MAIN_RUN, "agsp0001"}
        run = session.runs["agsp0001"]
        assert (run.status, run.agent_name, run.parent) == ("completed", "workflow", MAIN_RUN)
        assert run.output == "Batch a and b swept; 2 stale pages flagged."
        assert len(session.messages()) == 5
        assert [row.status for row in session.calls(kind="agent")] == ["completed", "completed"]
        assert not outcome.skipped + outcome.unknown


def test_a_journal_without_a_result_leaves_the_run_as_it_is() -> None:
    path = f"{FOLDER}/subagents/workflows/wf1/journal.jsonl"
    outcome = drive(
        FORMAT, b'{"type":"started","key":"k","agentId":"a1"}\n{"type":"paused","agentId":"a1"}\n', path
    )
    assert outcome.only.runs["a1"].status is None
    assert [reason for _, reason in outcome.unknown] == ['journal entry of unknown type "paused"']


def test_a_result_in_the_journal_completes_a_run_whose_transcript_breaks_off() -> None:
    folder = f"{FOLDER}/subagents/workflows/wf1"
    outcome = drive(FORMAT, lines([user("u1", 0, "Dig", isSidechain=True)]), f"{folder}/agent-a1.jsonl")
    assert outcome.only.runs["a1"].status == "unfinished"
    entry = {"type": "result", "key": "k", "agentId": "a1", "result": {"found": 2}}
    drive(FORMAT, lines([entry]), f"{folder}/journal.jsonl", outcome=outcome)
    run = outcome.only.runs["a1"]
    assert (run.status, run.output) == ("completed", '{"found":2}')
    assert run.status_evidence == "result in the workflow's journal, line 1"


def test_a_subagents_own_file_names_its_parent_once_as_the_caller_may_know_better() -> None:
    content = lines(
        [user("u1", 0, "Dig", isSidechain=True), assistant("a1", 1, text("Dug."), isSidechain=True)]
    )
    parents: list[Draft] = []
    outcome = Outcome()
    drive(FORMAT, content, f"{FOLDER}/agent-a1.jsonl", cuts={1}, outcome=outcome, on_batch=parents.append)
    assert [batch.sessions[SESSION].runs["a1"].parent for batch in parents] == [MAIN_RUN, None]


def test_an_inline_run_keeps_the_caller_that_an_earlier_batch_found() -> None:
    records = [
        assistant("a1", 0, call("t1", "Task", prompt="Outer")),
        side("s1", 1, "Outer"),
        assistant("b1", 2, call("t2", "Task", prompt="Inner"), isSidechain=True, parentUuid="s1"),
        side("s2", 3, "Inner"),
        assistant("c1", 4, text("Hm."), isSidechain=True, parentUuid="s2"),
    ]
    for cut in range(1, 5):
        assert session_of(*records, cuts={cut}).runs["s2"].parent == "s1"


def test_equal_prompts_are_given_to_their_calls_in_order() -> None:
    session = session_of(
        assistant("a1", 0, call("t1", "Task", prompt="Same", description="One"), message_id="m"),
        assistant("a2", 1, call("t2", "Task", prompt=" Same\n", description="Two"), message_id="m"),
        side("s1", 2, "Same"),
        side("s2", 2, "Same"),
        result("u1", 3, "t2", [text("two")]),
        result("u2", 4, "t1", [text("one")], is_error=True),
    )
    children = [run for run in session.runs.values() if run.kind == "subagent"]
    assert [(run.title, run.status, run.output) for run in children] == [
        ("One", "failed", "one"), ("Two", "completed", "two"),
    ]  # fmt: skip
    assert session.runs["s1"].error == "one"


def test_a_sidechain_that_no_call_explains_lies_below_the_main_run() -> None:
    session = session_of(assistant("a1", 0, call("t1", "Task", prompt="Other")), side("s1", 1, "Warmup"))
    assert (session.runs["s1"].parent, session.runs["s1"].spawned_by) == (MAIN_RUN, "")
    assert session.calls()[0].child_run == ""


def test_sidechain_records_whose_parent_is_forgotten_stay_with_the_newest_sidechain() -> None:
    session = session_of(
        side("s1", 0, "Dig"), assistant("a9", 1, text("Hm."), isSidechain=True, parentUuid="lost")
    )
    assert session.messages(role="assistant")[0].run == "s1"


def test_a_sidechain_may_start_another() -> None:
    session = session_of(
        assistant("a1", 0, call("t1", "Task", prompt="Outer")),
        side("s1", 1, "Outer"),
        assistant("b1", 2, call("t2", "Task", prompt="Inner"), isSidechain=True, parentUuid="s1"),
        side("s2", 3, "Inner"),
    )
    assert (session.runs["s2"].parent, session.runs["s2"].spawned_by) == ("s1", "t2")


def test_parent_and_child_in_two_files_are_linked_both_ways_whichever_comes_first() -> None:
    parent = lines([
        user("u1", 0, "Go"),
        assistant("a1", 1, call("t1", "Agent", prompt="Dig", description="Digging", subagent_type="Explore")),
        result("u2", 9, "t1", [text("Found.")], details={"agentId": "x7", "status": "completed"}),
    ])  # fmt: skip
    child = lines([
        user("c1", 2, "Dig", isSidechain=True, agentId="x7"),
        assistant("c2", 8, text("Found."), isSidechain=True, agentId="x7"),
    ])  # fmt: skip
    files = [(parent, PATH), (child, f"{FOLDER}/subagents/agent-x7.jsonl")]
    for order in (files, files[::-1]):
        outcome = Outcome()
        for content, path in order:
            drive(FORMAT, content, path, outcome=outcome)
        session = outcome.only
        assert set(session.runs) == {MAIN_RUN, "x7"}
        run = session.runs["x7"]
        assert (run.title, run.agent_name, run.spawned_by, run.output) == (
            "Digging",
            "Explore",
            "t1",
            "Found.",
        )
        assert session.calls()[0].child_run == "x7"
        assert [row.run for row in session.messages()].count("x7") == 2
        assert (session.facts.status, session.facts.cwd) == ("unfinished", "/home/dev/app")


def test_progress_links_a_subagent_while_it_still_works() -> None:
    session = session_of(
        assistant("a1", 0, call("t1", "Task", prompt="Dig", description="Digging")),
        record("progress", "p1", 1, parentToolUseID="t1", data={"type": "agent_progress", "agentId": "x7"}),
        following=True,
    )
    assert session.runs["x7"].spawned_by == "t1"
    assert session.calls()[0].child_run == "x7"


def test_an_agent_in_the_background_ends_with_its_notification() -> None:
    records = [
        assistant("a1", 0, call("t1", "Agent", prompt="Dig")),
        result(
            "u1", 1, "t1", "launched", details={"agentId": "x7", "isAsync": True, "status": "async_launched"}
        ),
    ]
    session = session_of(*records)
    assert session.calls()[0].status == "completed"
    assert session.runs["x7"].status is None
    note = "<task-notification>\n<task-id>x7</task-id>\n<status>killed</status>\n</task-notification>"
    queued = record("queue-operation", None, 5, operation="enqueue", content=note)
    session = session_of(*records, queued)
    assert (session.runs["x7"].status, session.runs["x7"].error) == ("cancelled", "")
    assert [event.text for event in session.events()] == ["Background task x7 killed"]


def test_a_run_that_goes_on_after_its_result_is_open_again() -> None:
    session = session_of(
        assistant("a1", 0, call("t1", "Task", prompt="Dig")),
        side("s1", 1, "Dig"),
        result("u1", 2, "t1", "done"),
        assistant("b1", 3, call("t9", "Bash"), isSidechain=True, parentUuid="s1"),
    )
    assert session.runs["s1"].status == "unfinished"


def fork(*records: dict[str, Any], session: str = "fork", **more: Any) -> list[dict[str, Any]]:
    return [entry | {"sessionId": session} | more for entry in records]


ANSWER = [
    user("u1", 0, "Go"),
    assistant("a1", 1, text("One."), message_id="m", output=5),
    assistant("a2", 2, text("Two."), message_id="m", output=50),
]


def test_a_fork_writes_the_records_it_repeats_once_and_names_its_origin() -> None:
    outcome = read(*ANSWER)
    more = fork(*ANSWER, forkedFrom={"sessionId": SESSION, "messageUuid": "a2"}) + fork(user("u9", 9, "On"))
    read(*more, path="/p/fork.jsonl", outcome=outcome)
    assert [row.text for row in outcome.sessions["fork"].messages()] == ["On"]
    assert outcome.sessions["fork"].facts.parent_external_id == SESSION
    assert outcome.sessions["fork"].facts.first_prompt == "Go"
    assert outcome.sessions["fork"].tokens.total == 0
    assert outcome.sessions[SESSION].tokens.output == 50


@pytest.mark.parametrize("cuts", [{1, 2}, {2}, {1, 2, 3}])
def test_a_repeated_answer_cut_by_a_batch_is_not_added_twice(cuts: set[int]) -> None:
    outcome = read(*ANSWER)
    read(*fork(*ANSWER), path="/p/fork.jsonl", outcome=outcome, cuts=cuts)
    [reply] = outcome.sessions[SESSION].messages(role="assistant")
    assert (reply.text, reply.output_tokens) == ("One.\n\nTwo.", 50)
    assert sum(session.tokens.output for session in outcome.sessions.values()) == 50


def test_a_file_that_goes_on_under_another_id_is_a_fork_of_the_first() -> None:
    outcome = read(*ANSWER, *fork(user("u9", 9, "On", parentUuid="a2")), path="/p/x.jsonl")
    assert outcome.sessions["fork"].facts.parent_external_id == SESSION
    assert outcome.sessions[SESSION].facts.parent_external_id == ""


def recognised(path: str, *entries: Any) -> bool:
    return FORMAT.recognises(path, lines(entries))


@pytest.mark.parametrize(
    "path", sorted(path for path in sample("claude-code").rglob("*.jsonl")), ids=lambda path: path.name[:24]
)
def test_every_sample_is_recognised_wherever_it_lies(path: Path) -> None:
    head = path.read_bytes()[:65_536]
    name = path.name if path.name == "journal.jsonl" else "copy.jsonl"
    assert FORMAT.recognises(f"/elsewhere/{name}", head)
    assert FORMAT.recognises(str(path), head)


def test_other_formats_are_left_to_others() -> None:
    for folder in ("codex", "gemini", "opencode", "otel-genai", "asciicast", "synthetic/picoclaw"):
        for path in sample(*folder.split("/")).rglob("*.json*"):
            assert not FORMAT.recognises(str(path), path.read_bytes()[:65_536]), path
    assert not recognised(
        "/p/history.jsonl", {"display": "x", "timestamp": 1, "project": "/p", "sessionId": "s"}
    )
    assert not recognised("/p/x.jsonl", {"type": "user", "content": "x", "id": "1"})
    assert not FORMAT.recognises("/p/x.jsonl", b"\x00\xff garbage\n")
    assert not FORMAT.recognises("/p/x.jsonl", b"")
    assert not recognised("/p/journal.jsonl", user("u1", 0, "Go"))


def test_a_first_line_longer_than_the_head_is_recognised_by_its_beginning() -> None:
    assert FORMAT.recognises("/p/x.jsonl", lines([user("u1", 0, "x" * 100_000)])[:65_536].replace(b"\n", b""))


def test_an_empty_or_broken_file_among_transcripts_is_a_transcript() -> None:
    assert FORMAT.recognises(PATH, b"")
    assert FORMAT.recognises(PATH, b"\x00\xff\n")
    assert FORMAT.recognises(f"{FOLDER}/subagents/agent-1.jsonl", b"")
    assert not FORMAT.recognises("/home/dev/.claude/projects/-p/sessions-index.json", b'{"version": 1}')
    assert not FORMAT.recognises(PATH, b'{"version": 1}\n')


def test_a_broken_line_does_not_hide_the_format() -> None:
    assert FORMAT.recognises("/p/x.jsonl", b"{broken\n" + lines([user("u1", 0, "Go")]))


def test_roots_follow_the_configuration_folder() -> None:
    assert FORMAT.default_roots({}, "/home/dev") == ["/home/dev/.claude/projects"]
    assert FORMAT.default_roots({"CLAUDE_CONFIG_DIR": "/conf/"}, "/home/dev") == ["/conf/projects"]


def test_only_subagents_have_a_sidecar() -> None:
    assert FORMAT.companions(PATH) == []
    assert FORMAT.companions("/p/agent-a1.jsonl.zst") == ["/p/agent-a1.meta.json"]


def test_the_parser_of_a_journal_is_chosen_by_its_name() -> None:
    path = f"{FOLDER}/subagents/workflows/wf1/journal.jsonl"
    assert type(FORMAT.parser(SourceFacts(path), {})).__name__ == "JournalParser"
