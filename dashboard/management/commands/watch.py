"""scrollback watch [PATH…]"""

import os
import signal
from argparse import ArgumentParser
from typing import Any, ClassVar

from audit.actors import command_line
from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.errors import Refused
from dashboard.watch_report import watch_report
from sessions_app.importers.finding import find_files
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
        if errors := _errors_of(paths):
            raise Refused("; ".join(f"{path}: {reason}" for path, reason in errors.items()))
        with watch_report() as report:
            watcher = Watcher(command_line(), paths, report.take, report.tick)
            signal.signal(signal.SIGTERM, lambda *_: watcher.stop())
            places = paths or default_roots() or ["(no known agent has written here yet; waiting)"]
            self.stderr.write("Following " + ", ".join(places) + " — Ctrl C ends it.")
            watcher.run()
        return 0


def _errors_of(paths: list[str]) -> dict[str, str]:
    """Why these cannot be followed. What is wrong with a file below them is told as it is come by."""
    named = {*paths, *(os.path.realpath(os.path.expanduser(path)) for path in paths)}
    return {path: reason for path, reason in find_files(paths).errors.items() if path in named}
