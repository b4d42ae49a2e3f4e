"""How far an import is, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sessions_app.actions.imports import ImportCounts


@dataclass
class Progress:
    """What a progress bar shows."""

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    path: str = ""


@dataclass
class Report:
    """The outcome of one import."""

    counts: ImportCounts = field(default_factory=ImportCounts)
    unchanged: int = 0
    # Files in folders that are no history of a known format.
    ignored: int = 0
    # What was lost, with the reason: unreadable files, files of no known format that were named.
    errors: dict[str, str] = field(default_factory=dict)
    # How many lines of which file were read.
    lines: Counter[str] = field(default_factory=Counter)
    # How many of them could not be used.
    skipped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The shape that `scrollback import --json` prints."""
        counts = self.counts
        messages = {"user": 0, "assistant": 0, **dict(sorted(counts.messages.items()))}
        tokens = {
            name: counts.tokens[name] for name in ("input", "output", "cache_read", "cache_write", "total")
        }
        return {
            "sources": counts.sources,
            "sessions": counts.sessions,
            "runs": counts.runs,
            "messages": {**messages, "total": counts.messages.total()},
            "tool_calls": counts.tool_calls,
            "terminals": counts.terminals,
            "tokens": tokens,
            "skipped_lines": counts.skipped_lines,
            "unknown_lines": counts.unknown_lines,
            "bytes": counts.bytes,
            "seconds": round(self.seconds, 3),
            "unchanged": self.unchanged,
            "ignored": self.ignored,
            "skipped": dict(self.skipped),
            "errors": self.errors,
        }
