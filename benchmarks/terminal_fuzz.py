"""Hostile output through import, engine, keyframes, screens and the browser: no crash, no hang, bounded memory."""

import hashlib
import random
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import Cast
from benchmarks.terminal_hostile import hostile, write_hostile_cast
from benchmarks.terminal_recordings import Imported, import_cast
from sessions_app.terminal.asciicast.model import Output

if TYPE_CHECKING:
    from sessions_app.models import Terminal

SIZE_MB = 100
SCREENS = 300
# One call of the engine may take this long at most: a screen, or a piece that is derived.
LIMIT_S = 5.0
# What an import may take on a machine with other work: so much for each megabyte, and for starting.
IMPORT_S_PER_MB = 5.0
IMPORT_START_S = 30.0
# How far keyframes may be apart. They are due every 256 KB; none can be made inside of a string without end, of which
# some go on for hundreds of kilobytes here, and several follow one another.
APART_MB = 1.5
# What the import's processes and the browser's may hold at most, together with what they share.
IMPORT_MEMORY_MB = 1_000
BROWSER_MEMORY_MB = 2_000
# The longest that the page may do nothing else, and how soon it has to draw again after each stretch. A browser offers
# to end a page that does not answer for ten seconds; a window of 2,000 columns and rows is laid out in one task.
TASK_MS = 10_000
AFTERWARDS_MS = 2_000


def run(options: Options, console: Console) -> dict[str, Any]:
    """Raises Failed when a byte was changed, something stumbled or hung, or time or memory grew beyond its bound.

    An engine that dies or hangs in the import is told of in its log, which import_cast takes for a failure.
    """
    (megabytes,) = options.scaled(SIZE_MB)
    whole = _import(console, megabytes)
    console.use_here()
    from benchmarks.hostile_page import in_browser
    from sessions_app.models import Terminal

    terminal = Terminal.objects.get(pk=whole.terminal_id)
    figures: dict[str, Any] = {
        "mb": megabytes,
        "limit_s": LIMIT_S,
        "import": {
            "seconds": round(whole.costs.wall_s, 1),
            "cpu_s": round(whole.costs.cpu_s, 1),
            "peak_rss_mb": round(whole.costs.peak_bytes / MB),
            "keyframes": terminal.keyframes.count(),
            "keyframes_apart_mb": _apart_mb(terminal),
            "bytes_kept": _is_kept(terminal, megabytes),
        },
    }
    say(f"import  {figures['import']}")
    figures["screens"] = _screens(terminal, options)
    say(f"screens  {figures['screens']}")
    figures["browser"] = in_browser(console, terminal)
    check(figures)
    return figures


def check(figures: dict[str, Any]) -> None:
    """Raises Failed when something hung, was refused or left out, or took more time or memory than it may."""
    browser, imported, screens = figures["browser"], figures["import"], figures["screens"]
    if browser["hangs"]:
        raise Failed(f"the page hung over {browser['hangs'][:5]}")
    if not imported["keyframes"]:
        raise Failed("no keyframe was made")
    # Every screen can be made: what the engine cannot do within its limit is no screen's fault but its own.
    if screens["refused"]:
        raise Failed(f"{len(screens['refused'])} screens were refused, first {screens['refused'][0]}")
    drawn = browser["drawn"]
    import_s = IMPORT_START_S + IMPORT_S_PER_MB * figures["mb"]
    for what, found, most in (
        ("megabytes without a keyframe", imported["keyframes_apart_mb"], APART_MB),
        ("seconds of the import", imported["seconds"], import_s),
        ("milliseconds of a screen", screens["worst_ms"], LIMIT_S * 1000),
        ("MB of memory of the import", imported["peak_rss_mb"], IMPORT_MEMORY_MB),
        ("MB of memory of the browser", drawn["memory_peak_mb"], BROWSER_MEMORY_MB),
        ("milliseconds of one task of the page", drawn["longest_task_ms"], TASK_MS),
        ("milliseconds until the page drew again", drawn["worst_afterwards_ms"], AFTERWARDS_MS),
    ):
        if found > most:
            raise Failed(f"{found} {what}, {most:g} are the most")


def _import(console: Console, megabytes: int) -> Imported:
    say(f"making {megabytes} MB of hostile output")
    cast: Cast = write_hostile_cast(console.folder / "hostile.cast", megabytes * MB)
    imported = import_cast(console, cast)
    cast.path.unlink()
    return imported


def _is_kept(terminal: "Terminal", megabytes: int) -> bool:
    """Raises Failed when a byte is not the one that was written."""
    from sessions_app.actions.terminals.reading import read_stretches

    written, stored = hashlib.sha256(), hashlib.sha256()
    for event in hostile(megabytes * MB):
        if isinstance(event, Output):
            written.update(event.data)
    for stretch in read_stretches(terminal.pk, 0, terminal.size):
        stored.update(stretch.data)
    if written.digest() != stored.digest():
        raise Failed("what is stored is not what was written")
    return True


def _apart_mb(terminal: "Terminal") -> float:
    """The longest output without a keyframe."""
    offsets = [0, *terminal.keyframes.order_by("offset").values_list("offset", flat=True), terminal.size]
    return round(max(after - before for before, after in pairwise(offsets)) / MB, 2)


def _screens(terminal: "Terminal", options: Options) -> dict[str, Any]:
    from sessions_app.actions.terminals.screens import screen_at, stop_screens
    from sessions_app.terminal.engine.model import EngineError

    random_ = random.Random(9)
    milliseconds: list[float] = []
    refused: list[str] = []
    try:
        screen_at(terminal, 0)
        for _ in range(options.requests(SCREENS)):
            offset = random_.randrange(terminal.size + 1)
            started = time.perf_counter()
            try:
                screen_at(terminal, offset)
            except EngineError as error:
                refused.append(f"at {offset}: {error}")
            milliseconds.append((time.perf_counter() - started) * 1000)
    finally:
        stop_screens()
    ordered = sorted(milliseconds)
    return {
        "samples": len(ordered),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "worst_ms": round(ordered[-1], 1),
        "refused": refused,
    }
