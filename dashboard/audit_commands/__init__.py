"""What `scrollback audit VERB` does, a module for each verb."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from audit.models import Checkpoint
from audit.notes import NoteError, TreeHead
from audit.signing import unreadable
from dashboard.lib.clock import iso_to_ms
from dashboard.lib.errors import Refused


@dataclass(frozen=True)
class Answer:
    """What a verb has to say: lines for a person, an object for `--json`, and the exit code."""

    text: str
    document: dict[str, Any] = field(default_factory=dict)
    code: int = 0


class Verb(Protocol):
    """A module of this package."""

    @property
    def NAME(self) -> str: ...

    @property
    def TEXT(self) -> str: ...

    @property
    def EXAMPLE(self) -> str: ...

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    @property
    def run(self) -> Callable[..., Answer]:
        """Takes the options by name. Raises Refused."""
        ...


def head_in(checkpoint: Checkpoint) -> TreeHead:
    """What its note says; who signed it stands in the note itself, and is not looked at here. Raises Refused."""
    try:
        return TreeHead.of_note(checkpoint.note)
    except NoteError as error:
        raise Refused(unreadable(checkpoint, error)) from error


def moment(text: str) -> int:
    """The time that an option names, for argparse."""
    found = iso_to_ms(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"a time is written 2026-11-28 or 2026-11-28T12:30Z, not {text!r}")
    return found


def add_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--why", required=True, metavar="TEXT", help="the reason, which the log keeps")


def require_reason(why: str) -> None:
    if not why.strip():
        raise Refused("Say why: the log keeps the reason.")
