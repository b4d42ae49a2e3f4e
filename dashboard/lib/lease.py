"""Leases that end with their process, however it ends: files that are locked while it lives."""

import fcntl
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self


class Lease:
    """Held from `with` to its end. The text says what it is held for; others read it while it is held."""

    def __init__(self, folder: Path, text: str) -> None:
        self._path = folder / f"{uuid.uuid4().hex}.lease"
        self._text = text
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        # Locked before there is anything to read: an empty file is nobody's yet.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.write(self._descriptor, self._text.encode("utf-8", "surrogateescape"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def held_leases(folder: Path) -> list[str]:
    """The texts of the leases that living processes hold; what dead ones left is cleared away."""
    texts = []
    for path in sorted(folder.glob("*.lease")):
        try:
            with path.open("r+b") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    texts.append(file.read().decode("utf-8", "surrogateescape"))
                else:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
    return texts
