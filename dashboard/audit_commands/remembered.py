"""The heads that a person's own verifications remember, so that a log that was set back is noticed."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from dashboard.lib.errors import Refused

# Older ones only serve to name where a change lies.
_KEPT: Final = 32
_BETWEEN: Final = "\n--\n"


def usual_place(origin: str) -> Path:
    """A file of the person who verifies, not of the server, for each log."""
    return user_state_path("scrollback") / f"audit-{origin.rpartition('/')[2]}.heads"


@dataclass(frozen=True, slots=True)
class Remembered:
    """Signed notes in a file, the newest last."""

    path: Path

    def notes(self) -> list[str]:
        """Raises Refused."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Refused(f"The remembered heads in {self.path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise Refused(f"{self.path} holds no remembered heads: {error}.") from error
        return [note + "\n" for note in text.removesuffix("\n").split(_BETWEEN) if note.strip()]

    def add(self, note: str) -> None:
        """Raises Refused."""
        notes = self.notes()
        if notes[-1:] == [note]:
            return
        text = _BETWEEN.join(one.removesuffix("\n") for one in [*notes, note][-_KEPT:]) + "\n"
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
