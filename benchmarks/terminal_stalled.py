"""Viewers that stop reading and viewers that never acknowledge: what they cost, and what the others see."""

import time
from contextlib import ExitStack
from typing import Any

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed, PeakMemory, own_resident_bytes
from benchmarks.terminal_live import PATIENCE_S, STEADY, Viewer, pump_all, recorded, steady_output
from benchmarks.websocket import WebSocket

# Written while they stall, at this rate.
SIZE_MB = 40
MB_PER_S = 2
# Two megabytes of each would be twice what the server takes without them.
STALLED = 100
GOOD = 3
TARGET = {"mb_per_stalled_viewer": 2}
KINDS = ("never acknowledges", "never reads")
# So much later than without them the others may have everything. Who is further behind would be taken past some of it.
LATER_S = 2.0
# Who does not answer for 30 s is dismissed.
DISMISSED_AFTER_S = 40.0
# Whoever never reads is across a network, where the system keeps little for it: what is sent waits at the server.
_RECEIVE_BYTES = 16 * 1024


def run(options: Options, console: Console) -> dict[str, Any]:
    """Raises Failed when those that stall cost more than they may, or the others saw anything of them."""
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    stalled = STALLED // 5 if options.quick else STALLED
    cookie = visiting.cookie_of(visiting.make_operator())
    without = _round(options, console, cookie, "without", 0)
    rounds = {kind: _round(options, console, cookie, kind, stalled) for kind in KINDS}
    for figures in rounds.values():
        more = figures["server_peak_mb"] - without["server_peak_mb"]
        figures["mb_per_stalled_viewer"] = round(more / stalled, 2)
    told = {"mb": megabytes, "stalled": stalled, "target": TARGET, "without": without, **rounds}
    check(told)
    return told


def check(figures: dict[str, Any]) -> None:
    """Raises Failed when those that stall cost more than they may, or the others were sent less, or later."""
    without = figures["without"]
    for kind in ("without", *KINDS):
        skipped = figures[kind]["others_share_skipped"]
        if skipped:
            raise Failed(f"{kind}: the others were not sent {skipped:.2%} of the output")
    for kind in KINDS:
        each_mb = figures[kind]["mb_per_stalled_viewer"]
        if each_mb > TARGET["mb_per_stalled_viewer"]:
            raise Failed(f"one that {kind} takes {each_mb:g} MB of the server's memory")
        later_s = figures[kind]["others_last_s"] - without["others_last_s"]
        if later_s > LATER_S:
            raise Failed(f"{kind}: the others had everything {later_s:.1f} s later than without")


def _round(options: Options, console: Console, cookie: str, kind: str, stalled: int) -> dict[str, Any]:
    """With a server of its own: the memory that an earlier round needed would be there for this one."""
    from benchmarks import visiting

    size = options.scaled(SIZE_MB)[0] * MB
    expected = steady_output(size)
    acknowledges, reads = kind != "never acknowledges", kind != "never reads"
    with ExitStack() as stack:
        server = stack.enter_context(visiting.serving(console))
        program = stack.enter_context(recorded(console, kind, STEADY, size, MB_PER_S * MB))
        path = f"/live/terminals/{program.terminal_id}/?offset=0"
        headers = visiting.cookie_header(cookie)

        def open_one(*, is_good: bool) -> Viewer:
            room = None if is_good or reads else _RECEIVE_BYTES
            live = WebSocket(server.port, path, headers, receive_bytes=room)
            return stack.enter_context(Viewer(live, expected, acknowledges=is_good or acknowledges))

        with PeakMemory(server.process_id, own_resident_bytes) as memory:
            good = [open_one(is_good=True) for _ in range(GOOD)]
            bad = [open_one(is_good=False) for _ in range(stalled)]
            started = time.monotonic()
            program.begin()
            served = [*good, *bad] if reads else good
            pump_all(served, started + 3 * PATIENCE_S, is_over=lambda: all(viewer.ended for viewer in good))
            if bad and not options.quick:
                _rest(served, time.monotonic() + DISMISSED_AFTER_S)
        program.wait(PATIENCE_S)
    if any(not viewer.ended or viewer.position != len(expected) for viewer in good):
        raise Failed("a viewer that did nothing wrong was not sent everything")
    last_s = max(viewer.ended for viewer in good) - started
    skipped = sum(viewer.skipped for viewer in good)
    figures: dict[str, Any] = {
        "server_first_mb": round(memory.first_bytes / MB, 1),
        "server_peak_mb": round(memory.peak_bytes / MB, 1),
        "others_last_s": round(last_s, 2),
        "others_share_skipped": round(skipped / (len(expected) * GOOD), 6),
    }
    if bad and reads:
        figures["sent_to_each_mb"] = round(max(viewer.received for viewer in bad) / MB, 2)
        figures["close_codes"] = sorted({viewer.close_code for viewer in bad})
    say(f"{kind}  {figures}")
    return figures


def _rest(served: list[Viewer], until_s: float) -> None:
    """Serve them, if there are any left, until then: whoever is not served stalls meanwhile."""
    pump_all(served, until_s)
    time.sleep(max(0.0, until_s - time.monotonic()))
