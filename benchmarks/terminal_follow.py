"""A recorded program that prints as fast as it can, followed live by one viewer and by twenty."""

import json
import struct
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.harness import MB, SCROLLBACK, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.websocket import Closed, WebSocket

if TYPE_CHECKING:
    from tests.browser.running import Server

SIZE_MB = 20
VIEWERS = (1, 20)
PATIENCE_S = 60.0
_HEAD = struct.Struct(">BQQ")
_OFFSET = struct.Struct(">Q")
_OUTPUT, _GAP, _END = 1, 6, 7
# Waits until it is told to, then prints lines of 80 columns.
_PROGRAM = """
import sys
sys.stdin.readline()
line = ("0123456789" * 8)[:79] + "\\n"
block = line * 800
left = int(sys.argv[1])
while left > 0:
    sys.stdout.write(block)
    left -= len(block)
"""


@dataclass
class Viewer:
    """Follows a terminal to its end, acknowledging everything at once."""

    live: WebSocket
    received: int = 0
    skipped: int = 0
    position: int = 0
    ended: float = 0.0

    def follow(self) -> None:
        try:
            while self._take(self.live.receive()):
                pass
        except Closed:
            pass
        self.ended = time.monotonic()

    def _take(self, frame: bytes) -> bool:
        kind: int
        offset: int
        kind, offset, _ = _HEAD.unpack_from(frame)
        if kind == _OUTPUT:
            size = len(frame) - _HEAD.size
            if offset != self.position:
                raise Failed(f"output from {offset} came where {self.position} was due")
            self.received += size
            self.position += size
            self.live.send(json.dumps({"ack": self.position}))
        elif kind == _GAP:
            (to,) = _OFFSET.unpack_from(frame, _HEAD.size)
            self.skipped += to - self.position
            self.position = to
            self.live.send(json.dumps({"ack": self.position}))
        return kind != _END


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    cookie = visiting.cookie_of(visiting.make_operator())
    with visiting.serving(console) as server:
        runs = [_follow(console, server, cookie, megabytes, viewers) for viewers in VIEWERS]
    return {"mb": megabytes, "runs": runs}


def _follow(console: Console, server: "Server", cookie: str, megabytes: int, viewers: int) -> dict[str, Any]:
    from django.conf import settings

    command = [str(SCROLLBACK), "record", "--quiet", "--title", f"{viewers} viewers", "--"]
    command += [sys.executable, "-c", _PROGRAM, str(megabytes * MB)]
    recorder = subprocess.Popen(
        command, env=console.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        path = f"/live/terminals/{_wait_for_terminal(f'{viewers} viewers', recorder)}/?offset=0"
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
        watching = [
            Viewer(WebSocket(server.port, path, headers, timeout_s=PATIENCE_S)) for _ in range(viewers)
        ]
        threads = [threading.Thread(target=viewer.follow) for viewer in watching]
        for thread in threads:
            thread.start()
        assert recorder.stdin is not None
        started = time.monotonic()
        recorder.stdin.write(b"\n")
        recorder.stdin.close()
        if recorder.wait(PATIENCE_S * 5):
            raise Failed(f"the recorder ended with status {recorder.returncode}")
        recorded_s = time.monotonic() - started
        for thread in threads:
            thread.join(PATIENCE_S)
    finally:
        recorder.kill()
        recorder.wait()
    if any(viewer.ended == 0 or viewer.position < megabytes * MB for viewer in watching):
        raise Failed("a viewer did not come to the end of the output")
    figures = _figures(watching, started, recorded_s)
    say(f"{viewers} viewers  {figures}")
    return figures


def _figures(watching: list[Viewer], started: float, recorded_s: float) -> dict[str, Any]:
    received = sum(viewer.received for viewer in watching)
    last_s = max(viewer.ended for viewer in watching) - started
    return {
        "viewers": len(watching),
        "recorded_s": round(recorded_s, 2),
        "last_viewer_s": round(last_s, 2),
        "mb_per_s_recorded": round(watching[0].position / MB / recorded_s, 2),
        "mb_per_s_to_all": round(received / MB / last_s, 2),
        # What a viewer that fell behind was spared, and can scroll to.
        "share_skipped": round(sum(viewer.skipped for viewer in watching) / (received or 1), 3),
    }


def _wait_for_terminal(title: str, recorder: "subprocess.Popen[bytes]") -> uuid.UUID:
    from sessions_app.models import Terminal

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        terminal = Terminal.objects.filter(title=title).values_list("pk", flat=True).first()
        if terminal is not None:
            return terminal
        if recorder.poll() is not None:
            raise Failed(f"the recorder ended with status {recorder.returncode}")
        time.sleep(0.05)
    raise Failed("the recorder opened no terminal")
