"""Fields of the wrong type: every line gives a row or is counted as one that could not be used, in each format."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sessions_app.drafts import ToolCallDraft
from sessions_app.importers.claude_code import FORMAT as CLAUDE_CODE
from sessions_app.importers.codex import FORMAT as CODEX
from sessions_app.importers.picoclaw import FORMAT as PICOCLAW
from tests.sessions_app.importers import claude_records as claude
from tests.sessions_app.importers import codex_records as codex
from tests.sessions_app.importers.driving import Outcome, drive

# Stands in a record for what is put there as JSON text: no JSON writer makes some of it.
HERE = "@here@"
WRONG = (
    "1e999",
    "-0.5",
    "true",
    "null",
    "{}",
    '{"a": "b"}',
    '[[["deep"]]]',
    "[1, null]",
    '[{"type": "text", "text": 5}]',
)
NO_TIMES = (
    '"yesterday"',
    "1e400",
    "-5",
    "true",
    "[]",
    '"2026-13-45T10:00:00.000Z"',
    '"2026-02-03T99:00:00.000Z"',
    '"9999999-01-01T00:00:00.000Z"',
)

type Make = Callable[[Any], dict[str, Any]]


def as_lines(*records: dict[str, Any], here: str) -> bytes:
    return b"".join(json.dumps(record).replace(f'"{HERE}"', here).encode() + b"\n" for record in records)


def lines_with_rows(outcome: Outcome) -> set[int]:
    found = set()
    for session in outcome.sessions.values():
        for row in session.rows:
            found |= {row.place.line} if row.place else set()
            if isinstance(row, ToolCallDraft) and row.result_place:
                found.add(row.result_place.line)
    return found


def lines_skipped(outcome: Outcome) -> list[int]:
    return [place.line for place, _ in outcome.skipped]


CLAUDE_CASES: dict[str, Make] = {
    "user content": lambda here: claude.user("x", 1, here),
    "user message": lambda here: claude.user("x", 1, "") | {"message": here},
    "user text": lambda here: claude.user("x", 1, [{"type": "text", "text": here}]),
    "assistant content": lambda here: claude.assistant("x", 1, message={"content": here}),
    "assistant text": lambda here: claude.assistant("x", 1, {"type": "text", "text": here}),
    "thinking": lambda here: claude.assistant("x", 1, {"type": "thinking", "thinking": here}),
    "call": lambda here: claude.assistant(
        "x", 1, {"type": "tool_use", "id": here, "name": here, "input": here}
    ),
    "result": lambda here: claude.result("x", 1, "t1", here),
    "notice": lambda here: claude.record("system", "x", 1, subtype="informational", content=here),
}
CODEX_CASES: dict[str, Make] = {
    f"{role} content": lambda here, role=role: codex.item(1, "message", role=role, content=here)
    for role in ("user", "assistant", "developer")
} | {
    "picture": lambda here: codex.item(
        1, "message", role="user", content=[{"type": "input_image", "image_url": here}]
    ),
    "picture event": lambda here: codex.event(1, "user_message", message=here, images=[here]),
    "user event": lambda here: codex.event(1, "user_message", message=here),
    "agent event": lambda here: codex.event(1, "agent_message", message=here),
    "reasoning event": lambda here: codex.event(1, "agent_reasoning", text=here),
    "completed item": lambda here: codex.event(
        1, "item_completed", item={"type": "AgentMessage", "content": here}
    ),
    "agent message": lambda here: codex.item(1, "agent_message", author=here, content=here),
    "call": lambda here: codex.item(1, "function_call", name="exec_command", arguments=here, call_id=here),
}
PICOCLAW_CASES: dict[str, Make] = {
    f"{role} content": lambda here, role=role: {"role": role, "content": here}
    for role in ("user", "assistant", "system", "tool")
} | {
    "call": lambda here: {
        "role": "assistant", "content": "", "tool_calls": [{"id": here, "function": {"name": here, "arguments": here}}]
    },
    "calls": lambda here: {"role": "assistant", "content": "", "tool_calls": here},
}  # fmt: skip


def claude_file(record: dict[str, Any], here: str) -> Outcome:
    around = (claude.user("first", 0, "Go"), claude.user("last", 2, "On"))
    return drive(CLAUDE_CODE, as_lines(around[0], record, around[1], here=here), claude.PATH)


def codex_file(record: dict[str, Any], here: str) -> Outcome:
    return drive(CODEX, as_lines(codex.meta(), record, codex.said(2, "developer", "On"), here=here))


def picoclaw_file(record: dict[str, Any], here: str) -> Outcome:
    around = [{"role": "user", "content": f"around {number}"} for number in range(2)]
    return drive(PICOCLAW, as_lines(around[0], record, around[1], here=here), "/w/sessions/talk.jsonl")


CASES = [
    pytest.param(read, make, id=f"{name} {case}")
    for name, read, cases in (
        ("claude-code", claude_file, CLAUDE_CASES),
        ("codex", codex_file, CODEX_CASES),
        ("picoclaw", picoclaw_file, PICOCLAW_CASES),
    )
    for case, make in cases.items()
]


@pytest.mark.parametrize("here", WRONG)
@pytest.mark.parametrize(("read", "make"), CASES)
def test_no_line_vanishes(read: Callable[[dict[str, Any], str], Outcome], make: Make, here: str) -> None:
    outcome = read(make(HERE), here)

    skipped = lines_skipped(outcome)
    assert len(skipped) == len(set(skipped))
    # The first line of a rollout says whose it is and gives no row.
    assert (lines_with_rows(outcome) | set(skipped)) - {1} == {2, 3}
    assert not lines_with_rows(outcome) & set(skipped)


@pytest.mark.parametrize("here", NO_TIMES)
@pytest.mark.parametrize(
    ("read", "record"),
    [
        (claude_file, claude.user("x", 1, "Hello") | {"timestamp": HERE}),
        (codex_file, codex.said(1, "developer", "Hello") | {"timestamp": HERE}),
        (picoclaw_file, {"role": "user", "content": "Hello", "created_at": HERE}),
    ],
    ids=["claude-code", "codex", "picoclaw"],
)
def test_a_time_that_is_none_is_counted_and_told(
    read: Callable[[dict[str, Any], str], Outcome], record: dict[str, Any], here: str
) -> None:
    outcome = read(record, here)

    remarks = [(place.line, text) for place, text in outcome.unknown]
    assert lines_skipped(outcome) == [2] or [line for line, text in remarks if "is no time" in text] == [2]
    assert (lines_with_rows(outcome) | set(lines_skipped(outcome))) - {1} == {2, 3}


def test_a_part_that_is_lost_is_remarked_on_and_the_others_are_read() -> None:
    outcome = claude_file(claude.user("x", 1, ["Kept.", HERE, {"type": "text", "text": 5}]), "[[1]]")

    assert [message.text for message in outcome.only.messages()] == ["Go", "Kept.", "On"]
    assert [text for _, text in outcome.unknown] == ["2 blocks of its content cannot be read"]


def test_a_line_counts_once_however_much_of_it_is_odd() -> None:
    record = {"role": "user", "content": ["x", {"text": "y"}], "created_at": HERE, "media": 5}
    outcome = picoclaw_file(record, "7")

    assert len(outcome.unknown) == 1
    assert outcome.unknown[0][1] == (
        "'7' is no time: it stands at the time of what came before; 1 part of its content cannot be read; "
        "media is no list"
    )
