"""Recordings of any size, as programs leave them: logs, coloured output, full-screen programs, agents.

Deterministic: kind and size say every byte, every time and every event. `write_cast` makes an asciicast v3,
`stream` gives the same as (microseconds, event).
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path

from benchmarks.terminal_words import MODULES, PALETTE, TEXTS, UNITS
from sessions_app.terminal.asciicast.model import Event, Exit, Marker, Output, Resize

MB = 1_000_000
COLS, ROWS = 120, 40
KINDS = ("log", "colour", "tui", "agent")
#: All of KINDS in turns.
MIXED = "mixed"
TURN_BYTES = 4 * MB

# What of a file is output, the rest being JSON around it.
_OUTPUT_SHARES = {"log": 0.965, "colour": 0.777, "tui": 0.783, "agent": 0.886, MIXED: 0.847}

_POOL = 4_096
_RESIZES = 24
_MARKERS = 40
_WRITE_AT_ONCE = 1024
_SIZES = ((100, 30), (COLS, ROWS), (160, 50), (COLS, ROWS))
# Every so many writes nothing happens for a while.
_PAUSE_EVERY = 997

# What an agent's interface redraws when it clears everything, 94 KB on average.
_TRANSCRIPT_LINES = 900
_SYNC_ON, _SYNC_OFF = b"\x1b[?2026h", b"\x1b[?2026l"

type Writes = Iterator[bytes]


@dataclass(frozen=True)
class Cast:
    """A file in asciicast v3 with `size` bytes of output."""

    path: Path
    title: str
    size: int
    duration_us: int


def stream(kind: str, size: int, *, turn_bytes: int = TURN_BYTES) -> Iterator[Event]:
    """At least `size` bytes of output with resizes and markers in between, and an exit at the end.

    What is MIXED changes after `turn_bytes`.
    """
    random_ = random.Random(f"{kind} {size}")
    writes = _mixed(random_, turn_bytes) if kind == MIXED else _WRITERS[kind](random_)
    marks = _marks(size)
    mark_at, mark = next(marks)
    time_us = written = 0
    for number, data in enumerate(writes):
        time_us += (
            random_.randrange(200, 4_000)
            if number % _PAUSE_EVERY
            else random_.randrange(2 * 10**6, 40 * 10**6)
        )
        while written >= mark_at:
            yield mark(time_us)
            mark_at, mark = next(marks)
        yield Output(time_us, data)
        written += len(data)
        if written >= size:
            break
    yield Exit(time_us + 1_000, 0)


def write_cast(path: Path, kind: str, size: int) -> Cast:
    """The same as a file."""
    title = f"{kind} of {size / MB:g} MB"
    written = before_us = 0
    with path.open("wb", buffering=1024 * 1024) as file:
        file.write(b'{"version":3,"term":{"cols":%d,"rows":%d},"timestamp":1795132800,' % (COLS, ROWS))
        file.write(b'"title":"%b"}\n' % title.encode())
        events = stream(kind, size)
        while batch := list(islice(events, _WRITE_AT_ONCE)):
            lines = []
            for event in batch:
                seconds, micros = divmod(event.time_us - before_us, 10**6)
                lines.append(b"[%d.%06d,%b]\n" % (seconds, micros, _quoted(event)))
                before_us = event.time_us
                if isinstance(event, Output):
                    written += len(event.data)
            file.writelines(lines)
    return Cast(path, title, written, before_us)


def output_of_file(kind: str, file_size: int) -> int:
    """How many bytes of output make a file of about `file_size`, within a few thousandths."""
    return round(file_size * _OUTPUT_SHARES[kind])


def raw(events: Iterable[Event]) -> bytes:
    """All the output."""
    return b"".join(event.data for event in events if isinstance(event, Output))


def _quoted(event: Event) -> bytes:
    if isinstance(event, Output):
        # No other characters than these stand in what is made here, and this is several times faster than json.
        data = event.data.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\x1b", b"\\u001b")
        return b'"o","%b"' % data.replace(b"\r", b"\\r").replace(b"\n", b"\\n")
    if isinstance(event, Resize):
        return b'"r","%dx%d"' % (event.cols, event.rows)
    if isinstance(event, Marker):
        return b'"m","%b"' % event.label.encode()
    assert isinstance(event, Exit)
    return b'"x","%d"' % (event.status or 0)


def _marks(size: int) -> Iterator[tuple[float, Callable[[int], Event]]]:
    """(bytes before it, what makes the event), resizes and markers evenly spread over the recording."""
    resizes = [(size * (n + 0.5) / _RESIZES, n, True) for n in range(_RESIZES)]
    markers = [(size * (n + 0.25) / _MARKERS, n, False) for n in range(_MARKERS)]
    for at, number, is_resize in sorted(resizes + markers):
        if is_resize:
            cols, rows = _SIZES[number % len(_SIZES)]
            yield at, partial(Resize, cols=cols, rows=rows)
        else:
            yield at, partial(Marker, label=f"step {number + 1}")
    yield float("inf"), partial(Exit, status=0)


def _mixed(random_: random.Random, turn_bytes: int) -> Writes:
    writers = [_WRITERS[kind](random_) for kind in KINDS]
    for writer in cycle(writers):
        taken = 0
        # Whatever was up, the next program finds its own screen.
        yield b"\x1b[?1049l\x1b[?25h\x1b[r\x1b[0m\r\n"
        for data in writer:
            yield data
            taken += len(data)
            if taken >= turn_bytes:
                break


def _text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choices(TEXTS, k=words))


def _log(random_: random.Random) -> Writes:
    """What services write into a journal, with the progress of an installation now and then."""
    pool = []
    for _ in range(_POOL):
        unit, text = random_.choice(UNITS), _text(random_, random_.randrange(3, 14))
        pool.append(f"{unit}[{random_.randrange(300, 32_000)}]: {text}".encode())
    for number in count():
        stamp = b"\r\nNov 20 %02d:%02d:%02d box " % (number // 3600 % 24, number // 60 % 60, number % 60)
        lines = random_.choices(pool, k=random_.randrange(1, 40))
        yield stamp[2:] + stamp.join(lines) + b" #%d\r\n" % number
        if number % 64 == 0:
            for share in range(0, 101, 5):
                yield b"\rUnpacking %3d%% [%-40s]" % (share, b"#" * (share * 2 // 5))
            yield b"\r\n"


def _colour(random_: random.Random) -> Writes:
    """Differences, listings and errors of a compiler."""
    pool = []
    for _ in range(_POOL):
        text, kind = _text(random_, random_.randrange(2, 12)), random_.randrange(4)
        module, line, colour = random_.choice(MODULES), random_.randrange(900), random_.choice(PALETTE)
        pool.append(
            (
                f"\x1b[32m+    {text}\x1b[m",
                f"\x1b[31m-    {text}\x1b[m",
                f"\x1b[01m\x1b[K{module}:{line}:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K{text}",
                f"-rw-r--r-- 1 ada ada {line * 1009:>7} \x1b[38;5;{colour}m{module}\x1b[0m",
            )[kind].encode()
        )
    for number in count():
        lines = random_.choices(pool, k=random_.randrange(2, 60))
        yield (
            b"\x1b[33mcommit %040x\x1b[m\r\n" % (number * 0x9E3779B97F4A7C15 % 2**160)
            + b"\r\n".join(lines)
            + b"\r\n"
        )


def _tui(random_: random.Random) -> Writes:
    """A process monitor, a pager and an editor, each on the other screen."""
    pool = [_text(random_, 12)[: COLS - 30].encode() for _ in range(_POOL)]
    for number in count():
        yield b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[H\x1b[2J\x1b[?25l"
        for frame in range(random_.randrange(20, 200)):
            first = random_.randrange(2, 12)
            rows = [
                b"\x1b[%d;1H\x1b[%dm%6d\x1b[0m \x1b[1m%5.1f\x1b[0m %b\x1b[K"
                % (
                    row,
                    random_.choice(PALETTE) % 8 + 30,
                    random_.randrange(99_999),
                    random_.random() * 100,
                    text,
                )
                for row, text in enumerate(random_.choices(pool, k=random_.randrange(4, 28)), first)
            ]
            yield b"\x1b[1;1H\x1b[7m frame %d of %d \x1b[27m\x1b[K" % (frame, number) + b"".join(rows)
            if frame % 8 == 7:
                # A pager scrolls a part of the screen.
                yield b"\x1b[3;38r\x1b[38;1H\r\n" + random_.choice(pool) + b"\x1b[r\x1b[40;1H:\x1b[K"
        yield b"\x1b[?1l\x1b>\x1b[?25h\x1b[?1049l\x1b[23;0;0t\r\n$ \r\n"


def _agent(random_: random.Random) -> Writes:
    """An interface that draws itself anew for each change: lines cleared one by one, or everything with its history."""
    pool = [
        f"\x1b[38;5;{random_.choice(PALETTE)}m{mark}\x1b[39m {_text(random_, random_.randrange(4, 22))}"[
            :150
        ].encode()
        for mark in random_.choices("●⎿✓✗│ 漢🚀", k=_POOL)
    ]
    transcript = random_.choices(pool, k=_TRANSCRIPT_LINES)
    for number in count():
        box = b"\x1b[2m" + "─".encode() * 100 + b"\x1b[22m"
        status = b"\x1b[33m* Thinking %d s, %d tokens\x1b[39m" % (number // 8, number * 37)
        live = [*random_.choices(pool, k=14), box, status, b"> ", box]
        transcript += random_.choices(pool, k=random_.randrange(3))
        yield _SYNC_ON
        if random_.random() < 0.45:
            del transcript[:-_TRANSCRIPT_LINES]
            yield b"\x1b[2J\x1b[3J\x1b[H"
            for first in range(0, len(transcript), 150):
                yield b"\r\n".join(transcript[first : first + 150]) + b"\r\n"
        else:
            yield b"\x1b[2K\x1b[1A" * len(live) + b"\x1b[2K\x1b[G"
        yield b"\r\n".join(live) + b"\r\n" + _SYNC_OFF


_WRITERS: dict[str, Callable[[random.Random], Writes]] = {
    "log": _log,
    "colour": _colour,
    "tui": _tui,
    "agent": _agent,
}
