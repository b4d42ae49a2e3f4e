"""Search inside one terminal: to the first hit, and through everything. Logs, as they hold the most text."""

import time
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Console, Options, say
from benchmarks.processes import Failed
from benchmarks.terminal_recordings import SIZES_MB, Imported, import_recording

if TYPE_CHECKING:
    from sessions_app.models import Terminal

TARGET_FIRST_MS = 100
TARGET_ALL_MS = 1_500
ROUNDS = 5
# {name: (pattern, whether it is a regular expression)}. The first one has hits everywhere, the others none.
PATTERNS = {
    "common": ("failed", False),
    "absent": ("no such thing as this", False),
    # k and s have more forms than two, so these cannot be skipped by looking for a letter.
    "absent with k and s": ("kiss skips", False),
    "absent, in any script": ("ошибка диска", False),
    "regular expression": (r"error: .* exit status \d{4}", True),
    "regular expression without a beginning": (r"[a-z]+\d+=\d{7}z", True),
}


@dataclass(frozen=True)
class _Searched:
    """Until the first hit, if there was one, and until the end."""

    first_ms: float | None
    all_ms: float
    processor_ms: float
    hits: int


def run(options: Options, console: Console) -> dict[str, Any]:
    imported = [import_recording(console, megabytes, "log") for megabytes in options.scaled(*SIZES_MB)]
    console.use_here()
    rounds = 2 if options.quick else ROUNDS
    return {
        "target": {"first_hit_ms": TARGET_FIRST_MS, "all_ms": TARGET_ALL_MS},
        "sizes": [_measure(one, rounds) for one in imported],
    }


def _measure(imported: Imported, rounds: int) -> dict[str, Any]:
    from django.db.models import Sum

    from sessions_app.models import Terminal, TerminalText

    terminal = Terminal.objects.get(pk=imported.terminal_id)
    text = TerminalText.objects.filter(terminal=terminal).aggregate(bytes=Sum("size"))
    last_line = _last_line(terminal)
    patterns = {**PATTERNS, "the last line": (last_line, False)}
    figures = {
        "mb": terminal.size // 10**6,
        "text_mb": text["bytes"] // 10**6,
        "patterns": {name: _times(terminal, *pattern, rounds) for name, pattern in patterns.items()},
    }
    say(f"{figures}")
    return figures


def _times(terminal: "Terminal", text: str, is_regex: bool, rounds: int) -> dict[str, Any]:
    """Medians and the worst, in milliseconds; the first round reads what no cache holds yet and counts too.

    Processor time is that of all threads, without a database server's: half of it is the least that two cores need.
    """
    searches = [_search(terminal, text, is_regex) for _ in range(rounds)]
    first = [found.first_ms for found in searches if found.first_ms is not None]
    return {
        "hits": searches[0].hits,
        "first_hit_ms": median_low(first) if first else None,
        "all_ms": median_low(found.all_ms for found in searches),
        "worst_all_ms": max(found.all_ms for found in searches),
        "processor_ms": median_low(found.processor_ms for found in searches),
    }


def _search(terminal: "Terminal", text: str, is_regex: bool) -> _Searched:
    """Raises Failed when the time was up."""
    from sessions_app.actions.terminals.searching import TerminalSearch
    from sessions_app.terminal.line_search import Pattern

    first = None
    started, processor = time.perf_counter(), time.process_time()
    search = TerminalSearch(terminal, Pattern(text, is_regex=is_regex), deadline_s=60)
    for hits in search.batches():
        if hits and first is None:
            first = _since_ms(started)
    whole, used = _since_ms(started), round((time.process_time() - processor) * 1000, 1)
    if search.outcome.searched < 1:
        raise Failed(f"{text!r} was not searched for to the end")
    return _Searched(first, whole, used, search.outcome.hits)


def _last_line(terminal: "Terminal") -> str:
    """The newest line with anything on it: whoever looks for it needs all of the text before."""
    from sessions_app.models import TerminalText
    from sessions_app.terminal.lines import decode_lines

    block = TerminalText.objects.filter(terminal=terminal).order_by("offset").last()
    if block is None:
        raise Failed("there is no text to search")
    return next(line.text for line in reversed(decode_lines(block.read())) if line.text.strip())[:200]


def _since_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
