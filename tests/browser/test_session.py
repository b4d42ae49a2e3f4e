"""The session page in a browser: live rows, folds, keys, a phone."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from audit.actors import SYSTEM
from sessions_app.actions.sessions import delete_session, restore_session
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
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.factories import (
    make_event,
    make_message,
    make_note,
    make_person,
    make_run,
    make_session,
    make_source,
    make_tag,
    make_tool_call,
)

pytestmark = pytest.mark.browser

OPEN_FOLDS = (
    "document.querySelectorAll('main details:not(.menu, .rename)').forEach((fold) => { fold.open = true })"
)


@pytest.fixture
def session(server: Server, problems: Problems) -> AgentSession:
    # Whether a row was read may be told just after its session went.
    problems.allow("404 .*/read/")
    return make_session(with_main_run=True, status="running")


def address(session: AgentSession, query: str = "") -> str:
    return reverse("session", args=[session.pk]) + query


def fill(session: AgentSession, number: int) -> None:
    for count in range(1, number + 1):
        make_message(session, f"Message {count}.\n\n" + "Some words. " * 20, role=MessageRole.ASSISTANT)


def opened(page: Page, session: AgentSession, query: str = "") -> Page:
    page.goto(address(session, query))
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    return page


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
    expect(page.get_by_text("The very first words.")).to_be_visible(timeout=2_000)
    expect(page.get_by_text("appears here as it is recorded")).to_have_count(0)
    expect(page.locator("#session-figures")).to_contain_text("1 message")


def test_a_reader_at_the_end_stays_at_the_end(signed_in_page: Page, session: AgentSession) -> None:
    fill(session, 40)
    page = opened(signed_in_page, session)
    assert at_end(page)
    for number in range(5):
        make_message(session, f"Live line {number}.", role=MessageRole.ASSISTANT)
        expect(page.get_by_text(f"Live line {number}.")).to_be_in_viewport(timeout=2_000)
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
    expect(row).to_contain_text("62 passed", timeout=2_000)
    expect(row).to_contain_text("340 ms")
    assert places(page) == [call.seq]


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
    expect(page.locator("[data-transcript] > .row").first).not_to_have_id(f"seq-{first}", timeout=5_000)
    after = row.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 3
    while (places(page)[0]) != 1:
        top = places(page)[0]
        page.locator(f"#seq-{top}").scroll_into_view_if_needed()
        expect(page.locator("[data-transcript] > .row").first).not_to_have_id(f"seq-{top}", timeout=5_000)
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
        expect(page.locator("[data-transcript] > .row").last).not_to_have_id(f"seq-{last}", timeout=5_000)
    found = places(page)
    assert found == list(range(found[0], 202))
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    make_message(session, "And on.", role=MessageRole.ASSISTANT)
    expect(page.get_by_text("And on.")).to_be_visible(timeout=2_000)


def test_a_link_to_a_row_finds_it_wherever_it_stands(signed_in_page: Page, session: AgentSession) -> None:
    make_message(session, "The first prompt.")
    fill(session, 200)
    page = signed_in_page
    page.goto(address(session) + "#seq-30")
    expect(page.locator("#seq-30")).to_be_in_viewport()
    page.goto(address(session))
    expect(page.locator("#seq-1")).to_have_count(0)
    page.get_by_role("link", name="The first prompt.").click()
    expect(page.locator("#seq-1")).to_be_in_viewport()
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    before = page.evaluate("performance.timeOrigin")
    page.get_by_role("link", name="The first prompt.").click()
    expect(page.locator("#seq-1")).to_be_in_viewport()
    assert page.evaluate("performance.timeOrigin") == before


def test_a_restarted_server_leaves_no_gap_and_no_duplicate(
    signed_in_page: Page, session: AgentSession, server: Server, problems: Problems
) -> None:
    problems.allow("WebSocket|ERR_CONNECTION|Failed to load|Failed to fetch")
    fill(session, 3)
    page = opened(signed_in_page, session)
    expect(page.locator(".outline__head")).to_be_attached()
    server.stop()
    make_message(session, "While it was away.", role=MessageRole.ASSISTANT)
    server.start()
    expect(page.get_by_text("While it was away.")).to_be_visible(timeout=20_000)
    make_message(session, "After it came back.", role=MessageRole.ASSISTANT)
    expect(page.get_by_text("After it came back.")).to_be_visible(timeout=5_000)
    assert places(page) == [1, 2, 3, 4, 5]


def test_a_subagent_opens_in_place_and_its_figures_move(signed_in_page: Page, session: AgentSession) -> None:
    child = make_run(session, parent=session.runs.get(), title="Explore", status="running")
    call = make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
    page = opened(signed_in_page, session)
    row = page.locator(f"#seq-{call.seq}")
    expect(row).to_contain_text("0 messages")
    make_message(session, "Inside the subagent.", run=child)
    expect(row).to_contain_text("1 message ", timeout=2_000)
    row.locator(".child-run summary").click()
    expect(row.get_by_text("Inside the subagent.")).to_be_visible()


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
    page.keyboard.press("]")
    expect(page.get_by_role("heading", name="The one before")).to_be_visible()
    assert str(other.pk) in page.url


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


def test_a_viewer_reads_live_and_has_nothing_to_press(
    open_context: OpenContext, session: AgentSession
) -> None:
    page = opened(open_context(make_person(Role.VIEWER)).new_page(), session)
    make_message(session, "Seen by a viewer.")
    expect(page.get_by_text("Seen by a viewer.")).to_be_visible(timeout=2_000)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("tab", ["", "runs/", "files/", "notes/", "raw/"])
def test_every_tab_fits_a_phone(
    open_context: OpenContext, operator: Person, session: AgentSession, tab: str
) -> None:
    make_message(session, "a-word-without-any-break-" * 30)
    make_tool_call(
        session,
        "Edit",
        kind=ToolKind.EDIT,
        input=json.dumps({"file_path": "/a" * 200, "old_string": "a", "new_string": "b" * 400}),
    )
    page = open_context(operator, viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    page.goto(address(session) + tab)
    for fold in page.locator(".tool-call summary").all():
        fold.click()
        expect(page.locator(".diff")).to_be_visible()
    widths: dict[str, Any] = page.evaluate(
        "({seen: document.scrollingElement.clientWidth, whole: document.scrollingElement.scrollWidth})"
    )
    assert widths["whole"] <= widths["seen"]


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(
    open_context: OpenContext, operator: Person, session: AgentSession, width: int
) -> None:
    bodies = {"input": "Look.", "output": "Found.", "error": "It broke."}
    child = make_run(session, parent=session.runs.get(), title="Explore", **bodies)
    source = make_source(session, b'{"type": "user"}\n{broken\n')
    make_message(
        session, "# Look\n\n| a | b |\n|---|---|\n| 1 | [x](https://example.org) |\n\n```\ncode\n```"
    )
    make_message(session, "<system-reminder>", kind=MessageKind.CONTEXT, source=source, source_line=1)
    make_message(session, "Yes.", role=MessageRole.ASSISTANT, reasoning="Because.", reasoning_size=8)
    make_message(session, "Unsaid, as `one` says.", role=MessageRole.ASSISTANT, is_hidden=True)
    make_message(session, "<hidden>", kind=MessageKind.CONTEXT, is_hidden=True)
    edit = json.dumps({"file_path": "/a.py", "old_string": "a", "new_string": "b"})
    make_tool_call(session, "Edit", kind=ToolKind.EDIT, input=edit, status=ToolCallStatus.FAILED)
    # The same file once more: two diffs of one name are open at once.
    make_tool_call(session, "Edit", kind=ToolKind.EDIT, input=edit)
    todos = json.dumps({"todos": [{"content": "Write", "status": "in_progress"}]})
    make_tool_call(session, "TodoWrite", kind=ToolKind.PLAN, input=todos)
    make_tool_call(session, output="\x1b[31mred\x1b[32mgreen\x1b[90mgrey\x1b[0m")
    make_tool_call(session, "Task", kind=ToolKind.AGENT, child_run=child)
    make_event(session, EventKind.SESSION_COMPACTED, text="155k tokens before")
    make_event(session, EventKind.ERROR_REPORTED, text="stream disconnected")
    make_note(operator, session)
    make_tag(session, "needs-review")
    viewport = {"width": width, "height": 900}
    page = open_context(operator, viewport=viewport, bypass_csp=True).new_page()
    found: list[str] = []
    raw = reverse("session-raw-lines", args=[session.pk, source.pk])
    tabs = [address(session) + tab for tab in ("", "?at=3", "runs/", "files/", "notes/", "raw/")]
    for place in [*tabs, raw, raw + "2/", reverse("run", args=[child.pk])]:
        page.goto(place)
        page.wait_for_load_state("networkidle")
        page.evaluate(OPEN_FOLDS)
        page.wait_for_load_state("networkidle")
        found += accessibility.findings(page, place)
    assert not found, "\n".join(found)


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
    page.get_by_role("link", name="Earlier").click()
    expect(page.get_by_role("link", name="Later")).to_be_visible()


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_a_phone_shows_the_end_of_a_long_path(
    open_context: OpenContext, operator: Person, session: AgentSession
) -> None:
    path = "/a/long/way/down/" * 6 + "the-file.py"
    make_tool_call(session, "Write", kind=ToolKind.WRITE, input=json.dumps({"file_path": path}))
    page = open_context(operator, viewport={"width": 390, "height": 844}).new_page()
    page.goto(address(session) + "files/")

    link = page.get_by_role("link", name="the-file.py")
    # The text is wider than its place: what does not fit is at its beginning.
    shown = link.evaluate(
        """(link) => {
          const [place, text] = [link, link.querySelector("bdi")].map((element) => element.getBoundingClientRect());
          return { start: text.left - place.left, end: text.right - place.right };
        }"""
    )
    assert shown["start"] < 0
    assert abs(shown["end"]) < 1


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_the_size_of_reasoning_stands_on_one_line_on_a_phone(
    open_context: OpenContext, operator: Person, session: AgentSession
) -> None:
    make_message(
        session,
        "Done.",
        role=MessageRole.ASSISTANT,
        kind=MessageKind.REPLY,
        reasoning="because " * 90,
        reasoning_size=720,
    )
    page = opened(open_context(operator, viewport={"width": 390, "height": 844}).new_page(), session)

    heights = page.locator(".reasoning > summary > span").evaluate_all(
        "(parts) => parts.map((part) => part.getBoundingClientRect().height)"
    )
    assert len(heights) == 3
    assert max(heights) < 2 * min(heights)


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_a_tool_with_a_long_name_stays_in_its_row(
    open_context: OpenContext, operator: Person, session: AgentSession, width: int
) -> None:
    make_tool_call(session, "mcp__a_server_with_a_long_name__" * 6, title="what it was asked")
    page = opened(open_context(operator, viewport={"width": width, "height": 844}).new_page(), session)

    summary = page.locator(".tool-call summary")
    edges = summary.evaluate(
        """(summary) => [...["name", "title", "figures"].map((part) => `.tool-call__${part}`), ":scope"]
          .map((part) => (part === ":scope" ? summary : summary.querySelector(part)))
          .map((part) => part.getBoundingClientRect())
          .map(({left, right}) => [left, right])"""
    )
    (_, name_end), (title_start, title_end), (figures_start, figures_end), (_, row_end) = edges
    assert name_end <= title_start < title_end <= figures_start <= figures_end <= row_end


def in_the_trash(page: Page) -> Locator:
    notice = page.get_by_role("status").filter(has_text="This session was moved to the trash.")
    expect(notice).to_be_in_viewport(ratio=1, timeout=5_000)
    return notice


def test_an_open_page_says_that_its_session_went_to_the_trash_and_restores_it(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 40)
    page = opened(signed_in_page, session)
    delete_session(session.pk, actor=SYSTEM)
    notice = in_the_trash(page)
    expect(page.locator("live-session")).to_have_attribute("data-live", "closed")
    expect(page.locator("#session-status")).to_have_count(0)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)
    expect(page.get_by_text("Message 40.")).to_be_attached()
    notice.get_by_role("button", name="Restore").click()
    expect(page.locator("toast-region")).to_contain_text("Restored from the trash")
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible()
    assert not AgentSession.objects.filter(deleted_ms__isnull=False).exists()


def test_a_page_goes_on_when_its_session_is_restored_elsewhere(
    open_context: OpenContext, session: AgentSession
) -> None:
    page = opened(open_context(make_person(Role.VIEWER)).new_page(), session)
    delete_session(session.pk, actor=SYSTEM)
    expect(in_the_trash(page)).to_contain_text("An operator can restore it.")
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    restore_session(session.pk, actor=SYSTEM)
    expect(page.locator("#session-status")).to_be_visible()
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")


def test_what_is_being_typed_outlives_the_session(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    page.get_by_title("Rename").click()
    page.get_by_label("Title").fill("Typed for a long time")
    delete_session(session.pk, actor=SYSTEM)
    in_the_trash(page)
    expect(page.get_by_label("Title")).to_have_value("Typed for a long time")
    expect(page.get_by_label("Title")).to_be_focused()


def test_a_session_that_is_gone_for_good_is_said_to_be(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    session.runs.all().delete()
    AgentSession.objects.filter(pk=session.pk).delete()
    expect(page.get_by_role("status").filter(has_text="This session is gone.")).to_be_visible()
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_the_notice_of_the_trash_stands_in_sight_and_axe_finds_nothing(
    open_context: OpenContext, operator: Person, session: AgentSession, width: int
) -> None:
    fill(session, 40)
    page = open_context(operator, viewport={"width": width, "height": 844}, bypass_csp=True).new_page()
    opened(page, session)
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    delete_session(session.pk, actor=SYSTEM)
    in_the_trash(page)
    found = accessibility.findings(page, "trash")
    assert not found, "\n".join(found)
