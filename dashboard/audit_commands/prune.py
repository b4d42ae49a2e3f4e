"""`scrollback audit prune`: remove old payloads, and say so in the log first."""

import argparse
from collections import Counter
from typing import Any, Final

from audit.actors import command_line
from audit.holds import Hold
from audit.pruning import announce, plan, remove_announced, unfinished
from dashboard.audit_commands import Answer, add_why, moment, require_reason
from dashboard.lib.clock import now_ms
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import byte_size, counted

NAME: Final = "prune"
TEXT: Final = "remove the payloads of old entries, and say so in the log; the entries stay"
EXAMPLE: Final = 'scrollback audit prune --before 2026-01-01 --why "kept for a year" --dry-run'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--before", required=True, type=moment, metavar="DATE", help="of entries before this")
    add_why(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def run(*, before: int, why: str, dry_run: bool, **_: Any) -> Answer:
    require_reason(why)
    if before > now_ms():
        raise Refused("That time is yet to come: nothing younger than now can be pruned.")
    planned = plan(before)
    if dry_run:
        left = unfinished()
        said = f"{_amount(planned.count + left.count, planned.size + left.size)} would be removed."
        return _answer(said, planned.count + left.count, planned.size + left.size, planned.kept + left.kept)
    entries = announce(before, why, actor=command_line())
    removed = remove_announced()
    said = f"{_amount(removed.count, removed.size)} removed."
    if entries:
        said += f" Entries that say so: {', '.join(f'{entry.idx:,}' for entry in entries)}."
    kept = planned.kept + removed.kept
    return _answer(said, removed.count, removed.size, kept, [entry.idx for entry in entries])


def _amount(count: int, size: int) -> str:
    return f"{counted(count, 'payload')} ({byte_size(size)})"


def _answer(
    said: str, count: int, size: int, kept: Counter[Hold], entries: list[int] | None = None
) -> Answer:
    lines = [said]
    for hold, number in sorted(kept.items(), key=lambda item: item[0].idx):
        lines.append(f"Legal hold {hold.idx:,} keeps {number:,} of that age: {hold.why}")
    document = {
        "payloads": count,
        "bytes": size,
        "entries": entries or [],
        "kept": [{"hold": hold.idx, "payloads": number, "why": hold.why} for hold, number in kept.items()],
    }
    return Answer("\n".join(lines), document)
