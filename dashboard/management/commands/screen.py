"""scrollback screen TERMINAL"""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, ClassVar, Final

from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import moment_us
from dashboard.shell_text import plain
from sessions_app.actions.terminals.reading import MissingOutput
from sessions_app.actions.terminals.screens import offset_at, screen_at, stop_screens, time_at
from sessions_app.lookup import find_named
from sessions_app.models import Terminal
from sessions_app.models.people import COMMAND_LINE
from sessions_app.terminal.engine.model import EngineError, Screen
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
        offset: int = terminal.size if options["offset"] is None else min(options["offset"], terminal.size)
        if options["at"] is not None:
            offset = offset_at(terminal, options["at"])
        try:
            screen = screen_at(terminal, offset)
        except (EngineError, MissingOutput) as error:
            raise Refused(str(error)) from error
        finally:
            stop_screens()
        if options["json"]:
            self.print_json(_document(terminal, offset, screen))
        else:
            for row in screen.rows:
                self.stdout.write(safe_line(row, _LONGEST_ROW))
        return 0


def _document(terminal: Terminal, offset: int, screen: Screen) -> dict[str, Any]:
    return {
        "terminal": str(terminal.pk),
        "offset": offset,
        "at_us": time_at(terminal, offset),
        "cols": screen.cols,
        "rows": list(screen.rows),
        "cursor": {
            "column": screen.cursor_column,
            "row": screen.cursor_row,
            "is_visible": screen.cursor_visible,
        },
        "is_alternate": screen.is_alternate,
    }


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
