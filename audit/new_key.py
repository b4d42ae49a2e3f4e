"""Another key for a log whose own is lost or was seen by somebody."""

import contextlib
import os

from audit.actors import Actor
from audit.keys import KeyUnavailable, key_path
from audit.models import Entry, Log
from audit.notes import Signer
from audit.own_key import present_key
from audit.record import record
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Refused


def replace_key(why: str, *, actor: Actor) -> Entry:
    """Make a new key, and say so in the log with the verifier keys of both; the old one is removed.

    The file changes last in the transaction, just before the commit: whoever signs loads the key after the head,
    so the old one never signs what follows the entry. A crash between the two leaves a new key that the log does
    not know; doing this again mends it. Raises Refused, KeyUnavailable.
    """
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    if log is None or not present_key():
        raise Refused("Nothing was signed yet: the first checkpoint makes the key.")
    path, signer = key_path(log.origin), Signer.new(log.origin)
    temporary, former = path.with_name(f".{path.name}.new.{os.getpid()}"), None
    try:
        former = path.read_bytes() if path.exists() else None
    except OSError:
        # One that cannot be read cannot be put back either; it is of no use to anybody.
        former = None
    replaced = False
    try:
        _write(temporary, (signer.written() + "\n").encode())
        with write_transaction():
            details = {"old": present_key(), "new": str(signer.verifier), "why": why}
            entry = record("key.replaced", actor=actor, details=details)
            os.replace(temporary, path)
            replaced = True
    except OSError as error:
        raise KeyUnavailable(f"The new key cannot be written to {path}: {error.strerror}.") from error
    except BaseException:
        if replaced and former is not None:
            # The entry was not committed.
            _write(temporary, former)
            os.replace(temporary, path)
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    return entry


def _write(path: os.PathLike[str], data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
