"""Pages of rows: every place once, whichever way one walks."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.models import AgentSession, EventKind, MessageKind, MessageRole, Run, ToolCall, ToolKind
from sessions_app.timeline import PAGE_CHARS, PAGE_ROWS, Page, Timeline, main_run_of, run_id_at
from tests.factories import make_event, make_message, make_run, make_session, make_tool_call

pytestmark = pytest.mark.django_db

ROW = st.sampled_from(["prompt", "reply", "long", "call", "event", "change", "other run", "session event"])


def timeline_of(session: AgentSession, run: Run | None = None, **limits: int) -> Timeline:
    session.refresh_from_db()
    return Timeline(session, run or main_run_of(session), **limits)


def seqs(page: Page) -> list[int]:
    return [row.seq for row in page.rows]


def walk_back(timeline: Timeline) -> list[int]:
    page = timeline.newest()
    found = seqs(page)
    while page.earlier is not None:
        page = timeline.before(page.earlier)
        found = seqs(page) + found
    return found


def walk_on(timeline: Timeline) -> list[int]:
    page = timeline.after(0)
    found = seqs(page)
    while page.later is not None:
        page = timeline.after(page.later)
        found += seqs(page)
    return found


def add_row(session: AgentSession, main: Run, other: Run, kind: str) -> int | None:
    """Put a row of this kind on the timeline; its place when the main run's transcript shows it."""
    if kind == "prompt":
        return make_message(session, run=main).seq
    if kind == "reply":
        return make_message(session, "Done.", run=main, role=MessageRole.ASSISTANT).seq
    if kind == "long":
        return make_message(session, "x" * 300, run=main, role=MessageRole.ASSISTANT).seq
    if kind == "call":
        return make_tool_call(session, run=main).seq
    if kind == "event":
        return make_event(session, EventKind.TURN_ENDED, run_id=main.pk).seq
    if kind == "session event":
        return make_event(session, EventKind.SESSION_ARCHIVED).seq
    if kind == "change":
        make_event(session, EventKind.TOOL_CALL_ENDED, run_id=main.pk)
    else:
        make_message(session, "elsewhere", run=other)
    return None


@given(kinds=st.lists(ROW, max_size=40), rows=st.integers(1, 12), data=st.data())
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_row_is_met_once_both_ways(kinds: list[str], rows: int, data: st.DataObject) -> None:
    session = make_session()
    main = make_run(session)
    other = make_run(session, parent=main)
    expected = [seq for kind in kinds if (seq := add_row(session, main, other, kind)) is not None]
    timeline = timeline_of(session, page_rows=rows, page_chars=700)

    assert walk_back(timeline) == expected
    assert walk_on(timeline) == expected
    if expected:
        anchor = data.draw(st.sampled_from(expected))
        page = timeline.around(anchor)
        found = seqs(page)
        assert anchor in found
        assert found == expected[expected.index(found[0]) : expected.index(found[-1]) + 1]
        assert (page.earlier is None) == (found[0] == expected[0])
        assert (page.later is None) == (found[-1] == expected[-1])


@given(
    gaps=st.lists(
        st.tuples(st.sampled_from(["prompt", "call", "other run"]), st.integers(0, 5_000)), max_size=30
    ),
    moment=st.integers(-1_000, 160_000),
)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_row_nearest_to_a_moment_is_found(gaps: list[tuple[str, int]], moment: int) -> None:
    session = make_session()
    main = make_run(session)
    other = make_run(session, parent=main)
    at_ms = session.started_ms
    rows: dict[int, int] = {}
    for kind, gap in gaps:
        at_ms += gap
        if kind == "call":
            rows[make_tool_call(session, run=main, at_ms=at_ms).seq] = at_ms
        elif kind == "prompt":
            rows[make_message(session, run=main, at_ms=at_ms).seq] = at_ms
        else:
            make_message(session, run=other, at_ms=at_ms)

    sought = session.started_ms + moment
    found = timeline_of(session, main).seq_near(sought)

    if not rows:
        assert found is None
    else:
        assert found is not None
        assert abs(rows[found] - sought) == min(abs(place - sought) for place in rows.values())


def test_a_session_without_runs_shows_all_its_rows() -> None:
    session = make_session()
    expected = [make_event(session, EventKind.NOTED).seq, make_event(session, EventKind.TURN_ENDED).seq]
    assert walk_back(timeline_of(session)) == expected


def test_a_subagents_transcript_holds_nothing_of_the_main_run_or_the_session() -> None:
    session = make_session(with_main_run=True)
    main = main_run_of(session)
    child = make_run(session, parent=main)
    make_message(session)
    inside = make_message(session, "Look around.", run=child)
    make_event(session, EventKind.SESSION_ARCHIVED)
    assert walk_back(timeline_of(session, child)) == [inside.seq]


def test_a_page_is_cut_by_rows_and_by_the_text_it_draws() -> None:
    session = make_session(with_main_run=True)
    for _ in range(PAGE_ROWS + 5):
        make_message(session, "short")
    assert len(timeline_of(session).newest().rows) == PAGE_ROWS

    long = make_session(with_main_run=True)
    for _ in range(30):
        make_message(long, "x" * 4000)
    page = timeline_of(long).newest()
    assert sum(row.drawn_chars for row in page.rows) <= PAGE_CHARS
    assert len(page.rows) == PAGE_CHARS // 4000


def test_what_is_committed_after_the_session_was_read_waits_for_the_next_look() -> None:
    session = make_session(with_main_run=True)
    seen = make_message(session)
    timeline = timeline_of(session)
    later = make_message(session, "Meanwhile.")
    assert seqs(timeline.newest()) == [seen.seq]
    assert seqs(timeline.before(later.seq + 10)) == [seen.seq]
    assert seqs(timeline.around(later.seq + 10)) == [seen.seq]
    assert seqs(timeline.after(0)) == [seen.seq]
    assert seqs(timeline_of(session).after(timeline.through)) == [later.seq]


def test_a_change_brings_the_row_that_it_changed() -> None:
    session = make_session(with_main_run=True)
    main = main_run_of(session)
    assert main is not None
    call = make_tool_call(session)
    message = make_message(session)
    read_to = timeline_of(session).through
    for kind, subject in ((EventKind.TOOL_CALL_ENDED, call), (EventKind.MESSAGE_EXTENDED, message)):
        make_event(session, kind, run_id=main.pk, subject_id=subject.pk)
    timeline = timeline_of(session)
    assert sorted(row.seq for row in timeline.changed(read_to, timeline.through)) == [call.seq, message.seq]
    assert timeline.after(read_to).rows == []
    assert timeline.changed(timeline.through, timeline.through) == []


def test_a_call_that_ended_is_brought_however_much_changed_before_it() -> None:
    session = make_session(with_main_run=True)
    main = main_run_of(session)
    assert main is not None
    call = make_tool_call(session)
    read_to = timeline_of(session).through
    reply = make_message(session, "It grows.", role=MessageRole.ASSISTANT)
    later = [make_tool_call(session) for _ in range(PAGE_ROWS - 1)]
    for subject in (*[reply] * PAGE_ROWS, *later, *later):
        make_event(session, EventKind.MESSAGE_EXTENDED, run_id=main.pk, subject_id=subject.pk)
    make_event(session, EventKind.TOOL_CALL_ENDED, run_id=main.pk, subject_id=call.pk)
    timeline = timeline_of(session)
    assert len(timeline.after(read_to).rows) == PAGE_ROWS
    assert [row.seq for row in timeline.changed(read_to, timeline.through)] == [call.seq]


def test_a_row_that_changed_often_is_brought_once_and_hides_no_other() -> None:
    session = make_session(with_main_run=True)
    main = main_run_of(session)
    assert main is not None
    reply = make_message(session, "It grows.", role=MessageRole.ASSISTANT)
    call = make_tool_call(session)
    read_to = timeline_of(session).through
    for subject in (*[reply] * PAGE_ROWS * 2, call):
        make_event(session, EventKind.MESSAGE_EXTENDED, run_id=main.pk, subject_id=subject.pk)
    timeline = timeline_of(session)
    assert [row.seq for row in timeline.changed(read_to, timeline.through)] == [reply.seq, call.seq]


def test_activity_in_a_subagent_brings_the_call_that_started_it() -> None:
    session = make_session(with_main_run=True)
    child = make_run(session, parent=main_run_of(session))
    call = make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
    read_to = timeline_of(session).through
    make_message(session, "Found it.", run=child, role=MessageRole.ASSISTANT)
    timeline = timeline_of(session)
    changed = timeline.changed(read_to, timeline.through)
    assert [row.seq for row in changed] == [call.seq]
    assert isinstance(changed[0].subject, ToolCall)
    assert changed[0].subject.child_run is not None
    assert changed[0].subject.child_run.message_count == 1


def test_a_reply_after_its_own_calls_goes_on() -> None:
    session = make_session(with_main_run=True)
    make_message(session)
    make_message(session, "First.", role=MessageRole.ASSISTANT)
    make_tool_call(session)
    make_message(session, "Then.", role=MessageRole.ASSISTANT)
    make_message(session, "An answer to a new prompt.", kind=MessageKind.PROMPT)
    make_message(session, "Yes.", role=MessageRole.ASSISTANT)
    assert [row.continues for row in timeline_of(session).newest().rows] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]


def test_rows_that_follow_a_place_know_what_stood_before_it() -> None:
    session = make_session(with_main_run=True)
    call = make_tool_call(session)
    make_message(session, "Then.", role=MessageRole.ASSISTANT)
    [row] = timeline_of(session).after(call.seq).rows
    assert row.continues
    assert row.day == ""


def test_the_first_row_of_each_day_says_which_day() -> None:
    session = make_session(with_main_run=True)
    make_message(session, at_ms=session.started_ms)
    make_message(session, at_ms=session.started_ms + 1000)
    make_message(session, at_ms=session.started_ms + 86_400_000)
    assert [row.day for row in timeline_of(session).newest().rows] == [
        "Sunday, 1 March 2026",
        "",
        "Monday, 2 March 2026",
    ]


def test_a_row_tells_its_run() -> None:
    session = make_session(with_main_run=True)
    child = make_run(session, parent=main_run_of(session))
    call = make_tool_call(session, run=child)
    event = make_event(session, EventKind.SESSION_ARCHIVED)
    assert run_id_at(session, call.seq) == child.pk
    assert run_id_at(session, event.seq) is None
    assert run_id_at(session, 99) is None
