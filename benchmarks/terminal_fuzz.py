"""Hostile output through import, engine, keyframes, screens and the browser: no crash, no hang, bounded memory."""

import hashlib
import random
import time
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
# Of it in the browser, which draws a few megabytes a second.
IN_BROWSER_MB = 5
SCREENS = 300
# One call of the engine may take this long at most.
LIMIT_S = 5.0
# What the import's processes and the browser's may hold at most, together with what they share.
IMPORT_MEMORY_MB = 1_000
BROWSER_MEMORY_MB = 2_000


def run(options: Options, console: Console) -> dict[str, Any]:
    """Raises Failed when a byte was changed, something hung, or memory grew beyond its bound."""
    (megabytes,) = options.scaled(SIZE_MB)
    whole = _import(console, megabytes)
    part = _import(console, max(1, min(IN_BROWSER_MB, megabytes // 2)))
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
            "bytes_kept": _is_kept(terminal, megabytes),
        },
    }
    say(f"import  {figures['import']}")
    figures["screens"] = _screens(terminal, options)
    say(f"screens  {figures['screens']}")
    figures["browser"] = in_browser(console, Terminal.objects.get(pk=part.terminal_id))
    check(figures)
    return figures


def check(figures: dict[str, Any]) -> None:
    """Raises Failed when something hung, or took more memory than it may."""
    browser = figures["browser"]
    if browser["hangs"]:
        raise Failed(f"the page hung over {browser['hangs'][:5]}")
    for what, peak_mb, most_mb in (
        ("the import", figures["import"]["peak_rss_mb"], IMPORT_MEMORY_MB),
        ("the browser", browser["drawn"]["memory_peak_mb"], BROWSER_MEMORY_MB),
    ):
        if peak_mb > most_mb:
            raise Failed(f"{what} took {peak_mb} MB of memory, {most_mb} are the most")


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


def _screens(terminal: "Terminal", options: Options) -> dict[str, Any]:
    from sessions_app.actions.terminals.screens import screen_at, stop_screens
    from sessions_app.terminal.engine.model import EngineError

    random_ = random.Random(9)
    milliseconds, refused = [], 0
    try:
        screen_at(terminal, 0)
        for _ in range(options.requests(SCREENS)):
            started = time.perf_counter()
            try:
                screen_at(terminal, random_.randrange(terminal.size + 1))
            except EngineError as error:
                say(f"refused: {error}")
                refused += 1
            milliseconds.append((time.perf_counter() - started) * 1000)
    finally:
        stop_screens()
    ordered = sorted(milliseconds)
    return {
        "samples": len(ordered),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "worst_ms": round(ordered[-1], 1),
        # Where the engine gave up within its limit, and the next call had a new one.
        "refused": refused,
    }
