"""`scrollback audit holds`: the legal holds that are in force."""

import argparse
from dataclasses import asdict
from typing import Any, Final

from audit.holds import Hold, holds_in_force
from dashboard.audit_commands import Answer

NAME: Final = "holds"
TEXT: Final = "list the legal holds that are in force"
EXAMPLE: Final = "scrollback audit holds --json"


def add_arguments(_: argparse.ArgumentParser) -> None:
    """It has none."""


def run(**_: Any) -> Answer:
    holds = holds_in_force()
    lines = [_line(hold) for hold in holds] or ["No legal hold is in force."]
    return Answer("\n".join(lines), {"holds": [asdict(hold) for hold in holds]})


def _line(hold: Hold) -> str:
    return f"Entry {hold.idx:,} holds the payloads of entries {hold.first_idx:,} to {hold.last_idx:,}: {hold.why}"
