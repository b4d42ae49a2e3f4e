"""What this machine is called: the same as long as its data directory is.

A history is known by its machine and its path, so under another name everything would be imported once more. A host
is called otherwise with each container, and on some systems with each network.
"""

import contextlib
import os
import secrets
import socket
from pathlib import Path
from typing import Final

from dashboard.lib.errors import Refused
from dashboard.lib.text import storable

#: As many as a source's `host` has. `sessions_app/client/home.py` reads the same file.
MAX_CHARS: Final = 255
_MAX_BYTES: Final = 4 * MAX_CHARS + 1024


class NameUnusable(Refused):
    """The file names nothing; `problem` and `remedy` are the two sentences of the message."""

    def __init__(self, path: Path, trouble: str) -> None:
        self.problem = f"{path}, which names this machine, {trouble}."
        self.remedy = (
            "Write into it the name that its histories are known by, or delete it: then it is made again with the "
            f'name of the host, "{host_name()}".'
        )
        super().__init__(f"{self.problem} {self.remedy}")


def name_path(home: Path) -> Path:
    return home / "machine.name"


def host_name() -> str:
    """What the host is called now."""
    return storable(socket.gethostname())


def machine_name(home: Path) -> str:
    """The name that the data directory keeps. The first use keeps that of the host; where nothing can be written, or
    the host has none, it is that one for this time. Raises NameUnusable.
    """
    kept = kept_name(home)
    if kept is not None:
        return kept
    name = host_name()
    if not _is_name(name):
        return name
    try:
        _keep(home, name)
    except OSError:
        # What cannot go on without a data directory says so itself, and `scrollback doctor` does.
        return name
    # Another process may have been faster.
    return kept_name(home) or name


def kept_name(home: Path) -> str | None:
    """None before the first use. Raises NameUnusable."""
    path = name_path(home)
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NameUnusable(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NameUnusable(path, "is not one line of text") from error
    if not text:
        raise NameUnusable(path, "is empty")
    if len(text) > MAX_CHARS:
        raise NameUnusable(path, f"is longer than {MAX_CHARS} characters")
    if not _is_name(text):
        raise NameUnusable(path, "is not one line of text")
    return text


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_CHARS and text.isprintable() and text == text.strip()


def _keep(home: Path, name: str) -> None:
    """Unless there is one. It is whole from its first moment, and its owner's alone. Raises OSError."""
    path = name_path(home)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink()
