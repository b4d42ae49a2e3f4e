"""How an import speaks to a person: a bar while it runs, a few lines when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from dashboard.lib.formatting import counted
from sessions_app.importers.report import Progress as ImportProgress
from sessions_app.importers.report import Report

MAX_LISTED_ERRORS = 20


class ImportBar:
    """Two things take time: reading files, and what is derived of the terminals among them."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Importing", total=None, files="")
        self._left = 0

    def show(self, progress: ImportProgress) -> None:
        files = f"{progress.files_done}/{counted(progress.files, 'file')}"
        self._bar.update(self._task, total=progress.bytes, completed=progress.bytes_done, files=files)

    def show_deriving(self, left: int) -> None:
        """`left` bytes of terminals still wait for their keyframes and text."""
        if not self._left:
            self._left = left
            self._bar.reset(self._task, total=left, description="Keyframes and text", files="")
        self._bar.update(self._task, completed=self._left - left)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[ImportBar | None]:
    """A bar on standard error when that is a terminal, None otherwise."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[files]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        yield ImportBar(bar)


def summary(report: Report) -> str:
    counts = report.counts
    if not counts.bytes and not counts.terminals:
        are = "is as it was" if report.unchanged == 1 else "are as they were"
        text = f"Nothing new: {counted(report.unchanged, 'source')} {are}."
    else:
        text = (
            f"{counted(counts.sessions, 'session')}, {counted(counts.runs, 'run')}, "
            f"{counted(counts.messages.total(), 'message')}, {counted(counts.tool_calls, 'tool call')}, "
            f"{counted(counts.terminals, 'terminal')} from {counted(counts.sources, 'new source')} "
            f"({counts.bytes / 1e6:.1f} MB in {report.seconds:.1f} s)."
        )
    if counts.skipped_lines:
        where = "on the session's Raw tab, or without a session at /api/v1/sources"
        text += (
            f"\n{counted(counts.skipped_lines, 'line')} could not be read; nothing is lost, see them {where}."
        )
    if counts.unknown_lines:
        text += f"\n{counted(counts.unknown_lines, 'line')} with something unknown in it; kept as well."
    if report.ignored:
        text += f"\n{counted(report.ignored, 'other file')} left alone: no history in a format that is known here."
    return text


def losses(report: Report) -> list[str]:
    """One line for each file of which something could not be imported, bounded."""
    lines = [f"{path}: {reason}" for path, reason in report.errors.items()]
    lines += [f"{path}: {counted(count, 'line')} could not be read" for path, count in report.skipped.items()]
    if len(lines) > MAX_LISTED_ERRORS:
        return [*lines[:MAX_LISTED_ERRORS], f"… and {len(lines) - MAX_LISTED_ERRORS} more"]
    return lines
