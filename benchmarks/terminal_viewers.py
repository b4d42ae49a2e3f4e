"""Two hundred viewers of one terminal: every byte in order, and how much of it one server process sends."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed, PeakMemory, own_resident_bytes
from benchmarks.terminal_live import (
    BURSTS,
    PATIENCE_S,
    STEADY,
    Recorded,
    Viewer,
    pump_all,
    recorded,
    steady_output,
)
from benchmarks.websocket import WebSocket

if TYPE_CHECKING:
    from tests.browser.running import Server

VIEWERS = 200
# What each of them is to see.
SIZE_MB = 10
# Of the program. The last one is more than there is a target for.
MB_PER_S = (0.25, 0.5, 1.0)
# What is there when they come. It is sent whole: of more than a megabyte a viewer gets the end alone, on a screen.
HISTORY_BYTES = 1_000_000
# What the program prints whenever everybody has everything: nobody is taken past so little, however late it comes.
BURST_BYTES = 240_000
TARGET = {"mb_per_s_to_all": 100}


def run(options: Options, console: Console) -> dict[str, Any]:
    """Raises Failed when a viewer was sent a wrong byte or not brought to the end, or was spared some of the bursts."""
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    count = VIEWERS // 10 if options.quick else VIEWERS
    cookie = visiting.cookie_of(visiting.make_operator())
    figures = {
        "viewers": count,
        "mb_each": megabytes,
        "target": TARGET,
        "together": _together(console, cookie, count, megabytes * MB),
        "live": [_live(console, cookie, count, megabytes * MB, rate) for rate in MB_PER_S],
    }
    check(figures)
    return figures


def check(figures: dict[str, Any]) -> None:
    """Raises Failed when output was left out where there was no reason to."""
    skipped = figures["together"]["share_skipped"]
    if skipped:
        raise Failed(f"{skipped:.2%} of what was sent as fast as the viewers took it were left out")


def _together(console: Console, cookie: str, count: int, size: int) -> dict[str, Any]:
    """All come at once, and then are sent so many bytes as fast as the slowest of them takes them."""
    from benchmarks import visiting

    bursts = -(-size // BURST_BYTES)
    expected = steady_output(HISTORY_BYTES + bursts * BURST_BYTES)
    with visiting.serving(console) as server, recorded(console, "together", BURSTS) as program:
        program.say(str(HISTORY_BYTES))
        _wait_until_stored(program, HISTORY_BYTES)
        with _Watched(server, program, expected) as watched:
            watched.open(cookie, count)
            watched.wait_for(HISTORY_BYTES)
            came_s = watched.seconds
            for burst in range(1, bursts + 1):
                program.say(str(BURST_BYTES))
                watched.wait_for(HISTORY_BYTES + burst * BURST_BYTES)
            figures = watched.figures()
            program.say("")
            watched.wait_for_end()
        program.wait(PATIENCE_S)
    figures["came_s"] = round(came_s, 2)
    figures["came_mb_per_s"] = round(HISTORY_BYTES * count / MB / came_s, 1)
    say(f"{count} viewers  {figures}")
    return figures


def _live(console: Console, cookie: str, count: int, size: int, rate: float) -> dict[str, Any]:
    from benchmarks import visiting

    expected = steady_output(size)
    with (
        visiting.serving(console) as server,
        recorded(console, f"live at {rate} MB/s", STEADY, size, rate * MB) as program,
        _Watched(server, program, expected) as watched,
    ):
        watched.open(cookie, count)
        watched.begin()
        program.begin()
        watched.wait_for_end()
        figures = {"mb_per_s_written": rate, **watched.figures()}
        program.wait(PATIENCE_S)
    say(f"{count} viewers  {figures}")
    return figures


class _Watched:
    """Viewers of one terminal, and what they cost the server, which serves nobody else."""

    def __init__(self, server: "Server", program: Recorded, expected: bytes) -> None:
        self._server, self._program, self._expected = server, program, expected
        self._process = psutil.Process(server.process_id)
        self._viewers: list[Viewer] = []
        self._stack = ExitStack()

    def __enter__(self) -> "_Watched":
        self._memory = self._stack.enter_context(PeakMemory(self._server.process_id, own_resident_bytes))
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """From here on time is taken."""
        self._started, self._used = time.monotonic(), self._processor_s()

    def open(self, cookie: str, count: int) -> None:
        from benchmarks.visiting import cookie_header

        path = f"/live/terminals/{self._program.terminal_id}/?offset=0"
        for _ in range(count):
            live = WebSocket(self._server.port, path, cookie_header(cookie))
            self._viewers.append(self._stack.enter_context(Viewer(live, self._expected)))

    def wait_for(self, position: int) -> None:
        """Until everybody has what comes before `position`. Raises Failed."""
        self._pump(lambda: all(viewer.position >= position for viewer in self._viewers))
        if late := [viewer for viewer in self._viewers if viewer.position < position]:
            raise Failed(f"{len(late)} of {len(self._viewers)} viewers did not come to byte {position}")

    def wait_for_end(self) -> None:
        """Until everybody has everything and was told so. Raises Failed."""
        self._pump(None)
        size = len(self._expected)
        late = [viewer for viewer in self._viewers if not viewer.ended or viewer.position != size]
        if late:
            raise Failed(
                f"{len(late)} of {len(self._viewers)} viewers did not come to the end ({late[0].close_code})"
            )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def figures(self) -> dict[str, Any]:
        seconds, used = self.seconds, self._processor_s() - self._used
        received = sum(viewer.received for viewer in self._viewers)
        skipped = sum(viewer.skipped for viewer in self._viewers)
        return {
            "seconds": round(seconds, 2),
            "mb_per_s_to_all": round(received / MB / seconds, 1),
            "server_cpu_s": round(used, 2),
            "mb_per_server_cpu_s": round(received / MB / max(used, 0.01), 1),
            "share_skipped": round(skipped / (len(self._expected) * len(self._viewers)), 6),
            # While they were there: what is given back afterwards was needed.
            "server_grew_mb": round((self._memory.peak_bytes - self._memory.first_bytes) / MB, 1),
        }

    def _pump(self, is_over: Callable[[], bool] | None) -> None:
        pump_all(self._viewers, time.monotonic() + 5 * PATIENCE_S, is_over=is_over)

    def _processor_s(self) -> float:
        return float(sum(self._process.cpu_times()[:2]))


def _wait_until_stored(program: Recorded, size: int) -> None:
    from sessions_app.models import Terminal

    deadline = time.monotonic() + PATIENCE_S
    while Terminal.objects.get(pk=program.terminal_id).size < size:
        if time.monotonic() > deadline:
            raise Failed("what the program printed was not stored")
        time.sleep(0.05)
