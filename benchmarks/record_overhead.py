"""What `scrollback record` costs a program: the same one on a terminal of its own and under the recorder, by turns."""

import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import MB, SCROLLBACK, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import COLS, MIXED, ROWS, raw, stream

SIZE_MB = 20
# The steady program takes so long for each of them.
STEADY_S_PER_MB = 0.5
RUNS = 5
PATIENCE_S = 300.0
TARGET = {"ratio": 1.05}
# Either tells how long it took to write, and what it has used of a processor.
_TELL = """
def tell(path, began):
    with open(path, "w") as file:
        json.dump([time.monotonic() - began, time.process_time()], file)
"""
_FLOOD = f"""
import json, os, sys, time
{_TELL}
with open(sys.argv[2], "rb") as file:
    data = memoryview(file.read())
began = time.monotonic()
while data:
    data = data[os.write(1, data[:65536]):]
tell(sys.argv[1], began)
"""
_STEADY = f"""
import json, os, sys, time
{_TELL}
count = int(float(sys.argv[2]) * 100)
began = time.monotonic()
for number in range(count):
    os.write(1, b"\\x1b[32mstep %06d\\x1b[0m of a program that is at work\\r\\n" % number)
    time.sleep(max(0.0, began + (number + 1) / 100 - time.monotonic()))
tell(sys.argv[1], began)
"""


@dataclass(frozen=True)
class _Run:
    """`program_s` is from the program's first write to the end of its last, `cpu_s` what ran beside it has used."""

    program_s: float
    whole_s: float
    cpu_s: float
    shown: int


def run(options: Options, console: Console) -> dict[str, Any]:
    """Raises Failed when a byte that was shown is not stored."""
    console.use_here()
    from benchmarks import visiting

    (megabytes,) = options.scaled(SIZE_MB)
    output = console.folder / "output"
    output.write_bytes(raw(stream(MIXED, megabytes * MB)))
    figures: dict[str, Any] = {"target": TARGET, "mb": megabytes}
    programs = {"flood": (_FLOOD, str(output)), "steady": (_STEADY, str(STEADY_S_PER_MB * megabytes))}
    with visiting.serving(console):
        for name, program in programs.items():
            figures[name] = _compared(console, name, program, options.requests(RUNS))
            say(f"{name}  {figures[name]}")
    return figures


def _compared(console: Console, name: str, program: Sequence[str], runs: int) -> dict[str, Any]:
    bare, recorded = [], []
    for number in range(runs):
        title = f"{name} {number}"
        bare.append(_run(console, program, []))
        recorder = [str(SCROLLBACK), "record", "--quiet", "--title", title, "--"]
        recorded.append(_run(console, program, recorder))
        _check_stored(title, bare[-1].shown, recorded[-1].shown)
    bare_s, recorded_s = (median(one.program_s for one in runs) for runs in (bare, recorded))
    return {
        "runs": runs,
        "shown_mb": round(bare[0].shown / MB, 2),
        "bare_s": round(bare_s, 3),
        "recorded_s": round(recorded_s, 3),
        "ratio": round(recorded_s / bare_s, 3),
        # With the start of the recorder, and until the rest of the output has been taken by the server.
        "bare_whole_s": round(median(one.whole_s for one in bare), 3),
        "recorded_whole_s": round(median(one.whole_s for one in recorded), 3),
        "recorder_cpu_s": round(median(one.cpu_s for one in recorded), 3),
    }


def _run(console: Console, program: Sequence[str], before: Sequence[str]) -> _Run:
    """Run it on a terminal whose other side reads whatever comes. Raises Failed."""
    told = console.folder / "told.json"
    source, argument = program
    command = [*before, sys.executable, "-c", source, str(told), argument]
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
    screen = _Screen(ours)
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=console.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    screen.start()
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    _, status, usage = os.wait4(process.pid, 0)
    watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    whole_s = time.monotonic() - started
    screen.join()
    os.close(ours)
    if process.returncode:
        raise Failed(f"{Path(command[0]).name} ended with status {process.returncode}: {screen.end!r}")
    program_s, program_cpu_s = json.loads(told.read_text())
    return _Run(program_s, whole_s, usage.ru_utime + usage.ru_stime - program_cpu_s, screen.shown)


class _Screen(threading.Thread):
    """Takes what a terminal shows, as fast as it comes."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.shown = 0
        self.end = b""

    def run(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except OSError:
                # Nobody has the other side open any more.
                return
            if not data:
                return
            self.shown += len(data)
            self.end = (self.end + data)[-500:]


def _check_stored(title: str, bare: int, shown: int) -> None:
    from sessions_app.models import Terminal

    stored = Terminal.objects.get(title=title).size
    if not bare == shown == stored:
        raise Failed(f"{bare} bytes are shown without the recorder, {shown} with it, and {stored} are stored")
