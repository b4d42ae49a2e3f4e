"""What `scrollback watch` says while it follows: lines in a pipe, a line that changes in place on a terminal."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dashboard.import_report import losses, summary
from dashboard.lib.formatting import counted
from dashboard.shell_text import plain, session_line
from sessions_app.importers.report import Report
from sessions_app.models import AgentSession

# An agent appends many times a second; of one file, that is said once in this time.
QUIET_SECONDS: Final = 1.0
MAX_LISTED_FILES: Final = 20
_PATH_CHARS: Final = 400


class Voice(Protocol):
    """Where it is said."""

    def tell(self, line: str) -> None:
        """Something that stays to be read."""
        ...

    def complain(self, line: str) -> None:
        """The same of what went wrong, for standard error."""
        ...

    def tell_growth(self, lines: Counter[str]) -> None:
        """These files have so many lines more than when it was said last."""
        ...


class WatchReport:
    """The first look is told in sum. Then new sessions and problems at once, and growing files once a second."""

    def __init__(self, voice: Voice, clock: Callable[[], float] = time.monotonic) -> None:
        self._voice = voice
        self._clock = clock
        self._has_begun = False
        self._grown: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._last_told: dict[str, float] = {}
        self._errors: dict[str, str] = {}

    def take(self, report: Report) -> None:
        """One pass of the watch has ended so."""
        if not self._has_begun:
            self._take_first(report)
            return
        self._tell_errors(report)
        new = AgentSession.objects.filter(pk__in=report.counts.new_sessions).select_related("project")
        for session in new.order_by("started_ms", "pk"):
            self._voice.tell(f"new session  {session_line(session)}")
        self._grown.update(report.lines)
        self._lost.update(report.skipped)
        self.tick()

    def _take_first(self, report: Report) -> None:
        """A pass that the database did not let happen was none."""
        self._has_begun = "database" not in report.errors
        if report.counts.bytes or report.counts.terminals:
            self._voice.tell(summary(report))
        for line in losses(report):
            self._voice.complain(line)
        self._errors = dict(report.errors)

    def _tell_errors(self, report: Report) -> None:
        """What stays wrong is said once, not with every pass."""
        for path, reason in report.errors.items():
            if self._errors.get(path) != reason:
                self._voice.complain(f"{plain(path, _PATH_CHARS)}: {reason}")
        for path in ({"database", "this pass"} | report.lines.keys()) - report.errors.keys():
            self._errors.pop(path, None)
        self._errors.update(report.errors)

    def tick(self) -> None:
        """Say what may be said by now. To be called once in a while, also when nothing happens."""
        now = self._clock()
        self._last_told = {path: at for path, at in self._last_told.items() if now - at < QUIET_SECONDS}
        self._tell_files((self._grown.keys() | self._lost.keys()) - self._last_told.keys())

    def close(self) -> None:
        """Nothing more will come: say the rest."""
        self._tell_files(self._grown.keys() | self._lost.keys())

    def _tell_files(self, due: set[str]) -> None:
        if not due:
            return
        grown = Counter({path: self._grown.pop(path) for path in sorted(due) if self._grown[path]})
        if grown:
            self._voice.tell_growth(grown)
        for path in sorted(path for path in due if self._lost[path]):
            lost = counted(self._lost.pop(path), "line")
            self._voice.complain(f"{plain(path, _PATH_CHARS)}: {lost} could not be read")
        self._last_told.update(dict.fromkeys(due, self._clock()))


class Pipe:
    """A line for each file."""

    def __init__(self, output: TextIO, errors: TextIO) -> None:
        self._output = output
        self._errors = errors

    def tell(self, line: str) -> None:
        self._output.write(f"{line}\n")
        self._output.flush()

    def complain(self, line: str) -> None:
        self._errors.write(f"{line}\n")
        self._errors.flush()

    def tell_growth(self, lines: Counter[str]) -> None:
        paths = list(lines)
        for path in paths[:MAX_LISTED_FILES]:
            self.tell(f"{plain(path, _PATH_CHARS)}: {counted(lines[path], 'new line')}")
        if others := paths[MAX_LISTED_FILES:]:
            rest = sum(lines[path] for path in others)
            self.tell(f"… and {counted(len(others), 'other file')}: {counted(rest, 'new line')}")


class Terminal:
    """Growth is one line that changes in place, below all else that is said."""

    def __init__(self, console: Console, live: Live, errors: TextIO) -> None:
        self._console = console
        self._live = live
        self._errors = errors
        self._total = 0

    def tell(self, line: str) -> None:
        # What is printed beside a live line is put above it.
        self._console.print(Text(line), soft_wrap=True)

    def complain(self, line: str) -> None:
        if self._errors.isatty():
            self.tell(line)
        else:
            self._errors.write(f"{line}\n")
            self._errors.flush()

    def tell_growth(self, lines: Counter[str]) -> None:
        self._total += lines.total()
        newest = list(lines)[-1]
        files = f"{plain(newest, _PATH_CHARS)} +{lines[newest]:,}"
        if len(lines) > 1:
            files = f"{counted(len(lines), 'file')} +{lines.total():,}"
        status = f"{time.strftime('%H:%M:%S')}  {counted(self._total, 'new line')} so far · {files}"
        self._live.update(Text(status, no_wrap=True, overflow="ellipsis"), refresh=True)


@contextmanager
def watch_report() -> Iterator[WatchReport]:
    """Speaks on standard output and standard error until it ends."""
    console = Console()
    if not console.is_terminal:
        report = WatchReport(Pipe(sys.stdout, sys.stderr))
        try:
            yield report
        finally:
            report.close()
        return
    # Drawn when there is news, by no thread of its own.
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        report = WatchReport(Terminal(console, live, sys.stderr))
        yield report
        report.close()
