"""The other end of reading_ahead: a process that reads sources and never opens the database.

Django is set up here before anything that needs it is imported, so this module imports none of it.
"""

import enum
import functools
import os
import pickle
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

# Read ahead, at most this much is kept for the writer beyond what is on its way.
MAX_WAITING_BYTES = 16 * 1024 * 1024
# Of a recording, what is read ahead waits in any case for the engine, which has the most to do.
_NICENESS_OF_RECORDINGS = 15


class ReadingEnd(enum.Enum):
    """How a job ended; a text instead says why it failed."""

    DONE = enum.auto()
    REWRITTEN = enum.auto()


def serve(connection: "Connection[Any, Any]") -> None:
    """Do jobs until the writer's end of the pipe is closed, which is also what its death does."""
    # An interrupt at the keyboard is for the writer, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_take_jobs, args=(connection, jobs), daemon=True).start()
    outbox = _Outbox(connection)

    import django

    django.setup()
    from dashboard.lib.collecting import seldom_collecting

    with seldom_collecting():
        while True:
            _do(pickle.loads(jobs.get()), outbox)  # noqa: S301  the writer's own process wrote it


def _take_jobs(connection: "Connection[Any, Any]", jobs: "queue.SimpleQueue[bytes]") -> None:
    try:
        while True:
            jobs.put(connection.recv_bytes())
    except (EOFError, OSError):
        # Nobody waits for what is being read.
        os._exit(0)


def _do(job: Any, outbox: "_Outbox") -> None:
    from sessions_app.importers.reading import SourceError, SourceReader, SourceRewritten

    end: ReadingEnd | str = ReadingEnd.DONE
    try:
        for batch in SourceReader(job).batches():
            outbox.put(batch)
            if batch.draft.terminals:
                _let_engine_go_first()
    except SourceRewritten:
        end = ReadingEnd.REWRITTEN
    except SourceError as error:
        end = str(error)
    outbox.put(end)


@functools.cache
def _let_engine_go_first() -> None:
    os.nice(_NICENESS_OF_RECORDINGS)


class _Outbox:
    """Sends from a thread, so that reading goes on while the writer is busy; bounded by bytes."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._bytes = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._send, daemon=True).start()

    def put(self, message: Any) -> None:
        content = pickle.dumps(message, protocol=5)
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < MAX_WAITING_BYTES)
            self._bytes += len(content)
        self._waiting.put(content)

    def _send(self) -> None:
        try:
            while True:
                content = self._waiting.get()
                self._connection.send_bytes(content)
                with self._changed:
                    self._bytes -= len(content)
                    self._changed.notify()
        except OSError:
            os._exit(0)
