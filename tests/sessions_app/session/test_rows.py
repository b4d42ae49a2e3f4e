"""What an open page fetches on news: new rows, changed rows, the header's figures, and where to go on."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from sessions_app.models import AgentSession, EventKind, MessageRole, ToolCall, ToolCallStatus
from tests.factories import make_event, make_message, make_replies, make_run, make_tool_call

pytestmark = pytest.mark.django_db


def rows_after(client: Client, session: AgentSession, seq: int) -> tuple[list[int], list[int], int, str]:
    """(new places, changed places, where to go on, all of it)"""
    response = client.get(reverse("session-rows", args=[session.pk]) + f"?after={seq}")
    assert response.status_code == 200
    page = response.content.decode()
    fresh, _, rest = page.partition("<ol data-changed>")
    through = re.search(r'data-through="(\d+)"', page)
    assert through is not None
    return places(fresh), places(rest), int(through[1]), page


def places(part: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'<li class="row" id="seq-(\d+)"', part)]


def test_new_rows_come_once_and_the_cursor_moves(operator: Client, session: AgentSession) -> None:
    make_message(session)
    assert rows_after(operator, session, 0)[:3] == ([1], [], 1)
    assert rows_after(operator, session, 1)[:3] == ([], [], 1)
    make_message(session, "More.", role=MessageRole.ASSISTANT)
    assert rows_after(operator, session, 1)[:3] == ([2], [], 2)


def test_a_call_that_ended_comes_again_as_it_is_now(operator: Client, session: AgentSession) -> None:
    call = make_tool_call(session, status=ToolCallStatus.RUNNING, ended_ms=None)
    assert "Running" in rows_after(operator, session, 0)[3]
    ToolCall.objects.filter(pk=call.pk).update(status=ToolCallStatus.COMPLETED, ended_ms=call.at_ms + 340)
    make_event(session, EventKind.TOOL_CALL_ENDED, run_id=call.run_id, subject_id=call.pk)
    fresh, changed, through, page = rows_after(operator, session, 1)
    assert (fresh, changed, through) == ([], [1], 2)
    assert "340 ms" in page


def test_a_long_absence_is_caught_up_page_by_page(operator: Client, session: AgentSession) -> None:
    for _ in range(205):
        make_message(session)
    met: list[int] = []
    at = 0
    for _ in range(5):
        fresh, _, through, page = rows_after(operator, session, at)
        met += fresh
        if "data-later" not in page:
            break
        assert through == fresh[-1]
        at = through
    assert met == list(range(1, 206))


def test_news_of_other_runs_move_the_cursor_without_rows(operator: Client, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get())
    make_message(session, run=child)
    assert rows_after(operator, session, 0)[:3] == ([], [], 1)


def test_the_headers_figures_come_along(operator: Client, session: AgentSession) -> None:
    make_message(session)
    AgentSession.objects.filter(pk=session.pk).update(message_count=43_210, status="running")
    page = rows_after(operator, session, 0)[3]
    assert 'id="session-figures"' in page
    assert "43.2k" in page
    assert 'id="session-status"' in page
    assert "Running" in page


@pytest.mark.parametrize("query", ["", "?after=1&before=2", "?after=x"])
def test_a_request_for_no_place_is_refused(operator: Client, session: AgentSession, query: str) -> None:
    assert operator.get(reverse("session-rows", args=[session.pk]) + query).status_code == 400


def test_earlier_rows_say_how_to_go_on(operator: Client, session: AgentSession) -> None:
    for _ in range(100):
        make_message(session)
    page = operator.get(reverse("session-rows", args=[session.pk]) + "?before=91").content.decode()
    assert places(page) == list(range(11, 91))
    assert 'data-earlier="11"' in page
    assert "data-changed" not in page


def test_the_rows_around_a_moment_lead_on_both_ways(operator: Client, session: AgentSession) -> None:
    make_replies(session, ["Done."] * 300)
    rows = reverse("session-rows", args=[session.pk])
    page = operator.get(rows + "?t=00:02:30").content.decode()
    found = places(page)
    assert found[0] < 150 < found[-1]
    assert f'data-earlier="{found[0]}"' in page
    assert f'data-later="{found[-1]}"' in page
    end = operator.get(rows + "?t=99:00:00").content.decode()
    assert places(end)[-1] == 300
    assert "data-later" not in end
    for nothing in ("", "?t=soon"):
        assert operator.get(rows + nothing).status_code == 400
