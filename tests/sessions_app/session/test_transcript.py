"""The transcript's page: what it holds, what it costs, what hostile records can do to it."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from sessions_app.models import (
    AgentSession,
    EventKind,
    MessageKind,
    MessageRole,
    ToolCallStatus,
    ToolKind,
)
from tests.factories import (
    make_blob,
    make_event,
    make_message,
    make_replies,
    make_run,
    make_session,
    make_source,
    make_terminal,
    make_tool_call,
    make_usage,
)

pytestmark = pytest.mark.django_db


def page_of(client: Client, session: AgentSession, query: str = "") -> str:
    response = client.get(reverse("session", args=[session.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def shown(page: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'<li class="row" id="seq-(\d+)"', page)]


def test_the_newest_page_comes_first_and_leads_back_by_links(operator: Client, session: AgentSession) -> None:
    make_replies(session, [f"Message number {number}." for number in range(200)])
    page = page_of(operator, session)
    assert shown(page) == list(range(121, 201))
    assert 'href="?before=121"' in page

    earlier = page_of(operator, session, "?before=121")
    assert shown(earlier) == list(range(41, 121))
    assert 'href="?before=41"' in earlier
    assert 'href="?after=120"' in earlier
    assert shown(page_of(operator, session, "?after=120")) == list(range(121, 201))


def test_a_hit_stands_in_the_middle_with_its_surroundings(operator: Client, session: AgentSession) -> None:
    make_replies(session, ["Please look at the login form."] * 200)
    page = page_of(operator, session, "?at=100")
    assert shown(page) == list(range(60, 140))
    assert 'at="100"' in page


def test_a_moment_opens_the_row_nearest_to_it(operator: Client, session: AgentSession) -> None:
    make_replies(session, ["Please look at the login form."] * 200)
    # The row at place 100 is 100 seconds after the session's start.
    page = page_of(operator, session, "?t=00:01:40.400")
    assert shown(page) == list(range(60, 140))
    assert 'at="100"' in page
    assert shown(page_of(operator, session, "?t=99:00:00"))[-1] == 200
    assert shown(page_of(operator, session, "?t=0:00"))[0] == 1
    # What the address says of places goes before, and what is no moment says nothing.
    assert 'at="7"' in page_of(operator, session, "?at=7&t=00:01:40")
    newest = shown(page_of(operator, session))
    for nonsense in ("", "x", "1e9", "00:99:00", "-00:01:00"):
        page = page_of(operator, session, f"?t={nonsense}")
        assert shown(page) == newest
        # It is said, not passed over.
        assert (f"The moment “<bdi>{nonsense}</bdi>” in this link could not be read" in page) is bool(
            nonsense
        )
    assert 'at="20"' in page_of(operator, session, "?t=20")
    assert 'at="100"' in page_of(operator, session, "?t=1m40s")
    assert "could not be read" not in page_of(operator, session, "?t=1m40s")
    main = reverse("run", args=[session.runs.get().pk])
    assert "could not be read" in operator.get(f"{main}?t=soon").content.decode()


def test_a_moment_is_found_in_few_looks(operator: Client, session: AgentSession) -> None:
    make_replies(session, ["Please look at the login form."] * 200)
    with CaptureQueriesContext(connection) as newest:
        page_of(operator, session)
    with CaptureQueriesContext(connection) as sought:
        page_of(operator, session, "?t=00:01:40")
    # Twice the binary logarithm of the places, and the rows on the other side.
    assert len(sought) <= len(newest) + 2 * 8 + 6


def test_a_hit_in_a_subagent_opens_that_subagents_transcript(operator: Client, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get(), title="Explore")
    make_message(session)
    inside = make_message(session, "A needle.", run=child)
    page = page_of(operator, session, f"?at={inside.seq}")
    assert shown(page) == [inside.seq]
    assert "Only the run" in page


@pytest.mark.parametrize("query", ["?at=x", "?before=-1", "?after=1e3", "?at=" + "9" * 30, "?after=٣"])
def test_a_broken_link_is_refused_in_one_line(operator: Client, session: AgentSession, query: str) -> None:
    response = operator.get(reverse("session", args=[session.pk]) + query)
    assert response.status_code == 400
    assert "This link is broken" in response.content.decode()


def test_each_kind_of_row_is_drawn_as_what_it_is(operator: Client, session: AgentSession) -> None:
    make_message(session, "Please **look**.")
    make_message(session, "<system-reminder>x</system-reminder>", kind=MessageKind.CONTEXT)
    make_message(
        session, "Found it.", role=MessageRole.ASSISTANT, reasoning="Let me think.", reasoning_size=13
    )
    make_message(session, "", role=MessageRole.ASSISTANT)
    make_message(session, "API Error: 529", role=MessageRole.ASSISTANT, kind=MessageKind.ERROR)
    make_tool_call(session, status=ToolCallStatus.FAILED, exit_status=2, output="x" * 48_213)
    make_tool_call(session, status=ToolCallStatus.UNANSWERED, ended_ms=None)
    make_event(session, EventKind.SESSION_COMPACTED, text="manual, 155k tokens before")
    make_event(session, EventKind.ERROR_REPORTED, text="stream disconnected")
    page = page_of(operator, session)
    assert "<p>Please <strong>look</strong>.</p>" in page
    assert escape("<system-reminder>x</system-reminder>") in page
    assert "Let me think." in page
    assert "made calls" in page
    assert 'data-tone="fail"' in page
    assert "exit 2" in page
    assert "48.2 kB" in page
    assert "No result" in page
    assert "Context compacted" in page
    assert "stream disconnected" in page
    assert shown(page) == list(range(1, 10))


def test_a_subagent_stands_under_the_call_that_started_it(operator: Client, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get(), title="Explore the queue")
    make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
    make_message(session, "Only in the subagent.", run=child)
    page = page_of(operator, session)
    assert reverse("run", args=[child.pk]) in page
    assert reverse("run-peek", args=[child.pk]) in page
    assert "Only in the subagent." not in page
    peek = operator.get(reverse("run-peek", args=[child.pk])).content.decode()
    assert "Only in the subagent." in peek


def test_every_row_leads_to_its_own_line_in_the_source(operator: Client, session: AgentSession) -> None:
    source = make_source(session)
    make_message(session, source=source, source_line=7, source_offset=100, source_size=20)
    assert reverse("session-raw-line", args=[session.pk, source.pk, 7]) in page_of(operator, session)


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


def test_a_subagents_rows_bear_its_name_and_the_header_that_of_the_session(operator: Client) -> None:
    session = make_session(with_main_run=True, agent="claude-code")
    child = make_run(session, parent=session.runs.get(), agent_name="explorer")
    make_message(session, "Found it.", run=child, role=MessageRole.ASSISTANT)

    rows = reverse("session-rows", args=[session.pk])
    for page in (
        page_of(operator, session, f"?run={child.pk}"),
        operator.get(f"{rows}?run={child.pk}&after=0").content.decode(),
    ):
        figures = page.partition('id="session-figures"')[2].partition("</span>")[0]
        assert "<b>Claude Code</b>" in figures
        assert '<h3 class="message__author">explorer</h3>' in page


def test_nothing_a_record_says_becomes_markup(operator: Client) -> None:
    session = make_session(
        with_main_run=True,
        title=HOSTILE,
        branch=HOSTILE,
        model=HOSTILE,
        status_evidence=HOSTILE,
        cwd=HOSTILE,
        agent="claude-code",
    )
    child = make_run(session, parent=session.runs.get(), title=HOSTILE, agent_name=HOSTILE)
    make_message(session, HOSTILE)
    make_message(session, HOSTILE, kind=MessageKind.CONTEXT)
    make_message(session, HOSTILE, role=MessageRole.ASSISTANT, kind=MessageKind.ERROR, model=HOSTILE)
    make_message(
        session, "", attachments=[{"sha256": make_blob().pk, "media_type": HOSTILE, "name": HOSTILE}]
    )
    make_tool_call(session, HOSTILE, title=HOSTILE, kind=ToolKind.AGENT, child_run=child)
    make_event(session, EventKind.NOTED, text=HOSTILE)
    for address in (
        reverse("session", args=[session.pk]),
        reverse("session-rows", args=[session.pk]) + "?after=0",
        reverse("session-outline", args=[session.pk]),
        reverse("session-runs", args=[session.pk]),
        reverse("run", args=[child.pk]),
    ):
        page = operator.get(address).content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address


def test_characters_that_hide_or_reorder_are_shown(operator: Client, session: AgentSession) -> None:
    make_message(session, "NUL \u2400 and \x07 and \ufffd and \u202eevil\u202c")
    make_tool_call(session, title="rm \u202e/gpj.cod")
    page = page_of(operator, session)
    assert "NUL \u2400 and \u2407 and \ufffd" in page
    assert "\u202e" not in page
    assert "\u2039U+202E\u203aevil" in page


def test_a_page_stays_small_whatever_stands_in_it(operator: Client, session: AgentSession) -> None:
    for _ in range(100):
        make_message(session, "&<>\"'" * 800, role=MessageRole.ASSISTANT)
        make_tool_call(session, title='"&' * 150)
        make_message(session, "<&" * 2000, kind=MessageKind.CONTEXT)
    assert len(page_of(operator, session).encode()) < 450_000
    plain = make_session(with_main_run=True)
    for _ in range(100):
        make_message(plain, "A sentence of an agent. " * 160, role=MessageRole.ASSISTANT)
        make_tool_call(plain, title="a command " * 20)
    assert len(page_of(operator, plain).encode()) < 300_000


def queries_of(client: Client, address: str) -> int:
    """How many the page itself makes: the rail's counts are remembered for a second and come or do not."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return sum("COUNT(*) FROM (SELECT" not in query["sql"] for query in captured.captured_queries)


def test_opening_costs_the_same_number_of_queries_at_any_size(
    operator: Client, session: AgentSession
) -> None:
    def fill(session: AgentSession, turns: int) -> None:
        main = session.runs.get(parent=None)
        for _ in range(turns):
            child = make_run(session, parent=main)
            make_message(session)
            make_message(session, "Yes.", role=MessageRole.ASSISTANT)
            make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
            make_event(session, EventKind.TURN_ENDED, run_id=main.pk)

    small, large = session, make_session(with_main_run=True)
    fill(small, 2)
    fill(large, 60)
    # The first request of a sign-in writes down when it was.
    operator.get(reverse("session", args=[small.pk]))
    for address, most in (("session", 19), ("session-rows", 21)):
        counts = [
            queries_of(operator, reverse(address, args=[one.pk]) + "?after=0") for one in (small, large)
        ]
        assert counts[0] == counts[1] <= most, address


def test_bodies_are_not_loaded_with_the_page(operator: Client, session: AgentSession) -> None:
    make_tool_call(session, input="{}" * 2000, output="x" * 50_000)
    make_message(session, "y" * 50_000, reasoning="z" * 3000, reasoning_size=3000)
    with CaptureQueriesContext(connection) as captured:
        page_of(operator, session)
    statements = " ".join(query["sql"] for query in captured.captured_queries)
    assert '"sessions_app_blob"."data"' not in statements
    assert '"sessions_app_toolcall"."output",' not in statements
    assert '"sessions_app_toolcall"."input",' not in statements
    assert ', "sessions_app_message"."reasoning",' not in statements


def test_an_empty_session_says_what_will_appear(operator: Client) -> None:
    running = make_session(with_main_run=True, status="running")
    assert "appears here as it is recorded" in page_of(operator, running)
    assert "holds no messages" in page_of(operator, make_session())


def test_a_session_whose_subagents_did_everything_leads_to_them(operator: Client) -> None:
    session = make_session(with_main_run=True)
    make_message(session, "Done", run=make_run(session, parent=session.runs.get()))
    assert f'<a class="button" href="{reverse("session-runs", args=[session.pk])}">' in page_of(
        operator, session
    )
    assert "Show the " not in page_of(operator, make_session(with_main_run=True))


def test_the_status_opens_to_its_evidence(operator: Client) -> None:
    session = make_session(
        status="unfinished", status_evidence="tool call Bash without a result", status_ms=1_772_366_400_000
    )
    page = page_of(operator, session)
    assert "tool call Bash without a result" in page
    assert "2026-03-01 12:00:00 UTC" in page


def test_the_tokens_open_to_their_arithmetic(operator: Client) -> None:
    summed = make_session(
        input_tokens=1000, output_tokens=200, cache_read_tokens=30, cache_write_tokens=4, total_tokens=1234
    )
    assert "The sum of the four." in page_of(operator, summed)
    within = make_session(input_tokens=1000, output_tokens=200, cache_read_tokens=900, total_tokens=1200)
    assert "part of the input" in page_of(operator, within)
    other = make_session(input_tokens=1000, total_tokens=5)
    assert "as the source itself counts it" in page_of(operator, other)


def test_the_cost_opens_to_its_arithmetic(operator: Client, session: AgentSession) -> None:
    run = session.runs.get()
    make_usage(
        run, "claude-sonnet-4-5", input_tokens=12_345, cache_write_tokens=500, cache_write_1h_tokens=200
    )
    for page in (page_of(operator, session), operator.get(f"/runs/{run.pk}/").content.decode()):
        said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
        assert "claude-sonnet-4-5 $0.039" in said
        assert "12,345 input \N{MULTIPLICATION SIGN} $3.00 / M = $0.037" in said
        assert "300 cache write \N{MULTIPLICATION SIGN} $3.75 / M = $0.001" in said
        assert "200 cache write, 1 h \N{MULTIPLICATION SIGN} $6.00 / M = $0.001" in said
        assert "for the ordinary tier; not a bill." in said
        assert "No price is known" not in said


def test_a_cost_that_is_not_all_known_names_what_is_missing(operator: Client, session: AgentSession) -> None:
    run = session.runs.get()
    make_usage(run, "gpt-9<b>", input_tokens=7)
    page = page_of(operator, session)
    assert "No price is known for gpt-9&lt;b&gt;." in page
    assert "$" not in page[page.index('class="cost"') : page.index("No price is known")]

    make_usage(run, "claude-sonnet-4-5", output_tokens=80_000)
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page_of(operator, session)))
    assert "tokens, ≥ $1.20" in said
    assert "Total ≥ $1.20" in said


def test_the_neighbours_are_those_of_the_list(operator: Client) -> None:
    older = make_session(last_activity_ms=1000)
    middle = make_session(last_activity_ms=2000)
    newer = make_session(last_activity_ms=3000)
    make_session(last_activity_ms=2500, archived_ms=1)
    page = page_of(operator, middle)
    assert re.search(rf'rel="prev" href="/sessions/{newer.pk}/"', page)
    assert re.search(rf'rel="next" href="/sessions/{older.pk}/"', page)
    assert 'rel="prev"' not in page_of(operator, newer)


def test_the_outline_names_the_newest_prompts(operator: Client, session: AgentSession) -> None:
    for number in range(103):
        make_message(session, f"Prompt {number}")
        make_message(session, "Reply", role=MessageRole.ASSISTANT)
    page = operator.get(reverse("session-outline", args=[session.pk])).content.decode()
    assert "Prompt 102" in page
    assert "Prompt 3<" in page
    assert "Prompt 2<" not in page
    assert "Reply" not in page
    assert f"at={205}#seq-205" in page


def test_the_outline_leads_on_to_the_first_prompt(operator: Client, session: AgentSession) -> None:
    for number in range(230):
        make_message(session, f"Prompt {number}.")
    address = reverse("session-outline", args=[session.pk])

    def places(query: str) -> tuple[list[int], str]:
        page = operator.get(address + query).content.decode()
        return [int(place) for place in re.findall(r'data-jump="(\d+)"', page)], page

    newest, page = places("")
    assert newest == list(range(131, 231))
    assert f"{address}?run={session.runs.get().pk}&amp;before=131" in page
    earlier, page = places("?before=131")
    assert earlier == list(range(31, 131))
    assert "outline__head" not in page, "only what takes the place of the way there"
    first, page = places("?before=31")
    assert first == list(range(1, 31))
    assert "before=" not in page
    # What was asked for stays when there is news.
    assert 'name="from" value="1"' in page
    make_message(session, "Another.")
    assert places("?from=1")[0] == list(range(1, 232))
    assert places("?from=200")[0] == list(range(132, 232))


def test_a_session_with_terminals_shows_one_beside_the_transcript_on_the_same_clock(
    operator: Client, session: AgentSession
) -> None:
    first = make_terminal(
        session, b"one", started_ms=session.started_ms + 1000, title="first", duration_us=9_000_000
    )
    second = make_terminal(
        session, b"two", started_ms=session.started_ms + 5000, title="second", duration_us=5_000_000
    )
    gone = make_terminal(session, started_ms=session.started_ms + 6000, title="gone", deleted_ms=1)
    make_message(session, "Please look.", at_ms=session.started_ms + 2000)
    make_tool_call(session, status=ToolCallStatus.FAILED, title="make", at_ms=session.started_ms + 4000)
    page = page_of(operator, session)
    assert f'terminal="{second.pk}"' in page
    assert f'clock-ms="{session.started_ms}"' in page
    assert f'max="{10_000}"' in page
    assert "--at: 10.00%; --size: 90.00%" in page
    assert 'data-kind="prompt"' in page
    assert 'data-kind="error"' in page
    assert str(gone.pk) not in page
    assert f'terminal="{first.pk}"' in page_of(operator, session, f"?terminal={first.pk}")
    assert f'terminal="{second.pk}"' in page_of(operator, session, "?terminal=nonsense")
    # A link to a moment shows the terminal that was open then.
    assert f'terminal="{first.pk}"' in page_of(operator, session, "?t=2")
    assert f'terminal="{second.pk}"' in page_of(operator, session, "?t=7")
    assert f'terminal="{first.pk}"' in page_of(operator, session, f"?t=7&terminal={first.pk}")


def test_a_session_that_took_no_time_has_no_clock(operator: Client, session: AgentSession) -> None:
    assert "<time-scrubber" not in page_of(operator, session)
    make_message(session, at_ms=session.started_ms)
    assert "<time-scrubber" not in page_of(operator, session)
    make_message(session, at_ms=session.started_ms + 1000)
    assert "<time-scrubber" in page_of(operator, session)


def test_a_session_without_terminals_gives_the_room_to_its_prompts(
    operator: Client, session: AgentSession
) -> None:
    page = page_of(operator, session)
    assert "<terminal-view" not in page
    assert reverse("session-outline", args=[session.pk]) in page
