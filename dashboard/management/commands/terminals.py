"""scrollback terminals rebuild"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db.models import Q
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from dashboard.lib.commands import EXIT_WITH_LOSSES, ConsoleCommand
from dashboard.lib.errors import CorruptData, Refused
from dashboard.shell_text import plain
from sessions_app.actions.terminals.deriving import derive_all, forget_derived
from sessions_app.actions.terminals.reading import check_output
from sessions_app.actions.terminals.working import EngineAway, Workshop
from sessions_app.lookup import find_named, short_id
from sessions_app.models import Terminal
from sessions_app.models.people import COMMAND_LINE
from sessions_app.terminal.engine.version import ENGINE

# How far, in bytes of output, of the one that is being rebuilt.
type Tell = Callable[[int], None]


class Command(ConsoleCommand):
    help = (
        "rebuild: make the keyframes, text and search index of terminals again from their bytes. Without names, of "
        "those that were made by another version of the engine."
    )
    example: ClassVar[str] = "scrollback terminals rebuild 7f3a91c2"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["rebuild"])
        parser.add_argument(
            "terminals", nargs="*", metavar="TERMINAL", help="an id, a piece of one, or the title"
        )
        parser.add_argument("--all", action="store_true", help="every terminal, whatever made it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        if not ENGINE:
            raise Refused("The terminal engine is missing: pip install pyghostty, where there is a wheel.")
        if options["terminals"] and options["all"]:
            raise Refused("Name terminals, or give --all.")
        chosen = _named(options["terminals"]) if options["terminals"] else _stale(every=options["all"])
        losses = self._rebuild(chosen, quiet=options["json"])
        size = sum(terminal.size for terminal in chosen)
        if options["json"]:
            self.print_json(
                {"rebuilt": len(chosen) - len(losses), "bytes": size, "engine": ENGINE, "errors": losses}
            )
        else:
            plural = "" if len(chosen) == 1 else "s"
            self.stdout.write(f"{len(chosen) - len(losses)} terminal{plural} rebuilt with {ENGINE}.")
        for name, reason in losses.items():
            self.stderr.write(f"{name}: {plain(reason)}")
        return EXIT_WITH_LOSSES if losses else 0

    def _rebuild(self, chosen: Sequence[Terminal], *, quiet: bool) -> dict[str, str]:
        """What could not be rebuilt, and why."""
        losses: dict[str, str] = {}
        workshop = Workshop()
        try:
            with _progress(sum(terminal.size for terminal in chosen), quiet=quiet) as show:
                before = 0
                for terminal in chosen:
                    try:
                        _rebuild(terminal, workshop, lambda done, before=before: show(before + done))  # type: ignore[misc]
                    except CorruptData as error:
                        losses[short_id(terminal)] = f"Its output is damaged: {error}. Restore a backup."
                    except EngineAway as error:
                        losses[short_id(terminal)] = str(error)
                    before += terminal.size
        finally:
            workshop.stop()
        return losses


def _rebuild(terminal: Terminal, workshop: Workshop, tell: Tell) -> None:
    # What is there is worth more than nothing where it cannot be made again.
    check_output(terminal)
    forget_derived(terminal.pk)
    derive_all(terminal.pk, workshop, on_progress=tell)


def _named(names: Sequence[str]) -> list[Terminal]:
    found = []
    for name in names:
        terminal = find_named(name, COMMAND_LINE)
        if not isinstance(terminal, Terminal):
            raise Refused(f"{plain(name, 80)!r} is a session. See: scrollback list --terminals")
        found.append(terminal)
    return found


def _stale(*, every: bool) -> list[Terminal]:
    """Those of which something was derived; what never was is derived by the server anyway."""
    terminals = Terminal.objects.visible_to(COMMAND_LINE)
    if not every:
        terminals = terminals.exclude(derived_by=ENGINE).filter(~Q(derived_by="") | Q(derived_size__lt=0))
    return list(terminals.newest_first())


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Tell]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Rebuilding", total=total)
        yield lambda done: bar.update(task, completed=done)
