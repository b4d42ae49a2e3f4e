"""picoclaw: conversations with their meta, and the older documents."""

import base64
import contextlib
import json
from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.drafts import Place, SkipLine, SourceFacts
from sessions_app.importers.picoclaw import FORMAT, LEGACY_FORMAT
from tests.endurance.sizes import full_or
from tests.samples import sample
from tests.sessions_app.importers.driving import MODIFIED_MS, Outcome, drive, drive_file, lines

# Nothing here reaches a database.
pytestmark = pytest.mark.once

KEY = "sk_v1_" + "0" * 64
PATH = "/w/sessions/agent_main_c001.jsonl"
META_NAME = "agent_main_c001.meta.json"


def said(role: str, content: object, minute: int | None = None, **more: Any) -> dict[str, Any]:
    time = {} if minute is None else {"created_at": f"2026-06-01T10:{minute:02}:00Z"}
    return {"role": role, "content": content, **time, **more}


def calling(call_id: str, name: str, arguments: object) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def read(*messages: object, meta: dict[str, Any] | None = None, **options: Any) -> Outcome:
    companions = {META_NAME: json.dumps(meta).encode()} if meta is not None else {}
    return drive(FORMAT, lines(messages), PATH, companions=companions, **options)


def document(messages: object, **more: Any) -> Outcome:
    content = json.dumps({"key": "agent:main:c001", "messages": messages, **more}).encode()
    return drive(LEGACY_FORMAT, content, "/w/sessions/agent_main_c001.json")


def roles(outcome: Outcome) -> Counter[str]:
    return Counter(message.role for message in outcome.only.messages())


TALK = [
    said("user", "What is in README?", 0),
    said(
        "assistant", "", 1, model_name="m1", tool_calls=[calling("c1", "read_file", '{ "path":"README.md" }')]
    ),
    said("tool", "# Demo", 2, tool_call_id="c1"),
    said("assistant", "It says Demo.", 3, model_name="m2"),
]


def test_the_sample_comes_to_its_counts() -> None:
    outcome = drive_file(FORMAT, sample("synthetic", "picoclaw", f"{KEY}.jsonl"))
    session, facts = outcome.only, outcome.only.facts
    assert (outcome.skipped, outcome.unknown) == ([], [])
    assert (facts.external_id, facts.agent, facts.summary) == (KEY, "picoclaw", "earlier chat summarised")
    assert roles(outcome) == {"user": 2, "assistant": 2, "tool": 1}
    assert [message.is_hidden for message in session.messages()] == [True, False, False, False, False]
    assert (facts.hidden_first, facts.turns, facts.status) == (1, 2, "idle")
    assert facts.aliases == ["agent:main:pico:direct:demo"]
    (call,) = session.calls()
    assert (call.input, call.output, call.status) == ('{"path":"README.md"}', "# Demo", "completed")
    assert (call.kind, call.title) == ("read", "README.md")
    assert session.messages()[2].reasoning == "Need to read it."
    (scope,) = session.events()
    assert json.loads(scope.document)["values"] == {"chat": "direct:demo"}
    assert session.runs["main"].agent_name == "main"


@pytest.mark.parametrize("following", [True, False])
def test_a_batch_may_end_after_any_line(following: bool) -> None:
    path = sample("synthetic", "picoclaw", f"{KEY}.jsonl")
    whole = drive_file(FORMAT, path, following=following)
    assert drive_file(FORMAT, path, cuts=range(1, 9), following=following) == whole


def test_files_are_recognised_by_what_they_hold() -> None:
    head = sample("synthetic", "picoclaw", f"{KEY}.jsonl").read_bytes()
    assert FORMAT.recognises("a.jsonl", head)
    assert FORMAT.recognises("a.jsonl", b"broken\n" + head)
    assert FORMAT.recognises("a.jsonl", b'{"role":"user","content":"' + b"x" * 70_000)
    assert not FORMAT.recognises("a.json", head)
    assert not FORMAT.recognises("a.jsonl", b'{"type":"user","role":"user","content":"x"}\n')
    assert not FORMAT.recognises("a.jsonl", b'{"timestamp":"x","type":"event_msg","payload":{}}\n')
    assert LEGACY_FORMAT.recognises("a.json", b'{\n  "key": "a:b",\n  "messages": [\n    {')
    assert not LEGACY_FORMAT.recognises("a.meta.json", b'{"key":"a:b","messages":[]}')
    assert not LEGACY_FORMAT.recognises("a.json", b'{"version": 1, "width": 80, "stdout": []}')
    assert FORMAT.companions("/x/a.jsonl") == ["/x/a.meta.json"]


def test_histories_are_looked_for_in_the_workspace() -> None:
    assert FORMAT.default_roots({}, "/home/ada") == ["/home/ada/.picoclaw/workspace/sessions"]
    assert FORMAT.default_roots({"PICOCLAW_WORKSPACE": "/w"}, "/home/ada") == ["/w/sessions"]


def test_the_key_comes_from_the_content() -> None:
    assert read(*TALK, meta={"key": "agent:main:c001"}).only.facts.external_id == "agent:main:c001"
    assert read(*TALK).only.facts.external_id == "agent_main_c001"
    assert document(TALK).only.facts.external_id == "agent:main:c001"


def test_a_meta_that_comes_later_adds_its_key_as_another_name() -> None:
    facts = SourceFacts(PATH, modified_ms=MODIFIED_MS)
    first = FORMAT.parser(facts, {})
    first.feed(json.dumps(TALK[0]).encode(), Place(0, 1, 1))
    state = json.loads(json.dumps(first.state()))
    meta = {META_NAME: json.dumps({"key": "agent:main:c001", "skip": 1, "summary": "s"}).encode()}
    later = FORMAT.parser(SourceFacts(PATH, meta, MODIFIED_MS), state)
    later.close_batch(following=False)
    (session,) = later.draft.sessions.values()
    assert (session.external_id, session.aliases) == ("agent_main_c001", ["agent:main:c001"])
    assert (session.hidden_first, session.summary, session.rows) == (1, "s", [])


def test_a_migrated_store_names_the_same_session_and_rows() -> None:
    old, new = document(TALK), read(*TALK, meta={"key": "agent:main:c001"})
    assert old.only.facts.agent == new.only.facts.agent == "picoclaw"
    assert [(row.key, row.at_ms) for row in old.only.rows] == [(row.key, row.at_ms) for row in new.only.rows]


def test_compacting_leaves_the_names_of_what_remains() -> None:
    whole = [said("user", "old", 0), said("assistant", "old reply", 1), *TALK]
    before, after = read(*whole, meta={"skip": 2}), read(*TALK, meta={"skip": 0})
    assert [(row.key, row.at_ms) for row in before.only.rows][2:] == [
        (row.key, row.at_ms) for row in after.only.rows
    ]
    # What was hidden stays hidden when it is gone from the file.
    assert (before.only.facts.hidden_first, after.only.facts.hidden_first) == (2, None)


def test_a_name_does_not_depend_on_the_time_that_some_versions_add() -> None:
    without, with_time = (read(said("user", "hi", minute)).only.messages()[0] for minute in (None, 5))
    assert (without.key, without.at_ms) == (with_time.key, MODIFIED_MS)
    assert with_time.at_ms != MODIFIED_MS


def test_the_same_words_are_as_many_messages() -> None:
    for minute in (5, None):
        outcome = read(*[said("user", "yes", minute)] * 3, cuts={1, 2})
        assert len({message.key for message in outcome.only.messages()}) == 3


def test_a_message_without_a_time_has_that_of_the_conversation() -> None:
    outcome = read(said("user", "a"), meta={"created_at": "2026-06-01T09:00:00Z"})
    assert outcome.only.messages()[0].at_ms == 1_780_304_400_000
    assert (
        document([said("user", "a")], created="2026-06-01T09:00:00Z").only.messages()[0].at_ms
        == 1_780_304_400_000
    )
    assert read(said("user", "a")).only.messages()[0].at_ms == MODIFIED_MS


def test_lines_that_gave_no_row_are_not_counted_as_hidden_rows() -> None:
    content = lines([TALK[0]]) + b"{broken\n\n" + lines(TALK[3:])
    outcome = drive(FORMAT, content, PATH, companions={META_NAME: b'{"skip": 3}'}, cuts={1, 2, 3})
    assert [place.line for place, _ in outcome.skipped] == [2]
    assert outcome.only.facts.hidden_first == 2
    assert [message.is_hidden for message in outcome.only.messages()] == [True, True]


@pytest.mark.parametrize("cuts", [(), range(1, 7)])
@pytest.mark.parametrize(("skip", "prompt"), [(0, "old"), (1, "What is in README?"), (5, "")])
def test_a_session_is_not_called_by_what_is_hidden(skip: int, prompt: str, cuts: Collection[int]) -> None:
    outcome = read(said("user", "old", 0), *TALK, meta={"skip": skip}, cuts=cuts)

    assert outcome.only.facts.first_prompt == prompt
    assert outcome.only.facts.turns == 2


@pytest.mark.parametrize("cuts", [(), range(1, 9)])
def test_tool_calls_keep_their_arguments_and_get_their_answers(cuts: tuple[int, ...]) -> None:
    outcome = read(*TALK, cuts=cuts)
    (call,) = outcome.only.calls()
    asking, answer = outcome.only.messages()[1:3]
    assert (call.input, call.message) == ('{ "path":"README.md" }', (asking.key, asking.at_ms))
    assert (call.status, call.output, call.ended_ms) == ("completed", "# Demo", answer.at_ms)
    # The answer's text stands once, with the call.
    assert (answer.role, answer.text, answer.external_id) == ("tool", "", "c1")
    assert call.result_place == answer.place


@pytest.mark.parametrize("cuts", [(), range(1, 9)])
def test_calls_without_an_answer_and_answers_without_a_call_are_kept(cuts: tuple[int, ...]) -> None:
    outcome = read(
        TALK[0], TALK[1], said("user", "never mind", 4), said("tool", "late", 5, tool_call_id="c1"), cuts=cuts
    )
    assert [call.status for call in outcome.only.calls()] == ["unanswered"]
    assert outcome.only.messages()[-1].text == "late"


def test_an_id_that_is_used_again_is_another_call() -> None:
    again = said("assistant", "", 2, tool_calls=[calling("c1", "exec", '{"command":"ls"}')])
    outcome = read(TALK[1], again, TALK[2])
    assert [(call.status, call.output) for call in outcome.only.calls()] == [
        ("unanswered", ""),
        ("completed", "# Demo"),
    ]


@pytest.mark.parametrize(
    ("messages", "watched", "unwatched", "evidence"),
    [
        (TALK[:1], "running", "unfinished", "prompt without a reply, recorded 2026-06-01T10:00:00.000Z"),
        (
            TALK[:2],
            "running",
            "unfinished",
            "tool call read_file without a result, recorded 2026-06-01T10:01:00.000Z",
        ),
        (TALK[:3], "running", "unfinished", "tool result without a reply, recorded 2026-06-01T10:02:00.000Z"),
        (TALK, "idle", "idle", "last reply, recorded 2026-06-01T10:03:00.000Z"),
    ],
)
def test_the_status_is_what_the_last_message_says(
    messages: list[dict[str, Any]], watched: str, unwatched: str, evidence: str
) -> None:
    for following, expected in ((True, watched), (False, unwatched)):
        facts = read(*messages, following=following).only.facts
        assert (facts.status, facts.status_evidence) == (expected, evidence)


def test_models_and_first_prompt_are_told() -> None:
    session = read(*TALK).only
    assert (session.facts.model, session.facts.first_prompt) == ("m2", "What is in README?")
    assert [message.model for message in session.messages(role="assistant")] == ["m1", "m2"]


def test_media_are_kept_or_named() -> None:
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    entry = {"type": "file", "ref": "media://7", "filename": "report.pdf", "content_type": "application/pdf"}
    with_both, with_reference = read(
        said("user", "look", 0, media=[picture], attachments=[entry]),
        said("user", "", 1, attachments=[entry]),
    ).only.messages()
    assert (with_both.text, [found.content for found in with_both.attachments]) == ("look", [b"\x89PNG"])
    assert with_reference.text == "[attachment: report.pdf]"


def test_an_old_document_is_read_and_its_broken_messages_counted() -> None:
    outcome = document(
        [TALK[0], 7, {"role": "oracle"}, TALK[3]], summary="sum", created="2026-06-01T09:00:00Z"
    )
    assert [message.text for message in outcome.only.messages()] == ["What is in README?", "It says Demo."]
    assert outcome.only.facts.summary == "sum"
    assert [(place.line, reason) for place, reason in outcome.skipped] == [
        (2, "message 2: not a JSON object")
    ]
    assert [(place.line, reason) for place, reason in outcome.unknown] == [
        (3, "message 3: message of the role oracle")
    ]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"key":"a"}', b'{"key":"a","messages":{}}', b"\xff"])
def test_an_old_document_that_cannot_be_read_is_skipped(content: bytes) -> None:
    outcome = drive(LEGACY_FORMAT, content, "/w/a.json")
    assert (len(outcome.skipped), outcome.sessions) == (1, {})


@pytest.mark.parametrize(
    "meta", [b"", b"{", b"[]", b'{"key":7,"skip":-4,"aliases":[1,null],"scope":"x"}', b"\xff"]
)
def test_a_broken_meta_says_nothing(meta: bytes) -> None:
    outcome = drive(FORMAT, lines(TALK), PATH, companions={META_NAME: meta})
    assert (outcome.only.facts.external_id, outcome.only.facts.aliases) == ("agent_main_c001", [])
    assert len(outcome.only.messages()) == 4


def test_a_line_of_ten_megabytes_is_read() -> None:
    outcome = read(said("user", "x" * 10_000_000, 0), said("assistant", "short", 1))
    assert [len(message.text) for message in outcome.only.messages()] == [10_000_000, 5]


def test_what_is_remembered_stays_small() -> None:
    talk = [said("user", f"message {number}") for number in range(6000)]
    assert len(json.dumps(read(*talk).state)) < 300_000


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(
        ["user", "assistant", "tool", "c1", "data:image/png;base64,AA==", "0001-01-01T00:00:00Z"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "content", "created_at", "tool_calls", "tool_call_id", "model_name", "media", "attachments",
    "reasoning_content", "system_parts",
]  # fmt: skip
CALLS = st.lists(
    st.fixed_dictionaries(
        {"id": VALUES, "function": st.fixed_dictionaries({"name": VALUES, "arguments": VALUES})}
    )
    | VALUES,
    max_size=3,
)


@st.composite
def hostile_messages(draw: st.DrawFn) -> dict[str, Any]:
    message = draw(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5))
    message["role"] = draw(st.sampled_from(["user", "assistant", "tool"]) | VALUES)
    if draw(st.booleans()):
        message["tool_calls"] = draw(CALLS)
    return message


@settings(max_examples=full_or(300, 100))
@given(st.lists(hostile_messages() | VALUES, max_size=6), st.sets(st.integers(1, 6)), VALUES)
def test_no_shape_of_a_message_does_harm(messages: list[object], cuts: set[int], meta: object) -> None:
    companions = {
        META_NAME: json.dumps({"skip": meta, "key": meta, "aliases": [meta], "scope": meta}).encode()
    }
    content = lines(messages)
    whole = drive(FORMAT, content, PATH, companions=companions)
    assert drive(FORMAT, content, PATH, companions=companions, cuts=cuts) == whole
    document(messages)


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_no_bytes_do_harm(content: bytes) -> None:
    for known in (FORMAT, LEGACY_FORMAT):
        parser = known.parser(SourceFacts(PATH, {META_NAME: content}), {})
        with contextlib.suppress(SkipLine):
            parser.feed(content, Place(0, len(content), 1))
        parser.close_batch(following=True)
