from typing import Any

import pytest

from sessions_app.models import AgentSession, Event, Message, MessageRole, Run
from tests.factories import (
    make_event,
    make_events,
    make_message,
    make_replies,
    make_run,
    make_session,
    make_terminal,
    make_tool_call,
)

pytestmark = pytest.mark.django_db


def test_rows_fill_the_timeline_without_a_gap_and_the_counters_agree() -> None:
    session = make_session(with_main_run=True)
    main = session.runs.get()
    message = make_message(session)
    rows = [message, make_tool_call(session, message=message), make_event(session)]
    child = make_run(session, parent=main)
    long = make_message(session, "x" * 10_000, run=child, role="assistant")
    rows.append(long)
    make_terminal(session, b"hello")

    found = AgentSession.objects.get()
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert found.last_seq == 4
    assert (found.run_count, found.message_count, found.tool_call_count, found.terminal_count) == (2, 2, 1, 1)
    assert long.text_blob is not None
    assert long.text_blob.read() == b"x" * 10_000
    assert found.last_activity_ms == rows[-1].at_ms


def test_many_rows_at_once_are_as_those_that_are_made_one_by_one() -> None:
    texts = ["one", "two", "three"]
    single, many = make_session(with_main_run=True), make_session(with_main_run=True)
    for text in texts:
        make_message(single, text, role=MessageRole.ASSISTANT)
    for text in texts:
        make_event(single, text=text)

    make_replies(many, texts)
    make_events(many, texts)

    assert everything_of(many) == everything_of(single) != []


def everything_of(session: AgentSession) -> list[dict[str, Any]]:
    """The session and its rows, but for what is each one's own."""
    own = {"_state", "id", "session_id", "run_id", "external_id", "created_ms", "arrived_ms", "updated_ms"}
    rows: list[Any] = [AgentSession.objects.get(pk=session.pk), *Run.objects.filter(session=session)]
    for model in (Message, Event):
        rows += model._default_manager.filter(session=session).order_by("seq")
    return [{name: value for name, value in vars(row).items() if name not in own} for row in rows]
