"""Django's handler of HTTP requests with one thread for all of a request, which keeps its connection for the next."""

from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from dashboard.lib.database_threads import DatabaseThreads
from dashboard.lib.db import end_of_request
from dashboard.lib.traffic import TRAFFIC

# More requests than these at once wait for one another: one that waits for the write lock has its thread meanwhile.
_threads: Final = DatabaseThreads("request", 16)
#: End the threads and close their connections.
stop_answering: Final = _threads.stop


class OneThreadHandler(ASGIHandler):
    """Middleware and views are synchronous here, so they are called as one function, in one hop to a thread.

    Django's own chain ends in a coroutine. Around synchronous middleware that is a way back to the event loop and out
    again for the view, which costs as much as a small page; and a browser that leaves in the middle ends the
    executor that the view would have been handed to, with a traceback in the log. Its thread would be a new one for
    each request, with a connection of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        # Theirs is a thread that all sockets share as they connect: whoever waits for the database there would keep
        # every request waiting. The threads here see to their connections themselves.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await self.handle(scope, receive, send)

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self._answer, thread_sensitive=False, executor=_threads.executor)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with TRAFFIC.answering():
            try:
                return self.get_response(request)
            finally:
                end_of_request()
