"""Two hundred viewers of one terminal: every byte in order, and how much of it one server process sends."""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_live import PATIENCE_S, STEADY, Recorded, Viewer, pump_all, recorded, steady_output
from benchmarks.websocket import WebSocket

if TYPE_CHECKING:
    from tests.browser.running import Server

VIEWERS = 200
# What each of them is to see.
SIZE_MB = 10
# Of the program. The last one is more than there is a target for.
MB_PER_S = (0.25, 0.5, 1.0)
# History that is sent whole to who attaches.
BURST_BYTES = 900_000
TARGET = {"mb_per_s_to_all": 100}


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    count = VIEWERS // 10 if options.quick else VIEWERS
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server:
        figures = {
            "viewers": count,
            "mb_each": megabytes,
            "target": TARGET,
            "together": _together(console, server, cookie, count),
            "live": [_live(console, server, cookie, count, megabytes * MB, rate) for rate in MB_PER_S],
        }
    return figures


def _together(console: Console, server: "Server", cookie: str, count: int) -> dict[str, Any]:
    """All attach at once, just near enough to the end to be sent everything."""
    with recorded(console, "together", STEADY, BURST_BYTES, 0) as program:
        program.begin()
        program.wait(PATIENCE_S)
    _wait_until_ended(program)
    return _watch(server, cookie, count, program, steady_output(BURST_BYTES))


def _live(
    console: Console, server: "Server", cookie: str, count: int, size: int, rate: float
) -> dict[str, Any]:
    with recorded(console, f"live at {rate} MB/s", STEADY, size, rate * MB) as program:
        figures = _watch(server, cookie, count, program, steady_output(size), begins=True)
        program.wait(PATIENCE_S)
    return {"mb_per_s_written": rate, **figures}


def _watch(
    server: "Server", cookie: str, count: int, program: Recorded, expected: bytes, *, begins: bool = False
) -> dict[str, Any]:
    from benchmarks.visiting import cookie_header

    process = psutil.Process(server.process_id)
    before = process.memory_info().rss
    path = f"/live/terminals/{program.terminal_id}/?offset=0"
    with ExitStack() as stack:
        started, cpu = time.monotonic(), sum(process.cpu_times()[:2])
        viewers = [
            stack.enter_context(Viewer(WebSocket(server.port, path, cookie_header(cookie)), expected))
            for _ in range(count)
        ]
        if begins:
            started, cpu = time.monotonic(), sum(process.cpu_times()[:2])
            program.begin()
        pump_all(viewers, started + 5 * PATIENCE_S)
        last_s = max(viewer.ended for viewer in viewers) - started
        used = sum(process.cpu_times()[:2]) - cpu
    late = [viewer for viewer in viewers if not viewer.ended or viewer.position != len(expected)]
    if late:
        raise Failed(f"{len(late)} of {count} viewers did not come to the end ({late[0].close_code})")
    received = sum(viewer.received for viewer in viewers)
    figures = {
        "seconds": round(last_s, 2),
        "mb_per_s_to_all": round(received / MB / last_s, 1),
        "server_cpu_s": round(used, 2),
        "mb_per_server_cpu_s": round(received / MB / used, 1),
        "share_skipped": round(sum(viewer.skipped for viewer in viewers) / (len(expected) * count), 4),
        "server_grew_mb": round((process.memory_info().rss - before) / MB, 1),
    }
    say(f"{count} viewers  {figures}")
    return figures


def _wait_until_ended(program: Recorded) -> None:
    from sessions_app.models import Terminal, TerminalState

    deadline = time.monotonic() + PATIENCE_S
    while Terminal.objects.get(pk=program.terminal_id).state != TerminalState.ENDED:
        if time.monotonic() > deadline:
            raise Failed("the recording did not end")
        time.sleep(0.05)
