"""`scrollback audit verify`: whether anything in the log was changed, removed or re-ordered."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from audit.actors import command_line
from audit.anchors import KnownKey
from audit.keys import KeyUnavailable, load_key
from audit.models import Log
from audit.notes import NoteError, TreeHead, Verifier
from audit.parallel import Interrupted
from audit.signing import signing
from audit.verdicts import Verification
from audit.verification import Progress as Report
from audit.verification import verify_and_record
from dashboard.audit_commands import Answer
from dashboard.audit_commands.remembered import Remembered, others, usual_place
from dashboard.lib.db import database_place
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import counted
from dashboard.lib.text import one_line

NAME: Final = "verify"
TEXT: Final = "check that nothing in the log was changed, removed or re-ordered"
EXAMPLE: Final = "scrollback audit verify --head /media/stick/scrollback.head"
_MARKS: Final = {"sound": "ok", "broken": "BROKEN", "unchecked": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--head", type=Path, metavar="FILE", help="a signed head that was kept elsewhere")
    parser.add_argument(
        "--key",
        metavar="KEY",
        help="the log's public key as you noted it (scrollback/…+…+…), or a file with it",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="where the key and the heads that you verified are remembered",
    )
    parser.add_argument("--forget", action="store_true", help="forget what is remembered, and begin anew")
    parser.add_argument(
        "--no-content",
        action="store_true",
        help="the log alone: do not read the sealed output and sessions that it commits to",
    )


def run(
    head: Path | None, key: str | None, state: Path | None, forget: bool, no_content: bool, **_: Any
) -> Answer:
    named = _key_in(key) if key else None
    kept = [_note_in(head)] if head else []
    log, database = Log.objects.filter(pk=Log.THE_ONE).first(), database_place()
    origin = log.origin if log else ""
    remembered = Remembered.read(state or usual_place(database))
    if forget:
        remembered.forget()
        remembered = Remembered(remembered.path)
    elsewhere = [] if forget or state or remembered.notes else list(others(remembered.path))
    # The same log at another address: it was moved, or is reached by another way.
    known = next((one for one in elsewhere if one.head and one.head.origin == origin), remembered)
    keys = [KnownKey(named, "named")] if named else []
    if known.key:
        keys.append(KnownKey(_parsed(known.key, str(known.path)), "remembered"))
    try:
        with signing() if _can_sign(origin) else nullcontext(), _progress() as report:
            found, unrecorded = verify_and_record(
                command_line(),
                [*kept, *known.notes],
                report,
                with_contents=not no_content,
                keys=keys,
                takes_its_word=True,
            )
    except Interrupted as error:
        raise Refused(str(error)) from error
    warnings = [*_of_the_key(found), *(_of_others(elsewhere) if known is remembered else ())]
    if not found.is_sound and known.notes:
        warnings.append(_of_memory(known))
    if found.is_sound and found.note:
        mine = replace(known, path=remembered.path)
        mine.with_head(found.note, key=found.key, database=database).write()
    document = {
        **found.document(),
        "state": str(remembered.path),
        "warnings": warnings,
        "not_recorded": unrecorded,
    }
    text = _text(found, warnings, unrecorded)
    return Answer(text, document, code=0 if found.is_sound and not unrecorded else 1)


def _can_sign(origin: str) -> bool:
    """An auditor's machine has no key; the server signs that this was verified."""
    try:
        load_key(origin)
    except KeyUnavailable:
        return False
    return True


def _of_the_key(found: Verification) -> Iterator[str]:
    """What whoever verifies has to know of the key that was believed."""
    for idx, why in found.key_replaced:
        yield (
            f"The key that was known here was replaced by entry {idx:,}: {one_line(why, 200)!r}. Whoever can write "
            "the database could have written that: ask those who keep the server."
        )
    if found.key_from == "log":
        yield (
            f"The key is the log's own word, as none was named or remembered: {found.key}. Compare it with what "
            "`scrollback audit head --json` says where the server runs; from now on another one is an alarm."
        )


def _of_memory(known: Remembered) -> str:
    """Whoever removed a console and made another one in its place sees what somebody would see who was deceived."""
    return (
        f"This was held against what {known.path} remembers of the log that was verified here. Where another one was "
        "put in its place on purpose, --forget begins anew."
    )


def _of_others(elsewhere: Sequence[Remembered]) -> Iterator[str]:
    """This database is new here: a log that was put in the place of a known one would be, too."""
    for one in elsewhere:
        if one.head is not None:
            place = one.database or "an unknown place"
            yield (
                f"Nothing was remembered of this database yet, but {one.head.origin} of {place} "
                f"({counted(one.head.size, 'entry', 'entries')}): if that is what should be here, it was put aside."
            )


def _key_in(given: str) -> Verifier:
    """The key itself, or that in a file, which may have others below it."""
    path = Path(given)
    try:
        if path.is_file():
            lines = path.read_text(encoding="ascii").splitlines()
            return _parsed(lines[0] if lines else "", given)
    except OSError as error:
        raise Refused(f"{given} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{given} holds no public key of a log: {error}.") from error
    return _parsed(given, given)


def _parsed(text: str, whence: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except NoteError as error:
        raise Refused(f"{one_line(whence, 200)!r} is or holds no public key of a log: {error}.") from error


def _note_in(path: Path) -> str:
    try:
        note = path.read_text(encoding="utf-8")
        TreeHead.parse(note.partition("\n\n")[0] + "\n")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, NoteError) as error:
        raise Refused(f"{path} holds no signed head: {error}.") from error
    return note


def _text(found: Verification, warnings: Sequence[str], unrecorded: str) -> str:
    lines = [f"{_MARKS[one.outcome]:7}{one.check:12} {one.text}" for one in found.verdicts]
    lines += warnings
    if found.is_sound:
        lines.append(f"{counted(found.size, 'entry', 'entries')} verified in {found.seconds:.1f} s.")
    elif found.first_bad_idx is None and found.verdict("signatures").outcome == "broken":
        lines.append("No entry is broken, but that the log is the one that was signed does not show.")
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
