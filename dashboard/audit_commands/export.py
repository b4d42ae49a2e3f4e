"""`scrollback audit export`: the log or a part of it in a file that can be checked without us."""

import argparse
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from audit import catalog
from audit.actors import command_line
from audit.bundle import Bundle
from audit.keys import KeyUnavailable
from audit.query import parse
from audit.selection import Selection
from audit.signing import newest_checkpoint, write_checkpoint
from dashboard.audit_commands import Answer, head_in, moment
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import counted
from sessions_app.actions.exports import note_log_export
from sessions_app.exporters.writing import refuse_existing, write_file
from sessions_app.lookup import find_session, whole_id
from sessions_app.models.people import COMMAND_LINE

NAME: Final = "export"
TEXT: Final = "write the log, or a part of it, into a file that can be checked without this program"
EXAMPLE: Final = "scrollback audit export november.zip --since 2026-11-01 --until 2026-12-01"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.zip")
    parser.add_argument("--action", default="", help="only this action, or a family such as 'token.*'")
    parser.add_argument("--actor", default="", help="only what this one did, by the name in the list")
    parser.add_argument("--session", default="", metavar="ID", help="only what concerns this session")
    parser.add_argument("--since", type=moment, metavar="TIME", help="from this ISO 8601 time on")
    parser.add_argument("--until", type=moment, metavar="TIME", help="before this time")
    parser.add_argument(
        "--query", default="", help="only what the page's box finds with this: 'decision:deny project:atlas'"
    )
    parser.add_argument("--no-payloads", dest="payloads", action="store_false", help="leave payloads out")
    parser.add_argument("--force", action="store_true", help="write over the file when it is there")


def run(
    *,
    file: Path,
    action: str,
    actor: str,
    session: str,
    since: int | None,
    until: int | None,
    query: str,
    payloads: bool,
    force: bool,
    **_: Any,
) -> Answer:
    _refuse_unknown(action)
    if not force:
        refuse_existing(file)
    selection = Selection(action, actor, _session_id(session), since, until, parse(query))
    bundle = _bundle(selection, payloads=payloads)
    count = bundle.entry_count()
    note_log_export(
        "bundle", bundle.head, count, selection.conditions(), actor=command_line(), payloads=payloads
    )
    digest = hashlib.sha256()
    size = write_file(file, _passed(bundle.pieces(), digest.update), replace=force)
    document = {
        "file": str(file),
        "bytes": size,
        "sha256": digest.hexdigest(),
        "entries": count,
        "size": bundle.head.size,
        "root": bundle.head.root.hex(),
        "filter": selection.conditions(),
        "payloads": payloads,
    }
    text = f"{file}: {count:,} of {counted(bundle.head.size, 'entry', 'entries')}, {counted(size, 'byte')}"
    return Answer(f"{text}\nCheck it: python3 verify.py {file.name} (the verifier is inside)", document)


def _bundle(selection: Selection, *, payloads: bool) -> Bundle:
    try:
        write_checkpoint()
    except KeyUnavailable as error:
        raise Refused(str(error)) from error
    checkpoint = newest_checkpoint()
    if checkpoint is None:
        raise Refused("The audit log is empty: there is nothing to export.")
    head_in(checkpoint)
    return Bundle(checkpoint, selection, payloads)


def _session_id(name: str) -> uuid.UUID | None:
    """A whole id may be of a session that is long gone: the log still speaks of it."""
    if not name:
        return None
    return whole_id(name) or find_session(name, COMMAND_LINE).pk


def _refuse_unknown(action: str) -> None:
    """A family that is empty is most likely misspelt too."""
    begin = action.removesuffix("*")
    known = catalog.all_actions()
    if action and not (
        action in known or (begin != action and any(name.startswith(begin) for name in known))
    ):
        raise Refused(f"There is no action named {action[:60]!r}.")


def _passed(pieces: Iterable[bytes], look: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        look(piece)
        yield piece
