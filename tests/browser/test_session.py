"""The session page in a browser: live rows, folds, keys."""

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from sessions_app.actions.timeline import append_event
from sessions_app.models import (
    AgentSession,
    EventKind,
    MessageKind,
    MessageRole,
    Person,
    ReadMark,
    Role,
    Star,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.browser.session_pages import address, fill, opened
from tests.factories import (
    make_message,
    make_person,
    make_run,
    make_session,
    make_tool_call,
)

pytestmark = pytest.mark.browser


def places(page: Page) -> list[int]:
    found: list[int] = page.eval_on_selector_all(
        "[data-transcript] > .row", "rows => rows.map(row => Number(row.dataset.seq))"
    )
    return found


def scroll_top(page: Page) -> float:
    top: float = page.evaluate("document.scrollingElement.scrollTop")
    return top


def at_end(page: Page) -> bool:
    rest: float = page.evaluate(
        "(({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight)"
        "(document.scrollingElement)"
    )
    return rest < 5


def end_call(call: ToolCall, output: str) -> None:
    """As an importer does it: the row changes and an event on the timeline says so."""
    with transaction.atomic():
        ToolCall.objects.filter(pk=call.pk).update(
            status=ToolCallStatus.COMPLETED, ended_ms=call.at_ms + 340, output=output, output_size=len(output)
        )
        append_event(
            call.session_id,
            EventKind.TOOL_CALL_ENDED,
            run_id=call.run_id,
            subject_id=call.pk,
            at_ms=call.at_ms,
        )


def test_a_session_that_starts_empty_fills_while_one_looks(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = opened(signed_in_page, session)
    expect(page.get_by_text("appears here as it is recorded")).to_be_visible()
    make_message(session, "The very first words.")
    # The outline beside the transcript names them too.
    expect(page.locator("#seq-1").get_by_text("The very first words.")).to_be_visible()
    expect(page.get_by_text("appears here as it is recorded")).to_have_count(0)
    expect(page.locator("#session-figures")).to_contain_text("1 message")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_reader_at_the_end_stays_at_the_end(signed_in_page: Page, session: AgentSession) -> None:
    fill(session, 40)
    page = opened(signed_in_page, session)
    assert at_end(page)
    for number in range(5):
        make_message(session, f"Live line {number}.", role=MessageRole.ASSISTANT)
        expect(page.get_by_text(f"Live line {number}.")).to_be_in_viewport()
    assert places(page) == list(range(1, 46))


def test_a_reader_elsewhere_keeps_their_place_and_is_told(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 40)
    page = opened(signed_in_page, session)
    page.evaluate("document.scrollingElement.scrollTop = 900")
    before = scroll_top(page)
    make_message(session, "Something new.", role=MessageRole.ASSISTANT)
    pill = page.locator("[data-new]")
    expect(pill).to_have_text("1 new")
    assert scroll_top(page) == before
    pill.click()
    expect(page.get_by_text("Something new.")).to_be_in_viewport()
    expect(pill).to_be_hidden()


def test_a_call_that_ends_changes_in_place_and_stays_open(
    signed_in_page: Page, session: AgentSession
) -> None:
    call = make_tool_call(session, status=ToolCallStatus.RUNNING, ended_ms=None, output="", title="make test")
    page = opened(signed_in_page, session)
    row = page.locator(f"#seq-{call.seq}")
    row.locator("summary").click()
    expect(row).to_contain_text("Still running")
    end_call(call, "62 passed")
    expect(row).to_contain_text("62 passed")
    expect(row).to_contain_text("340 ms")
    assert places(page) == [call.seq]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_earlier_rows_come_near_the_top_and_nothing_moves(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 200)
    page = opened(signed_in_page, session)
    first = places(page)[0]
    assert first > 1
    row = page.locator(f"#seq-{first}")
    row.scroll_into_view_if_needed()
    before = row.bounding_box()
    expect(page.locator("[data-transcript] > .row").first).not_to_have_id(f"seq-{first}")
    after = row.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 3
    while (places(page)[0]) != 1:
        top = places(page)[0]
        page.locator(f"#seq-{top}").scroll_into_view_if_needed()
        expect(page.locator("[data-transcript] > .row").first).not_to_have_id(f"seq-{top}")
    assert places(page) == list(range(1, 201))
    expect(page.locator("transcript-pages > [data-earlier]")).to_be_hidden()


def test_a_hit_is_opened_in_the_middle_and_leads_on_to_the_live_end(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 200)
    page = opened(signed_in_page, session, "?at=60")
    expect(page.locator("#seq-60")).to_be_in_viewport()
    assert 200 not in places(page)
    make_message(session, "Meanwhile at the end.", role=MessageRole.ASSISTANT)
    expect(page.locator("[data-new]")).to_be_visible()
    assert 201 not in places(page)
    while 201 not in places(page):
        last = places(page)[-1]
        page.locator(f"#seq-{last}").scroll_into_view_if_needed()
        expect(page.locator("[data-transcript] > .row").last).not_to_have_id(f"seq-{last}")
    found = places(page)
    assert found == list(range(found[0], 202))
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    make_message(session, "And on.", role=MessageRole.ASSISTANT)
    expect(page.get_by_text("And on.")).to_be_visible()


@pytest.mark.once  # What the page opens is no matter of the engine.
def test_a_link_to_a_folded_row_opens_it(signed_in_page: Page, session: AgentSession) -> None:
    fill(session, 60)
    call = make_tool_call(session, output="The needle.")
    context = make_message(session, "<environment>Folded away.</environment>", kind=MessageKind.CONTEXT)
    fill(session, 60)
    page = signed_in_page
    for row, text in ((call, "The needle."), (context, "Folded away.")):
        page.goto(f"{address(session)}?at={row.seq}#seq-{row.seq}")
        expect(page.locator(f"#seq-{row.seq} pre").get_by_text(text)).to_be_in_viewport()
    page.goto(f"{address(session)}?t=00:00:30")
    expect(page.locator("[data-found]")).to_be_visible()
    expect(page.locator("[data-transcript] details[open]")).to_have_count(0)


def test_a_link_to_a_row_finds_it_wherever_it_stands(signed_in_page: Page, session: AgentSession) -> None:
    make_message(session, "The first prompt.")
    fill(session, 200)
    page = signed_in_page
    page.goto(address(session) + "#seq-30")
    expect(page.locator("#seq-30")).to_be_in_viewport()
    page.goto(address(session))
    expect(page.locator("#seq-1")).to_have_count(0)
    # The clock has a mark for it too.
    first = page.get_by_role("complementary", name="Prompts").get_by_role("link", name="The first prompt.")
    first.click()
    expect(page.locator("#seq-1")).to_be_in_viewport()
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    before = page.evaluate("performance.timeOrigin")
    first.click()
    expect(page.locator("#seq-1")).to_be_in_viewport()
    assert page.evaluate("performance.timeOrigin") == before


def test_a_restarted_server_leaves_no_gap_and_no_duplicate(
    signed_in_page: Page, session: AgentSession, server: Server, problems: Problems
) -> None:
    problems.allow_absence()
    fill(session, 3)
    page = opened(signed_in_page, session)
    expect(page.locator(".outline__head")).to_be_attached()
    server.stop()
    make_message(session, "While it was away.", role=MessageRole.ASSISTANT)
    server.start()
    expect(page.get_by_text("While it was away.")).to_be_visible(timeout=20_000)
    make_message(session, "After it came back.", role=MessageRole.ASSISTANT)
    expect(page.get_by_text("After it came back.")).to_be_visible()
    assert places(page) == [1, 2, 3, 4, 5]


def test_a_subagent_opens_in_place_and_its_figures_move(signed_in_page: Page, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get(), title="Explore", status="running")
    call = make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
    page = opened(signed_in_page, session)
    row = page.locator(f"#seq-{call.seq}")
    expect(row).to_contain_text("0 messages")
    make_message(session, "Inside the subagent.", run=child)
    expect(row).to_contain_text("1 message ")
    row.locator(".child-run summary").click()
    expect(row.get_by_text("Inside the subagent.")).to_be_visible()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_long_output_comes_piece_by_piece(signed_in_page: Page, session: AgentSession) -> None:
    call = make_tool_call(session, output="".join(f"line {number}\n" for number in range(60_000)))
    page = opened(signed_in_page, session)
    row = page.locator(f"#seq-{call.seq}")
    row.locator("summary").click()
    row.get_by_role("button", name="Show all").click()
    pieces = row.locator(".output-piece")
    for number in (1, 2, 3):
        expect(pieces).to_have_count(number)
        row.get_by_text("Show next").click()
    expect(pieces).to_have_count(4)
    expect(row.get_by_text("Show next")).to_have_count(0)
    assert "line 59999" in str(pieces.last.text_content())


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_page_is_used_by_keys_alone(
    signed_in_page: Page, session: AgentSession, operator: Person
) -> None:
    make_message(session, "Please look.")
    call = make_tool_call(session, output="README.md")
    other = make_session(title="The one before", last_activity_ms=1000)
    page = opened(signed_in_page, session)
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(page.locator(f"#seq-{call.seq}")).to_have_attribute("aria-current", "true")
    page.keyboard.press("o")
    expect(page.get_by_text("README.md")).to_be_visible()
    page.keyboard.press("s")
    expect(page.locator(".star")).to_have_attribute("aria-pressed", "true")
    assert Star.objects.get().person_id == operator.pk
    page.keyboard.press("e")
    expect(page.get_by_role("button", name="Unarchive")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible()
    expect(page.get_by_text("Taken out of the archive")).to_be_visible()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
    page.keyboard.press("]")
    expect(page.get_by_role("heading", name="The one before")).to_be_visible()
    assert str(other.pk) in page.url


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_title_is_changed_where_it_stands(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    page.get_by_title("Rename").click()
    page.get_by_label("Title").fill("A better name <b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A better name <b>")


def test_what_was_on_the_screen_is_marked_as_read(
    signed_in_page: Page, session: AgentSession, operator: Person
) -> None:
    fill(session, 3)
    page = signed_in_page
    with page.expect_response(lambda response: response.url.endswith("/read/")) as answer:
        opened(page, session)
    assert answer.value.status == 204
    assert ReadMark.objects.get(person=operator).seq == 3


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_viewer_reads_live_and_has_nothing_to_press(
    open_context: OpenContext, session: AgentSession
) -> None:
    page = opened(open_context(make_person(Role.VIEWER)).new_page(), session)
    make_message(session, "Seen by a viewer.")
    expect(page.locator("#seq-1").get_by_text("Seen by a viewer.")).to_be_visible()
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_without_script_the_transcript_is_read_by_links(
    open_context: OpenContext, operator: Person, session: AgentSession
) -> None:
    fill(session, 120)
    call = make_tool_call(session, output="All of it.")
    page = open_context(operator, java_script_enabled=False).new_page()
    page.goto(address(session))
    row = page.locator(f"#seq-{call.seq}")
    row.locator("summary").click()
    row.get_by_role("link", name="Open input and output").click()
    expect(page.get_by_text("All of it.")).to_be_visible()
    page.get_by_role("link", name="In the transcript").click()
    expect(page.locator(f"#seq-{call.seq}")).to_be_visible()
    page.goto(address(session))
    page.get_by_role("link", name="Earlier", exact=True).click()
    expect(page.get_by_role("link", name="Later")).to_be_visible()


def test_a_run_that_is_over_is_read_from_its_beginning(signed_in_page: Page, session: AgentSession) -> None:
    fill(session, 200)
    run = session.runs.get()
    page = signed_in_page
    page.goto(f"/runs/{run.pk}/")
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    assert places(page)[0] == 1
    assert 200 not in places(page)
    assert page.evaluate("document.scrollingElement.scrollTop") == 0
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("#seq-200")).to_be_in_viewport()
    expect(page.get_by_role("link", name="Later")).to_be_hidden()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_nothing_is_put_in_front_of_a_page_before_one_has_moved(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 200)
    page = opened(signed_in_page, session, "?before=150")
    first = places(page)[0]
    # Whatever was asked for as the page came would be here before its news.
    make_message(session, "Meanwhile.", role=MessageRole.ASSISTANT)
    expect(page.locator("[data-new]")).to_be_visible()
    assert places(page)[0] == first
    assert page.evaluate("document.scrollingElement.scrollTop") == 0
    page.mouse.move(700, 500)
    page.mouse.wheel(0, 40)
    expect(page.locator("[data-transcript] > .row").first).not_to_have_id(f"seq-{first}")
    expect(page.locator(f"#seq-{first}")).to_be_in_viewport()


def test_a_run_that_goes_on_opens_at_its_end(signed_in_page: Page, session: AgentSession) -> None:
    fill(session, 200)
    session.runs.update(status="running")
    page = signed_in_page
    page.goto(f"/runs/{session.runs.get().pk}/")
    expect(page.locator("#seq-200")).to_be_in_viewport()
