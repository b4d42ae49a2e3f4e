"""Whether the log can be trusted to take the next entry, and what to do where it cannot."""

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import DatabaseError

from audit import triggers
from audit.keys import KeyUnavailable, key_path, load_key
from audit.models import Checkpoint, Entry, Log
from dashboard.lib.clock import now_ms
from dashboard.lib.db import explain, sqlite_path
from dashboard.lib.errors import Refused

# An entry is signed within a second; a busy machine is forgiven some more.
LATE_MS: Final = 4_000
# Less room than this and the next write may fail half-way.
LEAST_FREE_BYTES: Final = 16 * 1024 * 1024
# One answer serves every page and probe for so long.
_FRESH_S: Final = 1.0

_lock = threading.Lock()
_known: "tuple[float, Health] | None" = None


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong, each with what to do; nothing when all is well."""

    #: Somebody has to do something: entries cannot be written, signed or protected.
    grave: tuple[str, ...] = ()
    #: What a moment may mend.
    passing: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        return self.grave + self.passing

    def __bool__(self) -> bool:
        return not self.problems


def health() -> Health:
    """As it was at most a second ago."""
    global _known
    with _lock:
        if _known is None or time.monotonic() - _known[0] >= _FRESH_S:
            _known = time.monotonic(), _look()
        return _known[1]


def last_health() -> Health:
    """As whoever looked last found it, a server's signing thread every few seconds: a page asks nothing for it."""
    return Health() if _known is None else _known[1]


def require_sound_log() -> None:
    """What a server asks before it starts. Raises Refused."""
    gone = triggers.missing()
    if gone:
        raise Refused(
            f"The audit log is not protected: the trigger {gone[0]} is missing"
            + (f", and {len(gone) - 1} more" if gone[1:] else "")
            + ". Put them back with `python manage.py migrate`, then run `scrollback audit verify`."
        )
    trouble = _key_trouble()
    if trouble:
        raise Refused(trouble)


def _look() -> Health:
    grave: tuple[str, ...]
    passing: tuple[str, ...]
    try:
        grave = (_room_trouble(), _key_trouble(), _trigger_trouble())
        passing = (_signing_trouble(),)
    except DatabaseError as error:
        grave, passing = (explain(error),), ()
    return Health(tuple(filter(None, grave)), tuple(filter(None, passing)))


def _room_trouble() -> str:
    path = sqlite_path()
    if path is None:
        return ""
    try:
        free = shutil.disk_usage(Path(path).parent).free
    except OSError as error:
        return f"The folder of the database cannot be looked at: {error.strerror}."
    if free >= LEAST_FREE_BYTES:
        return ""
    return (
        "The disk that holds the database is full: nothing that has to be in the audit log can be done. "
        "Free some space."
    )


def _key_trouble() -> str:
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    if log is None:
        return ""
    if not key_path(log.origin).exists() and not Checkpoint.objects.exists():
        # The first checkpoint makes it.
        return ""
    try:
        load_key(log.origin)
    except KeyUnavailable as error:
        return str(error)
    return ""


def _trigger_trouble() -> str:
    gone = triggers.missing()
    return f"The audit log is not protected: triggers are missing ({', '.join(gone)})." if gone else ""


def _signing_trouble() -> str:
    signed = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    oldest = Entry.objects.filter(idx=signed).values_list("at_ms", flat=True).first()
    if oldest is None or now_ms() - oldest < LATE_MS:
        return ""
    return "The newest entries of the audit log are not signed yet; the server's log says why."
