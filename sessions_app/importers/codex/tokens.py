"""What the counts of tokens add up to.

The program reports after each call of the model, often twice, the running total of the thread and what the
last call alone cost. Only the growth of the running total is counted, so repetitions add nothing.
"""

from typing import Any

from sessions_app.drafts import Tokens
from sessions_app.importers.json_lines import mapping_of, whole_of

_NAMES = {
    "input": "input_tokens",
    "cache_read": "cached_input_tokens",
    "cache_write": "cache_write_input_tokens",
    "output": "output_tokens",
    "total": "total_tokens",
}

type Counts = dict[str, int]


class TokenMeter:
    """The running total as it was last reported; None before the first report."""

    def __init__(self, state: Counts | None) -> None:
        self.reached = state

    def read(self, info: object) -> Tokens | None:
        """What this report adds, None when nothing. `input` holds the cached part, as the source has it."""
        total = _counts(mapping_of(info).get("total_token_usage"))
        if total is None or total == self.reached:
            return None
        before, self.reached = self.reached, total
        if before is not None and total["total"] >= before["total"]:
            added = {name: max(0, total[name] - before[name]) for name in _NAMES}
        else:
            added = _first_of(total, _counts(mapping_of(info).get("last_token_usage")))
        return Tokens(**added) if any(added.values()) else None

    def skip(self, info: object) -> None:
        """Take note of a report that another thread's file has counted."""
        self.reached = _counts(mapping_of(info).get("total_token_usage")) or self.reached


def _first_of(total: Counts, last: Counts | None) -> Counts:
    """Of a total with nothing before it (a file that starts late, a new count) the last call is sure."""
    if last is None or last["total"] == 0:
        return total
    return {name: min(last[name], total[name]) for name in _NAMES}


def _counts(usage: object) -> Counts | None:
    if not isinstance(usage, dict):
        return None
    found: dict[str, Any] = {name: whole_of(usage.get(theirs)) for name, theirs in _NAMES.items()}
    counts = {name: max(0, value or 0) for name, value in found.items()}
    if found["total"] is None:
        counts["total"] = counts["input"] + counts["output"]
    return counts
