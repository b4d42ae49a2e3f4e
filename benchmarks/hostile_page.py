"""Hostile output on the page of a terminal in Chromium: how long it cannot draw, what it remembers, what it does.

Only for a process in which Django is set up (Console.use_here).
"""

import random
import threading
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
from playwright.sync_api import BrowserContext, Dialog, Page, Request

from benchmarks import visiting
from benchmarks.harness import MB, Console, say
from benchmarks.painting import browser, call, signed_in
from benchmarks.processes import Failed, resident_bytes
from benchmarks.terminal_hostile import FREEZING
from sessions_app.models import Terminal

STEP_BYTES = 256 * 1024
SEEKS = 30
# After this the page is given up.
HANG_S = 60.0
_WRITE = """async (coded) => {
  const bytes = Uint8Array.from(atob(coded), (character) => character.charCodeAt(0));
  const started = performance.now();
  await new Promise((resolve) => terminalView().screen.write(bytes, resolve));
  return (await painted()) - started;
}"""
# Every byte of the recording through the page's screen.
_FETCH = """async (address) => {
  const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
  const started = performance.now();
  await new Promise((resolve) => terminalView().screen.write(bytes, resolve));
  return (await painted()) - started;
}"""
_SEEK = """async (offset) => {
  const view = terminalView();
  const started = performance.now();
  await view.move(() => view.player.seekOffset(offset));
  return (await painted()) - started;
}"""


def in_browser(console: Console, terminal: Terminal) -> dict[str, Any]:
    """Raises Failed when the page asks, opens or tells what it must not."""
    cookie = visiting.cookie_of(visiting.make_operator())
    with (
        visiting.serving(console) as server,
        browser() as running,
        signed_in(running, server, cookie) as context,
    ):
        pages = _Pages(context, server.url, f"/terminals/{terminal.pk}/")
        memory = _browser_memory()
        before = peak = memory()
        written: list[float | None] = []
        for start in range(0, terminal.size, STEP_BYTES):
            address = f"/terminals/{terminal.pk}/bytes?from={start}&to={start + STEP_BYTES}"
            written.append(pages.milliseconds(_FETCH, address, f"the output from {start} on"))
            peak = max(peak, memory())
        random_ = random.Random(5)
        seeks = [
            pages.milliseconds(_SEEK, offset, f"a seek to {offset}")
            for offset in sorted(random_.randrange(terminal.size) for _ in range(SEEKS))
        ]
        drawn = {
            "mb": round(terminal.size / MB, 1),
            "worst_write_ms": max(filter(None, written), default=None),
            "worst_seek_ms": max(filter(None, seeks), default=None),
            "memory_before_mb": round(before / MB),
            "memory_peak_mb": round(max(peak, memory()) / MB),
        }
        say(f"drawn  {drawn}")
        freezing = {
            name: pages.milliseconds(_WRITE, b64encode(data).decode(), name)
            for name, data in FREEZING.items()
        }
    if pages.problems:
        raise Failed(f"the page did what it must not: {pages.problems[:5]}")
    return {"drawn": drawn, "freezing_ms": freezing, "hangs": pages.hangs, "problems": len(pages.problems)}


class _Pages:
    """One page after the other: when one hangs it is given up, told of, and opened anew."""

    def __init__(self, context: BrowserContext, url: str, path: str) -> None:
        self._context = context
        self._url = url
        self._path = path
        self.problems: list[str] = []
        self.hangs: list[str] = []
        self._page = self._open()

    def milliseconds(self, script: str, argument: object, what: str) -> float | None:
        """Until the script has ended; None for one that would not."""
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            # Nothing else ends a script that never does.
            for process in _renderers():
                process.kill()

        watchdog = threading.Timer(HANG_S, give_up)
        watchdog.start()
        try:
            milliseconds = round(float(call(self._page, script, argument)), 1)
        except Failed as error:
            self.hangs.append(f"{what}: {'no end' if given_up.is_set() else str(error)[:200]}")
            say(f"the page hangs over {self.hangs[-1]}")
            self._page.close()
            self._page = self._open()
            return None
        finally:
            watchdog.cancel()
            watchdog.join()
        if milliseconds > 1_000:
            say(f"{what}  {milliseconds} ms")
        return milliseconds

    def _open(self) -> Page:
        page = self._context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("popup", lambda popup: self.problems.append(f"opened {popup.url}"))
        page.on("download", lambda download: self.problems.append(f"downloaded {download.url}"))
        page.on("request", self._request)
        page.goto(self._url + self._path)
        page.wait_for_function("() => terminalView()?.player?.map")
        # Nothing draws but what is given to it here.
        call(page, "() => terminalView().move(() => terminalView().player.seek(0))")
        return page

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "blob:")):
            self.problems.append(f"asked {request.url}")


def _renderers() -> list[psutil.Process]:
    below = psutil.Process().children(recursive=True)
    return [process for process in below if "--type=renderer" in process.cmdline()]


def _browser_memory() -> Callable[[], int]:
    """Resident bytes of all of the browser's processes, what they share counted in each."""
    below = psutil.Process().children(recursive=True)
    root = next(process for process in below if "chrom" in process.name().lower())
    return lambda: resident_bytes(root)
