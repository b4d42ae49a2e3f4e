"""Attaching to a live terminal with much behind it, wherever its keyframes lie, until it is painted in Chromium."""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import asciinema_peer
from benchmarks.harness import Console, Options, percentiles, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import MIXED, stream
from benchmarks.terminal_recordings import Imported, import_mixed
from sessions_app.terminal.asciicast.model import Event, Output

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from sessions_app.models import Terminal
    from tests.browser.running import Server

SAMPLES = 100
PEER_PATIENCE_S = 120.0
TARGET = {"attach_p95_ms": 100}
# Before each sample the terminal gets up to so much more output, a twentieth of the way from one heavy keyframe to
# the next on average; in batches, as a recorder sends it.
MOST_NEW_BYTES = 400_000
BATCH_BYTES = 64 * 1024
DERIVED_WITHIN_S = 60.0
_LEAVE = "() => terminalView().leaveLive()"
# Opens a new connection, as after a loss of the network; done when everything that there is has been written.
_ATTACH = """async (size) => {
  const view = terminalView();
  const { screen } = view;
  const { apply } = screen;
  const ends = { keyframe: ({ offset }) => offset, output: ({ offset, bytes }) => offset + bytes.length };
  const written = new Promise((resolve) => {
    screen.apply = (frame, done) => apply.call(screen, frame, () => {
      done();
      if (ends[frame.type]?.(frame) >= size) resolve(performance.now());
    });
  });
  const started = performance.now();
  view.follow();
  const times = { written: (await written) - started, shown: (await painted()) - started };
  screen.apply = apply;
  return { ...times, from: view.shownFrom };
}"""
# Everything since the address was entered, scripts out of the cache included.
_OPENED = """async (size) => {
  while (!((terminalView()?.connection?.follower.expected ?? 0) >= size)) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => terminalView().screen.write("", resolve));
  return painted();
}"""


def run(options: Options, console: Console) -> dict[str, Any]:
    from benchmarks.painting import browser, prepared

    imported = import_mixed(options, console)
    console.use_here()
    from benchmarks import visiting

    figures: dict[str, Any] = {"target": TARGET, "sizes": []}
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server, browser() as running:
        for megabytes, one in imported.items():
            measured = {"mb": megabytes, **_measure(running, server, cookie, one, options)}
            say(f"{measured}")
            if options.with_peer:
                with (
                    asciinema_peer.serving(one.cast.path, console.folder) as address,
                    prepared(running) as context,
                ):
                    measured["asciinema_player"] = peer = asciinema_peer.measure(
                        context.new_page(), address, [1.0], PEER_PATIENCE_S
                    )
                measured |= times_faster(measured, peer)
            figures["sizes"].append(measured)
    if len(imported) > 1:
        p95 = [size["attach_to_painted"]["p95_ms"] for size in figures["sizes"]]
        figures["largest_to_smallest_p95"] = round(p95[-1] / p95[0], 2)
    return figures


def times_faster(measured: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """The peer's time until the recording is painted to that of the whole page; empty when it could not load it."""
    if "load_to_painted_ms" not in peer:
        return {}
    page = measured["page_to_painted"]
    return {
        f"times_faster_{rank}": round(peer["load_to_painted_ms"] / page[f"{rank}_ms"], 1)
        for rank in ("p50", "p95")
    }


def _measure(
    running: "Browser", server: "Server", cookie: str, imported: Imported, options: Options
) -> dict[str, Any]:
    from benchmarks.painting import call, signed_in
    from sessions_app.models import Terminal

    count = options.requests(SAMPLES)
    live = Live(Terminal.objects.get(pk=imported.terminal_id), 2 * count)
    with signed_in(running, server, cookie) as context:
        page = context.new_page()
        address = f"{server.url}/terminals/{live.terminal.pk}/"
        opened = []
        for number in range(count):
            live.grow(is_derived=number % 2 == 0)
            page.goto(address, wait_until="commit")
            opened.append(call(page, _OPENED, live.terminal.size))
        attached, starts = [], []
        for number in range(count):
            call(page, _LEAVE)
            underived = live.grow(is_derived=number % 2 == 0)
            attached.append(call(page, _ATTACH, live.terminal.size))
            starts.append(_Start(live.terminal.size - attached[-1]["from"], underived))
    return {
        "attach_to_painted": percentiles([times["shown"] for times in attached]),
        "attach_to_written": percentiles([times["written"] for times in attached]),
        # What the page had to draw behind the keyframe that it was given.
        "behind_keyframe_kb": _kilobytes([start.behind for start in starts]),
        "underived_kb": _kilobytes([start.underived for start in starts]),
        # The first one fills the browser's cache.
        "page_to_painted": percentiles(opened[1:]),
        "first_page_ms": round(opened[0], 1),
    }


class _Start(NamedTuple):
    """Bytes between the keyframe that a viewer was given and the end, and those of which nothing was derived."""

    behind: int
    underived: int


def _kilobytes(sizes: Sequence[int]) -> dict[str, float]:
    return {"p50": round(statistics.median_high(sizes) / 1000, 1), "max": round(max(sizes) / 1000, 1)}


class Live:
    """An imported recording whose program still runs, and prints on."""

    def __init__(self, terminal: "Terminal", times: int) -> None:
        """It can grow so many times. What it prints is the same in every run."""
        self.terminal = as_live(terminal)
        self._random = random.Random(terminal.size)
        self._events = stream(MIXED, (times + 1) * MOST_NEW_BYTES)
        self._began_us = terminal.duration_us

    def grow(self, *, is_derived: bool) -> int:
        """Let it print a random number of bytes; of so many nothing is derived when that was not waited for.

        Raises Failed when deriving does not come to its end.
        """
        end = self.terminal.size + self._random.randrange(MOST_NEW_BYTES)
        while self.terminal.size < end:
            self._append(min(BATCH_BYTES, end - self.terminal.size))
        if is_derived:
            self._wait_until_derived()
        self.terminal.refresh_from_db()
        return self.terminal.size - self.terminal.derived_size

    def _append(self, size: int) -> None:
        from audit.actors import SYSTEM
        from sessions_app.actions.terminals.output import append_output, position_of
        from sessions_app.terminal.batch import Batch

        events: list[Event] = []
        while size > 0:
            event = next(self._events)
            events.append(replace(event, time_us=self._began_us + event.time_us))
            size -= len(event.data) if isinstance(event, Output) else 0
        append_output(self.terminal.pk, Batch(position_of(self.terminal), events, masked={}), actor=SYSTEM)
        self.terminal.refresh_from_db()

    def _wait_until_derived(self) -> None:
        from sessions_app.models import Terminal

        deadline = time.monotonic() + DERIVED_WITHIN_S
        while Terminal.objects.underived().filter(pk=self.terminal.pk).exists():
            if time.monotonic() > deadline:
                raise Failed(f"the server did not derive everything within {DERIVED_WITHIN_S:g} s")
            time.sleep(0.02)


def as_live(terminal: "Terminal") -> "Terminal":
    """Let an imported recording be one whose program still runs."""
    from sessions_app.models import TerminalEventKind, TerminalState

    removed, _ = terminal.events.filter(kind=TerminalEventKind.EXIT).delete()
    terminal.event_count -= removed
    terminal.derived_event = terminal.event_count
    terminal.state, terminal.exit_status, terminal.ended_ms = TerminalState.LIVE, None, None
    # What a file tells is derived in its own time; what a recorder sends, at once.
    terminal.derived_end, terminal.source = False, None
    terminal.save()
    return terminal
