"""The exact screen at any offset, computed in the server: time, and whether it is the one of a linear replay."""

import random
import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import MB, Console, Options, percentiles, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import MIXED
from benchmarks.terminal_recordings import SIZES_MB, Imported, import_recording

if TYPE_CHECKING:
    from sessions_app.models import Terminal
    from sessions_app.terminal.engine.model import Screen

SAMPLES = 1_000
# Screens that are compared with those of a terminal that was given everything from the start.
COMPARED = 100
TARGET_P99_MS = 15


def run(options: Options, console: Console) -> dict[str, Any]:
    imported = [import_recording(console, MIXED, megabytes * MB) for megabytes in options.scaled(*SIZES_MB)]
    console.use_here()
    return {
        "target": {"p99_ms": TARGET_P99_MS},
        "sizes": [_measure(one, options) for one in imported],
    }


def _measure(imported: Imported, options: Options) -> dict[str, Any]:
    from sessions_app.actions.terminals.screens import screen_at, stop_screens
    from sessions_app.models import Terminal

    terminal = Terminal.objects.get(pk=imported.terminal_id)
    random_ = random.Random(terminal.size)
    offsets = [random_.randrange(terminal.size + 1) for _ in range(options.requests(SAMPLES))]
    milliseconds = []
    screens: dict[int, Screen] = {}
    try:
        # The first call starts the engine's process.
        screen_at(terminal, 0)
        for offset in offsets:
            started = time.perf_counter()
            screens[offset] = screen_at(terminal, offset)
            milliseconds.append((time.perf_counter() - started) * 1000)
    finally:
        stop_screens()
    ordered = sorted(milliseconds)
    compared = sorted(random_.sample(sorted(screens), min(COMPARED, len(screens))))
    figures = {
        "mb": terminal.size // 10**6,
        **percentiles(milliseconds),
        "p99_ms": round(ordered[-(-99 * len(ordered) // 100) - 1], 2),
        "max_ms": round(ordered[-1], 2),
        "compared": len(compared),
        "different": _different(terminal, {offset: screens[offset] for offset in compared}),
    }
    say(f"{figures}")
    return figures


def _different(terminal: "Terminal", screens: "dict[int, Screen]") -> int:
    """How many of the screens, in the order of their offsets, are not those of a linear replay."""
    from sessions_app.actions.terminals.pieces import Cursor, read_from
    from sessions_app.terminal.engine.ghostty import GhosttyEngine
    from sessions_app.terminal.engine.model import Output

    engine = GhosttyEngine(*terminal.first_size, scrollback_rows=1_000)
    different = 0
    left = list(screens)
    for piece in read_from(terminal.pk, Cursor(), Cursor(terminal.size, terminal.event_count)):
        for item in piece.items:
            if not isinstance(item, Output):
                engine.resize(item.cols, item.rows)
                continue
            fed = item.offset
            while left and left[0] < item.offset + len(item.data):
                engine.feed(item.data[fed - item.offset : left[0] - item.offset])
                fed = left.pop(0)
                different += engine.screen() != screens[fed]
            engine.feed(item.data[fed - item.offset :])
    for offset in left:
        if offset != terminal.size:
            raise Failed(f"the replay ended before {offset}")
        different += engine.screen() != screens[offset]
    engine.close()
    return different
