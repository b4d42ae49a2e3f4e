"""Whether the log can be trusted to take the next entry, and what to do where it cannot."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, connection
from django.db.models import Subquery

from audit import triggers
from audit.models import Checkpoint, Entry, Log
from audit.own_key import key_trouble
from audit.record import LOG_LOCK, DamagedLog, damage, frontier_of
from dashboard.lib.background import BackgroundThread, faults
from dashboard.lib.clock import now_ms
from dashboard.lib.db import explain
from dashboard.lib.errors import Refused
from dashboard.lib.writable import waiting_for_locks, write_trouble

logger = logging.getLogger(__name__)

# An entry is signed within a second; a busy machine is forgiven some more.
LATE_MS: Final = 4_000
# A lock that is held for longer is a trouble. Imports hold SQLite's for a second at a time.
LOCKED_MS: Final = 2_500
# One answer serves every page and probe for so long.
_FRESH_S: Final = 1.0
# With the wait for a lock, what is wrong is on the pages within five seconds.
_WATCH_EVERY_S: Final = 2.0

_lock = threading.Lock()
_known: "tuple[float, Health] | None" = None


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong, each with what to do; nothing when all is well."""

    #: Somebody has to do something: entries cannot be written, signed, protected or looked after.
    grave: tuple[str, ...] = ()
    #: What a moment may mend.
    passing: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        return self.grave + self.passing

    def __bool__(self) -> bool:
        return not self.problems


def health() -> Health:
    """As it was found at most a second ago."""
    global _known
    with _lock:
        if _known is None or time.monotonic() - _known[0] >= _FRESH_S:
            found = _look()
            # Its age counts from the end: looking may take seconds, and those who waited for it are not to look anew.
            _known = time.monotonic(), found
        return _known[1]


def last_health() -> Health:
    """As whoever looked last found it, a server's own thread every few seconds: a page asks nothing for it."""
    return Health() if _known is None else _known[1]


def require_sound_log() -> None:
    """What a server asks before it starts. Raises Refused."""
    gone = triggers.missing()
    if gone:
        raise Refused(
            f"The audit log is not protected: the trigger {gone[0]} is missing or not the right one"
            + (f", and {len(gone) - 1} more" if gone[1:] else "")
            + ". Put them back with `python manage.py migrate`, then run `scrollback audit verify`."
        )
    trouble = key_trouble()
    if trouble:
        raise Refused(trouble)


class HealthWatch(BackgroundThread):
    """Looks every few seconds, in a server: its pages know of trouble without asking for it."""

    def __init__(self) -> None:
        super().__init__("audit-health", _WATCH_EVERY_S)

    def look(self) -> None:
        health()
        # It may be broken, and on Postgres somebody else may want it meanwhile.
        connection.close()


def _look() -> Health:
    grave: tuple[str, ...]
    passing: tuple[str, ...]
    try:
        trouble = write_trouble((Entry, Log), LOG_LOCK, wait_ms=LOCKED_MS)
        if trouble:
            # Whatever else is asked might wait for the same lock.
            return Health((f"Nothing that has to be in the audit log can be done. {trouble}",))
        with waiting_for_locks(LOCKED_MS):
            grave = (_log_trouble(), key_trouble(), _trigger_trouble(), *faults())
            passing = (_signing_trouble(),)
    except DatabaseError as error:
        grave, passing = (explain(error),), ()
    except Exception as error:
        # This is what says to people that something is wrong: it says so of itself too.
        logger.exception("How the audit log stands cannot be told")
        grave = (f"How the audit log stands cannot be told: {explain(error)}. The server's log says where.",)
        passing = ()
    return Health(tuple(filter(None, grave)), tuple(filter(None, passing)))


def _log_trouble() -> str:
    """Why nothing can be appended to what is stored; what more is wrong with it, a verification finds."""
    # Together, as others append meanwhile.
    newest = Subquery(Entry.objects.newest_first().values("idx")[:1])
    log = Log.objects.filter(pk=Log.THE_ONE).annotate(newest=newest).first()
    if log is None:
        return damage("the row that says how far it reaches is gone") if Entry.objects.exists() else ""
    if (-1 if log.newest is None else log.newest) != log.size - 1:
        return damage(f"its row says that it has {log.size:,} entries, and the newest is {log.newest}")
    try:
        frontier_of(log)
    except DamagedLog as error:
        return str(error)
    return ""


def _trigger_trouble() -> str:
    gone = triggers.missing()
    return (
        f"The audit log is not protected: triggers are missing or not the right ones ({', '.join(gone)})."
        if gone
        else ""
    )


def _signing_trouble() -> str:
    newest = Checkpoint.objects.newest()
    signed = 0 if newest is None else newest.size
    oldest = Entry.objects.filter(idx=signed).values_list("at_ms", flat=True).first()
    if oldest is None or now_ms() - oldest < LATE_MS:
        return ""
    return "The newest entries of the audit log are not signed yet; the server's log says why."
