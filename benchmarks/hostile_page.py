"""Hostile output on the page of a terminal in Chromium: how long it cannot draw, what it remembers, what it does.

Only for a process in which Django is set up (Console.use_here).
"""

import threading
import time
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
from playwright.sync_api import BrowserContext, Dialog, Page, Request

from benchmarks import visiting
from benchmarks.harness import MB, Console, percentiles, say
from benchmarks.painting import browser, call, signed_in
from benchmarks.processes import Failed, PeakMemory
from benchmarks.terminal_corpus import COLS, ROWS
from benchmarks.terminal_hostile import FREEZING
from sessions_app.models import Terminal
from sessions_app.terminal.window import MAX_COLS, MAX_ROWS, allowed_size

# After this the page is given up.
HANG_S = 60.0
# How long some work took until it was painted, the longest that the page did nothing else meanwhile, and how soon it
# draws again afterwards; with what the work itself says of it.
_WATCHED = """() => {
  window.watched = async (work) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries()));
    observer.observe({ type: "longtask" });
    const started = performance.now();
    const told = await work();
    const drawn = await painted();
    const idle = await painted();
    tasks.push(...observer.takeRecords());
    observer.disconnect();
    const longest = Math.max(0, ...tasks.map(({ duration }) => duration));
    return { ...told, ms: drawn - started, longest_task_ms: longest, afterwards_ms: idle - drawn };
  };
}"""
# Into an empty window of a size.
_WRITE = """async ([coded, cols, rows]) => {
  const bytes = Uint8Array.from(atob(coded), (character) => character.charCodeAt(0));
  const { screen } = terminalView();
  await new Promise((resolve) => screen.reset(cols, rows, resolve));
  await painted();
  return watched(() => new Promise((resolve) => screen.write(bytes, resolve)));
}"""
# What the page's player gives to its screen, counted.
_COUNT = """() => {
  const { screen } = terminalView();
  const apply = screen.apply.bind(screen);
  window.applied = { output: 0, bytes: 0, resize: 0, keyframe: 0, largestCells: 0 };
  screen.apply = (frame, done) => {
    if (frame.type in applied) applied[frame.type] += 1;
    if (frame.type === "output") applied.bytes += frame.bytes.length;
    apply(frame, done);
    const { cols, rows } = screen.terminal;
    applied.largestCells = Math.max(applied.largestCells, cols * rows);
  };
}"""
_APPLIED = "() => applied"
_PLACES = "() => terminalView().player.map.keyframes.map(({ offset }) => offset)"
# The stretch up to a byte as the page plays it; from its keyframe, if it is to begin anew.
_STRETCH = """([offset, anew]) => {
  const view = terminalView();
  if (anew) view.player.stop();
  return watched(async () => {
    const arrived = await view.move(() => view.player.seekOffset(offset));
    return { arrived: arrived && view.player.offset === offset };
  });
}"""
# Columns and rows in which what freezes xterm.js is written: as people have it, and the largest that there is.
WINDOWS = {"ordinary": (COLS, ROWS), "largest": allowed_size(MAX_COLS, MAX_ROWS)}
# Between two looks at the memory of all of the browser's processes, which costs some milliseconds.
_LOOK_EVERY_S = 0.25


def in_browser(console: Console, terminal: Terminal) -> dict[str, Any]:
    """Raises Failed when the page asks, opens or tells what it must not."""
    cookie = visiting.cookie_of(visiting.make_operator())
    with (
        visiting.serving(console) as server,
        PeakMemory(server.process_id, every_s=_LOOK_EVERY_S) as served,
        browser() as running,
        signed_in(running, server, cookie) as context,
        PeakMemory(_browser_process_id(), every_s=_LOOK_EVERY_S) as shown,
    ):
        pages = _Pages(context, server.url, f"/terminals/{terminal.pk}/")
        drawn = _play(pages, terminal)
        say(f"drawn  {drawn}")
        freezing = {name: _freeze(pages, *size) for name, size in WINDOWS.items()}
        say(f"freezing  {freezing}")
    if pages.problems:
        raise Failed(f"the page did what it must not: {pages.problems[:5]}")
    return {
        "drawn": drawn,
        "freezing": freezing,
        "hangs": pages.hangs,
        "problems": len(pages.problems),
        "memory_before_mb": round(shown.first_bytes / MB),
        "memory_peak_mb": round(shown.peak_bytes / MB),
        # Of the server and its engine.
        "server_peak_mb": round(served.peak_bytes / MB),
    }


def _freeze(pages: "_Pages", cols: int, rows: int) -> dict[str, Any]:
    """All of FREEZING in a window of this size, each in an empty one."""
    measured = {
        name: pages.measured(_WRITE, [b64encode(data).decode(), cols, rows], f"{name} in {cols}x{rows}")
        for name, data in FREEZING.items()
    }
    written = {name: figures for name, figures in measured.items() if figures is not None}
    return {
        "cols": cols,
        "rows": rows,
        "ms": {name: round(figures["ms"], 1) for name, figures in written.items()},
        "worst": max(written, key=lambda name: written[name]["longest_task_ms"], default=""),
        "worst_ms": _worst(written.values(), "ms"),
        "longest_task_ms": _worst(written.values(), "longest_task_ms"),
        "worst_afterwards_ms": _worst(written.values(), "afterwards_ms"),
    }


def _play(pages: "_Pages", terminal: Terminal) -> dict[str, Any]:
    """All of the recording through the page's player, each second stretch from its keyframe on.

    Raises Failed when something of it did not come to the screen.
    """
    played: list[dict[str, float]] = []
    starts: list[int] = pages.value(_PLACES)
    began = time.perf_counter()
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], terminal.size], strict=True)):
        # From a distance the server draws the screen of a place: begun anew, it is at the keyframe first. Going to the
        # end itself would begin with the keyframe that stands there.
        anew = [(start, True)] if number % 2 == 0 else []
        for place, begins in (*anew, (end - 1, False), (end, False)):
            if place > start or begins:
                what = f"the output from {start} to {place}"
                stretch = pages.measured(_STRETCH, [place, begins], what)
                if stretch is not None and not stretch["arrived"]:
                    raise Failed(f"the page did not come to the end of {what}")
                played.extend([stretch] if stretch is not None else [])
        if number % 50 == 49:
            say(f"played {end / MB:.0f} MB in {time.perf_counter() - began:.0f} s")
    applied = pages.value(_APPLIED)
    if not pages.hangs and applied["bytes"] < terminal.size:
        raise Failed(f"of {terminal.size} bytes only {applied['bytes']} came to the screen")
    return {
        "mb": round(terminal.size / MB, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "stretches": len(played),
        "frames": {kind: applied[kind] for kind in ("output", "resize", "keyframe")},
        "largest_window_cells": applied["largestCells"],
        "stretch": percentiles([stretch["ms"] for stretch in played]),
        "worst_stretch_ms": _worst(played, "ms"),
        "longest_task_ms": _worst(played, "longest_task_ms"),
        "worst_afterwards_ms": _worst(played, "afterwards_ms"),
    }


def _worst(played: Iterable[dict[str, float]], name: str) -> float:
    return round(max((stretch[name] for stretch in played), default=0.0), 1)


class _Pages:
    """One page after the other: when one hangs it is given up, told of, and opened anew."""

    def __init__(self, context: BrowserContext, url: str, path: str) -> None:
        self._context = context
        self._url = url
        self._path = path
        self.problems: list[str] = []
        self.hangs: list[str] = []
        self._page = self._open()

    def value(self, script: str) -> Any:
        return call(self._page, script)

    def measured(self, script: str, argument: object, what: str) -> Any:
        """What the script answers; None for one that would not end."""
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            # Nothing else ends a script that never does.
            for process in _renderers():
                process.kill()

        watchdog = threading.Timer(HANG_S, give_up)
        watchdog.start()
        started = time.perf_counter()
        try:
            answer = call(self._page, script, argument)
        except Failed as error:
            self.hangs.append(f"{what}: {'no end' if given_up.is_set() else str(error)[:200]}")
            say(f"the page hangs over {self.hangs[-1]}")
            self._page.close()
            self._page = self._open()
            return None
        finally:
            watchdog.cancel()
            watchdog.join()
        if time.perf_counter() - started > 2.0:
            say(f"{what}  {time.perf_counter() - started:.1f} s  {answer}")
        return answer

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
        call(page, _COUNT)
        call(page, _WATCHED)
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


def _browser_process_id() -> int:
    below = psutil.Process().children(recursive=True)
    return next(int(process.pid) for process in below if "chrom" in process.name().lower())
