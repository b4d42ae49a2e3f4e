"""How a page holds on to its news: machines that sleep, tabs that hide, networks and servers that do not answer."""

from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from sessions_app.models import AgentSession
from tests.browser.running import Server
from tests.browser.session_pages import fill, opened
from tests.factories import make_message

pytestmark = pytest.mark.browser

# A connection over sockets of our own, in a page whose clock, timers and visibility are ours too.
_SET_UP = """async () => {
  const { LiveSocket } = await import("scrollback/live-socket");
  Object.assign(window, { sockets: [], states: [], heard: [] });
  class Socket extends EventTarget {
    constructor(url) {
      super();
      Object.assign(this, { url: String(url), readyState: 0, sent: [] });
      sockets.push(this);
    }
    opened() { this.readyState = 1; this.dispatchEvent(new Event("open")); }
    say(message) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.readyState = 3; }
    ended(code) { this.readyState = 3; this.dispatchEvent(new CloseEvent("close", { code })); }
  }
  window.live = new LiveSocket(() => `/live/somewhere/?after=${heard.length}`, {
    receive: (message) => heard.push(message),
    show: (state, code) => states.push(code ? `${state} ${code}` : state),
    Socket,
  });
  live.start();
}"""
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def page(signed_in_page: Page, server: Server) -> Page:
    signed_in_page.clock.install()
    signed_in_page.goto("/settings/")
    signed_in_page.evaluate(_SET_UP)
    return signed_in_page


def sockets(page: Page) -> int:
    number: int = page.evaluate("sockets.length")
    return number


def last(page: Page, name: str) -> Any:
    return page.evaluate(f"{name}.at(-1)")


# Sockets of the test itself, and no database.
@pytest.mark.once
def test_a_machine_that_slept_connects_anew(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].say({ type: 'news' })")
    # No timer runs while it sleeps.
    page.clock.fast_forward(60_000)
    page.clock.run_for(5_000)
    assert sockets(page) == 2
    assert page.evaluate("new URL(sockets[1].url).search") == "?after=1"
    page.evaluate("sockets[0].say({ type: 'news' })")
    assert page.evaluate("heard.length") == 1, "a socket that was given up is not listened to"


@pytest.mark.once
def test_a_page_that_was_hidden_for_long_connects_anew_when_it_is_seen(page: Page) -> None:
    page.evaluate("sockets[0].opened()")
    page.evaluate(_HIDE, True)
    page.clock.run_for(29_000)
    page.evaluate(_HIDE, False)
    assert sockets(page) == 1
    page.evaluate(_HIDE, True)
    page.clock.run_for(31_000)
    page.evaluate(_HIDE, False)
    assert sockets(page) == 2


@pytest.mark.once
def test_a_server_that_says_nothing_is_asked_and_left_when_it_does_not_answer(page: Page) -> None:
    page.evaluate("sockets[0].opened()")
    # It looks every five seconds.
    page.clock.run_for(26_000)
    assert page.evaluate("sockets[0].sent") == [{"type": "ping"}]
    page.evaluate("sockets[0].say({ type: 'pong' })")
    page.clock.run_for(15_000)
    assert (sockets(page), page.evaluate("sockets[0].sent.length")) == (1, 1)
    page.clock.run_for(11_000)
    assert page.evaluate("sockets[0].sent.length") == 2
    page.clock.run_for(16_000)
    assert page.evaluate("states.slice(0, 3)") == ["connecting", "connected", "offline"]
    assert sockets(page) >= 2


@pytest.mark.once
def test_a_socket_that_does_not_open_is_given_up(page: Page) -> None:
    page.clock.run_for(11_000)
    assert sockets(page) >= 2
    assert last(page, "states") == "offline"


@pytest.mark.once
def test_a_server_that_accepts_and_fails_is_tried_less_and_less_often(page: Page) -> None:
    page.evaluate("Math.random = () => 0.5")
    for _ in range(300):
        page.evaluate("sockets.at(-1).readyState || (sockets.at(-1).opened(), sockets.at(-1).ended(4500))")
        page.clock.run_for(200)
    assert 5 <= sockets(page) <= 20


@pytest.mark.once
def test_where_it_was_refused_it_asks_no_more_until_it_is_told_to(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].ended(4004)")
    assert last(page, "states") == "closed 4004"
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(60_000)
    assert sockets(page) == 1
    page.evaluate("live.restart()")
    assert sockets(page) == 2


def test_a_session_misses_nothing_when_its_connection_dies_unnoticed(
    signed_in_page: Page, session: AgentSession
) -> None:
    frozen: list[bool] = []

    def pass_on(route: WebSocketRoute) -> None:
        server, is_first = route.connect_to_server(), not frozen
        frozen.append(False)
        # What the first one would hear is lost on the way, its end as well.
        server.on_message(lambda message: None if is_first and frozen[0] else route.send(message))
        server.on_close(lambda code, reason: None if is_first and frozen[0] else route.close())

    fill(session, 2)
    signed_in_page.route_web_socket(lambda url: "/live/sessions/" in url, pass_on)
    signed_in_page.clock.install()
    opened(signed_in_page, session)
    frozen[0] = True
    make_message(session, text="Said while nobody heard it.")
    signed_in_page.clock.fast_forward(60_000)
    signed_in_page.clock.run_for(5_000)
    # The outline beside the transcript may name it too.
    expect(signed_in_page.locator("#seq-3").get_by_text("Said while nobody heard it.")).to_be_visible()
    assert len(frozen) == 2
