"""scrollback restore FILE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from audit.actors import command_line
from dashboard.backup.files import shown
from dashboard.backup.progress import progress_bar
from dashboard.backup.restoring import restore_backup
from dashboard.lib.clock import ms_to_iso
from dashboard.lib.commands import EXIT_WITH_LOSSES, ConsoleCommand
from dashboard.lib.formatting import counted


class Command(ConsoleCommand):
    help = (
        "Put what `scrollback backup` wrote into an empty database of either engine: all of it, or nothing. The "
        "tables are made where there are none."
    )
    example: ClassVar[str] = "scrollback restore /media/stick/scrollback-2026-11-30.backup"
    # A file that is refused must not leave as much as tables behind.
    requires_schema: ClassVar[bool] = False
    # It signs what it has committed itself, when it is known whose key is here.
    is_surrounded: ClassVar[bool] = False
    file_options: ClassVar[frozenset[str]] = frozenset({"file"})

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="a backup; it is read alone")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        path: Path = options["file"]
        with progress_bar(quiet=options["json"]) as report:
            restored = restore_backup(path, report, actor=command_line())
        manifest = restored.manifest
        losses = [*restored.words.errors, *filter(None, [restored.key_trouble])]
        if options["json"]:
            self.print_json(
                {
                    "file": shown(path),
                    "sha256": restored.sha256,
                    "id": manifest.id,
                    "made_ms": manifest.made_ms,
                    "rows": manifest.rows,
                    "tables": {table.name: table.rows for table in manifest.tables},
                    "search_entries": restored.words.entries,
                    "audit": {"size": manifest.audit.size, "root": manifest.audit.root},
                    "losses": losses,
                }
            )
        else:
            self.stdout.write(
                f"Restored {counted(manifest.rows, 'row')} as they were at {ms_to_iso(manifest.made_ms)}, compared "
                f"with the backup, and the search of {counted(restored.words.entries, 'text')} made again."
            )
        for line in losses:
            self.stderr.write(line)
        return EXIT_WITH_LOSSES if losses else 0
