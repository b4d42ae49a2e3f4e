"""How a page holds on to a terminal: tabs that hide, phones that sleep, networks and servers that go away."""

import random
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute

from sessions_app.terminal.asciicast.model import Output
from tests.browser.running import Server
from tests.sessions_app.terminals.recorder import start_recorder

# Sockets of the test itself, and no database.
pytestmark = [pytest.mark.browser, pytest.mark.once]

# A connection over sockets of our own, in a page whose clock, timers and visibility are ours too.
_SET_UP = """async () => {
  const { TerminalConnection } = await import("scrollback/terminal/connection");
  const { Follower } = await import("scrollback/terminal/follower");
  window.sockets = [];
  window.states = [];
  class Socket extends EventTarget {
    constructor(url) {
      super();
      Object.assign(this, { url: String(url), readyState: 0, sent: [], closed: false });
      sockets.push(this);
    }
    opened() { this.readyState = 1; this.dispatchEvent(new Event("open")); }
    frame(type, offset, payload = []) {
      const bytes = new Uint8Array(17 + payload.length);
      const view = new DataView(bytes.buffer);
      view.setUint8(0, type);
      view.setBigUint64(1, BigInt(offset));
      bytes.set(payload, 17);
      this.dispatchEvent(new MessageEvent("message", { data: bytes.buffer }));
    }
    say(message) { this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }
    send(text) {
      const { ack, type } = JSON.parse(text);
      this.sent.push(type ?? ack);
    }
    close() { this.closed = true; this.readyState = 3; }
    ended(code) { this.readyState = 3; this.dispatchEvent(new CloseEvent("close", { code })); }
  }
  window.hide = (hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  window.waiting = [];
  const connection = new TerminalConnection("01", new Follower(), {
    apply: (frame, done) => waiting.push(done),
    show: (state) => states.push(state),
    anew: () => states.push("anew"),
    WebSocket: Socket,
  });
  window.connection = connection;
  window.draw = () => waiting.splice(0).forEach((done) => done());
  connection.start();
}"""


@pytest.fixture
def page(signed_in_page: Page, server: Server) -> Page:
    signed_in_page.clock.install()
    signed_in_page.goto("/settings/")
    signed_in_page.evaluate(_SET_UP)
    return signed_in_page


def offsets(page: Page) -> list[str]:
    """What each socket so far asked for."""
    asked: list[str] = page.evaluate("sockets.map(({ url }) => new URL(url).searchParams.get('offset'))")
    return asked


def state(page: Page) -> str:
    last: str = page.evaluate("states.at(-1)")
    return last


def test_what_is_drawn_is_acknowledged_and_nothing_before(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, new Uint8Array(200_000))")
    assert page.evaluate("sockets[0].sent") == []
    page.evaluate("draw()")
    assert page.evaluate("sockets[0].sent") == [200_000]
    # A screen that a gap announced counts when it is drawn; so do many events at one place.
    page.evaluate("sockets[0].frame(6, 200_000, [0, 0, 0, 0, 0, 9, 0, 0])")
    page.evaluate("sockets[0].frame(5, 9 * 65536, [0, 80, 0, 24])")
    page.evaluate("draw()")
    assert page.evaluate("sockets[0].sent") == [200_000, 9 * 65_536]
    page.evaluate(
        "for (let n = 0; n < 200; n++) sockets[0].frame(3, 9 * 65536, [65 + (n % 26), 65 + Math.floor(n / 26)])"
    )
    page.evaluate("draw()")
    assert page.evaluate("sockets[0].sent.slice(2)") == [9 * 65_536] * 3


def test_a_server_that_restarts_is_tried_again_from_where_one_is(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    for attempt in range(1, 6):
        page.evaluate("sockets.at(-1).ended(1006)")
        assert state(page) == "offline"
        for _ in range(120):
            if len(offsets(page)) == attempt:
                page.clock.run_for(100)
        assert offsets(page)[1:] == ["3"] * attempt
    page.evaluate("sockets.at(-1).opened()")
    assert state(page) == "connected"


@pytest.mark.parametrize("code", [4001, 4003, 4004, 4009, 4010, 1000])
def test_a_final_answer_is_not_asked_again(page: Page, code: int) -> None:
    page.evaluate("sockets[0].opened()")
    page.evaluate("(code) => sockets[0].ended(code)", code)
    page.clock.run_for(60_000)
    page.evaluate("hide(true), hide(false), dispatchEvent(new Event('online'))")
    assert len(offsets(page)) == 1
    assert state(page) == ("ended" if code == 1000 else "closed")
    assert page.evaluate("connection.isRefused") == (code != 1000)


@pytest.mark.parametrize("code", [4003, 4004, 4010, 1000])
def test_what_no_sign_in_changes_is_not_asked_again_by_whoever_returns(page: Page, code: int) -> None:
    page.evaluate("(code) => (sockets[0].opened(), sockets[0].ended(code), hide(true))", code)
    page.clock.run_for(3_000)
    page.evaluate("hide(false), dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert len(offsets(page)) == 1


@pytest.mark.parametrize("code", [4001, 4009])
@pytest.mark.parametrize(
    "event",
    [
        "hide(false)",
        "Object.defineProperty(document, 'hidden', { value: false, configurable: true }),"
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
    ],
    ids=["seen", "pageshow"],
)
def test_whoever_may_have_signed_in_elsewhere_goes_on_where_it_stopped(
    page: Page, code: int, event: str
) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("(code) => (sockets[0].ended(code), hide(true))", code)
    page.clock.run_for(3_000)
    page.evaluate(event)
    assert offsets(page) == ["0", "3"]
    # Nobody has: that is no reason to ask for ever.
    page.evaluate("sockets[1].opened(), sockets[1].ended(4001)")
    page.clock.run_for(60_000)
    page.evaluate("dispatchEvent(new Event('online'))")
    assert (len(offsets(page)), state(page)) == (2, "closed")
    page.evaluate("hide(true)")
    page.clock.run_for(3_000)
    page.evaluate("hide(false), sockets[2].opened()")
    assert (offsets(page), state(page)) == (["0", "3", "3"], "connected")
    assert page.evaluate("connection.isRefused") is False


@pytest.mark.parametrize("code", [4001, 4003, 4004, 4009, 4010])
def test_whoever_asks_for_it_is_asked_for_again_after_any_refusal(page: Page, code: int) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("(code) => (sockets[0].ended(code), connection.restart(), sockets[1].opened())", code)
    assert (offsets(page), state(page)) == (["0", "3"], "connected")


def test_a_terminal_that_was_taken_back_is_begun_anew_by_its_page(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("sockets[0].ended(4011)")
    page.clock.run_for(60_000)
    page.evaluate("dispatchEvent(new Event('online'))")
    assert (len(offsets(page)), state(page)) == (1, "anew")


def test_a_hidden_tab_lets_go_and_catches_up_when_it_is_seen(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("hide(true)")
    page.clock.run_for(1_000)
    page.evaluate("hide(false)")
    assert len(offsets(page)) == 1, "a glance elsewhere costs nothing"
    page.evaluate("hide(true)")
    page.clock.run_for(3_000)
    assert state(page) == "paused"
    assert page.evaluate("sockets[0].closed")
    page.clock.run_for(600_000)
    assert len(offsets(page)) == 1
    page.evaluate("hide(false)")
    assert offsets(page) == ["0", "3"]


def test_a_tab_that_is_opened_hidden_connects_when_it_is_seen(page: Page) -> None:
    page.evaluate("connection.stop(), sockets.length = 0, hide(true), connection.start()")
    assert state(page) == "paused"
    page.clock.run_for(600_000)
    assert offsets(page) == []
    page.evaluate("hide(false), sockets[0].opened()")
    assert (offsets(page), state(page)) == (["0"], "connected")


@pytest.mark.parametrize(
    "event",
    [
        "dispatchEvent(new Event('online'))",
        "document.dispatchEvent(new Event('resume'))",
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
    ],
    ids=["online", "resume", "pageshow"],
)
def test_what_returns_to_a_hidden_tab_waits_until_it_is_seen(page: Page, event: str) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("hide(true)")
    page.clock.run_for(3_000)
    page.evaluate(event)
    page.clock.run_for(600_000)
    assert (offsets(page), state(page)) == (["0"], "paused")
    page.evaluate("hide(false)")
    assert offsets(page) == ["0", "3"]


def test_the_network_that_changes_while_one_glances_elsewhere_is_not_trusted(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("hide(true), dispatchEvent(new Event('online')), hide(false)")
    assert offsets(page) == ["0", "3"]
    assert page.evaluate("sockets[0].closed")


@pytest.mark.parametrize(
    "happens", ["sockets[0].ended(4008)", "sockets[0].readyState = 0"], ids=["closed", "slow"]
)
def test_a_hidden_tab_does_not_try_again(page: Page, happens: str) -> None:
    """Neither after a close, nor when a socket does not open."""
    page.evaluate("Math.random = () => 0.9")
    page.evaluate("hide(true)")
    page.evaluate(happens)
    page.clock.run_for(3_000)
    before = len(offsets(page))
    page.clock.run_for(600_000)
    assert (len(offsets(page)), state(page)) == (before, "paused")


def test_a_tab_that_returns_connects_once(page: Page) -> None:
    """Timers of a hidden tab may run once a minute, which is no sleep of the machine."""
    page.evaluate("sockets[0].opened()")
    page.evaluate("hide(true)")
    page.clock.run_for(3_000)
    page.evaluate(
        "{ const now = Date.now; Date.now = () => now() + 55_000; hide(false), sockets[1].opened(); }"
    )
    page.clock.run_for(12_000)
    assert len(offsets(page)) == 2


def test_a_phone_that_slept_does_not_trust_its_socket(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    # Frozen before the timer of the hidden tab could run.
    page.evaluate("hide(true)")
    page.clock.fast_forward(0)
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; hide(false); }")
    assert offsets(page) == ["0", "3"]
    assert page.evaluate("sockets[0].closed")


def test_a_laptop_that_slept_with_the_page_in_sight_connects_anew(page: Page) -> None:
    page.evaluate("sockets[0].opened()")
    page.clock.run_for(20_000)
    assert len(offsets(page)) == 1
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
    page.clock.run_for(6_000)
    assert len(offsets(page)) == 2


def test_a_page_from_the_back_forward_cache_connects_anew(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert page.evaluate("sockets[0].closed"), "a page with a socket would not be kept"
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert offsets(page) == ["0", "3"]


def test_a_network_that_swallows_everything_is_given_up(page: Page) -> None:
    page.clock.run_for(10_500)
    assert state(page) == "offline"
    page.clock.run_for(1_000)
    assert len(offsets(page)) == 2
    assert page.evaluate("sockets[0].closed")


def test_a_server_that_says_nothing_is_asked_and_left_when_it_does_not_answer(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    # It looks every five seconds.
    page.clock.run_for(26_000)
    assert page.evaluate("sockets[0].sent") == [3, "ping"]
    page.evaluate("sockets[0].say({ type: 'pong' })")
    page.clock.run_for(15_000)
    assert (len(offsets(page)), state(page)) == (1, "connected")
    # Output says as well that somebody is there.
    page.clock.run_for(10_000)
    assert page.evaluate("sockets[0].sent") == [3, "ping", "ping"]
    page.evaluate("sockets[0].frame(1, 3, [4]), draw()")
    page.clock.run_for(15_000)
    assert (len(offsets(page)), state(page)) == (1, "connected")
    page.clock.run_for(21_000)
    assert offsets(page)[:2] == ["0", "4"]
    assert page.evaluate("sockets[0].closed")


def test_another_network_is_not_trusted_with_the_socket_of_the_one_before(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("dispatchEvent(new Event('online'))")
    assert offsets(page) == ["0", "3"]


def test_a_machine_without_a_network_keeps_a_socket_that_answers(page: Page) -> None:
    """A server on the machine itself is there as before."""
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("dispatchEvent(new Event('offline'))")
    assert page.evaluate("[sockets[0].sent, sockets[0].closed]") == [[3, "ping"], False]
    page.clock.run_for(2_000)
    page.evaluate("sockets[0].say({ type: 'pong' }), sockets[0].frame(1, 3, [4]), draw()")
    page.clock.run_for(15_000)
    assert (len(offsets(page)), page.evaluate("states")) == (1, ["connecting", "connected"])
    assert page.evaluate("connection.follower.expected") == 4


def test_a_machine_without_a_network_tries_again_where_nobody_answers(page: Page) -> None:
    page.evaluate("Math.random = () => 0.9")
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), draw()")
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.clock.run_for(3_500)
    assert state(page) == "offline"
    assert page.evaluate("sockets[0].closed")
    for _ in range(300):
        page.evaluate(
            "sockets.at(-1).closed || sockets.at(-1).readyState === 3 || sockets.at(-1).ended(1006)"
        )
        page.clock.run_for(200)
    assert state(page) == "offline"
    assert 5 <= len(offsets(page)) <= 20
    # What says so again stops nothing.
    before = len(offsets(page))
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.clock.run_for(11_000)
    assert len(offsets(page)) > before
    page.evaluate("dispatchEvent(new Event('online')), sockets.at(-1).opened()")
    assert (offsets(page)[-1], state(page)) == ("3", "connected")


def test_a_server_that_accepts_and_fails_is_tried_less_and_less_often(page: Page) -> None:
    page.evaluate("Math.random = () => 0.5")
    for _ in range(300):
        page.evaluate("sockets.at(-1).readyState || (sockets.at(-1).opened(), sockets.at(-1).ended(4500))")
        page.clock.run_for(200)
    assert 5 <= len(offsets(page)) <= 20
    # One that lasts has worked.
    while page.evaluate("sockets.at(-1).readyState"):
        page.clock.run_for(200)
    page.evaluate("sockets.at(-1).opened()")
    page.clock.run_for(15_000)
    before = len(offsets(page))
    page.evaluate("sockets.at(-1).ended(1006)")
    page.clock.run_for(700)
    assert len(offsets(page)) == before + 1


def test_a_hole_is_asked_for_at_once(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 0, [1, 2, 3]), sockets[0].frame(1, 5, [6])")
    assert offsets(page) == ["0", "3"]
    page.evaluate("sockets[0].frame(1, 3, [9, 9])")
    page.evaluate("sockets[1].opened(), sockets[1].frame(1, 3, [4, 5, 6])")
    assert page.evaluate("connection.follower.expected") == 6


def test_a_server_that_sends_nothing_but_holes_is_not_asked_at_once(page: Page) -> None:
    page.evaluate("sockets[0].opened(), sockets[0].frame(1, 5, [6])")
    assert (len(offsets(page)), state(page)) == (1, "offline")
    page.clock.run_for(700)
    assert offsets(page) == ["0", "0"]


def test_a_terminal_goes_on_when_its_connection_dies_unnoticed(signed_in_page: Page, server: Server) -> None:
    """Through a network that swallows everything once the socket is open, its end as well."""
    frozen: list[bool] = []

    def pass_on(route: WebSocketRoute) -> None:
        number = len(frozen)
        frozen.append(False)
        server_side = route.connect_to_server()
        route.on_message(lambda message: None if frozen[number] else server_side.send(message))
        server_side.on_message(lambda message: None if frozen[number] else route.send(message))
        server_side.on_close(lambda code, reason: None if frozen[number] else route.close(code=code))

    recorder = start_recorder()
    recorder.send(Output(1_000, b"first\r\n"))
    page = signed_in_page
    page.route_web_socket(lambda url: "/live/terminals/" in url, pass_on)
    page.goto("/settings/")
    page.clock.install()
    page.evaluate(_REAL, str(recorder.terminal.pk))
    page.evaluate("until(() => connection.follower.expected === 7)")
    frozen[0] = True
    recorder.send(Output(2_000, b"second\r\n"))
    page.clock.run_for(20_000)
    assert page.evaluate("[connection.follower.expected, states.at(-1)]") == [7, "connected"]
    page.clock.run_for(20_000)
    page.evaluate("until(() => connection.follower.expected === 15)")
    assert page.evaluate("states.at(-1)") == "connected"
    assert len(frozen) == 2


def test_a_tab_that_was_hidden_for_long_returns_to_a_screen_instead_of_everything(
    signed_in_page: Page, server: Server
) -> None:
    """Against the real server and its engine."""
    recorder = start_recorder()
    recorder.send(Output(1_000, b"first\r\n"))
    page = signed_in_page
    page.goto("/settings/")
    page.evaluate(_REAL, str(recorder.terminal.pk))
    page.evaluate("until(() => connection.follower.expected === 7)")
    page.evaluate("hide(true)")
    page.evaluate("until(() => states.at(-1) === 'paused')")
    chooser = random.Random(2)
    for number in range(8):
        lines = b"".join(b"%s\r\n" % chooser.randbytes(30).hex().encode() for _ in range(12_000))
        recorder.send(Output(2_000 + number, lines[:740_000]))
    size = 7 + 8 * 740_000
    page.evaluate("hide(false)")
    page.evaluate("(size) => until(() => connection.follower.expected === size)", size)
    received: list[dict[str, Any]] = page.evaluate("received")
    assert [frame["type"] for frame in received if frame["type"] in ("gap", "keyframe")] == [
        "gap",
        "keyframe",
    ]
    assert sum(frame["bytes"] for frame in received if frame["type"] == "output") < 2_200_000


_REAL = """async (id) => {
  const { TerminalConnection } = await import("scrollback/terminal/connection");
  const { Follower } = await import("scrollback/terminal/follower");
  window.states = [];
  window.received = [];
  window.hide = (hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  window.until = async (condition) => {
    for (const end = Date.now() + 20_000; !condition(); ) {
      if (Date.now() > end) throw new Error("it did not come to that");
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  window.connection = new TerminalConnection(id, new Follower(), {
    apply: ({ type, bytes }, done) => (received.push({ type, bytes: bytes?.length ?? 0 }), done()),
    show: (state) => states.push(state),
  });
  connection.start();
}"""
