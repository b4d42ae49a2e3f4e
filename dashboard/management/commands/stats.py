"""scrollback stats"""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any, ClassVar

from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.formatting import byte_size
from dashboard.shell_text import plain
from dashboard.storage_stats import Stats, collect
from sessions_app.lookup import short_id

DEFAULT_SECONDS = 10.0


class Command(ConsoleCommand):
    help = "Say how much there is of what, and which sessions are the biggest, within a limit of time."
    example: ClassVar[str] = "scrollback stats --seconds 60"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds",
            type=_seconds,
            default=DEFAULT_SECONDS,
            metavar="S",
            help="stop counting then (%(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        stats = collect(options["seconds"])
        if options["json"]:
            self.print_json(_document(stats))
            return 0
        self._print(stats)
        return 0

    def _print(self, stats: Stats) -> None:
        self.stdout.write(f"{byte_size(stats.database_bytes)} in the database\n")
        self.stdout.write(f"{'':<14}{'rows':>12}{'content':>12}{'on disk':>12}")
        for kind in stats.kinds:
            rows = "?" if kind.rows is None else f"{kind.rows:,}"
            content, disk = (
                "" if size is None else byte_size(size) for size in (kind.content_bytes, kind.disk_bytes)
            )
            self.stdout.write(f"{kind.name:<14}{rows:>12}{content:>12}{disk:>12}")
        if stats.biggest:
            self.stdout.write("\nBiggest sessions, by what was read of their files")
        for big in stats.biggest or ():
            size, heading = byte_size(big.source_bytes), plain(big.session.heading, 80)
            self.stdout.write(f"  {short_id(big.session)}{size:>12}  {big.session.agent:<12}  {heading}")
        if stats.is_partial:
            self.stderr.write("The time was up before all was counted. Give it more: --seconds 60")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError(f"a number of seconds, not {text!r}")
    return seconds


def _document(stats: Stats) -> dict[str, Any]:
    biggest = [
        {"id": str(big.session.pk), "heading": big.session.heading, "source_bytes": big.source_bytes}
        for big in stats.biggest or ()
    ]
    return {
        "database_bytes": stats.database_bytes,
        "kinds": {kind.name.replace(" ", "_"): _sizes(asdict(kind)) for kind in stats.kinds},
        "biggest_sessions": biggest,
        "is_partial": stats.is_partial,
        "seconds": round(stats.seconds, 3),
    }


def _sizes(kind: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kind.items() if name != "name"}
