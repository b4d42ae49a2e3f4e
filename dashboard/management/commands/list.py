"""scrollback list"""

from argparse import ArgumentParser
from typing import Any, ClassVar

import msgspec
from django.db.models import Q

from dashboard.lib.commands import ConsoleCommand, number_from
from dashboard.lib.errors import Refused
from dashboard.shell_text import plain, session_line, terminal_line
from sessions_app.api.rendering import session_documents, terminal_document
from sessions_app.models import AgentSession, Status, Terminal, TerminalState
from sessions_app.models.people import COMMAND_LINE
from sessions_app.models.session import SessionQuerySet
from sessions_app.models.terminal import TerminalQuerySet

DEFAULT_ROWS = 30
MAX_ROWS = 10_000
_NONE_YET = {
    "session": "There are no sessions yet: `scrollback import FOLDER` or `scrollback watch` brings them in.",
    "terminal": "There are no terminals yet: `scrollback record -- COMMAND` records one.",
}


class Command(ConsoleCommand):
    help = "List sessions, or terminals, newest first. Archived sessions are listed with --all."
    example: ClassVar[str] = "scrollback list --agent claude-code --status failed --limit 10"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--terminals", action="store_true", help="list terminals instead of sessions")
        parser.add_argument(
            "--status",
            metavar="S",
            help=f"one of {', '.join(Status.values)}; of a terminal: {', '.join(TerminalState.values)}",
        )
        parser.add_argument("--agent", metavar="A", default="", help="sessions of this agent, such as codex")
        parser.add_argument("--project", metavar="P", default="", help="a part of the project's folder")
        parser.add_argument(
            "--limit", type=number_from(1), default=DEFAULT_ROWS, metavar="N", help="%(default)s rows"
        )
        parser.add_argument("--all", action="store_true", help="archived sessions too")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        limit = min(options["limit"], MAX_ROWS)
        known = TerminalState.values if options["terminals"] else Status.values
        if options["status"] and options["status"] not in known:
            raise Refused(f"--status is one of {', '.join(known)}, not {plain(options['status'], 40)!r}.")
        if options["terminals"]:
            return self._list_terminals(limit, options)
        sessions = _sessions(options)
        found = list(sessions[: limit + 1])
        if options["json"]:
            self._print("sessions", session_documents(found[:limit]), found, limit)
        else:
            none = _NONE_YET["session"] if _is_unfiltered(options) else "No session is like that."
            self._print_lines([session_line(session) for session in found], limit, none)
        return 0

    def _list_terminals(self, limit: int, options: dict[str, Any]) -> int:
        found = list(_terminals(options)[: limit + 1])
        if options["json"]:
            documents = [terminal_document(terminal) for terminal in found[:limit]]
            self._print("terminals", documents, found, limit)
        else:
            none = _NONE_YET["terminal"] if _is_unfiltered(options) else "No terminal is like that."
            self._print_lines([terminal_line(terminal) for terminal in found], limit, none)
        return 0

    def _print(self, name: str, documents: list[Any], found: list[Any], limit: int) -> None:
        self.print_json({name: msgspec.to_builtins(documents), "has_more": len(found) > limit})

    def _print_lines(self, lines: list[str], limit: int, none: str) -> None:
        for line in lines[:limit]:
            self.stdout.write(line)
        if not lines:
            self.stderr.write(none)
        elif len(lines) > limit:
            self.stderr.write(f"… and older ones: --limit {min(limit * 10, MAX_ROWS)}")


def _is_unfiltered(options: dict[str, Any]) -> bool:
    return not (options["status"] or options["agent"] or options["project"])


def _sessions(options: dict[str, Any]) -> SessionQuerySet:
    sessions: SessionQuerySet = AgentSession.objects.visible_to(COMMAND_LINE)
    if not options["all"]:
        sessions = sessions.listed()
    if options["status"]:
        sessions = sessions.filter(status=options["status"])
    if options["agent"]:
        sessions = sessions.filter(agent=options["agent"])
    if options["project"]:
        sessions = sessions.filter(project__path__icontains=options["project"])
    return sessions.select_related("project").prefetch_related("tags").newest_first()


def _terminals(options: dict[str, Any]) -> TerminalQuerySet:
    terminals: TerminalQuerySet = Terminal.objects.visible_to(COMMAND_LINE)
    if options["status"]:
        terminals = terminals.filter(state=options["status"])
    if options["agent"]:
        terminals = terminals.filter(session__agent=options["agent"])
    if options["project"]:
        within = options["project"]
        terminals = terminals.filter(Q(cwd__icontains=within) | Q(session__project__path__icontains=within))
    return terminals.newest_first()
