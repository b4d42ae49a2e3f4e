"""Threads that keep their connection to the database from one call to the next.

Opening SQLite's costs as much as a small page (its schema is read again, and its cache is empty), and whoever ends the
threads must close what they opened.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class DatabaseThreads:
    """At most `number` threads, started as they are needed."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._opened: list[BaseDatabaseWrapper] = []

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Where to hand calls to; after `stop` it is another one."""
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    self._number, thread_name_prefix=self._name, initializer=self._remember
                )
            return self._executor

    def stop(self) -> None:
        """Wait for the calls that run, forget those that wait, and close the connections."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
        while self._opened:
            self._opened.pop().close()

    def _remember(self) -> None:
        """Let the thread's connection be closed by whoever ends the threads."""
        connection = connections["default"]
        connection.inc_thread_sharing()
        self._opened.append(connection)
