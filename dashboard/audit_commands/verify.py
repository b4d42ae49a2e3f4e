"""`scrollback audit verify`: whether anything in the log was changed, removed or re-ordered."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from audit.actors import command_line
from audit.models import Log
from audit.notes import NoteError, TreeHead
from audit.parallel import Interrupted
from audit.verdicts import Verification
from audit.verification import Progress as Report
from audit.verification import verify_and_record
from dashboard.audit_commands import Answer
from dashboard.audit_commands.remembered import Remembered, usual_place
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import counted

NAME: Final = "verify"
TEXT: Final = "check that nothing in the log was changed, removed or re-ordered"
EXAMPLE: Final = "scrollback audit verify --head /media/stick/scrollback.head"
_MARKS: Final = {"sound": "ok", "broken": "BROKEN", "unchecked": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--head", type=Path, metavar="FILE", help="a signed head that was kept elsewhere")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="where the heads that you verified are remembered"
    )
    parser.add_argument("--forget", action="store_true", help="forget the remembered heads, and begin anew")
    parser.add_argument(
        "--no-content",
        action="store_true",
        help="the log alone: do not read the sealed output and sessions that it commits to",
    )


def run(head: Path | None, state: Path | None, forget: bool, no_content: bool, **_: Any) -> Answer:
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    remembered = Remembered(state or usual_place(log.origin if log else "none"))
    if forget:
        remembered.forget()
    notes = [*([_note_in(head)] if head else []), *remembered.notes()]
    try:
        with _progress() as report:
            found, unrecorded = verify_and_record(command_line(), notes, report, with_contents=not no_content)
    except Interrupted as error:
        raise Refused(str(error)) from error
    if found.is_sound and found.note:
        remembered.add(found.note)
    document = {**found.document(), "state": str(remembered.path), "not_recorded": unrecorded}
    return Answer(_text(found, unrecorded), document, code=0 if found.is_sound and not unrecorded else 1)


def _note_in(path: Path) -> str:
    try:
        note = path.read_text(encoding="utf-8")
        TreeHead.parse(note.partition("\n\n")[0] + "\n")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, NoteError) as error:
        raise Refused(f"{path} holds no signed head: {error}.") from error
    return note


def _text(found: Verification, unrecorded: str) -> str:
    lines = [f"{_MARKS[one.outcome]:7}{one.check:12} {one.text}" for one in found.verdicts]
    if found.is_sound:
        lines.append(f"{counted(found.size, 'entry', 'entries')} verified in {found.seconds:.1f} s.")
    elif found.first_bad_idx is None:
        lines.append("No entry is broken, but what is stored is not what the log says of it.")
    else:
        lines.append(
            f"The log was changed: the first entry that cannot be relied on is {found.first_bad_idx:,}."
        )
    if unrecorded:
        lines.append(f"This verification could not be recorded in the log: {unrecorded}")
    return "\n".join(lines)


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _size: None
        return
    columns = TextColumn("Verifying {task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, size: bar.update(task, description=what, completed=done, total=size)
