"""scrollback show ID"""

from argparse import ArgumentParser
from typing import Any, ClassVar

import msgspec

from dashboard.lib.commands import ConsoleCommand, number_from
from dashboard.shell_text import row_text, session_facts, terminal_facts
from sessions_app.api.rendering import run_documents, session_document, terminal_document
from sessions_app.exporters.jsonl import documents_of
from sessions_app.exporters.rows import SILENT_EVENTS, TimelineItem, last_rows_of
from sessions_app.lookup import find_named
from sessions_app.models import AgentSession, Event, Message, Terminal
from sessions_app.models.people import COMMAND_LINE

DEFAULT_ROWS = 20
MAX_ROWS = 1_000
_MOST_RUNS = 500


class Command(ConsoleCommand):
    help = (
        "Show a session's facts and the end of its transcript, or a terminal's facts. ID is an id, the beginning or "
        "the end of one, the agent's own id of the session, or its exact title."
    )
    example: ClassVar[str] = "scrollback show 7f3a91c2"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID")
        parser.add_argument(
            "--rows",
            type=number_from(0),
            default=DEFAULT_ROWS,
            metavar="N",
            help="rows of the transcript (%(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        found = find_named(options["id"], COMMAND_LINE)
        rows = min(options["rows"], MAX_ROWS)
        if isinstance(found, Terminal):
            return self._show_terminal(found, as_json=options["json"])
        return self._show_session(found, rows, as_json=options["json"])

    def _show_terminal(self, terminal: Terminal, *, as_json: bool) -> int:
        if as_json:
            self.print_json({"terminal": msgspec.to_builtins(terminal_document(terminal))})
        else:
            self.stdout.write("\n".join(terminal_facts(terminal)))
        return 0

    def _show_session(self, session: AgentSession, rows: int, *, as_json: bool) -> int:
        tail = last_rows_of(session, rows)
        if as_json:
            runs = session.runs.defer("input", "output", "error").in_tree_order()[:_MOST_RUNS]
            terminals = session.terminals.visible_to(COMMAND_LINE).newest_first()[:_MOST_RUNS]
            self.print_json(
                {
                    "session": msgspec.to_builtins(session_document(session)),
                    "runs": msgspec.to_builtins(run_documents(list(runs))),
                    "terminals": [msgspec.to_builtins(terminal_document(terminal)) for terminal in terminals],
                    "rows": list(documents_of(session, tail)),
                }
            )
            return 0
        self.stdout.write("\n".join(session_facts(session)))
        for row in tail:
            if _says_something(row):
                self.stdout.write(f"\n{row_text(session, row)}")
        return 0


def _says_something(row: TimelineItem) -> bool:
    """Not so a message that only made calls, which follow, and an event that changes an earlier row."""
    if isinstance(row, Message):
        return bool(row.text)
    return not (isinstance(row, Event) and row.kind in SILENT_EVENTS)
