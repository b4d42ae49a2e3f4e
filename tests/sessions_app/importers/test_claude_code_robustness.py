"""Hostile lines raise SkipLine and nothing else, and it does not matter where a batch ends."""

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.drafts import Place, SkipLine, SourceFacts
from sessions_app.importers.claude_code import FORMAT
from sessions_app.importers.claude_code.memory import CALL_LIMIT, MESSAGE_LIMIT, RUN_LIMIT, SEEN_LIMIT
from tests.endurance.sizes import full_or
from tests.samples import sample
from tests.sessions_app.importers.claude_records import (
    PATH,
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
from tests.sessions_app.importers.driving import Outcome, drive, lines

# Nothing here reaches a database.
pytestmark = pytest.mark.once

DEEP = b"[" * 200_000 + b"]" * 200_000
FILE = {"type": "file", "filename": "a", "content": {"type": "text", "file": {"content": "x"}}}
DONE = {"content": "A", "status": "completed"}
KILLED = "<task-notification><task-id>s1</task-id><status>killed</status></task-notification>"
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
# One of every kind, each with the fields that the parser looks into.
EVERY_KIND: list[dict[str, Any]] = [
    {"type": "summary", "summary": "Early", "leafUuid": "u1"},
    {"type": "file-history-snapshot", "messageId": "u1", "isSnapshotUpdate": False,
     "snapshot": {"messageId": "u1", "trackedFileBackups": {"a.py": {"version": 1}}, "timestamp": at(0)}},
    user("u1", 0, [text("<system-reminder>x</system-reminder>"), text("Go"), PICTURE], promptSource="typed",
         origin={"kind": "human"}),
    assistant("a1", 1, {"type": "thinking", "thinking": "Hm."}, message_id="m1", output=1),
    assistant("a2", 2, text("I look."), message_id="m1", output=4),
    assistant("a3", 3, call("t1", "Task", prompt="Dig", description="Digging"), message_id="m1", output=90,
              stop_reason="tool_use"),
    assistant("a4", 4, call("t2", "Bash", command="ls"), message_id="m1", output=90),
    record("progress", "p1", 4, parentToolUseID="t1", data={"type": "bash_progress", "agentId": ""}),
    user("s1", 5, "Dig", isSidechain=True),
    assistant("s2", 6, text("Dug."), isSidechain=True, parentUuid="s1", output=7),
    assistant("s3", 7, call("t3", "TodoWrite", todos=[DONE]), isSidechain=True, parentUuid="s2"),
    result("s4", 8, "t3", "ok", isSidechain=True, parentUuid="s3"),
    assistant("s5", 9, text("Done digging."), isSidechain=True, parentUuid="s4", stop_reason="end_turn"),
    result("u2", 10, "t1", [text("Done digging."), PICTURE, {"type": "tool_reference"}],
           details={"content": [], "totalTokens": 9, "agentId": "", "status": "completed"}),
    result("u3", 11, "t2", "Exit code 2\nbad", is_error=True, details="Error: Exit code 2"),
    record("system", "y1", 12, subtype="api_error", error={"status": 529, "error": {"message": "x"}},
           retryAttempt=1, maxRetries=10),
    record("system", "y2", 13, subtype="compact_boundary", compactMetadata={"trigger": "auto"}),
    user("u4", 14, "This session is continued", isCompactSummary=True),
    record("system", "y3", 15, subtype="turn_duration", durationMs=9),
    record("system", "y4", 16, subtype="stop_hook_summary", hookInfos=[{"command": "x"}], hookErrors=[]),
    record("system", "y5", 17, subtype="away_summary", content="Away"),
    record("system", "y6", 18, subtype="bridge_status", content="On", url="https://example.org"),
    record("attachment", "x1", 19, attachment={"type": "queued_command", "prompt": "More"}),
    record("attachment", "x2", 20, attachment=FILE),
    record("attachment", "x3", 21, attachment={"type": "goal_status", "met": False, "condition": "x"}),
    record("queue-operation", None, 22, operation="enqueue", content=KILLED),
    {"type": "custom-title", "customTitle": "Mine", "sessionId": SESSION},
    {"type": "ai-title", "aiTitle": "Made", "sessionId": SESSION},
    {"type": "agent-name", "agentName": "lead", "sessionId": SESSION},
    {"type": "permission-mode", "permissionMode": "plan", "sessionId": SESSION},
    {"type": "mode", "mode": "normal", "sessionId": SESSION},
    {"type": "pr-link", "prNumber": 1, "prUrl": "x", "prRepository": "a/b", "sessionId": SESSION,
     "timestamp": at(23)},
    assistant("e1", 24, text("API Error: 500"), message={"model": "<synthetic>"}, isApiErrorMessage=True),
    user("u5", 25, "[Request interrupted by user]"),
    user("f1", 26, "Forked", sessionId="fork", parentUuid="u5", forkedFrom={"sessionId": SESSION}),
    assistant("f2", 27, call("t9", "Bash", command="x"), sessionId="fork"),
]  # fmt: skip

SAMPLES = [
    sample("claude-code", "misc", "polylogue-claude-normalization-main.jsonl"),
    sample("claude-code", "misc", "happy-rate-limit.jsonl"),
    sample("claude-code", "projects", "sample-project", "1af7fc5e-8455-4414-9ccd-011d40f70b2a.jsonl"),
    sample("claude-code", "projects", "sample-project", "agent-test-hash-123.jsonl"),
    sample("claude-code", "subagents-2.1", "22220000-0000-4000-8000-000000000002.jsonl"),
]


def told(outcome: Outcome) -> dict[str, Any]:
    """Everything that was written."""
    return {
        key: {
            "facts": asdict(session.facts), "runs": {name: asdict(run) for name, run in session.runs.items()},
            "rows": [(type(row).__name__, asdict(row)) for row in session.rows], "spent": session.spent,
        }
        for key, session in outcome.sessions.items()
    }  # fmt: skip


def count_lines(content: bytes) -> int:
    return content.count(b"\n")


@pytest.mark.parametrize("following", [False, True])
def test_a_batch_may_end_after_any_record(following: bool) -> None:
    content = lines(EVERY_KIND)
    whole = told(drive(FORMAT, content, PATH, following=following))
    for cut in range(1, len(EVERY_KIND)):
        assert told(drive(FORMAT, content, PATH, cuts={cut}, following=following)) == whole, (
            f"cut after {cut}"
        )
    every = set(range(1, len(EVERY_KIND)))
    assert told(drive(FORMAT, content, PATH, cuts=every, following=following)) == whole


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name[:20])
def test_a_batch_may_end_after_any_line_of_a_sample(path: Path) -> None:
    content = path.read_bytes()
    whole = told(drive(FORMAT, content, str(path)))
    for cut in range(1, count_lines(content)):
        assert told(drive(FORMAT, content, str(path), cuts={cut})) == whole, f"cut after line {cut}"
    assert told(drive(FORMAT, content, str(path), cuts=range(1, count_lines(content)))) == whole


def test_the_real_session_comes_out_the_same_wherever_its_batches_end() -> None:
    path = sample("claude-code", "projects", "sample-project", "fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl")
    content = path.read_bytes()
    whole = told(drive(FORMAT, content, str(path)))
    size = count_lines(content)
    assert told(drive(FORMAT, content, str(path), cuts=range(1, size))) == whole
    chance = random.Random(7)
    for _ in range(12):
        cuts = set(chance.sample(range(1, size), chance.choice((1, 2, 5, 40))))
        assert told(drive(FORMAT, content, str(path), cuts=cuts)) == whole, sorted(cuts)


def test_reading_a_file_twice_writes_nothing_more() -> None:
    outcome = read(*EVERY_KIND)
    rows = {key: len(session.rows) for key, session in outcome.sessions.items()}
    spent = {key: session.tokens for key, session in outcome.sessions.items()}
    read(*EVERY_KIND, outcome=outcome)
    assert {key: len(session.rows) for key, session in outcome.sessions.items()} == rows
    assert {key: session.tokens for key, session in outcome.sessions.items()} == spent


def test_what_is_remembered_is_bounded() -> None:
    many = []
    for number in range(5_000):
        answer = "m" if number > 2_500 else None
        many.append(assistant(f"a{number}", 1, call(f"t{number}", "Bash"), message_id=answer))
        many.append(user(f"s{number}", 2, f"Dig {number}", isSidechain=True))
    outcome = read(*many)
    [[_, state]] = outcome.state["sessions"]
    assert sum(len(uuids) for *_, uuids in outcome.state["seen"]) == SEEN_LIMIT
    assert len(state["calls"]) == CALL_LIMIT
    assert len(state["messages"]) == MESSAGE_LIMIT
    assert len(state["runs"]) == RUN_LIMIT
    assert len(json.dumps(outcome.state)) < 1_000_000
    assert {row.status for row in outcome.only.calls()} == {"unanswered"}
    assert all(run.status for run in outcome.only.runs.values())


def feed_alone(line: bytes) -> None:
    """Feed the line between others, and go on from the parser's state. Only SkipLine may rise."""
    facts = SourceFacts(PATH, {}, 1)
    parser = FORMAT.parser(facts, {})
    for number, entry in enumerate(EVERY_KIND[:8], start=1):
        parser.feed(json.dumps(entry).encode(), Place(number, 1, number))
    told_reason = "nothing was wrong"
    try:
        parser.feed(line, Place(99, len(line), 99))
    except SkipLine as reason:
        told_reason = str(reason)
    assert 0 < len(told_reason) < 500
    parser.close_batch(following=True)
    state = json.loads(json.dumps(parser.state()))
    again = FORMAT.parser(facts, state)
    for number, entry in enumerate(EVERY_KIND[8:], start=100):
        again.feed(json.dumps(entry).encode(), Place(number, 1, number))
    again.close_batch(following=False)


ODD_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    [
        "\x00",
        "\ud800",
        "\udc00\ud800",
        "<command-name>",
        "<task-notification>",
        "0001-01-01T00:00:00Z",
        "9" * 400,
    ]
)
ODD_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=6,
)


def places_in(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [before] if before else []
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        found += places_in(inner, (*before, key))
    return found


@settings(max_examples=full_or(600, 150))
@given(data=st.data())
def test_any_value_in_any_place_of_any_record_is_survived(data: st.DataObject) -> None:
    entry = json.loads(json.dumps(data.draw(st.sampled_from(EVERY_KIND))))
    if "uuid" in entry:
        # A record that was met before would not be looked at.
        entry["uuid"] = "new"
    for place in data.draw(st.lists(st.sampled_from(places_in(entry)), min_size=1, max_size=3)):
        holder = entry
        try:
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = data.draw(ODD_VALUE)
        except (KeyError, IndexError, TypeError):
            # An earlier change has taken this place away.
            continue
    feed_alone(json.dumps(entry).encode())


@settings(max_examples=300)
@given(st.binary(max_size=200) | ODD_VALUE.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_survived(line: bytes) -> None:
    feed_alone(line.replace(b"\n", b" "))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken", "not valid JSON"),
        (b"[1, 2]", "unexpected shape"),
        (b'"text"', "unexpected shape"),
        (b'{"sessionId": "s"}', "a record without a type"),
        (b'{"type": 7}', "a record without a type"),
        (b'{"type": "user", "message": ' + DEEP + b"}", "nested too deeply"),
        (b'{"type": "system", "data": ' + DEEP + b"}", "nested too deeply"),
        (b'{"type": "user", "message": {"content": "\xff"}}', "not valid JSON"),
        (
            b'{"type": "user", "message": {"content": "x"}, "sessionId": "' + b"s" * 300 + b'"}',
            "the session's id is longer",
        ),
        (b"\x00\x01\x02", "not valid JSON"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_line_that_cannot_be_used_is_skipped_with_its_reason(line: bytes, reason: str) -> None:
    outcome = drive(FORMAT, lines([user("u1", 0, "Go")]) + line + b"\n" + lines([user("u2", 1, "On")]), PATH)
    [(place, told_reason)] = outcome.skipped
    assert told_reason.startswith(reason)
    assert place.line == 2
    assert len(outcome.only.messages()) == 2


def test_without_any_session_a_record_is_skipped() -> None:
    outcome = read(user("u1", 0, "Go", sessionId=None), path="/p/x.jsonl")
    assert [reason for _, reason in outcome.skipped] == ["names no session"]


def test_the_name_of_the_file_stands_in_for_a_missing_session_id() -> None:
    assert read(user("u1", 0, "Go", sessionId=None)).only.facts.external_id == SESSION


def test_lone_surrogates_and_nul_reach_the_text() -> None:
    lone = json.dumps(user("u1", 0, "a\ud800b\x00c \ud83d\ude00 \\ud800")).encode()
    outcome = drive(FORMAT, lone, PATH)
    assert outcome.only.messages()[0].text == "a\ufffdb\x00c \U0001f600 \\ud800"


def test_half_a_surrogate_pair_in_a_call_costs_itself_only() -> None:
    entry = assistant(
        "a1", 0, text("\udfff"), call("t1", "Write", file_path="/a", content="x\ud800 \U0001f600")
    )
    line = json.dumps(entry, separators=(",", ":")).encode()
    [row] = drive(FORMAT, line, PATH).only.calls()
    assert row.input == r'{"file_path":"/a","content":"x\ufffd \ud83d\ude00"}'


def test_a_strange_block_spoils_no_other() -> None:
    session = session_of(assistant("a1", 0, 7, None, text("Kept."), [], {"type": ["text"]}, "Bare."))
    assert session.messages()[0].text == "Kept.\n\n[unknown]\n\nBare."


def test_absurd_times_and_counts_are_no_times_and_counts() -> None:
    usage = {"input_tokens": -5, "output_tokens": "many", "cache_read_input_tokens": 10**30}
    absurd = assistant("a1", 0, text("x"), message={"usage": usage}, timestamp="+275760-09-13T00:00:00.000Z")
    session = session_of(
        user("u1", 3, "Go"), absurd, user("u2", 0, "On", timestamp="0001-01-01T00:00:00.000Z")
    )
    assert len({row.at_ms for row in session.rows}) == 1
    assert session.tokens.total == 0


def test_what_is_no_count_of_tokens_is_remarked_on() -> None:
    odd = {"input_tokens": -5, "output_tokens": "many", "cache_read_input_tokens": 10**18}
    fine = {"input_tokens": 5, "output_tokens": 5.0, "cache_read_input_tokens": None}
    entries = [
        assistant(f"a{at}", at, text("x"), message={"usage": usage}) for at, usage in enumerate((odd, fine))
    ]
    remarks = [remark for _, remark in read(*entries).unknown]
    assert remarks == ["not a count of tokens: input_tokens, output_tokens, cache_read_input_tokens"]


def test_an_id_of_ten_thousand_letters_is_still_one_record() -> None:
    long = "u" * 10_000
    session = session_of(
        user(long, 0, "Go"), user(long, 0, "Go"), assistant("a1", 1, call("t" * 10_000, "Bash"))
    )
    assert len(session.messages(kind="prompt")) == 1
    assert all(len(row.key) < 200 for row in session.rows)
    assert len(session.calls()[0].call_id) < 200
