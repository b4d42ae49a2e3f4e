"""Many small reports to the log, from many callers at once: one thread appends what has gathered in one transaction.

A commit that waits for the disk costs the same for one entry as for hundreds. Each caller waits until its batch is
durable, or learns that it is not; nobody's entry is dropped in silence. What was refused or lost is counted, and the
count is an entry, `audit.lost`, as soon as the log takes one again.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from django.db import connection

from audit.actors import SYSTEM
from audit.record import Draft, append_apart
from audit.resending import Outcome, sort_out
from dashboard.lib.clock import now_ms
from dashboard.lib.db import explain, write_transaction
from dashboard.lib.group_commit import Waiting, take_some, write_together

logger = logging.getLogger(__name__)

#: Entries that wait at most; whoever comes when there are more is refused.
MOST_WAITING: Final = 20_000
#: Entries of one transaction: the log's lock is held while it lasts.
MOST_AT_ONCE: Final = 1_000
WAIT_S: Final = 10.0
RETRY_S: Final = 0.25
_STOP_S: Final = 2.0


class NotRecorded(Exception):
    """These entries are not in the log; the message says why. They were counted, and may be sent again."""


class Unconfirmed(NotRecorded):
    """They were being written when the time was up: send them again, under the same ids, to know."""


@dataclass(eq=False, slots=True)
class _Batch(Waiting[Sequence[Draft], list[Outcome]]):
    deadline: float = math.inf
    came_ms: int = 0
    is_taken: bool = False


@dataclass(slots=True)
class _Losses:
    """What is yet to be said in the log."""

    first_ms: int = 0
    last_ms: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, batch: _Batch, reason: str) -> None:
        self.first_ms = min(self.first_ms or batch.came_ms, batch.came_ms)
        self.last_ms = now_ms()
        self.reasons[reason] = self.reasons.get(reason, 0) + batch.size

    def add(self, other: "_Losses") -> None:
        """Back again, as they could not be written."""
        self.first_ms = min(found for found in (self.first_ms, other.first_ms) if found)
        self.last_ms = max(self.last_ms, other.last_ms)
        for reason, number in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + number

    def draft(self) -> Draft:
        details = {
            "count": sum(self.reasons.values()),
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "reasons": self.reasons,
        }
        return Draft("audit.lost", SYSTEM, details=details)


class StreamWriter:
    """The thread, which the first batch starts, and its queue."""

    def __init__(self, *, most_waiting: int = MOST_WAITING, wait_s: float = WAIT_S) -> None:
        self._most_waiting, self._wait_s = most_waiting, wait_s
        self._changed = threading.Condition()
        self._queue: deque[_Batch] = deque()
        self._waiting = 0
        self._losses = _Losses()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def write(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Returns when they are durable, what became of each. Raises NotRecorded.

        Each needs an id: what is in the log under it already is not written again. Inside of a transaction they
        belong to it, as another connection would wait for its lock for ever.
        """
        if connection.in_atomic_block:
            return _append_all([drafts])[0]
        batch = _Batch(drafts, len(drafts), deadline=time.monotonic() + self._wait_s, came_ms=now_ms())
        with self._changed:
            if self._is_stopping:
                # No entry can say so any more.
                logger.error("%s audit events came too late, while the server stops", len(drafts))
                raise self._refused(batch, "stopped", "The server is stopping.")
            if self._waiting + len(drafts) > self._most_waiting:
                raise self._refused(batch, "full", f"{self._waiting:,} events wait already.")
            self._queue.append(batch)
            self._waiting += len(drafts)
            self._start()
            self._changed.notify_all()
        batch.told.wait(self._wait_s)
        with self._changed:
            if batch.is_answered:
                return batch.outcome()
            if batch.is_taken:
                raise Unconfirmed("The log did not answer in time.")
            self._queue.remove(batch)
            self._waiting -= len(drafts)
            raise self._refused(batch, "late", "The log could not take them in time.")

    def stop(self) -> None:
        """Write what waits, and end. What cannot be written in time is told to its callers."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _refused(self, batch: _Batch, reason: str, why: str) -> NotRecorded:
        """Counted; the lock is held."""
        self._losses.count(batch, reason)
        self._start()
        self._changed.notify_all()
        return NotRecorded(why)

    def _start(self) -> None:
        if self._thread is None and not self._is_stopping:
            self._thread = threading.Thread(target=self._run, name="audit-stream", daemon=True)
            self._thread.start()

    # ── In the thread ────────────────────────────────────────────────────────────────────────────────────
    def _run(self) -> None:
        try:
            while self._take_turn():
                pass
        finally:
            connection.close()

    def _take_turn(self) -> bool:
        """Write once what has gathered; False when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._losses.reasons or self._is_stopping)
            if not self._queue and not self._losses.reasons:
                return False
            batches = take_some(self._queue, MOST_AT_ONCE) if self._queue else []
            for batch in batches:
                batch.is_taken = True
            self._waiting -= sum(batch.size for batch in batches)
            losses, self._losses = self._losses, _Losses()
        # In the order of what happened: what was lost came before.
        told = _Batch([losses.draft()]) if losses.reasons else None
        trouble = write_together([told, *batches] if told is not None else batches, _append_all)
        with self._changed:
            self._count_faults(batches)
            if told is not None and told.result is None:
                self._losses.add(losses)
            error = trouble or (told.error if told is not None else None)
            if error is None:
                return True
            why = explain(error)
            self._put_back(batches, why)
            if self._is_stopping:
                self._put_back([*self._queue], why)
                logger.error("%s audit events were lost: %s", sum(self._losses.reasons.values()), why)
                return False
            self._changed.wait_for(lambda: self._is_stopping, RETRY_S)
        return True

    def _count_faults(self, batches: list[_Batch]) -> None:
        """Of those that were just tried. The lock is held."""
        for batch in batches:
            if batch.error is not None:
                self._losses.count(batch, "fault")
                logger.error("Audit events could not be written", exc_info=batch.error)

    def _fail(self, batch: _Batch, reason: str, error: NotRecorded) -> None:
        """The lock is held."""
        self._losses.count(batch, reason)
        batch.answer(error)

    def _put_back(self, batches: list[_Batch], error: str) -> None:
        """To the front of the queue while their callers still wait; the others are lost. The lock is held."""
        for batch in reversed(batches):
            if batch.is_answered:
                continue
            if self._is_stopping or time.monotonic() >= batch.deadline:
                self._fail(batch, "stopped" if self._is_stopping else "late", NotRecorded(error))
            else:
                batch.is_taken = False
                self._waiting += batch.size
                self._queue.appendleft(batch)


def _append_all(batches: Sequence[Sequence[Draft]]) -> list[list[Outcome]]:
    """In one transaction, what became of each draft."""
    with write_transaction():
        new, outcomes = sort_out([draft for batch in batches for draft in batch])
        append_apart(new)
    following = iter(outcomes)
    return [list(islice(following, len(batch))) for batch in batches]


_writer: StreamWriter | None = None
_lock = threading.Lock()


def stream_writer() -> StreamWriter:
    """The one of this process."""
    global _writer
    with _lock:
        if _writer is None:
            _writer = StreamWriter()
        return _writer


def stop_stream() -> None:
    """End it, if there is one."""
    global _writer
    with _lock:
        writer, _writer = _writer, None
    if writer is not None:
        writer.stop()
