"""`scrollback audit head`: the newest signed head, to be kept where the server cannot reach it."""

import argparse
from pathlib import Path
from typing import Any, Final

from audit.keys import KeyUnavailable
from audit.qr import head_qr_text
from audit.signing import newest_checkpoint, write_checkpoint
from dashboard.audit_commands import Answer, head_in
from dashboard.audit_commands.pushing import push_note
from dashboard.lib.clock import ms_to_iso
from dashboard.lib.errors import Refused
from dashboard.lib.formatting import counted

NAME: Final = "head"
TEXT: Final = "print the newest signed head of the log, to be kept elsewhere"
EXAMPLE: Final = "scrollback audit head --to /media/stick/scrollback.head"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--to", type=Path, metavar="FILE", help="write it to this file instead")
    ways.add_argument("--push", metavar="URL", help="send it to this address instead (HTTP POST, as text)")
    ways.add_argument("--qr", action="store_true", help="draw it as a QR code instead, to be photographed")


def run(to: Path | None, push: str | None, qr: bool, **_: Any) -> Answer:
    try:
        write_checkpoint()
    except KeyUnavailable as error:
        raise Refused(str(error)) from error
    found = newest_checkpoint()
    if found is None:
        raise Refused("The audit log is empty: there is no head yet.")
    head = head_in(found)
    document = {
        "size": head.size,
        "root": head.root.hex(),
        "at": ms_to_iso(found.at_ms),
        "checkpoint": found.note,
        "key": found.key,
    }
    size = counted(head.size, "entry", "entries")
    if push is not None:
        status = push_note(found.note, push)
        return Answer(f"The head of {size} was sent, and taken.", {**document, "status": status})
    if to is None:
        return Answer(head_qr_text(found.note) if qr else found.note.rstrip("\n"), document)
    try:
        to.write_text(found.note)
    except OSError as error:
        raise Refused(f"{to} cannot be written: {error.strerror}.") from error
    return Answer(f"The head of {size} is in {to}.", {**document, "file": str(to)})
