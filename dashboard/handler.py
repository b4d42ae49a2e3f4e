"""Django's handler of HTTP requests with one thread for all of a request."""

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class OneThreadHandler(ASGIHandler):
    """Middleware and views are synchronous here, so they are called as one function, in one hop to a thread.

    Django's own chain ends in a coroutine. Around synchronous middleware that is a way back to the event loop and out
    again for the view, which costs as much as a small page; and a browser that leaves in the middle ends the
    executor that the view would have been handed to, with a traceback in the log.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)
