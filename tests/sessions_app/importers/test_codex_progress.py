"""Codex: tokens, turns, status, and the copied head of a fork."""

from typing import Any

import pytest

from tests.sessions_app.importers.codex_records import (
    CHILD,
    THREAD,
    event,
    item,
    line,
    meta,
    read,
    said,
    stamp,
    usage,
)


@pytest.mark.parametrize(
    ("reports", "total"),
    [
        ([usage(100, 100), usage(100, 100), usage(250, 150), None, usage(250, 150)], 250),
        # The file goes on where another ended: only the last call is this file's.
        ([usage(5000, 100), usage(5200, 200)], 300),
        # Counting began anew.
        ([usage(500, 500), usage(80, 80), usage(200, 120)], 700),
        ([usage(500, 500), {"total_token_usage": {"total_tokens": 90}}], 590),
        ([{"total_token_usage": {"input_tokens": 7, "output_tokens": 3}}], 10),
        ([{"total_token_usage": {"total_tokens": -5}}, {"total_token_usage": "many"}, {}, "x"], 0),
    ],
)
def test_token_counts_are_added_once_and_never_negative(reports: list[object], total: int) -> None:
    told = [event(second, "token_count", info=info) for second, info in enumerate(reports, 1)]
    expected = read(meta(), *told).only.runs["main"].tokens
    assert expected.total == total
    assert min(expected.input, expected.output, expected.cache_read) >= 0
    assert read(meta(), *told, cuts=range(1, 9)).only.runs["main"].tokens == expected


def turn_id(second: int) -> str:
    """A UUIDv7 of that second."""
    milliseconds = 1_771_851_240_000 + second * 1000
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-000000000000"


@pytest.mark.parametrize("dated", [True, False])
def test_a_fork_does_not_repeat_what_its_parent_tells(dated: bool) -> None:
    fork = turn_id(600)
    old, new = (turn_id(10), turn_id(700)) if dated else ("turn-1", "turn-2")

    def at(second: float, record: dict[str, Any]) -> dict[str, Any]:
        return record | {"timestamp": stamp(second)}

    outcome = read(
        at(600, meta(fork, forked_from_id=THREAD)),
        at(600, meta(THREAD)),
        event(600, "task_started", turn_id=old),
        said(600, "user", "old"),
        item(600, "function_call", name="shell", arguments="{}", call_id="c"),
        event(600, "token_count", info=usage(1000, 1000)),
        said(600, "assistant", "old reply"),
        event(700, "task_started", turn_id=new),
        said(700, "user", "new"),
        event(701, "token_count", info=usage(1500, 500)),
    )
    session = outcome.only.facts
    assert (session.external_id, session.parent_external_id, session.turns) == (fork, THREAD, 1)
    assert [found.text for found in outcome.only.messages()] == ["new"]
    assert outcome.only.calls() == []
    assert outcome.only.runs["main"].tokens.total == 500
    assert session.first_prompt == "new"
    assert (outcome.skipped, outcome.unknown) == ([], [])


def test_a_subagent_that_was_given_its_parents_turns_shows_only_its_own() -> None:
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD, "depth": 1}}}
    child = turn_id(600)
    outcome = read(
        meta(child, source=spawn),
        event(1, "task_started", turn_id=turn_id(10)),
        said(1, "user", "of the parent"),
        event(2, "task_started", turn_id=turn_id(601)),
        said(2, "user", "of the child"),
    )
    assert [found.text for found in outcome.only.messages()] == ["of the child"]


def test_a_resumed_session_goes_on_in_its_own_file() -> None:
    outcome = read(
        meta(), said(1, "user", "a"), meta(), said(2, "assistant", "b"), meta(CHILD), said(3, "user", "c")
    )
    assert outcome.only.events()[0].kind == "session.resumed"
    assert [found.text for found in outcome.only.messages()][:2] == ["a", "b"]


def test_turns_are_counted_by_their_ids_when_they_have_no_marks() -> None:
    outcome = read(
        meta(),
        said(1, "user", "a"),
        line(1, "turn_context", turn_id="t1"),
        said(2, "assistant", "b"),
        line(2, "turn_context", turn_id="t1"),
        said(3, "user", "c"),
        line(3, "turn_context", turn_id="t2"),
    )
    assert outcome.only.facts.turns == 2


def test_turns_are_counted_by_prompts_when_nothing_else_tells() -> None:
    outcome = read(
        meta(),
        said(1, "user", "a"),
        said(2, "assistant", "b"),
        said(3, "user", "c"),
        said(4, "assistant", "d"),
    )
    assert (outcome.only.facts.turns, [found.turn for found in outcome.only.messages()]) == (2, [1, 1, 2, 2])


def test_a_prompt_within_a_turn_begins_no_other() -> None:
    outcome = read(
        meta(),
        event(1, "task_started", turn_id="t"),
        said(1, "user", "a"),
        said(2, "assistant", "b"),
        said(3, "user", "steer"),
    )
    assert (outcome.only.facts.turns, outcome.only.messages()[-1].kind) == (1, "prompt")


STARTED = [meta(), event(1, "task_started", turn_id="t"), said(1, "user", "go")]
CALL = item(2, "function_call", name="shell", arguments="{}", call_id="c")


@pytest.mark.parametrize(
    ("ending", "watched", "unwatched", "evidence"),
    [
        ([], "running", "unfinished", "prompt without a reply, recorded 2026-02-23T12:00:01.000Z"),
        (
            [CALL],
            "running",
            "unfinished",
            "tool call shell without a result, recorded 2026-02-23T12:00:02.000Z",
        ),
        ([event(3, "task_complete")], "idle", "idle", "turn completed, recorded 2026-02-23T12:00:03.000Z"),
        (
            [event(3, "turn_aborted", reason="interrupted")],
            "idle",
            "idle",
            "turn aborted (interrupted), recorded 2026-02-23T12:00:03.000Z",
        ),
        (
            [event(3, "error", message="out of credit"), event(4, "task_complete")],
            "failed",
            "failed",
            "error: out of credit, recorded 2026-02-23T12:00:03.000Z",
        ),
        (
            [event(3, "exec_approval_request", command=["rm", "-r", "x"])],
            "waiting",
            "waiting",
            "waiting for approval of a command, recorded 2026-02-23T12:00:03.000Z",
        ),
        (
            [said(3, "assistant", "b", phase="final_answer")],
            "running",
            "unfinished",
            "reply within an open turn, recorded 2026-02-23T12:00:03.000Z",
        ),
    ],
)
def test_the_status_is_what_the_last_record_says(
    ending: list[dict[str, Any]], watched: str, unwatched: str, evidence: str
) -> None:
    for following, expected in ((True, watched), (False, unwatched)):
        outcome = read(*STARTED, *ending, following=following)
        facts = outcome.only.facts
        assert (facts.status, facts.status_evidence) == (expected, evidence)
        assert outcome.only.runs["main"].status == expected


def test_an_answer_ends_the_wait_for_an_approval() -> None:
    session = read(
        *STARTED,
        CALL,
        event(3, "exec_approval_request"),
        item(4, "function_call_output", call_id="c", output="x"),
    ).only
    assert session.facts.status == "unfinished"


def test_an_error_is_a_message_of_its_own() -> None:
    outcome = read(*STARTED, event(3, "error", message="stream failed"))
    message = outcome.only.messages()[-1]
    assert (message.role, message.kind, message.text) == ("system", "error", "stream failed")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ([event(3, "task_complete", last_agent_message="answer")], "completed"),
        ([event(3, "turn_aborted", reason="replaced")], "cancelled"),
        ([event(3, "error", message="lost")], "failed"),
        ([], "unfinished"),
    ],
)
def test_a_subagents_run_has_a_status_and_leaves_the_sessions_alone(
    ending: list[dict[str, Any]], status: str
) -> None:
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD}}}
    session = read(meta(CHILD, source=spawn), *STARTED[1:], *ending).only
    run = session.runs[CHILD]
    assert (session.facts.status, session.facts.turns, run.status) == (None, 0, status)
    assert (run.ended_ms is None) == (status == "unfinished")
    assert run.output == ("answer" if status == "completed" else "")
    assert run.error == ("lost" if status == "failed" else "")
