"""Going to random places of a recording in Chromium, until they are painted; asciinema-player beside it.

A place is the time at a random offset. Of the time itself most is pauses, in which a terminal shows one screen.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks import asciinema_peer
from benchmarks.harness import Console, Options, percentiles, say
from benchmarks.terminal_recordings import Imported, import_mixed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from sessions_app.models import Terminal
    from tests.browser.running import Server

SAMPLES = 200
COMPARED = 50
# Going back it replays from the start, so a few of its seeks take as long as hundreds here.
PEER_SAMPLES = 30
PEER_PATIENCE_S = 120.0
TARGET = {"p95_ms": 80, "largest_to_smallest_p95": 1.2}
_SEEK = """async (us) => {
  const started = performance.now();
  const arrived = await terminalView().seek(us);
  const written = performance.now() - started;
  const shown = (await painted()) - started;
  return { arrived, written, shown, offset: terminalView().player.offset };
}"""


def run(options: Options, console: Console) -> dict[str, Any]:
    from benchmarks.painting import browser

    imported = import_mixed(options, console)
    console.use_here()
    from benchmarks import visiting
    from sessions_app.models import Terminal

    figures: dict[str, Any] = {"target": TARGET, "sizes": []}
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server, browser() as running:
        for megabytes, one in imported.items():
            terminal = Terminal.objects.get(pk=one.terminal_id)
            moments = _moments(terminal, options.requests(SAMPLES))
            measured = {"mb": megabytes, **_measure(running, server, cookie, terminal, moments)}
            say(f"{measured}")
            if options.with_peer:
                shares = [us / terminal.duration_us for us in moments[: options.requests(PEER_SAMPLES)]]
                _add_peer(measured, running, console, one, shares)
            figures["sizes"].append(measured)
    if len(imported) > 1:
        p95 = [size["seek_to_painted"]["p95_ms"] for size in figures["sizes"]]
        figures["largest_to_smallest_p95"] = round(p95[-1] / p95[0], 2)
    return figures


def _moments(terminal: "Terminal", count: int) -> list[int]:
    """Times at random offsets, in microseconds."""
    from sessions_app.actions.terminals.screens import time_at

    random_ = random.Random(terminal.size)
    return [time_at(terminal, random_.randrange(terminal.size)) for _ in range(count)]


def _measure(
    running: "Browser", server: "Server", cookie: str, terminal: "Terminal", moments: Sequence[int]
) -> dict[str, Any]:
    from benchmarks.painting import call, signed_in

    with signed_in(running, server, cookie) as context:
        page = context.new_page()
        page.goto(f"{server.url}/terminals/{terminal.pk}/")
        page.wait_for_function("() => terminalView()?.player?.map")
        # The first seek leaves the live moment and finds everything cold.
        call(page, _SEEK, 0)
        results, different = [], 0
        for number, us in enumerate(moments):
            results.append(call(page, _SEEK, us))
            if number < COMPARED:
                different += _is_different(page, terminal, us, results[-1]["offset"])
    return {
        "seek_to_painted": percentiles([result["shown"] for result in results]),
        "seek_to_written": percentiles([result["written"] for result in results]),
        "places": len({result["offset"] for result in results}),
        "not_arrived": sum(not result["arrived"] for result in results),
        "compared": min(COMPARED, len(results)),
        "different": different,
    }


def _is_different(page: "Page", terminal: "Terminal", us: int, offset: int) -> bool:
    """Whether the page does not show what the server's engine makes of the recording up to this moment."""
    from benchmarks.painting import rows_shown
    from sessions_app.actions.terminals.screens import place_at, screen_of

    wanted = place_at(terminal, us)
    shown, expected = rows_shown(page), list(screen_of(terminal, wanted).rows)
    if offset == wanted.offset and shown == expected:
        return False
    rows = [(row, *pair) for row, pair in enumerate(zip(shown, expected, strict=False)) if pair[0] != pair[1]]
    say(
        f"at {us} us: offset {offset} where {wanted.offset} was due; {len(rows)} rows differ, first {rows[:1]}"
    )
    return True


def _add_peer(
    measured: dict[str, Any],
    running: "Browser",
    console: Console,
    imported: Imported,
    shares: Sequence[float],
) -> None:
    """`shares` of the recording's time are where it goes."""
    from benchmarks.painting import prepared

    with (
        asciinema_peer.serving(imported.cast.path, console.folder) as address,
        prepared(running) as context,
    ):
        page = context.new_page()
        measured["asciinema_player"] = peer = asciinema_peer.measure(page, address, shares, PEER_PATIENCE_S)
    if "seek_to_painted" in peer:
        for rank in ("p50", "p95"):
            measured[f"times_faster_{rank}"] = round(
                peer["seek_to_painted"][f"{rank}_ms"] / measured["seek_to_painted"][f"{rank}_ms"], 1
            )
