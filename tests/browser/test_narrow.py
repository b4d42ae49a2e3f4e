"""What has little room: tags and long names, menus, the facts of a terminal, choosing rows with a thumb."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from sessions_app.models import Person, TerminalState
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.factories import START_MS, make_project, make_session, make_tag, make_terminal
from tests.sessions_app.terminals.recorder import start_recorder

# How a page looks and what a thumb finds on it are no matter of the engine.
pytestmark = [pytest.mark.browser, pytest.mark.once]

TAGS = ("needs-review", "regression", "customer-a", "urgent", "follow-up", "documentation")
SIDEWAYS = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
# Pairs of these that stand on one another.
OVERLAPS = """(selector) => {
  const boxes = [...document.querySelectorAll(selector)].map((part) => {
    const range = document.createRange();
    range.selectNodeContents(part);
    const [seen, text] = [part.getBoundingClientRect(), range.getBoundingClientRect()];
    const cut = getComputedStyle(part).overflowX !== "visible";
    return { name: part.textContent.trim(), box: cut ? seen : text };
  });
  const touch = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  return boxes.flatMap((a, at) => boxes.slice(at + 1).filter((b) => touch(a.box, b.box)).map((b) => [a.name, b.name]));
}"""


def phone_of(open_context: OpenContext, person: Person, width: int = 390) -> Page:
    viewport = {"width": width, "height": 844}
    is_phone = width < 720
    return open_context(person, viewport=viewport, has_touch=is_phone, is_mobile=is_phone).new_page()


@pytest.mark.parametrize("width", [1440, 390])
def test_tags_leave_the_title_its_room(open_context: OpenContext, operator: Person, width: int) -> None:
    project = make_project(path="/home/ada/" + "p" * 200)
    session = make_session(
        title="Move the parser into a room of its own", project=project, with_main_run=True
    )
    for tag in TAGS:
        make_tag(session, tag)
    page = phone_of(open_context, operator, width)
    page.goto("/sessions/")
    title = page.locator("tr[data-row] .list__link")
    box: Any = title.bounding_box()
    assert box["width"] >= 110
    assert page.evaluate(SIDEWAYS) == 0
    parts = (
        ".list__link",
        ".list__tags",
        "[data-area=status]",
        "[data-area=stamp]",
        "[data-area=figure]",
        ".list__meta",
    )
    assert page.evaluate(OVERLAPS, ", ".join(f"tr[data-row] {part}" for part in parts)) == []
    expect(page.locator("tr[data-row] .tag").last).to_contain_text("+3")
    expect(page.locator("tr[data-row] .tag").last).to_have_attribute(
        "title", "needs-review, regression, urgent"
    )

    page.goto(reverse("session", args=[session.pk]))
    assert page.evaluate(SIDEWAYS) == 0
    page.get_by_role("link", name="follow-up").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    assert page.url.endswith("/sessions/?tag=follow-up")


@pytest.mark.parametrize("width", [1440, 1024, 730, 640, 390])
def test_every_menu_of_the_filters_opens_within_the_window(
    open_context: OpenContext, operator: Person, width: int
) -> None:
    project = make_project(path="/home/ada/" + "p" * 60)
    make_tag(make_session(project=project, with_main_run=True), "t" * 60)
    page = phone_of(open_context, operator, width)
    for place in ("sessions", "runs", "audit"):
        page.goto(reverse(place))
        menus = page.locator(".filters__menus .menu")
        expect(menus.first).to_be_visible()
        for menu in menus.all():
            menu.locator("summary").click()
            box: Any = menu.locator(".menu__body").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert page.evaluate(SIDEWAYS) == 0
            menu.locator("summary").click()


@pytest.mark.parametrize("state", [TerminalState.LIVE, TerminalState.ENDED])
@pytest.mark.parametrize("width", [360, 390, 480, 600])
def test_the_facts_of_a_terminal_stand_beside_one_another(
    open_context: OpenContext, operator: Person, width: int, state: TerminalState
) -> None:
    ended: dict[str, Any] = (
        {"exit_status": 143, "ended_ms": START_MS + 5_000_000} if state == TerminalState.ENDED else {}
    )
    cwd = "/home/ada/projects/scrollback/tests/browser"
    terminal = make_terminal(output=b"hi\r\n", host="workstation-12", cwd=cwd, state=state, **ended)
    page = phone_of(open_context, operator, width)
    page.goto(reverse("terminal", args=[terminal.pk]))
    expect(page.locator(".terminal-header__heard")).to_be_visible()
    assert page.evaluate(OVERLAPS, ".terminal-header .stat-line > *") == []
    assert page.evaluate(SIDEWAYS) == 0


def test_a_word_on_the_connection_moves_no_screen(
    open_context: OpenContext, operator: Person, problems: Problems
) -> None:
    problems.allow("ERR_INTERNET_DISCONNECTED")
    terminal = make_terminal(output=b"hi\r\n")
    page = phone_of(open_context, operator)
    page.goto(reverse("terminal", args=[terminal.pk]))
    screen = page.locator("[data-screen]").first
    expect(screen).to_contain_text("hi")
    before: Any = screen.bounding_box()
    page.context.set_offline(True)
    expect(page.locator("[data-connection]").first).to_have_text("Offline, retrying", timeout=20_000)
    assert screen.bounding_box() == before
    page.context.set_offline(False)


def test_a_thumb_chooses_sessions_and_brings_them_back(open_context: OpenContext, operator: Person) -> None:
    for number in range(3):
        make_session(title=f"Session {number}", last_activity_ms=START_MS + number)
    page = phone_of(open_context, operator)
    page.goto("/sessions/")
    picks = page.locator("tr[data-row] .list__check label")
    box: Any = picks.first.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    for number in range(2):
        picks.nth(number).tap()
    assert page.evaluate(SIDEWAYS) == 0
    page.get_by_role("button", name="Move to trash").tap()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.get_by_role("link", name="Trash").tap()
    expect(page.locator("tr[data-row]")).to_have_count(2)
    picks.first.tap()
    page.get_by_role("button", name="Restore").tap()
    expect(page.locator("tr[data-row]")).to_have_count(1)


def test_a_long_command_scrolls_in_its_own_line(open_context: OpenContext, operator: Person) -> None:
    session = make_session(with_main_run=True)
    page = phone_of(open_context, operator)
    page.goto(reverse("session-terminals", args=[session.pk]))
    command: Any = page.locator(".empty .command").bounding_box()
    assert command["x"] >= 0
    assert command["x"] + command["width"] <= 390
    assert page.evaluate(SIDEWAYS) == 0


def test_the_tab_that_is_open_is_in_sight(open_context: OpenContext, operator: Person) -> None:
    session = make_session(with_main_run=True)
    page = phone_of(open_context, operator)
    page.goto(reverse("session-raw", args=[session.pk]))
    tabs, tab = page.locator(".tabs"), page.locator(".tabs [aria-current]")
    expect(tab).to_have_text("Raw")
    expect(tab).to_be_in_viewport(ratio=1)
    assert page.evaluate(SIDEWAYS) == 0
    # Those that were there fit without that: nothing has moved.
    page.goto(reverse("session", args=[session.pk]))
    assert tabs.evaluate("(tabs) => tabs.scrollLeft") == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_a_long_session_of_a_terminal_stands_on_no_other_cell(
    open_context: OpenContext, operator: Person, width: int
) -> None:
    session = make_session(
        title="Please look after the house: check one room after the other, then the garden. " * 3
    )
    make_terminal(session, b"x" * 2_000, title="House check", duration_us=61_000_000)
    page = phone_of(open_context, operator, width)
    page.goto("/terminals/?view=list")
    cells = ".list__row td[data-area]"
    expect(page.locator(cells)).to_have_count(5)
    assert page.evaluate(OVERLAPS, cells) == []
    assert page.evaluate(SIDEWAYS) == 0


@pytest.mark.parametrize(("width", "cols"), [(430, 100), (390, 100), (390, 80), (360, 80), (320, 80)])
def test_the_whole_width_of_a_window_is_in_sight(
    open_context: OpenContext, operator: Person, width: int, cols: int
) -> None:
    """Where a browser draws letters whole pixels wide, too."""
    recorder = start_recorder(cols=cols)
    recorder.write(b"x" * cols)
    recorder.exit(0)
    page = phone_of(open_context, operator, width)
    page.goto(f"/terminals/{recorder.terminal.pk}/")
    host = page.locator("[data-screen]")
    expect(host.locator(".xterm-rows")).to_contain_text("x" * cols)
    assert host.evaluate("(host) => host.scrollWidth - host.clientWidth") == 0
    # As large as that allows.
    shown: float = host.evaluate(
        "(host) => host.querySelector('.xterm-screen').clientWidth / host.clientWidth"
    )
    assert shown > 0.7
