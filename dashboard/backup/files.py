"""The file of a backup: it appears under its name when it is complete, and never over another."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dashboard.lib.errors import Refused
from dashboard.lib.text import storable

_PIECE_BYTES: Final = 1_048_576


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, for its owner alone, that takes its name at the end. Raises Refused.

    Whatever happens inside, nothing is left but the whole.
    """
    if os.path.lexists(path):
        raise Refused(_is_there(path))
    pending = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield pending
        _take_name(pending, path)
    finally:
        pending.unlink(missing_ok=True)


def _take_name(pending: Path, path: Path) -> None:
    """Not with a hard link, which the file systems of many sticks do not have."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise Refused(_is_there(path)) from None
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    try:
        pending.replace(path)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise Refused(f"{path} cannot be written: {error.strerror}. Nothing was left there.") from error
    with suppress(OSError):
        # Not every file system can be told to keep a name.
        sync(path.parent)


def _is_there(path: Path) -> str:
    return f"{path} is there already, and a backup is never written over anything. Name another file."


def shown(path: Path) -> str:
    """Its name as standard output takes it: a byte that is no UTF-8 is a byte of the name all the same."""
    return storable(str(path))


def sync(path: Path) -> None:
    """Let the disk have what was written. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Raises Refused when it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()
