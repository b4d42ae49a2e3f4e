"""Codex: other records of the timeline, new kinds of records, and hostile input."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.drafts import Place, SkipLine, SourceFacts
from sessions_app.importers.codex import FORMAT, events
from sessions_app.models.transcript import EventKind
from tests.endurance.sizes import full_or
from tests.sessions_app.importers.codex_records import (
    THREAD,
    event,
    item,
    line,
    meta,
    numbered,
    read,
    said,
    stamp,
)
from tests.sessions_app.importers.driving import drive, lines

# Nothing here reaches a database.
pytestmark = pytest.mark.once


def test_events_of_the_session_stand_on_its_timeline() -> None:
    outcome = read(
        meta(),
        line(1, "turn_context", model="a"),
        line(2, "turn_context", model="b"),
        event(3, "thread_name_updated", thread_name="Better name"),
        event(4, "thread_rolled_back", num_turns=2),
        event(5, "entered_review_mode", user_facing_hint="current changes"),
        event(6, "exited_review_mode", review_output={"overall_explanation": "fine"}),
        line(7, "compacted", message="so far", replacement_history=[{}, {}]),
        event(7, "context_compacted"),
        said(8, "assistant", "on"),
        event(9, "context_compacted"),
        event(10, "warning", message="careful"),
    )
    assert [(found.kind, found.text) for found in outcome.only.events()] == [
        ("model.changed", "a → b"),
        ("session.titled", "Better name"),
        ("turn.rolled_back", "2 turns taken back"),
        ("mode.changed", "Review began: current changes"),
        ("mode.changed", "Review ended: fine"),
        ("session.compacted", "so far"),
        ("session.compacted", ""),
        ("record.noted", "careful"),
    ]
    assert outcome.only.facts.title == "Better name"


def test_the_kinds_of_events_are_those_of_the_timeline() -> None:
    folder = Path(events.__file__).parent
    named = re.findall(r'"([a-z_]+\.[a-z_]+)"', "".join(path.read_text() for path in folder.glob("*.py")))
    assert len(named) >= 10
    assert set(named) - {"container.exec"} <= set(EventKind.values)


@pytest.mark.parametrize(
    "record",
    [
        line(1, "world_state", anything=1),
        line(1, "inter_agent_communication_metadata"),
        event(1, "turn_diff", unified_diff="x"),
        item(1, "additional_tools", tools=[]),
    ],
)
def test_records_that_carry_nothing_for_a_reader_leave_no_row(record: dict[str, Any]) -> None:
    outcome = read(meta(), record)
    assert (outcome.only.rows, outcome.skipped, outcome.unknown) == ([], [], [])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (line(1, "brand_new"), "record of the type brand_new"),
        (event(1, "brand_new"), "event of the type brand_new"),
        (item(1, "brand_new"), "response item of the type brand_new"),
        (item(1, "message", role="oracle", content="x"), "message of the role oracle"),
        (line(1, "event_msg"), "event of the type "),
    ],
)
def test_records_of_new_kinds_are_reported(record: dict[str, Any], reason: str) -> None:
    assert numbered(read(meta(), record).unknown) == [(2, reason)]


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"[]", b'"x"', b"7", b"null", b"{", b'{"type":"event_msg","payload":[]}', b"[" * 100_000,
     b'{"payload":' + b'{"a":' * 100_000],
)  # fmt: skip
def test_lines_that_are_no_records_are_skipped_and_the_rest_is_read(content: bytes) -> None:
    outcome = drive(FORMAT, lines([meta()]) + content + b"\n" + lines([said(1, "user", "still here")]))
    assert [place.line for place, _ in outcome.skipped] == [2]
    assert [found.text for found in outcome.only.messages()] == ["still here"]


def test_text_that_databases_refuse_comes_through() -> None:
    hostile = event(1, "user_message", message="a\x00b\ud800c")
    outcome = read(meta(), hostile, cuts={1, 2})
    assert outcome.only.messages()[0].text == "a\x00b\ud800c"


def test_a_record_without_a_time_has_that_of_the_one_before() -> None:
    record = said(5, "assistant", "b")
    del record["timestamp"]
    first, second = read(meta(), said(1, "user", "a"), record).only.messages()
    assert second.at_ms == first.at_ms
    late = read(meta(), said(9, "user", "a"), said(1, "assistant", "b")).only
    assert [row.at_ms for row in late.rows] == [1_771_848_009_000, 1_771_848_001_000]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["assistant", "user", "exec_command", "data:image/png;base64,AA", "c", THREAD, "1-01-01", "{}"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
PAYLOAD_TYPES = [
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "local_shell_call",
    "tool_search_call", "tool_search_output", "web_search_call", "image_generation_call", "agent_message",
    "user_message", "agent_reasoning", "token_count", "task_started", "task_complete", "turn_aborted",
    "exec_command_end", "patch_apply_end", "mcp_tool_call_end", "dynamic_tool_call_response",
    "view_image_tool_call", "collab_agent_spawn_end", "sub_agent_activity", "web_search_end",
    "item_completed",
    "thread_rolled_back", "thread_name_updated", "entered_review_mode", "exited_review_mode", "error",
    "exec_approval_request", "warning", "compaction", "context_compacted",
]  # fmt: skip
FIELDS = [
    "id", "session_id", "call_id", "turn_id", "role", "content", "text", "message", "images", "summary",
    "name",
    "namespace", "arguments", "input", "output", "action", "info", "result", "invocation", "command", "item",
    "exit_code", "stdout", "new_thread_id", "agent_thread_id", "source", "git", "cwd", "model", "timestamp",
    "replacement_history", "num_turns", "duration_ms", "phase", "review_output", "forked_from_id", "tools",
]  # fmt: skip


@st.composite
def hostile_records(draw: st.DrawFn) -> dict[str, Any]:
    payload = draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
    payload["type"] = draw(st.sampled_from(PAYLOAD_TYPES) | VALUES)
    kinds = [
        "session_meta",
        "response_item",
        "event_msg",
        "turn_context",
        "compacted",
        "inter_agent_communication",
    ]
    record: dict[str, Any] = {"type": draw(st.sampled_from(kinds) | VALUES), "payload": payload}
    if draw(st.booleans()):
        record["timestamp"] = draw(st.just(stamp(1)) | VALUES)
    return record


@settings(max_examples=full_or(400, 100))
@given(st.lists(hostile_records(), max_size=8), st.sets(st.integers(1, 8)))
def test_no_shape_of_a_record_does_harm(values: list[dict[str, Any]], cuts: set[int]) -> None:
    assert read(*values, cuts=cuts) == read(*values)


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_no_bytes_do_harm(content: bytes) -> None:
    parser = FORMAT.parser(SourceFacts("x.jsonl"), {})
    with contextlib.suppress(SkipLine):
        parser.feed(content, Place(0, len(content), 1))
    parser.close_batch(following=True)
