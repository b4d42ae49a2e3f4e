"""Checking ranges on all cores, in processes that read the database themselves and know nothing of Django."""

import gc
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from audit.rows import Rows, opened
from audit.segments import Segment, check

#: Below, starting processes takes longer than checking here.
WORTHWHILE: Final = 60_000

_rows: Rows | None = None


class Interrupted(Exception):
    """A process that checked was killed."""


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked(
    ranges: Sequence[tuple[int, int]], sizes: Iterable[int], *, is_sqlite: bool, address: str
) -> Iterator[Segment]:
    """In the order of the ranges. Raises Interrupted."""
    wanted = tuple(sizes)
    # Neither a fork of a process with threads nor one that inherits its database connections.
    with ProcessPoolExecutor(
        usable_cores(), multiprocessing.get_context("spawn"), _open, (is_sqlite, address)
    ) as pool:
        try:
            yield from pool.map(_check, *zip(*ranges, strict=True), [wanted] * len(ranges))
        except BrokenProcessPool as error:
            raise Interrupted("A process that checked the log was killed.") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _open(is_sqlite: bool, address: str) -> None:
    global _rows
    # Looking for cycles among millions of short-lived rows, of which there are none, takes a fifth of the time.
    gc.disable()
    _rows = opened(is_sqlite=is_sqlite, address=address)


def _check(start: int, end: int, sizes: tuple[int, ...]) -> Segment:
    if _rows is None:
        raise RuntimeError("the process has no database")
    return check(_rows, start, end, sizes)
