"""`scrollback audit seal`: let the log say what sessions hold, at once instead of when a server comes to it."""

import argparse
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from rich.console import Console
from rich.progress import Progress, TextColumn

from audit.actors import Actor, command_line
from dashboard.audit_commands import Answer
from dashboard.lib.clock import now_ms
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import byte_size, counted
from sessions_app.actions.sealing import (
    KeepsChanging,
    seal_session,
    seal_source,
    sessions_at_rest,
    sources_at_rest,
)
from sessions_app.lookup import find_named
from sessions_app.models import AgentSession
from sessions_app.models.people import COMMAND_LINE
from sessions_app.sealed_lines import UnreadableLines
from sessions_app.sealed_rows import UnreadableRows

NAME: Final = "seal"
TEXT: Final = "write the hashes of a session, or of all that are at rest, into the log"
EXAMPLE: Final = "scrollback audit seal 7f3a91c2"

type Report = Callable[[int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "session",
        nargs="?",
        metavar="SESSION",
        help="this one, whether it is at rest or not; without it all that have ended or had nothing new for "
        f"{settings.CONFIG.seal_after_hours} hours",
    )


def run(session: str | None, **_: Any) -> Answer:
    if session is None:
        moment, rest_ms = now_ms(), settings.SEAL_AFTER_MS
        sessions = sessions_at_rest(moment, rest_ms).values_list("pk", flat=True)
        sources = sources_at_rest(moment, rest_ms).values_list("pk", flat=True)
    else:
        found = find_named(session, COMMAND_LINE)
        if not isinstance(found, AgentSession):
            raise Refused("That is a terminal: its output is sealed as it is recorded.")
        sessions = AgentSession.objects.filter(pk=found.pk).values_list("pk", flat=True)
        sources = found.sources.values_list("pk", flat=True)
    with _progress() as report:
        sealed = _Sealed(command_line(), report)
        sealed.seal(list(sessions), list(sources))
    return sealed.answer()


class _Sealed:
    """What came of it."""

    def __init__(self, actor: Actor, report: Report) -> None:
        self._actor = actor
        self._report = report
        self.rows = self.bytes = 0
        self.sessions: set[uuid.UUID] = set()
        self.errors: dict[str, str] = {}

    def seal(self, sessions: list[uuid.UUID], sources: list[uuid.UUID]) -> None:
        for key in sessions:
            for rows in self._steps(key, seal_session(key, actor=self._actor)):
                self.rows += rows
                self.sessions.add(key)
                self._report(self.rows, self.bytes)
        for key in sources:
            for size in self._steps(key, seal_source(key, actor=self._actor)):
                self.bytes += size
                self._report(self.rows, self.bytes)

    def _steps(self, key: uuid.UUID, pieces: Iterator[int]) -> Iterator[int]:
        try:
            yield from pieces
        except (UnreadableRows, UnreadableLines, KeepsChanging) as error:
            self.errors[str(key)] = str(error)

    def answer(self) -> Answer:
        lines = [f"{key} cannot be sealed: {why}." for key, why in self.errors.items()]
        sealed, rows = counted(len(self.sessions), "session"), counted(self.rows, "row")
        lines.append(f"{sealed} sealed: {rows}, {byte_size(self.bytes)} of lines.")
        document = {
            "sessions": len(self.sessions),
            "rows": self.rows,
            "bytes": self.bytes,
            "errors": self.errors,
        }
        return Answer("\n".join(lines), document, code=1 if self.errors else 0)


@contextmanager
def _progress() -> Iterator[Report]:
    """One line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _rows, _size: None
        return
    columns = TextColumn("Sealing: {task.fields[rows]:,} rows, {task.fields[size]} of lines")
    with Progress(columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rows=0, size=byte_size(0))
        yield lambda rows, size: bar.update(task, rows=rows, size=byte_size(size))
