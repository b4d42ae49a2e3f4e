"""The session's clock: where its pauses are, and how it is drawn around them."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import clock_marks, session_pauses
from sessions_app.clock_scale import BREAK_SHARE, MOST_BREAKS, scale_of
from sessions_app.models import AgentSession, EventKind, MessageKind, MessageRole, ToolCallStatus
from sessions_app.session_clock import scale_of_session
from sessions_app.session_pauses import LEAST_PAUSE_MS, pauses_of
from tests.factories import (
    make_event,
    make_message,
    make_replies,
    make_run,
    make_session,
    make_terminal,
    make_tool_call,
)

pytestmark = pytest.mark.django_db

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def found_pauses(session: AgentSession, *others: tuple[int, int]) -> list[tuple[int, int]]:
    """In milliseconds since the session's start, up to its last activity."""
    session.refresh_from_db()
    start_ms = session.started_ms
    absolute = [(start_ms + before, start_ms + after) for before, after in others]
    found = pauses_of(session, absolute, session.last_activity_ms)
    return [(before - start_ms, after - start_ms) for before, after in found]


def say(session: AgentSession, *offsets: int) -> None:
    for offset in offsets:
        make_message(session, at_ms=session.started_ms + offset)


@given(
    gaps=st.lists(
        st.tuples(
            st.sampled_from(["message", "call", "event"]), st.sampled_from([0, MINUTE, 9 * MINUTE, HOUR, DAY])
        ),
        max_size=40,
    )
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_pauses_are_those_that_reading_every_row_finds(gaps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as few:
        few.setattr(session_pauses, "_ROWS", 9)
        few.setattr(session_pauses, "_STRETCHES", 40)
        few.setattr(session_pauses, "_LEAST_SHARE", 0)
        session = make_session(with_main_run=True)
        at_ms = session.started_ms
        moments = [at_ms]
        make: dict[str, Callable[..., Any]] = {
            "message": make_message,
            "call": make_tool_call,
            "event": make_event,
        }
        for kind, gap in gaps:
            at_ms += gap
            moments.append(at_ms)
            make[kind](session, at_ms=at_ms)
        expected = [(one, two) for one, two in pairwise(moments) if two - one > LEAST_PAUSE_MS]
        start_ms = session.started_ms
        found = [(start_ms + before, start_ms + after) for before, after in found_pauses(session)]
        assert found == expected


def test_a_pause_is_found_in_few_statements_however_many_rows_there_are() -> None:
    session = make_session(with_main_run=True)
    make_replies(session, ["Done."] * 2_000)
    session.refresh_from_db()
    left_ms = session.last_activity_ms - session.started_ms
    say(session, left_ms + DAY)
    with CaptureQueriesContext(connection) as queries:
        assert found_pauses(session) == [(left_ms, left_ms + DAY)]
    # One of them reads the session anew.
    assert len(queries) <= 4


def test_short_pauses_count_once_the_long_one_beside_them_is_known() -> None:
    session = make_session(with_main_run=True)
    make_replies(session, ["Done."] * 300)
    session.refresh_from_db()
    at_ms = session.last_activity_ms - session.started_ms
    say(session, at_ms + HOUR, at_ms + 365 * DAY)
    assert found_pauses(session) == [(at_ms, at_ms + HOUR), (at_ms + HOUR, at_ms + 365 * DAY)]


def test_an_open_terminal_is_no_pause() -> None:
    session = make_session(with_main_run=True)
    say(session, 0, 5 * HOUR)
    assert found_pauses(session) == [(0, 5 * HOUR)]
    assert found_pauses(session, (HOUR, 2 * HOUR)) == [(0, HOUR), (2 * HOUR, 5 * HOUR)]
    assert found_pauses(session, (0, 5 * HOUR)) == []


def test_rows_of_another_source_that_follow_fill_the_pauses_of_the_first() -> None:
    session = make_session(with_main_run=True)
    say(session, 0, MINUTE, 2 * HOUR, 3 * HOUR)
    # A subagent's history is read after the whole of the main one.
    say(session, 2 * MINUTE, *range(10 * MINUTE, 2 * HOUR, 10 * MINUTE))
    assert found_pauses(session) == [(2 * HOUR, 3 * HOUR)]


def test_a_session_resumed_the_next_day_is_drawn_for_its_work() -> None:
    session = make_session(with_main_run=True)
    say(session, *range(0, HOUR, MINUTE), *range(DAY, DAY + HOUR, MINUTE))
    session.refresh_from_db()
    scale = scale_of_session(session, [])
    assert scale.breaks == [(59 * MINUTE, DAY)]
    assert scale.length_ms == DAY + 59 * MINUTE
    assert scale.share(0) == 0
    assert scale.share(59 * MINUTE) == pytest.approx(0.49, abs=1e-4)
    assert scale.share(DAY) == pytest.approx(0.51, abs=1e-4)
    assert scale.share(DAY + 59 * MINUTE) == 1
    assert scale.share(2 * DAY) == 1


def test_a_terminal_of_today_in_a_session_of_last_year_has_its_room() -> None:
    session = make_session(with_main_run=True)
    say(session, 0, MINUTE, 2 * MINUTE)
    terminal = make_terminal(
        session, started_ms=session.started_ms + 365 * DAY, duration_us=2 * MINUTE * 1000
    )
    session.refresh_from_db()
    scale = scale_of_session(session, [terminal])
    assert scale.share(2 * MINUTE) == pytest.approx(0.49, abs=1e-4)
    assert scale.share(365 * DAY) == pytest.approx(0.51, abs=1e-4)


def test_what_takes_hardly_more_room_than_a_break_is_drawn_as_it_is() -> None:
    assert scale_of(20 * HOUR, [(HOUR, HOUR + 12 * MINUTE)]).knots == [(0, 0), (20 * HOUR, 20 * HOUR)]
    assert scale_of(2 * HOUR, [(HOUR, HOUR + 12 * MINUTE)]).breaks == [(HOUR, HOUR + 12 * MINUTE)]
    # Nothing lies between these.
    assert scale_of(DAY, [(0, DAY)]).breaks == []


@given(
    pieces=st.lists(
        st.tuples(st.integers(1, 40 * MINUTE), st.integers(LEAST_PAUSE_MS, 3 * DAY)), min_size=1, max_size=30
    )
)
def test_the_scale_rises_and_leaves_three_quarters_to_the_work(pieces: list[tuple[int, int]]) -> None:
    at, pauses = 0, []
    for worked, pause in pieces:
        pauses.append((at + worked, at + worked + pause))
        at += worked + pause
    scale = scale_of(at + MINUTE, pauses)
    assert len(scale.breaks) <= MOST_BREAKS
    assert sorted(scale.knots) == scale.knots
    assert all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(scale.knots))
    for before, after in scale.breaks:
        assert scale.share(after) - scale.share(before) == pytest.approx(BREAK_SHARE, abs=1e-3)
    left_out = [pause[1] - pause[0] for pause in pauses if pause not in scale.breaks]
    if len(scale.breaks) == MOST_BREAKS and left_out:
        assert max(left_out) <= min(after - before for before, after in scale.breaks)


def drawn(client: Client, session: AgentSession) -> str:
    return client.get(reverse("session-clock", args=[session.pk])).content.decode()


def test_the_whole_session_has_its_marks_and_runs(operator: Client, session: AgentSession) -> None:
    main = session.runs.get()
    first = make_message(session, "Look at the login.", at_ms=session.started_ms)
    child = make_run(
        session,
        parent=main,
        title="Explore",
        started_ms=session.started_ms + 100_000,
        ended_ms=session.started_ms + 200_000,
    )
    make_message(session, "Of the agent alone.", run=child, at_ms=session.started_ms + 150_000)
    make_tool_call(
        session, run=child, status=ToolCallStatus.FAILED, title="make", at_ms=session.started_ms + 180_000
    )
    make_event(session, EventKind.SESSION_COMPACTED, at_ms=session.started_ms + 300_000)
    make_replies(session, ["Done."] * 100)
    make_message(session, "Go on.", at_ms=session.started_ms + 400_000)
    page = drawn(operator, session)
    assert f'id="mark-{first.seq}" data-kind="prompt" data-sparse' in page
    assert 'title="Prompt: Look at the login."' in page
    assert 'title="Bash failed: make"' in page
    assert 'title="Context compacted"' in page
    assert 'title="Prompt: Go on."' in page
    assert "Of the agent alone" not in page
    assert (
        'data-lane="1" data-status="completed" title="Explore" style="--at: 25.00%; --size: 25.00%"' in page
    )
    assert "scrubber__cut" not in page


def test_what_begins_with_a_command_has_its_mark_at_the_start(
    operator: Client, session: AgentSession
) -> None:
    first = make_message(
        session, "/orchestrator Mend the login.", kind=MessageKind.COMMAND, at_ms=session.started_ms
    )
    make_message(session, "Said by a program.", kind=MessageKind.CONTEXT, at_ms=session.started_ms + 100_000)
    page = drawn(operator, session)
    assert f'id="mark-{first.seq}" data-kind="prompt"' in page
    assert 'title="Command: /orchestrator Mend the login."' in page
    assert page.count("scrubber__mark") == 1
    outline = operator.get(reverse("session-outline", args=[session.pk])).content.decode()
    assert f'data-jump="{first.seq}"' in outline
    assert outline.count("data-jump") == 1


def test_marks_that_would_overlap_are_one_the_more_important(operator: Client, session: AgentSession) -> None:
    for number in range(30):
        make_message(session, f"Prompt {number}", at_ms=session.started_ms + number * 10)
    make_tool_call(session, status=ToolCallStatus.FAILED, title="make", at_ms=session.started_ms + 500)
    make_message(session, "The end.", at_ms=session.started_ms + 100_000)
    page = drawn(operator, session)
    assert page.count("scrubber__mark") == 2
    assert "Bash failed: make, and 30 more" in page


def test_runs_that_touch_are_drawn_as_one(operator: Client, session: AgentSession) -> None:
    main = session.runs.get()
    for number in range(3):
        at_ms = session.started_ms + number * 10_000
        make_run(session, parent=main, started_ms=at_ms, ended_ms=at_ms + 11_000)
    make_message(session, at_ms=session.started_ms + 100_000)
    page = drawn(operator, session)
    assert page.count('data-lane="1"') == 1
    assert 'title="3 subagents" style="--at: 0.00%; --size: 31.00%"' in page


def test_two_thousand_prompts_have_marks_along_the_whole_bar(operator: Client, session: AgentSession) -> None:
    make_replies(session, ["Said."] * 2000)
    session.messages.update(kind=MessageKind.PROMPT, role=MessageRole.USER)
    with CaptureQueriesContext(connection) as queries:
        page = drawn(operator, session)
    assert "scrubber__cut" not in page
    places = [float(place) for place in re.findall(r'data-seek="\d+".*?--at: ([\d.]+)%"', page)]
    assert 90 <= len(places) <= 101
    assert max(after - before for before, after in pairwise(places)) < 2.1
    assert sum(int(more) for more in re.findall(r'title="[^"]*, and (\d+) more"', page)) == 2000 - len(places)
    texts = [query["sql"] for query in queries if '"sessions_app_message"."text"' in query["sql"]]
    assert len(texts) == 1, "only those that are drawn are read"


def test_what_has_no_mark_is_said(
    operator: Client, session: AgentSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        make_message(session, f"Prompt {number}", at_ms=session.started_ms + number * MINUTE)
    assert "scrubber__cut" not in drawn(operator, session)
    monkeypatch.setattr(clock_marks, "MOST_PLACES", 2)
    page = drawn(operator, session)
    assert "Only the newest 2 rows<" in page
    assert "Prompt 2" not in page


def test_more_runs_than_are_read_are_said(
    operator: Client, session: AgentSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = session.runs.get()
    for number in range(4):
        at_ms = session.started_ms + number * MINUTE
        make_run(session, parent=main, title=f"Look {number}", started_ms=at_ms, ended_ms=at_ms + 1000)
    make_message(session, at_ms=session.started_ms + 4 * MINUTE)
    assert "scrubber__cut" not in drawn(operator, session)
    monkeypatch.setattr(clock_marks, "MOST_RUNS", 3)
    page = drawn(operator, session)
    assert "Only the newest 3 subagents<" in page
    assert 'title="Look 1"' in page
    assert "Look 0" not in page


def test_the_marks_are_found_without_reading_bodies(operator: Client, session: AgentSession) -> None:
    make_message(session)
    make_tool_call(session, status=ToolCallStatus.FAILED)
    with CaptureQueriesContext(connection) as queries:
        drawn(operator, session)
    read = " ".join(query["sql"] for query in queries)
    assert '"sessions_app_message"."text"' in read
    for body in ('message"."reasoning"', 'toolcall"."output"', 'toolcall"."input"', 'event"."document"'):
        assert f'"sessions_app_{body}' not in read
