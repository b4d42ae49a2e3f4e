"""What a person's own verifications remember of a database: its key and its heads, so that another log in the place of
the one that was there is noticed, and one that was set back."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from platformdirs import user_state_path

from audit.notes import NoteError, TreeHead
from dashboard.lib.errors import Refused

# Older ones only serve to name where a change lies.
_KEPT: Final = 32
_BETWEEN: Final = "\n--\n"


def usual_place(database: str) -> Path:
    """A file of the person who verifies, not of the server, for each database.

    By its address, which whoever verifies has chosen: the name of a log is the word of what is being judged.
    """
    return _folder() / f"audit-{hashlib.sha256(database.encode()).hexdigest()[:16]}.heads"


def others(path: Path) -> Iterator["Remembered"]:
    """What is remembered of other databases. Raises Refused."""
    for found in sorted(_folder().glob("audit-*.heads")):
        if found != path:
            yield Remembered.read(found)


def _folder() -> Path:
    return user_state_path("scrollback")


@dataclass(frozen=True, slots=True)
class Remembered:
    """In a file: which database it is of, the verifier key, and signed notes, the newest last."""

    path: Path
    database: str = ""
    key: str = ""
    notes: tuple[str, ...] = ()

    @property
    def head(self) -> TreeHead | None:
        """The newest one."""
        try:
            return TreeHead.parse(self.notes[-1].partition("\n\n")[0] + "\n") if self.notes else None
        except NoteError:
            return None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Nothing where there is no file. Raises Refused."""
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise Refused(f"The remembered heads in {path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise Refused(f"{path} holds no remembered heads: {error}.") from error
        facts, *notes = text.removesuffix("\n").split(_BETWEEN)
        known = dict(line.partition(" ")[::2] for line in facts.splitlines())
        return cls(
            path,
            known.get("database", ""),
            known.get("key", ""),
            tuple(note + "\n" for note in notes if note.strip()),
        )

    def with_head(self, note: str, *, key: str, database: str) -> Self:
        notes = self.notes if self.notes[-1:] == (note,) else (*self.notes, note)[-_KEPT:]
        return replace(self, database=database, key=key, notes=notes)

    def write(self) -> None:
        """Raises Refused."""
        text = _BETWEEN.join([f"database {self.database}\nkey {self.key}", *_stripped(self.notes)]) + "\n"
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError as error:
            raise Refused(f"The head cannot be remembered in {self.path}: {error.strerror}.") from error

    def forget(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def _stripped(notes: Sequence[str]) -> list[str]:
    return [note.removesuffix("\n") for note in notes]
