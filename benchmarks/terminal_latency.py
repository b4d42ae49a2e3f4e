"""From a program's write on its terminal to the letters in a browser, with twenty viewers."""

import re
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Console, Options, percentiles, say
from benchmarks.processes import Failed
from benchmarks.terminal_live import HEAD, OUTPUT, PATIENCE_S, recorded
from benchmarks.websocket import Closed, WebSocket

if TYPE_CHECKING:
    from tests.browser.running import Server

VIEWERS = 20
SAMPLES = 200
TARGET = {"painted_p95_ms": 50}
# Prints the time of its clock, which all processes of this machine share, now and then.
_PROGRAM = """
import random, sys, time
sys.stdin.readline()
random.seed(1)
for number in range(int(sys.argv[1])):
    time.sleep(0.1 + random.random() / 10)
    sys.stdout.write("@%d@\\n" % time.time_ns())
    sys.stdout.flush()
time.sleep(2)
"""
_STAMP = re.compile(rb"@(\d{19})@")
# Date is the clock that the program's stamps come from. The letters are in the buffer once a write was parsed.
_COLLECT = """() => {
  const { terminal } = terminalView().screen;
  window.seen = new Map();
  terminal.onWriteParsed(() => {
    const now = Date.now();
    for (const row of rowsOf(terminal)) {
      const stamp = /^@([0-9]{19})@$/.exec(row)?.[1];
      if (!stamp || seen.has(stamp)) continue;
      const times = { parsed: now };
      seen.set(stamp, times);
      rendered(`@${stamp}@`).then(() => (times.rendered = Date.now()));
      painted().then(() => (times.shown = Date.now()));
    }
  });
}"""


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting
    from benchmarks.painting import browser, call, signed_in

    count = options.sizes[0] if options.sizes else options.requests(SAMPLES)
    cookie = visiting.cookie_of(visiting.make_operator())
    with (
        visiting.serving(console) as server,
        browser() as running,
        recorded(console, "stamps", _PROGRAM, count) as program,
        signed_in(running, server, cookie) as context,
    ):
        page = context.new_page()
        page.goto(f"{server.url}/terminals/{program.terminal_id}/")
        page.wait_for_selector("terminal-view[data-live=connected]")
        call(page, _COLLECT)
        path = f"/live/terminals/{program.terminal_id}/?offset=0"
        listeners = [_Listener(server, path, cookie) for _ in range(VIEWERS - 1)]
        for listener in listeners:
            listener.start()
        program.begin()
        page.wait_for_function(
            "(count) => [...seen.values()].filter(({ shown }) => shown).length >= count", arg=count
        )
        seen: dict[str, dict[str, float]] = call(page, "() => Object.fromEntries(seen)")
        program.wait(PATIENCE_S)
        for listener in listeners:
            listener.join(PATIENCE_S)
    at_sockets = [late_ms for listener in listeners for late_ms in listener.late_ms]
    if len(at_sockets) != count * len(listeners):
        raise Failed(f"{len(at_sockets)} stamps came to the sockets instead of {count * len(listeners)}")
    figures: dict[str, Any] = {"viewers": VIEWERS, "at_sockets": percentiles(at_sockets)}
    for name, moment in (("in_buffer", "parsed"), ("rendered", "rendered"), ("painted", "shown")):
        figures[name] = percentiles([times[moment] - int(stamp) / 1e6 for stamp, times in seen.items()])
    say(f"{figures}")
    return {"target": TARGET, **figures}


class _Listener(threading.Thread):
    """A viewer without a screen."""

    def __init__(self, server: "Server", path: str, cookie: str) -> None:
        super().__init__(daemon=True)
        from benchmarks.visiting import cookie_header

        self._live = WebSocket(server.port, path, cookie_header(cookie), timeout_s=PATIENCE_S)
        self.late_ms: list[float] = []

    def run(self) -> None:
        try:
            while True:
                frame = self._live.receive()
                now_ns = time.time_ns()
                if frame[0] != OUTPUT:
                    continue
                for stamp in _STAMP.findall(frame, HEAD.size):
                    self.late_ms.append((now_ns - int(stamp)) / 1e6)
        except Closed:
            self._live.close()
