"""The key that signs checkpoints: a file beside the database, never in it.

Whoever steals the database cannot sign. The file is made with the log's first checkpoint; when it is gone later
it is not made anew, as that would hide that the old one is lost: `scrollback audit new-key` does it and says so in
the log.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from django.conf import settings

from audit.notes import NoteError, Signer, Verifier


class KeyUnavailable(Exception):
    """The key cannot be used; the message says why and what to do."""


class KeyMissing(KeyUnavailable):
    """There is none, which is as it should be before the first checkpoint."""


class KeyOutOfReach(KeyUnavailable):
    """This user may not read it, as it should be for anybody but the server's."""


class KeyStrange(KeyUnavailable):
    """It is a sound key, and not the one that this log is signed with."""


_REMEDY: Final = (
    "Put it back from a backup of the data directory, or make another one: scrollback audit new-key."
)


def key_path(origin: str) -> Path:
    """One for each log: a home may have been used with another database before."""
    return Path(settings.HOME) / f"audit-{origin.rpartition('/')[2]}.key"


def load_key(origin: str) -> Signer:
    """Raises KeyUnavailable."""
    path = key_path(origin)
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyMissing(f"The key of the audit log, {path}, is missing. {_REMEDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        kind = KeyOutOfReach if isinstance(error, PermissionError) else KeyUnavailable
        raise kind(
            f"The key of the audit log, {path}, cannot be read: {reason}. It has to belong to the user that "
            "runs the server, with mode 0600."
        ) from error
    try:
        signer = Signer.parse(text)
    except NoteError as error:
        raise KeyUnavailable(f"The key of the audit log, {path}, is damaged: {error}. {_REMEDY}") from error
    if signer.name != origin:
        raise KeyUnavailable(
            f"{path} is the key of another log ({signer.name}); this one is {origin}. Put the right one back."
        )
    return signer


def exposure(origin: str) -> str:
    """That others than its owner may read or write the file, and what to do; "" when they may not, or it is gone."""
    path = key_path(origin)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    if not mode & 0o077:
        return ""
    return (
        f"The key of the audit log, {path}, is open to others ({mode:04o}), who could sign in its place: "
        f"chmod 600 {path}. If anybody may have read it, then: scrollback audit new-key."
    )


def make_key(origin: str) -> Signer:
    """A new key in its file, readable by its owner only; another process that was quicker has made it.

    Raises KeyUnavailable.
    """
    path, new = key_path(origin), Signer.new(origin)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new.written() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    except OSError as error:
        raise KeyUnavailable(
            f"The key of the audit log cannot be written to {path}: {error.strerror}."
        ) from error
    return load_key(origin)


def public_key(origin: str) -> Verifier:
    """Raises KeyUnavailable."""
    return load_key(origin).verifier
