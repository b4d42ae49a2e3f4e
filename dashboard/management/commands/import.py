"""scrollback import PATH…"""

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from audit.actors import command_line
from dashboard.import_report import losses, progress_bar, summary
from dashboard.lib.commands import EXIT_WITH_LOSSES, ConsoleCommand
from dashboard.lib.db import explain
from dashboard.lib.errors import Refused
from dashboard.lib.machine import machine_name
from sessions_app.actions.terminals.background import deriving_meanwhile
from sessions_app.importers.leases import settle
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.registry import FORMATS
from sessions_app.importers.report import Report

_NOT_PREPARED = "Everything was imported; the server goes on preparing output for seeking and search"


class Command(ConsoleCommand):
    help = "Detect and import histories of agents and terminal recordings, each once."
    example: ClassVar[str] = "scrollback import ~/.claude/projects ~/.codex/sessions demo.cast"
    file_options: ClassVar[frozenset[str]] = frozenset({"paths"})

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="files or folders")
        parser.add_argument("--format", default="auto", choices=["auto", *(known.name for known in FORMATS)])
        parser.add_argument("--json", action="store_true", help="print what was written as one JSON object")

    def run(self, **options: Any) -> int:
        only = None if options["format"] == "auto" else options["format"]
        settle(machine_name(settings.HOME), actor=command_line())
        with progress_bar(quiet=options["json"]) as bar, deriving_meanwhile() as deriving:
            importer = Importer(
                command_line(),
                only_format=only,
                on_progress=bar.show if bar else None,
                on_recording=deriving.prepare,
            )
            try:
                report = importer.import_paths(options["paths"])
            except (DatabaseError, InterfaceError) as error:
                report = _cut_off(importer, error)
            else:
                try:
                    deriving.finish(bar.show_deriving if bar else None)
                except (DatabaseError, InterfaceError) as error:
                    report.errors["terminals"] = f"{explain(error).rstrip('.')}. {_NOT_PREPARED}"
        if options["json"]:
            self.print_json(report.as_json())
        elif _found_something(report):
            self.stdout.write(summary(report))
        if not _found_something(report):
            raise Refused(_nothing(options["paths"], report))
        for line in losses(report):
            self.stderr.write(line)
        return EXIT_WITH_LOSSES if report.errors or report.counts.skipped_lines else 0


def _cut_off(importer: Importer, error: Exception) -> Report:
    """What was written before the database failed, and where that was. Raises the error when nothing was."""
    report = importer.report
    if not (report.counts.bytes or report.counts.sources):
        raise error
    what = "The import stopped here" if importer.at else "The import stopped"
    report.errors[importer.at or "database"] = f"{explain(error).rstrip('.')}. {what}: run it again to go on"
    return report


def _found_something(report: Report) -> bool:
    counts = report.counts
    return bool(report.unchanged or counts.bytes or counts.sources or counts.terminals)


def _nothing(paths: list[str], report: Report) -> str:
    if report.errors:
        return "; ".join(losses(report))
    names = ", ".join(known.name for known in FORMATS)
    return f"no history of an agent was found below {', '.join(paths)}. Known formats: {names}."
