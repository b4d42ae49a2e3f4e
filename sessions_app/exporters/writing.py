"""Exports into files: whole or not at all, and never over something that is there."""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dashboard.lib.errors import Refused


def write_file(path: Path, pieces: Iterable[bytes], *, replace: bool = False) -> int:
    """Bytes written. The file appears under its name when it is complete, readable by its owner only.

    Raises Refused when it is there already or cannot be written.
    """
    if not replace:
        refuse_existing(path)
    size = 0
    try:
        with _pending(path) as file:
            for piece in pieces:
                size += file.write(piece)
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror or error}. Nothing was left there."
        ) from error
    return size


def refuse_existing(path: Path) -> None:
    if path.exists():
        raise Refused(f"{path} is there already. Name another file, or write over it with --force.")


@contextmanager
def _pending(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its name at the end."""
    pending = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        pending.replace(path)
    except BaseException:
        pending.unlink(missing_ok=True)
        raise
