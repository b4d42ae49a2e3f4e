import pytest

from sessions_app.models import AgentSession
from tests.factories import make_event, make_message, make_run, make_session, make_terminal, make_tool_call

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
