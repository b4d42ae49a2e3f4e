"""From a line appended to a followed history to the row on a page: over the socket, and painted by a browser."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import SCROLLBACK, Console, Options, percentiles, say
from benchmarks.processes import Failed, Following
from benchmarks.transcripts import Transcript
from benchmarks.websocket import WebSocket

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from sessions_app.models import AgentSession
    from tests.browser.running import Server

MESSAGES_BEFORE = 200
TARGET_P95_MS = 300
PATIENCE_S = 30.0
PAUSE_S = 0.3
# Says when a text was painted: two frames after it came into the document.
_WATCH_FOR = """(text) => new Promise((resolve) => {
  const painted = () => requestAnimationFrame(() => requestAnimationFrame(
    () => resolve(performance.timeOrigin + performance.now())));
  const isThere = () => document.querySelector("[data-transcript]").textContent.includes(text);
  if (isThere()) return painted();
  const observer = new MutationObserver(() => {
    if (isThere()) { observer.disconnect(); painted(); }
  });
  const options = { childList: true, subtree: true, characterData: true };
  observer.observe(document.querySelector("[data-transcript]"), options);
})"""


@dataclass
class History:
    """A transcript that grows while it is followed."""

    path: Path
    transcript: Transcript
    appended: int = 0

    def append(self) -> str:
        """One reply; returns words that stand in no other."""
        self.appended += 1
        text = f"appended line number {self.appended} of this measurement."
        line = self.transcript.reply([{"type": "text", "text": text}], "end_turn")
        with self.path.open("ab") as file:
            file.write(line)
        return text


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    count = options.requests(100)
    folder = console.folder / "projects"
    folder.mkdir()
    transcript = Transcript(3)
    history = History(folder / f"{transcript.session}.jsonl", transcript)
    transcript.write(history.path, MESSAGES_BEFORE)
    person = visiting.make_operator()
    cookie = visiting.cookie_of(person)
    with visiting.serving(console) as server, _following(console, folder) as watch:
        session = _wait_for_session(transcript.session, watch)
        over_socket = list(islice(_over_socket(server, cookie, session, history), count))
        say(f"over the socket  {percentiles(over_socket)}")
        with _page(server, cookie, session) as page:
            painted = []
            for _ in range(count):
                painted.append(_until_painted(page, history))
                time.sleep(PAUSE_S)
        watch.check()
    return {
        "rows_over_socket": percentiles(over_socket),
        "painted_in_browser": percentiles(painted),
        "target": {"p95_ms": TARGET_P95_MS},
    }


@contextmanager
def _following(console: Console, folder: Path) -> Iterator[Following]:
    command = [str(SCROLLBACK), "watch", str(folder)]
    with Following(command, console.environment, console.folder / "watch.log") as watch:
        yield watch


def _wait_for_session(external_id: str, watch: Following) -> "AgentSession":
    from sessions_app.models import AgentSession

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        watch.check()
        session = AgentSession.objects.filter(external_id=external_id).first()
        if session is not None:
            return session
        time.sleep(0.05)
    raise Failed(f"the history was not imported:\n{watch.output[-1000:]}")


def _over_socket(server: "Server", cookie: str, session: "AgentSession", history: History) -> Iterator[float]:
    """Milliseconds from the append until the page's own request for rows brings the new one."""
    from django.conf import settings

    from benchmarks import visiting

    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    session.refresh_from_db()
    cursor = session.last_seq
    path = f"/live/sessions/{session.pk}/?after={cursor}"
    with WebSocket(server.port, path, headers) as live, visiting.Visitor(server, cookie) as visitor:
        time.sleep(PAUSE_S)
        while True:
            text = history.append()
            started = time.perf_counter()
            while True:
                news = json.loads(live.receive())
                if news["type"] != "news":
                    continue
                rows = visitor.get(f"/sessions/{session.pk}/rows/?after={cursor}").plain.decode()
                cursor = max(cursor, int(news["seq"]))
                if text in rows:
                    break
            yield (time.perf_counter() - started) * 1000
            time.sleep(PAUSE_S)


@contextmanager
def _page(server: "Server", cookie: str, session: "AgentSession") -> Iterator["Page"]:
    from django.conf import settings

    from tests.chromium import find, running_chromium

    if find() is None:
        raise Failed("there is no browser: install chromium, or set SCROLLBACK_TEST_BROWSER")
    with running_chromium() as browser:
        yield _open(browser, server, {"name": settings.SESSION_COOKIE_NAME, "value": cookie}, session)


def _open(browser: "Browser", server: "Server", cookie: dict[str, str], session: "AgentSession") -> "Page":
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": server.url}])
    page = context.new_page()
    page.goto(f"{server.url}/sessions/{session.pk}/")
    page.wait_for_selector("live-session[data-live=connected]")
    return page


def _until_painted(page: "Page", history: History) -> float:
    text = f"appended line number {history.appended + 1} of this measurement."
    page.evaluate(f"(text) => {{ window.painted = ({_WATCH_FOR})(text); }}", text)
    started = time.time()
    history.append()
    painted_ms: float = page.evaluate("() => window.painted")
    return painted_ms - started * 1000
