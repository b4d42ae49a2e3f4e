"""Database access of the consumers.

Channels' database_sync_to_async opens and closes a connection around each call and puts all calls outside
of requests on one thread. A few threads that keep their connections serve hundreds of sockets instead.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

THREADS = 4

_lock = threading.Lock()
_executor: ThreadPoolExecutor | None = None
_opened: list[BaseDatabaseWrapper] = []


async def in_database[**Arguments, Answer](
    function: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Answer:
    """Call `function` on one of the threads. Raises what it raises; a broken connection is opened anew."""
    return await asyncio.wrap_future(submit(function, *arguments, **named))


def submit[**Arguments, Answer](
    function: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Future[Answer]:
    """As in_database, for an answer that several wait for."""

    def call() -> Answer:
        try:
            return function(*arguments, **named)
        except DatabaseError:
            connections["default"].close()
            raise

    return _threads().submit(call)


def stop_reading() -> None:
    """End the threads and close their connections; the next call starts others."""
    global _executor
    with _lock:
        executor, _executor = _executor, None
    if executor is not None:
        executor.shutdown(wait=True, cancel_futures=True)
    while _opened:
        _opened.pop().close()


def _threads() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(THREADS, thread_name_prefix="live", initializer=_remember)
        return _executor


def _remember() -> None:
    """Let the thread's connection be closed by whoever ends the threads."""
    connection = connections["default"]
    connection.inc_thread_sharing()
    _opened.append(connection)
