"""The pill over a list counts what the list holds and the page does not: nothing else is new to its reader."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from audit.actors import SYSTEM
from dashboard.lib.clock import now_ms
from sessions_app.actions.sessions import archive_session, tag_session
from sessions_app.models import AgentSession, Run, Terminal
from sessions_app.session_list import PAGE_ROWS
from tests.browser.running import Server
from tests.browser.settled import at_rest, connected
from tests.factories import START_MS, make_run, make_session, make_terminal

pytestmark = pytest.mark.browser

# Longer than it takes a list that is told of a change to ask for itself and draw the answer.
TOLD_MS = 2_500


class Asked:
    """How often the page asked for its whole list."""

    def __init__(self, page: Page, path: str) -> None:
        self.moments: list[float] = []
        self._path = path
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.resource_type == "fetch" and re.search(self._path, request.url):
            self.moments.append(time.monotonic())


def opened(page: Page, path: str) -> Locator:
    """The pill of a page that has settled, after what it asks for once it is connected."""
    page.goto(path)
    connected(page)
    at_rest(page)
    return page.locator("[data-news]")


def touch(session: AgentSession, **values: object) -> None:
    """As an import does that brings new lines."""
    values.setdefault("last_activity_ms", now_ms())
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=now_ms(), **values)


def make_many() -> None:
    """Three sessions more than a page holds; `000` is the oldest."""
    for number in range(PAGE_ROWS + 3):
        make_session(title=f"{number:03}", last_activity_ms=START_MS + number)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_session_that_the_filter_leaves_out_is_not_new(signed_in_page: Page, server: Server) -> None:
    make_session(agent="codex")
    other = make_session(agent="claude-code", status="running")
    pill = opened(signed_in_page, "/sessions/?agent=codex")
    touch(other)
    signed_in_page.wait_for_timeout(TOLD_MS)
    expect(pill).to_be_hidden()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_one_that_the_filter_names_waits_behind_the_pill_with_it(
    signed_in_page: Page, server: Server
) -> None:
    make_session(agent="codex", title="first")
    pill = opened(signed_in_page, "/sessions/?agent=codex")
    touch(make_session(agent="claude-code"))
    touch(make_session(agent="codex", title="second"))
    touch(make_session(agent="codex", title="third"))
    expect(pill).to_have_text("2 new")
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(1)
    pill.click()
    expect(signed_in_page).to_have_url(re.compile(r"\?agent=codex$"))
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(3)
    expect(pill).to_be_hidden()


def test_one_that_comes_to_fit_the_filter_is_counted_then(signed_in_page: Page, server: Server) -> None:
    shown, other = make_session(), make_session(status="running")
    tag_session(shown.pk, "keep", actor=SYSTEM)
    pill = opened(signed_in_page, "/sessions/?tag=keep")
    touch(other)
    signed_in_page.wait_for_timeout(TOLD_MS)
    expect(pill).to_be_hidden()
    tag_session(other.pk, "keep", actor=SYSTEM)
    expect(pill).to_have_text("1 new")


def test_a_change_on_another_page_is_not_new_and_one_that_moves_here_is(
    signed_in_page: Page, server: Server
) -> None:
    make_many()
    pill = opened(signed_in_page, "/sessions/")
    oldest = AgentSession.objects.get(title="000")
    tag_session(oldest.pk, "keep", actor=SYSTEM)
    signed_in_page.wait_for_timeout(TOLD_MS)
    expect(pill).to_be_hidden()
    touch(oldest)
    expect(pill).to_have_text("1 new")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_moves_up_from_the_next_page_is_not_new(signed_in_page: Page, server: Server) -> None:
    make_many()
    page = signed_in_page
    pill = opened(page, "/sessions/")
    expect(page.locator("tr[data-row]")).to_have_count(PAGE_ROWS)
    archive_session(AgentSession.objects.get(title=f"{PAGE_ROWS:03}").pk, actor=SYSTEM)
    page.evaluate("document.dispatchEvent(new CustomEvent('scrollback:refresh'))")
    page.wait_for_timeout(TOLD_MS)
    expect(pill).to_be_hidden()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize("kind", ["sessions", "runs", "terminals"])
def test_a_later_page_counts_nothing_and_keeps_its_rows_true(
    signed_in_page: Page, server: Server, kind: str
) -> None:
    page = signed_in_page
    for number in range(PAGE_ROWS + 5):
        session = make_session(title=f"{number:03}", last_activity_ms=START_MS + number)
        if kind == "runs":
            make_run(session, started_ms=START_MS + number)
        elif kind == "terminals":
            make_terminal(title=f"{number:03}", started_ms=START_MS + number)
    page.goto(f"/{kind}/")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url(re.compile("after="))
    connected(page)
    at_rest(page)
    rows = page.locator("tr[data-row]")
    expect(rows).to_have_count(5)
    rename(kind, f"{PAGE_ROWS + 4:03}", "of the first page")
    # So many that they are fetched together.
    for number in range(5):
        rename(kind, f"{number:03}", f"renamed {number}")
    for number in range(5):
        expect(rows.filter(has_text=f"renamed {number}")).to_have_count(1)
    expect(rows).to_have_count(5)
    expect(page.locator("[data-news]:visible")).to_have_count(0)


def test_a_terminal_in_another_state_is_not_new_however_much_it_prints(
    signed_in_page: Page, server: Server
) -> None:
    make_terminal(state="ended")
    live = make_terminal(state="live")
    page = signed_in_page
    pill = opened(page, "/terminals/?state=ended")
    for size in range(1, 8):
        Terminal.objects.filter(pk=live.pk).update(updated_ms=now_ms(), size=size)
        page.wait_for_timeout(500)
    expect(pill).to_be_hidden()


def test_a_new_terminal_in_the_state_that_is_shown_is_shown_by_the_pill(
    signed_in_page: Page, server: Server
) -> None:
    make_terminal(state="live", title="first")
    pill = opened(signed_in_page, "/terminals/?state=live")
    make_terminal(state="live", title="second", updated_ms=now_ms())
    expect(pill).to_have_text("1 new")
    pill.click()
    expect(signed_in_page).to_have_url(re.compile(r"\?state=live$"))
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(2)


@pytest.mark.once  # How often a page asks is no matter of the engine.
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_session_that_does_not_belong_and_never_rests_is_asked_for_less_and_less(
    signed_in_page: Page, server: Server, *, is_empty: bool
) -> None:
    page = signed_in_page
    if not is_empty:
        make_session(agent="codex")
    busy = make_session(agent="claude-code", status="running")
    opened(page, "/sessions/?agent=codex")
    asked = Asked(page, r"/sessions/\?agent=codex$")
    end = time.monotonic() + 9
    while time.monotonic() < end:
        touch(busy, message_count=int(time.monotonic() * 10))
        page.wait_for_timeout(200)
    # At first, then after 1, 2 and 4 seconds.
    assert 2 <= len(asked.moments) <= 4, asked.moments
    assert asked.moments[-1] - asked.moments[-2] > 1.5


def rename(kind: str, name: str, title: str) -> None:
    if kind == "terminals":
        Terminal.objects.filter(title=name).update(title=title, updated_ms=now_ms())
        return
    session = AgentSession.objects.get(title=name)
    # A main run is called as its session.
    Run.objects.filter(session=session).update(updated_ms=now_ms())
    touch(session, title=title, last_activity_ms=session.last_activity_ms)
