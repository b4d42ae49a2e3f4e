"""Viewers that stop reading and viewers that never acknowledge: what they cost, and what the others see."""

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_live import PATIENCE_S, STEADY, Viewer, pump_all, recorded, steady_output
from benchmarks.websocket import WebSocket

if TYPE_CHECKING:
    from tests.browser.running import Server

# Written while they stall, at this rate.
SIZE_MB = 40
MB_PER_S = 2
STALLED = 20
GOOD = 3
TARGET = {"mb_per_stalled_viewer": 2}
# Who does not answer for 30 s is dismissed.
DISMISSED_AFTER_S = 40.0
_SAMPLE_S = 0.1


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server:
        # What the output and ordinary viewers cost by themselves, after whatever the first output costs once.
        _round(options, console, server, cookie, "first", 0)
        alone = _round(options, console, server, cookie, "alone", 0)
        rounds = {
            kind: _round(options, console, server, cookie, kind, STALLED)
            for kind in ("never acknowledges", "never reads")
        }
    for figures in rounds.values():
        growth = figures["server_peak_growth_mb"] - alone["server_peak_growth_mb"]
        figures["mb_per_stalled_viewer"] = round(growth / STALLED, 2)
    return {"mb": megabytes, "stalled": STALLED, "target": TARGET, "alone": alone, **rounds}


def _round(
    options: Options, console: Console, server: "Server", cookie: str, kind: str, stalled: int
) -> dict[str, Any]:
    from benchmarks.visiting import cookie_header

    size = options.scaled(SIZE_MB)[0] * MB
    expected = steady_output(size)
    with ExitStack() as stack:
        program = stack.enter_context(recorded(console, kind, STEADY, size, MB_PER_S * MB))
        path = f"/live/terminals/{program.terminal_id}/?offset=0"
        headers = cookie_header(cookie)

        def open_one(*, acknowledges: bool = True) -> Viewer:
            viewer = Viewer(WebSocket(server.port, path, headers), expected, acknowledges=acknowledges)
            return stack.enter_context(viewer)

        memory = stack.enter_context(_Memory(server.process_id))
        good = [open_one() for _ in range(GOOD)]
        bad = [open_one(acknowledges=False) for _ in range(stalled)]
        started = time.monotonic()
        program.begin()
        # Who never reads is not pumped at all.
        reading = [*good, *bad] if kind == "never acknowledges" else good
        pump_all(reading, started + 3 * PATIENCE_S, enough=good)
        pump_all(reading, time.monotonic() + (0 if options.quick else DISMISSED_AFTER_S))
        program.wait(PATIENCE_S)
        last_s = max(viewer.ended for viewer in good) - started
    if any(viewer.position != len(expected) for viewer in good):
        raise Failed("a viewer that did nothing wrong was not sent everything")
    figures: dict[str, Any] = {
        "server_peak_growth_mb": round((memory.peak - memory.first) / MB, 1),
        "others_last_s": round(last_s, 2),
        "others_share_skipped": round(sum(viewer.skipped for viewer in good) / (len(expected) * GOOD), 4),
    }
    if kind == "never acknowledges":
        figures["sent_to_each_mb"] = round(max(viewer.received for viewer in bad) / MB, 2)
        figures["close_codes"] = sorted({viewer.close_code for viewer in bad})
    say(f"{kind}  {figures}")
    return figures


class _Memory(threading.Thread):
    """The largest resident memory of one process meanwhile."""

    def __init__(self, process_id: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(process_id)
        self._over = threading.Event()
        self.first = self.peak = self._process.memory_info().rss

    def __enter__(self) -> "_Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.peak = max(self.peak, self._process.memory_info().rss)
