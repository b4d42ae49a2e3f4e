"""What `scrollback record` costs a program: the same one on a terminal of its own and under the recorder, by turns.

Beside them a relay that records nothing, and asciinema, the usual recorder, from PyPI.
"""

import fcntl
import json
import os
import shlex
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import bare_relay, peer
from benchmarks.harness import MB, SCROLLBACK, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import COLS, MIXED, ROWS, raw, stream

SIZE_MB = 20
# The steady program takes so long for each of them.
STEADY_S_PER_MB = 0.5
RUNS = 5
PATIENCE_S = 300.0
TARGET = {"ratio": 1.05}
ASCIINEMA = "2.4.0"
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
_ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
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
    recorders: dict[str, _Recorder] = {"bare": list, "relay": _relay, "scrollback": _scrollback}
    if options.with_peer:
        recorders["asciinema"] = _asciinema(console)
    with visiting.serving(console):
        for name, program in programs.items():
            figures[name] = _compared(console, recorders, program, options.requests(RUNS))
            say(f"{name}  {figures[name]}")
    return figures


# Gives the command line that runs a program under it.
type _Recorder = Callable[[Sequence[str]], list[str]]


def _relay(command: Sequence[str]) -> list[str]:
    return [sys.executable, bare_relay.__file__, *command]


def _scrollback(command: Sequence[str]) -> list[str]:
    return [str(SCROLLBACK), "record", "--quiet", "--", *command]


def _asciinema(console: Console) -> _Recorder:
    """Raises Failed."""
    program = peer.installed("asciinema", ASCIINEMA)
    options = ["rec", "--quiet", "--overwrite", "-c"]
    return lambda command: [
        str(program), *options, shlex.join(command), str(console.folder / "asciinema.cast")
    ]  # fmt: skip


def _compared(
    console: Console, recorders: Mapping[str, _Recorder], program: tuple[str, str], runs: int
) -> dict[str, Any]:
    """What the program shows under each, by turns. Raises Failed."""
    told = console.folder / "told.json"
    command = [sys.executable, "-c", program[0], str(told), program[1]]
    taken: dict[str, list[_Run]] = {name: [] for name in recorders}
    for _ in range(runs):
        for name, recorder in recorders.items():
            taken[name].append(_run(console, recorder(command), told))
        _check({name: under[-1].shown for name, under in taken.items()})
    bare_s = median(one.program_s for one in taken["bare"])
    return {
        "runs": runs,
        "shown_mb": round(taken["bare"][0].shown / MB, 2),
        **{name: _figures(under, bare_s) for name, under in taken.items()},
    }


def _figures(runs: Sequence[_Run], bare_s: float) -> dict[str, float]:
    program_s = median(one.program_s for one in runs)
    return {
        "program_s": round(program_s, 3),
        "fastest_s": round(min(one.program_s for one in runs), 3),
        "ratio": round(program_s / bare_s, 3),
        # With the start of the recorder, and until the rest of the output has been taken by the server.
        "whole_s": round(median(one.whole_s for one in runs), 3),
        "recorder_cpu_s": round(median(one.cpu_s for one in runs), 3),
    }


def _run(console: Console, command: Sequence[str], told: Path) -> _Run:
    """Run it on a terminal whose other side reads whatever comes. Raises Failed."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
    screen = _Screen(ours)
    started = time.monotonic()
    # asciinema wants to be told that text is UTF-8.
    environment = {**console.environment, "HOME": str(console.folder), "LC_ALL": "C.UTF-8"}
    # asciinema shows everything on the controlling terminal, and nothing where there is none.
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, *command],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
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


def _check(shown: Mapping[str, int]) -> None:
    from sessions_app.models import Terminal

    stored = Terminal.objects.latest("started_ms").size
    if {*shown.values()} != {stored}:
        raise Failed(f"bytes shown are {dict(shown)}, and {stored} are stored")
