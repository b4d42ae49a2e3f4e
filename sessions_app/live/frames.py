"""Spans of output, read once for all viewers that stand at the same place."""

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import Future

from sessions_app.actions.terminals.frames import Span, SpanKey, make_span
from sessions_app.live.reading import submit

REMEMBERED_BYTES = 16 * 1024 * 1024


async def read_span(key: SpanKey) -> Span:
    """From memory, from a read that another viewer waits for, or from the database. Raises DatabaseError."""
    # Shielded: a viewer that leaves must not cancel the read of the others.
    return await asyncio.shield(asyncio.wrap_future(_shared.future(key)))


class _Shared:
    """The newest spans, by their place; output never changes, so nothing here is ever out of date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: OrderedDict[SpanKey, Future[Span]] = OrderedDict()
        self._bytes = 0

    def future(self, key: SpanKey) -> Future[Span]:
        with self._lock:
            found = self._futures.get(key)
            if found is not None:
                self._futures.move_to_end(key)
                return found
            future = self._futures[key] = submit(make_span, key)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    def _keep(self, key: SpanKey, done: Future[Span]) -> None:
        with self._lock:
            if done.cancelled() or done.exception() is not None:
                self._futures.pop(key, None)
                return
            self._bytes += done.result().size
            while self._bytes > REMEMBERED_BYTES:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        for key, future in self._futures.items():
            if future.done():
                self._bytes -= future.result().size
                del self._futures[key]
                return


_shared = _Shared()
