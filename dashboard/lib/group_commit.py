"""What many callers write at once, in one transaction: a commit that waits for the disk costs one as much as all.

Nobody waits for a timer. Whoever comes while nothing is being written writes at once, and what gathers meanwhile is the
next transaction.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connection

from dashboard.lib.db import is_deadlock


@dataclass(eq=False, slots=True)
class Waiting[Item, Result]:
    """What one caller wants written. It was answered when there is a result or an error."""

    item: Item
    # In whatever unit a transaction is limited.
    size: int = 1
    result: Result | None = None
    error: Exception | None = None
    # Set with the answer, and whenever the caller has something else to do.
    told: threading.Event = field(default_factory=threading.Event)

    @property
    def is_answered(self) -> bool:
        return self.result is not None or self.error is not None

    def answer(self, outcome: Result | Exception) -> None:
        if isinstance(outcome, Exception):
            self.error = outcome
        else:
            self.result = outcome
        self.told.set()

    def outcome(self) -> Result:
        """Raises the error. Only for what was answered."""
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise RuntimeError("nobody has answered yet")
        return self.result


#: Writes items in one transaction. Where one is refused, that takes the place of its result; what it raises undoes all.
type Write[Item, Result] = Callable[[Sequence[Item]], Sequence[Result | Exception]]


def take_some[W: Waiting[Any, Any]](queue: deque[W], most: int, first: W | None = None) -> list[W]:
    """Out of the queue what one transaction takes: no more than `most` together, but for a first that is larger.

    `first` was taken out already.
    """
    taken = [queue.popleft() if first is None else first]
    size = taken[0].size
    while queue and size + queue[0].size <= most:
        taken.append(queue.popleft())
        size += taken[-1].size
    return taken


def write_together[Item, Result](
    waiting: Sequence[Waiting[Item, Result]], write: Write[Item, Result]
) -> Error | None:
    """Answer all of them after one transaction; where one is at fault, each after one of its own.

    Returns why the database takes nothing at present: who is not answered yet then has nothing stored.
    """
    try:
        outcomes = write([each.item for each in waiting])
    except (OperationalError, InterfaceError) as error:
        if len(waiting) > 1 and is_deadlock(error):
            return _write_apart(waiting, write)
        connection.close()
        return error
    except Exception as error:
        # One of them is at fault, and not the database: the others must not pay for it.
        if len(waiting) > 1:
            return _write_apart(waiting, write)
        waiting[0].answer(error)
        return None
    for each, outcome in zip(waiting, outcomes, strict=True):
        each.answer(outcome)
    return None


def _write_apart[Item, Result](
    waiting: Sequence[Waiting[Item, Result]], write: Write[Item, Result]
) -> Error | None:
    for each in waiting:
        if (trouble := write_together([each], write)) is not None:
            return trouble
    return None


class GroupCommit[Item, Result]:
    """The callers write for one another: the first of those that wait is the one that writes for all of them.

    There is no thread of its own to hand over to, so whoever is alone waits for nothing but the commit.
    """

    def __init__(
        self, write: Write[Item, Result], *, most_at_once: int, writers: Callable[[], int] = lambda: 1
    ) -> None:
        """One transaction takes items of `most_at_once` together, in the unit of `commit`, or a larger one alone.

        `writers` is how many transactions there may be at the same time; with more than one, what is sent at once may
        be committed in any order.
        """
        self._write = write
        self._most_at_once = most_at_once
        self._most_writers = writers
        self._lock = threading.Lock()
        # As long as anybody waits, as many write as may.
        self._queue: deque[Waiting[Item, Result]] = deque()
        self._writers = 0

    def commit(self, item: Item, size: int = 1) -> Result:
        """Returns once it is durable. Raises what `write` has against it, or why the database could not commit.

        Inside of a transaction it belongs to that one.
        """
        mine = Waiting[Item, Result](item, size)
        if connection.in_atomic_block:
            mine.answer(self._write([item])[0])
            return mine.outcome()
        most = self._most_writers()
        with self._lock:
            waits = self._writers >= most
            if waits:
                self._queue.append(mine)
            else:
                self._writers += 1
        if waits:
            mine.told.wait()
        if not mine.is_answered:
            self._write_for_all(mine)
        return mine.outcome()

    def _write_for_all(self, mine: Waiting[Item, Result]) -> None:
        """One transaction for the caller and those that wait; then the first of those that came meanwhile writes."""
        with self._lock:
            taken = take_some(self._queue, self._most_at_once, mine)
        trouble: BaseException | None = None
        try:
            trouble = write_together(taken, self._write)
        except BaseException as interruption:
            trouble = interruption
            raise
        finally:
            with self._lock:
                following = self._queue.popleft() if self._queue else None
                if following is None:
                    self._writers -= 1
            if following is not None:
                following.told.set()
            for each in taken:
                if not each.is_answered:
                    each.answer(_of_ones_own(trouble))


def _of_ones_own(trouble: BaseException | None) -> Exception:
    """Each thread raises an error of its own, as its traceback grows where it is raised."""
    if isinstance(trouble, Error):
        own = type(trouble)(*trouble.args)
        own.__cause__ = trouble.__cause__
        return own
    return RuntimeError(f"whoever wrote this for others was interrupted: {trouble!r}")
