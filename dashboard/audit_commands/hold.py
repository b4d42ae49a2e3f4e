"""`scrollback audit hold`: keep payloads from being pruned."""

import argparse
from typing import Any, Final

from audit.actors import command_line
from audit.holds import place_hold
from dashboard.audit_commands import Answer, add_why, require_reason

NAME: Final = "hold"
TEXT: Final = "keep the payloads of a range of entries, whatever is pruned (a legal hold)"
EXAMPLE: Final = 'scrollback audit hold 1200 1800 --why "case 17"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=int, metavar="FIRST", help="the first entry that it keeps")
    parser.add_argument("last", type=int, metavar="LAST", help="the last one, which may be yet to come")
    add_why(parser)


def run(*, first: int, last: int, why: str, **_: Any) -> Answer:
    require_reason(why)
    entry = place_hold(first, last, why, actor=command_line())
    text = f"Entry {entry.idx:,} holds the payloads of entries {first:,} to {last:,}."
    return Answer(
        f"{text} Release it with `scrollback audit release {entry.idx} --why TEXT`.", {"hold": entry.idx}
    )
