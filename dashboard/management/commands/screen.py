"""scrollback screen TERMINAL"""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, ClassVar, Final

import msgspec

from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import moment_us
from dashboard.shell_text import plain
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.api.terminal_screens import screen_document
from sessions_app.lookup import find_named
from sessions_app.models import Terminal
from sessions_app.models.people import COMMAND_LINE
from sessions_app.terminal.sanitise import safe_line

_LONGEST_ROW: Final = 4_000


class Command(ConsoleCommand):
    help = (
        "Print what a terminal showed at a moment, as plain text; without a moment what it shows now or showed last. "
        "TERMINAL is an id, the beginning or the end of one, or its exact title."
    )
    example: ClassVar[str] = "scrollback screen 7f3a91c2 --at 00:12:31.250"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("terminal", metavar="TERMINAL")
        moment = parser.add_mutually_exclusive_group()
        moment.add_argument(
            "--at",
            type=_time,
            metavar="TIME",
            help="since the start: 751.25 (seconds), 12m31s, 12:31 or 00:12:31.250",
        )
        moment.add_argument("--offset", type=_offset, metavar="N", help="after so many bytes of output")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        terminal = find_named(options["terminal"], COMMAND_LINE)
        if not isinstance(terminal, Terminal):
            raise Refused(f"{plain(terminal.heading, 80)!r} is a session. See: scrollback list --terminals")
        try:
            screen = screen_document(terminal, at_us=options["at"], offset=options["offset"])
        finally:
            stop_screens()
        if options["json"]:
            self.print_json(msgspec.to_builtins(screen))
        else:
            for row in screen.rows:
                self.stdout.write(safe_line(row, _LONGEST_ROW))
        return 0


def _time(text: str) -> int:
    """Microseconds since the start."""
    us = moment_us(text)
    if us is None:
        raise ArgumentTypeError(f"a time is written as 751.25, 12m31s or 00:12:31.250, not {text!r}")
    return us


def _offset(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"an offset is a number of bytes, not {text!r}")
    return int(text)
