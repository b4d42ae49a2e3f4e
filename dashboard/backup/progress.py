"""How far a backup or a restore is: a bar on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dashboard.backup.reading import Report


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Report]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _what, _done, _rows: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rows=0)
        shown = ""

        def show(what: str, done: int, rows: int) -> None:
            nonlocal shown
            if what != shown:
                # Another piece of work, with a time of its own.
                shown = what
                bar.reset(task, description=what)
            bar.update(task, total=rows, completed=done, rows=rows)

        yield show
