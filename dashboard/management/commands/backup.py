"""scrollback backup FILE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from audit.actors import command_line
from audit.keys import key_path
from dashboard.backup.files import sha256_of_file, shown
from dashboard.backup.making import make_backup
from dashboard.backup.manifest import Damaged, Manifest
from dashboard.backup.progress import progress_bar
from dashboard.backup.reading import opened
from dashboard.lib.clock import ms_to_iso
from dashboard.lib.commands import EXIT_WITH_LOSSES, ConsoleCommand
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import byte_size, counted
from dashboard.lib.schema import require_schema


class Command(ConsoleCommand):
    help = (
        "Write everything that the database holds into one file, as it is in one moment, while a server goes on. "
        "`scrollback restore` puts it into an empty database of either engine."
    )
    example: ClassVar[str] = "scrollback backup /media/stick/scrollback-2026-11-30.backup"
    # A file is checked without any.
    requires_schema: ClassVar[bool] = False
    requires_database: ClassVar[bool] = False
    file_options: ClassVar[frozenset[str]] = frozenset({"file"})

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, metavar="FILE", help="the file to make; never one that is there"
        )
        parser.add_argument(
            "--check", action="store_true", help="read a backup that is there, and say whether it is whole"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        if options["check"]:
            return self._check(options["file"], as_json=options["json"])
        if settings.CONFIG.database_error:
            raise Refused(settings.CONFIG.database_error)
        require_schema()
        return self._make(options["file"], as_json=options["json"])

    def _make(self, path: Path, *, as_json: bool) -> int:
        with progress_bar(quiet=as_json) as report:
            made = make_backup(path, report, actor=command_line())
        if as_json:
            self.print_json(
                {"file": shown(path), "bytes": made.bytes, "sha256": made.sha256, **_document(made.manifest)}
            )
            return 0
        rows = counted(made.manifest.rows, "row")
        self.stdout.write(
            f"{shown(path)}: {rows}, {byte_size(made.bytes)}, read again and whole.\nSHA-256 {made.sha256}"
        )
        self.stdout.write(
            f"It does not hold the audit log's key: keep {key_path(made.manifest.audit.origin)} with your backups, "
            "apart from them."
        )
        return 0

    def _check(self, path: Path, *, as_json: bool) -> int:
        trouble, manifest = "", None
        try:
            with opened(path) as reader, progress_bar(quiet=as_json) as report:
                manifest = reader.manifest
                reader.check(report)
        except Damaged as error:
            trouble = str(error)
        if as_json:
            said = _document(manifest) if manifest else {}
            document = {"file": shown(path), "is_sound": not trouble, "trouble": trouble}
            self.print_json({**document, "sha256": sha256_of_file(path), **said})
        elif trouble:
            self.stderr.write(trouble)
        elif manifest is not None:
            self.stdout.write(
                f"{shown(path)} is whole: {counted(manifest.rows, 'row')}, made {ms_to_iso(manifest.made_ms)} by "
                f"Scrollback {manifest.version} on {manifest.engine}.\n"
                f"The audit log has {manifest.audit.size:,} entries in it, root {manifest.audit.root}."
            )
        return EXIT_WITH_LOSSES if trouble else 0


def _document(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "made_ms": manifest.made_ms,
        "version": manifest.version,
        "engine": manifest.engine,
        "rows": manifest.rows,
        "tables": {table.name: {"rows": table.rows, "sha256": table.sha256} for table in manifest.tables},
        "audit": {
            "origin": manifest.audit.origin,
            "size": manifest.audit.size,
            "root": manifest.audit.root,
            "note": manifest.audit.note,
        },
    }
