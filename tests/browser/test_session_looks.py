"""How the session page looks: on a phone, with long names, to axe."""

import json
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from sessions_app.models import (
    AgentSession,
    EventKind,
    MessageKind,
    MessageRole,
    Person,
    ToolCallStatus,
    ToolKind,
)
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.session_pages import OPEN_FOLDS, address, opened
from tests.browser.settled import at_rest
from tests.factories import (
    make_event,
    make_message,
    make_note,
    make_run,
    make_source,
    make_tag,
    make_tool_call,
)

pytestmark = pytest.mark.browser


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
        at_rest(page)
        page.evaluate(OPEN_FOLDS)
        at_rest(page)
        found += accessibility.findings(page, place)
    assert not found, "\n".join(found)


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
