"""The strip on every page of the log: how far it is verified, its newest signed head, and what is wrong."""

from dataclasses import dataclass
from typing import Self

from audit.health import health
from audit.models import Checkpoint
from audit.notes import NoteError, TreeHead
from audit.signing import newest_checkpoint, unreadable
from audit.standing import Standing, standing

_ROOT_CHARS = 12


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head as pages show it."""

    size: int
    at_ms: int
    note: str
    key: str
    origin: str
    root: str

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """Raises NoteError when the stored note is none."""
        head = TreeHead.of_note(checkpoint.note)
        return cls(head.size, checkpoint.at_ms, checkpoint.note, checkpoint.key, head.origin, head.root.hex())

    @property
    def short_root(self) -> str:
        return self.root[:_ROOT_CHARS]

    @property
    def file_name(self) -> str:
        return f"{self.origin.replace('/', '-')}-{self.size}.head"


@dataclass(frozen=True, slots=True)
class Strip:
    standing: Standing
    #: None where none is signed yet, or where `head_trouble` says why the newest cannot be shown.
    head: Head | None
    head_trouble: str
    problems: tuple[str, ...]


def strip() -> Strip:
    head, trouble = _newest_head()
    return Strip(standing(), head, trouble, health().problems)


def _newest_head() -> tuple[Head | None, str]:
    checkpoint = newest_checkpoint()
    if checkpoint is None:
        return None, ""
    try:
        return Head.of(checkpoint), ""
    except NoteError as error:
        return None, unreadable(checkpoint, error)
