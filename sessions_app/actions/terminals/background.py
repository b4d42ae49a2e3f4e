"""A thread that derives what is new in terminals: in `serve` for as long as it runs, in an import meanwhile.

It is woken by the commits of its own process and looks for those of others twice a second, which costs a few
microseconds (dashboard.lib.db.ChangeDetector). Of several processes on one database one does the work. Live
terminals and short ones come first, live ones a few times a second; the others get their turns, so that none waits
for the whole of another.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db import DatabaseError, connection
from django.db.models import Case, Count, F, IntegerField, Sum, When

from dashboard.lib import nudges
from dashboard.lib.bulk import bulk_writing
from dashboard.lib.clock import now_ms
from dashboard.lib.db import ChangeDetector, explain
from dashboard.lib.only_one import OnlyOne
from dashboard.lib.priority import let_others_go_first
from sessions_app.actions.terminals.deriving import derivable, derive
from sessions_app.actions.terminals.working import DEADLINE_S, EngineAway, Workshop
from sessions_app.models import TerminalState
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
# A process that has no turn asks again this often.
TURN_EVERY_S: Final = 2.0
# What was committed is on its way to whoever looks, in threads that would have to share a processor with this one.
LET_NEWS_FIRST_S: Final = 0.05
# Little output of a live terminal is gathered for so long: it is to be found within a second.
GATHER_S: Final = 0.3
GATHER_BYTES: Final = 256 * 1024
# What cannot be read or written is tried again after this long, and each time twice as long.
_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 600.0
_LONGEST_AWAY_S: Final = 5.0
# What is done at once is not made to wait for the others' turns.
_QUICK_BYTES: Final = 1024 * 1024
# Of the others, one keeps its turn for this long: going from one to another costs a fresh start.
_TURN_S: Final = 2.0
_AT_ONCE: Final = 50
_MOST_REMEMBERED: Final = 1_000
_STOP_S: Final = 5.0
_FINISH_EVERY_S: Final = 0.2
# The engine has the most to do in an import, and this thread shares its processor: what waits for the engine may wait.
_NICENESS_IN_BULK: Final = 5
# Whoever waits for the end of it waits so long for a database that fails: others' writes are over by then.
_GIVE_UP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`size` bytes of it wait."""

    terminal_id: uuid.UUID
    is_live: bool
    size: int


@dataclass(slots=True)
class _Trouble:
    """A terminal that failed is left alone until then, and after the next failure for twice as long."""

    until: float
    pause_s: float


class BackgroundDeriving:
    """Started and stopped once, by whoever serves or imports; without an engine it does nothing."""

    def __init__(self, workshop: Workshop | None = None, *, in_bulk: bool = False) -> None:
        """`in_bulk` says that there is much to do, and nobody who waits for each piece to be on the disk."""
        self._workshop = workshop or Workshop()
        self._in_bulk = in_bulk
        self._awake = threading.Event()
        self._stopping = threading.Event()
        # For whoever waits for the end of it.
        self._worked_off = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = OnlyOne("deriving")
        self._has_turn: bool | None = None
        # When each was taken up last; and the one that has its turn, since when.
        self._taken: dict[uuid.UUID, float] = {}
        self._current: uuid.UUID | None = None
        self._current_since = 0.0
        self._troubles: dict[uuid.UUID, _Trouble] = {}
        # Why the database fails, and since when, while it does.
        self._failure: tuple[DatabaseError, float] | None = None

    def start(self) -> None:
        if ENGINE:
            thread = threading.Thread(target=self._run, name="deriving", daemon=True)
            # An interrupt in between must not leave one behind that nobody can wait for.
            thread.start()
            self._thread = thread

    def prepare(self) -> None:
        """Let the engine start: there will be work."""
        if self._thread is not None and self._has_turn is not False:
            self._workshop.prepare()

    def stop(self) -> None:
        """What is not written by now is derived by whoever comes next."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            # It ends after the piece that it is at; an engine that hangs over one ends at its own time limit.
            self._thread.join(_STOP_S)
            self._workshop.stop()
            self._thread.join(_STOP_S)

    def finish(self, changed_since_ms: int, on_progress: Callable[[int], None] | None = None) -> None:
        """Wait until what changed since then is derived; `on_progress` gets the bytes that are left.

        When another process does this work, it is not waited for. Raises DatabaseError when the database has failed for
        a while: what is left is derived by whoever comes next.
        """
        recent = derivable().filter(updated_ms__gte=changed_since_ms)
        while self._thread is not None and self._thread.is_alive() and self._has_turn is not False:
            left = recent.exclude(pk__in=list(self._troubles)).aggregate(
                count=Count("pk"), size=Sum(F("size") - F("derived_size"))
            )
            if not left["count"]:
                return
            failure = self._failure
            if failure is not None and time.monotonic() - failure[1] >= _GIVE_UP_S:
                raise failure[0]
            if on_progress is not None:
                on_progress(left["size"])
            self._worked_off.wait(_FINISH_EVERY_S)
            self._worked_off.clear()

    def _run(self) -> None:
        if self._in_bulk:
            let_others_go_first(_NICENESS_IN_BULK)
        stop_listening = nudges.listen(self._awake.set)
        detector = ChangeDetector()
        due: float | None = None
        away_s = 0.0
        try:
            while not self._stopping.is_set():
                try:
                    if detector.changed() or (due is not None and time.monotonic() >= due):
                        due = self._work_off() if self._take_turn() else time.monotonic() + TURN_EVERY_S
                        self._worked_off.set()
                    away_s, self._failure = 0.0, None
                except DatabaseError as error:
                    self._failure = error, self._failure[1] if self._failure else time.monotonic()
                    away_s = min(_LONGEST_AWAY_S, away_s * 2 or LOOK_EVERY_S)
                    logger.debug("nothing can be derived: %s", explain(error))
                    connection.close()
                    detector.close()
                except EngineAway as error:
                    if not away_s and not self._stopping.is_set():
                        logger.warning(
                            "nothing can be derived, the terminal engine does not start: %s", error
                        )
                    away_s = min(_LONGEST_RETRY_S, away_s * 2 or _RETRY_S)
                    due = time.monotonic()
                    # Another process may have one that starts.
                    self._turn.release()
                    self._has_turn = False
                self._rest(away_s, due)
        finally:
            stop_listening()
            detector.close()
            self._turn.release()
            connection.close()

    def _rest(self, away_s: float, due: float | None) -> None:
        pause_s = away_s or LOOK_EVERY_S
        if due is not None and not away_s:
            pause_s = max(0.0, min(pause_s, due - time.monotonic()))
        if away_s:
            self._stopping.wait(pause_s)
        elif self._awake.wait(pause_s) and not self._in_bulk:
            self._stopping.wait(LET_NEWS_FIRST_S)
        self._awake.clear()

    def _take_turn(self) -> bool:
        self._has_turn = self._turn.take()
        return self._has_turn

    def _work_off(self) -> float | None:
        """Derive what is due. When the next is, None when nothing waits."""
        with bulk_writing() if self._in_bulk else nullcontext():
            return self._derive_what_is_due()

    def _derive_what_is_due(self) -> float | None:
        while not self._stopping.is_set():
            waiting = _waiting()
            self._forget_others({row.terminal_id for row in waiting})
            now = time.monotonic()
            due = {row.terminal_id: self._due(row) for row in waiting}
            ready = [row for row in waiting if due[row.terminal_id] <= now]
            if not ready:
                return min(due.values(), default=None)
            quick = [row for row in ready if row.is_live or row.size < _QUICK_BYTES]
            long = [row for row in ready if row not in quick]
            for row in [*quick, *([self._in_turn(long, now)] if long else [])]:
                self._derive(row.terminal_id)
        return None

    def _in_turn(self, ready: Sequence[_Waiting], now: float) -> _Waiting:
        """For a while the same one, then the one that has waited the longest."""
        current = next((row for row in ready if row.terminal_id == self._current), None)
        if current is None or now - self._current_since >= _TURN_S:
            current = min(ready, key=lambda row: self._taken.get(row.terminal_id, 0.0))
            self._current, self._current_since = current.terminal_id, now
        return current

    def _due(self, row: _Waiting) -> float:
        trouble = self._troubles.get(row.terminal_id)
        if trouble is not None:
            return trouble.until
        if row.is_live and row.size < GATHER_BYTES:
            return self._taken.get(row.terminal_id, 0.0) + GATHER_S
        return 0.0

    def _derive(self, terminal_id: uuid.UUID) -> None:
        if self._stopping.is_set():
            return
        self._taken[terminal_id] = time.monotonic()
        try:
            derive(terminal_id, self._workshop)
            self._troubles.pop(terminal_id, None)
        except (DatabaseError, EngineAway):
            raise
        except Exception as error:
            # The thread must outlive whatever one recording does, or no other would ever be derived again.
            self._leave_alone(terminal_id, error)

    def _leave_alone(self, terminal_id: uuid.UUID, error: Exception) -> None:
        if self._stopping.is_set():
            return
        before = self._troubles.get(terminal_id)
        if before is None:
            logger.warning("terminal %s cannot be derived", terminal_id, exc_info=error)
        pause_s = min(before.pause_s * 2, _LONGEST_RETRY_S) if before is not None else _RETRY_S
        self._troubles[terminal_id] = _Trouble(time.monotonic() + pause_s, pause_s)

    def _forget_others(self, waiting: set[uuid.UUID]) -> None:
        """Of terminals that do not wait, only when the newest were taken up is of any use."""
        if len(self._taken) > _MOST_REMEMBERED:
            self._taken = {key: at for key, at in self._taken.items() if key in waiting}
        for key in self._troubles.keys() - waiting:
            del self._troubles[key]


class Meanwhile(NamedTuple):
    """What goes on beside: `prepare` says that there will be work, `finish` waits until all of it is done."""

    prepare: Callable[[], None]
    # With what is to be told of the bytes that are left.
    finish: Callable[[Callable[[int], None] | None], None]


@contextmanager
def deriving_meanwhile() -> Iterator[Meanwhile]:
    """Derive what is changed inside, beside whatever is done there."""
    started_ms = now_ms()
    # What the engine does goes before what it waits for, or in the end it would be alone at work.
    workshop = Workshop(EngineProcess(deadline_s=DEADLINE_S, niceness=0))
    background = BackgroundDeriving(workshop, in_bulk=True)
    background.start()
    try:
        yield Meanwhile(background.prepare, lambda on_progress: background.finish(started_ms, on_progress))
    finally:
        background.stop()


def _waiting() -> list[_Waiting]:
    """Live ones first, then what was written last."""
    is_live = Case(
        When(state=TerminalState.LIVE, source=None, then=1), default=0, output_field=IntegerField()
    )
    rows = derivable().annotate(is_live=is_live).order_by("-is_live", "-updated_ms")
    found = rows.values_list("pk", "is_live", F("size") - F("derived_size"))
    return [_Waiting(pk, bool(is_live), size) for pk, is_live, size in found[:_AT_ONCE]]
