"""Codex rollouts: real files, and how a file is known and named."""

import json
import random

import pytest

from dashboard.lib.clock import ms_to_iso
from sessions_app.drafts import Place, SourceFacts, Tokens
from sessions_app.importers.codex import FORMAT
from tests.sessions_app.importers.codex_records import (
    BIG,
    CHILD,
    FILES,
    GRANDCHILD,
    SMALL,
    THREAD,
    item,
    line,
    meta,
    read,
    read_file,
    roles,
    rollout,
    said,
    stamp,
)
from tests.sessions_app.importers.driving import drive

# Nothing here reaches a database.
pytestmark = pytest.mark.once


def test_a_real_rollout_comes_to_its_known_counts() -> None:
    outcome = read_file(rollout("sessions", BIG))
    session = outcome.only.facts
    assert (outcome.skipped, outcome.unknown) == ([], [])
    assert session.external_id == THREAD
    assert session.turns == 33
    assert roles(outcome) == {"assistant": 255, "developer": 45, "user": 46}
    assert len(outcome.only.messages(kind="prompt")) == 38
    assert [call.status for call in outcome.only.calls()] == ["completed"] * 365
    assert all(call.result_place and call.output and call.ended_ms for call in outcome.only.calls())
    assert outcome.only.runs["main"].tokens == Tokens(
        input=33_810_485, output=133_999, cache_read=31_621_504, total=33_944_484
    )
    (compaction,) = [found for found in outcome.only.events() if found.kind == "session.compacted"]
    assert json.loads(compaction.document)["replacement_items"] == 40
    assert (session.status, session.status_evidence) == (
        "idle",
        "turn completed, recorded 2026-02-24T12:09:44.294Z",
    )
    assert (session.cwd, session.branch, session.model) == (
        "/redacted/path/59b923df4d",
        "main",
        "gpt-5.3-codex",
    )
    assert (session.agent_version, session.first_prompt[:20]) == ("0.104.0-alpha.1", "[REDACTED_TEXT len=3")


def test_the_other_real_rollout_has_one_turn_of_118_tool_calls() -> None:
    outcome = read_file(rollout("sessions", SMALL))
    assert (outcome.only.facts.turns, len(outcome.only.calls()), roles(outcome)["assistant"]) == (1, 118, 17)
    assert {call.turn for call in outcome.only.calls()} == {1}
    assert outcome.only.runs["main"].tokens.total == 1_766_028
    assert all(message.kind == "context" for message in outcome.only.messages() if message.turn == 0)


def test_each_row_says_where_it_stands_in_the_file() -> None:
    path = rollout("sessions", SMALL)
    content = path.read_bytes()
    for row in read_file(path).only.rows:
        assert row.place is not None
        text = content[row.place.offset : row.place.offset + row.place.size]
        assert text.endswith(b"\n")
        assert content[: row.place.offset].count(b"\n") == row.place.line - 1
        assert json.loads(text)["timestamp"] == ms_to_iso(row.at_ms)


def test_a_subagent_is_a_run_of_its_parents_session() -> None:
    session = read_file(rollout("misc", "agentsview-traex-rollout_subagent.jsonl")).only
    thread, parent = "019fbcca-9fd4-7d20-83dc-0762b2f839b3", "019fbc4a-48b9-7472-a0da-6d92901383db"
    facts = session.facts
    assert (facts.external_id, facts.turns, facts.title, facts.first_prompt) == (parent, 0, "", "")
    run, child = session.runs[thread], session.runs["019fbcd0-1111-7000-8000-000000000001"]
    assert (run.kind, run.parent, run.agent_name, run.title) == ("subagent", "main", "explorer", "Averroes")
    assert (run.status, run.input) == ("completed", "Explore the parser package.")
    assert run.output == "The provider facade owns discovery and parsing."
    assert run.tokens == Tokens(input=4200, output=180, cache_read=3600, total=4380)
    assert (child.parent, child.spawned_by, child.agent_name) == (thread, "call_spawn_1", "explorer")
    assert (child.title, child.input) == ("Sartre", "Summarize the provider facade.")
    assert {row.run for row in session.rows} == {thread}


def test_a_spawning_call_names_the_run_that_it_started() -> None:
    outcome = read_file(rollout("misc", "agentsview-traex-rollout_subagent.jsonl"))
    children = {call.call_id: call.child_run for call in outcome.only.calls()}
    assert children == {
        "call_spawn_1": "019fbcd0-1111-7000-8000-000000000001",
        "call_wait_1": "",
        "call_exec_1": "",
    }


def test_prompts_that_only_events_tell_and_outputs_that_are_objects_are_read() -> None:
    outcome = read_file(rollout("misc", "es617-fixture-codex.jsonl"))
    assert (roles(outcome), outcome.only.facts.turns) == ({"user": 3, "assistant": 5}, 3)
    assert outcome.only.facts.first_prompt == "list files here"
    shell, patch, _ = outcome.only.calls()
    assert (shell.kind, shell.title, shell.exit_status) == ("shell", "ls", 0)
    assert shell.output.startswith("Chunk ID: abc\n")
    assert (patch.kind, patch.title, patch.exit_status) == (
        "edit",
        patch.input.split("Add File: ")[1].split("\n")[0],
        0,
    )
    assert patch.output == "Success. Updated the following files:\nA /tmp/hello.txt\n"


@pytest.mark.parametrize("name", FILES, ids=lambda name: name[1])
def test_a_batch_may_end_after_any_line(name: tuple[str, str]) -> None:
    path = rollout(*name)
    whole = read_file(path)
    every_line = read_file(path, cuts=range(1, 10_000))
    assert every_line == whole


def test_a_big_file_may_be_cut_anywhere() -> None:
    path = rollout("sessions", BIG)
    whole, choose = read_file(path), random.Random(7)
    for _ in range(3):
        assert read_file(path, cuts={choose.randrange(1, 2722) for _ in range(60)}) == whole


def test_what_is_remembered_between_batches_stays_small() -> None:
    parser = FORMAT.parser(SourceFacts("x.jsonl"), {})
    for number, content in enumerate(rollout("sessions", BIG).read_bytes().splitlines(), 1):
        parser.feed(content, Place(0, len(content), number))
    assert len(json.dumps(parser.state())) < 40_000


def test_plain_archived_and_compressed_twins_name_the_same_rows() -> None:
    content = rollout("sessions", SMALL).read_bytes()
    keys = []
    for folder in ("sessions/2026/02/23/", "archived_sessions/"):
        for ending in ("", ".zst"):
            outcome = drive(FORMAT, content, f"/home/a/.codex/{folder}{SMALL}{ending}")
            keys.append([(row.key, row.at_ms) for row in outcome.only.rows])
    assert keys[0] == keys[1] == keys[2] == keys[3]


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        (
            "a/rollout-x.jsonl",
            b'{"timestamp":"2026-01-01T00:00:00Z","type":"event_msg","payload":{}}\n',
            True,
        ),
        ("a/renamed.jsonl.zst", b'broken\n{"type":"session_meta","payload":{"id":"x"}}\n', True),
        (f"a/{SMALL}", b'{"id":"x","timestamp":"2025-05-01T00:00:00Z"}\n{"record_type":"state"}\n', True),
        (f"a/{SMALL}", b"\x00\x01binary", True),
        (f"a/{SMALL}", b" \n", False),
        ("a/b.jsonl", b"\x00\x01binary", False),
        ("a/b.jsonl", b'{"type":"user","sessionId":"x","message":{"role":"user"}}\n', False),
        ("a/b.jsonl", b'{"role":"user","content":"hi"}\n', False),
        ("a/b.json", b'{"type":"session_meta","payload":{"id":"x"}}', False),
        ("a/b.jsonl", b"", False),
    ],
)
def test_rollouts_are_recognised_by_what_they_hold_or_are_called(
    path: str, head: bytes, expected: bool
) -> None:
    assert FORMAT.recognises(path, head) is expected


def test_a_head_that_ends_within_its_first_line_is_recognised() -> None:
    first = json.dumps(meta(base_instructions={"text": "x" * 100_000}), separators=(",", ":")).encode()
    assert FORMAT.recognises("a/b.jsonl", first[: 64 * 1024])


def test_histories_are_looked_for_where_codex_keeps_them() -> None:
    assert FORMAT.default_roots({}, "/home/ada") == [
        "/home/ada/.codex/sessions",
        "/home/ada/.codex/archived_sessions",
    ]
    assert FORMAT.default_roots({"CODEX_HOME": "/x"}, "/home/ada") == ["/x/sessions", "/x/archived_sessions"]


def test_without_session_meta_the_name_and_the_turn_context_tell_whose_file_it_is() -> None:
    outcome = read(
        line(1, "turn_context", cwd="/elsewhere", model="gpt-5"),
        said(2, "user", "hello"),
        path=f"/x/rollout-2026-02-23T12-54-34-{THREAD}.jsonl.zst",
    )
    assert (outcome.only.facts.external_id, outcome.only.facts.cwd, outcome.only.facts.model) == (
        THREAD,
        "/elsewhere",
        "gpt-5",
    )


def test_a_file_without_any_id_is_known_by_its_name() -> None:
    assert read(said(1, "user", "hello"), path="/x/some.jsonl").only.facts.external_id == "some"


def test_the_first_versions_bare_records_are_read() -> None:
    outcome = read(
        {"id": THREAD, "timestamp": stamp(0), "instructions": None},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        {
            "type": "function_call",
            "name": "shell",
            "arguments": '{"command":["bash","-lc","ls -a"]}',
            "call_id": "c",
        },
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": '{"output":"no","metadata":{"exit_code":2}}',
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]},
    )
    assert (outcome.only.facts.external_id, outcome.only.facts.turns, outcome.skipped) == (THREAD, 1, [])
    (call,) = outcome.only.calls()
    assert (call.title, call.output, call.exit_status, call.status) == ("ls -a", "no", 2, "failed")


def test_a_chain_of_subagents_joins_the_session_that_it_can_know() -> None:
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": CHILD, "depth": 2}}}
    unknown_root = read(meta(GRANDCHILD, source=spawn), said(1, "user", "go")).only
    assert (unknown_root.facts.external_id, unknown_root.runs[GRANDCHILD].parent) == (CHILD, "main")
    named_root = read(meta(GRANDCHILD, source=spawn, session_id=THREAD), said(1, "user", "go")).only
    assert (named_root.facts.external_id, named_root.runs[GRANDCHILD].parent) == (THREAD, CHILD)


def test_a_spawning_call_that_only_answers_with_the_thread_links_it() -> None:
    outcome = read(
        meta(),
        item(1, "function_call", name="spawn_agent", arguments='{"message":"look"}', call_id="c"),
        item(
            2, "function_call_output", call_id="c", output=json.dumps({"agent_id": CHILD, "nickname": "Ada"})
        ),
    )
    assert outcome.only.calls()[0].child_run == CHILD
    child = outcome.only.runs[CHILD]
    assert (child.parent, child.spawned_by, child.agent_name) == ("main", "c", "Ada")
