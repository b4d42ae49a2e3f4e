"""Database access of the consumers.

Channels' database_sync_to_async opens and closes a connection around each call and puts all calls outside
of requests on one thread. A few threads that keep SQLite's, and give that of Postgres back to the pool,
serve hundreds of sockets instead.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from dashboard.lib.database_threads import DatabaseThreads
from dashboard.lib.db import end_of_request

_threads: Final = DatabaseThreads("live", 4)
#: End the threads and close their connections; the next call starts others.
stop_reading: Final = _threads.stop


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
        finally:
            # That of Postgres goes back to the pool, which gives out none that has ended.
            end_of_request()

    return _threads.executor.submit(call)
