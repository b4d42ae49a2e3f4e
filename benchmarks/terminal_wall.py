"""A wall of live terminals that is left open: while nothing happens in them, and while each writes a line a second."""

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed, processor_seconds, resident_bytes
from benchmarks.terminal_corpus import COLS, ROWS, raw, stream

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

TERMINALS = 24
SECONDS = 60
# The page has come to rest when it asked for nothing for so long; it has to within that time.
REST_S = 5.0
PATIENCE_S = 120.0
# All of the wall is in view: tiles that are not looked at are not asked for.
VIEWPORT: "ViewportSize" = {"width": 1440, "height": 2000}
_ALL_DRAWN = """(count) => document.querySelectorAll("live-wall [data-row]").length === count
  && document.querySelectorAll('live-wall [data-part="picture"] svg').length === count"""


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting
    from benchmarks.painting import browser, signed_in

    (seconds,) = options.scaled(SECONDS)
    cookie = visiting.cookie_of(visiting.make_operator())
    recorders = [_Recorder(number) for number in range(TERMINALS)]
    with (
        visiting.serving(console) as server,
        browser() as running,
        signed_in(running, server, cookie) as context,
    ):
        page = context.new_page()
        page.set_viewport_size(VIEWPORT)
        traffic = _Traffic(page)
        # The page above the list shows the newest twelve alone.
        page.goto(f"{server.url}/terminals/?view=wall")
        page.wait_for_function(_ALL_DRAWN, arg=TERMINALS)
        traffic.wait_for_rest()
        watched = _Watched(console, server.process_id, traffic)
        figures: dict[str, Any] = {"terminals": TERMINALS, "seconds": seconds}
        figures["idle"] = watched.during(lambda: page.wait_for_timeout(seconds * 1000))
        say(f"idle  {figures['idle']}")
        with _Writing(recorders):
            figures["writing"] = watched.during(lambda: page.wait_for_timeout(seconds * 1000))
        say(f"writing  {figures['writing']}")
        figures["tiles"] = page.locator("live-wall [data-row]").count()
    return figures


class _Recorder:
    """A live terminal, as its recorder's requests leave it."""

    def __init__(self, number: int) -> None:
        from audit.actors import SYSTEM
        from dashboard.lib.clock import now_ms
        from dashboard.lib.ids import new_id
        from sessions_app.actions.terminals import NewTerminal, append_output, open_terminal
        from sessions_app.terminal.asciicast.model import Output
        from sessions_app.terminal.batch import Batch, Position

        new = NewTerminal(new_id(), now_ms(), COLS, ROWS, f"terminal {number}", ["make"], "/srv", "box")
        self._terminal, _ = open_terminal(new, actor=SYSTEM)
        self._started = time.monotonic()
        self._position = Position(0, 0)

        def append(data: bytes) -> None:
            time_us = int((time.monotonic() - self._started) * 1e6)
            batch = Batch(self._position, [Output(time_us, data)])
            self._position = append_output(self._terminal.pk, batch, actor=SYSTEM)

        self.append = append
        append(raw(stream(("log", "colour", "agent")[number % 3], 20_000)))


class _Writing(threading.Thread):
    """A line a second into each."""

    def __init__(self, recorders: Sequence[_Recorder]) -> None:
        super().__init__(daemon=True)
        self._recorders = recorders
        self._over = threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        from django.db import connection

        number = 0
        while not self._over.wait(1 / len(self._recorders)):
            number += 1
            self._recorders[number % len(self._recorders)].append(
                b"line %d of a program that is at work\r\n" % number
            )
        connection.close()


class _Traffic:
    """What a page asks for and is told."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self.requests = self.messages = 0
        page.on("request", self._request)
        page.on("websocket", lambda socket: socket.on("framereceived", self._message))

    def wait_for_rest(self) -> None:
        """Raises Failed when the page goes on asking."""
        given_up = time.monotonic() + PATIENCE_S
        before = -1
        while before != self.requests:
            if time.monotonic() > given_up:
                raise Failed(f"nothing happens, and the page still asks after {PATIENCE_S:.0f} s")
            before = self.requests
            self._page.wait_for_timeout(REST_S * 1000)

    def _request(self, _: object) -> None:
        self.requests += 1

    def _message(self, _: object) -> None:
        self.messages += 1


class _Watched:
    """The server, its database and the browser."""

    def __init__(self, console: Console, server_id: int, traffic: _Traffic) -> None:
        self._console = console
        self._traffic = traffic
        self._server = psutil.Process(server_id)
        below = psutil.Process().children(recursive=True)
        self._browser = next(process for process in below if "chrom" in process.name().lower())

    def during(self, action: Any) -> dict[str, float]:
        before, started = self._counts(), time.monotonic()
        action()
        minutes = (time.monotonic() - started) / 60
        after = self._counts()
        figures = {name: round((after[name] - before[name]) / minutes, 2) for name in before}
        figures["server_rss_mb"] = round(resident_bytes(self._server) / MB)
        return figures

    def _counts(self) -> dict[str, float]:
        return {
            "server_cpu_s_per_minute": processor_seconds(self._server),
            "database_cpu_s_per_minute": self._console.database_processor_seconds(),
            "browser_cpu_s_per_minute": processor_seconds(self._browser),
            "requests_per_minute": self._traffic.requests,
            "messages_per_minute": self._traffic.messages,
        }
