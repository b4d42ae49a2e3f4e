"""scrollback watch [PATH…]"""

import signal
from argparse import ArgumentParser
from typing import Any, ClassVar

from audit.actors import command_line
from dashboard.import_report import losses, summary
from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.errors import Refused
from sessions_app.importers.finding import find_files
from sessions_app.importers.pipeline import Report
from sessions_app.importers.registry import default_roots
from sessions_app.importers.watching import Watcher


class Command(ConsoleCommand):
    help = (
        "Import histories, then follow them: each new line is imported once. "
        "Without a path, the places where known agents write on this machine."
    )
    example: ClassVar[str] = "scrollback watch ~/.claude/projects"
    file_options: ClassVar[frozenset[str]] = frozenset({"paths"})

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders")

    def run(self, **options: Any) -> int:
        paths: list[str] = options["paths"]
        errors = find_files(paths).errors if paths else {}
        if errors:
            raise Refused("; ".join(f"{path}: {reason}" for path, reason in errors.items()))
        watcher = Watcher(command_line(), paths, self._tell)
        signal.signal(signal.SIGTERM, lambda *_: watcher.stop())
        places = paths or default_roots() or ["(no known agent has written here yet; waiting)"]
        self.stderr.write("Following " + ", ".join(places) + " — Ctrl C ends it.")
        watcher.run()
        return 0

    def _tell(self, report: Report) -> None:
        if report.counts.bytes or report.counts.terminals:
            self.stdout.write(summary(report).splitlines()[0])
            self.stdout.flush()
        for line in losses(report):
            self.stderr.write(line)
