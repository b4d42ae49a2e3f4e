"""Codex: what was said, once each, and what only looks like a prompt."""

import base64
import json

import pytest

from tests.sessions_app.importers.codex_records import (
    event,
    item,
    meta,
    read,
    said,
)


@pytest.mark.parametrize("events_first", [True, False])
def test_a_text_that_is_written_twice_is_shown_once(events_first: bool) -> None:
    prompt = [event(1, "user_message", message="hi"), said(1, "user", "hi")]
    thought = [
        event(2, "agent_reasoning", text="hmm"),
        item(2, "reasoning", summary=[{"type": "summary_text", "text": "hmm"}], encrypted_content="secret"),
    ]
    reply = [event(3, "agent_message", message="ho"), said(3, "assistant", "ho")]
    order = 1 if events_first else -1
    outcome = read(meta(), *prompt[::order], *thought[::order], *reply[::order])
    assert [(found.role, found.text, found.reasoning) for found in outcome.only.messages()] == [
        ("user", "hi", ""),
        ("assistant", "ho", "hmm"),
    ]
    assert outcome.only.events() == []


def test_twins_are_found_when_all_events_come_before_all_items() -> None:
    outcome = read(
        meta(),
        event(1, "agent_message", message="one"),
        event(1, "agent_message", message="two"),
        said(2, "assistant", "one"),
        said(2, "assistant", "two"),
    )
    assert [found.text for found in outcome.only.messages()] == ["one", "two"]


def test_the_same_words_said_twice_are_two_messages() -> None:
    outcome = read(
        meta(),
        *(
            record
            for second in (1, 2)
            for record in (event(second, "agent_message", message="ok"), said(second, "assistant", "ok"))
        ),
        said(3, "assistant", "ok"),
    )
    assert [found.text for found in outcome.only.messages()] == ["ok", "ok", "ok"]


def test_a_third_channel_adds_no_message() -> None:
    content = [{"type": "Text", "text": "hello"}]
    outcome = read(
        meta(),
        said(1, "user", "hello"),
        event(1, "item_completed", item={"type": "UserMessage", "content": content}),
        event(1, "user_message", message="hello"),
    )
    assert len(outcome.only.messages()) == 1


def test_different_words_that_do_not_stand_side_by_side_are_no_twins() -> None:
    outcome = read(
        meta(),
        event(1, "agent_message", message="one"),
        event(1, "token_count", info=None),
        said(2, "assistant", "two"),
    )
    assert [found.text for found in outcome.only.messages()] == ["one", "two"]


def test_a_picture_in_a_prompt_is_kept_with_it() -> None:
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_text", "text": "<image name=[Image #1]>"},
        {"type": "input_image", "image_url": picture},
        {"type": "input_text", "text": "</image>"},
    ]
    outcome = read(
        meta(),
        item(1, "message", role="user", content=parts),
        event(1, "user_message", message="look", images=[picture]),
    )
    (message,) = outcome.only.messages()
    assert (message.text, [found.content for found in message.attachments]) == ("look", [b"\x89PNG"])
    assert message.attachments[0].media_type == "image/png"


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,***", "https://example.org/a.png", "data:text/html,<b>", 7]
)
def test_a_picture_that_cannot_be_kept_leaves_a_word(url: object) -> None:
    (message,) = read(
        meta(),
        item(
            1,
            "message",
            role="user",
            content=[{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": url}],
        ),
    ).only.messages()
    assert message.attachments == []
    assert "image" in message.text or url == 7


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n<cwd>/x</cwd>\n</environment_context>",
        "<user_instructions>be kind</user_instructions>",
        "# AGENTS.md instructions for /x",
    ],
)
def test_what_the_program_writes_in_the_users_name_is_context(text: str) -> None:
    outcome = read(
        meta(), said(1, "user", text), said(2, "user", "real"), event(2, "user_message", message="real")
    )
    assert [found.kind for found in outcome.only.messages()] == ["context", "prompt"]
    assert (outcome.only.facts.first_prompt, outcome.only.facts.turns) == ("real", 1)


def test_developer_messages_are_context() -> None:
    (message,) = read(meta(), said(1, "developer", "rules")).only.messages()
    assert (message.role, message.kind) == ("developer", "context")


def test_reasoning_that_leads_to_a_call_stands_by_itself() -> None:
    long = "thought " * 200
    outcome = read(
        meta(),
        event(1, "agent_reasoning", text=long),
        item(1, "reasoning", summary=[{"type": "summary_text", "text": long}], content=None),
        item(2, "function_call", name="shell", arguments="{}", call_id="c"),
        event(3, "agent_reasoning_raw_content", text="raw"),
        said(3, "assistant", "done"),
    )
    note, call, reply = outcome.only.rows
    assert (note.kind, json.loads(outcome.only.events()[0].document)["text"]) == ("record.noted", long)
    assert (call, reply) == (outcome.only.calls()[0], outcome.only.messages()[0])
    assert outcome.only.messages()[0].reasoning == "raw"


def test_encrypted_reasoning_is_not_shown() -> None:
    outcome = read(meta(), item(1, "reasoning", summary=[], content=None, encrypted_content="gAAAA"))
    assert outcome.only.rows == []
