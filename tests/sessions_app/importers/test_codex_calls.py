"""Codex: tool calls and what became of them."""

from typing import Any

import pytest

from tests.sessions_app.importers.codex_records import (
    event,
    item,
    meta,
    numbered,
    read,
    said,
)


def test_arguments_are_kept_letter_by_letter() -> None:
    arguments = '{ "command" : ["bash","-lc","echo \\u0041"],\n "a":1, "a":2 }'
    (call,) = read(
        meta(), item(1, "function_call", name="shell", arguments=arguments, call_id="c")
    ).only.calls()
    assert (call.input, call.title, call.status) == (arguments, "echo A", "running")


@pytest.mark.parametrize(
    ("output", "status", "exit_status", "text"),
    [
        ('{"output":"fine\\n","metadata":{"exit_code":0,"duration_seconds":0.1}}', "completed", 0, "fine\n"),
        ('{"output":"bad","metadata":{"exit_code":127}}', "failed", 127, "bad"),
        ({"output": "bad", "metadata": {"exit_code": 1}}, "failed", 1, "bad"),
        ({"content": "no", "success": False}, "failed", None, "no"),
        (
            "Exit code: 3\nWall time: 1 seconds\nOutput:\nx",
            "failed",
            3,
            "Exit code: 3\nWall time: 1 seconds\nOutput:\nx",
        ),
        ("aborted by user after 2.0s", "cancelled", None, "aborted by user after 2.0s"),
        (
            [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
            "completed",
            None,
            "a\n\nb",
        ),
        ('{"output": broken', "completed", None, '{"output": broken'),
        ('{"output":"x","metadata":{"exit_code":99999999999}}', "completed", None, "x"),
        (None, "completed", None, ""),
        (7, "completed", None, "7"),
    ],
)
def test_outputs_come_in_many_shapes(output: object, status: str, exit_status: int | None, text: str) -> None:
    (call,) = read(
        meta(),
        item(1, "function_call", name="exec_command", arguments="{}", call_id="c"),
        item(3, "function_call_output", call_id="c", output=output),
    ).only.calls()
    if status == "completed" and exit_status is None and text == "x":
        assert call.exit_status is None
        return
    assert (call.status, call.exit_status, call.output) == (status, exit_status, text)
    assert call.ended_ms == call.at_ms + 2000


@pytest.mark.parametrize(
    ("ending", "status", "text"),
    [
        (
            event(2, "exec_command_end", call_id="c", aggregated_output="out", exit_code=1),
            "failed",
            "model saw",
        ),
        (event(2, "patch_apply_end", call_id="c", stdout="out", success=False), "failed", "model saw"),
        (event(2, "mcp_tool_call_end", call_id="c", result={"Err": "gone"}), "failed", "model saw"),
        (
            event(2, "mcp_tool_call_end", call_id="c", result={"Ok": {"content": []}}),
            "completed",
            "model saw",
        ),
    ],
)
@pytest.mark.parametrize("cuts", [(), (2,), (3,), (2, 3)])
def test_an_event_completes_its_call_and_makes_no_second_one(
    ending: dict[str, Any], status: str, text: str, cuts: tuple[int, ...]
) -> None:
    (call,) = read(
        meta(),
        item(1, "function_call", name="exec_command", arguments="{}", call_id="c"),
        ending,
        item(3, "function_call_output", call_id="c", output=text),
        cuts=cuts,
    ).only.calls()
    assert (call.status, call.output) == (status, text)


@pytest.mark.parametrize("cuts", [(), (2, 3)])
def test_what_an_event_told_outlasts_the_output_and_the_end_of_the_turn(cuts: tuple[int, ...]) -> None:
    made = item(1, "function_call", name="exec_command", arguments="{}", call_id="c")
    told = event(2, "exec_command_end", call_id="c", aggregated_output="out", exit_code=3)
    over = event(3, "task_complete", turn_id="t")
    (call,) = read(meta(), made, told, over, cuts=cuts).only.calls()
    assert (call.status, call.exit_status, call.output) == ("failed", 3, "out")
    answer = item(3, "function_call_output", call_id="c", output="model saw")
    (call,) = read(meta(), made, told, answer, over, cuts=cuts).only.calls()
    assert (call.status, call.exit_status, call.output) == ("failed", 3, "model saw")


def test_calls_that_only_events_tell_are_shown() -> None:
    invocation = {"server": "s", "tool": "t", "arguments": {"q": 1}}
    outcome = read(
        meta(),
        event(1, "exec_command_end", call_id="a", command=["bash", "-lc", "ls"], stdout="x", exit_code=0),
        event(2, "mcp_tool_call_end", call_id="b", invocation=invocation, result={"Ok": {"content": "y"}}),
    )
    assert [(call.name, call.output, call.status) for call in outcome.only.calls()] == [
        ("exec_command", "x", "completed"),
        ("mcp__s__t", "y", "completed"),
    ]
    assert outcome.only.calls()[0].title == "ls"


def test_calls_of_every_other_kind_are_read() -> None:
    outcome = read(
        meta(),
        item(1, "local_shell_call", call_id="a", action={"type": "exec", "command": ["ls", "-l"]}),
        item(1, "function_call_output", call_id="a", output="x"),
        item(2, "tool_search_call", call_id="b", arguments={"query": "mail"}),
        item(2, "tool_search_output", call_id="b", tools=[{"type": "text", "text": "found"}]),
        item(3, "function_call", name="_send", namespace="mcp__mail", arguments="{}", call_id="d"),
    )
    assert [(call.name, call.kind, call.title, call.output) for call in outcome.only.calls()] == [
        ("local_shell", "shell", "ls -l", "x"),
        ("tool_search", "search", "mail", "found"),
        ("mcp__mail_send", "other", "{}", ""),
    ]


def test_searches_that_the_provider_runs_are_events() -> None:
    action = {"type": "search", "query": "weather"}
    outcome = read(
        meta(),
        item(1, "web_search_call", status="completed", action=action),
        event(1, "web_search_end", call_id="ws", query="weather", action=action),
        item(2, "image_generation_call", id="ig", status="completed", revised_prompt="a cat", result="AAAA"),
    )
    assert outcome.only.calls() == []
    assert [found.text for found in outcome.only.events()] == [
        "Searched the web: weather",
        "Generated an image: a cat",
    ]


@pytest.mark.parametrize("cuts", [(), (3,)])
@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (event(5, "task_complete", turn_id="t"), "unanswered"),
        (event(5, "turn_aborted", reason="interrupted"), "cancelled"),
        (event(5, "task_started", turn_id="u"), "unanswered"),
    ],
)
def test_a_call_without_a_result_does_not_run_for_ever(
    ending: dict[str, Any], status: str, cuts: tuple[int, ...]
) -> None:
    begin = [
        meta(),
        event(1, "task_started", turn_id="t"),
        item(2, "function_call", name="shell", arguments="{}", call_id="c"),
    ]
    assert read(*begin, ending, cuts=cuts).only.calls()[0].status == status
    late = item(6, "function_call_output", call_id="c", output="late")
    assert read(*begin, ending, late, cuts=cuts).only.calls()[0].status == "completed"


def test_results_of_unknown_calls_are_counted_as_lost() -> None:
    outcome = read(
        meta(),
        item(1, "function_call", name="shell", arguments="{}", call_id="c"),
        item(2, "function_call", name="shell", arguments="{}", call_id="c"),
        item(3, "function_call_output", call_id="c", output="x"),
        item(3, "function_call_output", call_id="c", output="y"),
        item(3, "function_call_output", call_id="other", output="z"),
    )
    assert numbered(outcome.skipped) == [
        (3, "second record of a tool call"),
        (5, "second result of a tool call"),
        (6, "result of an unknown tool call"),
    ]
    assert [call.output for call in outcome.only.calls()] == ["x"]


def test_calls_belong_to_the_reply_that_made_them() -> None:
    outcome = read(
        meta(),
        said(1, "assistant", "I will look"),
        item(2, "function_call", name="shell", arguments="{}", call_id="a"),
        item(3, "function_call_output", call_id="a", output="x"),
        item(4, "function_call", name="shell", arguments="{}", call_id="b"),
    )
    (reply,) = outcome.only.messages()
    assert [call.message for call in outcome.only.calls()] == [(reply.key, reply.at_ms), None]
