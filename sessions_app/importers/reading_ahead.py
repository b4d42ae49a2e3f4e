"""Reading in a process of its own, ahead of the one that writes: a large import then uses two cores.

Reading (parsing, compressing, hashing) and writing cost about the same. The reader gets jobs and gives back
batches, as plain values over a pipe; it never opens the database. It ends as soon as this process does,
however that ends, and when it dies itself, the file that it was reading is reported and the others are read
by another.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from sessions_app.actions.imports import Batch
from sessions_app.importers.reader_process import ReadingEnd, serve
from sessions_app.importers.reading import Job, SourceError, SourceReader, SourceRewritten

type _Pipe = "Connection[Any, Any]"
type Read = Callable[[Iterable[Job]], Iterator[tuple[Job, Iterator[Batch]]]]

# A second process takes a second to start; less than this is read sooner without it.
WORTHWHILE_BYTES = 48 * 1024 * 1024
# Jobs that the reader has beside the one whose batches are being taken.
JOBS_AHEAD = 40


def jobs_reader(size: int) -> contextlib.AbstractContextManager[Read]:
    """How to read jobs of about `size` bytes in all: each job comes back with its batches, in order.

    Taking batches raises SourceError, or SourceRewritten when the file does not continue what was read.
    """
    return _ahead() if size >= WORTHWHILE_BYTES and usable_cores() > 1 else _here()


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _here() -> Iterator[Read]:
    yield read_here


def read_here(jobs: Iterable[Job]) -> Iterator[tuple[Job, Iterator[Batch]]]:
    for job in jobs:
        yield job, SourceReader(job).batches()


@contextlib.contextmanager
def _ahead() -> Iterator[Read]:
    reader = ReaderProcess()
    try:
        yield reader.read
    finally:
        reader.stop()


class ReaderProcess:
    """One process at a time; a dead one is replaced when the next job is due."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: _Pipe | None = None
        self._sent: deque[Job] = deque()

    def read(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Iterator[Batch]]]:
        waiting: deque[Job] = deque()
        for job in jobs:
            waiting.append(job)
            self._send(job)
            if len(waiting) > JOBS_AHEAD:
                yield waiting[0], self._batches(waiting.popleft())
        while waiting:
            yield waiting[0], self._batches(waiting.popleft())

    def stop(self) -> None:
        """End the process; quiet when there is none."""
        process, self._process = self._process, None
        if self._connection is not None:
            # The reader ends when its pipe does.
            self._connection.close()
            self._connection = None
        if process is not None:
            process.join(2)
            process.kill()
            process.join()

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def _send(self, job: Job) -> None:
        self._sent.append(job)
        # When it has died, whoever takes the batches of the job that it was at finds out and replaces it.
        with contextlib.suppress(OSError):
            self._running().send_bytes(pickle.dumps(job))

    def _running(self) -> _Pipe:
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs,), name="reader", daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _batches(self, job: Job) -> Iterator[Batch]:
        while True:
            try:
                answer = pickle.loads(self._running().recv_bytes())  # noqa: S301  our own process wrote it
            except (EOFError, OSError):
                raise SourceError(self._replace_dead()) from None
            if isinstance(answer, Batch):
                yield answer
                continue
            self._sent.popleft()
            if answer is ReadingEnd.REWRITTEN:
                raise SourceRewritten
            if answer is not ReadingEnd.DONE:
                raise SourceError(answer)
            return

    def _replace_dead(self) -> str:
        """Give up the job that it died of, send the others anew; returns what to say."""
        process = self._process
        self.stop()
        self._sent.popleft()
        jobs, self._sent = self._sent, deque()
        for job in jobs:
            self._send(job)
        status = process.exitcode if process is not None else None
        how = (
            f"was killed by {signal.Signals(-status).name}" if status and status < 0 else f"ended ({status})"
        )
        return f"the process that read it {how}"
