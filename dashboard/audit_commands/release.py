"""`scrollback audit release`: end a legal hold."""

import argparse
from typing import Any, Final

from audit.actors import command_line
from audit.holds import release_hold
from dashboard.audit_commands import Answer, add_why, require_reason

NAME: Final = "release"
TEXT: Final = "end a legal hold"
EXAMPLE: Final = 'scrollback audit release 1801 --why "case 17 is closed"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold", type=int, metavar="HOLD", help="the entry that placed it")
    add_why(parser)


def run(*, hold: int, why: str, **_: Any) -> Answer:
    require_reason(why)
    entry = release_hold(hold, why, actor=command_line())
    return Answer(f"Entry {entry.idx:,} releases hold {hold:,}.", {"idx": entry.idx, "hold": hold})
